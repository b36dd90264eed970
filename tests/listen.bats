#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Machines that listen: no agent runs until the server has something to say, and none a while after.

bats_require_minimum_version 1.5.0

setup_file()
{
	load helpers
	machines_begin
	server_starts
	machine_boot quiet bookworm-curl &
	machine_boot other trixie-none &
	wait %1 %2
	program_to quiet
	program_to other
}

setup()
{
	load helpers
	server_trust
	address=$(machine_address quiet)
}

teardown_file()
{
	load helpers
	machines_end
}

asleep()
{
	[[ $(on "$1" systemctl show -p ActiveState --value muster-agent.service) == inactive ]] &&
		! on "$1" sh -c 'cat /proc/[0-9]*/comm' | grep -qx muster-agent
}

# An agent that waits for nothing lasts two seconds here.
falls_asleep()
{
	eventually asleep "$1" || fail "an agent runs: $(on "$1" systemctl status muster-agent)"
}

short_idle()
{
	on "$1" sh -c 'echo ListenIdle=2s >>/etc/muster/muster-agent.conf; systemctl reload-or-restart muster-agent'
	falls_asleep "$1"
}

fact()
{
	api GET "/clients/$1" | jq -r "$2"
}

fact_is()
{
	[[ $(fact "$1" "$2") == "$3" ]]
}

has_config()
{
	[[ $(on "$1" cat "/var/lib/private/muster-agent/config/$2" 2>/dev/null) == "$3" ]]
}

unit_is()
{
	[[ $(on "$1" systemctl show -p "$3" --value "$2") == *"$4"* ]]
}

# What takes a server's next attempt, or the end of a crowd.
longer()
{
	patience=180 eventually "$@"
}

push()
{
	printf '%s' "$2" >"$MACHINES_RUN/content"
	musterctl config push "$1" "$MACHINES_RUN/content" "${@:3}"
}

@test "enrolled to listen, a machine has a port, has said where, and needs no process" {
	local id

	run -2 enrols_by_hand quiet --listen=0
	run -2 enrols_by_hand quiet --listen=65536
	run -2 enrols_by_hand quiet --listen=x
	run -2 on quiet /opt/muster-enrol --uninstall --listen
	token_for role=quiet --uses 9
	run enrols_by_hand quiet --listen
	assert_success
	assert_line --partial "muster-agent.socket listens"
	id=$(client_of quiet)
	assert_equal "$(fact "$id" .mode)" listen
	assert_equal "$(fact "$id" .listening.own)" "$address:8444"
	unit_is quiet muster-agent.socket ActiveState active
	on quiet systemctl is-enabled muster-agent.socket muster-agent.service
	short_idle quiet
	run -0 musterctl client list
	assert_line --regexp "quiet .* listens "
	unit_is quiet muster-agent.service Result success
	run -0 on quiet muster-agent status
	assert_output --partial "listening"
	run -0 on quiet /opt/muster-enrol --status
	assert_output --partial "listening"
}

@test "a push reaches it with no agent process before, and none is there a while after" {
	local id

	id=$(client_of quiet)
	falls_asleep quiet
	run -0 push motd "hello there" --client "$id" --wait
	assert_output --partial "1 of 1 machines have what they should"
	has_config quiet motd "hello there"
	falls_asleep quiet
	unit_is quiet muster-agent.socket ActiveState active
	# Signed, like any other's.
	run -0 musterctl receipt list --client "$id"
	assert_output --partial motd
	# What fits it by its labels, and no more, wakes it.
	push db "not here" --to role=db
	push web "here" --to role=quiet --wait
	has_config quiet web here
	has_config quiet db ''
	musterctl client label "$id" role=db
	eventually has_config quiet db "not here"
	eventually has_config quiet web ''
	musterctl client label "$id" role=quiet
	eventually has_config quiet web here
	falls_asleep quiet
}

