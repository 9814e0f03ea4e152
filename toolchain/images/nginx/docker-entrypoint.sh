#!/bin/sh
# Stands where the official image has its own, which edits the stock config before this.
exec "$@"
