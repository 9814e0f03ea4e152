export * from "./client-trust";
export * from "./credentials";
export * from "./managed-files";
export * from "./private-registry";
export * from "./registry-server";
export * from "./settings";
export * from "./tls-identity";
