#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Roll-outs on the wire: whom the server asks to take its release, how many at a time, and what it makes of the answers;
# at one process and at four. The machines are peers.

bats_require_minimum_version 1.5.0
load server

setup()
{
	cd "$BATS_TEST_TMPDIR" || return
	mkdir -p clients/linux/x86_64
	release_is 1
	clients=$PWD/clients
	server_configured "Workers=1" '[dashboard]' 'Listen=none'
}

teardown()
{
	local pid

	for pid in $(children "$server") $server; do
		kill -KILL "$pid" 2>/dev/null || true
	done
}

children()
{
	{ cat "/proc/$1/task/$1/children" 2>/dev/null || true; } | tr ' ' '\n' | sed '/^$/d'
}

workers_are()
{
	(($(children "$server" | wc -l) == $1 && $(grep -c 'was ended by signal 9' log) == 2))
}

# release_is TEXT: what the server offers from its next start or reload on
release_is()
{
	echo "agent $1" >clients/linux/x86_64/muster-agent
	echo "enrol $1" >clients/linux/x86_64/muster-enrol
}

four_workers()
{
	sed -i s/Workers=1/Workers=4/ conf
	server_starts
}

# machine NAME [LABEL]: enrols it; sets id.
machine()
{
	token=$(api POST /tokens "{\"labels\":[\"role=${2:-web}\"],\"uses\":1}" | jq -r .token)
	peer "$1" enrol "$token" close >/dev/null
	id=$(cat "$1/id")
}

# machines N: so many, in crowd/.
machines()
{
	token=$(api POST /tokens "{\"labels\":[\"role=web\"],\"uses\":$1}" | jq -r .token)
	peer crowd --count "$1" enrol "$token" close >/dev/null
}

# roll_out [SELECTOR [AT_ONCE [FAILURES]]]
roll_out()
{
	rollout=$(api POST /rollouts "{\"selector\":\"${1:-*}\",\"at_once\":${2:-1},\"failures\":${3:-0}}" | jq -r .id)
}

state_of()
{
	api GET /rollouts/current | jq -r .state
}

state_is()
{
	[[ $(state_of) == "$1" ]]
}

# counts: under way, done, failed.
counts()
{
	api GET /rollouts/current | jq -r '.counts | "\(."under-way") \(.done) \(.failed)"'
}

counts_are()
{
	[[ $(counts) == "$*" ]]
}

# In the background: its output in NAME.out; what it waits for is written to hold.
stays()
{
	[[ -p hold ]] || mkfifo hold
	exec 8<>hold
	exec_peer "$@" <hold >"$1.out" 2>&1 3>&- 8>&- &
	stayed=$!
}

goes_on()
{
	echo >&8
}

asked()
{
	grep -c op=UPDATE "$1.out"
}

asked_are()
{
	(($(asked "$1") == $2))
}

greetings_are()
{
	(($(cat m?.out | grep -c op=ACK) == $1))
}

### One machine

@test "a machine is asked, on its next connection or at once, and what it answers is known" {
	server_starts
	machine late
	roll_out
	run -0 peer late hello update ack hello close
	assert_line --regexp "op=UPDATE sequence=2 number=[0-9]+ release=$(api GET /release | jq -r .digest) version="
	counts_are 0 1 0
	# Not again, and not by another roll-out of the same release.
	roll_out
	run -0 peer late hello hello close
	refute_output --partial op=UPDATE
	machine here
	api POST "/rollouts/$rollout/halt" '{}' >/dev/null
	stays here hello update ack wait
	eventually grep -q op=ACK here.out
	api POST "/rollouts/$rollout/resume" '{}' >/dev/null
	eventually counts_are 0 1 0
	goes_on
	wait "$stayed"
}

