#!/usr/bin/env bash
# Builds the NIF and compiles the Erlang modules against the ejabberd in use.
set -euo pipefail
cd "$(dirname "$0")/.."

built=${CARGO_TARGET_DIR:-target}/release/libminimix_nif.so
cargo build --release --package minimix_nif
mkdir -p erlang/priv
# A library that is loaded must not be written over: a new file takes its name.
if ! cmp -s "$built" erlang/priv/minimix_nif.so; then
    cp "$built" erlang/priv/.minimix_nif.so.new
    mv -f erlang/priv/.minimix_nif.so.new erlang/priv/minimix_nif.so
fi
rebar3 compile
