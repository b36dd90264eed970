#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What an administrator makes of a machine: suspended, resumed, revoked, removed. Two real machines, and peers that
# keep their keys and connections whatever they are told. Heartbeats are an hour apart: what a machine hears meanwhile
# is told it at once, and is no answer to anything.

bats_require_minimum_version 1.5.0

setup_file()
{
	load helpers
	machines_begin
	server_configured
	sed -i 's/^Heartbeat=.*/Heartbeat=1h/' "$server/muster-server.conf"
	server_starts
	machine_boot web bookworm-curl &
	machine_boot db trixie-none &
	wait
	token_for role=test --uses unlimited
	for machine in web db; do
		program_to "$machine"
		enrols_by_hand "$machine"
	done
}

setup()
{
	load helpers
	server_trust
	peers=$MACHINES_RUN/peers
	mkdir -p "$peers"
}

teardown()
{
	[[ ! -e $peers/process ]] || peer_ends
}

teardown_file()
{
	load helpers
	machines_end
}

### Peers

# The same in the background; it tells into $peers/told, and goes on past "wait" with peer_resumes.
peer_starts()
{
	local dir=$peers/$1

	shift
	mkdir -p "$dir"
	rm -f "$peers/in"
	mkfifo "$peers/in"
	: >"$peers/told"
	(
		close_inherited
		exec_in_hub "$BUILD/tests/helpers/peer" --server 10.99.0.1:8443 --server-key "$server_key" --dir "$dir" "$@"
	) <>"$peers/in" >>"$peers/told" 2>&1 &
	echo "$! $(process_birth $!)" >"$peers/process"
	disown
}

peer_resumes()
{
	echo >"$peers/in"
}

peer_has_told()
{
	grep -q -- "$1" "$peers/told"
}

peer_ends()
{
	ends "$peers/process" KILL
}

id_of()
{
	tr -d '\n' <"$peers/$1/id"
}

### Asking

state_of()
{
	on "$1" muster-agent status --json | jq -r .state
}

in_state()
{
	[[ $(state_of "$1") == "$2" ]]
}

fact()
{
	api GET "/clients/$1" | jq -r "$2"
}

is_away()
{
	[[ $(fact "$1" .connected) == false ]]
}

audited()
{
	api GET "/audit?last=5" | jq -e --arg act "$1" --arg object "$2" \
		'any(.entries[]; .act == $act and .object == $object and (.actor | startswith("uid:0")))' >/dev/null
}

unit_shows()
{
	[[ $(on "$1" systemctl show -p "$2" --value muster-agent) == *"$3"* ]]
}

@test "suspended, a machine stays connected, and both sides say so" {
	local id pid

	id=$(client_of web)
	pid=$(on web systemctl show -p MainPID --value muster-agent)
	eventually in_state web connected
	run -0 musterctl client suspend --reason "disk is being looked at" "${id:0:8}"
	assert_output "$id (web) is suspended"
	eventually in_state web suspended
	run -3 on web muster-agent status
	assert_line --partial "disk is being looked at"
	eventually unit_shows web StatusText "suspended there"
	assert_equal "$(fact "$id" .state)" suspended
	assert_equal "$(fact "$id" .reason)" "disk is being looked at"
	assert_equal "$(fact "$id" .connected)" true
	audited client.suspend "$id"
	run -0 server_log
	assert_output --partial "web ($id) is suspended, by uid:0"
	run -0 musterctl client list --state suspended
	assert_output --partial web
	refute_output --partial " db "
	# Also on its next connection, and after the server's restart.
	server_restarts
	still_suspended()
	{
		[[ $(fact "$id" .connected) == true ]] && in_state web suspended
	}
	eventually still_suspended
	run -0 musterctl client resume "$id"
	eventually in_state web connected
	audited client.resume "$id"
	assert_equal "$(on web systemctl show -p MainPID --value muster-agent)" "$pid"
}

