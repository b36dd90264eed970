#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Servers on a database of PostgreSQL: several at once, the database's end and return, and what it may be told.
# The cluster is this file's own, since it is stopped and killed.

bats_require_minimum_version 1.5.0

setup_file()
{
	unset STORE
	load helpers
	machines_begin
	mkfifo "$MACHINES_RUN/to-cluster"
	# shellcheck disable=SC2094 # a fifo
	(close_inherited && exec "$BATS_TEST_DIRNAME/cluster" <"$MACHINES_RUN/to-cluster" >"$MACHINES_RUN/cluster" \
		2>"$MACHINES_RUN/cluster-log") &
	exec 7>"$MACHINES_RUN/to-cluster"
	eventually grep -q host= "$MACHINES_RUN/cluster" || fail "$(cat "$MACHINES_RUN/cluster-log")"
	cluster=$(head -n 1 "$MACHINES_RUN/cluster")
	"$BUILD/tests/load/muster-swarm" keys --keys "$MACHINES_RUN/keys" --agents 400
}

teardown_file()
{
	load helpers
	exec 7>&-
	machines_end
}

setup()
{
	load helpers
	cluster=$(head -n 1 "$MACHINES_RUN/cluster")
	server=$MACHINES_RUN/server
	second=$MACHINES_RUN/second
}

teardown()
{
	server_stops
	ends "$second/process" TERM
	rm -rf "$server" "$second"
	query 'SELECT 1' postgres >/dev/null 2>&1 || cluster_does start
}

# cluster_does WORD: see tests/cluster; returns when it is done.
cluster_does()
{
	local before

	before=$(grep -c 'done$' "$MACHINES_RUN/cluster" || true)
	echo "$1" >"$MACHINES_RUN/to-cluster"
	eventually cluster_has_done "$before"
}

cluster_has_done()
{
	(($(grep -c 'done$' "$MACHINES_RUN/cluster") > $1))
}

# query SQL [DATABASE]: in the servers' schema.
query()
{
	PGOPTIONS='-c search_path=muster' psql -q -A -t -d "${cluster% dbname=*} dbname=${2:-muster}" -c "$1"
}

# server_begins [LINE…]: the server under test, with a new database.
server_begins()
{
	psql -q -d "$cluster" -c 'DROP DATABASE IF EXISTS muster WITH (FORCE)' -c 'CREATE DATABASE muster' 2>/dev/null
	server_configured "Store=${cluster% dbname=*} dbname=muster" "$@" '[limits]' 'ConnectionsPerSource=10000'
	server_starts
}

# A second one on the same database, at port 8444, with the keys of the first.
second_configured()
{
	mkdir -p "$second/state"
	chmod 700 "$second/state"
	sed "s|$server|$second|; s|:8443\$|:8444|" "$server/muster-server.conf" >"$second/muster-server.conf"
	cp -p "$server/state/"{identity.key,tls.pem,token.key,release.key,release.pub} "$second/state"
}

second_begins()
{
	second_configured
	background "$second/process" "$second/log" "$BUILD/muster-server" --config "$second/muster-server.conf"
	eventually at_second api GET /status >/dev/null || fail "the second one doesn't start: $(cat "$second/log")"
}

at_second()
{
	server=$second "$@"
}

# swarm PORT FIRST AGENTS [OPTION…]: so many machines enrol by $token; what it tells is its output.
swarm()
{
	local to=$1 first=$2 agents=$3

	shift 3
	in_hub "$BUILD/tests/load/muster-swarm" enrol --server "10.99.0.1:$to" --pin "$pin" --server-key "$server_key" \
		--keys "$MACHINES_RUN/keys" --first "$first" --agents "$agents" --token "$token" --parallel 32 "$@"
}

enrolled_of()
{
	sed -n 's/^enrolled //p' "$1"
}

uses_are() # N
{
	(($(query 'SELECT max(used) FROM token') == $1))
}

uses_reach() # N
{
	(($(query 'SELECT max(used) FROM token') >= $1))
}

# What must hold whatever has happened: a use for each client, an entry for each, one chain.
assert_whole()
{
	assert_equal "$(query 'SELECT sum(used) FROM token')" "$(query 'SELECT count(*) FROM client')"
	assert_equal "$(query 'SELECT count(*) FROM client')" \
		"$(query "SELECT count(*) FROM audit WHERE act = 'client.enrol'")"
	run -0 musterctl audit verify
}

reachable()
{
	[[ $(api GET /status | jq .database.unreachable) == null ]]
}

unreachable()
{
	[[ $(api GET /status | jq .database.unreachable) != null ]]
}

### Several servers

