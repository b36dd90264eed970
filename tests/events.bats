#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Changes as they happen: the stream of events, with a server of each test's own; machines are helpers/peer.
# shellcheck disable=SC2154 # variables of server.bash

bats_require_minimum_version 1.5.0
load server

setup()
{
	readers=()
	server_configured '[dashboard]' Listen=127.0.0.1:0
	server_starts
}

teardown()
{
	local pid

	for pid in "${readers[@]}"; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	server_stops
}

# reads FILE [CURL'S OPTION...] [QUERY]: the stream of events into a file, from when it has begun.
reads()
{
	local file=$1 query=

	shift
	[[ ${*: -1} != \?* ]] || { query=${*: -1} && set -- "${@:1:$#-1}"; }
	curl -q -sS -N --unix-socket "$MUSTER_SOCKET" "$@" "http://localhost/api/v1/events$query" >"$dir/$file" 2>&1 3>&- &
	readers+=($!)
	eventually grep -q '^retry:' "$dir/$file"
}

has() # FILE TEXT
{
	grep -qF -- "$2" "$dir/$1"
}

# As many events with that in their data.
events_with() # FILE TEXT
{
	grep '^data:' "$dir/$1" | grep -cF -- "$2" || true
}

has_events() # FILE TEXT COUNT
{
	(($(events_with "$1" "$2") >= $3))
}

memory_of() # PID: KiB
{
	awk '/^RssAnon/ { print $2 }' "/proc/$1/status"
}

# has_grown KIB BEFORE: the server's memory, by more than that. A sanitized one keeps what it has freed for a while.
has_grown()
{
	grep -qa __asan_init "$BUILD/muster-server" && set -- $(($1 + 16384)) "$2"
	(($(memory_of "$server") - $2 >= $1))
}

token_id()
{
	api POST /tokens '{"uses":null,"expires":"1h"}' | tee "$dir/token" | jq -r .id
}

@test "a token that is made, used and revoked is told of, and the audit with it" {
	reads out
	id=$(token_id)
	eventually has out "{\"topic\":\"tokens\",\"id\":\"$id\"}"
	eventually has out '{"topic":"audit","id":null}'
	run -0 peer a enrol "$(jq -r .token "$dir/token")"
	client=$(cat "$dir/a/id")
	eventually has out "{\"topic\":\"clients\",\"id\":\"$client\"}"
	run -0 peer a hello
	eventually has out "{\"topic\":\"status\",\"id\":\"$client\"}"
	api POST "/clients/$client/labels" '{"set":["a=b"]}' >/dev/null
	eventually has_events out '"clients"' 2
	api POST /configs '{"name":"motd","selector":"*","content":""}' >/dev/null
	eventually has out '{"topic":"configs","id":"motd"}'
}

@test "what is refused or changes nothing is not told of" {
	id=$(token_id)
	reads out '?topics=clients,configs,tokens'
	run ! api POST /configs '{"name":"../x","selector":"*","content":""}'
	run ! api POST /tokens/t-none/revoke '{}'
	run ! api POST /tokens '{"uses":0}'
	api GET /tokens >/dev/null
	api POST "/tokens/$id/revoke" '{}' >/dev/null
	eventually has out '"tokens"'
	assert_equal "$(events_with out topic)" 1
}

@test "a heartbeat is no event" {
	token_id >/dev/null
	run -0 peer a enrol "$(jq -r .token "$dir/token")"
	reads out
	run -0 peer a hello hello hello hello
	eventually has out '"status"'
	id=$(token_id)
	eventually has out "\"$id\""
	# It has come and gone.
	run events_with out '"status"'
	((output <= 2))
	assert_equal "$(events_with out '"clients"')" 0
}

@test "many machines that come back are a few events" {
	token_id >/dev/null
	run -0 peer many --count 300 --parallel 50 enrol "$(jq -r .token "$dir/token")"
	reads out '?topics=status'
	run -0 peer many --count 300 --parallel 300 hello
	eventually has out '{"topic":"status","id":null}'
	run events_with out topic
	((output < 300))
}

@test "only the topics that are asked for come" {
	reads out '?topics=configs'
	token_id
	api POST /configs '{"name":"motd","selector":"*","content":""}' >/dev/null
	eventually has out '"configs"'
	assert_equal "$(events_with out topic)" 1
	for query in topics=nothing topics= "topics=clients," topics=,clients 'topics=clients%20' topic=clients; do
		run -22 api GET "/events?$query"
	done
}

