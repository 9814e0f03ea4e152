import { z } from "zod";
import type { Context } from "../context";

/** The outputs of the stack that people need next. Programs of one's own may lack them. */
export const nextStepsSchema = z.object({
  registryHost: z.string(),
  loginCommand: z.string(),
});

/**
 * What `npm run up` ends with. Has no secret: it says how to see them. What it advises to set is not
 * set yet, and can be done as the registry stands.
 *
 * @param seen What the registry was seen to do.
 */
export function nextSteps(
  outputs: z.infer<typeof nextStepsSchema>,
  seen: string,
  { npmRun, project }: Pick<Context, "npmRun" | "project">,
): string {
  const { registryHost, loginCommand } = outputs;
  const { bindAddress, clients, domains, users } = project;
  const set = `${npmRun} pulumi -- config set`;
  const isLocal = bindAddress === "::1" || bindAddress.startsWith("127.");
  const user = firstFree(["alice", "bob", "carol"], "user", users);
  const domain = firstFree(["registry.example.com"], "registry", domains ?? [], ".example.com");
  const client = firstFree([], "web", clients);
  const hints = [
    ["Add a user", `${set} --path users.${user}.access push`],
    ...(domains ? [["Add a name", `${set} --path 'domains[${domains.length}]' ${domain}`]] : []),
    // Until then no other machine can be a client.
    isLocal
      ? ["Let others in", `${set} bindAddress 0.0.0.0`]
      : ["Add a client", `${set} --path clients.${client}.host 10.0.0.11`],
  ];
  return `
${seen}

  Log in         ${loginCommand}
  The passwords  ${npmRun.replace("npm run", "npm run -s")} pulumi -- stack output passwords --show-secrets
  Push           docker tag IMAGE ${registryHost}/IMAGE && docker push ${registryHost}/IMAGE

Next, each followed by ${npmRun} up:

${hints.map(([title = "", command = ""]) => `  ${title.padEnd(13)}  ${command}`).join("\n")}

Take it away     ${npmRun} down
`;
}

/** The first of some names that is not taken; else `web1`, `web2`… */
function firstFree(
  names: readonly string[],
  stem: string,
  taken: readonly string[],
  ending = "",
): string {
  const numbered = taken.concat("").map((_, index) => `${stem}${index + 1}${ending}`);
  return [...names, ...numbered].find((name) => !taken.includes(name)) ?? stem;
}