@test "two servers keep a token's limit exactly" {
	server_begins
	second_begins
	for limit in 1 37 100; do
		token_for role=test --uses "$limit"
		swarm 8443 $((limit == 1 ? 0 : limit)) 100 >"$BATS_TEST_TMPDIR/one" 2>&1 &
		local one=$!
		swarm 8444 $((limit == 1 ? 100 : 100 + limit)) 100 >"$BATS_TEST_TMPDIR/two" 2>&1 || true
		wait "$one" || true
		assert_equal "$(uses_spent)" "$limit"
		assert_equal "$(at_second api GET "/tokens/$token_id" | jq .used)" "$limit"
		assert_equal "$(query "SELECT count(*) FROM client WHERE token = '$token_id'")" "$limit"
		assert_whole
	done
}

@test "what one server is told the other one knows" {
	server_begins
	second_begins
	token_for role=test --uses 5
	at_second api POST "/tokens/$token_id/revoke" '{}' >/dev/null
	assert_equal "$(api GET "/tokens/$token_id" | jq -r .state)" revoked
	run -1 swarm 8443 0 3
	assert_output --partial 'fail'
	assert_equal "$(uses_spent)" 0
}

@test "all of a token's machines enrol once, though one of the servers is killed in the middle" {
	server_begins
	second_begins
	token_for role=test --uses unlimited
	swarm 8443 0 200 >"$BATS_TEST_TMPDIR/one" 2>&1 &
	local one=$!
	swarm 8444 200 200 >"$BATS_TEST_TMPDIR/two" 2>&1 &
	local two=$!
	eventually uses_reach 60
	ends "$second/process" KILL
	wait "$one"
	wait "$two" || true
	assert_whole
	assert_equal "$(enrolled_of "$BATS_TEST_TMPDIR/one")" 200
	uses_reach $((200 + $(enrolled_of "$BATS_TEST_TMPDIR/two")))
	# Those of the killed one ask the other, by the same keys.
	run -0 swarm 8443 200 200
	uses_are 400
	assert_whole
}

@test "a server with other keys refuses to serve from the database" {
	server_begins
	second_configured
	rm "$second/state/identity.key"
	run -1 in_hub timeout 100 "$BUILD/muster-server" --config "$second/muster-server.conf"
	assert_output --partial 'belongs to a server with other keys'
	cp -p "$server/state/identity.key" "$second/state"
	rm "$second/state/token.key"
	run -1 in_hub timeout 100 "$BUILD/muster-server" --config "$second/muster-server.conf"
	assert_output --partial 'belongs to a server with other keys'
}

@test "servers that start together make the tables once" {
	server_begins
	second_configured
	server_stops
	psql -q -d "$cluster" -c 'DROP DATABASE muster' -c 'CREATE DATABASE muster'
	background "$second/process" "$second/log" "$BUILD/muster-server" --config "$second/muster-server.conf"
	server_starts
	eventually at_second api GET /status >/dev/null || fail "$(cat "$second/log")"
	assert_equal "$(query "SELECT count(*) FROM audit WHERE act = 'server.start'")" 2
}

### The database goes and comes back

storm_survives() # WORD for the cluster
{
	local storm

	server_begins
	token_for role=test --uses unlimited
	swarm 8443 0 400 >"$BATS_TEST_TMPDIR/storm" 2>&1 &
	storm=$!
	eventually uses_reach 60
	cluster_does "$1"
	[[ $1 == restart ]] || cluster_does start
	wait "$storm" || true
	eventually reachable
	assert_whole
	uses_reach "$(enrolled_of "$BATS_TEST_TMPDIR/storm")"
	run -0 swarm 8443 0 400
	uses_are 400
	assert_whole
}

@test "PostgreSQL restarted in a storm: nothing acknowledged is lost, nobody is there twice" {
	storm_survives restart
}

@test "PostgreSQL killed in a storm: nothing acknowledged is lost, nobody is there twice" {
	storm_survives kill
}

metrics()
{
	curl -q -sS --fail-with-body --max-time 100 --unix-socket "$server/control.sock" http://localhost/metrics
}

# changes_are TEXT…: what musterctl events has told so far, without the times.
changes_are()
{
	[[ $(cut -d ' ' -f 3- "$BATS_TEST_TMPDIR/changes") == "$(printf '%s\n' "$@")" ]]
}

follow_changes()
{
	background "$BATS_TEST_TMPDIR/follower" "$BATS_TEST_TMPDIR/changes" "$BUILD/musterctl" \
		--socket "$server/control.sock" events --topic database
}

streams_are()
{
	metrics | grep -q "^muster_event_streams $1\$"
}

