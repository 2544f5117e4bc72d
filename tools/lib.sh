# What the scripts share. They source it, from the top of the checkout.

slixmpp_version=1.10.0
converse_version=14.0.0
converse_sha512=2c5520d37d230da955e3bbc8fefc953ea60f65f2585c56ee6eaf2fd1c1437b6cd735e786124dd4a74163fd64f34fab7ee9da3e700213a32ef77808fb44d0e3d9

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*"; }
die() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

installed() { dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q '^install ok installed$'; }

# install_packages PACKAGE…: those that are missing.
install_packages() {
    local missing=() package
    for package in "$@"; do installed "$package" || missing+=("$package"); done
    if [ ${#missing[@]} -gt 0 ]; then
        say "installing ${missing[*]}"
        as_root apt-get update -qq
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    fi
}

# The archive that this machine already takes its own release from.
archive_uri() {
    local codename uri
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    uri=$(cat /etc/apt/sources.list.d/*.sources 2>/dev/null | awk -v codename="$codename" '
        function look() { if (found == "" && uri != "" && suite == codename && uri !~ /security/) found = uri; uri = suite = "" }
        /^URIs:/ { uri = $2 }
        /^Suites:/ { suite = $2 }
        /^$/ { look() }
        END { look(); print found }')
    [ -n "$uri" ] || uri=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
        sed 's/\[[^]]*\]//' | awk -v codename="$codename" '$1 == "deb" && $3 == codename {print $2; exit}')
    [ -n "$uri" ] || die "no archive for $codename found in /etc/apt: add one and try again"
    printf '%s' "$uri"
}

# counts PASSED FAILED SKIPPED
counts() { printf '%d passed, %d failed, %d skipped\n' "$1" "$2" "$3"; }

# What rebar3 ct said in a log file, as "passed failed skipped". Cases that were skipped because
# what they need did not start have failed.
ct_counts() {
    sed 's/\x1b\[[0-9;]*m//g' "$1" | awk '
        /^All [0-9]+ tests passed/ { passed += $2 }
        /^(Failed|Skipped|Passed) [0-9]+ / {
            line = $0
            while (match(line, /(Failed|Skipped|Passed) [0-9]+/)) {
                split(substr(line, RSTART, RLENGTH), word, " ")
                if (word[1] == "Failed") failed += word[2]
                if (word[1] == "Passed") passed += word[2]
                line = substr(line, RSTART + RLENGTH)
                if (word[1] == "Skipped" && match(line, /\([0-9]+, [0-9]+\)/)) {
                    split(substr(line, RSTART + 1, RLENGTH - 2), part, ", ")
                    skipped += part[1]; failed += part[2]
                }
            }
        }
        END { print passed + 0, failed + 0, skipped + 0 }'
}

# What cargo test said in a log file, likewise.
cargo_counts() {
    sed 's/\x1b\[[0-9;]*m//g' "$1" | awk '
        /^test result:/ {
            for (i = 1; i < NF; i++) {
                if ($(i + 1) ~ /^passed/) passed += $i
                if ($(i + 1) ~ /^failed/) failed += $i
                if ($(i + 1) ~ /^ignored/) skipped += $i
            }
        }
        END { print passed + 0, failed + 0, skipped + 0 }'
}

# The tests that failed according to log files of cargo test and rebar3 ct, each with the beginning of its reason.
failures() {
    sed 's/\x1b\[[0-9;]*m//g' "$@" | tr '\r' '\n' | cut -c 1-300 | awk '
        /^test .* \.\.\. FAILED$/ { print; next }
        /^%%% .*: (FAILED|SKIPPED)$/ { print; left = 8; next }
        /^%%% [^ ]*: / || /^$/ || /^Failed / { left = 0 }
        left > 0 { print "    " $0; left-- }'
}

# common_test LOG COMMAND…: runs rebar3 ct; sets ct_passed, ct_failed, ct_skipped. With MMX_SECOND_TRY=1 the few
# that failed run once more: a thousand tests with real servers meet a machine that stalls now and then. Who
# passes only then is named, as whatever flickers is to be mended.
common_test() {
    local log=$1 status=0 passed_then failed_then
    shift
    "$@" 2>&1 | tee "$log" || status=$?
    read -r ct_passed ct_failed ct_skipped < <(ct_counts "$log")
    failures "$log"
    if [ "$status" != 0 ] && [ "$ct_failed" = 0 ]; then
        ct_failed=1
    elif [ "${MMX_SECOND_TRY:-}" = 1 ] && [ "$ct_failed" -gt 0 ] && [ "$ct_failed" -le 3 ]; then
        say "these once more"
        "$@" --retry 2>&1 | tee "$log.again" || true
        read -r passed_then failed_then _ < <(ct_counts "$log.again")
        if [ "$failed_then" = 0 ] && [ "$passed_then" -ge "$ct_failed" ]; then
            failures "$log" | sed 's/^/only at the second try: /'
            ct_passed=$((ct_passed + ct_failed)) ct_failed=0
        fi
        rm -f "$log.again"
    fi
}
