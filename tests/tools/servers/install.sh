#!/usr/bin/env bash
# Installs the Debian packages of real servers that the tests file tickets in: install.sh redmine rt chromium prometheus
# Root, Debian 12. What is there already is left alone; nothing is started and nothing listens.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
packages=()

preseed() { printf '%s\n' "$@" | debconf-set-selections; }

# Redmine's list of gems has SQLite's only if an instance uses it; the tests seed databases of their own.
redmine() {
    preseed "redmine redmine/instances/default/dbconfig-install boolean true" \
        "redmine redmine/instances/default/database-type select sqlite3"
    packages+=(redmine redmine-sqlite ruby-webrick)
}

rt() {
    preseed "request-tracker5 request-tracker5/dbconfig-install boolean false"
    packages+=(request-tracker5 rt5-db-sqlite rt5-standalone)
}

chromium() {
    packages+=(chromium fonts-dejavu-core)
}

prometheus() {
    packages+=(prometheus prometheus-alertmanager)
}

[ "$(id -u)" = 0 ] || { echo "install.sh: needs root, it installs Debian packages" >&2; exit 1; }
command -v apt-get > /dev/null || { echo "install.sh: needs apt-get, it installs Debian packages" >&2; exit 1; }
for name in "$@"; do
    case $name in redmine | rt | chromium | prometheus) "$name" ;; *) echo "install.sh: no such server: $name" >&2; exit 1 ;; esac
done
[ ${#packages[@]} -gt 0 ] || { echo "usage: install.sh [redmine] [rt] [chromium] [prometheus]" >&2; exit 1; }

apt-get update -qq
# Ruby brings a Bundler of its own that does not find Debian's gems; Debian's must be named or Redmine's set-up fails.
BUNDLER_VERSION=$(apt-cache show ruby-bundler 2> /dev/null | sed -n 's/^Version: \([0-9.]*\).*/\1/p' | head -n 1)
export BUNDLER_VERSION
# Nobody misses half-written packages after a power cut on a machine that only runs tests: no flush after each file.
options=(-y -qq --no-install-recommends -o Dpkg::Options::=--force-unsafe-io)
echo "Installing ${packages[*]} (about a minute) ..."
log=$(mktemp)
policy=/usr/sbin/policy-rc.d # Prometheus' packages would start it
made=
[ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' > "$policy" && chmod +x "$policy" && made=$policy; }
trap 'rm -f "$log" $made' EXIT
apt-get install "${options[@]}" "${packages[@]}" > "$log" 2>&1 || { tail -n 40 "$log" >&2; exit 1; }
echo "Installed in $SECONDS s."
