#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# muster-enrol --update: what isn't a newer release by the release key changes nothing, what doesn't work is put back,
# and however it ends the machine has an agent.
# shellcheck disable=SC2016 # what the machines' shells expand

bats_require_minimum_version 1.5.0

setup_file()
{
	load helpers
	load releases
	machines_begin
	releases_begin
	server_starts
	machine_boot m bookworm-curl &
	machine_boot quiet trixie-none &
	wait %1 %2
	faults_to m
	token_for role=web --uses 9
	program_to m
	program_to quiet
	enrols_by_hand m
	enrols_by_hand quiet --listen
	on quiet sh -c 'echo ListenIdle=2s >>/etc/muster/muster-agent.conf'
	# By which an older program is put in the place of a newer one.
	on m sh -c 'mkdir /root/first && cp -p /usr/local/sbin/muster-* /root/first/'
	machine_user m mallory
	newer_made
}

setup()
{
	load helpers
	load releases
	server_trust
}

teardown()
{
	helper_ends
	stopped
	pointed m 8443
	on m rm -f /root/hold
}

teardown_file()
{
	load helpers
	machines_end
}

### Machines

updates() # MACHINE OPTION…
{
	local machine=$1

	shift
	on "$machine" "${under[@]}" /usr/local/sbin/muster-enrol --update "$@" </dev/null
}

result()
{
	jq -rs 'last | "\(.result) \(.exit)"'
}

seen_by()
{
	on "$1" sed -n 's/^serial=//p' /var/lib/muster-release
}

# What the tests themselves change on the way isn't looked at.
but_seen()
{
	grep -vE ' (/var/lib/muster-release|/etc/muster|/etc/muster/muster-agent.conf|/root|/root/.*|/var/lib/private/muster-agent/spool.*)( |$)'
}

# The machine's files, but for the release that it has seen, which a release that didn't work is too.
same_but_seen()
{
	local changes

	changes=$(diff <(but_seen <"$MACHINES_RUN/remembered-$1") <(files_of "$1" | but_seen)) ||
		fail "something has changed on $1: $changes"
}

assert_refused() # CODE TEXT
{
	assert_equal "$status" "$1"
	assert_output --partial "$2"
	same_but_seen m
	run -0 on m systemctl is-active muster-agent
}

# Of the first release, however the former test ended.
first_again()
{
	on m sh -c 'rm -rf /usr/local/sbin/.m && mkdir /usr/local/sbin/.m && cp -p /root/first/* /usr/local/sbin/.m/ &&
		mv /usr/local/sbin/.m/* /usr/local/sbin/ && rmdir /usr/local/sbin/.m && systemctl restart muster-agent'
	connected m
}

# started COMMAND…: in the background; its output is in $BATS_TEST_TMPDIR/output.
started()
{
	"$@" >"$BATS_TEST_TMPDIR/output" 2>&1 &
	updater=$!
}

stopped()
{
	[[ -z ${updater-} ]] || { kill "$updater" 2>/dev/null || true; }
}

ended()
{
	status=0
	wait "$updater" || status=$?
	updater=
	output=$(<"$BATS_TEST_TMPDIR/output")
}

### Nothing to do, and refusals

@test "what is up to date says so and stays" {
	local id

	connected m
	remember m
	run -0 updates m
	assert_output --partial "is what is installed"
	assert_untouched m
	run -0 --separate-stderr updates m --json
	assert_equal "$(result <<<"$output")" "up-to-date 0"
	assert_equal "$(jq -rs 'map(select(.state == "done") | .step) | join(" ")' <<<"$output")" "preflight fetch"
	run -0 updates m --dry-run
	refute_output --partial would
	assert_untouched m
	assert_equal "$(seen_by m)" "$(serial_offered)"
	run -0 on m stat -c '%a %U' /var/lib/muster-release
	assert_output "644 root"
}

@test "who isn't root, isn't enrolled, or gives what doesn't go with it, is told so" {
	remember m
	run as mallory m /usr/local/sbin/muster-enrol --update
	assert_refused 3 "only root"
	run updates m --server hub:8443
	assert_refused 2 "--update"
	run updates m --token-file /root/token
	assert_refused 2 "no token"
	run updates m --wait 0
	assert_refused 2 "--wait"
	run on m /usr/local/sbin/muster-enrol --uninstall --wait 3
	assert_refused 2 "--wait"
	run updates m --release 0.1.0
	assert_refused 2 "--release"
	on m mv /etc/muster/muster-agent.conf /root/
	run updates m
	on m mv /root/muster-agent.conf /etc/muster/
	assert_refused 16 "not enrolled"
}

@test "a configuration without the keys is not used" {
	local name

	for name in ReleaseKey ServerKey Pins; do
		on m sed -i.before "/^$name=/d" /etc/muster/muster-agent.conf
		run updates m
		on m mv /etc/muster/muster-agent.conf.before /etc/muster/muster-agent.conf
		assert_equal "$name: $status" "$name: 4"
	done
}

@test "a release that isn't genuine, or is cut off, changes nothing" {
	local mode

	remember m
	on m cp /var/lib/muster-release /root/
	for mode in manifest-other-key:11 manifest-changed:11 agent-truncated:6 agent-shorter:11 agent-other-bytes:11 \
		agent-longer:10 agent-endless:10 wrong-tls-key:7; do
		files=$newer hostile_starts "${mode%:*}"
		pointed m "$port"
		run updates m
		pointed m 8443
		echo "$mode: $output"
		assert_refused "${mode#*:}" ""
		helper_ends
	done
	# The last of them were signed.
	assert_equal "$(seen_by m)" 7
	seen_before
}

seen_before()
{
	on m mv /root/muster-release /var/lib/
}

# The machine asks that port of the hub. The agent, which goes on, isn't told.
pointed()
{
	on "$1" sed -i "s/^Server=.*/Server=hub:$2/" /etc/muster/muster-agent.conf 2>/dev/null || true
}

