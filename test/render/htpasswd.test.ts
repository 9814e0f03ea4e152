import { expect, it } from "vitest";
import { nobodyHtpasswd, renderHtpasswd } from "../../components/render/htpasswd";

it("writes one line for each user, in the given order", () => {
  expect(renderHtpasswd({ bob: "$2a$10$bb", alice: "$2b$10$aa" })).toBe(
    "bob:$2a$10$bb\nalice:$2b$10$aa\n",
  );
});

it("writes an empty file for nobody", () => {
  expect(renderHtpasswd({})).toBe("");
});

it("checks nobody at the cost of everybody", () => {
  expect(nobodyHtpasswd).toMatch(/^nobody:\$2b\$10\$[./A-Za-z0-9]{53}\n$/);
});