@test "who follows the changes hears that the database goes and comes back, and who begins meanwhile that it is away" {
	server_begins
	follow_changes
	eventually streams_are 1
	cluster_does stop
	eventually changes_are 'database  away'
	cluster_does start
	eventually changes_are 'database  away' 'database  back'
	ends "$BATS_TEST_TMPDIR/follower" TERM
	cluster_does stop
	eventually unreachable
	follow_changes
	eventually changes_are 'database  away' 'database  back' 'database  away'
	ends "$BATS_TEST_TMPDIR/follower" TERM
}

@test "who looks at the dashboard is told by itself while the database is away, on every page, and loses nothing" {
	"$BATS_TEST_DIRNAME/browser/install.sh" "$BUILD"
	server_begins '[dashboard]' 'Listen=127.0.0.1:8080'
	musterctl admin add dorothea --role administrator <<<'correct horse battery staple'
	in_hub env MUSTER_URL=http://127.0.0.1:8080 MUSTER_SOCKET="$server/control.sock" MUSTER_PLACE="$BUILD/browser" \
		MUSTER_CLUSTER="$MACHINES_RUN/to-cluster" HOME="$BATS_TEST_TMPDIR" \
		node "$BATS_TEST_DIRNAME/browser/run.mjs" database
}

@test "while the database is away administrators and new machines are told to come back, and no use is spent" {
	server_begins
	token_for role=test --uses 5
	cluster_does stop
	eventually unreachable
	run api GET /tokens
	assert_failure
	assert_output --partial '"code":"store-unavailable"'
	run api POST /tokens '{}'
	assert_failure
	assert_output --partial '"code":"store-unavailable"'
	run -8 musterctl status --json
	assert_equal "$(jq .tokens.live <<<"$output")" null
	run -8 musterctl token list
	assert_output "musterctl: the database can't be reached now; nothing was changed; try again later"
	for command in 'list' 'rollout --all' status machines halt resume end; do
		# shellcheck disable=SC2086 # words
		run -8 musterctl release $command
		assert_output "musterctl: the database can't be reached now; nothing was changed; try again later"
	done
	run -0 metrics
	assert_line 'muster_database_up 0'
	refute_output --partial muster_tokens_live
	refute_output --partial muster_rollout
	assert_line 'muster_clients_connected 0'
	run -8 musterctl status
	assert_output --regexp "Database +can't be reached, for [0-9]+ s"
	run -1 swarm 8443 0 3
	run -0 in_hub curl -q -sSf -k https://10.99.0.1:8443/clients/linux
	cluster_does start
	eventually reachable
	assert_equal "$(uses_spent)" 0
	run -0 metrics
	assert_line 'muster_database_up 1'
	assert_line 'muster_tokens_live 1'
	run -0 swarm 8443 0 3
	assert_equal "$(uses_spent)" 3
	run -0 musterctl audit list
	assert_output --regexp 'server +server.database +could not be reached for [0-9]+ s'
	run grep -c 'lost the database' "$server/log"
	assert_output 1
}

connections_of() # MACHINE: the ports that its agent has
{
	on "$1" sh -c "cut -d: -f2- /proc/net/tcp /proc/net/tcp6 2>/dev/null" |
		awk '$2 ~ /:20FB$/ && $3 == "01" { print $1 }'
}

beat_at()
{
	query 'SELECT max(last_hello) FROM client'
}

beaten_since()
{
	(($(beat_at) > $1))
}

has_logged() # MACHINE TEXT
{
	on "$1" journalctl -u muster-agent -o cat | grep -q "$2"
}

# agent_outlives AWAY BACK: a machine's agent, while the cluster does the one and then the other.
agent_outlives()
{
	server_begins
	machine_boot web bookworm-curl
	program_to web
	token_for role=test
	enrols_by_hand web
	before=$(connections_of web)
	[[ -n $before ]]
	$1
	eventually unreachable
	eventually has_logged web "can't use its database"
	on web muster-agent send 'said meanwhile'
	assert_equal "$(api GET /status | jq .clients.connected)" 1
	assert_equal "$(connections_of web)" "$before"
	$2
	eventually reachable
	last=$(beat_at)
	eventually beaten_since "$last"
	assert_equal "$(connections_of web)" "$before"
	eventually message_is_there
	assert_equal "$(query 'SELECT count(*) FROM message')" 1
	assert_equal "$(query 'SELECT used FROM token')" 1
	machine_remove web
}

@test "agents stay connected while the database is away, and what they say comes later" {
	agent_outlives 'cluster_does stop' 'cluster_does start'
}

pair_does()
{
	echo "$1" >&6
	eventually grep -q "$1 done" "$MACHINES_RUN/pair"
}

