/**
 * Variables that a user's shell may have, and that change what Docker, Pulumi, Node, Go, git or a shell
 * do: most make one of them fail.
 */
export const hostileVariables: Readonly<Record<string, string>> = {
  DOCKER_API_VERSION: "1.99",
  DOCKER_BUILDKIT: "0",
  DOCKER_CLI_EXPERIMENTAL: "enabled",
  DOCKER_CONTENT_TRUST: "1",
  DOCKER_CONTENT_TRUST_SERVER: "https://127.0.0.1:1",
  DOCKER_DEFAULT_PLATFORM: "windows/arm64",
  BUILDX_BUILDER: "not-there",
  COMPOSE_FILE: "/not/there.yml",

  PULUMI_CONFIG: '{"private-registry:httpsPort":"1"}',
  PULUMI_CONTINUE_ON_ERROR: "true",
  PULUMI_EXPERIMENTAL: "true",
  PULUMI_IGNORE_AMBIENT_PLUGINS: "true",
  PULUMI_NODEJS_TSCONFIG_PATH: "/not/there.json",
  PULUMI_NODEJS_TYPESCRIPT: "false",
  PULUMI_OPTION_REFRESH: "true",
  PULUMI_OPTION_STACK: "not-there",
  PULUMI_OPTION_TARGET: "urn:pulumi:dev::private-registry::x::y",
  PULUMI_SKIP_CHECKPOINTS: "true",

  NODE_ENV: "production",
  NODE_OPTIONS: "--stack-trace-limit=200",
  NODE_PATH: "/not/there",
  TS_NODE_PROJECT: "/not/there.json",
  GRPC_TRACE: "all",
  GRPC_VERBOSITY: "DEBUG",
  grpc_proxy: "http://127.0.0.1:1",
  no_grpc_proxy: "elsewhere",
  OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1",

  CGO_ENABLED: "1",
  GODEBUG: "http2debug=2",
  GOFLAGS: "-mod=vendor",
  GOOS: "plan9",
  GOROOT: "/not/there",
  GIT_DIR: "/not/there",
  GIT_WORK_TREE: "/not/there",

  BASH_ENV: "/not/there",
  "BASH_FUNC_docker%%": "() { exit 7; }",
  CDPATH: "/",
  ENV: "/not/there",
  GREP_OPTIONS: "--count",
  IFS: "o",
  POSIXLY_CORRECT: "1",
  SHELLOPTS: "noglob:nounset",
  TAR_OPTIONS: "--not-an-option",

  LANG: "de_DE.UTF-8",
  LANGUAGE: "de",
  LC_ALL: "tr_TR.UTF-8",
  LC_MESSAGES: "fr_FR.UTF-8",
};
