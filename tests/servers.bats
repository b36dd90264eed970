#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Three servers on one database of PostgreSQL, each with a folder of its own and the same keys: what one is told reaches
# the machines that hang on the others, a machine has one connection, and a server that dies takes nothing with it.

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert

BUILD=$(realpath -m "${BUILD:-$BATS_TEST_DIRNAME/../build}")
peer_program=$BUILD/tests/helpers/peer

# The cluster ends with the end of its standard input, which is a FIFO that this file's shell holds.
setup_file()
{
	mkfifo "$BATS_FILE_TMPDIR/to-cluster"
	"$BATS_TEST_DIRNAME/cluster" <"$BATS_FILE_TMPDIR/to-cluster" >"$BATS_FILE_TMPDIR/cluster" \
		2>"$BATS_FILE_TMPDIR/cluster-log" 3>&- &
	exec 7>"$BATS_FILE_TMPDIR/to-cluster"
	eventually grep -q host= "$BATS_FILE_TMPDIR/cluster" || fail "$(cat "$BATS_FILE_TMPDIR/cluster-log")"
}

teardown_file()
{
	exec 7>&-
}

setup()
{
	cd "$BATS_TEST_TMPDIR" || return
	mkdir -p clients/linux/x86_64
	head -c 1000 /dev/urandom >clients/linux/x86_64/muster-agent
	head -c 1000 /dev/urandom >clients/linux/x86_64/muster-enrol
	cluster=$(head -n 1 "$BATS_FILE_TMPDIR/cluster")
	database=servers$BATS_TEST_NUMBER
	psql -q -d "$cluster" -c "CREATE DATABASE $database"
}

