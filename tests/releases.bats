#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The release that the server offers, as musterctl and the API tell it. No machines, no privileges needed.
# shellcheck disable=SC2154 # variables of server.bash

bats_require_minimum_version 1.5.0
load server

setup()
{
	server_configured
}

teardown()
{
	server_stops
}

# Programs that are none, as a release of the test's own.
offers() # TEXT
{
	clients=$BATS_TEST_TMPDIR/clients
	mkdir -p "$clients/linux/x86_64"
	for program in agent enrol; do
		printf '#!/bin/sh\necho muster-%s %s\n' "$program" "$1" >"$clients/linux/x86_64/muster-$program"
		chmod +x "$clients/linux/x86_64/muster-$program"
	done
	server_configured
}

### What is offered

@test "the release that is offered is shown, with its files, and is named by them and the version" {
	offers one
	server_starts
	run -0 musterctl release
	assert_line --regexp '^Version +[0-9]+\.'
	assert_line --regexp '^Manifest +1, issued 20[0-9-]+ [0-9:]+ UTC '
	assert_line --regexp '^Digest +[0-9a-f]{64}$'
	assert_line --regexp "^linux/x86_64/muster-agent +[0-9]+ +$(sha256sum "$clients/linux/x86_64/muster-agent" |
		cut -c 1-12) +yes$"
	run -0 --separate-stderr musterctl release --json
	assert_equal "$(jq -r '.release | "\(.serial) \(.files | length)"' <<<"$output")" "1 2"
	# It is what the manifest has from its version on.
	assert_equal "$(jq -r .release.digest <<<"$output")" \
		"$(sed -E '/^(muster-manifest|serial|issued) /d' "$dir/state/manifest" | sha256sum | cut -d ' ' -f 1)"
}

@test "the same files under another serial are the same release, other files are another" {
	local first

	offers one
	server_starts
	first=$(musterctl release --json | jq -r .release.digest)
	server_stops
	offers two
	server_starts
	assert_equal "$(musterctl release --json | jq -r .release.serial)" 2
	refute [ "$(musterctl release --json | jq -r .release.digest)" = "$first" ]
	server_stops
	offers one
	server_starts
	assert_equal "$(musterctl release --json | jq -r .release.serial)" 3
	assert_equal "$(musterctl release --json | jq -r .release.digest)" "$first"
}

@test "what the manifest lists and the server hasn't got is said not to be offered" {
	offers one
	server_starts
	server_stops
	# The release key is kept elsewhere from now on, so nothing is signed anew.
	rm "$dir/state/release.key"
	echo changed >>"$clients/linux/x86_64/muster-enrol"
	server_starts
	run -0 musterctl release
	assert_line --regexp '^linux/x86_64/muster-agent .* yes$'
	assert_line --regexp '^linux/x86_64/muster-enrol .* no: missing, or another file$'
}

@test "without programs there is no release, and that is said" {
	clients=$dir/nothing
	mkdir "$clients"
	server_configured
	server_starts
	run -0 musterctl release
	assert_output --regexp '^Version +none: nothing can be enrolled or updated'
	run -0 musterctl release --json
	assert_output '{"release":null}'
	run -22 api GET /release
	assert_output --partial '"code":"no-release"'
	assert_output --partial '"status":404'
}

@test "what follows release is one of its commands, or said to be none" {
	server_starts
	run -2 musterctl release nothing
	assert_output --partial "'nothing'"
	run -2 musterctl release --nothing
	assert_output --partial 'there is no option --nothing here: musterctl release'
	run -0 musterctl release --help
	assert_line '  release'
}