@test "a release that is older than one seen is refused by that name, and so is another of the same serial" {
	local file=/var/lib/muster-release

	remember m
	on m cp $file /root/
	files=$newer hostile_starts manifest-old
	on m sed -i 's/^serial=.*/serial=4/; s/^version=.*/version=0.2.0/' $file
	pointed m "$port"
	run updates m
	assert_refused 11 "offers an old release: version 0.1.0, serial 3, but this machine has seen version 0.2.0, serial 4"
	assert_equal "$(seen_by m)" 4
	run updates m --dry-run
	assert_refused 11 "offers an old release"
	on m sed -i 's/^serial=.*/serial=3/' $file
	run updates m
	assert_refused 11 "another release than the one that this machine has seen under the same serial, 3"
	# What is installed already is no attack, whoever has counted how.
	helper_ends
	files=$offers hostile_starts manifest-old
	on m sed -i 's/^serial=.*/serial=4/' $file
	pointed m "$port"
	run -0 updates m
	assert_output --partial "is what is installed"
	assert_equal "$(seen_by m)" 4
	pointed m 8443
	# Who can't read what was seen doesn't guess.
	on m sed -i 's/^serial=.*/serial=x/' $file
	run updates m
	assert_refused 4 "$file"
	on m sh -c "rm $file && ln -s /etc/passwd $file"
	run updates m
	assert_equal "$status" 4
	on m rm $file
	seen_before
	# The serials of another key are other ones.
	on m sed -i 's/^key=.*/key=RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3/; s/^serial=.*/serial=99/' $file
	run -0 updates m
	assert_equal "$(seen_by m)" "$(serial_offered)"
	assert_untouched m
}

@test "who asks for one release gets no other, and that one isn't noted either" {
	local other

	other=$(printf '%064d' 0)
	remember m
	run updates m --release "$other"
	assert_refused 19 "offers another release, $(release_offered | cut -c 1-12) of version 0.1.0"
	assert_untouched m
	run updates m --release "$other" --dry-run
	assert_refused 19 "another release"
	run --separate-stderr updates m --release "$other" --json
	assert_equal "$(result <<<"$output")" "failed 19"
	run -0 updates m --release "$(release_offered)"
	assert_output --partial "is what is installed"
	assert_untouched m
}

@test "a server that is away, or shows another key, changes nothing" {
	remember m
	pointed m 1
	run updates m
	assert_refused 6 "cannot reach"
	on m sed -i.before 's|^Pins=.*|Pins=sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=|' /etc/muster/muster-agent.conf
	pointed m 8443
	run updates m
	on m mv /etc/muster/muster-agent.conf.before /etc/muster/muster-agent.conf
	pointed m 8443
	assert_refused 7 ""
	assert_untouched m
}

