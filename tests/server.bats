#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# muster-server by itself, on the loopback: start and stop, HTTPS, downloads, and the machines' channel as obedient and
# other machines use it (helpers/peer.c).

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert
load store

BUILD=$(realpath -m "${BUILD:-$BATS_TEST_DIRNAME/../build}")
peer_program=$BUILD/tests/helpers/peer

setup()
{
	cd "$BATS_TEST_TMPDIR" || return
	mkdir -p clients/linux/x86_64
	head -c 1000000 /dev/urandom >clients/linux/x86_64/muster-agent
	head -c 100000 /dev/urandom >clients/linux/x86_64/muster-enrol
	configured
}

teardown()
{
	local file

	for file in "$BATS_TEST_TMPDIR"/*.pid; do
		[[ ! -e $file ]] || kill -KILL "$(cat "$file")" 2>/dev/null || true
	done
}

# configured [LINE...]: writes the configuration; the lines follow those of [server].
configured()
{
	local store

	store=$(store_line "$PWD/state")
	printf '%s\n' '[server]' 'Listen=127.0.0.1:0' 'Name=localhost:8443' "Control=$PWD/control.sock" \
		"Clients=$PWD/clients" ${store:+"$store"} "$@" >conf
}

# server_starts [COMMAND...]: and waits until it is ready; sets port, pin, server_key.
server_starts()
{
	: >log
	"$@" "$BUILD/muster-server" --config conf --state state >>log 2>&1 3>&- &
	echo $! >server.pid
	disown
	eventually grep -qs 'is ready as' log || fail "it doesn't start: $(cat log)"
	port=$(sed -n 's/.*listening on .*:\([0-9]*\)$/\1/p' log | head -1)
	read -r pin server_key < <(api GET /status | jq -r '"\(.pin) \(.server_key)"')
	url=https://localhost:$port
}

server_stops()
{
	kill -"${1:-TERM}" "$(cat server.pid)"
	eventually gone "$(cat server.pid)"
	rm server.pid
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
		sleep 0.02
	done
}

api()
{
	local data=()

	[[ $# -lt 3 ]] || data=(-H 'Content-Type: application/json' --data-binary "$3")
	curl -q -sS --fail-with-body --max-time 100 --unix-socket control.sock -X "$1" "${data[@]}" "http://localhost/api/v1$2"
}

# token_for USES [EXPIRES]: sets token, token_id.
token_for()
{
	read -r token token_id < <(api POST /tokens "{\"uses\":$1,\"expires\":\"${2:-1h}\",\"labels\":[\"role=web\"]}" |
		jq -r '"\(.token) \(.id)"')
}

uses_spent()
{
	api GET "/tokens/$token_id" | jq .used
}

get()
{
	curl -q -sS -k --proto =https --pinnedpubkey "$pin" --max-time 20 "$@"
}

# peer DIR COMMAND...
peer()
{
	(exec_peer "$@")
}

# The same in place of the (sub)shell, which in the background can be killed as $!.
exec_peer()
{
	local folder=$1

	shift
	exec "$peer_program" --server "127.0.0.1:$port" --server-key "$server_key" --pin "$pin" --dir "$folder" "$@"
}

# says BYTES-FOR-PRINTF: sends them over TLS; the answer.
says()
{
	# shellcheck disable=SC2059
	printf "$1" | timeout 60 openssl s_client -quiet -connect "127.0.0.1:$port" 2>/dev/null
}

status_of()
{
	get -o /dev/null -w '%{http_code}' "$@"
}

### Downloads

@test "programs, manifest and script come with their length, and are what the manifest says" {
	server_starts
	get -o manifest "$url/clients/manifest"
	for program in agent enrol; do
		get -D head -o "$program" "$url/clients/linux/x86_64/muster-$program"
		cmp "$program" "clients/linux/x86_64/muster-$program"
		assert_equal "$(sed -n 's/^Content-Length: \([0-9]*\).*/\1/p' head)" "$(stat -c %s "$program")"
		assert_equal "$(sed -n "s|^file linux/x86_64/muster-$program [0-9]* ||p" manifest)" \
			"$(sha256sum <"$program" | cut -d' ' -f1)"
		assert_equal "$(sed -n 's/^ETag: "\(.*\)".*/\1/p' head)" "$(sha256sum <"$program" | cut -d' ' -f1)"
	done
	get -o script "$url/clients/linux"
	sh -n script
	run -0 head -n 1 script
	assert_output '#!/bin/sh'
}

@test "minisign accepts the manifest's signature" {
	command -v minisign >/dev/null || skip "hardware: no minisign here"
	server_starts
	get -o manifest "$url/clients/manifest" -o manifest.minisig "$url/clients/manifest.minisig"
	run -0 minisign -V -p state/release.pub -m manifest
}