@test "who comes back gets what was missed, once and in order" {
	reads first
	one=$(token_id)
	eventually has first "\"$one\""
	last=$(grep -B 2 "\"$one\"" "$dir/first" | sed -n 's/^id: //p')
	kill "${readers[0]}"
	two=$(token_id)
	three=$(token_id)
	reads again -H "Last-Event-ID: $last" '?topics=tokens'
	four=$(token_id)
	eventually has again "\"$four\""
	run sed -n 's/^data:.*"id":"\(.*\)"}$/\1/p' "$dir/again"
	assert_output "$two
$three
$four"
	run ! grep reset "$dir/again"
}

@test "who was away too long, or comes from another server's time, is told to read all again" {
	reads first
	id=$(token_id)
	eventually has first "\"$id\""
	last=$(sed -n 's/^id: //p' "$dir/first" | tail -n 1)
	epoch=${last%-*}
	for wrong in 0000000000000000-1 "$epoch-99999" "$epoch-" "$epoch" "$epoch-1x" nonsense "$epoch-18446744073709551617"; do
		reads again -H "Last-Event-ID: $wrong"
		eventually has again 'event: reset'
	done
	server_stops
	server_starts
	reads again -H "Last-Event-ID: $last"
	eventually has again 'event: reset'
}

@test "there is a bound to the streams, and room again when one ends" {
	for i in {1..50}; do
		reads "out$i"
	done
	run -22 api GET /events
	assert_output --partial '"code":"too-many-streams"'
	api GET /status >/dev/null
	kill "${readers[0]}"
	eventually stream_begins
	id=$(token_id)
	for i in {2..50}; do
		eventually has "out$i" "\"$id\""
	done
}

stream_begins()
{
	curl -q -sS -N --unix-socket "$MUSTER_SOCKET" --max-time 1 "http://localhost/api/v1/events" 2>/dev/null | grep -q '^retry:'
}

@test "a stream is asked for by its head without being one" {
	run -0 curl -q -sS -I --max-time 10 --unix-socket "$MUSTER_SOCKET" http://localhost/api/v1/events
	assert_output --partial 'Content-Type: text/event-stream'
	assert_output --partial '200 OK'
	token_id
	api GET /status >/dev/null
}

# secret_for ROLE [OPTION...]: sets secret and secret_id.
secret_for()
{
	read -r secret secret_id < <(musterctl --json api-token create --role "$1" "${@:2}" "$1" | jq -r '"\(.secret) \(.id)"')
}

# follows FILE SECRET: over HTTP.
follows()
{
	curl -q -sS -N -H "Authorization: Bearer $2" "$dashboard/api/v1/events" >"$dir/$1" 2>&1 3>&- &
	readers+=($!)
	eventually grep -q '^retry:' "$dir/$1"
}

gone()
{
	! kill -0 "$1" 2>/dev/null
}

@test "over HTTP it is for those who may see everything, and ends when they may no more" {
	for header in 'X-Nothing: 1' 'Authorization: Bearer mst_nonsense'; do
		run curl -q -sS -o /dev/null -w '%{http_code}' -H "$header" "$dashboard/api/v1/events"
		assert_output 401
	done
	secret_for viewer --scope role=web
	run curl -q -sS -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $secret" "$dashboard/api/v1/events"
	assert_output 403
	secret_for administrator
	follows administrator "$secret"
	secret_for viewer
	follows viewer "$secret"
	id=$(token_id)
	eventually has viewer "\"$id\""
	musterctl api-token revoke "$secret_id"
	eventually gone "${readers[1]}"
	eventually has administrator '"access"'
	id=$(token_id)
	eventually has administrator "\"$id\""
	run ! grep -e '"access"' -e "\"$id\"" "$dir/viewer"
}

### Readers that don't read

# no_reader NAME PORT SECRET: opens the stream over TCP, reads its beginning and then nothing more until NAME.go is
# there; then what there still is, to its end, into NAME.
no_reader()
{
	python3 - "$dir/$1" "$2" "$3" 3>&- <<-'END' &
		import os, socket, sys
		name, port, secret = sys.argv[1:]
		with socket.socket() as s:
		    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
		    s.connect(("127.0.0.1", int(port)))
		    s.sendall(f"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {secret}\r\n\r\n".encode())
		    got = b""
		    while b"retry:" not in got:
		        got += s.recv(4096)
		    os.mkfifo(name + ".go")
		    open(name + ".go").read()
		    try:
		        while more := s.recv(65536):
		            got += more
		    except ConnectionResetError:
		        pass
		open(name + ".new", "wb").write(got)
		os.rename(name + ".new", name)
	END
	readers+=($!)
	eventually [ -p "$dir/$1.go" ]
}

