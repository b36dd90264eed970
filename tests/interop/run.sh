#!/bin/sh
# SPDX-License-Identifier: MIT
#
# tests/interop/run.sh BUILD: lib/ against npm's eciesjs, in TAP. Nothing is installed into the tree:
# the packages of package-lock.json go to BUILD/interop.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$(realpath "$1")
place=$build/interop

mkdir -p "$place"
if ! cmp -s "$here/package-lock.json" "$place/package-lock.json" || [ ! -e "$place/installed" ]; then
	rm -f "$place/installed"
	cp "$here/package.json" "$here/package-lock.json" "$place/"
	(cd "$place" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >&2
	touch "$place/installed"
fi
cp "$here"/*.mjs "$place/"
exec node "$place/interop.mjs" "$build/tests/helpers/interop-ecies" "$here/../../man/muster-protocol.7"
