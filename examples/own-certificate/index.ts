import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { PrivateRegistry } from "../../components";

const folder = new pulumi.Config().require("certificateFolder"); // such as certbot's live/<domain>

const hub = new PrivateRegistry("hub", {
  domains: ["registry.example.com"],
  ownCertificate: {
    certificatePem: readFileSync(`${folder}/fullchain.pem`, "utf8"),
    privateKeyPem: pulumi.secret(readFileSync(`${folder}/privkey.pem`, "utf8")),
  },
});

export const url = hub.registryUrl;
