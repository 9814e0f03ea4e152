import { mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { pulumiEnvironment, readContext } from "../../scripts/context";
import { ownEnvironment } from "../../scripts/environment";
import { checkout, spelledCheckout } from "../../scripts/paths";
import { leaveOutUnusableFolders } from "../../scripts/temporary-folder.cjs";
import { hostileVariables } from "../support/hostile-environment";

describe("the environment of what the scripts start", () => {
  it.each(Object.keys(hostileVariables))("is not changed by the shell's %s", (name) => {
    expect(ownEnvironment({ [name]: hostileVariables[name] })).toEqual(ownEnvironment({}));
  });

  it.each([
    ...["PATH", "TERM", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "XDG_CACHE_HOME"],
    ...["AWS_ACCESS_KEY_ID", "AZURE_STORAGE_KEY", "GOOGLE_APPLICATION_CREDENTIALS", "VAULT_ADDR"],
    ...["ARM_CLIENT_SECRET", "CLOUDFLARE_API_TOKEN", "GOPROXY", "GITHUB_TOKEN", "GIT_SSH_COMMAND"],
    ...["PULUMI_ACCESS_TOKEN", "PULUMI_BACKEND_URL", "PULUMI_STACK", "PULUMI_CONFIG_PASSPHRASE"],
    ...["PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_HOME", "PULUMI_PARALLEL", "https_proxy"],
    ...["DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "npm_config_x"],
  ])("has what the user has a reason for: %s", (name) => {
    expect(ownEnvironment({ [name]: "x" })[name]).toBe("x");
  });

  it("sends what stays on this machine through no proxy", () => {
    const own = ownEnvironment;
    const list = "corp.example,localhost,127.0.0.1,::1";
    const proxied = { http_proxy: "http://proxy:3128", NO_PROXY: "corp.example, localhost" };
    expect(own(proxied)).toMatchObject({ ...proxied, NO_PROXY: list, no_proxy: list });
    expect(own({ no_proxy: "corp.example" })).toMatchObject({ NO_PROXY: list, no_proxy: list });
    // Said in a way that Node's gRPC does not know.
    expect(own({ http_proxy: "http://proxy:3128", NO_PROXY: "*" })).not.toHaveProperty(
      "http_proxy",
    );
  });

  it("has a home, and no folder for temporary files that is none", () => {
    expect(ownEnvironment({ HOME: "" })["HOME"]).toMatch(/^\//);
    const env = { TMPDIR: "/not/there", TMP: "/etc/hostname", TEMP: "/tmp" };
    const said: string[] = [];
    leaveOutUnusableFolders(env, (line: string) => said.push(line));
    expect(env).toEqual({ TEMP: "/tmp" });
    expect(said.join("\n")).toContain("TMPDIR is /not/there, which is no folder");
  });
});

describe("the environment of Pulumi", () => {
  const cli = { program: "/bin/pulumi", folders: ["/bin"], version: "3.256.0", origin: "" };
  const environment = (args: string[], env: NodeJS.ProcessEnv = {}) => {
    const context = readContext(args);
    return pulumiEnvironment({ ...context, env: { ...context.env, ...env } }, cli);
  };

  it("names the stack, so that none has to be selected", () => {
    expect(environment(["--stack", "web"])["PULUMI_STACK"]).toBe("web");
  });

  it("says how the user calls Pulumi", () => {
    const told = (...args: string[]) => environment(args)["PRIVATE_REGISTRY_PULUMI"];
    expect(told()).toBe("npm run pulumi --");
    expect(told("--stack", "web")).toBe("PULUMI_STACK=web npm run pulumi --");
    expect(told("--stack", "a b")).toBe("PULUMI_STACK='a b' npm run pulumi --");
  });

  it("has no options for the files of another backend than ours", () => {
    const gzip = { PULUMI_DIY_BACKEND_GZIP: "true" };
    expect(environment([], gzip)).not.toHaveProperty("PULUMI_DIY_BACKEND_GZIP");
  });
});

describe("the checkout's path", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(realpathSync(tmpdir()), "private-registry-test-"));
    symlinkSync(checkout, join(folder, "link"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("is spelled as in the shell, in whatever folder of it that is", () => {
    const link = join(folder, "link");
    expect(spelledCheckout(link)).toBe(link);
    expect(spelledCheckout(join(link, "components", "render"))).toBe(link);
    expect(spelledCheckout(join(checkout, "components"))).toBe(checkout);
  });

  it("is its own where the shell is elsewhere", () => {
    expect(spelledCheckout(folder)).toBe(checkout);
    expect(spelledCheckout("/not/there")).toBe(checkout);
    expect(spelledCheckout(undefined)).toBe(checkout);
  });
});