@test "what is not possible in a state is refused and said" {
	local id

	id=$(client_of web)
	run -0 musterctl client resume "$id"
	assert_output "$id (web) is enrolled"
	run -4 musterctl client revoke 0123456789abcdef0123456789abcdef
	run -4 musterctl client revoke '../tokens'
	run -2 musterctl client revoke
	run -2 musterctl client suspend --reason $'two\nlines' "$id"
	assert_output --partial "'reason'"
	run -22 api POST "/clients/$id/suspend" '{"why": "x"}'
	assert_output --partial unknown-field
	run -22 api GET "/clients/$id/suspend"
	assert_equal "$(fact "$id" .state)" enrolled
}

@test "labels are added, replaced and taken away, as one act" {
	local id

	id=$(client_of web)
	run -0 musterctl client label "$id" role=db canary site=zrh
	assert_output "$id (web) has the labels canary role=db site=zrh"
	audited client.label "$id"
	run -0 musterctl client label -site "$id" role=web -canary
	assert_output "$id (web) has the labels role=web"
	run -0 musterctl client list --label role=web --json
	assert_equal "$(jq -r '.clients[].hostname' <<<"$output")" web
	run -0 musterctl audit list --last 1 --json
	assert_equal "$(jq -r '.entries[].detail' <<<"$output")" \
		"hostname=web labels=role=web before=canary,role=db,site=zrh"
	# What changes nothing is not an act.
	run -0 musterctl client label "$id" role=web -absent
	assert_equal "$(musterctl audit list --last 1 --json | jq -r '.entries[].detail')" \
		"hostname=web labels=role=web before=canary,role=db,site=zrh"
	# All or nothing.
	run -2 musterctl client label "$id" a=1 'Bad Label'
	run -2 musterctl client label "$id" a=1 '-role=web'
	# shellcheck disable=SC2046
	run -2 musterctl client label "$id" $(printf 'n%d ' {1..40})
	assert_output --partial "more than 32"
	run -2 musterctl client label "$id"
	run -4 musterctl client label ffffffffffffffffffffffffffffffff a
	assert_equal "$(fact "$id" '.labels | join(" ")')" role=web
	run -0 musterctl client label "$id" role=test -role
	assert_equal "$(fact "$id" '.labels | join(" ")')" role=test
	eventually in_state web connected
}

has_config()
{
	[[ $(on "$1" cat "/var/lib/private/muster-agent/config/$2" 2>/dev/null) == "$3" ]]
}

@test "with other labels it gets other configurations, at once" {
	local id

	id=$(client_of web)
	eventually in_state web connected
	echo one >"$MACHINES_RUN/one"
	echo two >"$MACHINES_RUN/two"
	musterctl config push motd "$MACHINES_RUN/one" --to role=web
	musterctl config push motd "$MACHINES_RUN/two" --to role=db
	musterctl client label "$id" role=web
	eventually has_config web motd one
	musterctl client label "$id" role=db
	eventually has_config web motd two
	musterctl client label "$id" role=test
	eventually has_config web motd ''
}

@test "suspended it gets no configuration; resumed it gets the newest at once" {
	local id

	id=$(client_of web)
	musterctl client suspend "$id"
	eventually in_state web suspended
	musterctl config push motd "$MACHINES_RUN/one" --client "$id"
	musterctl config push motd "$MACHINES_RUN/two" --client "$id"
	on web systemctl restart muster-agent
	eventually in_state web suspended
	sleep 1
	has_config web motd ''
	musterctl client resume "$id"
	eventually has_config web motd two
	in_state web connected
	eventually is_current
}

is_current()
{
	[[ $(musterctl config status motd --json | jq -r '.clients[].state' | sort -u) == current ]]
}

### Approval: the machine db, uninstalled for it

# shellcheck disable=SC2034 # token_id: uses_spent reads it
approval_token()
{
	read -r token token_id < <(musterctl token create --approve --label role=guest --uses "${1:-1}" --json |
		jq -r '"\(.token) \(.id)"')
}

pending_id()
{
	musterctl client list --state pending --json | jq -er '.clients[0].id'
}

enrols_in_background()
{
	(
		close_inherited
		code=0
		enrols_by_hand db || code=$?
		echo "exit $code"
	) >"$peers/enrolling" 2>&1 &
	disown
}