teardown()
{
	local file child

	for file in "$BATS_TEST_TMPDIR"/*/server.pid; do
		[[ -e $file ]] || continue
		for child in $(cat "/proc/$(cat "$file")/task/$(cat "$file")/children" 2>/dev/null) "$(cat "$file")"; do
			kill -KILL "$child" 2>/dev/null || true
		done
	done
	psql -q -d "$cluster" -c "DROP DATABASE $database WITH (FORCE)"
}

# begins NAME [LINE…]: a server of that name, with the keys of the first; the lines are its [server] section's.
begins()
{
	local at=$1

	shift
	mkdir -p "$at/state"
	chmod 700 "$at/state"
	[[ $at == a || -e $at/state/tls.pem ]] ||
		cp -p a/state/{identity.key,tls.pem,token.key,release.key,release.pub} "$at/state"
	printf '%s\n' '[server]' 'Listen=127.0.0.1:0' 'Name=localhost:8443' "Control=$PWD/$at/control.sock" \
		"Clients=$PWD/clients" "State=$PWD/$at/state" "Store=${cluster% dbname=*} dbname=$database" "$@" \
		'[limits]' ConnectionsPerSource=1000 '[dashboard]' 'Listen=none' >"$at/conf"
	: >"$at/log"
	"$BUILD/muster-server" --config "$at/conf" >>"$at/log" 2>&1 3>&- 7>&- &
	echo $! >"$at/server.pid"
	disown
	eventually grep -qs 'is ready as' "$at/log" || fail "it doesn't start: $(cat "$at/log")"
	read -r pin server_key < <(api "$at" GET /status | jq -r '"\(.pin) \(.server_key)"')
}

three_begin()
{
	begins a "$@"
	begins b "$@"
	begins c "$@"
}

port_of()
{
	sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' "$1/log" | head -1
}

stops()
{
	kill -"${2:-TERM}" "$(cat "$1/server.pid")"
	eventually gone "$(cat "$1/server.pid")"
	rm "$1/server.pid"
}

gone()
{
	! kill -0 "$1" 2>/dev/null
}

eventually()
{
	local deadline=$((SECONDS + 60))

	until "$@"; do
		((SECONDS < deadline)) || return
		sleep 0.05
	done
}

# api SERVER METHOD PATH [JSON]
api()
{
	local at=$1 data=()

	shift
	[[ $# -lt 3 ]] || data=(-H 'Content-Type: application/json' --data-binary "$3")
	curl -q -sS --fail-with-body --max-time 20 --unix-socket "$at/control.sock" -X "$1" "${data[@]}" \
		"http://localhost/api/v1$2"
}

token_for()
{
	read -r token token_id < <(api a POST /tokens "{\"uses\":$1,\"expires\":\"1h\"}" | jq -r '"\(.token) \(.id)"')
}

# peer SERVER FOLDER …
peer()
{
	local at=$1 folder=$2

	shift 2
	"$peer_program" --server "127.0.0.1:$(port_of "$at")" --server-key "$server_key" --pin "$pin" --dir "$folder" "$@"
}

uses_spent()
{
	api "${1:-a}" GET "/tokens/$token_id" | jq .used
}

clients_recorded()
{
	api "${1:-a}" GET "/tokens/$token_id" | jq '.clients | length'
}

# listed SERVER: how many that server lists as connected.
listed()
{
	api "$1" GET '/clients?limit=100' | jq '[.clients[] | select(.connected)] | length'
}

listed_are()
{
	[[ $(listed "$1") == "$2" ]]
}

# machines_hang N COMMAND…: N machines on each server have said HELLO and go on; their processes are in machines, their
# output in hanging.a, .b and .c.
machines_hang()
{
	local n=$1 at

	shift
	mkfifo hold
	exec 8<>hold # those that wait do so until this test ends
	machines=()
	for at in a b c; do
		token_for "$n"
		peer "$at" "on-$at" --count "$n" enrol "$token" close >/dev/null
		peer "$at" "on-$at" --count "$n" hello "$@" <hold >"hanging.$at" 2>&1 3>&- 7>&- 8>&- &
		machines+=($!)
	done
	eventually listed_are a $((3 * n))
}

machines_end()
{
	local pid

	for pid in "${machines[@]}"; do
		wait "$pid" || fail "$(cat hanging.*)"
	done
}

### What one of them is told

@test "suspended, resumed, revoked at one server: machines hear of it on every server" {
	three_begin
	machines_hang 4 answer answer answer closed
	local id
	for id in $(api b GET '/clients?limit=100' | jq -r '.clients[].id'); do
		api b POST "/clients/$id/suspend" '{}' >/dev/null
		api c POST "/clients/$id/resume" '{}' >/dev/null
		api a POST "/clients/$id/revoke" '{"reason":"sold"}' >/dev/null
	done
	machines_end
	assert_equal "$(cat hanging.* | grep -c 'op=STATE')" 36
	assert_equal "$(cat hanging.* | grep -c closed)" 12
	eventually listed_are c 0
}

@test "a configuration that is pushed to one server reaches the machines of all" {
	three_begin
	machines_hang 4 answer
	echo 'a=1' >file
	"$BUILD/musterctl" --socket c/control.sock config push app.conf file --all
	machines_end
	assert_equal "$(cat hanging.* | grep -c 'op=CONFIG ')" 12
}

@test "a restart that is asked for, and labels, reach machines on other servers" {
	three_begin
	echo 'a=1' >file
	"$BUILD/musterctl" --socket a/control.sock config push app.conf file --to tier=1
	machines_hang 3 answer answer
	local id
	for id in $(api b GET '/clients?limit=100' | jq -r '.clients[].id'); do
		api c POST "/clients/$id/reset" '{}' >/dev/null
		"$BUILD/musterctl" --socket a/control.sock client label "$id" tier=1 >/dev/null
	done
	machines_end
	assert_equal "$(cat hanging.* | grep -c 'op=RESET')" 9
	assert_equal "$(cat hanging.* | grep -c 'op=CONFIG ')" 9
}

@test "a machine that comes to another server has one connection: the newer" {
	three_begin
	token_for 1
	peer a m enrol "$token" >/dev/null
	local from to older n=0
	for from in a b c a; do
		to=$(tr abc bca <<<"$from")
		n=$((n + 1))
		peer "$from" m hello closed >"older$n" 2>&1 3>&- 7>&- &
		older=$!
		eventually listed_are "$to" 1
		run -0 peer "$to" m hello close
		wait "$older"
		assert_equal "$(tail -n 1 "older$n")" closed
		eventually listed_are "$from" 0
	done
}

### What there must be one of

# msg SPOOL NUMBER TEXT: the body of a MSG, in hex.
msg()
{
	printf '01%032x%016x%016x0474657374%08x' "$1" "$2" 1790000000 ${#3}
	printf %s "$3" | od -An -v -tx1 | tr -d ' \n'
}

@test "the outlets of three servers deliver each message once; when one is gone the next goes on" {
	three_begin
	local at
	for at in a b c; do
		stops "$at"
	done
	for at in a b c; do
		begins "$at"
		sed -i "s|^\[dashboard\]|[messages]\nOutletFile=$PWD/out.$at\n[dashboard]|" "$at/conf"
		kill -HUP "$(cat "$at/server.pid")"
		eventually grep -q 'read the configuration again' "$at/log"
	done
	token_for 3
	for at in a b c; do
		peer "$at" "m-$at" enrol "$token" hello say 1 "$(msg 1 1 "one-$at")" answer close >/dev/null
	done
	eventually have_come 3
	stops a KILL
	for at in b c; do
		peer "$at" "m-$at" hello say 1 "$(msg 1 2 "two-$at")" answer close >/dev/null
	done
	eventually have_come 5
	assert_equal "$(cat out.* | jq -r .text | sort | uniq -d)" ''
	run ! test -e out.c
}

have_come()
{
	[[ $(cat out.* 2>/dev/null | wc -l) == "$1" ]]
}

### Limits and deaths

@test "a token's limit is exact for three servers of two workers each" {
	three_begin Workers=2
	local at pids=()
	token_for 50
	for at in a b c; do
		peer "$at" "many-$at" --count 60 enrol "$token" >"told.$at" 2>/dev/null 3>&- 7>&- &
		pids+=($!)
	done
	for at in "${pids[@]}"; do
		wait "$at" || true
	done
	assert_equal "$(cat told.* | grep -c 'op=ENROLLED')" 50
	assert_equal "$(cat told.* | grep -c 'code=18')" 130
	assert_equal "$(uses_spent b)" 50
	assert_equal "$(clients_recorded c)" 50
	assert_equal "$(api b GET /audit/verify | jq .ok)" true
}

@test "kill -9 of one of three in a storm: nothing acknowledged is lost, nothing over-used, all come back to the others" {
	three_begin
	local at pid pids=() told n back
	token_for 350
	for at in a b c; do
		peer "$at" "many-$at" --count 150 --parallel 30 enrol "$token" hello closed >"told.$at" 2>/dev/null 3>&- 7>&- &
		pids+=($!)
	done
	eventually grep -q 'n=[3-9][0-9] op=ENROLLED' told.b
	stops b KILL
	rm -f b/control.sock
	# Those of the dead server go to another one.
	wait "${pids[1]}" || true
	for n in $(seq 150); do
		[[ -e many-b/$n/id ]] || echo "$n"
	done | while read -r n; do
		peer c "many-b/$n" enrol "$token" close >/dev/null || true
	done
	kill "${pids[0]}" "${pids[2]}" 2>/dev/null || true
	for pid in "${pids[0]}" "${pids[2]}"; do
		wait "$pid" || true
	done
	told=$(cat told.* | grep -c 'op=ENROLLED')
	((told > 30))
	(($(uses_spent) >= told && $(uses_spent) <= 350))
	assert_equal "$(uses_spent)" "$(clients_recorded c)"
	assert_equal "$(api c GET /audit/verify | jq .ok)" true
	back=$SECONDS
	for at in a b c; do
		# shellcheck disable=SC2013 # numbers, a word each
		for n in $(sed -n 's/^n=\([0-9]*\) op=ENROLLED.*/\1/p' "told.$at" | shuf -n 15); do
			run -0 peer c "many-$at/$n" hello close
		done
	done
	((SECONDS - back < 30))
}

