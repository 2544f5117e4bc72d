#!/usr/bin/env bash
# A real ejabberd with the module: "demo" shows what it does, "run" serves real clients until Ctrl-C.
set -euo pipefail
cd "$(dirname "$0")/.."

rebar3 as test compile >/dev/null
ejabberd=${EJABBERD_DIR:-$(ls -d /usr/lib/*/ejabberd-[0-9]*/ebin | sort | tail -n 1)}
exec erl -noshell -pa _build/test/lib/mod_minimix/ebin _build/test/extras/test \
    -pz "${ejabberd%/ebin}/ebin" -s mmx_demo "${1:-demo}" -s init stop