@test "agents stay connected while a standby takes the dead primary's place, and what they say comes later" {
	mkfifo "$MACHINES_RUN/to-pair"
	# shellcheck disable=SC2094 # a fifo
	(close_inherited && exec "$BATS_TEST_DIRNAME/cluster" --standby <"$MACHINES_RUN/to-pair" >"$MACHINES_RUN/pair" \
		2>"$MACHINES_RUN/pair-log") &
	exec 6>"$MACHINES_RUN/to-pair"
	eventually grep -q host= "$MACHINES_RUN/pair" || fail "$(cat "$MACHINES_RUN/pair-log")"
	local cluster
	cluster=$(head -n 1 "$MACHINES_RUN/pair")
	agent_outlives 'pair_does crash' 'pair_does promote'
	server_stops
	exec 6>&-
}

message_is_there()
{
	(($(query 'SELECT count(*) FROM message') > 0))
}

@test "a database that hangs is left for a new connection" {
	server_begins
	token_for role=test --uses 5
	local hanging
	hanging=$(query "SELECT pid FROM pg_stat_activity WHERE application_name = 'muster-server'")
	kill -STOP "$hanging"
	run api GET /tokens
	assert_failure
	eventually reachable
	run -0 swarm 8443 0 3
	kill -CONT "$hanging"
	assert_equal "$(uses_spent)" 3
	assert_whole
	grep -q 'has not answered in time' "$server/log"
}

@test "a connection that the administrator ends is made again" {
	server_begins
	token_for role=test --uses 5
	query "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'muster-server'" >/dev/null
	eventually grep -q 'the database is back' "$server/log"
	run -0 swarm 8443 0 3
	assert_equal "$(uses_spent)" 3
}

waits_for_it()
{
	grep -q 'waiting for the database: ' "$server/log"
}

@test "a server that starts before its database waits for it, unless it is told to stop" {
	server_begins
	server_stops
	cluster_does stop
	background "$server/process" "$server/log" "$BUILD/muster-server" --config "$server/muster-server.conf"
	eventually waits_for_it
	ends "$server/process" TERM
	: >"$server/log"
	background "$server/process" "$server/log" "$BUILD/muster-server" --config "$server/muster-server.conf"
	eventually waits_for_it
	cluster_does start
	eventually reachable
}

@test "without its database on the server that answers, a server doesn't start, and says why" {
	server_begins
	server_stops
	psql -q -d "$cluster" -c 'DROP DATABASE muster'
	run -1 in_hub timeout 100 "$BUILD/muster-server" --config "$server/muster-server.conf"
	assert_output --partial 'cannot use the PostgreSQL database: cannot connect: '
	assert_output --partial '"muster" does not exist'
}

### What it is told, and what it may do

guarded()
{
	psql -q -d "$cluster" -c 'DROP DATABASE IF EXISTS guarded' -c 'DROP ROLE IF EXISTS guarded' \
		-c "CREATE ROLE guarded LOGIN PASSWORD 'a-secret-word'" -c 'CREATE DATABASE guarded OWNER guarded' 2>/dev/null
	server_configured "Store=${cluster%% *} user=guarded dbname=guarded" "StorePasswordFile=$server/password"
	echo a-secret-word >"$server/password"
	chmod 600 "$server/password"
}

@test "a password stands in a file that only the server may read, and nowhere else" {
	guarded
	server_starts
	run -1 grep -r a-secret-word "$server/log" "$server/state" "$server/muster-server.conf"
	local pid
	read -r pid _ <"$server/process"
	run -1 grep -a a-secret-word "/proc/$pid/cmdline" "/proc/$pid/environ"
	# As it owns its own database only, it made its tables there as itself.
	assert_equal "$(query "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'muster'" guarded)" guarded
	server_stops
	chmod 644 "$server/password"
	run -1 in_hub timeout 100 "$BUILD/muster-server" --config "$server/muster-server.conf"
	assert_output --partial 'others may read the password file'
	refute_output --partial a-secret-word
	chmod 600 "$server/password"
	echo another-word >"$server/password"
	run -1 in_hub timeout 100 "$BUILD/muster-server" --config "$server/muster-server.conf"
	assert_output --partial 'password authentication failed'
	refute_output --partial another-word
	rm "$server/password"
	run -1 in_hub timeout 100 "$BUILD/muster-server" --config "$server/muster-server.conf"
	assert_output --partial 'cannot read the password file'
}

@test "nothing of a token's digits is in the database's files or its log" {
	server_begins
	token_for role=test --uses 5
	swarm 8443 0 3
	# At rest: no file comes or goes while they are read.
	server_stops
	cluster_does stop
	local data=${cluster%% *}
	run -1 grep -raFl -e "$token" -e "${token^^}" "${data#host=}"
	run -0 grep -raFl -e "$token_id" "${data#host=}"
}
