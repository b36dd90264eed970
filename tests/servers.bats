#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Three servers on one database of PostgreSQL, each with a folder of its own and the same keys: what one is told reaches
# the machines that hang on the others, a machine has one connection, and a server that dies takes nothing with it.

bats_require_minimum_version 1.5.0

setup_file()
{
	load servers
	cluster_begins
}

teardown_file()
{
	load servers
	cluster_ends
}

setup()
{
	load servers
	servers_prepare
}

teardown()
{
	servers_end
}

### What one of them is told

@test "suspended, resumed, revoked at one server: machines hear of it on every server" {
	three_begin
	machines_hang 4 answer answer answer closed
	local id told=0
	# One by one: who is told of the next before he has looked at the one sees that it is as it was.
	for id in $(api b GET '/clients?limit=100' | jq -r '.clients[].id'); do
		api b POST "/clients/$id/suspend" '{}' >/dev/null
		eventually states_told $((++told))
		api c POST "/clients/$id/resume" '{}' >/dev/null
		eventually states_told $((++told))
		api a POST "/clients/$id/revoke" '{"reason":"sold"}' >/dev/null
		eventually states_told $((++told))
	done
	machines_end
	assert_equal "$(cat hanging.* | grep -c 'op=STATE')" 36
	assert_equal "$(cat hanging.* | grep -c closed)" 12
	eventually listed_are c 0
}

states_told() # N
{
	(($(cat hanging.* | grep -c 'op=STATE') == $1))
}

@test "a configuration that is pushed to one server reaches the machines of all" {
	three_begin
	machines_hang 4 answer
	echo 'a=1' >file
	"$BUILD/musterctl" --socket c/control.sock config push app.conf file --all
	machines_end
	assert_equal "$(cat hanging.* | grep -c 'op=CONFIG ')" 12
}

# counts_are SERVER UNDER-WAY DONE FAILED: of the roll-out, as that server tells it
counts_are()
{
	[[ $(api "$1" GET /rollouts/current | jq -r '.counts | "\(."under-way") \(.done) \(.failed)"') == "$2 $3 $4" ]]
}

rollout_is() # SERVER STATE
{
	[[ $(api "$1" GET /rollouts/current | jq -r .state) == "$2" ]]
}

asked_are()
{
	(($(cat hanging.* | grep -c op=UPDATE) == $1))
}

@test "of the machines of all servers as many take the release at a time as one server was told" {
	local i

	three_begin
	machines_hang 5 update wait ack hello
	api b POST /rollouts '{"selector":"*","at_once":4}' >/dev/null
	for i in {0..11}; do
		eventually counts_are c 4 "$i" 0
		eventually asked_are $((4 + i))
		echo >&8
	done
	for i in 1 2 3; do
		echo >&8
	done
	eventually counts_are a 0 15 0
	machines_end
	asked_are 15
	assert_equal "$(cat hanging.* | grep -o 'number=[0-9]*' | sort -u | wc -l)" 15
	assert_equal "$(api c GET /audit/verify | jq .ok)" true
}

@test "the first machine that fails, at whichever server, is the last that is asked at any" {
	three_begin
	machines_hang 5 update wait nack 42 "it was put back" hello
	api a POST /rollouts '{"selector":"*","at_once":3}' >/dev/null
	eventually asked_are 3
	echo >&8
	eventually rollout_is a halted
	rollout_is b halted
	rollout_is c halted
	echo >&8
	echo >&8
	eventually counts_are b 0 0 3
	asked_are 3
	assert_equal "$(query "SELECT count(*) FROM audit WHERE act = 'rollout.halt'")" 1
	# Five more may fail; resumed at another server, all go on.
	api c POST /rollouts/current/resume '{"failures":8}' >/dev/null
	eventually asked_are 6
	counts_are a 3 0 3
	kill "${machines[@]}"
}