# cluster_does WORD: see tests/cluster; returns when it is done.
cluster_does()
{
	local before

	before=$(grep -c 'done$' "$BATS_FILE_TMPDIR/cluster" || true)
	echo "$1" >"$BATS_FILE_TMPDIR/to-cluster"
	eventually cluster_has_done "$before"
}

cluster_has_done()
{
	(($(grep -c 'done$' "$BATS_FILE_TMPDIR/cluster") > $1))
}

query()
{
	PGOPTIONS='-c search_path=muster' psql -q -A -t -d "${cluster% dbname=*} dbname=$database" -c "$1"
}

# swarm MODE SERVER FIRST AGENTS [OPTION…]
swarm()
{
	local mode=$1 to=$2 first=$3 agents=$4

	shift 4
	"$BUILD/tests/load/muster-swarm" "$mode" --server "127.0.0.1:$(port_of "$to")" --pin "$pin" \
		--server-key "$server_key" --keys keys --first "$first" --agents "$agents" "$@"
}

uses_reach()
{
	(($(query 'SELECT max(used) FROM token') >= $1))
}

reachable()
{
	[[ $(api "$1" GET /status | jq .database.unreachable) == null ]]
}

acknowledged() # FILE…: how many enrolments the swarms were told of
{
	awk '$1 == "enrolled" { n += $2 } END { print n + 0 }' "$@"
}

