#!/usr/bin/env bash
# The Common Test suites against the newest ejabberd that Debian has, in a tree of Debian 13 below .cache.
# The NIF is the one that was built here. The last line counts the tests.
# Arguments go to rebar3 ct: tools/matrix.sh --suite test/plain_muc_SUITE
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/lib.sh

suite=trixie
tree=$PWD/.cache/$suite
packages=(rebar3 erlang-dev erlang-common-test python3 postgresql prosody lua-unbound dnsmasq-base iproute2)
backports=(ejabberd erlang-p1-sqlite3 erlang-p1-pgsql)
wanted="${packages[*]} ${backports[*]}"
inside=/mod_minimix

# In a mount namespace and a process namespace of its own: whatever happens, when the script is gone
# the kernel takes back the mounts and ends the processes.
isolated() {
    # shellcheck disable=SC2016
    as_root unshare --mount --pid --fork --kill-child --propagation private \
        bash -euc '
            tree=$1 checkout=$2 inside=$3; shift 3
            mount -t proc proc "$tree/proc"
            mount --rbind /dev "$tree/dev"
            mount --bind "$checkout" "$tree$inside"
            exec env -i HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$tree" "$@"
        ' isolated "$tree" "$PWD" "$inside" "$@"
}

make_tree() {
    [ "$(cat "$tree/.ready" 2>/dev/null)" != "$wanted" ] || return 0
    # A tree that was left half made, or made for less, holds nothing of value and, as mounts are
    # private, nothing of the checkout.
    as_root rm -rf --one-file-system "$tree"
    command -v debootstrap >/dev/null || {
        as_root apt-get update -qq
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap >/dev/null
    }
    local uri
    uri=$(archive_uri)
    say "making a tree of Debian $suite"
    mkdir -p "$(dirname "$tree")"
    as_root debootstrap --variant=minbase $suite "$tree" "$uri" >"$tree.log" 2>&1 || { tail "$tree.log" >&2; die "debootstrap failed"; }
    echo "deb $uri $suite-backports main" | as_root tee "$tree/etc/apt/sources.list.d/backports.list" >/dev/null
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$tree/usr/sbin/policy-rc.d" >/dev/null
    as_root chmod +x "$tree/usr/sbin/policy-rc.d"
    as_root cp /etc/resolv.conf "$tree/etc/resolv.conf"
    as_root mkdir -p "$tree$inside"
    say "installing ejabberd in it"
    {
        isolated apt-get update -qq
        isolated apt-get install -y -qq --no-install-recommends "${packages[@]}"
        isolated apt-get install -y -qq --no-install-recommends -t $suite-backports "${backports[@]}"
    } >>"$tree.log" 2>&1 </dev/null || { tail -n 30 "$tree.log" >&2; die "installing ejabberd in $tree failed"; }
    echo "$wanted" | as_root tee "$tree/.ready" >/dev/null
}

# The same slixmpp as outside; Debian's own, without its compiled part, misses that a join has worked.
install_python() {
    [ ! -e "$tree/opt/python/slixmpp" ] || return 0
    local version
    version=$(isolated python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    say "installing slixmpp for Python $version"
    as_root "$PWD/.cache/python/bin/pip" install -q --target "$tree/opt/python" --only-binary=:all: \
        --python-version "$version" "slixmpp==$slixmpp_version"
}

make_tree
install_python
[ -e erlang/priv/minimix_nif.so ] || die "erlang/priv/minimix_nif.so is missing: run make first"
say "$(isolated dpkg-query -W -f 'ejabberd ${Version}' ejabberd), $(isolated dpkg-query -W -f 'Erlang ${Version}' erlang-base)"

# rebar3 would run suites that are no longer there.
as_root rm -rf ".cache/$suite-build/test/extras"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
common_test "$log" isolated env REBAR_BASE_DIR=$inside/.cache/$suite-build MMX_PYTHON=/usr/bin/python3 PYTHONPATH=/opt/python LC_ALL=C.UTF-8 \
    sh -c "cd $inside && exec rebar3 ct \"\$@\"" rebar3 "$@"
counts "$ct_passed" "$ct_failed" "$ct_skipped"
[ "$ct_failed" = 0 ] && [ "$ct_passed" -gt 0 ]
