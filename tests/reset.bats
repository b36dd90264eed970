#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Agents that the server lets restart: one real machine, and peers that answer as they like.

bats_require_minimum_version 1.5.0

setup_file()
{
	load helpers
	machines_begin
	server_starts
	machine_boot web bookworm-curl
	token_for role=test
	program_to web
	enrols_by_hand web
}

setup()
{
	load helpers
	server_trust
	peers=$MACHINES_RUN/peers
	mkdir -p "$peers"
}

teardown_file()
{
	load helpers
	machines_end
}

a_peer()
{
	peer_enrolled "$1"
	id=$(tr -d '\n' <"$peers/$1/id")
}

reset_of()
{
	api GET "/clients/$1" | jq -r '.reset | if . == null then "none" else .state end'
}

reset_is()
{
	[[ $(reset_of "$1") == "$2" ]]
}

# ack SEQUENCE, nack SEQUENCE CODE: bodies in hex.
ack()
{
	printf '01%016x%016x%08x' "$1" 0 0
}

nack()
{
	printf '01%016x%04x%08x0002%s' "$1" "$2" 0 6e6f
}

acts()
{
	api GET "/audit?last=50" | jq -r --arg object "$1" '[.entries[] | select(.object == $object) | .act] | join(" ")'
}

pid_of()
{
	on "$1" systemctl show -p MainPID --value muster-agent
}

@test "an agent restarts, and the server hears of it from the new one" {
	local id pid

	id=$(client_of web)
	pid=$(pid_of web)
	assert_equal "$(reset_of "$id")" none
	run -0 musterctl client reset --reason "it hangs" --wait "${id:0:8}"
	assert_output "$id (web) has restarted its agent"
	assert_equal "$(reset_of "$id")" "done"
	refute [ "$(pid_of web)" = "$pid" ]
	assert_equal "$(acts "$id")" "client.enrol client.reset client.restart"
	run -0 log_of web muster-agent
	assert_output --partial "restarting, as hub:8443 has asked"
	# Once: it doesn't restart at its next HELLO, or on its next connection.
	pid=$(pid_of web)
	server_restarts
	reconnected()
	{
		[[ $(api GET "/clients/$id" | jq .connected) == true ]]
	}
	eventually reconnected
	assert_equal "$(pid_of web)" "$pid"
	run -0 musterctl client show "$id"
	assert_line --regexp "^Reset +done, asked for "
}

@test "a number that the agent has seen, as after a rolled back database, is acknowledged and no more" {
	local id pid

	id=$(client_of web)
	pid=$(pid_of web)
	on web sh -c 'echo 18446744073709551615 >/var/lib/private/muster-agent/reset'
	on web systemctl restart muster-agent
	pid=$(pid_of web)
	run -0 musterctl client reset --wait "$id"
	assert_output "$id (web) has restarted its agent"
	assert_equal "$(pid_of web)" "$pid"
	on web rm /var/lib/private/muster-agent/reset
}

@test "who is not there gets it on its next connections until it answers" {
	a_peer late
	run -0 musterctl client reset "$id"
	assert_output --partial "is to restart its agent"
	local number
	number=$(peer late hello answer close | sed -n 's/.*op=RESET sequence=2 number=//p')
	assert [ "$number" -gt 0 ]
	# The same one again; asked for again meanwhile it is no other.
	musterctl client reset "$id"
	run -0 peer late hello answer close
	assert_output --partial "op=RESET sequence=2 number=$number"
	reset_is "$id" wanted
	run -0 peer late hello answer say 150 "$(ack 2)" hello close
	reset_is "$id" "done"
	assert_equal "$(acts "$id")" "client.enrol client.reset client.restart"
	run -0 peer late hello hello close
	refute_output --partial op=RESET
}

@test "while connected it comes at once, before anything was said" {
	a_peer here
	: >"$peers/told"
	rm -f "$peers/in"
	mkfifo "$peers/in"
	(
		close_inherited
		exec_in_hub "$BUILD/tests/helpers/peer" --server 10.99.0.1:8443 --server-key "$server_key" \
			--dir "$peers/here" hello answer say 150 "$(ack 2)" hello wait
	) <>"$peers/in" >"$peers/told" 2>&1 &
	echo "$! $(process_birth $!)" >"$peers/process"
	disown
	eventually grep -q op=ACK "$peers/told"
	musterctl client reset "$id"
	eventually grep -q op=RESET "$peers/told"
	eventually reset_is "$id" "done"
	ends "$peers/process" KILL
}

@test "an agent that can't says why, and is not asked again" {
	a_peer full
	musterctl client reset "$id"
	peer full hello answer say 151 "$(nack 2 35)" hello close
	reset_is "$id" refused
	run -7 musterctl client reset --wait --timeout 1s "$id"
	assert_output --partial "it is not back yet"
	peer full hello answer say 151 "$(nack 2 35)" hello close
	run -0 musterctl client show "$id"
	assert_line --partial "refused: cannot be stored: no"
	run -0 peer full hello hello close
	refute_output --partial op=RESET
}

@test "an answer to nothing, or to something else, ends no restart" {
	a_peer wrong
	run -1 peer wrong hello say 150 "$(ack 2)" answer
	assert_output --partial "op=NACK sequence=2 code=1 "
	musterctl client reset "$id"
	run -1 peer wrong hello answer say 150 "$(ack 1)" answer close
	assert_output --partial "op=NACK sequence=2 code=1 "
	run -1 peer wrong hello answer say 150 "$(ack 3)" answer close
	# Before its HELLO it has been asked nothing.
	run -1 peer wrong connect-enrolled say 150 "$(ack 2)" answer close
	reset_is "$id" wanted
}

@test "only enrolled machines can be asked; a suspended one that was gets it when it is resumed" {
	a_peer sus
	musterctl client suspend "$id"
	run -5 musterctl client reset "$id"
	assert_output --partial "is suspended: reset is not possible"
	musterctl client resume "$id"
	musterctl client reset "$id"
	musterctl client suspend "$id"
	run -0 peer sus hello hello close
	refute_output --partial op=RESET
	musterctl client resume "$id"
	run -0 peer sus hello answer close
	assert_output --partial op=RESET
	musterctl client revoke "$id"
	run -5 musterctl client reset "$id"
	run -1 peer sus hello
	refute_output --partial op=RESET
	musterctl client remove "$id"
	run -4 musterctl client reset "$id"
	run -4 musterctl client reset ffffffffffffffffffffffffffffffff
	run -2 musterctl client reset
	run -2 musterctl client reset --timeout 5s "$id"
	run -2 musterctl client reset --wait --timeout soon "$id"
	run -22 api POST "/clients/$id/reset" '{"why": "x"}'
}
