import { expect, it } from "vitest";
import { renderRegistryConfig } from "../../components/render/registry-config";

it("renders the registry's whole config file", async () => {
  await expect(
    renderRegistryConfig({ httpSecret: 'sec"ret', drainSeconds: 60 }),
  ).toMatchFileSnapshot("__texts__/config.yml");
});

it("renders what manifests may refer to, where it is not the registry's default", async () => {
  await expect(
    renderRegistryConfig({
      httpSecret: "secret",
      drainSeconds: 60,
      foreignLayerUrls: ["^https://mcr\\.microsoft\\.com/", 'a"b'],
      indexPlatforms: "none",
    }),
  ).toMatchFileSnapshot("__texts__/config-validation.yml");
});

it("renders the same bytes without settings and with the defaults", () => {
  const plain = { httpSecret: "secret", drainSeconds: 60 };
  const defaults = { foreignLayerUrls: [], indexPlatforms: "all" } as const;
  expect(renderRegistryConfig({ ...plain, ...defaults })).toBe(renderRegistryConfig(plain));
});