@test "its hook may take longer than the quiet that ends an agent; a failing one is told" {
	local id

	id=$(client_of quiet)
	on quiet sh -c 'mkdir -p /etc/muster/apply.d
		printf "#!/bin/sh\nsleep 5\ngrep -q good \"\$1\" || { echo no good >&2; exit 1; }\n" >/etc/muster/apply.d/hooked
		chmod 755 /etc/muster/apply.d/hooked'
	run push hooked "bad" --client "$id" --wait
	assert_failure 7
	assert_output --partial "refused"
	has_config quiet hooked ''
	on quiet rm /etc/muster/apply.d/hooked
	falls_asleep quiet
}

@test "it restarts when it is asked to, and says so" {
	local id

	id=$(client_of quiet)
	falls_asleep quiet
	run -0 musterctl client reset --wait --timeout 2m "$id"
	assert_output "$id (quiet) has restarted its agent"
	falls_asleep quiet
}

@test "messages are stored without an agent, and delivered when it is dialled next" {
	local id

	id=$(client_of quiet)
	falls_asleep quiet
	run -0 on quiet muster-agent send "from a sleeping machine"
	push motd "wake up" --client "$id" --wait
	stored()
	{
		api GET "/messages?client=$id" | jq -e 'any(.messages[]; .text == "from a sleeping machine")' >/dev/null
	}
	eventually stored
	falls_asleep quiet
}

# stranger OPTION…: its handshake with the port, and what it gets to read.
stranger()
{
	in_hub timeout 100 openssl s_client -connect "$address:8444" -tls1_3 -quiet "$@" </dev/null 2>&1
}

@test "strangers get nothing: no key, another key, another protocol, or silence" {
	local id dir=$MACHINES_RUN/stranger i

	id=$(client_of quiet)
	mkdir -p "$dir"
	openssl req -x509 -newkey ed25519 -nodes -keyout "$dir/key" -out "$dir/certificate" -subj /CN=muster -days 9 2>/dev/null
	run ! stranger -alpn muster-packet/1
	run ! stranger -alpn muster-packet/1 -cert "$dir/certificate" -key "$dir/key"
	assert_output --partial alert
	run ! stranger -alpn http/1.1
	run ! in_hub timeout 100 openssl s_client -connect "$address:8444" -tls1_2 </dev/null
	# Even this server's own key, by another protocol.
	run ! stranger -alpn http/1.1 -cert "$server/state/tls.pem" -key "$server/state/tls.pem"
	run ! in_hub timeout 100 curl -q -sk "https://$address:8444/"
	# Those who say nothing don't keep the server out, nor the agent awake for ever.
	for i in {1..40}; do
		in_hub timeout 200 bash -c "exec 3<>/dev/tcp/$address/8444; cat <&3" &
	done >/dev/null 2>&1
	run -0 push motd "through the crowd" --client "$id" --wait
	has_config quiet motd "through the crowd"
	longer asleep quiet
	assert [ "$(on quiet systemctl show -p NRestarts --value muster-agent.service)" -lt 5 ]
	unit_is quiet muster-agent.socket ActiveState active
}

@test "another server under the same address is not let in, nor is another machine taken for it" {
	local id

	id=$(client_of quiet)
	# The machine's pins are of another server now.
	on quiet sed -i.bak 's|^Pins=.*|Pins=sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=|' /etc/muster/muster-agent.conf
	falls_asleep quiet
	push motd "not for you" --client "$id"
	eventually fact_is "$id" '.listening.error == null' false
	has_config quiet motd "through the crowd"
	on quiet mv /etc/muster/muster-agent.conf.bak /etc/muster/muster-agent.conf
	on quiet systemctl reload-or-restart muster-agent
	# Back again, it gets what it missed; here from an address that an administrator named.
	run -0 musterctl client address "$id" "$address:8444"
	assert_output "$id (quiet) is dialled at $address:8444"
	longer has_config quiet motd "not for you"
	eventually fact_is "$id" .listening.error null
	# Another one listens there: its key is another one.
	token_for role=other
	run -0 enrols_by_hand other --listen=9444
	run -0 musterctl client address "$id" "$(machine_address other):9444"
	longer fact_is "$id" .listening.error "another TLS key is shown there than the machine enrolled with"
	run -0 musterctl client address "$id" none
	eventually fact_is "$id" .listening.error null
	run -2 musterctl client address "$id" 0.0.0.0:8444
	run -2 musterctl client address "$id" "$address"
	run -2 musterctl client address "$id" "$address:0"
	run -4 musterctl client address ffffffffffffffffffffffffffffffff "$address:8444"
	uninstalls other
}

