import { expect, it } from "vitest";
import { renderRegistryConfig } from "../../components/render/registry-config";

it("renders the registry's whole config file", async () => {
  await expect(
    renderRegistryConfig({ httpSecret: 'sec"ret', drainSeconds: 60 }),
  ).toMatchFileSnapshot("__texts__/config.yml");
});
