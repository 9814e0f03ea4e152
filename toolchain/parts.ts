import { join } from "node:path";
import type { Pins } from "../scripts/pins";
import { goBuild } from "./go";
import { buildNginxImage } from "./images/nginx";
import { buildRegistryImage } from "./images/registry";
import type { Part } from "./part";

/** The version of the language host: the newest that is served as a Go module. */
const HOST_VERSION = "v3.68.0";

/** Everything that the toolchain can make, by name. */
export interface Parts {
  pulumiCli: Part;
  languageHost: Part;
  providers: Part;
  commandProvider: Part;
  registryImage: Part;
  nginxImage: Part;
}

/**
 * Describes the parts of the toolchain.
 *
 * @param toolchain The folder toolchain/.
 * @param pins The versions under which the CLI and the providers present themselves.
 * @param images The references that the images are tagged with.
 */
export function describeParts(
  toolchain: string,
  pins: Pins,
  images: { registry: string; nginx: string },
): Parts {
  const registryVersion = `v${images.registry.split(":")[1] ?? ""}`;
  return {
    pulumiCli: {
      name: "pulumi-cli",
      title: `Pulumi CLI v${pins.pulumi}: building from Go modules`,
      usually: "4 to 6 min the first time",
      sources: [join(toolchain, "cli")],
      recipe: [pins.pulumi],
      build: (work) =>
        goBuild({
          module: join(toolchain, "cli"),
          packages: ["github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"],
          variables: {
            "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": `v${pins.pulumi}`,
          },
          into: work.folder,
          work,
        }),
    },
    languageHost: {
      name: "pulumi-language-nodejs",
      title: `Pulumi's Node.js host ${HOST_VERSION}: building from Go modules`,
      usually: "1 min the first time",
      sources: [join(toolchain, "host")],
      recipe: [HOST_VERSION],
      build: (work) =>
        goBuild({
          module: join(toolchain, "host"),
          packages: ["github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs"],
          variables: { "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": HOST_VERSION },
          into: work.folder,
          work,
        }),
    },
    providers: {
      name: "providers",
      title: "Pulumi providers docker, random, tls: building from Go modules",
      usually: "3 to 5 min the first time",
      sources: [join(toolchain, "providers")],
      recipe: [pins.providers.docker, pins.providers.random, pins.providers.tls],
      build: (work) =>
        goBuild({
          module: join(toolchain, "providers"),
          packages: ["./cmd/..."],
          variables: {
            "example.local/toolchain/providers/internal/pins.Docker": pins.providers.docker,
            "example.local/toolchain/providers/internal/pins.Random": pins.providers.random,
            "example.local/toolchain/providers/internal/pins.TLS": pins.providers.tls,
          },
          // docker compose, which no resource of this project needs, is half of the binary.
          tags: "no_compose",
          into: work.folder,
          work,
        }),
    },
    commandProvider: {
      name: "provider-command",
      title: "Pulumi provider command: building our stand-in",
      usually: "1 min the first time",
      sources: [join(toolchain, "command")],
      recipe: [pins.providers.command],
      build: (work) =>
        goBuild({
          module: join(toolchain, "command"),
          packages: ["./cmd/..."],
          into: work.folder,
          work,
        }),
    },
    registryImage: {
      name: "image-registry",
      title: `image ${images.registry}: building from packages`,
      usually: "1 to 3 min the first time",
      sources: [join(toolchain, "registry"), join(toolchain, "images")],
      recipe: [images.registry],
      build: (work) =>
        buildRegistryImage({ ...work, toolchain, tag: images.registry, registryVersion }),
    },
    nginxImage: {
      name: "image-nginx",
      title: `image ${images.nginx}: building from Debian packages`,
      usually: "30 to 60 s the first time",
      sources: [join(toolchain, "images")],
      recipe: [images.nginx],
      build: (work) => buildNginxImage({ ...work, toolchain, tag: images.nginx }),
    },
  };
}
