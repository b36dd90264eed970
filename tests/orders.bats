#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Orders that are carried out as root: an agent that was taken over has none but the newest one carried out.

bats_require_minimum_version 1.5.0

state=/var/lib/private/muster-agent
root=/var/lib/muster-apply

setup_file()
{
	load helpers
	machines_begin
	server_starts
	machine_boot web bookworm-curl
	token_for role=web
	program_to web
	faults_to web
	enrols_by_hand web
	hooks
}

setup()
{
	load helpers
	server_trust
	file=$BATS_TEST_TMPDIR/file
}

teardown_file()
{
	load helpers
	machines_end
}

# What was applied is in /etc/NAME, and what was done in /run/NAME.log; a content with "bad" in it can't be.
hooks()
{
	local name

	for name in pinned moving heals ahead damaged again killed; do
		on web sh -c "mkdir -p /etc/muster/apply.d && cat >/etc/muster/apply.d/$name && chmod 755 /etc/muster/apply.d/$name" <<-'EOF'
			#!/bin/sh
			echo "$MUSTER_ACTION" >>"/run/$MUSTER_CONFIG.log"
			[ "$MUSTER_ACTION" != remove ] || exec rm -f "/etc/$MUSTER_CONFIG"
			! grep bad "$1" || exit 1
			cat "$1" >"/etc/$MUSTER_CONFIG"
		EOF
	done
}

# pushes NAME TEXT [OPTION…]
pushes()
{
	local name=$1

	printf '%s' "$2" >"$file"
	shift 2
	musterctl config push "$name" "$file" --all "$@"
}

applied()
{
	on web sh -c 'cat "/etc/$1" 2>/dev/null || echo none' sh "$1"
}

# The number of the newest order that was carried out.
number_of()
{
	on web sed -n '2s/ .*//p' "$root/.order-$1"
}

standing_of()
{
	api GET "/configs/$1/status" | jq -r '.clients[0].state'
}

becomes()
{
	[[ $(standing_of "$1") == "$2" ]]
}

# as_agent COMMAND…: as the agent's user, where the agent is.
as_agent()
{
	# shellcheck disable=SC2016 # the machine's shell's
	on web sh -c 'pid=$(systemctl show -p MainPID --value muster-agent); user=$(stat -c %u "/proc/$pid")
		exec nsenter --mount --target "$pid" -- setpriv --reuid "$user" --regid "$user" --clear-groups "$@"' sh "$@"
}

