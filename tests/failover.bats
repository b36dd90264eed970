#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# A database of two hosts, a primary and its standby, behind several servers: the primary dies, hangs, comes back, can
# only be read, or its standby is gone. Whatever happens, machines stay connected, nothing acknowledged is lost, and the
# administrator is told. Each test has a pair of its own.

bats_require_minimum_version 1.5.0

setup()
{
	load servers
	cluster_folder=$BATS_TEST_TMPDIR
	cluster_begins --standby
	servers_prepare
	hosts=${cluster%% *}
	hosts=${hosts#host=}
	first=${hosts%,*}
	second=${hosts#*,}
}

teardown()
{
	servers_end
	cluster_ends
}

# at HOST SQL
at()
{
	query_at "host=$1 user=muster dbname=$database" "$2"
}

servers_at() # HOST: how many of the servers are connected to it
{
	at "$1" "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'muster-server'
		AND datname = current_database()"
}

has_come_back() # SERVER TIMES
{
	(($(grep -c 'the database is back' "$1/log") == $2))
}

@test "the primary killed in a storm and its standby promoted: nothing acknowledged is lost, nothing over-used, all are back" {
	storm_survives crash promote
	local at
	for at in a b c; do
		grep -q "the database is back, at $second:" "$at/log"
	done
	run -0 query "SELECT detail FROM audit WHERE act = 'server.database'"
	assert_equal "$(grep -Ec '^could not be reached for [0-9]+ s: .+' <<<"$output")" 3
}

@test "what another server was told right after the failover reaches machines and pages, though theirs noticed later" {
	three_begin
	machines_hang 1 answer
	curl -q -sS -N --unix-socket a/control.sock http://localhost/api/v1/events >events 2>&1 3>&- 7>&- 8>&- &
	machines+=($!)
	eventually grep -q retry: events
	kill -STOP "$(cat a/server.pid)"
	cluster_does crash
	cluster_does promote
	eventually reachable b
	echo 'a=1' >file
	"$BUILD/musterctl" --socket b/control.sock config push app.conf file --all
	kill -CONT "$(cat a/server.pid)"
	for topic in tokens clients configs access; do
		eventually grep -q "\"topic\":\"$topic\"" events # it may have missed any of them
	done
	kill "${machines[3]}"
	unset 'machines[3]'
	machines_end
	assert_equal "$(cat hanging.* | grep -c 'op=CONFIG ')" 3
}

@test "between the primary's end and the standby's promotion nothing is acknowledged, and it is told why" {
	three_begin
	machines_hang 1 wait
	token_for 1
	cluster_does crash
	eventually gives_reason a 'read-only\|recovery\|standby'
	holds_on a
	run -8 "$BUILD/musterctl" --socket a/control.sock status
	assert_output --regexp "Database +can't be reached, for [0-9]+ s"
	assert_output --partial "$second"
	run -0 curl -q -sS --unix-socket a/control.sock http://localhost/readyz
	assert_output --partial store-unavailable
	cluster_does promote
	eventually reachable a
	run -0 peer a late enrol "$token" close
	eventually reachable b
	assert_equal "$(uses_spent b)" 1
	kill -0 "${machines[@]}"
	kill "${machines[@]}"
}

@test "a server that starts before the standby is promoted waits for that" {
	begins a
	stops a
	cluster_does crash
	"$BUILD/muster-server" --config a/conf >>a/log 2>&1 3>&- 7>&- &
	echo $! >a/server.pid
	disown
	eventually grep -q 'waiting for the database' a/log
	cluster_does promote
	eventually reachable a
}

@test "a primary that hangs is left for its promoted standby, and not used again when it goes on" {
	local stopped
	begins a
	begins b
	token_for 3
	run -0 peer a one enrol "$token" close
	stopped=$(at "$first" 'SELECT count(*) FROM client')
	cluster_does freeze
	cluster_does promote
	eventually unreachable a
	eventually reachable a
	eventually reachable b
	run -0 peer a two enrol "$token" close
	grep -q 'it has not answered in time' a/log
	# Now there are two that can be written to. Nobody goes back, nor when he has to connect again.
	sed -i /synchronous_standby_names/d "$first/data/postgresql.auto.conf"
	cluster_does thaw
	at "$first" 'SELECT pg_reload_conf()' >/dev/null
	assert_equal "$(servers_at "$second")" 2
	at "$second" "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'muster-server'" \
		>/dev/null
	eventually has_come_back a 2
	run -0 peer a three enrol "$token" close
	assert_equal "$(servers_at "$first")" 0
	assert_equal "$(at "$first" 'SELECT count(*) FROM client')" "$stopped"
	assert_equal "$(at "$second" 'SELECT used FROM token')" 3
}

@test "with the old primary alone there, servers wait, and say that it is not used again" {
	begins a
	cluster_does crash
	cluster_does promote
	eventually reachable a
	sed -i /synchronous_standby_names/d "$first/data/postgresql.auto.conf"
	cluster_does start
	cluster_does stop-standby
	eventually gives_reason a 'a standby has been promoted in the place of this database, which is not used again'
	eventually gives_reason a "$first:[0-9]* is on timeline 1, before 2"
	cluster_does start-standby
	eventually reachable a
}

@test "a primary that may only be read from now on is left for the one that can be written to" {
	three_begin
	machines_hang 1 wait
	token_for 1
	at "$first" 'ALTER SYSTEM SET default_transaction_read_only = on'
	PGTARGETSESSIONATTRS=any psql -q -d "host=$first user=muster dbname=postgres" -c 'SELECT pg_reload_conf()' >/dev/null
	eventually unreachable a
	eventually unreachable b
	grep -q 'lost the database: cannot execute .* in a read-only transaction' a/log
	holds_on a
	cluster_does promote
	eventually reachable a
	run -0 peer a late enrol "$token" close
	assert_equal "$(at "$second" "SELECT used FROM token WHERE id = '$token_id'")" 1
	kill -0 "${machines[@]}"
	kill "${machines[@]}"
}

@test "without the standby that has to confirm it nothing is acknowledged; when it is back, all goes on" {
	three_begin
	machines_hang 1 wait
	token_for 2
	cluster_does stop-standby
	# Whoever commits waits for the standby, and has the turn to write: nobody else gets it.
	for at in a b c; do
		eventually unreachable "$at"
	done
	eventually gives_reason a 'another session keeps the turn to write locked: process [0-9]* of PostgreSQL'
	holds_on a
	holds_on b
	cluster_does start-standby
	for at in a b c; do
		eventually reachable "$at"
	done
	run -0 peer a late enrol "$token" close
	assert_equal "$(uses_spent b)" 1
	assert_equal "$(clients_recorded c)" 1
	kill -0 "${machines[@]}"
	kill "${machines[@]}"
}
