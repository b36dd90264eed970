#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The dashboard as people use it: in Debian's chromium, with a real server and a real machine. Each test is a file of
# browser/; whatever fails in the browser meanwhile (its console, its policy, a request) fails the test.
# shellcheck disable=SC2154 # variables of helpers.bash

bats_require_minimum_version 1.5.0

setup_file()
{
	load helpers
	machines_begin
	server_configured '[dashboard]' 'Listen=127.0.0.1:8080' '[webhooks]' 'AllowLocal=yes' 'AllowHttp=yes'
	server_starts
	"$BATS_TEST_DIRNAME/browser/install.sh" "$BUILD"
	machine_boot web bookworm-curl
	administrators
	musterctl config push motd "$BATS_TEST_DIRNAME/browser.bats" --to role=nobody
}

setup()
{
	load helpers
}

teardown_file()
{
	load helpers
	machines_end
}

administrators()
{
	local who

	for who in dorothea:administrator otto:operator vera:viewer; do
		musterctl admin add "${who%:*}" --role "${who#*:}" <<<'correct horse battery staple'
	done
}

# What browser/away.mjs may do with the server, from a process of its own.
server_by_hand='bats_load_library() { :; }; . "$HELPERS"; "server_$1"'

browser()
{
	in_hub env MUSTER_URL=http://127.0.0.1:8080 MUSTER_SOCKET="$server/control.sock" MUSTER_PLACE="$BUILD/browser" \
		HELPERS="$BATS_TEST_DIRNAME/helpers.bash" MUSTER_SERVER="$server_by_hand" HOME="$BATS_TEST_TMPDIR" \
		node "$BATS_TEST_DIRNAME/browser/run.mjs" "$1"
}

@test "a stranger sees the login only, and logging out ends what was seen" {
	browser login
}

@test "a token made in the browser enrols a real machine by the copied script, and it appears without reloading" {
	browser enrol
}

@test "a configuration is pushed, taken and refused, the machine revoked, and all of it is seen as it happens" {
	if [[ -z $(client_of web 2>/dev/null) ]]; then
		token_for role=web
		script_to web --token "$token"
		enrols web
	fi
	browser rollout
}

@test "a release is rolled out, after it was told to how many, and another roll-out ends it" {
	browser releases
}

@test "everything can be done by the keyboard" {
	browser keyboard
}

@test "who may less is shown less, and told so" {
	browser roles
}

@test "administrators, API tokens and webhooks are made, and are out at once when they are removed" {
	browser settings
}

@test "the server goes and comes back, and the page catches up by itself" {
	browser away
}

@test "a page of which something doesn't come, or the network changes meanwhile, comes nevertheless or says so" {
	browser missing
}

@test "text that wants to be a program stays text" {
	browser hostile
}

@test "every page has names for its controls, contrast, headings and fits a telephone's width" {
	browser pages
}

@test "a table of 5,000 rows scrolls to its end, keeps few of them, and changes in place" {
	browser table
}
