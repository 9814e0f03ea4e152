// The least that a program with the project's providers does: Pulumi starts and configures each.
import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as random from "@pulumi/random";
import * as tls from "@pulumi/tls";

new command.Provider("command");
new docker.Provider("docker");
new random.Provider("random");
new tls.Provider("tls");
