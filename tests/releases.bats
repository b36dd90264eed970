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
	assert_output '{"release":null,"rollout":null}'
	run -22 api GET /release
	assert_output --partial '"code":"no-release"'
	assert_output --partial '"status":404'
}

@test "what follows release is one of its commands, or said to be none" {
	server_starts
	run -2 musterctl release nothing
	assert_output "musterctl: release has no command 'nothing'; see musterctl release --help"
	run -2 musterctl release --nothing
	assert_output 'musterctl: there is no option --nothing here: musterctl release'
	run -0 musterctl release --help
	assert_line '  release'
	assert_line --partial '  release rollout --to SELECTOR|--client ID|--all'
	run -0 musterctl release --json
	jq -e '.rollout == null and .release != null' <<<"$output"
}

### Roll-outs

newest()
{
	api GET /rollouts | jq -r '.rollouts[0].id'
}

# What is offered and nothing is rolled out yet.
nothing_yet()
{
	[[ $(api GET /rollouts) == '{"rollouts":[],"next":null}' ]]
}

@test "what is no roll-out is refused, with what to write instead, and starts nothing" {
	local options

	server_starts
	run -2 musterctl release rollout
	assert_output 'musterctl: for whom? One of --to SELECTOR, --client ID, --all'
	run -2 musterctl release rollout --all --to role=web
	assert_output --partial 'exclude each other'
	run -2 musterctl release rollout --to 'Role=Web'
	assert_output --partial "'Role=Web' is not a selector: terms KEY, KEY=VALUE"
	run -2 musterctl release rollout --to 'client:00'
	run -2 musterctl release rollout --to ''
	run -4 musterctl release rollout --client 00ff
	assert_output "musterctl: there is no client '00ff'"
	for options in '--at-once 0' '--at-once 10001' '--at-once 99999999999' '--at-once -1' '--at-once ten' \
		'--at-once 1.5' '--failures -1' '--failures 1000001' '--failures x' '--timeout 5m' \
		'--wait --timeout soon' '--at-once 1 --at-once 1' '--reason x' 'web'; do
		# shellcheck disable=SC2086 # words
		run -2 musterctl release rollout --all $options
		assert_output --regexp '^musterctl: '
	done
	run -0 nothing_yet
}

