import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ManagedFiles } from "../../components/managed-files";
import {
  applyScript,
  nginxArguments,
  nginxHealthCommand,
  nginxTmpfsOptions,
} from "../../components/render/engine-scripts";
import { filesFolder, nginxFolder, uid } from "../../components/render/layout";
import { renderNginxConf } from "../../components/render/nginx-conf";
import { makeCertificate } from "../support/bare-registry";
import { createDisk, type Disk } from "../support/disk";
import { docker, inVolume } from "../support/engine";
import { record } from "../support/mocks";

// The files that the containers read, published by the real script on a disk of their own.

let disk: Disk;
let volume: string;

beforeAll(async () => {
  disk = await createDisk(64);
  volume = join(disk.folder, "files");
  await mkdir(volume);
});

afterAll(async () => {
  await disk.remove();
});

/** What Pulumi is asked to run for `files`. */
async function publication(files: Record<string, string>) {
  const resources = await record(() => {
    new ManagedFiles("f", {
      installation: { name: "test", id: "0123" },
      image: "nginx:1.30",
      files,
    });
  });
  const { inputs } = resources.find(({ name }) => name === "f-publish") ?? {};
  const { environment, stdin } = inputs as {
    environment: Record<string, string>;
    stdin: { value: string };
  };
  return {
    archive: stdin.value,
    generation: environment.GENERATION,
    publish: (input: string) =>
      execa("sh", ["-c", environment.SCRIPT ?? ""], {
        ...{ input, all: true, reject: false },
        env: { ...environment, VOLUME: volume },
      }),
  };
}

const inForce = () => inVolume(volume, "cd /volume/current && head -c 50 -- *");

describe("files that are published", () => {
  it("are on the disk, with the link that puts them in force, when that is done", async () => {
    const { archive, publish } = await publication({ "nginx.conf": "first", "tls.key": "key" });
    expect(await publish(archive)).toMatchObject({ exitCode: 0, all: "" });
    await disk.cutPower();
    await disk.restorePower();
    expect(await inForce()).toBe("==> nginx.conf <==\nfirst\n==> tls.key <==\nkey");
  });

  it("take no effect if a part of them arrives, as from a run that is killed", async () => {
    const { archive, generation, publish } = await publication({ alice: "", bob: "", carol: "" });
    // Two whole files of three, in blocks of 512 bytes, which tar takes for all.
    const part = Buffer.from(archive, "base64").subarray(0, 1024).toString("base64");
    const { exitCode, all } = await publish(part);
    expect(exitCode).toBe(1);
    expect(all).toBe("The files did not arrive whole.");
    expect(await inForce()).toContain("first");

    expect(await publish(archive)).toMatchObject({ exitCode: 0, all: "" });
    expect(await inVolume(volume, "ls /volume/current; readlink /volume/current")).toBe(
      `alice\nbob\ncarol\n${generation}`,
    );
  });
});

describe("a configuration that nginx refuses only when it is to reload", () => {
  it("is told with nginx's own words, and the one of before serves", async () => {
    const { certificatePem, privateKeyPem } = await makeCertificate(["localhost"]);
    const conf = renderNginxConf({
      registrySocket: "/run/none.sock",
      processors: 2,
      anonymousPull: false,
    });
    const files = (text: string) =>
      publication({ "nginx.conf": text, "tls.crt": certificatePem, "tls.key": privateKeyPem });
    const before = await files(conf);
    expect(await before.publish(before.archive)).toMatchObject({ exitCode: 0, all: "" });
    const nginx = await docker(
      ...["run", "--detach", "--network", "bridge", "--user", `${uid}:${uid}`],
      ...["--tmpfs", `${nginxFolder}:${nginxTmpfsOptions}`],
      ...["--volume", `${volume}:${filesFolder}:ro`],
      ...["--entrypoint", "nginx", "nginx:1.30", ...nginxArguments],
    );
    try {
      // Only the nginx that runs knows by what the zone counts.
      const after = await files(conf.replace("limit_req_zone $login_from", "limit_req_zone $uri"));
      expect(await after.publish(after.archive)).toMatchObject({ exitCode: 0, all: "" });
      const { exitCode, all } = await execa("sh", ["-c", applyScript], {
        env: {
          ...{ NGINX: nginx, NETWORK: "bridge", VOLUME: volume },
          ...{ INSTALLATION: "test", DOMAINS: "localhost" },
        },
        all: true,
        reject: false,
      });
      expect(exitCode).toBe(1);
      expect(all).toContain("nginx does not take the new configuration");
      expect(all).toContain('limit_req "login_from" uses the "$uri" key while previously it used');
      expect(await docker("exec", nginx, "sh", "-c", nginxHealthCommand)).toBe("");
    } finally {
      await docker("rm", "--force", "--volumes", nginx);
    }
  });
});
