#!/usr/bin/env bash
# The Common Test suites of clients: clients that people use, as they are, in a browser and in a terminal.
# Installs what they need; the last line counts the tests.
# Arguments go to rebar3 ct: tools/clients.sh --suite converse_SUITE
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/lib.sh

packages=(chromium profanity tmux)
command -v npm >/dev/null || packages+=(nodejs npm)

# The package holds all that a browser needs; what it is made of is not installed.
install_converse() {
    local cache=.cache/converse package=converse.js-$converse_version.tgz
    [ -e "$cache/$package" ] && [ -e $cache/.ready ] && return 0
    say "installing Converse"
    rm -rf $cache
    mkdir -p $cache
    (
        cd $cache
        npm pack --silent "converse.js@$converse_version" >/dev/null
        echo "$converse_sha512  $package" | sha512sum --check --quiet
        tar --extract --gzip --file "$package" package/dist
    )
    touch $cache/.ready
}

install_packages "${packages[@]}"
install_converse
[ -e erlang/priv/minimix_nif.so ] || die "erlang/priv/minimix_nif.so is missing: run make first"

# rebar3 would run suites that are no longer there.
rm -rf _build/test/extras
log=$(mktemp)
trap 'rm -f "$log"' EXIT
common_test "$log" rebar3 ct --dir clients "$@"
counts "$ct_passed" "$ct_failed" "$ct_skipped"
[ "$ct_failed" = 0 ] && [ "$ct_passed" -gt 0 ]
