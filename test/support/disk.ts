/** A disk of its own for a registry's images, to fill it and to cut its power. */
import { mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { execa } from "execa";

export interface Disk {
  /** Where it is mounted on this machine. */
  readonly folder: string;
  /** Leaves no room but for this many bytes. */
  fill(bytesLeft: number): Promise<void>;
  /** Takes away what {@link fill} wrote. */
  empty(): Promise<void>;
  /**
   * What the kernel has not written to the disk yet is lost, and nothing more can be written or
   * read. A disk's own cache is not simulated: what the kernel has written stays.
   */
  cutPower(): Promise<void>;
  /** After {@link cutPower}, when nobody has anything open there. */
  restorePower(): Promise<void>;
  remove(): Promise<void>;
}

/** An ext4 filesystem in a file, on a loop device. It needs root, as the engine does. */
export async function createDisk(mebibytes: number): Promise<Disk> {
  const own = await mkdtemp(join(tmpdir(), "private-registry-test-disk-"));
  const image = join(own, "image");
  const folder = join(own, "mounted");
  const filler = join(folder, "filler");
  const mount = () => execa("mount", ["-o", "loop", image, folder]);
  const remove = async () => {
    await execa("umount", [folder], { reject: false });
    await rm(own, { recursive: true, force: true });
  };
  try {
    await mkdir(folder);
    await writeFile(image, "");
    await truncate(image, mebibytes * 1024 * 1024);
    // Nothing is reserved for root, so that what is free is free for the registry.
    await execa("mkfs.ext4", ["-q", "-m", "0", image]);
    await mount();
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    folder,
    fill: async (bytesLeft) => {
      const { stdout } = await execa("df", ["--block-size=1", "--output=avail", folder]);
      const free = Number(stdout.split("\n")[1]);
      await execa("fallocate", ["--length", String(free - bytesLeft), filler]);
    },
    empty: () => rm(filler),
    cutPower: async () => {
      await execa("perl", ["-e", shutDown, folder]);
    },
    restorePower: async () => {
      await execa("umount", [folder]);
      await untilReleased(image);
      await mount();
    },
    remove,
  };
}

/** Another program's mount namespace may have the dead filesystem a little longer than this one. */
async function untilReleased(image: string): Promise<void> {
  const limit = Date.now() + 60_000;
  for (;;) {
    const { stdout } = await execa("losetup", ["--associated", image]);
    if (stdout === "") return;
    if (Date.now() > limit) throw new Error(`${image}: still in use after a minute: ${stdout}`);
    await setTimeout(100);
  }
}

/** EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH (linux/ext4.h): not even the journal is written. */
const shutDown = `open my $root, "<", $ARGV[0] or die "open: $!";
my $flags = pack "L", 2;
ioctl $root, 0x8004587D, $flags or die "ioctl: $!";`;
