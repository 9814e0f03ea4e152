import * as pulumi from "@pulumi/pulumi";
import { PrivateRegistry } from "../../components";

const config = new pulumi.Config();

const hub = new PrivateRegistry("hub", {
  domains: ["registry.example.com"],
  registryAddress: "10.0.0.5",
  dockerHost: "ssh://ops@10.0.0.5",
  dataPath: "/srv/registry",
  users: {
    alice: {}, // generated: `pulumi stack output passwords --show-secrets`
    ci: { password: config.requireSecret("ciPassword") },
    web: { access: "pull" },
  },
  clients: {
    web1: { host: "10.0.0.11", hostKey: config.require("web1HostKey") },
    web2: { host: "10.0.0.12", user: "ops", hostKey: config.require("web2HostKey") },
  },
});

export const { registryHost, loginCommand, passwords, clients } = hub;
