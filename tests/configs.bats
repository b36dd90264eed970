#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Configuration from push to machine and back, on real machines.

bats_require_minimum_version 1.5.0

setup_file()
{
	local machine

	load helpers
	machines_begin
	server_starts
	machine_boot web1 bookworm-curl &
	machine_boot web2 trixie-none &
	machine_boot db1 bullseye-wget &
	wait
	for machine in web1 web2 db1; do
		token_for "role=${machine%?}"
		program_to "$machine"
		enrols_by_hand "$machine"
	done
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

# pushes NAME TEXT OPTION…: a new revision with that content, and waits for the machines.
pushes()
{
	local name=$1

	printf '%s' "$2" >"$file"
	shift 2
	musterctl config push "$name" "$file" --wait --timeout 60s "$@"
}

content_on()
{
	on "$1" cat "/var/lib/muster-agent/config/$2"
}

has_none()
{
	! on "$1" test -e "/var/lib/muster-agent/config/$2"
}

standing_of() # MACHINE NAME
{
	api GET "/configs/$2/status" | jq -r --arg id "$(client_of "$1")" '.clients[] | select(.id == $id) | .state'
}

becomes()
{
	[[ $(standing_of "$1" "$2") == "$3" ]]
}

@test "a push reaches the machines that it is for, and no others" {
	run pushes motd "hello" --to role=web
	assert_success
	assert_output --partial 'motd, revision 1: pushed for role=web'
	assert_output --partial '2 of 2 machines'
	assert_equal "$(content_on web1 motd)" hello
	assert_equal "$(content_on web2 motd)" hello
	has_none db1 motd

	run pushes motd "for db1" --client "$(client_of db1)"
	assert_success
	assert_equal "$(content_on db1 motd)" "for db1"
	assert_equal "$(content_on web1 motd)" hello
}

@test "history, difference, rollback and removal are revisions" {
	pushes app.conf $'a\nb\n' --all
	pushes app.conf $'a\nc\n' --all
	# As diff(1) tells it, by nobody's help.
	run -0 env PATH=/nonexistent "$BUILD/musterctl" --socket "$server/control.sock" config diff app.conf
	assert_output "$(diff -u --label app.conf@1 --label app.conf@2 <(printf 'a\nb\n') <(printf 'a\nc\n'))"
	run -0 musterctl config diff app.conf 2 1
	assert_output "$(diff -u --label app.conf@2 --label app.conf@1 <(printf 'a\nc\n') <(printf 'a\nb\n'))"
	run -0 musterctl config diff app.conf 2 2
	assert_output ''
	run -4 musterctl config diff app.conf 1 99
	run -2 musterctl config diff app.conf 1 x
	run musterctl config rollback app.conf 1 --wait
	assert_success
	assert_equal "$(content_on db1 app.conf)" $'a\nb'
	run musterctl config remove app.conf --to role=db --wait
	assert_success
	has_none db1 app.conf
	assert_equal "$(content_on web1 app.conf)" $'a\nb'
	run musterctl config remove app.conf --wait
	assert_success
	has_none web1 app.conf
	run musterctl --json config history app.conf
	assert_equal "$(jq -r '[.revisions[] | "\(.revision)\(.kind)\(.selector)"] | join(" ")' <<<"$output")" \
		'5remove* 4removerole=db 3set* 2set* 1set*'
	run musterctl config show app.conf 2 --content
	assert_output $'a\nc'
}

@test "a configuration of 1 MiB arrives whole" {
	head -c 1048320 /dev/urandom >"$file"
	run musterctl config push large "$file" --to role=web --wait --timeout 120s
	assert_success
	assert_equal "$(content_on web1 large | sha256sum)" "$(sha256sum <"$file")"
	printf x >>"$file"
	run musterctl config push large "$file" --all
	assert_failure 2
	assert_output --partial 'longer than 1048320 bytes'
	run musterctl config remove large --wait
	assert_success
}

@test "a name or selector that can't be is refused, and nothing is stored" {
	printf x >"$file"
	before=$(api GET /configs | jq '.configs | length')
	for name in ../x .x /etc/passwd a/b 'a b' A '' "$(printf 'a%.0s' {1..65})"; do
		run musterctl config push "$name" "$file" --all
		assert_failure 2
		run api POST /configs "$(jq -n --arg name "$name" '{$name, selector: "*", content: "eA=="}')"
		assert_failure
		assert_output --partial bad-field
	done
	for selector in '' 'role=' 'a b' 'client:12' ',,'; do
		[[ $selector == role= ]] && continue # the empty value
		run musterctl config push fine "$file" --to "$selector"
		assert_failure 2
	done
	run musterctl config push fine "$file"
	assert_failure 2
	run musterctl config push fine "$file" --client "$(printf "0%.0s" {1..32})"
	assert_failure 4
	run musterctl config show fine
	assert_failure 4
	assert_equal "$(api GET /configs | jq '.configs | length')" "$before"
}

@test "what was missed is made up for when the machine is back" {
	on web1 systemctl stop muster-agent
	for n in 1 2 3 4; do
		printf '%s' "$n" >"$file"
		musterctl config push "missed$n" "$file" --all
	done
	musterctl config push missed2 "$file" --all
	musterctl config remove motd --to role=web
	run musterctl config push missed1 "$file" --to role=web --wait
	assert_failure 7
	assert_output --partial offline
	on web1 systemctl start muster-agent
	eventually becomes web1 missed1 current
	eventually becomes web1 missed4 current
	assert_equal "$(content_on web1 missed1)" 4
	assert_equal "$(content_on web1 missed2)" 4
	assert_equal "$(content_on web1 missed3)" 3
	assert_equal "$(content_on web1 missed4)" 4
	eventually has_none web1 motd
	for n in 1 2 3 4; do musterctl config remove "missed$n" --wait; done
}

@test "what was changed on the machine is put right" {
	pushes right "as pushed" --all
	on web2 systemctl stop muster-agent
	on web2 sh -c 'echo wrong >/var/lib/private/muster-agent/config/right'
	on web2 systemctl start muster-agent
	is_right() { [[ $(content_on web2 right) == "as pushed" ]]; }
	eventually is_right
}

@test "what is pushed survives a server that is killed" {
	pushes kept "before" --all
	server_dies
	server_starts
	run musterctl config show kept --content
	assert_output before
	all_connected() { [[ $(api GET /status | jq .clients.connected) == 3 ]]; }
	eventually all_connected
	run pushes kept after --all
	assert_success
}

@test "a receipt proves what a machine said, and no changed byte of it does" {
	pushes proven "exactly this" --client "$(client_of web1)"
	id=$(api GET "/receipts?name=proven" | jq -r '.receipts[-1].id')
	musterctl receipt export "$id" >"$file"
	key=$(api GET "/clients/$(client_of web1)" | jq -r .key)
	run "$BUILD/musterctl" --socket /nowhere receipt verify "$file" --client-key "$key" --server-key "$server_key"
	assert_success
	assert_output --partial "$(printf 'exactly this' | sha256sum | cut -d' ' -f1)"
	assert_output --partial "$(client_of web1)"
	run "$BUILD/musterctl" receipt verify "$file" --client-key "$server_key"
	assert_failure 6
	# Every byte, with a bit of its own changed.
	python3 - "$file" "$BUILD/musterctl" <<-'PY'
		import subprocess, sys
		path, program = sys.argv[1:]
		whole = open(path, "rb").read()
		for i in range(len(whole)):
		    changed = bytearray(whole)
		    changed[i] ^= 1 << i % 7
		    open(path + ".changed", "wb").write(changed)
		    run = subprocess.run([program, "receipt", "verify", path + ".changed"], capture_output=True)
		    assert run.returncode == 6, (i, run)
	PY
}

# hook MACHINE NAME: a script on standard input, as the machine's hook of that name.
hook()
{
	on "$1" sh -c "mkdir -p /etc/muster/apply.d && cat >/etc/muster/apply.d/$2 && chmod 755 /etc/muster/apply.d/$2"
}

# A service whose state is what was applied; "bad" can't be.
service_hook()
{
	hook "$1" service <<-'EOF'
		#!/bin/sh
		[ "$MUSTER_ACTION" != remove ] || exec rm -f /etc/service.conf
		cp "$1" /etc/service.conf
		echo "$MUSTER_ACTION $(cat "$1")" >>/run/service.log
		echo "looking at $MUSTER_CONFIG"
		! grep bad "$1" || { echo "service: line 1: bad is no word"; exit 7; }
	EOF
}

@test "of three machines one's hook fails: two ACKs, one NACK, the former file and state back" {
	for machine in web1 web2 db1; do service_hook "$machine"; done
	run pushes service good --all
	assert_success
	on web2 sed -i 's/bad/new/' /etc/muster/apply.d/service
	run pushes service new --all
	assert_failure 7
	assert_output --partial 'looking at service | new | service: line 1: bad is no word'
	assert_output --partial '2 of 3 machines'
	assert_equal "$(content_on web1 service)" new
	assert_equal "$(on db1 cat /etc/service.conf)" new
	assert_equal "$(content_on web2 service)" good
	assert_equal "$(on web2 cat /etc/service.conf)" good
	assert_equal "$(on web2 tail -n 1 /run/service.log)" "restore good"
	assert_equal "$(standing_of web2 service)" refused
	for id in $(api GET '/receipts?name=service&limit=1000' | jq '.receipts[].id'); do
		musterctl receipt export "$id" >"$file"
		run musterctl receipt verify "$file"
		assert_success
	done
	assert_output --partial 'SHA-256'
	api GET '/receipts?name=service&limit=1000' | jq -e '[.receipts[] | select(.op == "NACK")] | length == 1'
	run pushes service better --all
	assert_success
	run musterctl config remove service --wait
	assert_success
	on web2 test ! -e /etc/service.conf
}

@test "a check that refuses keeps the hook from running" {
	hook web1 checked.check <<<$'#!/bin/sh\necho no such thing; exit 1'
	hook web1 checked <<<$'#!/bin/sh\ntouch /run/ran'
	run pushes checked x --client "$(client_of web1)"
	assert_failure 7
	assert_output --partial 'the check failed: no such thing'
	on web1 test ! -e /run/ran
	has_none web1 checked
	on web1 rm /etc/muster/apply.d/checked.check
	run pushes checked y --client "$(client_of web1)"
	assert_success
	on web1 test -e /run/ran
}

@test "a hook that others could change is not run" {
	hook web1 loose <<<$'#!/bin/sh\ntouch /run/loose'
	on web1 chmod 777 /etc/muster/apply.d/loose
	run pushes loose x --client "$(client_of web1)"
	assert_failure 7
	assert_output --partial 'writable by root alone'
	on web1 test ! -e /run/loose
}

@test "the agent can't have anything applied that the server has not signed for this machine" {
	state=/var/lib/private/muster-agent
	hook web1 mine <<<$'#!/bin/sh\ncat "$1" >>/run/mine'
	run pushes mine first --client "$(client_of web1)"
	assert_success
	forged() { # what the agent's user could leave there
		on web1 sh -c "$1"
		eventually on web1 test ! -e $state/apply/order
	}
	forged "head -c 400 /dev/urandom >$state/apply/order.x && mv $state/apply/order.x $state/apply/order"
	forged "echo x >$state/secret && ln -s $state/secret $state/apply/order"
	forged "ln -s /etc/shadow $state/apply/order"
	forged "mkfifo $state/apply/order"
	forged ": >$state/apply/order"
	assert_equal "$(on web1 cat /run/mine)" first
	on web1 test -e /etc/shadow
	run pushes mine second --client "$(client_of web1)"
	assert_success
	assert_equal "$(on web1 cat /run/mine)" firstsecond
}

@test "an uninstalled machine leaves nothing of its hooks' units" {
	uninstalls web2 --purge
	run on web2 sh -c 'ls -d /etc/systemd/system/muster* /var/lib/muster* /run/muster-apply 2>/dev/null'
	assert_output ''
}
