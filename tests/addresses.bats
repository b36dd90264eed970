#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# A machine that knows the addresses of three servers on one database: one that is gone costs it nothing but the way to
# another, and an enrolment finds its way too. The servers are a, b and c, at hub:8441 to hub:8443; nobody is at hub:8440.
# Machine one stays enrolled, machine two comes and goes.

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
	machine_boot two bullseye-wget &
	booting+=" $!"
	eventually grep -q host= "$MACHINES_RUN/cluster" || fail "$(cat "$MACHINES_RUN/cluster-log")"
	for at in a b c; do
		begins "$at"
	done
	# shellcheck disable=SC2086 # two numbers
	wait $booting
	of a server_trust
	of a token_for role=test
	program_to one
	program_to two
	remember two
	enrols_at one 'hub:8441 hub:8442' --server hub:8443
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

# enrols_at MACHINE ADDRESSES [OPTION…]
enrols_at()
{
	local machine=$1 addresses=$2

	shift 2
	on "$machine" /opt/muster-enrol --server "$addresses" --pin "$pin" --server-key "$server_key" \
		--release-key "$release_key" "$@" <<<"$token"
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
		printf '%s\n' '[server]' "Listen=10.99.0.1:844$number" "Name=hub:844$number" 'Name=hub:8440' "State=$at/state" \
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

# Pauses of chance are among what it waits for.
becomes()
{
	patience=120 eventually "$@" ||
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

servers_of()
{
	on "$1" sed -n 's/^Server=//p' /etc/muster/muster-agent.conf | xargs
}

leaves()
{
	run -0 uninstalls two --purge
	assert_untouched two
}

### Enrolling

@test "the script has the names that the server's configuration has, and the first of them that answers enrols" {
	of b token_for role=test
	of b api POST /installer "{\"token\":\"$token\"}" >"$MACHINES_RUN/script"
	run -0 grep "server=" "$MACHINES_RUN/script"
	assert_output --partial "server='hub:8442 hub:8440'"
	sed "s/'hub:8442 hub:8440'/'hub:8440 hub:8442 hub:8443'/" "$MACHINES_RUN/script" |
		on two sh -c 'umask 077; cat >/root/install.sh'
	run -0 enrols two
	assert_line --partial "from hub:8442 by wget"
	assert_line --regexp 'connect +hub:8442, pinned key'
	assert_equal "$(servers_of two)" "hub:8442 hub:8440 hub:8443"
	becomes holder two
	run -0 on two muster-enrol --status
	assert_line --regexp "^server +hub:844$(holder two | tr abc 123)\$"
	assert_line --regexp '^others .*hub:8440'
	assert_equal "$(on two muster-enrol --status --json | jq -c .servers)" '["hub:8442","hub:8440","hub:8443"]'
	# It leaves at whichever is there.
	stops b
	run -0 uninstalls two --purge
	assert_line --partial "going on with hub:8443"
	assert_line --partial "hub:8443 lists this machine as left"
	assert_untouched two
}

@test "a dead address is passed over by muster-enrol too, which says so" {
	of a token_for role=test
	run -0 enrols_at two 'hub:8440 nowhere.invalid:1 hub:8443'
	assert_line --regexp "server +cannot reach hub:8440 .*; cannot find the address of nowhere.invalid:1 .*; going on with hub:8443"
	assert_equal "$(of a uses_spent)" 1
	leaves
}

@test "where none serves the error names them all, and nothing is spent or changed" {
	of a token_for role=test
	run -6 enrols_at two 'hub:8440 nowhere.invalid:1' --server hub:8439
	assert_output --partial "none of these serves: hub:8440, nowhere.invalid:1, hub:8439; cannot reach hub:8440"
	assert_untouched two
	assert_equal "$(of a uses_spent)" 0
}

@test "an address with another key gets nothing: another one enrols, and where there is none the code tells" {
	local trusted=("$pin" "$server_key" "$release_key")

	of a token_for role=test
	of a hostile_starts wrong-tls-key
	pin=${trusted[0]} server_key=${trusted[1]} release_key=${trusted[2]}
	run -7 enrols_at two "hub:$port hub:8440"
	assert_output --partial "none of these serves: hub:$port, hub:8440; hub:$port shows another TLS key"
	assert_untouched two
	run -0 enrols_at two "hub:$port hub:8443"
	assert_line --regexp "server +hub:$port shows another TLS key than the pinned one, so nothing was sent.*going on with hub:8443"
	run ! helper_has_told received
	helper_ends
	becomes holder two
	leaves
}

@test "a server that dies with the answer to ENROL: another gives the same answer, and one use is spent" {
	local down client

	of a token_for role=test
	helper_starts cutter --listen 0.0.0.0:0 --to 10.99.0.1:8443 --connection 0
	enrols_at two "hub:$port" --dry-run >/dev/null
	eventually helper_has_told "1 closed"
	down=$(sed -n 's/^1 closed \([0-9]*\) .*/\1/p' "$MACHINES_RUN/helper.log")
	helper_ends
	helper_starts cutter --listen 0.0.0.0:0 --to 10.99.0.1:8443 --after $((down + 60)) --then end
	run -0 enrols_at two "hub:$port hub:8442"
	assert_line --regexp "server +cannot reach hub:$port .*; going on with hub:8442"
	assert_equal "$(of a uses_spent)" 1
	client=$(client_of two)
	assert_equal "$(of a api GET "/tokens/$token_id" | jq -r '.clients[].id')" "$client"
	becomes holder two
	assert_equal "$(holder two)" b
	leaves
}