@test "the updates of a dead server's machines go on at another" {
	three_begin
	machines_hang 3 update wait
	api a POST /rollouts '{"selector":"*","at_once":9}' >/dev/null
	eventually asked_are 9
	counts_are a 9 0 0
	stops b KILL
	kill "${machines[1]}" 2>/dev/null || true
	run -0 peer c on-b --count 3 hello update ack hello close
	counts_are a 6 3 0
	assert_equal "$(cat hanging.b - <<<"$output" | grep -o 'number=[0-9]*' | sort | uniq -d | wc -l)" 3
	kill "${machines[@]}" 2>/dev/null || true
}

@test "what machines answer while the database is away they are asked again, and have done once" {
	local at

	three_begin
	machines_hang 2 update wait ack hello update ack hello wait
	api a POST /rollouts '{"selector":"*","at_once":6}' >/dev/null
	eventually asked_are 6
	cluster_does stop
	for at in a b c; do
		eventually unreachable "$at"
	done
	printf '\n\n\n\n\n\n' >&8
	put_off()
	{
		(($(cat hanging.* | grep -c 'op=NACK .*code=3') == 6))
	}
	eventually put_off
	cluster_does start
	eventually reachable a
	eventually counts_are a 0 6 0
	eventually asked_are 12
	assert_equal "$(cat hanging.* | grep -o 'number=[0-9]*' | sort | uniq -c | awk '$1 != 2' | wc -l)" 0
	kill "${machines[@]}"
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
		exec_peer "$from" m hello closed >"older$n" 2>&1 3>&- 7>&- &
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
	# Killed before it is noted that they were taken, the next begins with them.
	eventually all_are_noted
	stops a KILL
	for at in b c; do
		peer "$at" "m-$at" hello say 1 "$(msg 1 2 "two-$at")" answer close >/dev/null
	done
	eventually have_come 5
	assert_equal "$(cat out.* | jq -r .text | sort | uniq -d)" ''
	run ! test -e out.c
}

all_are_noted()
{
	[[ $(query 'SELECT outlet - seq FROM message_head') == 0 ]]
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
		exec_peer "$at" "many-$at" --count 60 enrol "$token" >"told.$at" 2>/dev/null 3>&- 7>&- &
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
	local at pid pids=() told n
	token_for 350
	for at in a b c; do
		exec_peer "$at" "many-$at" --count 150 --parallel 30 enrol "$token" hello closed >"told.$at" 2>/dev/null 3>&- 7>&- &
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
	# Each is let in by its first word.
	for at in a b c; do
		# shellcheck disable=SC2013 # numbers, a word each
		for n in $(sed -n 's/^n=\([0-9]*\) op=ENROLLED.*/\1/p' "told.$at" | shuf -n 15); do
			run -0 peer c "many-$at/$n" hello close
		done
	done
}

@test "PostgreSQL restarted in a storm on three servers: nothing acknowledged is lost, nothing over-used, all are back" {
	storm_survives restart
}

@test "PostgreSQL killed in a storm on three servers: nothing acknowledged is lost, nothing over-used, all are back" {
	storm_survives kill start
}

### A database that is slow, or doesn't work

# Whatever it is, machines stay connected, others can be served, and nobody is told what isn't so.
serves_on() # SERVER
{
	holds_on "$1"
	curl -q -sSf -k --max-time 20 -o script "https://127.0.0.1:$(port_of "$1")/clients/linux"
	run -8 "$BUILD/musterctl" --socket "$1/control.sock" status
	assert_output --regexp "Database +can't be reached, for [0-9]+ s"
}

recovers() # SERVER
{
	eventually reachable "$1"
	run -0 peer "$1" late enrol "$token" close
	assert_equal "$(uses_spent "$1")" 1
	assert_equal "$(grep -hc closed hanging.* | grep -vc '^0$')" 0
	kill -0 "${machines[@]}"
	kill "${machines[@]}"
}