@test "wget takes the same pin" {
	server_starts
	wget --no-config -q --max-redirect=0 --no-check-certificate "--pinnedpubkey=$pin" -O agent \
		"$url/clients/linux/x86_64/muster-agent"
	cmp agent clients/linux/x86_64/muster-agent
}

@test "by another pin curl sends no request" {
	server_starts
	run -90 curl -q -fsS -k --proto =https --pinnedpubkey "sha256//$(head -c 32 /dev/zero | base64)" "$url/clients/linux"
}

@test "HEAD has the length and no body" {
	server_starts
	run -0 get -I "$url/clients/linux/x86_64/muster-agent"
	assert_line --regexp '^Content-Length: 1000000'
	run -0 get -I "$url/clients/none"
	assert_line --regexp '^HTTP/1.1 404 '
	# On one connection: a body would be taken for the next answer.
	run -0 get -I "$url/clients/none" --next -q -sS -k --pinnedpubkey "$pin" -o script -w '%{http_code}' "$url/clients/linux"
	assert_line --regexp '200$'
}

@test "a download that broke off is resumed" {
	server_starts
	head -c 300000 clients/linux/x86_64/muster-agent >part
	get -C - -o part "$url/clients/linux/x86_64/muster-agent"
	cmp part clients/linux/x86_64/muster-agent
}

@test "conditions and ranges" {
	server_starts
	local file=$url/clients/linux/x86_64/muster-agent tag
	tag=$(get -I "$file" | sed -n 's/^ETag: \(.*\)\r$/\1/p')
	assert_equal "$(status_of -H "If-None-Match: $tag" "$file")" 304
	assert_equal "$(status_of -H 'If-None-Match: "other"' "$file")" 200
	assert_equal "$(status_of -r 0-9 "$file")" 206
	assert_equal "$(status_of -r 1000000- "$file")" 416
	assert_equal "$(status_of -r 0-9 -H 'If-Range: "other"' "$file")" 200
	assert_equal "$(status_of -r 0-9 -H "If-Range: $tag" "$file")" 206
	assert_equal "$(status_of -r 0-1,3-4 "$file")" 200
	cmp <(get -r 999990- "$file") <(tail -c 10 clients/linux/x86_64/muster-agent)
}

@test "a file that is replaced is served as it was, until a reload" {
	server_starts
	cp clients/linux/x86_64/muster-agent old
	head -c 500 /dev/urandom >new
	mv new clients/linux/x86_64/muster-agent
	cmp old <(get "$url/clients/linux/x86_64/muster-agent")
	kill -HUP "$(cat server.pid)"
	eventually grep -q 'made manifest 2' log
	cmp clients/linux/x86_64/muster-agent <(get "$url/clients/linux/x86_64/muster-agent")
	run -0 get "$url/clients/manifest"
	assert_line 'serial 2'
}

@test "a slow download delays nobody, and goes on with the old file over a reload" {
	head -c 20000000 /dev/urandom >clients/linux/x86_64/muster-agent
	cp clients/linux/x86_64/muster-agent old
	server_starts
	get --limit-rate 8M -o slow "$url/clients/linux/x86_64/muster-agent" 3>&- &
	local slow=$! started
	eventually test -s slow
	echo new >clients/linux/x86_64/new
	mv clients/linux/x86_64/new clients/linux/x86_64/muster-agent
	kill -HUP "$(cat server.pid)"
	eventually grep -q 'made manifest 2' log
	started=$(date +%s%N)
	assert_equal "$(status_of "$url/clients/manifest")" 200
	(($(date +%s%N) - started < 500000000))
	wait "$slow"
	cmp slow old
}

### HTTP

@test "a path that is not letter by letter in the table is 404" {
	server_starts
	for path in / /clients /clients/ /clients/linux/ //clients/linux /clients//linux /clients/%6cinux /clients/linux%2f \
		'/clients/linux;x' /CLIENTS/linux /clients/Linux /clients/linux/x86_64 /clients/linux/x86_64/ \
		/clients/linux/x86_64/../x86_64/muster-agent /clients/./linux /clients/linux/x86_64/muster-agent%00 \
		/clients/linux/x86_64/muster-agent/ /clients/../../../etc/passwd /clients/%2e%2e/state/tls.pem /v1 /v1/channel/ \
		/api/v1/tokens /api/v1/status; do
		assert_equal "$path $(status_of --path-as-is "$url$path")" "$path 404"
	done
}

