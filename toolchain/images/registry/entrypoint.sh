#!/bin/sh
# The official image's entrypoint: a config file or a subcommand is for the registry, anything else
# is a command of its own.
set -e

case "$1" in
*.yaml | *.yml) set -- registry serve "$@" ;;
serve | garbage-collect | help | -*) set -- registry "$@" ;;
esac

exec "$@"