@test "an agent that was stopped is not updated" {
	newer_released
	on m systemctl stop muster-agent
	run updates m
	assert_equal "$status" 15
	assert_output --partial "does not run"
	on m systemctl start muster-agent
	connected m
}

### What is planted

@test "what local users plant is neither followed nor in the way" {
	as mallory m sh -c 'for f in .muster-enrol muster-agent muster-enrol muster-release muster-update; do ln -s /etc/shadow /tmp/$f; done'
	on m sh -c 'mkdir -m 1777 /var/tmp/there && ln -s /var/tmp/there /usr/local/sbin/.muster-enrol.planted'
	run -0 updates m --dry-run
	on m rm /usr/local/sbin/.muster-enrol.planted
	on m chmod 775 /usr/local/sbin
	on m chgrp mallory /usr/local/sbin
	run updates m
	on m chmod 755 /usr/local/sbin
	on m chgrp root /usr/local/sbin
	assert_equal "$status" 12
	assert_output --partial "can be changed by others than root"
	run -1 on m test -e /var/lib/muster-enrol
	run -0 on m sh -c 'ls -A /var/tmp/there'
	refute_output
}

### A newer release

@test "a dry run verifies all of it and says what would be done" {
	remember m
	run -0 updates m --dry-run
	assert_output --partial "signature and SHA-256 right"
	assert_output --partial "would"
	assert_untouched m
	run -0 --separate-stderr updates m --dry-run --json
	assert_equal "$(result <<<"$output")" "dry-run 0"
}

@test "a newer release is installed and acknowledged, with its units, and the server shows its version" {
	local id client

	id=$(client_of m)
	connected m
	fact_is "$id" .version 0.1.0
	run -0 --separate-stderr updates m --json
	assert_equal "$(result <<<"$output")" "updated 0"
	assert_equal "$(jq -rs 'last | "\(.client) \(.version)"' <<<"$output")" "$id 0.1.9"
	assert_equal "$(jq -rs 'map(select(.state == "done") | .step) | join(" ")' <<<"$output")" "preflight fetch install start"
	connected m
	fact_is "$id" .version 0.1.9
	run -0 musterctl client list
	assert_line --regexp "m .* 0\.1\.9 "
	run -0 on m muster-enrol --version
	assert_output "muster-enrol 0.1.9"
	run -0 on m systemctl show -P Description muster-agent
	assert_output "muster agenT"
	assert_equal "$(seen_by m)" "$(serial_offered)"
	run -0 on m find /var/lib /usr/local /etc -name '.muster*' -o -name muster-enrol -type d -o -name '*.former'
	refute_output
	run -0 updates m
	assert_output --partial "is what is installed"
}

@test "a machine that listens is updated too, and sleeps again" {
	local id

	id=$(client_of quiet)
	run -0 updates quiet
	assert_output --partial "muster-agent.service runs version 0.1.9"
	fact_is "$id" .version 0.1.9
	run -0 on quiet systemctl is-active muster-agent.socket
	run -0 updates quiet
	assert_output --partial "is what is installed"
}

### Releases that don't work

# The former programs are back, and acknowledged; nothing else has changed.
assert_put_back() # TEXT
{
	assert_equal "$status" 18
	assert_output --partial "$1"
	assert_output --partial "the former agent runs again; its report was acknowledged"
	same_but_seen m
	connected m
	run -0 on m muster-agent --version
}

@test "a new agent that ends is put back at once" {
	connected m
	remember m
	agent_offered 'echo it broke; exit 3'
	run updates m
	assert_output --partial "it broke"
	assert_put_back "ended by itself"
	run --separate-stderr updates m --json
	assert_equal "$(result <<<"$output")" "put-back 18"
	# Seen, and still no other one under its serial.
	assert_equal "$(seen_by m)" "$(serial_offered)"
}

@test "a new agent that hangs, or runs and never connects, is put back" {
	connected m
	remember m
	agent_offered 'exec sleep 1d'
	run updates m --wait 1
	assert_put_back "has not acknowledged a report of the new agent"
	agent_offered 'printf "state=waiting\ndetail=for ever\n" >$RUNTIME_DIRECTORY/status; exec sleep 1d'
	run updates m --wait 10
	assert_put_back "it is waiting: for ever"
}