# What must hold whatever has happened: a use for each client, an entry for each, one chain.
assert_whole()
{
	assert_equal "$(query 'SELECT sum(used) FROM token')" "$(query 'SELECT count(*) FROM client')"
	assert_equal "$(query 'SELECT count(*) FROM client')" \
		"$(query "SELECT count(*) FROM audit WHERE act = 'client.enrol'")"
	assert_equal "$(api c GET /audit/verify | jq .ok)" true
}

# storm_survives WORD…: while 450 machines enrol at three servers, by one token for 350 of them, the cluster does that.
storm_survives()
{
	local at word pid first=0 pids=() told spent
	three_begin
	machines_hang 3 wait
	"$BUILD/tests/load/muster-swarm" keys --keys keys --agents 450
	token_for 350
	for at in a b c; do
		swarm enrol "$at" "$first" 150 --token "$token" --parallel 30 >"storm.$at" 2>&1 3>&- 7>&- 8>&- &
		pids+=($!)
		first=$((first + 150))
	done
	eventually uses_reach 60
	for word; do
		cluster_does "$word"
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || true
	done
	for at in a b c; do
		eventually reachable "$at"
		run -0 grep -c 'lost the database' "$at/log"
	done
	told=$(acknowledged storm.*)
	spent=$(query "SELECT used FROM token WHERE id = '$token_id'")
	((told > 0 && spent >= told && spent <= 350))
	assert_whole
	# Each that was acknowledged is known, by its id and keys, and is back within half a minute.
	run -0 swarm idle c 0 450 --enrolled --limit 30 --control c/control.sock
	assert_line "connected $told"
	# Who was not asks again, by the same keys: those whose answer was lost get it again, at no cost.
	run -1 swarm enrol b 0 450 --token "$token" --parallel 30
	assert_line "enrolled $((350 - told))"
	assert_line "fail-nack $((100 + told))"
	assert_equal "$(query "SELECT used FROM token WHERE id = '$token_id'")" 350
	assert_whole
	# Who was connected was so all the time.
	assert_equal "$(grep -c closed hanging.a hanging.b hanging.c | paste -sd' ')" 'hanging.a:0 hanging.b:0 hanging.c:0'
	kill -0 "${machines[@]}"
	kill "${machines[@]}"
}

@test "PostgreSQL restarted in a storm on three servers: nothing acknowledged is lost, nothing over-used, all are back" {
	storm_survives restart
}

@test "PostgreSQL killed in a storm on three servers: nothing acknowledged is lost, nothing over-used, all are back" {
	storm_survives kill start
}

@test "what a dead server held is not connected any more, and again when it has come elsewhere" {
	three_begin
	machines_hang 3 wait
	stops b KILL
	kill "${machines[1]}" 2>/dev/null || true
	eventually listed_are a 6
	eventually listed_are c 6
	peer c on-b --count 3 hello wait <hold >again 2>&1 3>&- 7>&- 8>&- &
	machines[1]=$!
	eventually listed_are a 9
	assert_equal "$(api a GET '/clients/count?connected=yes' | jq .count)" 9
	kill "${machines[@]}"
}

@test "a server that stops in order is gone at once" {
	three_begin
	machines_hang 2 wait
	stops b
	eventually listed_are c 4
	assert_equal "$(psql -At -d "${cluster% dbname=*} dbname=$database" -c 'SELECT count(*) FROM muster.server')" 2
	machines=("${machines[0]}" "${machines[2]}")
	kill "${machines[@]}"
}
