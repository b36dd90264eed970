#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What an administrator does first: a token, a script, a machine.
# shellcheck disable=SC2154,SC2016 # variables of helpers.bash; what the machines' shells expand

bats_require_minimum_version 1.5.0

setup_file()
{
	load helpers
	machines_begin
	server_starts
	machine_boot db bullseye-wget &
	machine_boot web bookworm-curl &
	machine_boot edge trixie-none &
	wait
}

setup()
{
	load helpers
}

teardown_file()
{
	load helpers
	machines_end
}

is_away()
{
	[[ $(api GET "/clients/$1" | jq -r .connected) == false ]]
}

connected()
{
	[[ $(api GET "/clients/$1" | jq -r .connected) == true ]]
}

@test "Debian 11 with wget only enrols by its script and is connected, with its token's labels" {
	token_for role=db site=lab
	script_to db --token "$token"
	run -0 enrols db
	assert_output --partial "by wget"
	run -0 api GET "/clients/$(client_of db)"
	assert_equal "$(jq -r '[.hostname, .connected, .state, .token, (.labels | join(","))] | join(" ")' <<<"$output")" \
		"db true enrolled $token_id role=db,site=lab"
	assert_equal "$(uses_spent)" 1
}

@test "Debian 12 with curl only enrols by its script, the token given on standard input" {
	token_for role=web
	script_to web
	run -0 on web sh /root/install.sh <<<"$token"
	assert_output --partial "by curl"
	eventually connected "$(client_of web)"
}

@test "Debian 13 with neither enrols by a script that carries the program, the token given in MUSTER_TOKEN" {
	token_for role=edge
	script_to edge --embed
	run -0 on edge env MUSTER_TOKEN="$token" sh /root/install.sh </dev/null
	assert_output --partial "from this script"
	eventually connected "$(client_of edge)"
}

@test "an enrolled machine says so when it is enrolled again, and nothing changes" {
	token_for
	script_to web --token "$token"
	remember web
	run -5 enrols web
	assert_output --partial "$(client_of web)"
	assert_untouched web
	assert_equal "$(uses_spent)" 0
}

@test "the agent's files are its own, and its keys nobody else's" {
	local machine

	for machine in db web edge; do
		run -0 on "$machine" sh -c 'cd /var/lib/private/muster-agent && stat -c "%a %n" . *'
		assert_line "700 ."
		assert_line "600 identity.key"
		assert_line "600 tls.pem"
		refute_line --regexp '^(.[^0].|..[^0]) '
		assert_equal "$(on "$machine" stat -c %U:%G /usr/local/sbin/muster-agent /etc/muster/muster-agent.conf | sort -u)" root:root
	done
}

@test "systemctl status tells a person what the agent is doing" {
	eventually says_so
}

says_so()
{
	[[ $(on web systemctl show -P StatusText muster-agent) =~ ^Connected\ to\ hub:8443\ since\ .*,\ last\ HELLO\ acknowledged ]]
}

@test "muster-enrol --status tells of an enrolled machine, for people and for programs" {
	run -0 on web muster-enrol --status
	assert_output --partial "$(client_of web)"
	assert_output --partial "hub:8443"
	run -0 on web muster-enrol --status --json
	assert_equal "$(jq -r .client <<<"$output")" "$(client_of web)"
}

@test "an agent is back by itself after the server was away" {
	local client

	client=$(client_of web)
	eventually connected "$client"
	server_dies
	eventually on web grep -qE '^state=(waiting|connecting)' /run/muster-agent/status
	server_starts
	eventually connected "$client"
}

@test "an agent is back by itself after its machine was restarted" {
	local client

	client=$(client_of edge)
	machine_reboot edge
	eventually connected "$client"
}

@test "an uninstalled machine leaves no file behind, and the server says that it left" {
	local client

	client=$(client_of db)
	run -0 on db muster-enrol --uninstall --purge
	run -0 on db sh -c 'find / -xdev -name "*muster*" ! -path "/proc/*" ! -path "/sys/*" ! -path "/root/*" ! -path "/var/log/*"'
	assert_output ""
	run -0 api GET "/clients/$client"
	assert_equal "$(jq -r .state <<<"$output")" left
	eventually is_away "$client"
}

@test "a machine that left enrols again, as a new client" {
	token_for role=db
	script_to db --token "$token"
	run -0 enrols db
	eventually connected "$(client_of db)"
}

@test "--uninstall without a server works and says that the server still lists the machine" {
	local client

	client=$(client_of db)
	server_dies
	run -0 on db muster-enrol --uninstall
	assert_output --partial "still list"
	server_starts
	run -0 api GET "/clients/$client"
	assert_equal "$(jq -r .state <<<"$output")" enrolled
}

@test "--dry-run verifies everything, spends nothing and changes nothing" {
	token_for role=db
	script_to db --token "$token"
	remember db
	run -0 enrols db --dry-run
	assert_output --partial "signature"
	assert_untouched db
	assert_equal "$(uses_spent)" 0
}

@test "--json tells each step as a line of JSON, and the end" {
	token_for role=db
	script_to db --token "$token"
	run -0 --separate-stderr enrols db --json
	assert_equal "$(jq -rs 'map(select(.state == "done") | .step) | join(" ")' <<<"$output")" \
		"preflight connect token fetch enrol install start"
	assert_equal "$(jq -rs 'last | "\(.result) \(.exit) \(.client)"' <<<"$output")" "enrolled 0 $(client_of db)"
}