@test "what another agent says doesn't prove it" {
	connected m
	remember m
	agent_offered 'printf "state=connected\nclient=00000000000000000000000000000000\nhello=1\n" >$RUNTIME_DIRECTORY/status
exec sleep 1d'
	run updates m --wait 1
	assert_put_back "has not acknowledged"
}

@test "a server that is away meanwhile is no reason to put a new agent back: the next run decides" {
	local id invocation

	id=$(client_of m)
	newer_offered_again
	first_again
	connected m
	held_back m
	started updates m --wait 10
	eventually on m test -e /run/held
	server_dies
	on m rm /root/hold
	ended
	echo "$output"
	assert_equal "$status" 15
	assert_output --partial "doesn't answer now"
	run -0 on m muster-enrol --version
	assert_output "muster-enrol 0.1.9"
	newer_serves
	connected m
	invocation=$(on m systemctl show -P InvocationID muster-agent)
	run -0 updates m
	assert_output --partial "it is continued"
	assert_output --partial "runs version 0.1.9"
	assert_equal "$(on m systemctl show -P InvocationID muster-agent)" "$invocation"
	fact_is "$id" .version 0.1.9
	run -1 on m test -e /var/lib/muster-enrol
	# The same of one that is no good.
	agent_offered 'printf "state=waiting\n" >$RUNTIME_DIRECTORY/status; exec sleep 1d'
	held_back m
	started updates m --wait 10
	eventually on m test -e /run/held
	server_dies
	on m rm /root/hold
	ended
	assert_equal "$status" 15
	newer_serves
	run updates m --wait 1
	assert_equal "$status" 18
	assert_output --partial "former agent runs again"
	connected m
}

newer_offered_again()
{
	offered "$newer"
}

### Cut off

# An older program in place of the newer one, and the agent that runs is not touched.
made_stale()
{
	on m sh -c 'cp -p /root/first/muster-agent /usr/local/sbin/.m && mv /usr/local/sbin/.m /usr/local/sbin/muster-agent'
}

# There is an agent, of either release, whatever has come before; and a run that isn't cut off ends well.
assert_mended() # WHAT
{
	run -0 on m muster-agent --version
	assert_regex "$output" '^muster-agent 0.1.[09]$'
	eventually on m systemctl -q is-active muster-agent
	without_faults
	run updates m
	assert_equal "$1: $status" "$1: 0"
	assert_equal "$(sum_of m muster-agent)" "$newest"
	same_but_seen m
}

begin_with_newest()
{
	offered "$newer"
	run -0 updates m
	connected m
	newest=$(sum_of m muster-agent)
	remember m
}

begin_with_stale()
{
	begin_with_newest
	made_stale
	remember m
}

# The calls by which muster-enrol changes something, or starts a program, and which of a kind are tried: each of those
# that put something in place, or note what comes.
calls="renameat:1 linkat:1 fdatasync:1 clone3:2 unlinkat:6"