enrolling_has_told()
{
	grep -q -- "$1" "$peers/enrolling"
}

nothing_installed()
{
	run -1 on db test -e /usr/local/sbin/muster-agent
	run -1 on db test -e /etc/systemd/system/muster-agent.service
	run -1 on db test -e /etc/muster/muster-agent.conf
}

@test "a machine that has to be approved waits, keeps its place, and is installed only then" {
	local id

	uninstalls db
	approval_token
	enrols_in_background
	eventually pending_id
	id=$(pending_id)
	eventually enrolling_has_told "has to approve this machine first, as client $id"
	nothing_installed
	assert_equal "$(uses_spent)" 1
	assert_equal "$(fact "$id" .connected)" false
	run -5 musterctl client suspend "$id"
	# The server goes and comes back; the place is kept.
	server_dies
	server_starts
	cut_network db
	join_network db
	sleep 2
	assert_equal "$(pending_id)" "$id"
	nothing_installed
	run -0 musterctl client approve "$id"
	assert_output "$id (db) is enrolled"
	audited client.approve "$id"
	eventually enrolling_has_told "exit"
	enrolling_has_told "exit 0"
	assert_equal "$(client_of db)" "$id"
	eventually in_state db connected
	assert_equal "$(uses_spent)" 1
}

@test "refused, it is undone and says so; its use is spent" {
	local id

	uninstalls db
	approval_token
	enrols_in_background
	eventually pending_id
	id=$(pending_id)
	eventually enrolling_has_told "waiting for that"
	musterctl client refuse --reason "not one of ours" "$id"
	eventually enrolling_has_told "exit"
	enrolling_has_told "exit 17"
	enrolling_has_told "not one of ours"
	nothing_installed
	assert_equal "$(fact "$id" .state)" revoked
	assert_equal "$(uses_spent)" 1
	run -5 musterctl client approve "$id"
}

@test "interrupted while it waits, it takes its enrolment back" {
	local id

	approval_token
	enrols_in_background
	eventually pending_id
	eventually enrolling_has_told "waiting for that"
	# shellcheck disable=SC2016 # the machine's shell's
	on db sh -c 'kill -INT $(pidof muster-enrol)'
	eventually enrolling_has_told "exit"
	enrolling_has_told "exit 130"
	nothing_installed
	assert_equal "$(uses_spent)" 0
	run ! pending_id
}

@test "a pending peer may say nothing but ENROL and LEAVE" {
	approval_token 9
	run -3 peer eager connect enrol "$token" hello
	refute_output --partial op=ACK
	run ! peer eager connect-enrolled hello
	refute_output --partial op=ACK
	run peer leaver connect enrol "$token" leave
	assert_line --partial "op=STATE state=1"
	assert_line --partial "op=ACK"
	musterctl client remove "$(pending_id)"
	token_for role=test
	enrols_by_hand db
}

@test "of several each gets its answer, and one failure is the exit code" {
	local id

	peer_enrolled several
	id=$(id_of several)
	run -4 musterctl client suspend "$id" ffffffffffffffffffffffffffffffff "$(client_of web)"
	assert_line --partial "there is no client 'ffffffffffffffffffffffffffffffff'"
	assert_equal "$(fact "$id" .state)" suspended
	assert_equal "$(fact "$(client_of web)" .state)" suspended
	run -0 musterctl client resume "$id" "$(client_of web)"
	eventually in_state web connected
	musterctl client remove "$id"
}

@test "a suspended peer is told before its HELLO is acknowledged; LEAVE is taken" {
	local id

	peer_enrolled slow
	id=$(id_of slow)
	musterctl client suspend "$id"
	run -0 peer slow connect-enrolled hello answer leave
	assert_line --index 0 --partial "op=STATE"
	assert_equal "$(fact "$id" .state)" left
	run -5 musterctl client resume "$id"
	assert_output --partial "is left"
}