@test "what is under way is sent on each connection, under its number, until it is answered" {
	local number

	server_starts
	machine one
	machine two
	roll_out
	run -0 peer one hello update close
	number=${output##*number=} number=${number%% *}
	assert [ "$number" -gt "$rollout" ]
	counts_are 1 0 0
	api POST "/rollouts/$rollout/end" '{}' >/dev/null
	run -0 peer one hello update close
	assert_output --partial "number=$number "
	server_stops KILL
	server_starts
	# Once on a connection.
	run -0 peer one hello update hello hello close
	assert_equal "$(grep -c op=UPDATE <<<"$output")" 1
	assert_output --partial "number=$number "
	run -0 peer one hello update ack hello close
	run -0 peer one hello hello close
	refute_output --partial op=UPDATE
	counts_are 0 1 0
	run -0 peer two hello hello close
	refute_output --partial op=UPDATE
}

@test "answers to what was not asked, or a second time, change nothing" {
	server_starts
	machine one
	run -1 peer one hello ack answer close
	assert_output --partial code=1
	roll_out "*" 1 9
	run -0 peer one hello update close
	counts_are 1 0 0
	run -1 peer one hello update nack 41 "no space" nack 41 again answer close
	assert_output --partial code=1
	counts_are 0 0 1
	run -1 peer one hello ack answer close
	counts_are 0 0 1
}

@test "a failure halts, and names machine and cause" {
	server_starts
	machine one
	machine two
	roll_out "*" 1 0
	run -0 peer one hello update close
	stays two hello wait
	eventually grep -q op=ACK two.out
	run -0 peer one hello update nack 42 "the new agent was not acknowledged" hello close
	state_is halted
	run -0 api GET /rollouts/current
	assert_output --partial "$(cat one/id)"
	assert_output --partial "update put back: the new agent was not acknowledged"
	counts_are 0 0 1
	run -0 grep -c 'is halted: ' log
	goes_on
	wait "$stayed"
	asked_are two 0
	run -0 peer two hello hello close
	refute_output --partial op=UPDATE
}

@test "who isn't meant isn't asked, until its labels change" {
	server_starts
	machine one db
	roll_out role=web
	run -0 peer one hello hello close
	refute_output --partial op=UPDATE
	stays one hello update ack wait
	eventually grep -q op=ACK one.out
	api POST "/clients/$id/labels" '{"set":["role=web"]}' >/dev/null
	eventually counts_are 0 1 0
	goes_on
	wait "$stayed"
}

@test "a suspended machine is not asked, nor heard; once it is resumed it is" {
	server_starts
	machine one
	api POST "/clients/$id/suspend" '{}' >/dev/null
	roll_out
	stays one hello answer update wait ack
	eventually grep -q op=STATE one.out
	counts_are 0 0 0
	api POST "/clients/$id/resume" '{}' >/dev/null
	eventually asked_are one 1
	api POST "/clients/$id/suspend" '{}' >/dev/null
	counts_are 1 0 0
	goes_on
	wait "$stayed"
	counts_are 1 0 0 # what a suspended one says isn't taken
	api POST "/clients/$id/resume" '{}' >/dev/null
	run -0 peer one hello update ack hello close
	counts_are 0 1 0
}

@test "who is revoked, removed or leaves gives its place to the next" {
	local n

	server_starts
	for n in 1 2 3 4; do
		machine "m$n"
	done
	roll_out
	run -0 peer m1 hello update close
	stays m2 hello update wait
	eventually grep -q op=ACK m2.out
	counts_are 1 0 0
	api POST "/clients/$(cat m1/id)/revoke" '{}' >/dev/null
	eventually asked_are m2 1
	goes_on
	wait "$stayed"
	stays m3 hello update wait leave
	eventually grep -q op=ACK m3.out
	api POST "/clients/$(cat m2/id)/remove" '{}' >/dev/null
	eventually asked_are m3 1
	stays m4 hello update ack hello
	eventually grep -q op=ACK m4.out
	counts_are 1 0 0
	goes_on
	wait "$stayed"
	counts_are 0 1 0
}

@test "a server that offers another release asks nobody; after a reload it does" {
	server_starts
	machine one
	machine two
	roll_out "*" 2 9
	run -0 peer two hello update close
	release_is 2
	server_stops
	server_starts
	run -0 peer one hello hello close
	refute_output --partial op=UPDATE
	run -0 peer two hello hello close
	refute_output --partial op=UPDATE
	stays one hello update ack wait
	eventually grep -q op=ACK one.out
	release_is 1
	kill -HUP "$server"
	eventually counts_are 1 1 0
	goes_on
	wait "$stayed"
	run -0 peer two hello update ack hello close
	counts_are 0 2 0
}

@test "a machine that listens is dialled for it, and again until it has answered" {
	server_starts
	machine quiet
	stays quiet listen accept hello close accept hello update close accept hello update ack hello closed
	eventually grep -q listens= quiet.out
	api POST "/clients/$id/address" "{\"address\":\"$(sed -n s/listens=//p quiet.out)\"}" >/dev/null
	eventually grep -q op=ACK quiet.out
	roll_out
	eventually asked_are quiet 1
	counts_are 1 0 0
	eventually counts_are 0 1 0
	wait "$stayed"
	assert_equal "$(grep -o 'number=[0-9]*' quiet.out | sort -u | wc -l)" 1
}

@test "machines that listen are dialled as far as there are places" {
	local n

	server_starts
	for n in 1 2 3; do
		machine "m$n"
		stays "m$n" listen accept hello close accept hello update wait ack hello close
		pids[n]=$stayed
		eventually grep -q listens= "m$n.out"
		api POST "/clients/$id/address" "{\"address\":\"$(sed -n s/listens=//p "m$n.out")\"}" >/dev/null
		eventually grep -q op=ACK "m$n.out"
	done
	roll_out "*" 2
	eventually counts_are 2 0 0
	eventually greetings_are 5
	goes_on
	eventually counts_are 2 1 0
	goes_on
	goes_on
	eventually counts_are 0 3 0
	wait "${pids[@]}"
}

### Many

@test "of twenty machines at four workers three are asked at a time" {
	local i

	four_workers
	machines 20
	stays crowd --count 20 hello update wait ack hello
	roll_out role=web 3
	for ((i = 0; i < 18; i++)); do
		eventually counts_are 3 "$i" 0
		eventually asked_are crowd $((3 + i))
		goes_on
	done
	eventually counts_are 2 18 0
	goes_on
	goes_on
	eventually counts_are 0 20 0
	wait "$stayed"
	asked_are crowd 20
	assert_equal "$(grep -o 'number=[0-9]*' crowd.out | sort -u | wc -l)" 20
	assert_equal "$(api GET /audit/verify | jq .ok)" true
}

@test "at four workers the first failure is the last machine that is asked" {
	four_workers
	machines 20
	stays crowd --count 20 hello update wait nack 43 "it broke" hello
	roll_out role=web 4
	eventually asked_are crowd 4
	goes_on
	eventually state_is halted
	goes_on
	goes_on
	goes_on
	eventually counts_are 0 0 4
	api POST "/rollouts/$rollout/resume" '{"failures":7}' >/dev/null
	eventually asked_are crowd 8
	counts_are 4 0 4
	kill "$stayed"
}

@test "a worker that is killed takes nobody's update with it" {
	local pid

	four_workers
	machines 24
	roll_out role=web 24
	stays crowd --count 24 hello update wait
	eventually asked_are crowd 24
	counts_are 24 0 0
	mapfile -t pid < <(children "$server")
	kill -KILL "${pid[0]}" "${pid[1]}"
	eventually workers_are 4
	run -0 peer crowd --count 24 hello update ack hello close
	eventually counts_are 0 24 0
	assert_equal "$(grep -o 'number=[0-9]*' crowd.out <(echo "$output") | sed 's/.*number/number/' | sort | uniq -c |
		awk '$1 != 2' | wc -l)" 0
	kill "$stayed" || true
}
