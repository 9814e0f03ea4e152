import { describe, expect, it } from "vitest";
import { RegistryServer, type RegistryServerArgs } from "../components/registry-server";
import {
  checkNginxFilesScript,
  deleteDataScript,
  releaseDataScript,
} from "../components/render/engine-scripts";
import { caPem, record, type Registered } from "./support/mocks";

async function server(args: Partial<RegistryServerArgs> = {}, { notes = "" } = {}) {
  const resources = await record(
    () => {
      new RegistryServer("s", {
        installation: "project-stack-hub",
        domains: ["hub.test", "10.0.0.5"],
        certificatePem: caPem,
        privateKeyPem: "key",
        users: { alice: {}, bob: { access: "pull" } },
        htpasswd: "htpasswd",
        ...args,
      });
    },
    { "s-preflight": { stdout: notes } },
  );
  const inputs = (type: string, name: string) => {
    const found = resources.find(
      (resource) => resource.type.startsWith(type) && resource.name === name,
    );
    if (!found) throw new Error(`no ${type} ${name} among ${resources.map((r) => r.name).join()}`);
    return found.inputs;
  };
  return {
    resources,
    inputs,
    registry: inputs("docker:index/container:", "s-registry"),
    auth: inputs("docker:index/container:", "s-auth"),
    nginx: inputs("docker:index/container:", "s-nginx"),
    environment: (name: string) => inputs("command:", name).environment as Record<string, string>,
  };
}

