#!/usr/bin/env bash
# dist/mod_minimix is an OTP application for ERL_LIBS=dist; the tarball is for ejabberdctl module_install,
# unpacked in ~/.ejabberd-modules/sources of the user that runs ejabberd.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/lib.sh

name=mod_minimix
version=$(sed -n 's/.*{vsn, "\(.*\)"}.*/\1/p' erlang/src/$name.app.src)
built=_build/default/lib/$name
for file in README.md LICENSE $name.spec conf/$name.yml erlang/priv/minimix_nif.so $built/ebin/$name.app; do
    [ -e "$file" ] || die "$file is missing"
done

rm -rf dist
mkdir -p dist/$name/ebin dist/$name/priv
cp $built/ebin/*.beam $built/ebin/$name.app dist/$name/ebin/
cp erlang/priv/minimix_nif.so dist/$name/priv/

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir -p "$stage/$name/src" "$stage/$name/include" "$stage/$name/priv" "$stage/$name/conf"
cp README.md $name.spec "$stage/$name/"
# ejabberd looks for the licence under this name.
cp LICENSE "$stage/$name/COPYING"
# ejabberd before 25.03 looks for this name when it checks a module.
cp README.md "$stage/$name/README.txt"
cp erlang/src/*.erl erlang/src/*.app.src "$stage/$name/src/"
find erlang/src erlang/include -name '*.hrl' -exec cp {} "$stage/$name/include/" \; 2>/dev/null || true
cp erlang/priv/minimix_nif.so "$stage/$name/priv/"
cp conf/$name.yml "$stage/$name/conf/"
tar --create --gzip --file "dist/$name-$version.tar.gz" --directory "$stage" \
    --sort=name --owner=0 --group=0 --numeric-owner $name
say "dist/$name and dist/$name-$version.tar.gz"
