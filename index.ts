import { PrivateRegistry, readSettings } from "./components";

// Pulumi formats a stack trace for each property of each resource, four times: 0.2 s of every `up`
// with Node's ten frames. One frame still tells where an error comes from.
Error.stackTraceLimit = 1;

const registry = new PrivateRegistry("registry", readSettings());

export const {
  registryUrl,
  registryHost,
  caCertificate,
  caFingerprint,
  passwords,
  loginCommand,
  clients,
  trustScript,
} = registry;
