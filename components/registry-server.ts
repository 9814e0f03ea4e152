/** References by tag or digest. */
export interface ImagesArgs {
  /** @default "registry:3.1.2" */
  registry?: string;
  /** @default "nginx:1.30" */
  nginx?: string;
}
