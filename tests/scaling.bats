#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# What can only be simulated: more agents than a machine holds. The agents' back-off is the real one.

bats_require_minimum_version 1.5.0

setup()
{
	BUILD=$(realpath -m "${BUILD:-$BATS_TEST_DIRNAME/../build}")
}

# outage STATUS ARGUMENTS...
outage() { run "-$1" "$BUILD/tests/load/outage" "${@:2}"; }
told() { awk -v name="$1" '$1 == name { print $2 }' <<<"$output"; }

@test "after a minute's outage no second brings more than twice what the servers can take" {
	outage 0 --agents 1000000 --outage 60
	[ "$(told back)" = 1000000 ]
	[ "$(told timeouts)" = 0 ]
	awk -v peak="$(told peak)" -v rate="$(told rate)" 'BEGIN { exit !(peak <= 2 * rate) }'
}

@test "one of several servers is lost: the others get no more than twice what they can take in any second" {
	for servers in 2 3 8; do
		outage 0 --agents 1000000 --outage 600 --servers "$servers"
		[ "$(told back)" = $((1000000 / servers)) ]
		[ "$(told timeouts)" = 0 ]
		awk -v last="$(told back_seconds)" 'BEGIN { exit !(last < 15) }'
	done
}

@test "the simulation fails where the servers are too few" {
	outage 1 --agents 100000 --outage 60 --rate 100
	awk -v peak="$(told peak)" -v rate="$(told rate)" 'BEGIN { exit !(peak > 2 * rate) }'
}

@test "agents that wait too long in a queue come again, and all get through" {
	outage 1 --agents 20000 --outage 5 --rate 100
	[ "$(told timeouts)" -gt 0 ]
	[ "$(told back)" = 20000 ]
}

@test "what isn't a number of agents, seconds, connections or servers is refused" {
	for bad in '--agents 0' '--agents 10000001' '--outage -1' '--outage 1801' '--rate 0' '--rate x' '--servers 1' '--servers 9' 'more' '--more'; do
		outage 2 $bad
		[[ $output == *usage:* ]]
	done
}
