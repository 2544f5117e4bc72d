#!/usr/bin/env bash
# What the tools can find without running the code.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/lib.sh

longest=500

sources() {
    find . \( -name target -o -name _build -o -name .cache -o -name .git -o -name dist \) -prune -o -type f \
        \( -name '*.erl' -o -name '*.hrl' -o -name '*.rs' -o -name '*.py' -o -name '*.sh' -o -name '*.config' \
        -o -name '*.script' -o -name '*.escript' \) -print
}

short_enough() {
    local file lines too_long=0
    while read -r file; do
        lines=$(wc -l <"$file")
        [ "$lines" -le $longest ] || { say "$file has $lines lines, more than $longest"; too_long=1; }
    done < <(sources)
    return $too_long
}

short_enough
python3 tools/conformance.py --check
cargo fmt --all --check
cargo clippy --workspace --all-targets -- -D warnings
rebar3 xref
# Warnings of the tests are errors as well.
rebar3 ct --compile_only
rebar3 ct --dir clients --compile_only
mkdir -p .cache/plt
rebar3 dialyzer
say "nothing found"
