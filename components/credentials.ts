import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import * as bcrypt from "bcryptjs";
import { setCommand } from "./config-commands";
import { renderHtpasswd } from "./render/htpasswd";
import { namespace } from "./rules/configuration";

/**
 * What a user may do: `pull` reads only, `push` also writes and deletes, and `none` is as if the user
 * were not named, by which nobody, the default user neither, is left there.
 */
export const accessLevels = ["push", "pull", "none"] as const;

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

/** Who there is when nobody is named: one user `admin` who may push, with a generated password. */
export const defaultUsers: Readonly<Record<string, UserArgs>> = { admin: {} };

/** Those who may log in. */
export function admitted(users: Readonly<Record<string, UserArgs>>): Record<string, UserArgs> {
  return Object.fromEntries(Object.entries(users).filter(([, { access }]) => access !== "none"));
}

/** The least length of a password that nobody is warned of. */
const advisedBytes = 12;

export interface CredentialsArgs {
  /** As in `PrivateRegistryArgs`. */
  users: Record<string, UserArgs>;
}

/**
 * The users' passwords, and the htpasswd file made of them. Hashes are stable: the salt of a
 * generated password's is in the state with it, the salt of a given one's is kept beside it.
 */
export class Credentials extends pulumi.ComponentResource {
  /** User name to password, secret. */
  public readonly passwords: pulumi.Output<Record<string, string>>;
  /** The htpasswd file, secret. */
  public readonly htpasswd: pulumi.Output<string>;
  /** Who has a setting of their own; who has none may be there by default only. */
  public readonly configured: string[];

  constructor(name: string, args: CredentialsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("private-registry:index:Credentials", name, {}, opts);

    const passwords: Record<string, pulumi.Output<string>> = {};
    const hashes: Record<string, pulumi.Output<string>> = {};
    for (const [user, { password }] of Object.entries(args.users)) {
      if (password === undefined) {
        const generated = new random.RandomPassword(
          `${name}-password-${user}`,
          { length: 32, special: false },
          { parent: this },
        );
        passwords[user] = generated.result;
        hashes[user] = generated.bcryptHash;
      } else {
        const salt = new random.RandomBytes(
          `${name}-salt-${user}`,
          { length: 16 },
          { parent: this },
        );
        passwords[user] = pulumi.secret(password);
        passwords[user].apply((plain) => this.adviseLonger(user, plain));
        hashes[user] = pulumi
          .all([passwords[user], salt.base64])
          .apply(([plain, bytes]) => bcryptHash(plain, Buffer.from(bytes, "base64")));
      }
    }

    this.passwords = pulumi.secret(pulumi.all(passwords));
    this.htpasswd = pulumi.secret(pulumi.all(hashes).apply(renderHtpasswd));
    this.configured = Object.keys(args.users).filter((user) => isConfigured(args.users[user]));
    this.registerOutputs({
      passwords: this.passwords,
      htpasswd: this.htpasswd,
      configured: this.configured,
    });
  }

  private adviseLonger(user: string, password: string): void {
    if (Buffer.byteLength(password) >= advisedBytes) return;
    const command = setCommand(namespace, { path: ["users", user, "password"], secret: true });
    const words = `the password has fewer than ${advisedBytes} bytes, and can be guessed: ${command}`;
    void pulumi.log.warn(`users.${user}: ${words}`, this);
  }

  /** Secret. */
  passwordOf(user: string): pulumi.Output<string> {
    return this.passwords.apply((passwords) => passwords[user] ?? "");
  }
}

function isConfigured({ password, access }: UserArgs = {}): boolean {
  return password !== undefined || access !== undefined;
}

/** bcrypt at cost 10, as the generated passwords' hashes have, with a given salt of 16 bytes. */
async function bcryptHash(password: string, salt: Buffer): Promise<string> {
  return bcrypt.hash(password, `$2b$10$${bcrypt.encodeBase64(salt, salt.length)}`);
}
