#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The agent's life on a real machine after its enrolment.

bats_require_minimum_version 1.5.0

setup_file()
{
	local machine

	load helpers
	machines_begin
	server_starts
	machine_boot old bullseye-wget &
	machine_boot mid bookworm-curl &
	machine_boot new trixie-none &
	wait
	token_for role=test --uses 3
	for machine in old mid new; do
		program_to "$machine"
		enrols_by_hand "$machine"
	done
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

state_of()
{
	on "$1" muster-agent status --json | jq -r .state
}

in_state()
{
	[[ $(state_of "$1") == "$2" ]]
}

# systemd gets to what it is told after the status file is there.
status_text_has()
{
	[[ $(on "$1" systemctl show -P StatusText muster-agent) == "$2"* ]]
}

detail_has()
{
	[[ $(on "$1" muster-agent status --json | jq -r .detail) == *"$2"* ]]
}

# A lost line is noticed after a heartbeat and 30 s more, and the back-off has grown then.
becomes()
{
	patience=180 eventually in_state "$@" ||
	fail "$1 is not $2: $(on "$1" muster-agent status)"
}

pid_of()
{
	on "$1" systemctl show -p MainPID --value muster-agent
}

fact_of()
{
	api GET "/clients/$(client_of "$1")" | jq -r "$2"
}

# Changes a line of the agent's configuration.
configured()
{
	on "$1" sed -i "s|^$2=.*|$2=$3|" /etc/muster/muster-agent.conf
}

@test "it reports what the machine is, on every release" {
	local machine

	for machine in old mid new; do
		becomes "$machine" connected
		assert_equal "$(fact_of "$machine" .hostname)" "$machine"
		assert_equal "$(fact_of "$machine" .boot_id)" "$(on "$machine" cat /proc/sys/kernel/random/boot_id | tr -d -)"
		assert_equal "$(fact_of "$machine" .kernel)" "$(uname -r)"
		assert_equal "$(fact_of "$machine" .os)" \
			"$(on "$machine" sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release)"
		assert_equal "$(fact_of "$machine" .version)" "$(on "$machine" muster-agent --version | cut -d' ' -f2)"
		refute [ "$(fact_of "$machine" .machine)" = "$(on "$machine" cat /etc/machine-id)" ]
	done
}

@test "anybody on the machine may ask what it is doing" {
	machine_user new somebody
	run -0 as somebody new muster-agent status
	assert_line --regexp '^State: +connected$'
	assert_line --regexp '^Server: +hub:8443$'
	run -0 as somebody new muster-agent status --json
	assert_equal "$(jq -r '.state, .client' <<<"$output")" "connected
$(client_of new)"
	eventually status_text_has new "Connected to hub:8443 since"
	run -2 as somebody new muster-agent status --colour
	run -2 as somebody new muster-agent nonsense
	run -78 as somebody new muster-agent --config /nonexistent
}

@test "a new host name is told without a restart" {
	on old sh -c 'hostname renamed || hostnamectl set-hostname renamed'
	renamed()
	{
		[[ $(fact_of old .hostname) == renamed ]]
	}
	eventually renamed
}

@test "when the server is killed it says so, and is back soon after the server is" {
	local machine

	server_dies
	for machine in old mid new; do
		becomes "$machine" waiting
		run -3 on "$machine" muster-agent status
		assert_line --partial "hub:8443"
	done
	eventually status_text_has new "Not connected to hub:8443 since"
	server_starts
	for machine in old mid new; do
		becomes "$machine" connected
	done
}

@test "a failure that repeats is logged once" {
	local before

	before=$(failures_of new)
	server_stops
	becomes new waiting
	sleep 8 # more than two attempts
	server_starts
	becomes new connected
	assert_equal "$(failures_of new)" $((before + 1))
}

failures_of()
{
	log_of "$1" muster-agent | grep -c "cannot reach hub:8443" || true
}

@test "a cut line is noticed, and it is back when the line is" {
	becomes mid connected
	cut_network mid
	patience=180 eventually detail_has mid "does not answer"
	join_network mid
	becomes mid connected
}

@test "under a wrong pin it sends nothing and says what is wrong" {
	local requests

	configured new Pins "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	requests=$(server_log | grep -c "$(client_of new)")
	on new systemctl reload muster-agent
	becomes new waiting
	eventually detail_has new "shows another TLS key than the pinned one, so nothing was sent"
	assert_equal "$(server_log | grep -c "$(client_of new)")" "$requests"
	configured new Pins "$pin"
	on new systemctl reload muster-agent
	becomes new connected
}

@test "a name that doesn't resolve is told" {
	configured new Server nowhere.invalid:8443
	on new systemctl reload muster-agent
	eventually detail_has new "cannot find the address of nowhere.invalid:8443"
	configured new Server hub:8443
	on new systemctl reload muster-agent
	becomes new connected
}

@test "a mistake in the configuration is named; a running agent goes on" {
	local pid

	pid=$(pid_of new)
	configured new Server nonsense
	on new systemctl reload muster-agent
	named()
	{
		on new journalctl -q -o cat -u muster-agent --since -30s |
			grep -q "muster-agent.conf:3: Server= wants HOST:PORT"
	}
	eventually named
	becomes new connected
	assert_equal "$(pid_of new)" "$pid"
	run ! on new systemctl restart muster-agent
	run -0 on new systemctl show -p ExecMainStatus,SubState muster-agent
	assert_output --partial ExecMainStatus=78
	assert_output --partial SubState=failed
	run -3 on new muster-agent status
	assert_output --partial "not running"
	configured new Server hub:8443
	on new systemctl restart muster-agent
	becomes new connected
}

@test "killed, it is started again" {
	local pid

	pid=$(pid_of old)
	on old systemctl kill -s KILL muster-agent
	restarted()
	{
		local now

		now=$(pid_of old)
		[[ $now != 0 && $now != "$pid" ]]
	}
	eventually restarted
	becomes old connected
}

@test "stopped, it ends cleanly and leaves no status behind" {
	on mid systemctl stop muster-agent
	run -0 on mid systemctl show -p Result,ExecMainStatus muster-agent
	assert_output --partial Result=success
	assert_output --partial ExecMainStatus=0
	run -3 on mid muster-agent status --json
	assert_equal "$(jq -r .state <<<"$output")" stopped
	gone_for_server()
	{
		[[ $(fact_of mid .connected) == false ]]
	}
	eventually gone_for_server
	on mid systemctl start muster-agent
	becomes mid connected
}

@test "a server that no longer knows it is told of as a refusal, and asked again" {
	on new sh -c 'echo BackoffCap=1s >>/etc/muster/muster-agent.conf'
	server_stops
	store_aside "$server/state"
	server_starts
	on new systemctl reload muster-agent
	becomes new refused
	server_stops
	store_back "$server/state"
	server_starts
	becomes new connected
}