@test "each method that a path doesn't have is 405, and says which it has" {
	server_starts
	for path in /clients/linux /clients/manifest /clients/manifest.minisig /clients/linux/x86_64/muster-agent /v1/channel; do
		for method in POST PUT DELETE PATCH OPTIONS TRACE; do
			assert_equal "$method $path $(status_of -X "$method" "$url$path")" "$method $path 405"
		done
	done
	run -0 get -i -X POST "$url/clients/linux"
	assert_line --regexp '^Allow: GET, HEAD'
	assert_line --partial '"code":"method"'
}

@test "what a proxy might read in another way is refused, and the connection ends" {
	server_starts
	local request requests=(
		'GET / HTTP/1.1\r\n\r\n'
		'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'
		'GET / HTTP/1.1\nHost: a\n\n'
		'GET / HTTP/1.1\r\nHost : a\r\n\r\n'
		'GET / HTTP/1.1\r\nHost: a\r\nX: \000\r\n\r\n'
		'GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n'
		'GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n'
		'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n'
		'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'
		'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\nx'
		'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello'
		'GET / HTTP/2.0\r\nHost: a\r\n\r\n'
		'\026\003\001'
	)
	for request in "${requests[@]}"; do
		# A second request behind it must never be answered.
		run -0 says "$request"'GET /clients/manifest HTTP/1.1\r\nHost: a\r\n\r\n'
		assert_line --index 0 --regexp '^HTTP/1.1 (400|413|501|505) '
		assert_equal "$(grep -c '^HTTP/1.1' <<<"$output") $request" "1 $request"
	done
}

@test "two requests at once get two answers, in order" {
	server_starts
	run -0 says 'GET /clients/manifest HTTP/1.1\r\nHost: a\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
	assert_equal "$(grep -c '^HTTP/1.1' <<<"$output")" 2
	assert_line --index 0 --regexp '^HTTP/1.1 200'
	assert_line --regexp '^HTTP/1.1 404'
}

@test "the channel wants its upgrade" {
	server_starts
	run -0 get -i "$url/v1/channel"
	assert_line --regexp '^HTTP/1.1 426 '
	assert_line --regexp '^Upgrade: muster-packet/1'
	assert_equal "$(status_of -H 'Connection: Upgrade' -H 'Upgrade: websocket' "$url/v1/channel")" 426
	assert_equal "$(status_of -H 'Upgrade: muster-packet/1' "$url/v1/channel")" 426
}

### TLS