@test "after SIGKILL at any change the machine has an agent, and the next run finishes" {
	local call kind n done=0

	begin_with_newest
	for call in $calls; do
		kind=${call%:*}
		for ((n = 1; n < 50; n += ${call#*:})); do
			made_stale
			with_faults "$kind:signal=KILL:when=$n"
			run updates m
			((status != 0)) || break
			assert_equal "$kind $n: $status" "$kind $n: 137"
			assert_mended "$kind $n"
			done=$((done + 1))
		done
	done
	((done > 10)) || fail "$done were killed"
}

@test "a signal at any change is undone, and the former agent runs" {
	local kind n signal=INT

	begin_with_stale
	for kind in renameat fdatasync clone3; do
		for ((n = 1; n < 50; n += 2)); do
			with_faults "$kind:signal=$signal:when=$n"
			run updates m
			((status != 0)) || break
			assert_equal "$kind $n: $status" "$kind $n: $((128 + $(kill -l $signal)))"
			assert_output --partial "ended by SIG$signal"
			same_but_seen m
			run -1 on m test -e /var/lib/muster-enrol
			eventually on m systemctl -q is-active muster-agent
			signal=$([[ $signal == INT ]] && echo TERM || echo INT)
		done
		made_stale
	done
}

@test "a disk that is full at any write changes nothing" {
	local call kind n failed=0

	begin_with_stale
	for call in mkdirat:1 renameat:1 linkat:1 fdatasync:2 fsync:4; do
		kind=${call%:*}
		for ((n = 1; n < 30; n += ${call#*:})); do
			with_faults "$kind:error=ENOSPC:when=$n"
			run updates m
			((status != 0)) || break
			assert_regex "$kind $n: $status" ': (1|4|11|12)$'
			same_but_seen m
			run -1 on m test -e /var/lib/muster-enrol
			failed=$((failed + 1))
		done
		made_stale
	done
	((failed > 6)) || fail "$failed have failed"
	connected m
}

@test "of two at the same time one wins, the other is told, and so is an uninstallation" {
	begin_with_stale
	held_back m
	started updates m
	eventually on m test -e /run/held
	run updates m
	assert_equal "$status" 14
	assert_output --partial "another muster-enrol"
	run updates m --dry-run
	assert_equal "$status" 14
	run uninstalls m
	assert_equal "$status" 14
	on m rm /root/hold /run/held
	ended
	assert_success
	assert_equal "$(sum_of m muster-agent)" "$newest"
}

@test "a suspended machine is updated, and stays suspended" {
	local id

	id=$(client_of m)
	begin_with_stale
	musterctl client suspend "$id"
	eventually on m grep -q '^state=suspended' /run/muster-agent/status
	run -0 updates m
	assert_output --partial "was acknowledged"
	eventually on m grep -q '^state=suspended' /run/muster-agent/status
	musterctl client resume "$id"
}

@test "a machine that loses its power while its new agent starts has one after it, and the next run finishes" {
	begin_with_stale
	held_back m
	started updates m
	eventually on m test -e /run/held
	machine_kill m
	ended
	assert_failure
	machine_start m
	connected m
	fact_is "$(client_of m)" .version 0.1.9
	run -0 updates m
	assert_output --partial "it is continued"
	assert_equal "$(sum_of m muster-agent)" "$newest"
	run -1 on m test -e /var/lib/muster-enrol
}

@test "an update that was cut off is continued for who asks for that release, and undone for who asks for another" {
	begin_with_stale
	with_faults clone3:signal=KILL:when=5
	run -137 updates m
	run -0 on m grep -c swapped /var/lib/muster-enrol/journal
	without_faults
	run updates m --release "$(printf '%064d' 0)"
	refute_output --partial "it is continued"
	assert_output --partial "the former agent runs again"
	assert_refused 19 "another release"
	run -1 on m test -e /var/lib/muster-enrol
	with_faults clone3:signal=KILL:when=5
	run -137 updates m
	without_faults
	run -0 updates m --release "$(release_offered)"
	assert_output --partial "it is continued"
	assert_equal "$(sum_of m muster-agent)" "$newest"
}

@test "an enrolment, or an uninstallation, after one that was cut off first undoes it" {
	begin_with_stale
	with_faults clone3:signal=KILL:when=5
	run -137 updates m
	without_faults
	run -0 on m grep -c swapped /var/lib/muster-enrol/journal
	run -5 enrols_by_hand m
	same_but_seen m
	run -1 on m test -e /var/lib/muster-enrol
	connected m
	with_faults clone3:signal=KILL:when=5
	run -137 updates m
	without_faults
	run -0 uninstalls m --purge
	run -0 on m sh -c 'find / -xdev -name "*muster*" ! -path "/proc/*" ! -path "/sys/*" ! -path "/root/*" ! -path "/opt/*" \
		! -path "/var/log/*" ! -path "/tmp/*" ! -path "/run/*"'
	refute_output
}

@test "a machine that the server refuses, or has revoked, is not updated" {
	token_for role=web
	run -0 enrols_by_hand m
	connected m
	on m sh -c 'systemctl kill -s STOP muster-agent && sed -i "s/^state=.*/state=refused/" /run/muster-agent/status'
	run updates m
	on m systemctl kill -s CONT muster-agent
	assert_equal "$status" 17
	assert_output --partial "refuses this machine"
	run -1 on m test -e /var/lib/muster-enrol
	musterctl client revoke "$(client_of m)"
	eventually on m test -e /var/lib/private/muster-agent/revoked
	run updates m
	assert_equal "$status" 17
	assert_output --partial "ended this machine's enrolment"
}
