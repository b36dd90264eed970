#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# muster-server as several processes on one port and one database (Workers=), on the loopback: limits that hold for all
# of them together, acts that reach machines wherever they hang, deaths, reload and stop.

bats_require_minimum_version 1.5.0
load server

setup()
{
	cd "$BATS_TEST_TMPDIR" || return
	mkdir -p clients/linux/x86_64
	head -c 1000 /dev/urandom >clients/linux/x86_64/muster-agent
	head -c 1000 /dev/urandom >clients/linux/x86_64/muster-enrol
	clients=$PWD/clients
	configured
}

teardown()
{
	local pid

	for pid in $(children "$server") $server $(cat socat.pid 2>/dev/null); do
		kill -KILL "$pid" 2>/dev/null || true
	done
}

# configured [LINE...]: four workers; the lines follow those of [server].
configured()
{
	server_configured "Workers=${workers:-4}" "$@" '[dashboard]' 'Listen=none'
}

gone()
{
	! kill -0 "$1" 2>/dev/null
}

children()
{
	{ cat "/proc/$1/task/$1/children" 2>/dev/null || true; } | tr ' ' '\n' | sed '/^$/d'
}

# The process of that worker, from 0.
worker()
{
	local pid

	for pid in $(children "$server"); do
		[[ $(cat "/proc/$pid/comm" 2>/dev/null) != "muster-worker$1" ]] || echo "$pid"
	done
}