@test "a machine that isn't reached is tried again, and gets all at once when it is" {
	local id

	id=$(client_of quiet)
	falls_asleep quiet
	on quiet systemctl stop muster-agent.socket
	push motd "first" --client "$id"
	eventually fact_is "$id" .listening.error "Connection refused"
	push motd "second" --client "$id"
	run push motd "third" --client "$id" --wait
	assert_failure 7
	assert_output --partial offline
	server_restarts
	on quiet systemctl start muster-agent.socket
	longer has_config quiet motd "third"
	falls_asleep quiet
}

@test "suspended and resumed, it is told each time" {
	local id

	id=$(client_of quiet)
	falls_asleep quiet
	musterctl client suspend --reason "look into it" "$id"
	said()
	{
		log_of quiet muster-agent | grep -q "$1"
	}
	eventually said "has suspended this machine: look into it"
	push motd "held back" --client "$id"
	falls_asleep quiet
	has_config quiet motd third
	musterctl client resume "$id"
	longer has_config quiet motd "held back"
	falls_asleep quiet
}

@test "after a reboot it says once where it is, and sleeps again" {
	local id hellos

	id=$(client_of quiet)
	falls_asleep quiet
	hellos=$(server_log | grep -c "quiet ($id) at $address is connected")
	machine_reboot quiet
	greeted()
	{
		(($(server_log | grep -c "quiet ($id) at $address is connected") > hellos))
	}
	eventually greeted
	unit_is quiet muster-agent.socket ActiveState active
	push motd "after the reboot" --client "$id" --wait
	has_config quiet motd "after the reboot"
	longer asleep quiet
}

@test "revoked, it is dialled, wipes its keys and closes its port" {
	local id

	id=$(client_of quiet)
	falls_asleep quiet
	musterctl client revoke --reason "sold" "$id"
	eventually unit_is quiet muster-agent.service ExecMainStatus 77
	run -1 on quiet test -e /var/lib/private/muster-agent/identity.key
	eventually unit_is quiet muster-agent.socket ActiveState failed
	run ! in_hub timeout 100 bash -c "exec 3<>/dev/tcp/$address/8444"
	# It knows, so it isn't looked for any more.
	eventually fact_is "$id" .listening null
	run -0 uninstalls quiet --purge
	run -1 on quiet test -e /etc/systemd/system/muster-agent.socket
	run -1 on quiet test -e /run/muster-send
}

@test "an enrolment whose port is taken is undone, all of it" {
	on quiet sh -c 'mkdir -p /run/systemd/system
		printf "[Socket]\nListenStream=7002\n" >/run/systemd/system/taken.socket
		printf "[Service]\nExecStart=/bin/sleep 1d\n" >/run/systemd/system/taken.service
		systemctl daemon-reload; systemctl start taken.socket'
	remember quiet
	token_for role=quiet
	run enrols_by_hand quiet --listen=7002
	assert_failure
	assert_untouched quiet
	unit_is quiet muster-agent.socket LoadState not-found
	unit_is quiet muster-agent.service LoadState not-found
	on quiet systemctl stop taken.socket
}

@test "uninstalled, nothing of it is left, and the server doesn't look for it" {
	local id

	remember quiet
	token_for role=quiet --uses 2
	run -0 enrols_by_hand quiet --listen=7001
	id=$(client_of quiet)
	assert_equal "$(fact "$id" .listening.own)" "$address:7001"
	run -0 uninstalls quiet --purge
	assert_equal "$(fact "$id" .state)" left
	assert_equal "$(fact "$id" .mode)" connect
	assert_untouched quiet
	# Enrolled without it, it connects.
	run -0 enrols_by_hand quiet
	id=$(client_of quiet)
	assert_equal "$(fact "$id" .mode)" connect
	eventually fact_is "$id" .connected true
}