# changes_happen N: so many configurations and tokens.
changes_happen()
{
	local i name

	name=$(printf 'x%.0s' {1..56})
	for ((i = 0; i < $1; i++)); do
		((i == 0)) || echo next
		printf '%s\n' "unix-socket = \"$MUSTER_SOCKET\"" 'header = "Content-Type: application/json"' output=/dev/null
		if ((i % 2)); then
			printf '%s\n' 'url = "http://localhost/api/v1/tokens"' 'data = "{}"'
		else
			printf '%s\n' 'url = "http://localhost/api/v1/configs"' \
				"data = \"{\\\"name\\\":\\\"$name$i\\\",\\\"selector\\\":\\\"*\\\",\\\"content\\\":\\\"\\\"}\""
		fi
	done >"$dir/changes"
	curl -q -sS --fail -K "$dir/changes"
}

dropped()
{
	curl -q -sS --unix-socket "$MUSTER_SOCKET" http://localhost/metrics |
		sed -n 's/^muster_event_streams_dropped_total //p'
}

are_dropped() # COUNT
{
	[[ $(dropped) == "$1" ]]
}

@test "who doesn't read is dropped at a bound, the others hear all of it, and he learns that he has missed something" {
	local before i last

	secret_for administrator
	reads quick
	changes_happen 300
	before=$(memory_of "$server")
	for i in {1..8}; do
		no_reader "slow$i" "${dashboard##*:}" "$secret"
	done
	assert_equal "$(dropped)" 0
	# No more at a time than are told of one by one.
	for ((i = 0; i < 300 && $(dropped) < 8; i++)); do
		changes_happen 28
		id=$(token_id)
		eventually has quick "\"$id\""
		! has_grown $((8 * 192 + 4096)) "$before" || fail "it has grown from $before to $(memory_of "$server") KiB"
	done
	assert_equal "$(dropped)" 8
	# What was theirs is given back, and goes to nobody any more.
	id=$(token_id)
	eventually has quick "\"$id\""
	! has_grown 4096 "$before" || fail "it had $before and keeps $(memory_of "$server") KiB"
	run -0 sed -n 's/^id: .*-//p' "$dir/quick"
	assert_equal "$(sort -n <<<"$output" | uniq | wc -l) $(sort -nc <<<"$output" 2>&1)" "$(tail -n 1 <<<"$output") "
	: >"$dir/slow1.go"
	eventually [ -s "$dir/slow1" ]
	run ! grep "\"$id\"" "$dir/slow1"
	last=$(sed -n 's/^id: //p' "$dir/slow1" | tail -n 1)
	[[ $last == *-* ]]
	# As a browser comes back: with the last that it has seen.
	reads again -H "Last-Event-ID: $last"
	eventually has again 'event: reset'
	id=$(token_id)
	eventually has again "\"$id\""
}

@test "musterctl events tells them line by line, until the server ends" {
	musterctl events --topic tokens --topic configs >"$dir/out" 2>"$dir/err" 3>&- &
	readers+=($!)
	musterctl --json events >"$dir/json" 2>/dev/null 3>&- &
	readers+=($!)
	eventually told out 'tokens '
	eventually told json '"tokens"'
	eventually grep -qE "^[0-9:]{8}  tokens    $(tail -n 1 "$dir/ids")\$" "$dir/out"
	eventually grep -q '"audit"' "$dir/json"
	run ! grep audit "$dir/out"
	server_stops
	local status=0
	wait "${readers[0]}" || status=$? # in a subshell, as run's, it isn't known while it goes on
	assert_equal "$status" 3
	assert_equal "$(cat "$dir/err")" "musterctl: muster-server has ended the stream"
	wait "${readers[1]}" || true
	run -0 jq -r .topic "$dir/json"
	assert_line audit
	run -2 musterctl events more
	run -3 musterctl events
}

# Makes tokens until one is told of: the program has to begin.
told()
{
	token_id >>"$dir/ids"
	sleep 0.2
	has "$1" "$2"
}

@test "musterctl events tells of a topic that is none" {
	run -2 musterctl events --topic nothing
	assert_output "musterctl: parameter 'topics': there is no topic 'nothing'"
}

### Messages, followed

