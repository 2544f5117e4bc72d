#!/usr/bin/env bash
# All benchmarks, one after the other.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo bench --workspace
cargo run --quiet --release --package minimix-bench --bin memory
bench/nif.escript

# On a real ejabberd, with what the tests use.
rebar3 as test compile >/dev/null
ejabberd=${EJABBERD_DIR:-$(ls -d /usr/lib/*/ejabberd-[0-9]*/ebin | sort | tail -n 1)}
export ERL_FLAGS="+Q 65536 -pa _build/test/lib/mod_minimix/ebin _build/test/extras/test -pz ${ejabberd%/ebin}/ebin"
bench/archive.escript
bench/delivery.escript
