import { PrivateRegistry, readDefaultUsers, readSettings } from "./components";

// Pulumi formats a stack trace for each property of each resource, four times: 0.2 s of every `up`
// with Node's ten frames. One frame still tells where an error comes from.
Error.stackTraceLimit = 1;

const name = "registry";

export = async () => {
  const registry = new PrivateRegistry(name, readSettings(await readDefaultUsers(name)));
  const {
    registryUrl,
    registryHost,
    caCertificate,
    caFingerprint,
    passwords,
    loginCommand,
    clients,
    trustScript,
  } = registry;
  return {
    registryUrl,
    registryHost,
    caCertificate,
    caFingerprint,
    passwords,
    loginCommand,
    clients,
    trustScript,
  };
};
