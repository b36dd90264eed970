#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What is promised of the programs as they are given to users: on each release, unchanged.
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
	for machine in db web edge; do
		token_for "role=$machine"
		script_to "$machine" --token "$token" --embed
		enrols "$machine"
	done
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

@test "the agent has a sandbox that systemd calls safe on every release" {
	local machine score

	for machine in db web edge; do
		score=$(on "$machine" systemd-analyze security --no-pager muster-agent.service | sed -n 's/.*service: \([0-9.]*\) .*/\1/p')
		echo "$machine: $score"
		awk -v score="$score" 'BEGIN { exit !(score != "" && score <= 1.5) }'
	done
}

@test "an idle agent holds at most 6 MiB, of it 2 MiB of its own" {
	local machine

	for machine in db web edge; do
		run -0 on "$machine" sh -c 'cat /proc/$(systemctl show -P MainPID muster-agent)/smaps_rollup'
		awk '/^(Rss|Anonymous):/ { held[$1] = $2 }
			END { print held["Rss:"], held["Anonymous:"]; exit !(held["Rss:"] <= 6144 && held["Anonymous:"] <= 2048) }' <<<"$output"
	done
}

@test "libraries and start files that the environment names get nothing of muster-enrol" {
	on web sh -c 'mkdir /root/folder && echo "touch /root/folder/start" >/root/start'
	run -0 on web env LD_PRELOAD=/root/evil.so LD_LIBRARY_PATH=/root LD_AUDIT=/root/evil.so LD_DEBUG=all \
		LD_DEBUG_OUTPUT=/root/folder/ld MALLOC_TRACE=/root/folder/malloc GLIBC_TUNABLES=glibc.malloc.check=3 \
		BASH_ENV=/root/start ENV=/root/start SSLKEYLOGFILE=/root/folder/keys muster-enrol --uninstall
	refute_output --partial evil
	run -0 on web ls -A /root/folder
	refute_output
}

# What it is linked with makes the size: OpenSSL 3.5 has three megabytes more than 3.0.
@test "muster-enrol is at most 7 MB, 10 MB where it is made on Debian 13" {
	local most=7000000

	[[ $(openssl version) == "OpenSSL 3.0."* ]] || most=10000000
	(($(stat -c %s "$BUILD/clients/linux/$(uname -m)/muster-enrol") <= most))
}

@test "the static programs name no library" {
	run ldd "$BUILD/muster-enrol" "$BUILD/muster-agent"
	refute_output --partial "=>"
}