@test "revoked, open connections die at once and the key is refused for ever" {
	local id

	peer_enrolled thief
	id=$(id_of thief)
	peer_starts thief connect-enrolled hello answer closed
	eventually peer_has_told op=ACK
	musterctl client revoke --reason "key was stolen" "$id"
	eventually peer_has_told closed
	peer_has_told op=STATE
	eventually is_away "$id"
	run -1 peer thief hello
	assert_output --partial "code=22"
	assert_output --partial "key was stolen"
	run -1 peer thief connect-enrolled leave
	assert_equal "$(fact "$id" .state)" revoked
	# Under the same keys there is no way back, by no token.
	token_for role=test
	run -1 peer thief connect enrol "$token"
	assert_output --partial "code=22"
	assert_equal "$(uses_spent)" 0
	# Nor under its TLS key and a new identity.
	mv "$peers/thief/identity.key" "$peers/thief/old"
	run -1 peer thief connect enrol "$token"
	assert_equal "$(uses_spent)" 0
	mv -f "$peers/thief/old" "$peers/thief/identity.key"
	run -5 musterctl client resume "$id"
	audited client.revoke "$id"
	server_restarts
	run -1 peer thief hello
	assert_output --partial "code=22"
}

@test "who reads nothing and goes on talking is cut off all the same" {
	local id

	peer_enrolled deaf
	id=$(id_of deaf)
	peer_starts deaf record "$peers/hello" connect-enrolled hello wait replay "$peers/hello" hello hello
	eventually peer_has_told op=ACK
	musterctl client revoke "$id"
	# Its own socket is not closed by it: the server's end is.
	cut_off()
	{
		! in_hub ss -Htn state established "( sport = :8443 )" | grep -q . ||
			[[ $(fact "$id" .connected) == false ]]
	}
	eventually cut_off
	peer_resumes
	eventually gone "$peers/process"
	assert_equal "$(grep -c op=ACK "$peers/told")" 1
	assert_equal "$(fact "$id" .state)" revoked
}

@test "a connection that has not said HELLO yet dies with the others" {
	local id

	peer_enrolled silent
	id=$(id_of silent)
	peer_starts silent connect-enrolled wait answer closed
	eventually peer_has_told waiting
	peer_resumes
	musterctl client revoke "$id"
	eventually peer_has_told closed
	peer_has_told "op=STATE state=3"
}

@test "revoked, the agent wipes its keys, ends, stays ended and says why" {
	local id

	id=$(client_of db)
	eventually in_state db connected
	on db test -s /var/lib/private/muster-agent/identity.key
	musterctl client revoke --reason "stolen from the rack" "$id"
	eventually unit_shows db SubState failed
	unit_shows db ExecMainStatus 77
	unit_shows db StatusText "stolen from the rack"
	run on db systemctl status muster-agent
	assert_output --partial "stolen from the rack"
	run -1 on db test -e /var/lib/private/muster-agent/identity.key
	run -1 on db test -e /var/lib/private/muster-agent/tls.pem
	sleep 12 # longer than RestartSec=
	unit_shows db SubState failed
	unit_shows db NRestarts 0
	# Neither does a start by hand.
	run ! on db systemctl start muster-agent
	unit_shows db ExecMainStatus 77
	unit_shows db StatusText "stolen from the rack"
	run -0 log_of db muster-agent
	assert_output --partial "run muster-enrol --uninstall"
}

@test "it can be enrolled anew, as another client" {
	local old

	old=$(client_of db)
	run -0 uninstalls db
	token_for role=test
	run -0 enrols_by_hand db
	refute [ "$(client_of db)" = "$old" ]
	assert_equal "$(fact "$old" .state)" revoked
	eventually in_state db connected
}

@test "removed while it was away, a machine learns it within one HELLO" {
	local id

	id=$(client_of db)
	cut_network db
	run -0 musterctl client remove "$id"
	assert_output "$id (db) is removed"
	run -4 musterctl client show "$id"
	run -0 musterctl client list
	refute_output --partial "${id:0:12}"
	audited client.remove "$id"
	join_network db
	on db systemctl restart muster-agent || true # it may know already
	eventually unit_shows db SubState failed
	unit_shows db ExecMainStatus 77
	run -1 on db test -e /var/lib/private/muster-agent/identity.key
	run -0 musterctl audit verify
}
