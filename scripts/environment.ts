import { homedir } from "node:os";
import { nonEmpty } from "./paths";

/**
 * Variables that change what the programs do which these scripts start: Pulumi, its plugins and the
 * program, docker, Go, shells and the tools in them. All of a program's own are left out, whatever
 * they are called, but for a few that users have a reason for.
 *
 * Everything else passes. A list of what may pass would be shorter to reason about, but it would have
 * to name what any backend of the user's, any provider and any program made from this one reads:
 * credentials of clouds, tokens, agents' sockets, proxies, certificates.
 */
const families: readonly { names: RegExp; kept?: RegExp }[] = [
  // Options (PULUMI_OPTION_TARGET), experiments, layouts of the state.
  {
    names: /^PULUMI_/,
    kept: /^PULUMI_(ACCESS_TOKEN|API|BACKEND_URL|CONFIG_PASSPHRASE(_FILE)?|CONSOLE_DOMAIN|CREDENTIALS_PATH|DIY_BACKEND_\w+|HOME|PARALLEL|PLUGIN_DOWNLOAD_URL_OVERRIDES|SKIP_UPDATE_CHECK|STACK)$/,
  },
  // Where the engine is, is for engineAddress to find out; the rest changes what is pulled and built.
  {
    names: /^(DOCKER|BUILDKIT|BUILDX|COMPOSE)_/,
    kept: /^DOCKER_(CERT_PATH|CONFIG|CONTEXT|HOST|TLS|TLS_VERIFY)$/,
  },
  // What Node loads and how the program is compiled.
  { names: /^(NODE|TS_NODE|TSX|SWC)_/, kept: /^NODE_EXTRA_CA_CERTS$/ },
  // gRPC's own proxies and traces: Pulumi's parts talk to each other by it, on this machine.
  { names: /^(no_)?grpc_proxy$|^(GRPC|OTEL)_/i, kept: /^GRPC_DEFAULT_SSL_ROOTS_FILE_PATH$/ },
  // For which machine, and how, Go builds; not where it gets modules and keeps them.
  {
    names: /^(GO[A-Z0-9]+|CGO_\w+)$/,
    kept: /^GO(AUTH|CACHE|INSECURE|MODCACHE|NOPROXY|NOSUMDB|PATH|PRIVATE|PROXY|SUMDB|TOOLCHAIN|VCS)$/,
  },
  // Which repository is meant: not the checkout's.
  {
    names: /^GIT_/,
    kept: /^GIT_(ASKPASS|SSH|SSH_COMMAND|SSL_CAINFO|SSL_CAPATH|USERNAME|PASSWORD)$/,
  },
  // What a shell runs first and in which modes; functions in the place of programs.
  { names: /^(BASH.*|ENV|SHELLOPTS|CDPATH|IFS|PS4|POSIXLY_CORRECT|GLOBIGNORE|ZDOTDIR)$/ },
  // Options of the tools that scripts call.
  {
    names:
      /^(GREP_\w+|TAR_OPTIONS|GZIP|BZIP2?|XZ_\w+|ZSTD_\w+|RSYNC_\w+|AWKPATH|AWKLIBPATH|GAWK_\w+|(\w+_)?BLOCK_SIZE|BLOCKSIZE|QUOTING_STYLE|TIME_STYLE|DPKG_\w+|PERL5(LIB|OPT))$/,
  },
  // The words that programs are asked for are English; a language that is not installed is warned of.
  { names: /^(LANG|LANGUAGE|LC_\w+)$/ },
];

/** This machine, as lists of what needs no proxy name it. */
const here = ["localhost", "127.0.0.1", "::1"];

/** The environment of the user's shell, without what would change how the programs work. */
export function ownEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const noProxy = withoutProxy(env);
  const kept = Object.entries(env).filter(
    ([name]) =>
      families.every((family) => !family.names.test(name) || family.kept?.test(name) === true) &&
      // Not every program knows this way to say that no proxy is to be used at all.
      !(noProxy.includes("*") && /_proxy$/i.test(name)),
  );
  return {
    ...Object.fromEntries(kept),
    LC_ALL: "C.UTF-8",
    HOME: nonEmpty(env["HOME"]) ?? homedir(),
    // Pulumi's parts talk to each other on this machine, and the gRPC of Node takes a proxy for that
    // too unless it is told not to. It knows the small spelling only; others look at the other first.
    NO_PROXY: noProxy.join(","),
    no_proxy: noProxy.join(","),
  };
}

/** Makes an environment the one of this process, and so of all that it starts. */
export function adopt(env: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(process.env)) {
    if (env[name] === undefined) Reflect.deleteProperty(process.env, name);
  }
  Object.assign(process.env, env);
  // Files of images and of the cache have the modes that they are written with, whatever the shell's.
  process.umask(0o022);
}

/** What needs no proxy: what the user says, and this machine. */
function withoutProxy(env: NodeJS.ProcessEnv): string[] {
  const lists = [env["NO_PROXY"], env["no_proxy"]].flatMap((list) => (list ?? "").split(","));
  const names = lists.map((name) => name.trim()).filter((name) => name !== "");
  return [...new Set([...names, ...here])];
}