workers_are()
{
	local pids

	mapfile -t pids < <(children "$server")
	((${#pids[@]} == $1))
}

status_of()
{
	curl -q -sS -k --proto =https --pinnedpubkey "$pin" -o /dev/null -w '%{http_code}' "$@"
}

# token_for USES: sets token and token_id.
token_for()
{
	read -r token token_id < <(api POST /tokens "{\"labels\":[\"role=web\"],\"uses\":$1,\"expires\":\"1h\"}" |
		jq -r '"\(.token) \(.id)"')
}

uses_spent()
{
	api GET "/tokens/$token_id" | jq .used
}

clients_recorded()
{
	api GET "/tokens/$token_id" | jq '.clients | length'
}

connected_are()
{
	[[ $(api GET /status | jq .clients.connected) == "$1" ]]
}

# machines_hang N COMMAND...: N machines have enrolled, say HELLO and go on with the commands; in $machines, their
# output in hanging.
machines_hang()
{
	local n=$1

	shift
	token_for "$n"
	peer all --count "$n" --parallel 8 enrol "$token" close >/dev/null
	exec_peer all --count "$n" --parallel "$n" hello "$@" >hanging 2>&1 3>&- &
	machines=$!
	eventually connected_are "$n" || fail "only $(api GET /status | jq .clients.connected) are connected"
}

# held_by_each: how many connections each worker holds that holds any, a line each.
held_by_each()
{
	ss -Htnp state established "( sport = :$port )" | grep -o 'pid=[0-9]*' | sort | uniq -c | awk '{ print $1 }'
}

# Machines hang on more than one worker, else the test shows nothing.
assert_spread()
{
	(($(held_by_each | wc -l) > 1)) || fail "all machines hang on one worker"
}

### One port, one service

@test "four workers serve one port, and what one knows the others know" {
	server_starts
	workers_are 4
	assert_equal "$(grep -c 'is ready as' log)" 1
	token_for 40
	peer all --count 40 --parallel 10 enrol "$token" hello close >/dev/null
	assert_equal "$(uses_spent)" 40
	local n
	for n in 1 2 3 4 5 6 7 8; do
		assert_equal "$(status_of "https://localhost:$port/clients/manifest")" 200
	done
	assert_equal "$(api GET /audit/verify | jq .ok)" true
}

@test "a machine is listed as connected whichever worker it hangs on, until it is gone" {
	server_starts
	machines_hang 24 answer
	assert_spread
	assert_equal "$(api GET '/clients?limit=100' | jq '[.clients[] | select(.connected)] | length')" 24
	assert_equal "$(api GET '/clients/count?connected=yes' | jq .count)" 24
	kill "$machines"
	eventually connected_are 0
	eventually none_is_listed
}

@test "machines that come one after another hang on all workers alike" {
	server_starts
	token_for 20
	local n pids=() least most
	for ((n = 1; n <= 20; n++)); do
		exec_peer "m$n" enrol "$token" hello closed >/dev/null 2>&1 3>&- &
		pids+=($!)
		eventually connected_are "$n"
	done
	read -r least most < <(held_by_each | sort -n | sed -n '1p;$p' | xargs)
	echo "each holds from $least to $most: $(held_by_each | xargs)"
	assert_equal "$(held_by_each | wc -l)" 4
	((least >= 2 && most <= 9)) # without the rule one had a half or more
	kill "${pids[@]}"
}

none_is_listed()
{
	[[ $(api GET '/clients?limit=100' | jq '[.clients[] | select(.connected)] | length') == 0 ]]
}

@test "200 machines at once on a token of 50 uses: exactly 50, four times" {
	configured '[limits]' ConnectionsPerSource=1000
	server_starts
	local round
	for round in 1 2 3 4; do
		token_for 50
		run -1 peer "round$round" --count 200 enrol "$token"
		assert_line 'granted=50 refused=150 misused=0 failed=0'
		assert_equal "$(grep -o 'client=[0-9a-f]*' <<<"$output" | sort -u | wc -l)" 50
		assert_equal "$(uses_spent)" 50
		assert_equal "$(clients_recorded)" 50
	done
	assert_equal "$(api GET /audit/verify | jq .ok)" true
}

@test "wrong tokens are limited for all workers together" {
	server_starts
	local unknown=0 n began=$SECONDS
	for n in 1 2 3 4 5 6 7 8; do
		unknown=$((unknown + $(peer a guess 5 | sed 's/unknown=\([0-9]*\) .*/\1/')))
	done
	((unknown >= 10 && unknown <= 10 + (SECONDS - began + 6) / 6)) # one more comes back every six seconds
	server_stops
	assert_equal "$(grep -c 'wrong tokens in the last minute' log)" 1
}

@test "who is connected, and to whom a configuration is on its way, is counted for all workers" {
	server_starts
	machines_hang 24 answer closed
	assert_spread
	echo 'a=1' >file
	musterctl config push app.conf file --all
	eventually all_have_the_order
	assert_equal "$(api GET /overview | jq .connected)" 24
	assert_equal "$(api GET /configs/app.conf/progress | jq -c .counts)" \
		'{"none":0,"current":0,"pending":24,"offline":0,"refused":0,"ahead":0}'
	assert_equal "$(api GET '/configs/app.conf/status?outcome=pending&limit=100' | jq '.clients | length')" 24
	kill "$machines"
}

all_have_the_order()
{
	(($(grep -c 'op=CONFIG ' hanging) == 24))
}

### What an administrator does

@test "a configuration reaches the machines of every worker" {
	server_starts
	machines_hang 24 answer
	assert_spread
	echo 'a=1' >file
	musterctl config push app.conf file --all
	wait "$machines" || fail "$(cat hanging)"
	assert_equal "$(grep -c 'op=CONFIG ' hanging)" 24
}

@test "suspended, resumed, revoked: machines hear of it on every worker" {
	server_starts
	machines_hang 16 answer answer answer closed
	assert_spread
	local id told=0
	# One by one: who is told of the next before he has looked at the one sees that it is as it was.
	for id in $(api GET '/clients?limit=100' | jq -r '.clients[].id'); do
		api POST "/clients/$id/suspend" '{}' >/dev/null
		eventually states_told $((++told))
		api POST "/clients/$id/resume" '{}' >/dev/null
		eventually states_told $((++told))
		api POST "/clients/$id/revoke" '{"reason":"sold"}' >/dev/null
		eventually states_told $((++told))
	done
	wait "$machines"
	assert_equal "$(grep -c 'op=STATE' hanging)" 48
	assert_equal "$(grep -c closed hanging)" 16
	eventually connected_are 0
}

states_told() # N
{
	(($(grep -c 'op=STATE' hanging) == $1))
}

@test "a restart of the agent is asked for on every worker" {
	server_starts
	machines_hang 12 answer
	assert_spread
	local id
	for id in $(api GET '/clients?limit=100' | jq -r '.clients[].id'); do
		api POST "/clients/$id/reset" '{}' >/dev/null
	done
	wait "$machines"
	assert_equal "$(grep -c 'op=RESET' hanging)" 12
}

@test "machines that wait for approval are let in on every worker" {
	server_starts
	read -r token token_id < <(api POST /tokens '{"uses":12,"expires":"1h","approve":true}' | jq -r '"\(.token) \(.id)"')
	exec_peer all --count 12 --parallel 12 enrol "$token" answer >hanging 2>&1 3>&- &
	machines=$!
	eventually waiting_are 12
	local id
	for id in $(api GET '/clients?limit=100' | jq -r '.clients[].id'); do
		api POST "/clients/$id/approve" '{}' >/dev/null
	done
	wait "$machines" || true
	assert_equal "$(grep -c 'op=ENROLLED' hanging)" 12
}

waiting_are()
{
	[[ $(api GET '/clients?state=pending&limit=100' | jq '.clients | length') == "$1" ]]
}

@test "labels that change make another configuration due on every worker" {
	server_starts
	echo 'a=1' >file
	musterctl config push app.conf file --to tier=1
	machines_hang 12 answer
	assert_spread
	local id
	for id in $(api GET '/clients?limit=100' | jq -r '.clients[].id'); do
		musterctl client label "$id" tier=1 >/dev/null
	done
	wait "$machines"
	assert_equal "$(grep -c 'op=CONFIG ' hanging)" 12
}

@test "a newer connection of a machine ends the older one, whichever workers have them" {
	server_starts
	token_for 1
	peer a enrol "$token" >/dev/null
	local n older
	for n in 1 2 3 4 5 6 7 8 9 10; do
		exec_peer a hello closed >"older$n" 2>&1 3>&- &
		older=$!
		eventually connected_are 1
		run -0 peer a hello close
		wait "$older"
		assert_equal "$(tail -n 1 "older$n")" closed
		eventually connected_are 0
	done
}

# msg SPOOL NUMBER TEXT: the body of a MSG, in hex.
msg()
{
	printf '01%032x%016x%016x0474657374%08x' "$1" "$2" 1790000000 ${#3}
	printf %s "$3" | od -An -v -tx1 | tr -d ' \n'
}

@test "messages are stored once, and the outlet has them, whichever workers took them" {
	configured '[messages]' "OutletFile=$PWD/out"
	server_starts
	token_for 16
	peer all --count 16 --parallel 16 enrol "$token" hello say 1 "$(msg 1 1 one)" answer say 1 "$(msg 1 2 two)" answer \
		close >/dev/null
	eventually have_come 32
	peer all --count 16 --parallel 16 hello say 1 "$(msg 1 2 two)" answer say 1 "$(msg 1 3 three)" answer close >/dev/null
	eventually have_come 48
	assert_equal "$(jq -r .text out | sort | uniq -c | tr -s ' ' | paste -sd,)" ' 16 one, 16 three, 16 two'
	assert_equal "$(api GET '/messages?limit=100' | jq '.messages | length')" 48
}

have_come()
{
	[[ $(sed -n '$=' out 2>/dev/null) == "$1" ]]
}

### What is counted

@test "metrics are those of all workers together, and go on when one dies" {
	server_starts
	token_for 40
	peer all --count 40 --parallel 8 enrol "$token" close >/dev/null
	eventually enrolments_are 40
	kill -KILL "$(worker 2)"
	eventually workers_are 4
	eventually enrolments_are 40
}

enrolments_are()
{
	[[ $(curl -q -sS --unix-socket control.sock http://localhost/metrics |
		sed -n 's/^muster_enrolments_total{result="granted"} //p') == "$1" ]]
}

### Deaths

@test "kill -9 of a worker amid 600 enrolments: nothing acknowledged is lost, nothing over-used" {
	configured '[limits]' ConnectionsPerSource=1000
	server_starts
	local told n
	token_for 500
	exec_peer many --count 600 --parallel 60 enrol "$token" >told 2>/dev/null 3>&- &
	local many=$!
	eventually grep -q 'n=[6-9][0-9] op=ENROLLED' told
	kill -KILL "$(worker 2)"
	wait "$many" || true
	eventually workers_are 4
	told=$(grep -c 'op=ENROLLED' told)
	((told >= 50))
	(($(uses_spent) >= told && $(uses_spent) <= 500))
	assert_equal "$(uses_spent)" "$(clients_recorded)"
	assert_equal "$(api GET /audit/verify | jq .ok)" true
	# shellcheck disable=SC2013 # numbers, a word each
	for n in $(sed -n 's/^n=\([0-9]*\) op=ENROLLED.*/\1/p' told | shuf -n 40); do
		run -0 peer "many/$n" hello
	done
	# Who was not told asks again: at no cost if it was recorded.
	for n in $(seq 600); do
		[[ -e many/$n/id ]] || echo "$n"
	done | head -n 20 | while read -r n; do
		peer "many/$n" enrol "$token" >/dev/null || true
	done
	(($(uses_spent) <= 500))
	assert_equal "$(uses_spent)" "$(clients_recorded)"
	grep -q 'worker 2 was ended by signal 9' log
}

@test "the machines of a worker that dies come back to the others, and are not counted twice" {
	server_starts
	machines_hang 24 closed
	assert_spread
	kill -KILL "$(worker 1)" "$(worker 3)"
	eventually fewer_are_connected 24
	eventually workers_are 4
	kill "$machines"
	wait "$machines" || true
	exec_peer all --count 24 --parallel 24 hello answer >again 2>&1 3>&- &
	machines=$!
	eventually connected_are 24
	eventually all_are_listed 24
	kill "$machines"
}

fewer_are_connected()
{
	(($(api GET /status | jq .clients.connected) < $1))
}

all_are_listed()
{
	[[ $(api GET '/clients?limit=100' | jq '[.clients[] | select(.connected)] | length') == "$1" ]]
}

@test "the first worker dies: the control socket comes back, and what it says is true" {
	server_starts
	machines_hang 24 closed
	kill -KILL "$(worker 0)"
	eventually fewer_are_connected 24
	eventually workers_are 4
	run -0 api GET /status
	assert_equal "$(jq .clients.enrolled <<<"$output")" 24
	eventually true_count
	token_for 1
	run -0 peer new enrol "$token" hello close
	kill "$machines"
}

true_count()
{
	[[ $(api GET /status | jq .clients.connected) == $(api GET '/clients/count?connected=yes' | jq .count) ]]
}

# One beat waits for the others' transaction while the next is taken. What is freed too early holds other bytes at once.
@test "heartbeats that the store can't take end their machine's connection, and nothing else" {
	export MALLOC_PERTURB_=165
	server_starts
	unset MALLOC_PERTURB_
	token_for 1
	peer a enrol "$token" close >/dev/null
	mkfifo go
	exec_peer a hello wait beats 3 closed <go >told 2>&1 3>&- &
	machines=$!
	exec 4>go
	eventually grep -qs waiting told
	store_query "$PWD/state" 'ALTER TABLE config_held RENAME TO config_elsewhere'
	echo >&4
	wait "$machines" || fail "$(cat told)"
	assert_equal "$(tail -n 1 told)" closed
	store_query "$PWD/state" 'ALTER TABLE config_elsewhere RENAME TO config_held'
	run -0 peer a hello close
	run -1 grep -E 'was ended by signal|AddressSanitizer' log
}

@test "a configuration that can't be written to a machine ends that connection, and nothing else" {
	export MALLOC_PERTURB_=165
	server_starts
	unset MALLOC_PERTURB_
	machines_hang 24 closed
	assert_spread
	local n tracers=()
	for n in 1 2 3; do
		strace -qq -o /dev/null -e trace=write -e inject=write:error=ECONNRESET -p "$(worker "$n")" >/dev/null 2>&1 3>&- &
		tracers+=($!)
		eventually traced "$(worker "$n")"
	done
	echo 'a=1' >file
	musterctl config push app.conf file --all
	eventually fewer_are_connected 24
	kill "${tracers[@]}" || fail "a worker has died: $(cat log)"
	wait "${tracers[@]}" || true
	workers_are 4
	run -1 grep -E 'was ended by signal|AddressSanitizer' log
	wait "$machines" || true
}

traced()
{
	! grep -q '^TracerPid:.0$' "/proc/$1/status"
}

@test "a worker that can't start is tried again ever more slowly, and the others serve on" {
	server_starts
	mv state/tls.pem away
	kill -KILL "$(worker 3)"
	eventually tried_often
	workers_are 3 || workers_are 4
	assert_equal "$(status_of "https://localhost:$port/clients/manifest")" 200
	mv away state/tls.pem
	eventually workers_are 4
}

tried_often()
{
	(($(grep -c 'worker 3 has ended with exit code 1' log) >= 3))
}

@test "without the first process there are no workers" {
	server_starts
	local pids pid
	mapfile -t pids < <(children "$server")
	assert_equal "${#pids[@]}" 4
	server_stops KILL
	for pid in "${pids[@]}"; do
		eventually gone "$pid"
	done
	server_starts # and the port, the socket and the database are free
}

### Reload, start and stop

@test "a stop in order leaves no process, and says so once" {
	server_starts
	machines_hang 24 closed
	local pids pid
	mapfile -t pids < <(children "$server")
	server_stops
	for pid in "${pids[@]}"; do
		gone "$pid"
	done
	assert_equal "$(grep -c 'stopping' log)" 1
	run ! grep -E 'killed|not ended|cannot' log || fail "$output"
	[[ ! -e control.sock ]]
	wait "$machines" || true
	server_starts
	connected_are 0
}

@test "a reload goes through all workers; a mistake changes nothing" {
	server_starts
	head -c 500 /dev/urandom >clients/linux/x86_64/muster-agent
	kill -HUP "$server"
	eventually grep -q 'made manifest 2' log
	eventually all_offer_the_new
	assert_equal "$(grep -c 'made manifest' log)" 2
	echo 'Workers=0' >>conf
	kill -HUP "$server"
	eventually grep -q 'stays as it was' log
	workers_are 4
	assert_equal "$(status_of "https://localhost:$port/clients/manifest")" 200
}

@test "what takes a restart stays as it is over a reload, and is told once" {
	local key
	server_starts
	sed -i "s|^Control=.*|Control=$PWD/other.sock|; s|^Workers=.*|Workers=2|; s|^Listen=127.*|Listen=127.0.0.1:1|
		s|^Listen=none|Listen=127.0.0.1:2\nMetricsListen=127.0.0.1:3|" conf
	kill -HUP "$server"
	eventually grep -q 'read the configuration again' log
	for key in Listen= Control= Workers= 'Listen= of \[dashboard\]' MetricsListen=; do
		assert_equal "$(grep -c " $key has changed: that takes a restart" log)" 1
	done
	assert_equal "$(grep -c 'takes a restart' log)" 5
	workers_are 4
	api GET /status
	[[ ! -e other.sock ]]
}

all_offer_the_new()
{
	local n

	for n in 1 2 3 4 5 6 7 8 9 10 11 12; do
		curl -q -sS -k "https://localhost:$port/clients/manifest" | grep -q '^serial 2$' || return
	done
}

@test "a start that fails says why and leaves nothing behind" {
	mkdir state
	chmod 700 state
	echo damaged >state/identity.key
	chmod 600 state/identity.key
	run -1 "$BUILD/muster-server" --config "$dir/conf"
	assert_output --partial 'identity.key'
	refute_output --partial 'is ready'
	run ! pgrep -f "muster-server --config $dir/conf"
}

@test "systemd sees one service: ready when all are, its sockets shared, its watchdog fed" {
	command -v systemd-socket-activate >/dev/null || skip "hardware: no systemd-socket-activate here"
	server_starts # for a port that nobody has
	server_stops
	socat -u "UNIX-RECV:$PWD/notify" OPEN:told,creat,append 3>&- &
	echo $! >socat.pid
	disown
	eventually test -S notify
	: >log
	NOTIFY_SOCKET=$PWD/notify systemd-socket-activate -E NOTIFY_SOCKET -l "127.0.0.1:$port" "$BUILD/muster-server" \
		--config conf >>log 2>&1 3>&- &
	server=$!
	eventually grep -q 'Listening on' log
	run -0 eventually curl -q -sS -k -o manifest "https://localhost:$port/clients/manifest"
	eventually grep -q 'READY=1' told
	workers_are 4
	machines_hang 24 closed
	assert_spread
	kill -HUP "$server"
	eventually grep -q 'RELOADING=1' told
	eventually ready_twice
	kill "$server"
	eventually grep -q 'STOPPING=1' told
	eventually gone "$server"
	assert_equal "$(grep -o 'READY=1' told | wc -l)" 2
	wait "$machines" || true
}

ready_twice()
{
	(($(grep -o 'READY=1' told | wc -l) == 2))
}
