/**
 * Tells whose an object on the Docker engine is, also if a run was killed before it wrote that down.
 * Not for what must never be taken for left over: the images.
 *
 * @param installation Unique on the Docker host.
 */
export function installationLabels(installation: string): { label: string; value: string }[] {
  return [{ label: "private-registry", value: installation }];
}
