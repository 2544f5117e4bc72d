#!/usr/bin/env bash
# Builds the NIF and compiles the Erlang modules against the ejabberd in use.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release --package minimix_nif
mkdir -p erlang/priv
# A library that is loaded must not be written over: a new file takes its name.
if ! cmp -s target/release/libminimix_nif.so erlang/priv/minimix_nif.so; then
    cp target/release/libminimix_nif.so erlang/priv/.minimix_nif.so.new
    mv -f erlang/priv/.minimix_nif.so.new erlang/priv/minimix_nif.so
fi
rebar3 compile
