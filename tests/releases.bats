#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The release that the server offers, and its roll-outs, as musterctl and the API tell them; machines are peers that answer
# as they are told. No privileges needed.
# shellcheck disable=SC2154,SC2030,SC2031 # variables of server.bash, in each test anew

bats_require_minimum_version 1.5.0
load server

setup()
{
	peers=()
	server_configured
}

teardown()
{
	local pid

	for pid in "${peers[@]}"; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
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
	run -0 --separate-stderr musterctl release rollout --to role=web
	assert_output --regexp '^roll-out [0-9]+: version [^ ]+ for role=web, 10 at once, halts at the first failure$'
	assert_equal "$stderr" 'it asks nobody now: no machine fits, or all that do have had this release'
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

### Machines

nobody_is_connected()
{
	[[ $(api GET /status | jq .clients.connected) == 0 ]]
}

# enrolled NAME…: machines of role=peer, not connected
enrolled()
{
	local token name

	token=$(musterctl token create --uses "$#" --label role=peer 2>/dev/null)
	for name; do
		peer "$name" enrol "$token" hello close >/dev/null || fail "$name doesn't enrol"
	done
	eventually nobody_is_connected
}

# connected NAME COMMAND…: that machine does these, and stays connected.
connected()
{
	[[ -e $dir/in ]] || mkfifo "$dir/in"
	"$BUILD/tests/helpers/peer" --server "127.0.0.1:$port" --server-key "$server_key" --pin "$pin" --dir "$dir/$1" \
		hello "${@:2}" wait <>"$dir/in" >"$dir/told-$1" 2>&1 3>&- &
	peers+=($!)
	eventually grep -q op=ACK "$dir/told-$1" || fail "$1 isn't connected: $(cat "$dir/told-$1")"
}

client_named()
{
	tr -d '\n' <"$dir/$1/id"
}

counts()
{
	api GET /rollouts/current |
		jq -r '.counts | "\(.done) \(."under-way") \(.failed) \(.waiting) \(.offline)"'
}

counts_are() # DONE UNDER-WAY FAILED WAITING OFFLINE
{
	[[ $(counts) == "$*" ]]
}

@test "how far a roll-out is, and each machine, is seen until all have it" {
	server_starts
	enrolled a b c
	run -0 --separate-stderr musterctl release rollout --to role=peer --at-once 2
	assert_equal "$stderr" '0 done, 0 under way, 0 failed, 0 waiting, 3 offline'
	assert_equal "$(counts)" '0 0 0 0 3'
	run -0 musterctl release machines
	assert_output 'no machines have been asked yet'
	run -0 peer a hello update ack hello close
	assert_output --partial "release=$(api GET /release | jq -r .digest) version="
	run -0 peer b hello update close
	run -7 musterctl release status
	assert_line --regexp '^Machines +1 done, 1 under way, 0 failed, 0 waiting, 1 offline$'
	run -0 musterctl release machines
	assert_line --index 0 --regexp '^ID +HOSTNAME +STATE +VERSION +ASKED +ANSWERED +WHY$'
	assert_line --regexp "^$(client_named a | cut -c 1-12) .* done "
	assert_line --regexp "^$(client_named b | cut -c 1-12) .* under-way .* -$"
	run -0 musterctl release machines --outcome offline
	assert_line --index 1 --regexp "^$(client_named c | cut -c 1-12) .* offline "
	assert_equal "${#lines[@]}" 2
	run -0 --separate-stderr musterctl release machines --json
	assert_equal "$(jq -r '[.machines[].state] | sort | join(" ")' <<<"$output")" 'done under-way'
	run -0 musterctl client show "$(client_named b)"
	assert_line --regexp '^Update +under way by roll-out [0-9]+, asked 20'
	peer b hello update ack hello close
	peer c hello update ack hello close
	run -0 musterctl release status
	assert_line --regexp '^Machines +3 done, 0 under way, 0 failed, 0 waiting, 0 offline$'
	run -0 musterctl client show "$(client_named b)"
	assert_line --regexp '^Update +done by roll-out '
	run -0 api GET "/clients/$(client_named b)/timeline"
	assert_equal "$(jq -r '.events[0] | "\(.act) \(.actor)"' <<<"$output")" "client.update client:$(client_named b)"
	run -0 --separate-stderr musterctl release rollout --to role=peer --wait
	[[ $stderr == *'there is nobody to ask: the machines that it is for have that release by an earlier roll-out, or there are none' ]]
}

@test "the first failure halts it, and whoever looks is told which machine, why, and what to do" {
	server_starts
	enrolled a b
	musterctl release rollout --all
	run -0 peer a hello update nack 42 'the new agent was not acknowledged' hello close
	run -7 musterctl release status
	assert_line --regexp '^State +halted$'
	assert_line --regexp "^Why +.*$(client_named a).*: update put back: the new agent was not acknowledged$"
	assert_line --partial 'which failed, and why: musterctl release machines --outcome failed'
	run -0 musterctl release machines --outcome failed
	assert_line --regexp ' failed .* update put back: the new agent was not acknowledged$'
	run -0 musterctl client show "$(client_named a)"
	assert_line --regexp '^Update +failed: update put back: the new agent was not acknowledged$'
	run -0 api GET /overview
	assert_equal "$(jq -r '.attention.rollouts | "\(.count) \(.list[0].state)"' <<<"$output")" '1 halted'
	run -0 peer b hello hello close
	refute_output --partial op=UPDATE
	run -0 musterctl release resume
	assert_output --partial 'is running: it halts at the next failure'
	run -0 peer b hello update nack 44 '' hello close
	assert_equal "$(api GET /rollouts/current | jq -r '"\(.state) \(.counts.failed)"')" 'halted 2'
	run -0 musterctl release resume --failures 2
	run -7 musterctl release status
	assert_line --regexp '^State +running$'
}

@test "a text that a machine or a database has does nothing to the terminal" {
	local evil=$'\e]0;owned\a\e[2J'

	server_starts
	enrolled a
	musterctl release rollout --all
	peer a hello update nack 41 'no' hello close
	store_query "$dir/state" "UPDATE client_update SET text = char(27) || ']0;owned' || char(7) || char(27) || '[2J'"
	store_query "$dir/state" "UPDATE client SET hostname = char(27) || '[31mred' || char(155), version = char(27) || 'c'"
	store_query "$dir/state" "UPDATE rollout SET reason = char(27) || '[2J' || char(10) || 'State ended', version = char(27) || 'c', actor = char(7) || 'x'"
	for act in '' list status machines 'machines --outcome failed' 'halt' 'resume' \
		'rollout --client '"$(client_named a)"' --wait --timeout 1s' 'list --json' 'status --json' 'machines --json'; do
		# shellcheck disable=SC2086 # words
		run musterctl release $act
		refute_output --partial $'\e'
		refute_output --partial $'\a'
		refute_output --partial $'\xc2\x9b'
		refute_line 'State ended'
		refute_output --partial "$evil"
	done
	run -0 musterctl client show "$(client_named a)"
	refute_output --partial $'\e'
}

@test "--wait ends when all who are connected have it, whoever is not there" {
	server_starts
	enrolled a b c
	connected a update ack hello
	connected b update ack hello
	run -0 --separate-stderr musterctl release rollout --to role=peer --at-once 1 --wait
	assert_output --regexp '^roll-out [0-9]+: version [^ ]+ for role=peer, 1 at once, halts at the first failure$'
	assert_equal "$stderr" '2 done, 0 under way, 0 failed, 0 waiting, 1 offline'
	# Nobody is asked for the same twice.
	run -0 --separate-stderr musterctl release rollout --all --wait --json
	jq -e '.counts == {"done": 0, "under-way": 0, "failed": 0, "waiting": 0, "offline": 1}' <<<"$output"
}

@test "--wait tells who failed and is 7, also if that many may fail" {
	server_starts
	enrolled a b
	connected a update nack 43 'the unit is another' hello
	run -7 --separate-stderr musterctl release rollout --client "$(client_named a)" --wait
	assert_line --regexp ' failed .* update half done: the unit is another$'
	[[ $stderr == *"it is halted: "*"update half done: the unit is another"* ]]
	[[ $stderr == *'0 done, 0 under way, 1 failed, 0 waiting, 0 offline'*'to go on: musterctl release resume'* ]]
	connected b update nack 41 'no space' hello
	run -7 --separate-stderr musterctl release rollout --client "$(client_named b)" --failures 1 --wait
	assert_line --regexp ' failed .* update failed: no space$'
	assert_equal "$stderr" '0 done, 0 under way, 1 failed, 0 waiting, 0 offline'
}

@test "--wait is 7 when the time is over, and the roll-out goes on" {
	server_starts
	enrolled a
	connected a update
	run -7 --separate-stderr musterctl release rollout --all --wait --timeout 1s
	[[ $stderr == *'it is not done yet, and goes on: musterctl release status'* ]]
	eventually counts_are 0 1 0 0 0
	assert_equal "$(api GET /rollouts/current | jq -r .state)" running
	run -0 musterctl release halt
	assert_output --partial 'is halted; 1 under way will still answer'
}

@test "--wait hears of another roll-out that ends its own, and waits for a server that is away" {
	local waiting status=0

	server_starts
	enrolled a
	connected a update
	musterctl release rollout --all --wait >"$dir/out" 2>"$dir/err" 3>&- &
	waiting=$!
	peers+=("$waiting")
	eventually counts_are 0 1 0 0 0
	server_stops
	server_starts
	eventually counts_are 0 1 0 0 0
	run -0 kill -0 "$waiting"
	musterctl release rollout --to role=nobody
	wait "$waiting" || status=$?
	assert_equal "$status" 7
	run -0 cat "$dir/err"
	assert_output --partial "it is ended: replaced by roll-out $(newest)"
}

@test "who watches hears of a roll-out, and of each machine's part in it" {
	local heard

	server_starts
	enrolled a
	musterctl events --topic rollouts --json >"$dir/events" 2>&1 3>&- &
	peers+=($!)
	started()
	{
		musterctl release rollout --all >/dev/null
		grep -q rollouts "$dir/events"
	}
	eventually started
	grep -qF "{\"topic\":\"rollouts\",\"id\":" "$dir/events"
	heard_more()
	{
		(($(wc -l <"$dir/events") > $1))
	}
	heard=$(wc -l <"$dir/events")
	peer a hello update ack hello close
	eventually heard_more "$heard"
}
