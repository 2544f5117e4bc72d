#!/usr/bin/env bash
# Installs what building and testing need, as root or by sudo, from Debian 12's own archives.
# Runs again at no cost: what is there is left alone.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/lib.sh

ejabberd_minimum=24.12
packages=(rebar3 erlang-dev erlang-common-test erlang-dialyzer erlang-eunit build-essential python3-venv)
cache=.cache

installed() { dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q '^install ok installed$'; }

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
    as_root apt-get update -qq
}

install_packages() {
    local missing=() package
    for package in "${packages[@]}"; do installed "$package" || missing+=("$package"); done
    if [ ${#missing[@]} -gt 0 ]; then
        say "installing ${missing[*]}"
        as_root apt-get update -qq
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    fi
}

install_ejabberd() {
    ejabberd_is_new_enough && return 0
    add_backports
    say "installing ejabberd"
    local codename
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    # The package wants to start a server of its own; the tests start theirs.
    local policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        trap "as_root rm -f $policy" EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
        as_root chmod +x $policy
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -t "$codename-backports" ejabberd >/dev/null
    ejabberd_is_new_enough || die "ejabberd $ejabberd_minimum or newer could not be installed"
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

install_packages
install_ejabberd
check_cargo
install_python
