#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# A machine that knows the addresses of three servers on one database: one that is gone costs it nothing but the way to
# another. The servers are a, b and c, at hub:8441 to hub:8443; nobody is at hub:8440.

bats_require_minimum_version 1.5.0

# The cluster ends with the end of its standard input, which is a FIFO that this file's shell holds.
setup_file()
{
	local at

	load helpers
	machines_begin
	mkfifo "$MACHINES_RUN/to-cluster"
	"$BATS_TEST_DIRNAME/cluster" <"$MACHINES_RUN/to-cluster" >"$MACHINES_RUN/cluster" 2>"$MACHINES_RUN/cluster-log" 3>&- &
	exec 7>"$MACHINES_RUN/to-cluster"
	machine_boot one bookworm-curl &
	local booting=$!
	eventually grep -q host= "$MACHINES_RUN/cluster" || fail "$(cat "$MACHINES_RUN/cluster-log")"
	for at in a b c; do
		begins "$at"
	done
	wait "$booting"
	of a server_trust
	of a token_for role=test
	port=8441
	program_to one
	enrols_by_hand one
	on one sh -c 'sed -i "s/^Server=.*/Server=hub:8441 hub:8442\nServer=hub:8443/" /etc/muster/muster-agent.conf
		systemctl restart muster-agent'
}

setup()
{
	local at

	load helpers
	of a server_trust
	for at in a b c; do
		begins "$at"
	done
}

teardown_file()
{
	load helpers
	machines_end
	exec 7>&-
}

# of SERVER COMMAND…: one of helpers.bash is about that server.
of()
{
	local server=$MACHINES_RUN/$1

	shift
	"$@"
}

# begins SERVER: starts it unless it runs, with the keys of the first.
begins()
{
	local at=$MACHINES_RUN/$1 number

	number=$(tr abc 123 <<<"$1")
	! process_alive "$at/process" || return 0
	if [[ ! -e $at ]]; then
		mkdir -p "$at/state"
		chmod 700 "$at/state"
		[[ $1 == a ]] || cp -p "$MACHINES_RUN"/a/state/{identity.key,tls.pem,token.key,release.key,release.pub} "$at/state"
		printf '%s\n' '[server]' "Listen=10.99.0.1:844$number" "Name=hub:844$number" "State=$at/state" \
			"Control=$at/control.sock" "Clients=$BUILD/clients" 'Heartbeat=10s' \
			"Store=$(head -n 1 "$MACHINES_RUN/cluster")" '[dashboard]' 'Listen=none' >"$at/conf"
	fi
	background "$at/process" "$at/log" "$BUILD/muster-server" --config "$at/conf" 7>&-
	eventually of "$1" server_answers || fail "it doesn't answer: $(cat "$at/log")"
	! gone "$at/process" || fail "it doesn't start: $(cat "$at/log")"
}

# stops SERVER [SIGNAL]
stops()
{
	ends "$MACHINES_RUN/$1/process" "${2:-TERM}"
}

# The name of the server that the machine hangs on, by its own word.
holder()
{
	on "$1" muster-agent status --json | jq -r 'select(.state == "connected").server' | sed 's/.*:844//' | tr 123 abc | grep .
}

# Longer than eventually: a busy machine, and pauses of chance.
becomes()
{
	local _

	for _ in {1..6}; do
		! eventually "$@" || return 0
	done
	fail "never: $*: $(on one muster-agent status)"
}

held_by_other_than()
{
	local now

	now=$(holder "$1") && [[ $now != "$2" ]]
}

# Any of those that run.
living()
{
	local at

	for at in a b c; do
		! process_alive "$MACHINES_RUN/$at/process" || { echo "$at" && return; }
	done
}

texts_are()
{
	[[ $(of "$(living)" musterctl --json message list --all --type "$1" | jq -r '.messages[].text' | xargs) == "$2" ]]
}

@test "kill -9 of the server that it hangs on: it is at another, a message comes once, a configuration comes" {
	local was other

	becomes holder one
	was=$(holder one)
	on one muster-agent send --type kept "before"
	becomes texts_are kept "before"
	stops "$was" KILL
	on one muster-agent send --type kept "meanwhile"
	other=$(living)
	echo "of the others" >"$MACHINES_RUN/file"
	of "$other" musterctl config push "after-$was" "$MACHINES_RUN/file" --all
	becomes held_by_other_than one "$was"
	becomes texts_are kept "before meanwhile"
	becomes on one grep -q "of the others" "/var/lib/muster-agent/config/after-$was"
	begins "$was"
	assert_equal "$(of "$was" musterctl --json message list --all --type kept | jq '.messages | length')" 2
}

@test "two are gone: it finds the third, wherever it begins" {
	local was

	becomes holder one
	was=$(holder one)
	for at in a b c; do
		[[ $at == "$was" ]] || stops "$at" KILL
	done
	for _ in 1 2 3; do
		on one systemctl restart muster-agent
		becomes holder one
		assert_equal "$(holder one)" "$was"
	done
}

@test "all are gone: it says that none serves, and is back when one is" {
	local at

	for at in a b c; do
		stops "$at"
	done
	becomes says_none
	begins b
	becomes holder one
	assert_equal "$(holder one)" b
}

says_none()
{
	[[ $(on one muster-agent status --json | jq -r '.state + " " + .detail') == "waiting none of 3 addresses serves; the last: cannot reach hub:844"* ]]
}

@test "a mistake among the addresses is named with its line, and the agent goes on with what it had" {
	local bad

	becomes holder one
	on one cp -p /etc/muster/muster-agent.conf /root/kept.conf
	for bad in 'hub:8441' 'hub' 'http://hub:1' 'hub:8444,hub:8445' 'a:1 a:2 a:3 a:4 a:5 a:6'; do
		on one sh -c 'cat /root/kept.conf >/etc/muster/muster-agent.conf; echo "Server=$1" >>/etc/muster/muster-agent.conf
			systemctl reload muster-agent' - "$bad"
		eventually on one sh -c "journalctl -q -o cat -n 4 -u muster-agent | grep -q 'muster-agent.conf:$(on one sh -c \
			'wc -l </etc/muster/muster-agent.conf'): Server= '"
		becomes holder one
	done
	on one cp -p /root/kept.conf /etc/muster/muster-agent.conf
	on one systemctl reload muster-agent
	becomes holder one
}
