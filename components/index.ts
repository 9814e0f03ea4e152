export {
  type ClientArgs,
  ClientTrust,
  type ClientTrustArgs,
  type Runtime,
  type SshArgs,
  type TrustArgs,
  trustScript,
} from "./client-trust";
export { type Access, Credentials, type CredentialsArgs, type UserArgs } from "./credentials";
export { ManagedFiles, type ManagedFilesArgs, managedPath } from "./managed-files";
export { PrivateRegistry, type PrivateRegistryArgs } from "./private-registry";
export {
  type ImagesArgs,
  RegistryServer,
  type RegistryServerArgs,
  type ValidationArgs,
} from "./registry-server";
export { readDefaultUsers } from "./previous-users";
export { readSettings, type Settings } from "./settings";
export {
  type CertificateArgs,
  type KeyAlgorithm,
  type OwnCertificateArgs,
  TlsIdentity,
  type TlsIdentityArgs,
} from "./tls-identity";
