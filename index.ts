import { PrivateRegistry, readSettings } from "./components";

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
