#!/usr/bin/env bash
# All tests. The last line sums up what cargo and Common Test counted.
# Arguments go to rebar3 ct, and then cargo is left out: tools/test.sh --suite test/plain_muc_SUITE
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/lib.sh

logs=$(mktemp -d)
touch "$logs/cargo"
trap 'rm -rf "$logs"' EXIT
passed=0 failed=0 skipped=0

# A run that fails without counting anything, as when it does not compile, counts as one failure.
add() {
    local status=$1
    [ "$status" = 0 ] || [ "$3" -gt 0 ] || set -- "$status" "$2" 1 "$4"
    passed=$((passed + $2)) failed=$((failed + $3)) skipped=$((skipped + $4))
}

if [ $# = 0 ]; then
    status=0
    cargo test --workspace --no-fail-fast 2>&1 | tee "$logs/cargo" || status=$?
    # Each benchmark once, to see that it works.
    cargo test --package minimix-bench --bench core || status=$?
    # shellcheck disable=SC2046
    add $status $(cargo_counts "$logs/cargo")
fi

# rebar3 would run suites that are no longer there.
rm -rf _build/test/extras
common_test "$logs/ct" rebar3 ct "$@"
add 0 $ct_passed $ct_failed $ct_skipped

failures "$logs/cargo"
counts $passed $failed $skipped
[ $failed = 0 ] && [ $passed -gt 0 ]
