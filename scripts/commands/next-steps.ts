import { z } from "zod";

/** The outputs of the stack that people need next. Programs of one's own may lack them. */
export const nextStepsSchema = z.object({
  registryHost: z.string(),
  loginCommand: z.string(),
});

/**
 * What `npm run up` ends with. Has no secret: it says how to see them.
 *
 * @param seen What the registry was seen to do.
 */
export function nextSteps(outputs: z.infer<typeof nextStepsSchema>, seen: string): string {
  const { registryHost, loginCommand } = outputs;
  return `
${seen}

  Log in         ${loginCommand}
  The passwords  npm run -s pulumi -- stack output passwords --show-secrets
  Push           docker tag IMAGE ${registryHost}/IMAGE && docker push ${registryHost}/IMAGE

Next, each followed by npm run up:

  Add a user     npm run pulumi -- config set --path users.alice.access push
  Add a name     npm run pulumi -- config set --path 'domains[1]' registry.example.com
  Add a client   npm run pulumi -- config set --path clients.web1.host 10.0.0.5

Take it away     npm run down
`;
}