# keeps NAME KEPT TEXT: that order, as the agent has it, is kept there before it is carried out. No text: the removal.
keeps()
{
	on web systemctl stop muster-apply.path
	if (($# > 2)); then
		pushes "$1" "$3"
	else
		musterctl config remove "$1"
	fi
	eventually on web test -e "$state/apply/order"
	as_agent cp /var/lib/muster-agent/apply/order "/var/lib/muster-agent/kept-$2"
	on web systemctl start muster-apply.path
	eventually becomes "$1" "$(if (($# > 2)); then echo current; else echo none; fi)"
}

# Which order the last result is of, and its verdict.
last_result()
{
	on web head -n 1 /run/muster-apply/result
}

signature_of()
{
	on web sh -c 'tail -c +98 "$1" | head -c 64 | od -An -v -tx1 | tr -d " \n"' sh "$state/kept-$1"
}

# replays KEPT CODE: the agent has it carried out again, and that is what becomes of it.
replays()
{
	local expected

	on web rm -f /run/muster-apply/result
	as_agent sh -c 'cp "$1" "$2.x" && mv "$2.x" "$2"' sh "/var/lib/muster-agent/kept-$1" /var/lib/muster-agent/apply/order
	eventually on web test -e /run/muster-apply/result
	expected="$(signature_of "$1") $2"
	assert_equal "$(last_result)" "$expected"
}

@test "an older order that the server did sign is not carried out again" {
	local number

	keeps pinned first soft
	keeps pinned removal
	keeps pinned second hard
	number=$(number_of pinned)
	for kept in first removal; do
		replays $kept 40
		assert_equal "$(applied pinned)" hard
		assert_equal "$(number_of pinned)" "$number"
		run -0 on web cat $root/pinned
		assert_output hard
	done
	run -0 on web cat /run/muster-apply/result
	assert_output --partial "is not above $number, that of an order carried out here before"
	run -0 log_of web muster-apply
	assert_output --partial "configuration pinned, revision 1: its number, "
	run -0 on web cat /run/pinned.log
	assert_output $'apply\nremove\napply'
	# The newest one is what it was.
	replays second 0
	assert_equal "$(applied pinned)" hard
	run -0 on web stat -c '%U %a' $root $root/.order-pinned
	assert_output $'root 700\nroot 600'
}

@test "nor after what came last was its removal" {
	musterctl config remove pinned --wait
	replays first 40
	replays second 40
	assert_equal "$(applied pinned)" none
	on web test ! -e $root/pinned
	# The agent can't make the machine forget it.
	run as_agent rm $root/.order-pinned
	assert_failure
	run as_agent sh -c "echo >$root/.order-pinned"
	assert_failure
	replays first 40
}

@test "nor one whose successor's hook has failed: what was before is applied by root's own copy" {
	keeps pinned third good
	run -7 pushes pinned bad --wait
	assert_output --partial 'the hook failed; what was before is applied'
	assert_equal "$(applied pinned)" good
	replays third 40
	assert_equal "$(applied pinned)" good
	run -0 pushes pinned better --wait
	assert_equal "$(applied pinned)" better
}

@test "rollback, other labels, removal and a new beginning are newer orders, whatever their revisions" {
	local id last=0

	newer()
	{
		eventually becomes moving "$2"
		assert_equal "$(applied moving)" "$1"
		assert [ "$(number_of moving)" -gt "$last" ]
		last=$(number_of moving)
	}
	id=$(client_of web)
	pushes moving one
	newer one current
	printf two >"$file"
	musterctl config push moving "$file" --to canary
	musterctl client label "$id" canary
	newer two current
	musterctl client label "$id" -canary
	newer one current
	musterctl client label "$id" canary
	newer two current
	musterctl config rollback moving 1
	newer one current
	musterctl config remove moving
	newer none none
	pushes moving three
	newer three current
	server_restarts
	pushes moving four
	newer four current
	musterctl config rollback moving 1
	newer one current
}

# sets_number NAME NUMBER: as if an order of that number had been carried out that the server doesn't know any more.
sets_number()
{
	on web sed -i "2s/^[0-9]* /$2 /" "$root/.order-$1"
}

# The server is to send what the machine had already.
sends_again()
{
	on web systemctl stop muster-agent
	on web sh -c "echo changed >$state/config/$1"
	on web systemctl start muster-agent
}

is_put_right()
{
	[[ $(on web cat "$state/config/$1") == "$2" && $(standing_of "$1") == current ]]
}

@test "a server whose database was put back orders anew, by itself" {
	local lost

	pushes heals x --wait
	lost=$(($(number_of heals) + 1))
	sets_number heals $lost
	sends_again heals
	eventually is_put_right heals x
	# Within the second of the push the next number may be this very one.
	assert [ "$(number_of heals)" -ge $lost ]
	run -0 server_log
	assert_output --partial "refused configuration heals, revision 1: older order: its number, "
}

@test "a number that no server gives for years is a refusal with its reason, which one command on the machine heals" {
	pushes ahead x --wait
	sets_number ahead 9000000000000
	run -7 pushes ahead y --wait
	assert_output --partial 'older order: its number, '
	assert_output --partial 'is not above 9000000000000'
	assert_equal "$(standing_of ahead)" refused
	assert_equal "$(applied ahead)" x
	on web rm $root/.order-ahead
	run -0 pushes ahead z --wait
	assert_equal "$(applied ahead)" z
}

@test "a damaged record refuses all, and says what to do" {
	pushes damaged x --wait
	on web sh -c ": >$root/.order-damaged"
	run -7 pushes damaged y --wait
	assert_output --partial "cannot use $root/.order-damaged: it is damaged"
	assert_equal "$(applied damaged)" x
	on web rm $root/.order-damaged
	run -0 pushes damaged z --wait
	assert_equal "$(applied damaged)" z
}

# carries_out KEPT: muster-apply.service's program on that order, by hand, under the faults that are set.
carries_out()
{
	on web cp "$state/kept-$1" "$state/apply/order"
	on web "${under[@]}" /usr/local/sbin/muster-agent apply
}

@test "killed at any call, it has not applied what it doesn't know to be the newest, and the next run ends it" {
	local call n old new number calls=0

	keeps killed old old
	old=$(number_of killed)
	on web cp -a $root /root/before
	keeps killed new new
	new=$(number_of killed)
	assert [ "$new" -gt "$old" ]
	on web systemctl stop muster-apply.path
	for call in openat write fsync fchmod renameat2 rename unlink unlinkat pipe2 wait4; do
		for ((n = 1; n < 40; n++)); do
			on web sh -c "rm -rf $root && cp -a /root/before $root && echo -n old >/etc/killed"
			with_faults "$call:signal=KILL:when=$n"
			run carries_out new
			without_faults
			((status != 0)) || break
			calls=$((calls + 1))
			number=$(number_of killed)
			[[ $number == "$old" || $number == "$new" ]]
			[[ $(applied killed) == old || $number == "$new" ]]
			carries_out old
			if [[ $number == "$new" ]]; then
				run -0 on web cat /run/muster-apply/result
				assert_line --index 0 --partial ' 40'
				assert_equal "$(number_of killed)" "$new"
			else
				assert_equal "$(applied killed)" old
			fi
			carries_out new
			assert_equal "$call $n: $(applied killed) $(number_of killed)" "$call $n: new $new"
			run -0 on web sh -c "cat $root/killed; ls -A $root"
			assert_output --partial new
			refute_output --partial .new
		done
	done
	assert [ "$calls" -gt 25 ]
	on web systemctl start muster-apply.path
}

@test "a machine that has enrolled anew begins anew, and its former orders are none" {
	keeps again before former
	on web sh -c "cp $state/kept-before /root/kept"
	uninstalls web
	run on web sh -c "ls -d $root"
	assert_failure
	server_trust
	token_for role=web
	enrols_by_hand web
	eventually becomes again current
	assert_equal "$(applied again)" former
	on web sh -c "cp /root/kept $state/apply/order"
	eventually on web test ! -e $state/apply/order
	refused_as_foreign() { log_of web muster-apply | grep -q 'refused an order that the server has not given'; }
	eventually refused_as_foreign
}
