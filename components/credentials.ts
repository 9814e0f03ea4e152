import * as pulumi from "@pulumi/pulumi";

/** What a user may do: `pull` reads only, `push` also writes and deletes. */
export const accessLevels = ["push", "pull"] as const;

export type Access = (typeof accessLevels)[number];

/** One user, whose name is the key. */
export interface UserArgs {
  /**
   * At most 72 bytes (bcrypt reads no more), without line breaks.
   *
   * @default - 32 generated letters and digits, in the output `passwords`
   */
  password?: pulumi.Input<string>;
  /** @default "push" */
  access?: Access;
}
