import { describe, expect, it } from "vitest";
import { renderNginxConf } from "../../components/render/nginx-conf";

const registrySocket = "/run/registry/0123456789ab.sock";
const withUsers = renderNginxConf({ registrySocket, processors: 2, anonymousPull: false });
const withAnonymous = renderNginxConf({ registrySocket, processors: 2, anonymousPull: true });

describe("renderNginxConf", () => {
  it("renders the whole of nginx.conf", async () => {
    await expect(withUsers).toMatchFileSnapshot("__texts__/nginx.conf");
  });

  it("renders the whole of nginx.conf with anonymous pull", async () => {
    await expect(withAnonymous).toMatchFileSnapshot("__texts__/nginx-anonymous-pull.conf");
  });

  it.each([
    ["users only", withUsers],
    ["anonymous pull", withAnonymous],
  ])("checks every request that reaches the registry (%s)", (_, conf) => {
    const outward = conf.slice(0, conf.indexOf("listen unix:"));
    const locations = outward
      .split(/^ {8}(?=location )/m)
      .filter((location) => location.includes("proxy_pass http://registry"));
    expect(locations.length).toBeGreaterThan(0);
    for (const location of locations) {
      expect(location).toContain("auth_request /_auth;");
    }
  });

  it("hands out tokens with anonymous pull only", () => {
    expect(withUsers).not.toContain("/token");
    expect(withAnonymous).toContain("location = /token");
  });
});
