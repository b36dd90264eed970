# SPDX-License-Identifier: MIT
#
# The machines that other tests stand on.

bats_load_library bats-support
bats_load_library bats-assert

setup_file()
{
	unset MACHINES_SINCE
	load machines.bash
	machines_begin
	machine_boot eleven bullseye-wget
	machine_boot twelve bookworm-curl
	machine_boot thirteen trixie-none --disk 32M
}

teardown_file()
{
	load machines.bash
	machines_end
}

setup()
{
	unset MACHINES_SINCE
	load machines.bash
}

# Whatever a run could leave behind.
leftovers()
{
	local run=${1##*/}

	ls -d "$1" 2>/dev/null
	grep -F "$run" /proc/self/mounts
	find /sys/fs/cgroup -name "$run"
	pgrep -af -- "$run"
	ip netns list
	ip -o link show type veth
	ip -o link show type bridge | grep -F hub:
	return 0
}

# A program that makes a run with a machine, starts something in its hub, says so, and waits for its end.
owner()
{
	cat <<-END
		. $BATS_TEST_DIRNAME/machines.bash
		machines_begin && machine_boot one trixie-none || exit
		in_hub sh -c 'sleep 1000; :' "\$MACHINES_RUN" &
		echo "\$MACHINES_RUN" >"$BATS_TEST_TMPDIR/run"
		echo begun >"$BATS_TEST_TMPDIR/begun"
		wait
	END
}

# Until a condition holds, at most a minute or two.
eventually()
{
	for _ in {1..1200}; do
		! "$@" || return 0
		sleep 0.05
	done
	fail "never came true: $*"
}

@test "each machine boots, and all of its units" {
	for machine in eleven twelve thirteen; do
		run on "$machine" systemctl is-system-running
		assert_output running
	done
}

@test "the images have what their names say" {
	local contents='command -v wget; command -v curl; . /etc/os-release; echo $VERSION_ID'

	run on eleven sh -c "$contents"
	assert_output $'/usr/bin/wget\n11'
	run on twelve sh -c "$contents"
	assert_output $'/usr/bin/curl\n12'
	run on thirteen sh -c "$contents"
	assert_output 13
	for machine in eleven twelve thirteen; do
		on "$machine" sh -c 'command -v gzip && command -v base64'
	done
}

@test "a hardened unit of a dynamic user runs in each" {
	for machine in eleven twelve thirteen; do
		run on "$machine" systemd-run --quiet --wait --pipe -p DynamicUser=yes -p StateDirectory=probe \
			-p ProtectSystem=strict -p ProtectHome=yes -p PrivateTmp=yes -p PrivateDevices=yes \
			-p ProtectKernelTunables=yes -p ProtectKernelModules=yes -p ProtectControlGroups=yes \
			-p MemoryDenyWriteExecute=yes -p RestrictNamespaces=yes -p NoNewPrivileges=yes \
			-p CapabilityBoundingSet= -p SystemCallFilter=@system-service -p SystemCallErrorNumber=EPERM \
			sh -c 'id -u; touch /usr/x; unshare -U true; touch /var/lib/private/probe/x && echo written'
		assert_success
		assert_line --regexp '^6[0-9]{4}$'
		assert_line --partial 'Read-only file system'
		assert_line --partial 'unshare failed: Operation not permitted'
		assert_line written
		on "$machine" rm -rf /var/lib/private/probe /var/lib/probe
	done
}

@test "a command's stdin, output, exit code and signals pass through" {
	run on twelve sh -c 'cat; echo "$1" >&2; exit 7' sh 'two  words' <<<"given"
	assert_equal "$status" 7
	assert_output "$(printf 'given\ntwo  words')"
	run on twelve sh -c 'kill -TERM $$'
	assert_equal "$status" 143
	run on nowhere true
	assert_equal "$status" 125
}

@test "a command's environment is clean, and its folder the root" {
	SECRET=x run on twelve sh -c 'env | cut -d = -f 1 | sort | xargs; pwd; cat /proc/self/comm'
	refute_output --partial SECRET
	refute_output --partial MACHINES_RUN
	assert_line /
}

@test "a command runs in the machine's own control groups" {
	for machine in eleven twelve thirteen; do
		run on "$machine" grep -E '^0:|name=systemd' /proc/self/cgroup
		assert_output --regexp ':/on$'
	done
}

@test "units of the same name in two machines have nothing to do with each other" {
	for machine in eleven twelve thirteen; do
		on "$machine" systemd-run --quiet --unit twin sleep 1000
	done
	on eleven systemctl stop twin
	on twelve systemctl is-active twin
	on thirteen systemctl is-active twin
	on twelve systemctl stop twin
	on thirteen systemctl stop twin
}

@test "a machine reaches the hub by name, and is reached by its address" {
	exec_in_hub socat TCP-LISTEN:7001,reuseaddr,fork SYSTEM:'echo answer' 3>&- &
	for machine in eleven twelve thirteen; do
		eventually on "$machine" bash -c 'exec 5<>/dev/tcp/hub/7001 && grep -q answer <&5'
	done
	on twelve systemd-run --quiet --unit answering \
		systemd-socket-activate -l 7002 --inetd --accept echo there
	eventually in_hub bash -c "exec 5<>/dev/tcp/$(machine_address twelve)/7002 && grep -q there <&5"
	on twelve systemctl stop answering
}

@test "the hub has one address, and gets no other by itself" {
	run in_hub ip -o address show scope link
	assert_output ''
	run in_hub ip -o address show scope global
	assert_output --partial ' hub '
	assert_equal "${#lines[@]}" 1
	for machine in eleven twelve thirteen; do
		run in_hub ip -d -o link show "to-$(machine_address "$machine" | sed 's/.*[.]//')"
		assert_output --partial 'addrgenmode none'
	done
}

@test "a cut network loses packets until it is joined" {
	exec_in_hub socat TCP-LISTEN:7003,reuseaddr,fork SYSTEM:'echo answer' 3>&- &
	eventually on eleven bash -c 'exec 5<>/dev/tcp/hub/7003 && grep -q answer <&5'
	cut_network eleven
	run on eleven timeout 1 bash -c 'exec 5<>/dev/tcp/hub/7003'
	assert_equal "$status" 124
	join_network eleven
	eventually on eleven timeout 5 bash -c 'exec 5<>/dev/tcp/hub/7003 && grep -q answer <&5'
}

@test "a snapshot is the same until a file changes, and again when it is as it was" {
	for machine in eleven twelve thirteen; do
		machine_snapshot "$machine" >"$BATS_TEST_TMPDIR/before"
		run grep -c . "$BATS_TEST_TMPDIR/before"
		assert [ "$output" -gt 1000 ]
		on "$machine" systemd-run --quiet --wait true
		machine_snapshot "$machine" | diff "$BATS_TEST_TMPDIR/before" -

		on "$machine" sh -c 'cp -p /etc/issue /root/kept; echo x >>/etc/issue
			mkdir -p /var/lib/a/b; ln -s x /run/y; chmod 600 /etc/debian_version; mv /etc/skel/.profile /root/p; echo >/run/systemd/system/z.service'
		machine_snapshot "$machine" >"$BATS_TEST_TMPDIR/after"
		run diff "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
		assert_line --regexp '^> f 0644 0:0 /etc/issue [0-9a-f]{64}$'
		assert_line '> d 0755 0:0 /var/lib/a/b'
		assert_line '> f 0600 0:0 /etc/debian_version'
		assert_line '< f 0644 0:0 /etc/skel/.profile'
		assert_line '> l 0777 0:0 /run/y -> x'
		assert_line '> f 0644 0:0 /run/systemd/system/z.service'

		on "$machine" sh -c 'cp -p /root/kept /etc/issue; rm -r /root/kept /var/lib/a /run/y
			rm /run/systemd/system/z.service; chmod 644 /etc/debian_version; mv /root/p /etc/skel/.profile'
		machine_snapshot "$machine" | diff "$BATS_TEST_TMPDIR/before" -
	done
}

@test "files and users can be put into a machine" {
	printf 'two\nlines' >"$BATS_TEST_TMPDIR/file"
	chmod 751 "$BATS_TEST_TMPDIR/file"
	machine_put eleven "$BATS_TEST_TMPDIR/file" /opt/a/b/file
	run on eleven stat -c '%a %s' /opt/a/b/file
	assert_output '751 9'
	machine_user eleven anna
	run as anna eleven sh -c 'id -un; pwd; cd; pwd; cat /etc/shadow'
	assert_failure
	assert_line anna
	assert_line /home/anna
	assert_line --partial 'Permission denied'
}

@test "a disk can be filled, and freed, without a trace" {
	machine_snapshot thirteen >"$BATS_TEST_TMPDIR/before"
	machine_fill_disk thirteen 100
	run on thirteen dd if=/dev/zero of=/root/x bs=1k count=200
	assert_failure
	assert_output --partial 'No space left on device'
	on thirteen rm /root/x
	machine_free_disk thirteen
	on thirteen dd if=/dev/zero of=/root/x bs=1k count=200 status=none
	on thirteen rm /root/x
	machine_snapshot thirteen | diff "$BATS_TEST_TMPDIR/before" -
	run machine_fill_disk twelve
	assert_failure
}

@test "a machine keeps its files when it's stopped, killed or rebooted" {
	for how in "machine_stop twelve" "machine_kill twelve" "machine_reboot twelve"; do
		on twelve sh -c 'echo >/root/kept; echo >/run/lost'
		$how
		[[ $how == *reboot* ]] || ! machine_running twelve
		machine_start twelve
		on twelve test -e /root/kept -a ! -e /run/lost
		run on twelve systemctl is-system-running
		assert_output running
	done
	on twelve rm /root/kept
}

@test "a machine that reboots itself comes back" {
	on twelve sh -c 'echo >/run/lost'
	on twelve systemctl reboot || true
	back()
	{
		on twelve test ! -e /run/lost 2>/dev/null &&
			[[ $(on twelve systemctl is-system-running) == running ]]
	}
	eventually back
}

@test "a removed machine's name and address are free again" {
	machine_boot extra trixie-none
	local address
	address=$(machine_address extra)
	machine_remove extra
	run machine_list
	refute_line extra
	machine_boot extra trixie-none
	assert_equal "$(machine_address extra)" "$address"
	machine_remove extra
}

@test "nothing of a run shows outside of it" {
	run ip netns list
	refute_output
	run grep -F "$MACHINES_RUN" /proc/self/mounts
	refute_output
	run ip -o link show
	refute_output --partial to-
	refute_output --partial hub
}

@test "runs have nothing to do with each other, and one ends without a leftover" {
	bash -c "$(owner)" 3>&- &
	local owner=$! run
	eventually test -s "$BATS_TEST_TMPDIR/begun"
	read -r run <"$BATS_TEST_TMPDIR/run"
	assert [ "$run" != "$MACHINES_RUN" ]
	run env MACHINES_RUN="$run" "$BATS_TEST_DIRNAME/machine" list
	assert_output --regexp $'^one\t10.99.0.11\trunning\ttrixie-none$'
	MACHINES_RUN=$run machines_end
	run leftovers "$run"
	refute_output
	kill "$owner" 2>/dev/null || true
	run on twelve systemctl is-system-running
	assert_output running
}

@test "a run ends with its owner, even if that is killed" {
	bash -c "$(owner)" 3>&- &
	local owner=$! run
	eventually test -s "$BATS_TEST_TMPDIR/begun"
	read -r run <"$BATS_TEST_TMPDIR/run"
	kill -KILL "$owner"
	eventually test ! -e "$run"
	run leftovers "$run"
	refute_output
}

@test "a run whose owner and keeper are both killed ends, and is cleared by the next" {
	bash -c "$(owner)" 3>&- &
	local owner=$! run keeper
	eventually test -s "$BATS_TEST_TMPDIR/begun"
	read -r run <"$BATS_TEST_TMPDIR/run"
	read -r keeper _ <"$run/keeper"
	kill -KILL "$keeper" "$owner"
	gone() { ! pgrep -f "$run/fs" >/dev/null; }
	eventually gone
	(machines_begin && machines_end) # unless one of another suite has been that next one
	run leftovers "$run"
	refute_output
	run on twelve systemctl is-system-running
	assert_output running
}