@test "TLS 1.3 only, HTTP/1.1 only, no tickets, no early data" {
	server_starts
	run -35 curl -q -sS -k --tls-max 1.2 "$url/clients/linux"
	run -0 says 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
	run -1 timeout 60 openssl s_client -connect "127.0.0.1:$port" -alpn h2 </dev/null
	assert_output --partial 'no application protocol'
	run timeout 60 openssl s_client -connect "127.0.0.1:$port" -alpn h2,http/1.1 \
		< <(printf 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n' && sleep 0.3)
	assert_output --partial 'New, TLSv1.3, Cipher is TLS_'
	assert_output --partial 'ALPN protocol: http/1.1'
	assert_output --regexp '(Temp Key|TLS1.3 group): X25519'
	refute_output --partial 'New Session Ticket arrived'
}

@test "plain HTTP gets nothing" {
	server_starts
	run ! curl -q -sS --max-time 5 "http://localhost:$port/clients/linux"
	assert_equal "$(status_of "$url/clients/manifest")" 200
}

### Limits

@test "who doesn't finish the handshake or the request is closed in time" {
	configured '[limits]' HandshakeTimeout=1s RequestTimeout=1s
	server_starts
	exec 7<>"/dev/tcp/127.0.0.1/$port"
	run -0 timeout 60 cat <&7
	exec 7>&-
	mkfifo slow
	exec 7<>slow
	printf 'GET / HTTP/1.1\r\n' >&7
	run timeout 60 openssl s_client -quiet -connect "127.0.0.1:$port" <&7
	assert_not_equal "$status" 124
	run timeout 60 openssl s_client -quiet -connect "127.0.0.1:$port" <&7
	assert_not_equal "$status" 124
	exec 7>&-
}

@test "one source has so many connections and no more, and others are served" {
	configured '[limits]' ConnectionsPerSource=3 HandshakeTimeout=60s
	server_starts
	exec 6<>"/dev/tcp/127.0.0.1/$port" 7<>"/dev/tcp/127.0.0.1/$port" 8<>"/dev/tcp/127.0.0.1/$port"
	run ! get "$url/clients/manifest"
	assert_equal "$(status_of --interface 127.0.0.2 "$url/clients/manifest")" 200
	exec 6>&-
	eventually get -o manifest "$url/clients/manifest"
	exec 7>&- 8>&-
}

connections_max()
{
	curl -q -sS --fail-with-body --max-time 100 --unix-socket control.sock http://localhost/metrics |
		sed -n 's/^muster_connections_max //p'
}

@test "by default it takes as many connections as the system allows, without a word" {
	server_starts prlimit --nofile=200:200
	refute grep 'connections at once' log
	assert_equal "$(connections_max)" 136
	server_stops
	configured '[limits]' Connections=136
	server_starts prlimit --nofile=200:200
	refute grep 'connections at once' log
	server_stops
	configured '[limits]' Connections=137
	server_starts prlimit --nofile=200:200
	assert grep -q 'only 136 connections at once are possible here, not 137: the system allows 200 open files' log
	assert_equal "$(connections_max)" 136
}

@test "without descriptors it rests, spends no time, and comes back" {
	configured '[limits]' Connections=120 HandshakeTimeout=3s
	server_starts prlimit --nofile=100:100
	assert_equal "$(grep -c 'connections at once are possible here' log)" 1
	local before after i open=()
	for ((i = 0; i < 120; i++)); do
		exec {fd}<>"/dev/tcp/127.0.0.1/$port"
		open+=("$fd")
	done
	eventually grep -q 'not accepting connections for a moment' log
	before=$(cpu_ticks)
	sleep 1
	after=$(cpu_ticks)
	((after - before < 20))
	for fd in "${open[@]}"; do
		exec {fd}>&-
	done
	eventually get -o manifest "$url/clients/manifest"
	(($(wc -l <log) < 40))
}

cpu_ticks()
{
	awk '{ print $14 + $15 }' "/proc/$(cat server.pid)/stat"
}

@test "wrong tokens: ten, then a pause; from elsewhere all goes on; one line of log and audit" {
	server_starts
	token_for 5
	run -0 peer a guess 50
	assert_output 'unknown=10 busy=40 other=0'
	run -1 peer a guess 50 ask "$token"
	assert_output --partial 'code=4 retry='
	assert_output --partial 'too many wrong tokens came from this address: try again in'
	run -0 peer b --from 127.0.0.2 enrol "$token"
	server_stops
	assert_equal "$(grep -c 'wrong token' log)" 1
	assert_equal "$(grep -c 'unknown' log)" 0
	server_starts
	run -0 api GET '/audit?limit=100'
	assert_equal "$(jq -c '[.entries[] | select(.act == "token.guess") | [.actor, .detail]]' <<<"$output")" \
		'[["address:127.0.0.1","10 wrong tokens in the last minute"]]'
}

### The channel

@test "a machine asks, enrols, says HELLO and leaves" {
	server_starts
	token_for 2
	run -0 peer a ask "$token"
	assert_output --regexp '^op=TOKEN time=[0-9]+ expires=[0-9]+ uses_left=2 labels=role=web$'
	run -0 peer a enrol "$token"
	assert_output --regexp '^op=ENROLLED client=[0-9a-f]{32} heartbeat=60 pins=1 labels=role=web$'
	run -0 peer a hello hello
	assert_line --index 1 --regexp '^op=ACK sequence=2 time=[0-9]+ heartbeat=60$'
	assert_equal "$(uses_spent)" 1
	assert_equal "$(api GET "/clients/$(cat a/id)" | jq -c '[.state, .labels, .address]')" \
		'["enrolled",["role=web"],"127.0.0.1"]'
	run -0 peer a leave
	assert_equal "$(api GET "/clients/$(cat a/id)" | jq -r .state)" left
	assert_equal "$(uses_spent)" 1
	run -1 peer a hello closed
	assert_line --index 0 --partial 'code=22'
	assert_line --index 1 closed
}

@test "who leaves before its first HELLO was never there" {
	server_starts
	token_for 1
	run -0 peer a enrol "$token" leave
	assert_equal "$(uses_spent)" 0
	run -22 api GET "/clients/$(cat a/id)"
	run -1 peer a connect-enrolled
	assert_output 'status=403'
	run -0 peer b enrol "$token"
}

@test "an answer that was lost is given again, at no cost" {
	server_starts
	token_for 1
	run -0 peer a enrol "$token"
	local first=$output
	run -0 peer a ask "$token" enrol "$token"
	assert_line --index 1 "$first"
	api POST "/tokens/$token_id/revoke" '{}' >/dev/null
	run -0 peer a enrol "$token"
	assert_output "$first"
	run -0 peer a hello
	run -1 peer a enrol "$token"
	assert_output --partial 'code=20'
	assert_equal "$(uses_spent)" 1
}

@test "each refusal says what to do" {
	server_starts
	token_for 1
	run -1 peer a ask 0123456789abcdef
	assert_output --partial 'code=16'
	assert_output --partial 'check its 16 digits'
	run -0 peer a enrol "$token" hello
	run -1 peer b enrol "$token"
	assert_output --partial 'code=18'
	assert_output --partial 'used up (1 of 1 uses): ask the administrator for a new one'
	token_for 1
	api POST "/tokens/$token_id/revoke" '{}' >/dev/null
	run -1 peer b enrol "$token"
	assert_output --partial 'code=19'
	assert_output --partial 'was revoked at '
	token_for 1 1s
	sleep 1.5
	run -1 peer b enrol "$token"
	assert_output --partial 'code=17'
	assert_output --partial "expired at "
}

@test "a TLS key that is not enrolled gets no channel" {
	server_starts
	run -1 peer stranger connect-enrolled
	assert_output 'status=403'
}

@test "each op code from each standing: allowed, or the end" {
	server_starts
	token_for 5
	peer a enrol "$token" hello >/dev/null
	local op
	for op in 0 1 2 3 18 32 33 34 35 36 150 151 4 19 37 255; do
		run -0 peer a connect say "$op" 00 closed
		assert_output closed
	done
	for op in 1 2 3 16 17 18 32 33 34 35 4 19 37 255; do
		run -0 peer a connect-enrolled say "$op" 00 closed
		assert_output closed
	done
	# Its answers to what the server sends, here of a version that nobody knows.
	for op in 150 151; do
		run -1 peer a connect-enrolled say "$op" 00 answer
		assert_output --partial 'op=NACK sequence=1 code=2 '
	done
	# What just enrolled may leave, and nothing else.
	for op in 0 16 17; do
		run -0 peer "new$op" enrol "$token" say "$op" 00 closed
		assert_line --index 1 closed
	done
	run -0 peer a hello
}

# taken SEQUENCE NAME REVISION CONTENT: the body of an ACK in hex that says so of a configuration.
taken()
{
	printf '01%016x%016x%08x%016x%016x01%02x' "$1" 0 0 1795305600 "$3" "${#2}"
	printf '%s' "$2" | od -An -v -tx1 | tr -d ' \n'
	printf '%s' "$4" | sha256sum | cut -c 1-64 | tr -d '\n'
}

@test "a machine can't have taken what it was not sent, or something else instead" {
	server_starts
	token_for 5
	peer a enrol "$token" hello >/dev/null
	local client answer
	client=$(api GET /clients | jq -r '.clients[0].id')
	push() { api POST /configs "{\"name\":\"$1\",\"selector\":\"$2\",\"content\":\"$(printf '%s' "$3" | base64)\"}" >/dev/null; }
	push others role=other secret
	# Nothing is under way; what is meant for others doesn't become its own by being named.
	for answer in "$(taken 1 others 1 secret)" "$(taken 2 others 1 secret)" "$(taken 0 others 1 secret)"; do
		run -1 peer a connect-enrolled hello say 150 "$answer" answer
		assert_line --partial 'op=NACK sequence=2 code=1 '
	done
	# CONFIG is the second thing that the server says; each answer but the last is wrong in one field.
	push own '*' right
	for answer in "$(taken 1 own 1 right)" "$(taken 3 own 1 right)" "$(taken 2 others 1 secret)" "$(taken 2 own 2 right)" \
		"$(taken 2 own 1 wrong)" "$(taken 2 own 1 right | sed 's/\(.\{74\}\)01/\102/')"; do
		run -1 peer a connect-enrolled hello answer say 150 "$answer" answer
		assert_line --partial 'op=CONFIG sequence=2 name=own revision=1'
		assert_line --partial 'op=NACK sequence=2 code=1 '
	done
	assert_equal "$(api GET /receipts | jq '.receipts | length')" 0
	assert_equal "$(api GET "/configs/own/status" | jq -r '.clients[0].has')" null
	run -0 peer a connect-enrolled hello answer say 150 "$(taken 2 own 1 right)" hello
	assert_equal "$(api GET /receipts | jq -r '.receipts[] | .client, .name' | xargs)" "$client own"
}

@test "machines that take their time with a large configuration keep it from no other" {
	configured '[limits]' ConnectionsPerSource=1000
	server_starts
	token_for 260
	peer all --count 260 --parallel 8 enrol "$token" close >/dev/null
	# 257 of them are more than what may wait to be written at a time.
	head -c 1048000 /dev/urandom >file
	"$BUILD/musterctl" --socket control.sock config push big file --all >/dev/null
	exec_peer all --count 260 --parallel 260 hello answer closed >hanging 2>&1 3>&- &
	echo $! >peer.pid
	local _
	for _ in {1..6}; do
		! eventually orders_are 260 || break
	done
	assert_equal "$(grep -c 'op=CONFIG ' hanging)" 260
	kill "$(cat peer.pid)"
}

orders_are()
{
	(($(grep -c 'op=CONFIG ' hanging) == $1))
}

# msg SPOOL NUMBER TEXT: the body of a MSG in hex.
msg()
{
	printf '01%032x%016x%016x0474657374%08x' "$1" "$2" 1795305600 "${#3}"
	printf '%s' "$3" | od -An -v -tx1 | tr -d ' \n'
}

messages()
{
	api GET "/messages?limit=1000" | jq -r '.messages[].text' | xargs
}

@test "a message is stored once, acknowledged every time, and only of who is connected" {
	server_starts
	token_for 3
	peer a enrol "$token" hello >/dev/null
	run -0 peer a hello say 1 "$(msg 1 1 one)" answer say 1 "$(msg 1 2 two)" answer say 1 "$(msg 1 1 one)" answer
	assert_line --index 3 --partial op=ACK
	assert_equal "$(messages)" "one two"
	run -0 peer a hello say 1 "$(msg 1 2 two)" answer
	assert_equal "$(messages)" "one two"
	# Another machine's spool of the same id is another.
	run -0 peer b enrol "$token" hello say 1 "$(msg 1 1 three)" answer
	assert_equal "$(messages)" "one two three"
	run -0 peer b connect-enrolled say 1 "$(msg 1 2 early)" closed
	run -0 peer b connect say 1 "$(msg 1 2 anonymous)" closed
	run -0 peer b hello leave say 1 "$(msg 1 2 late)" closed
	assert_equal "$(messages)" "one two three"
}

@test "what is no message is refused; nothing of it is stored, and the next one is" {
	server_starts
	token_for 1
	peer a enrol "$token" hello >/dev/null
	local body
	for body in 00 02 01 "$(msg 1 0 number)" "$(msg 1 1 length)00" "$(msg 1 1 '')" \
		"$(msg 1 1 type | sed s/0474657374/0474655374/)" "$(msg 1 1 x | sed 's/78$/ff/')" \
		"$(msg 1 1 x | sed 's/78$/00/')" "$(msg 1 1 x | sed 's/0000000000000001/8000000000000000/2')"; do
		run -1 peer a hello say 1 "$body" answer
		assert_line --index 1 --partial op=NACK
	done
	assert_equal "$(messages)" ""
	run -0 peer a hello say 1 "$(msg 1 1 one)" answer
	assert_equal "$(messages)" one
}

@test "a machine can't speak for another" {
	server_starts
	token_for 2
	peer a enrol "$token" hello >/dev/null
	peer b enrol "$token" hello >/dev/null
	cp b/id a/id
	run -3 peer a hello
	assert_output closed
}

@test "what was recorded is never accepted again" {
	server_starts
	token_for 3
	peer a record ask.bin ask "$token" >/dev/null
	peer a record enrol.bin record-answers enrolled.bin enrol "$token" >/dev/null
	peer a record hello.bin record-answers ack.bin hello >/dev/null
	local file
	for file in ask enrol enrolled hello ack; do
		run -0 peer a connect replay "$file.bin" closed
		assert_output closed
		run -0 peer a connect-enrolled replay "$file.bin" closed
		assert_output closed
	done
	# On the same connection, and after a restart.
	run -0 peer a record again.bin hello replay again.bin closed
	assert_line --index 1 closed
	run -0 peer b record again.bin enrol "$token" replay again.bin closed
	assert_line --index 1 closed
	server_stops
	server_starts
	run -0 peer a connect-enrolled replay hello.bin closed
	assert_output closed
	assert_equal "$(uses_spent)" 2
}

@test "what was meant for another server is not accepted" {
	server_starts
	token_for 1
	peer a mute record enrol.bin enrol "$token"
	local first=$server_key
	mkdir other
	cd other
	cp -r ../clients .
	configured
	server_starts
	token_for 1
	run -0 peer ../a connect replay ../enrol.bin closed
	server_key=$first
	run -3 peer ../a enrol "$token"
	assert_output closed
	assert_equal "$(uses_spent)" 0
	kill -KILL "$(cat server.pid)"
}

@test "no packet with a flipped bit is answered" {
	server_starts
	token_for 100
	peer a enrol "$token" hello >/dev/null
	for what in ask enrol; do
		run -0 peer b flip-each-bit "$what" "$token"
		assert_output --regexp '^bits=[1-9][0-9]{3} answered=0$'
	done
	run -0 peer a flip-each-bit hello
	assert_output --regexp '^bits=[1-9][0-9]{3} answered=0$'
	assert_equal "$(uses_spent)" 1
	(($(wc -l <log) < 60))
}

@test "garbage ends the connection" {
	server_starts
	for bytes in 0000 0001 0062 ffff 0063$(printf '00%.0s' {1..99}) 006300$(printf '04%.0s' {1..98}); do
		run -0 peer a connect raw "$bytes" closed
		assert_output closed
	done
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
		assert_equal "$(grep -c 'code=18' <<<"$output")" 150
		assert_equal "$(uses_spent)" 50
		assert_equal "$(api GET "/tokens/$token_id" | jq '.clients | length')" 50
	done
	assert_equal "$(api GET /audit/verify | jq .ok)" true
}

@test "killed with -9 during 500 enrolments: uses spent are clients recorded, and all that were told can say HELLO" {
	server_starts
	local told n
	token_for 500
	exec_peer many --count 500 --parallel 50 enrol "$token" >told 2>/dev/null 3>&- &
	local many=$!
	eventually grep -q 'n=6[0-9] op=ENROLLED' told
	server_stops KILL
	wait "$many" || true
	server_starts
	told=$(grep -c 'op=ENROLLED' told)
	((told >= 50 && told < 500))
	(($(uses_spent) >= told))
	assert_equal "$(uses_spent)" "$(api GET "/tokens/$token_id" | jq '.clients | length')"
	assert_equal "$(api GET /audit/verify | jq .ok)" true
	# shellcheck disable=SC2013 # numbers, a word each
	for n in $(sed -n 's/^n=\([0-9]*\) op=ENROLLED.*/\1/p' told); do
		run -0 peer "many/$n" hello
	done
	# Who was not told asks again: at no cost if it was recorded.
	for n in $(seq 500); do
		[[ -e many/$n/id ]] || echo "$n"
	done >untold
	head -n 20 untold | while read -r n; do
		peer "many/$n" enrol "$token" hello >/dev/null
	done
	assert_equal "$(uses_spent)" "$(api GET "/tokens/$token_id" | jq '.clients | length')"
}

@test "who sends and never reads is read no more; nobody waits for it, and nothing grows" {
	server_starts
	token_for 2
	peer a enrol "$token" >/dev/null
	peer b enrol "$token" >/dev/null
	# shellcheck disable=SC2094 # its first flood is a command
	exec_peer a flood 1000000 >flood 3>&- &
	local flood=$! served=0
	while kill -0 "$flood" 2>/dev/null; do
		peer b hello >/dev/null
		! kill -0 "$flood" 2>/dev/null || served=$((served + 1))
	done
	((served > 1)) || fail "while it flooded the other was served $served times"
	run -0 cat flood
	assert_output --regexp '^taken=[1-9][0-9]*$'
	((${output#taken=} < 100000))
	(($(awk '/^VmHWM/ { print $2 }' "/proc/$(cat server.pid)/status") < 200000))
}

@test "a newer connection of a machine ends the older one" {
	server_starts
	token_for 1
	peer a enrol "$token" >/dev/null
	mkfifo go
	exec_peer a hello wait closed <go >older 3>&- &
	local older=$!
	exec 9>go
	eventually grep -q waiting older
	assert_equal "$(api GET /status | jq .clients.connected)" 1
	run -0 peer a hello
	echo >&9
	wait "$older"
	assert_equal "$(tail -n 1 older)" closed
	exec 9>&-
}

@test "when a machine leaves its open connection is dead" {
	server_starts
	token_for 1
	peer a enrol "$token" >/dev/null
	mkfifo go
	exec_peer a hello wait closed <go >older 3>&- &
	local older=$!
	exec 9>go
	eventually grep -q waiting older
	run -0 peer a leave
	assert_equal "$(api GET /status | jq .clients.connected)" 0
	echo >&9
	wait "$older"
	assert_equal "$(tail -n 1 older)" closed
	exec 9>&-
}

@test "a machine that falls silent is not connected any more" {
	configured Heartbeat=1s '[limits]' IdleTimeout=1s
	server_starts
	assert_equal "$(grep -c 'IdleTimeout=1 is not longer than Heartbeat=1' log)" 1
	token_for 1
	peer a enrol "$token" >/dev/null
	mkfifo go
	exec_peer a hello wait <go >silent 3>&- &
	exec 9>go
	eventually grep -q waiting silent
	eventually none_connected
	exec 9>&-
}

none_connected()
{
	[[ $(api GET /status | jq .clients.connected) == 0 ]]
}

@test "no token in the log, the database or the audit" {
	server_starts
	token_for 2
	peer a ask "$token" enrol "$token" hello >/dev/null
	run -1 grep -ria "$token" log state
	# shellcheck disable=SC2001 # each pair of digits
	run -1 grep -rPa "$(sed 's/../\\x&/g' <<<"$token")" state
	run -0 api GET '/audit?limit=100'
	refute_output --partial "$token"
}

### Start and stop

@test "SIGTERM: a clean end, and the next start knows everything" {
	server_starts
	token_for 1
	peer a enrol "$token" hello >/dev/null
	server_stops TERM
	[[ ! -e control.sock ]]
	local key=$server_key
	server_starts
	assert_equal "$server_key" "$key"
	run -0 peer a hello
	server_stops INT
}

@test "a reload takes what can change, and refuses a mistake" {
	server_starts
	token_for 1
	configured Heartbeat=5s State=/elsewhere
	kill -HUP "$(cat server.pid)"
	eventually grep -q 'read the configuration again' log
	run -0 peer a enrol "$token"
	assert_output --partial 'heartbeat=5 '
	configured Heartbeat=7x
	kill -HUP "$(cat server.pid)"
	eventually grep -q 'stays as it was' log
	run -0 grep 'conf:[67]: Heartbeat=7x: not a duration' log
	run -0 peer a hello
	assert_output --partial 'heartbeat=5'
}

@test "a mistake in the configuration is named with file and line" {
	configured Heartbeat=never
	run -1 "$BUILD/muster-server" --config conf --state state
	assert_output --regexp 'conf:[67]: Heartbeat=never: '
	run -1 "$BUILD/muster-server" --config conf --check
	configured
	run -0 "$BUILD/muster-server" --config conf --check
	assert_output 'conf: in order'
	run -1 "$BUILD/muster-server" --config none --state state
	assert_output --partial "cannot read 'none'"
	[[ ! -e state ]]
}

@test "the configuration that is installed is in order" {
	run -0 "$BUILD/muster-server" --check --config "$BATS_TEST_DIRNAME/../server/muster-server.conf"
}

@test "wrong usage is told, with exit code 2" {
	run -2 "$BUILD/muster-server" --no-such
	run -2 "$BUILD/muster-server" --config conf --config conf
	run -2 "$BUILD/muster-server" start
	run -0 "$BUILD/muster-server" --help
	run -0 "$BUILD/muster-server" --version
	assert_output --regexp '^muster-server [0-9]+\.[0-9]+'
}

@test "a key that is lost is not made anew beside a database" {
	server_starts
	server_stops
	for key in identity.key tls.pem token.key; do
		mv "state/$key" kept
		run -1 "$BUILD/muster-server" --config conf --state state
		assert_output --partial "state/$key' is missing, but there is a database"
		[[ ! -e state/$key ]]
		mv kept "state/$key"
	done
	chmod 640 state/identity.key
	run -1 "$BUILD/muster-server" --config conf --state state
	assert_output --partial "do: chmod 0600 "
	chmod 600 state/identity.key
	server_starts
}

@test "every file of the state folder is its owner's, whatever the umask" {
	umask 0
	server_starts
	run -0 find state -type f -perm /077 ! -name manifest ! -name manifest.minisig ! -name release.pub
	assert_output ''
	assert_equal "$(stat -c %a state)" 700
}

@test "a port that is taken is told" {
	server_starts
	configured "Listen=127.0.0.1:$port"
	run -1 "$BUILD/muster-server" --config conf --state other
	assert_output --partial "cannot listen on 127.0.0.1 port $port: Address already in use"
}

@test "it tells systemd of readiness, and takes systemd's sockets" {
	command -v systemd-socket-activate >/dev/null || skip "hardware: no systemd-socket-activate here"
	server_starts # for a port that nobody has
	server_stops
	socat -u "UNIX-RECV:$PWD/notify" OPEN:told,creat,append 3>&- &
	echo $! >socat.pid
	disown
	eventually test -S notify
	: >log
	NOTIFY_SOCKET=$PWD/notify systemd-socket-activate -E NOTIFY_SOCKET -l "127.0.0.1:$port" "$BUILD/muster-server" \
		--config conf --state state >>log 2>&1 3>&- &
	echo $! >server.pid
	disown
	eventually grep -q 'Listening on' log
	run -0 eventually curl -q -sS -k -o manifest "$url/clients/manifest"
	run -0 grep -c '^file ' manifest
	assert_output 2
	assert_equal "$(api GET /status | jq -c .listen)" "[\"127.0.0.1:$port\"]"
	eventually grep -q 'READY=1' told
	kill -HUP "$(cat server.pid)"
	eventually grep -q 'RELOADING=1' told
	kill "$(cat server.pid)"
	eventually grep -q 'STOPPING=1' told
}