# keeps SQL: a session that has done this in a transaction which goes on until line 9 is closed; its process at the
# database is $keeper.
keeps()
{
	mkfifo keeper
	psql -q -A -t -d "$location" <keeper >keeper.out 2>&1 3>&- 7>&- 8>&- &
	exec 9>keeper
	echo "SET search_path = muster; SELECT pg_backend_pid(); BEGIN; $1; SELECT 'kept';" >&9
	eventually grep -q kept keeper.out
	keeper=$(head -n 1 keeper.out)
}

@test "a backend that hangs holds its server up for the time-out, and no longer" {
	three_begin StoreTimeout=1s
	machines_hang 2 wait
	token_for 1
	local hanging
	hanging=$(query "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'muster-server'")
	assert_equal "$(wc -w <<<"$hanging")" 3
	# shellcheck disable=SC2086 # a word each
	kill -STOP $hanging
	eventually grep -q 'lost the database: it has not answered in time (1500 ms)' a/log
	eventually grep -q 'lost the database: it has not answered in time (1500 ms)' b/log
	recovers a
	# shellcheck disable=SC2086 # a word each
	kill -CONT $hanging
	run -0 query "SELECT detail FROM audit WHERE act = 'server.database'"
	assert_output --regexp 'could not be reached for [0-9]+ s: it has not answered in time'
}

@test "a backend that hangs in its turn to write keeps everybody from it, and is named" {
	three_begin
	machines_hang 2 wait
	token_for 1
	keeps "SELECT pg_advisory_xact_lock(120351215609202)"
	kill -STOP "$keeper"
	eventually gives_reason a "another session keeps the turn to write locked: process $keeper of PostgreSQL"
	eventually gives_reason b "another session keeps the turn to write locked: process $keeper of PostgreSQL"
	serves_on a
	kill -CONT "$keeper"
	exec 9>&-
	recovers b
}

@test "a table that another session keeps locked is named, and so is the session" {
	three_begin
	machines_hang 2 wait
	token_for 1
	keeps 'LOCK TABLE client IN ACCESS EXCLUSIVE MODE'
	api a GET /clients >/dev/null || true
	eventually gives_reason a "another session keeps the table client locked: process $keeper of PostgreSQL"
	grep -q 'lost the database: another session keeps a table locked' a/log
	serves_on a
	exec 9>&-
	recovers a
}

@test "a table that may be read but not written is found out as well" {
	begins a
	token_for 1
	machines=()
	keeps 'LOCK TABLE token IN SHARE MODE'
	run peer a late enrol "$token"
	refute_output --partial ENROLLED
	eventually gives_reason a "another session keeps the table token locked: process $keeper of PostgreSQL"
	exec 9>&-
	eventually reachable a
	run -0 peer a late enrol "$token" close
	assert_equal "$(uses_spent a)" 1
}

@test "a statement that takes too long is ended, and does not keep the database away" {
	three_begin StoreTimeout=1s
	machines_hang 2 wait
	token_for 1
	query "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(600); RETURN NEW; END'"
	query 'CREATE TRIGGER slow BEFORE INSERT ON client FOR EACH ROW EXECUTE FUNCTION slow()'
	run peer a late enrol "$token"
	refute_output --partial ENROLLED
	eventually grep -q 'lost the database: canceling statement due to statement timeout' a/log
	eventually reachable a
	assert_equal "$(uses_spent a)" 0
	query 'DROP TRIGGER slow ON client'
	recovers a
}

@test "what a dead server held is not connected any more, and again when it has come elsewhere" {
	three_begin
	machines_hang 3 wait
	stops b KILL
	kill "${machines[1]}" 2>/dev/null || true
	eventually listed_are a 6
	eventually listed_are c 6
	exec_peer c on-b --count 3 hello wait <hold >again 2>&1 3>&- 7>&- 8>&- &
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
	assert_equal "$(query 'SELECT count(*) FROM server')" 2
	machines=("${machines[0]}" "${machines[2]}")
	kill "${machines[@]}"
}
