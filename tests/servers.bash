# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2119,SC2120 # .bats files give them arguments
#
# Several servers on one database of PostgreSQL, each with a folder of its own and the same keys, and a cluster of the
# file's own (tests/cluster), since it is stopped and killed. For .bats files, which call these from their setup_file(),
# teardown_file(), setup() and teardown():
#
#   cluster_begins [--standby], cluster_ends; servers_prepare, servers_end
#
# What the cluster needs is in $cluster_folder. The database is $database, at $location.

bats_load_library bats-support
bats_load_library bats-assert

BUILD=$(realpath -m "${BUILD:-$BATS_TEST_DIRNAME/../build}")
cluster_folder=$BATS_FILE_TMPDIR
peer_program=$BUILD/tests/helpers/peer

# It ends with the end of its standard input, which is a FIFO that the file's shell holds.
cluster_begins()
{
	mkfifo "$cluster_folder/to-cluster"
	"$BATS_TEST_DIRNAME/cluster" "$@" <"$cluster_folder/to-cluster" >"$cluster_folder/cluster" \
		2>"$cluster_folder/cluster-log" 3>&- &
	exec 7>"$cluster_folder/to-cluster"
	eventually grep -q host= "$cluster_folder/cluster" || fail "$(cat "$cluster_folder/cluster-log")"
}

cluster_ends()
{
	exec 7>&-
}

servers_prepare()
{
	cd "$BATS_TEST_TMPDIR" || return
	mkdir -p clients/linux/x86_64
	head -c 1000 /dev/urandom >clients/linux/x86_64/muster-agent
	head -c 1000 /dev/urandom >clients/linux/x86_64/muster-enrol
	cluster=$(head -n 1 "$cluster_folder/cluster")
	database=servers$BATS_TEST_NUMBER
	location="${cluster% dbname=*} dbname=$database"
	query_at "${cluster% dbname=*} dbname=postgres" "CREATE DATABASE $database"
}

servers_end()
{
	local file child

	for file in "$BATS_TEST_TMPDIR"/*/server.pid; do
		[[ -e $file ]] || continue
		for child in $(cat "/proc/$(cat "$file")/task/$(cat "$file")/children" 2>/dev/null) "$(cat "$file")"; do
			kill -KILL "$child" 2>/dev/null || true
		done
	done
	query_at "${cluster% dbname=*} dbname=postgres" "DROP DATABASE $database WITH (FORCE)"
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
		"Clients=$PWD/clients" "State=$PWD/$at/state" "Store=$location" "$@" \
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
	curl -q -sS --fail-with-body --max-time 100 --unix-socket "$at/control.sock" -X "$1" "${data[@]}" \
		"http://localhost/api/v1$2"
}

token_for()
{
	read -r token token_id < <(api a POST /tokens "{\"uses\":$1,\"expires\":\"1h\"}" | jq -r '"\(.token) \(.id)"')
}

# peer SERVER FOLDER …
peer()
{
	(exec_peer "$@")
}

# The same in place of the (sub)shell, which in the background can be killed as $!.
exec_peer()
{
	local at=$1 folder=$2

	shift 2
	exec "$peer_program" --server "127.0.0.1:$(port_of "$at")" --server-key "$server_key" --pin "$pin" --dir "$folder" "$@"
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
		exec_peer "$at" "on-$at" --count "$n" hello "$@" <hold >"hanging.$at" 2>&1 3>&- 7>&- 8>&- &
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

# cluster_does WORD: see tests/cluster; returns when it is done.
cluster_does()
{
	local before

	before=$(grep -c 'done$' "$cluster_folder/cluster" || true)
	echo "$1" >"$cluster_folder/to-cluster"
	eventually cluster_has_done "$before"
}

cluster_has_done()
{
	(($(grep -c 'done$' "$cluster_folder/cluster") > $1))
}

# query_at LOCATION SQL: where it can be written to
query_at()
{
	PGTARGETSESSIONATTRS=read-write PGOPTIONS='-c search_path=muster' psql -q -A -t -d "$1" -c "$2"
}

query()
{
	query_at "${cluster% dbname=*} dbname=$database" "$1"
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

unreachable()
{
	[[ $(api "$1" GET /status | jq .database.unreachable) != null ]]
}

gives_reason() # SERVER TEXT
{
	api "$1" GET /status | jq -r .database.reason | grep -q "$2"
}

holds_on() # SERVER: one more machine can't enrol there now, by $token, and is told to come back
{
	run -1 peer "$1" late enrol "$token"
	assert_output --partial 'code=3'
	assert_equal "$(grep -hc closed hanging.* | grep -vc '^0$')" 0
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
		eventually grep -q 'lost the database' "$at/log"
		eventually reachable "$at"
	done
	told=$(acknowledged storm.*)
	spent=$(query "SELECT used FROM token WHERE id = '$token_id'")
	((told > 0 && spent >= told && spent <= 350))
	assert_whole
	# Each that was acknowledged is known, by its id and keys.
	run -0 swarm idle c 0 450 --enrolled --limit 120 --control c/control.sock
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
