#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A machine's identity in its later life: installed anew, gone for good, copied. Real machines.

bats_require_minimum_version 1.5.0

setup_file()
{
	load helpers
	machines_begin
	server_configured '[limits]' 'IdleTimeout=15s'
	server_starts
	machine_boot web bookworm-curl &
	machine_boot db trixie-none &
	wait
}

setup()
{
	load helpers
	server_trust
}

teardown_file()
{
	load helpers
	machines_end
}

fact()
{
	api GET "/clients/$1" | jq -r "$2"
}

fact_is()
{
	[[ $(fact "$1" "$2") == "$3" ]]
}

# What takes a heartbeat or two.
in_time()
{
	eventually "$@" || eventually "$@" || eventually "$@" || "$@"
}

audited() # ACT OBJECT ACTOR
{
	api GET "/audit?last=20" | jq -e --arg act "$1" --arg object "$2" --arg actor "$3" \
		'any(.entries[]; .act == $act and .object == $object and .actor == $actor)' >/dev/null
}

# With the machine-id that it always has.
enrolled()
{
	on "$1" sh -c 'echo "$1" >/etc/machine-id' sh "$(printf '%s' "$1" | md5sum | cut -c 1-32)"
	program_to "$1"
	token_for "role=$1" --uses 1
	enrols_by_hand "$1"
}

installed_anew()
{
	machine_remove "$1"
	machine_boot "$1" bookworm-curl
}

@test "a machine that was installed anew takes the place of what it was" {
	local old new

	enrolled web
	old=$(client_of web)
	installed_anew web
	enrolled web
	new=$(client_of web)
	[[ $old != "$new" ]]
	in_time fact_is "$old" .state replaced
	assert_equal "$(fact "$old" .replaced_by)" "$new"
	assert_equal "$(fact "$new" .replaces)" "$old"
	assert_equal "$(fact "$new" .state)" enrolled
	audited client.replace "$old" server
	run -0 musterctl client list
	assert_line --regexp "^${old:0:12} .* replaced .* no "
	assert_line --regexp "^${new:0:12} .* enrolled .* yes "
	run -0 musterctl client list --state replaced
	assert_line --regexp "^${old:0:12} "
	refute_output --partial "${new:0:12}"
	run -0 musterctl client show "$new"
	assert_line --regexp "^Replaces +$old"
	run -0 musterctl client show "$old"
	assert_line --regexp "^Replaced by +$new"
	# Nobody waits for it any more.
	echo here >"$MACHINES_RUN/motd"
	run -0 musterctl config push motd "$MACHINES_RUN/motd" --to role=web --wait
	run -0 musterctl config status motd --json
	assert_equal "$(jq -r '.clients[].id' <<<"$output")" "$new"
	musterctl config remove motd --wait
}

@test "a machine that left and enrols again is linked at once" {
	local old new

	old=$(client_of web)
	uninstalls web
	enrolled web
	new=$(client_of web)
	assert_equal "$(fact "$old" .state)" left
	assert_equal "$(fact "$old" .replaced_by)" "$new"
	assert_equal "$(fact "$new" .replaces)" "$old"
}

@test "nobody takes a machine's place by its machine-id while it is heard" {
	local id other

	id=$(client_of web)
	on db sh -c 'echo "$1" >/etc/machine-id' sh "$(on web cat /etc/machine-id)"
	program_to db
	token_for role=db
	enrols_by_hand db
	other=$(client_of db)
	assert_equal "$(fact "$other" .replaces)" null
	assert_equal "$(fact "$other" '.labels | join(" ")')" role=db
	# Off for longer than it may be silent, it is taken for replaced; not any more when it is back.
	musterctl client remove "$other"
	uninstalls db
	on web systemctl stop muster-agent
	token_for role=db
	enrols_by_hand db
	other=$(client_of db)
	in_time fact_is "$id" .state replaced
	assert_equal "$(fact "$other" .replaces)" "$id"
	on web systemctl start muster-agent
	in_time fact_is "$id" .state enrolled
	assert_equal "$(fact "$id" .replaced_by)" null
	assert_equal "$(fact "$other" .replaces)" null
	audited client.return "$id" "client:$id"
	run -0 server_log
	assert_output --partial "is not replaced by $other: they have the same machine-id"
	uninstalls db
}