@test "without a release nothing can be rolled out, and what stands asks nobody" {
	offers one
	server_starts
	musterctl release rollout --to role=nobody
	server_stops
	rm "$clients"/linux/x86_64/*
	server_starts
	run -5 musterctl release rollout --all
	assert_output --partial 'this server offers no release, so there is nothing to roll out'
	run -0 musterctl release
	assert_output --regexp '^Version +none'
	assert_line --partial ', running: version '
	run -0 musterctl release status
	assert_line --regexp '^Offered +no$'
	assert_line --partial 'so it asks nobody'
}

@test "before the first roll-out there is none, and that is said" {
	server_starts
	run -0 --separate-stderr musterctl release list
	assert_output ''
	assert_equal "$stderr" 'nothing was rolled out yet: musterctl release rollout'
	run -0 musterctl release list --json
	jq -e '.rollouts == []' <<<"$output"
	run -0 musterctl release
	assert_line --regexp '^Roll-out +none yet: musterctl release rollout --to SELECTOR$'
	for act in status machines halt resume end; do
		run -4 musterctl release $act
		assert_output 'musterctl: there is no roll-out yet'
		run -4 musterctl release $act 17
		assert_output "musterctl: there is no roll-out '17'"
		run -4 musterctl release $act '../17'
		run -2 musterctl release $act 17 18
		run -2 musterctl release $act --nothing
	done
}

@test "a roll-out is started, listed, shown, halted, resumed and ended; who did it is in the audit log" {
	local first id

	server_starts
	run -0 musterctl release rollout --to role=web
	assert_output --regexp '^roll-out [0-9]+: version [^ ]+ for role=web, 10 at once, halts at the first failure$'
	first=$(newest)
	run -0 musterctl release rollout --all --at-once 3 --failures 2 --json
	id=$(jq .id <<<"$output")
	jq -e '.selector == "*" and .at_once == 3 and .failures == 2 and .state == "running" and .offered' <<<"$output"
	run -0 musterctl release list
	assert_line --index 0 --regexp '^ROLL-OUT +VERSION +RELEASE +FOR +STATE +DONE +UNDER WAY +FAILED +STARTED +BY +WHY$'
	assert_line --index 1 --regexp "^$id .* \\* +running "
	assert_line --index 2 --regexp "^$first .* role=web +ended .* replaced by roll-out $id$"
	run -0 musterctl release status
	assert_line --regexp "^Roll-out +$id$"
	assert_line --regexp '^At once +3$'
	assert_line --regexp '^Machines +0 done, 0 under way, 0 failed, 0 waiting, 0 offline$'
	run -0 musterctl release status "$first" --json
	jq -e '.state == "ended" and .counts.offline == 0' <<<"$output"
	run -0 musterctl release halt --reason 'it looks wrong'
	assert_output "roll-out $id is halted"
	run -0 musterctl release
	assert_line --regexp '^Why +it looks wrong$'
	assert_line --partial 'to go on: musterctl release resume'
	run -0 musterctl release resume --failures 5
	assert_output "roll-out $id is running: it halts when more than 5 fail"
	run -0 musterctl release end "$id"
	assert_output "roll-out $id is ended"
	run -5 musterctl release resume
	assert_output "musterctl: roll-out $id has ended; start another one"
	run -5 musterctl release halt "$first"
	assert_equal "$(api GET '/audit?last=50' | jq -r '[.entries[] | select(.act | startswith("rollout.")) | .act] | join(" ")')" \
		'rollout.start rollout.end rollout.start rollout.halt rollout.resume rollout.end'
	api GET '/audit?last=50' | jq -e 'all(.entries[] | select(.act | startswith("rollout.")); .actor | startswith("uid:"))'
}

@test "numbers of roll-outs and options are completed" {
	local id

	server_starts
	musterctl release rollout --to role=web
	id=$(newest)
	# shellcheck source=installer/completions/musterctl
	. "$BATS_TEST_DIRNAME/../installer/completions/musterctl"
	complete_of()
	{
		COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1))
		_musterctl
		echo "${COMPREPLY[*]}"
	}
	assert_equal "$(complete_of musterctl release s)" status
	assert_equal "$(complete_of musterctl release halt '')" "$id"
	assert_equal "$(complete_of musterctl release machines --outcome w)" waiting
	assert_equal "$(complete_of musterctl release rollout --at)" --at-once
}

@test "a viewer sees all of it and changes nothing; a token that is for some machines sees nothing of it" {
	local token

	server_configured '[dashboard]' Listen=127.0.0.1:0
	server_starts
	musterctl release rollout --to role=nobody
	token_of() # OPTION…
	{
		(umask 077 && musterctl api-token create "a test" "$@" 2>/dev/null >"$dir/token")
	}
	asks()
	{
		MUSTER_SOCKET='' musterctl --server "$dashboard" --token-file "$dir/token" release "$@"
	}
	token_of --role viewer
	run -0 asks
	run -0 asks list
	run -0 asks status
	run -0 asks machines
	for act in 'rollout --all' halt resume end; do
		# shellcheck disable=SC2086 # words
		run -5 asks $act
		assert_output 'musterctl: this takes the role operator; yours is viewer'
	done
	assert_equal "$(api GET /rollouts/current | jq -r .state)" running
	token_of --role operator --scope role=web
	for act in 'rollout --all' halt resume end list status machines; do
		# shellcheck disable=SC2086 # words
		run -5 asks $act
		assert_output --partial "this can't be limited to the clients that your API token is for"
	done
	token_of --role operator
	run -0 asks halt --reason over
	assert_equal "$(api GET /rollouts/current | jq -r .state)" halted
}
