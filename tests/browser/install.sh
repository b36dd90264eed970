#!/bin/sh
# SPDX-License-Identifier: MIT
#
# tests/browser/install.sh BUILD: puts the packages of package-lock.json into BUILD/browser, unless they are there.
# The browser itself is Debian's chromium.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
place=$1/browser

mkdir -p "$place"
exec 9>"$place/lock"
flock 9 # suites that need it run at the same time
if ! cmp -s "$here/package-lock.json" "$place/package-lock.json" || [ ! -e "$place/installed" ]; then
	rm -f "$place/installed"
	cp "$here/package.json" "$here/package-lock.json" "$place/"
	(cd "$place" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >&2
	touch "$place/installed"
fi