describe("RegistryServer", () => {
  it("hardens all containers", async () => {
    const { auth, registry, nginx } = await server();
    for (const container of [auth, registry, nginx]) {
      expect(container).toMatchObject({
        user: "10001:10001",
        readOnly: true,
        capabilities: { drops: ["ALL"] },
        securityOpts: ["no-new-privileges:true"],
        restart: "always",
        logDriver: "json-file",
        logOpts: { "max-size": "10m", "max-file": "3" },
      });
      expect(container.memorySwap).toBe(container.memory);
      expect(container.healthcheck).toMatchObject({ interval: "30s" });
    }
  });

  it("publishes nginx's port and no other", async () => {
    const { registry, nginx } = await server({ httpsPort: 5443, bindAddress: "127.0.0.1" });
    expect(nginx.ports).toEqual([{ internal: 8443, external: 5443, ip: "127.0.0.1" }]);
    expect(registry.ports).toBeUndefined();
  });

  it("publishes port 443 on all addresses by default", async () => {
    const { nginx } = await server();
    expect(nginx.ports).toEqual([{ internal: 8443, external: 443, ip: "0.0.0.0" }]);
  });

  it("gives the registry no network", async () => {
    const { registry } = await server();
    expect(registry.networkMode).toBe("none");
    expect(registry.networksAdvanced).toBeUndefined();
  });

  it("shares the sockets with nginx, and the images for reading only", async () => {
    const { registry, nginx } = await server();
    const volumes = (container: typeof registry) =>
      container.volumes as { volumeName: string; readOnly?: boolean }[];
    const names = volumes(registry).map(({ volumeName }) => volumeName);
    expect(volumes(nginx).filter(({ volumeName }) => names.includes(volumeName))).toEqual([
      { volumeName: "project-stack-hub-data", containerPath: "/var/lib/registry", readOnly: true },
      { volumeName: "s-sockets", containerPath: "/run/registry" },
    ]);
  });

  it("runs the images by id, pulled by name and kept", async () => {
    const { registry, inputs } = await server({ images: { registry: "registry:2" } });
    expect(inputs("docker:index/remoteImage:", "s-registry-image")).toEqual({
      name: "registry:2",
      keepLocally: true,
    });
    expect(inputs("docker:index/remoteImage:", "s-nginx-image").name).toBe("nginx:1.30");
    expect(registry.image).toBe("sha256:s-registry-image");
  });

  it("points nginx at the socket of this very registry container", async () => {
    const { registry, inputs } = await server();
    const stdin = (inputs("command:", "s-nginx-publish").stdin as { value: string }).value;
    // The mocks' id is the container's name; real ones have the 12 digits that are its host name.
    expect(Buffer.from(stdin, "base64").toString()).toContain(
      "server unix:/run/registry/s-registry-i.sock;",
    );
    expect((registry.command as string[])[0]).toContain(
      "REGISTRY_HTTP_ADDR=/run/registry/$HOSTNAME.sock",
    );
  });

  it("starts the registry with the config that was published, by its generation", async () => {
    const { registry, environment } = await server();
    const generation = environment("s-registry-publish").GENERATION ?? "";
    expect((registry.command as string[])[0]).toContain(
      `exec registry serve /etc/private-registry/${generation}/config.yml`,
    );
  });

  it("marks who is a user, and who may push", async () => {
    const { inputs } = await server();
    const stdin = (inputs("command:", "s-nginx-publish").stdin as { value: string }).value;
    const names = Buffer.from(stdin, "base64")
      .toString()
      .match(/(users|pushers)\/\w+/g);
    expect(names).toEqual(["pushers/alice", "users/alice", "users/bob"]);
  });

  it("lets nginx check its files before they take effect", async () => {
    const { environment } = await server();
    expect(environment("s-nginx-publish").CHECK).toBe(checkNginxFilesScript);
  });

  it("reloads nginx for the certificate and nginx.conf, and proves every domain", async () => {
    const { environment } = await server();
    expect(environment("s-apply")).toMatchObject({
      NGINX: "s-nginx-id",
      DOMAINS: "hub.test 10.0.0.5",
    });
    const loaded = async (args: Partial<RegistryServerArgs>) =>
      (await server(args)).environment("s-apply").LOADED;
    expect(await loaded({ privateKeyPem: "other" })).not.toBe(environment("s-apply").LOADED);
    expect(await loaded({ anonymousPull: true })).not.toBe(environment("s-apply").LOADED);
  });

  it("reloads nothing for a user, but publishes", async () => {
    const before = await server();
    const after = await server({ htpasswd: "another password" });
    expect(after.environment("s-apply")).toEqual(before.environment("s-apply"));
    expect(after.environment("s-nginx-publish").GENERATION).not.toBe(
      before.environment("s-nginx-publish").GENERATION,
    );
  });

  it("talks to the same engine everywhere", async () => {
    const remote = await server({ dockerHost: "ssh://ops@hub.test" });
    const local = await server();
    const commands = (resources: Registered[]) =>
      resources
        .filter(({ type }) => type.startsWith("command:"))
        .map(({ inputs }) => inputs.environment as Record<string, string>);
    expect(commands(remote.resources).length).toBeGreaterThan(4);
    for (const environment of commands(remote.resources)) {
      expect(environment.DOCKER_HOST).toBe("ssh://ops@hub.test");
    }
    for (const environment of commands(local.resources)) {
      expect(environment.DOCKER_CONTEXT).toBe("default");
    }
  });

  it("keeps secrets out of environments and container definitions", async () => {
    const { resources } = await server({
      privateKeyPem: "marker-key",
      htpasswd: "marker-htpasswd",
    });
    const open = resources
      .filter(({ type }) => type.startsWith("docker:") || type.startsWith("command:"))
      .map(({ inputs }) => JSON.stringify({ ...inputs, stdin: undefined }));
    expect(open.join("\n")).not.toMatch(/marker|http secret/);
  });

  it("names the data volume after the installation", async () => {
    const { inputs } = await server();
    expect(inputs("docker:index/volume:", "s-data")).toEqual({ name: "project-stack-hub-data" });
  });

  it("mounts dataPath instead of a volume", async () => {
    const { registry, resources, environment } = await server({ dataPath: "/srv/registry" });
    expect(registry.volumes).toContainEqual({
      hostPath: "/srv/registry",
      containerPath: "/var/lib/registry",
    });
    expect(environment("s-own-volumes").DATA).toBe("/srv/registry");
    expect(resources.map(({ name }) => name)).not.toContain("s-data");
  });

  it("names the data volume as it is told", async () => {
    const { inputs, environment } = await server({ dataVolume: "kept" });
    expect(inputs("docker:index/volume:", "s-data")).toEqual({ name: "kept" });
    expect(environment("s-preflight").DATA).toBe("kept");
  });

  it.each([
    [{ dataPath: "/srv/registry", keepData: false }, deleteDataScript],
    [{ dataPath: "/srv/registry" }, releaseDataScript],
    [{}, releaseDataScript],
    [{ keepData: false }, undefined], // the volume goes as a whole
  ])("with %j leaves or deletes the images at the end", async (args, script) => {
    const { environment } = await server(args);
    expect(environment("s-own-volumes").DELETE_SCRIPT).toBe(script);
  });

  it("labels what it makes with a name and an id", async () => {
    const { nginx, registry, inputs } = await server();
    const labelled = [
      ...[nginx, registry],
      ...[
        inputs("docker:index/network:", "s-network"),
        inputs("docker:index/volume:", "s-sockets"),
      ],
      ...["s-nginx-files", "s-registry-files"].map((name) => inputs("docker:index/volume:", name)),
    ];
    for (const { labels } of labelled) {
      expect(labels).toEqual([
        { label: "private-registry", value: "project-stack-hub" },
        { label: "private-registry.id", value: "0123456789abcdef" },
      ]);
    }
  });

  it("checks passwords in a container without a network, with little of the processor", async () => {
    const { auth } = await server();
    expect(auth).toMatchObject({ networkMode: "none", cpuShares: 128, memory: 64 });
  });

  it("remembers a login as long as neither the password nor the access changes", async () => {
    const marks = async (htpasswd: string, users: RegistryServerArgs["users"]) => {
      const { inputs } = await server({ htpasswd, users });
      const { value } = inputs("command:", "s-nginx-publish").stdin as { value: string };
      return Buffer.from(value, "base64")
        .toString("latin1")
        .match(/marks\/[0-9a-f]{16}/g);
    };
    const [alice, bob] = (await marks("alice:$2a$1\nbob:$2a$2\n", { alice: {}, bob: {} })) ?? [];
    expect(alice).toMatch(/^marks/);
    expect(await marks("bob:$2a$2\ncarol:$2a$3\n", { bob: {}, carol: {} })).toContain(bob);
    expect(await marks("alice:$2a$3\n", { alice: {} })).not.toContain(alice);
    expect(await marks("alice:$2a$1\n", { alice: { access: "pull" } })).not.toContain(alice);
    expect(await marks("alice:$2a$1\n", { alice: { access: "push" } })).toContain(alice);
  });

  it("has as many workers as the engine has processors, and at most eight", async () => {
    const workers = async (notes: string) => {
      const { inputs } = await server({}, { notes });
      const { value } = inputs("command:", "s-nginx-publish").stdin as { value: string };
      const text = Buffer.from(value, "base64").toString("latin1");
      return ["worker_processes", "worker_connections"].map((name) =>
        Number(new RegExp(`${name} (\\d+);`).exec(text)?.[1]),
      );
    };
    const note = (count: number) => `The processors of the Docker host: ${count}.\n`;
    expect(await workers(note(2))).toEqual([2, 4096]);
    expect(await workers(`The engine cannot limit swap: …\n${note(64)}`)).toEqual([8, 1024]);
    expect(await workers("")).toEqual([1, 8192]);
  });

  it("asks for no limit that the engine cannot hold", async () => {
    const limits = async (notes: string) => {
      const { nginx } = await server({}, { notes });
      return [nginx.memory, nginx.memorySwap];
    };
    expect(await limits("")).toEqual([1024, 1024]);
    expect(await limits("The engine cannot limit swap: …")).toEqual([1024, undefined]);
    expect(await limits("The engine cannot limit memory: …")).toEqual([undefined, undefined]);
  });
});
