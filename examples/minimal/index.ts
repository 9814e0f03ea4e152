import { PrivateRegistry } from "../../components";

const hub = new PrivateRegistry("hub", { domains: ["registry.example.com"] });

export const url = hub.registryUrl;
export const login = hub.loginCommand;
export const passwords = hub.passwords;
