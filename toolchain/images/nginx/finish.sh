#!/bin/sh
# Turns a Debian root with nginx installed into what the official nginx image is. mmdebstrap calls
# it with the root's path, once all packages are configured.
set -eu

root=$1
here=$(dirname "$0")

rm -rf "$root/etc/nginx/sites-enabled" "$root/etc/nginx/sites-available"
mkdir -p "$root/etc/nginx/conf.d"
install -m 0644 "$here/nginx.conf" "$root/etc/nginx/nginx.conf"
install -m 0644 "$here/default.conf" "$root/etc/nginx/conf.d/default.conf"
install -m 0755 "$here/docker-entrypoint.sh" "$root/docker-entrypoint.sh"

# The official image's user, so that `user nginx;` works with either.
grep -q '^nginx:' "$root/etc/group" || echo 'nginx:x:101:' >>"$root/etc/group"
grep -q '^nginx:' "$root/etc/passwd" ||
  echo 'nginx:x:101:101:nginx user:/nonexistent:/bin/false' >>"$root/etc/passwd"

ln -sf /dev/stdout "$root/var/log/nginx/access.log"
ln -sf /dev/stderr "$root/var/log/nginx/error.log"

rm -rf "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/usr/share/locale/* \
  "$root"/usr/share/info/* "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin \
  "$root"/var/cache/debconf/*-old "$root"/var/log/*.log "$root"/var/log/apt
