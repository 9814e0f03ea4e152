/** Lets a machine's dockerd run containers, which needs control groups that it can write. */
export const runsContainers = [
  "--cgroupns",
  "host",
  "--volume",
  "/sys/fs/cgroup:/sys/fs/cgroup:rw",
];
