#!/usr/bin/env bash
# Installs what building and testing need, as root or by sudo, from Debian 12's own archives.
# Runs again at no cost: what is there is left alone.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/lib.sh

ejabberd_minimum=24.12
packages=(rebar3 erlang-dev erlang-common-test erlang-dialyzer erlang-eunit build-essential python3-venv)
# The other server of the tests, its names, and a network for the two.
services=(prosody lua-unbound dnsmasq-base iproute2)
connections=(erlang-p1-sqlite3 erlang-p1-pgsql)
cache=.cache

ejabberd_is_new_enough() {
    installed ejabberd &&
        dpkg --compare-versions "$(dpkg-query -W -f='${Version}' ejabberd)" ge "$ejabberd_minimum"
}

add_backports() {
    local codename list=/etc/apt/sources.list.d/minimix-backports.list
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    grep -rqs -- "$codename-backports" /etc/apt/sources.list /etc/apt/sources.list.d && return 0
    say "adding $codename-backports, which has ejabberd $ejabberd_minimum"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(archive_uri) $codename-backports main" |
        as_root tee "$list" >/dev/null
}

# Packages want to start servers of their own; the tests start theirs.
keep_services_down() {
    local policy=/usr/sbin/policy-rc.d
    [ ! -e $policy ] || return 0
    trap "as_root rm -f $policy" EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod +x $policy
}

install_from_backports() {
    local codename
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    add_backports
    keep_services_down
    say "installing $*"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -t "$codename-backports" "$@" >/dev/null
}

install_ejabberd() {
    ejabberd_is_new_enough && return 0
    install_from_backports ejabberd
    ejabberd_is_new_enough || die "ejabberd $ejabberd_minimum or newer could not be installed"
}

# ejabberd's connections come from where ejabberd itself does, as they have to fit.
install_databases() {
    local connection
    for connection in "${connections[@]}"; do
        installed "$connection" || { install_from_backports "${connections[@]}"; break; }
    done
    installed postgresql && return 0
    keep_services_down
    install_packages postgresql-common
    # Nor is there to be one after the next start of this machine.
    as_root sed -i 's/^#\?create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
    install_packages postgresql
}

check_cargo() {
    command -v cargo >/dev/null || die "cargo is missing: install Rust 1.91 or newer (https://rustup.rs)"
}

install_python() {
    local venv=$cache/python
    [ -e "$venv/.ready" ] && return 0
    say "installing slixmpp for the tests"
    mkdir -p $cache
    rm -rf $venv
    python3 -m venv $venv
    $venv/bin/pip install -q "slixmpp==$slixmpp_version"
    touch $venv/.ready
}

install_packages "${packages[@]}"
keep_services_down
install_packages "${services[@]}"
install_ejabberd
install_databases
check_cargo
install_python