# says TYPE FROM TO [PAD]: the machine a says the numbers of this range, each with so many bytes before it. The body is
# muster-protocol(7)'s MSG.
says()
{
	local commands=() i pad text

	[[ -e $dir/a/id ]] || enrols
	pad=$(printf '%*s' "${4:-0}" '')
	for ((i = $2; i <= $3; i++)); do
		text=${pad// /x}$i
		commands+=(say 1 "$(printf '01%032x%016x%016x%02x%s%08x%s' 7 "$i" 1790000000 ${#1} \
			"$(hex "$1")" ${#text} "$(hex "$text")")" answer)
	done
	peer a connect-enrolled hello "${commands[@]}" >/dev/null
}

hex()
{
	printf %s "$1" | od -An -v -tx1 | tr -d ' \n'
}

enrols()
{
	token_id >/dev/null
	peer a enrol "$(jq -r .token "$dir/token")" >/dev/null
}

# follows_messages FILE [OPTION...]: from when it has begun, which a first message tells.
follows_messages()
{
	musterctl message list --follow "${@:2}" >"$dir/$1" 2>"$dir/$1.err" 3>&- &
	readers+=($!)
	eventually [ -s "$dir/$1" ]
}

# Their texts, which are numbers behind a pad.
numbers_in() # FILE
{
	sed 's/.*] x*//' "$dir/$1" | xargs
}

shows() # FILE NUMBERS...
{
	[[ $(numbers_in "$1") == "${*:2}" ]]
}

@test "who follows messages gets those asked for, as they come, each once" {
	says t 1 1
	says rare 2 2
	follows_messages all
	follows_messages rare --type rare
	follows_messages machine --client "$(cat "$dir/a/id")"
	says t 3 5
	says rare 6 6
	eventually shows all 1 2 3 4 5 6
	eventually shows machine 1 2 3 4 5 6
	eventually shows rare 2 6
}

@test "a follower is woken by what another process has stored" {
	server_stops
	sed -i '/^Listen=127.0.0.1:0$/{a Workers=3
:a;n;ba}' "$dir/conf"
	server_starts
	says t 1 1
	follows_messages all
	for i in {2..12}; do
		says t "$i" "$i"
	done
	eventually shows all {1..12}
}

@test "a wait for messages ends with its time, with its caller, and with the server" {
	says t 1 1
	run -0 api GET '/messages?after=1&wait=1'
	assert_equal "$(jq -c '[.messages, .last]' <<<"$output")" '[[],1]'
	# Who goes away takes his wait with him.
	for i in {1..20}; do
		curl -q -s --unix-socket "$MUSTER_SOCKET" 'http://localhost/api/v1/messages?after=1&wait=60' >"$dir/waits$i" 3>&- &
		readers+=($!)
	done
	for i in {0..9}; do
		kill "${readers[i]}"
	done
	says t 2 2
	for i in {11..20}; do
		eventually grep -q '"last":2' "$dir/waits$i"
	done
	curl -q -s -v --unix-socket "$MUSTER_SOCKET" 'http://localhost/api/v1/messages?after=2&wait=60' >"$dir/last" \
		2>"$dir/last.told" 3>&- &
	readers+=($!)
	eventually grep -qs '^> GET' "$dir/last.told"
	server_stops
	local status=0
	wait "${readers[20]}" || status=$? # in a subshell, as run's, it isn't known
	[[ $status == @(52|56) ]] # nothing has come
	run ! test -s "$dir/last"
}

is_told_away() # TIMES
{
	(($(grep -c 'the server is away' "$dir/all.err") == $1))
}

@test "the server goes, also killed, and comes back: who follows goes on, nothing lost and nothing twice" {
	local i so_far

	says t 1 1
	follows_messages all
	for i in {1..3}; do
		says t $((3 * i - 1)) $((3 * i - 1))
		if ((i == 2)); then
			server_stops
		else
			kill -KILL "$server"
			wait "$server" || true
		fi
		eventually is_told_away "$i"
		server_starts
		says t $((3 * i)) $((3 * i + 1))
		# Not before he has come back: else he doesn't see that it goes once more.
		mapfile -t so_far < <(seq $((3 * i + 1)))
		eventually shows all "${so_far[@]}"
	done
	assert_equal "$(sort -u "$dir/all.err")" "musterctl: the server is away; it is asked until it is back"
	# What is asked for wrongly is no reason to wait.
	run -4 musterctl message list --follow --client ffffffffffffffffffffffffffffffff
	server_stops
	run -3 musterctl message list --follow
}

@test "a follower that doesn't read holds up nobody, and costs the server nothing; later it has it all" {
	local i before

	says t 1 1
	follows_messages quick
	mkfifo "$dir/pipe"
	musterctl message list --all --follow >"$dir/pipe" 2>"$dir/slow.err" 3>&- &
	readers+=($!)
	exec 8<"$dir/pipe"
	says warm 2 41 4000
	before=$(memory_of "$server")
	for ((i = 42; i < 1042; i += 100)); do
		says t "$i" $((i + 99)) 4000
	done
	eventually shows quick {1..1041}
	! has_grown 4096 "$before" || fail "the server has grown from $before to $(memory_of "$server") KiB"
	head -n 1041 <&8 >"$dir/slow"
	exec 8<&-
	shows slow {1..1041}
}
