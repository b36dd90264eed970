#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# `make install`, and the server as a service of the machine it was installed on.
# shellcheck disable=SC2154,SC2016 # variables of helpers.bash; what the machines' shells expand

bats_require_minimum_version 1.5.0

# The machine is of the release that the programs were linked on.
image_of_this_release()
{
	case $(. /etc/os-release && echo "$VERSION_CODENAME") in
	trixie) echo trixie-none ;;
	*) echo bookworm-curl ;;
	esac
}

# What make installed, and the libraries it is linked with where the machine has none of that name.
installed_on()
{
	local library

	tar -C "$MACHINES_RUN/root" -cf - usr etc | on "$1" tar -C / -xf -
	ldd "$BUILD/muster-server" "$BUILD/musterctl" | grep -o '/[^ :]*\.so[^ ]*' | sort -u | while read -r library; do
		on "$1" test -e "$library" </dev/null || machine_put "$1" "$(realpath "$library")" "$library" </dev/null
	done
	on "$1" ldconfig
}

setup_file()
{
	load helpers
	machines_begin
	make -s -C "$HELPERS_HOME/.." BUILD="${BUILD#"$(realpath "$HELPERS_HOME/..")"/}" DESTDIR="$MACHINES_RUN/root" install
	machine_boot server "$(image_of_this_release)"
	machine_boot web bookworm-curl
	installed_on server
	on server systemd-sysusers
	on server sh -c "sed -i 's/^#Name=.*/Name=$(machine_address server):8443/' /etc/muster/muster-server.conf"
	on server systemctl daemon-reload
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

connected()
{
	on server musterctl client list --json | jq -e '.clients[0].connected' >/dev/null
}

@test "make install puts everything under DESTDIR and PREFIX" {
	run -0 on server sh -c 'cd / && ls usr/local/sbin/muster-server usr/local/bin/musterctl \
		usr/local/lib/muster/clients/linux/*/muster-enrol usr/local/lib/muster/clients/linux/*/muster-agent \
		usr/local/lib/systemd/system/muster-server.service usr/local/lib/systemd/system/muster-server.socket \
		usr/local/lib/sysusers.d/muster.conf usr/local/lib/tmpfiles.d/muster.conf etc/muster/muster-server.conf \
		usr/local/share/bash-completion/completions/musterctl usr/local/share/man/man8/muster-server.8 \
		usr/local/share/man/man7/muster-protocol.7'
}

@test "systemd finds nothing wrong with the units" {
	run -0 on server systemd-analyze verify --man=no muster-server.service muster-server.socket
	refute_output --partial muster
}

@test "the server starts as a service, as a user of its own" {
	run -0 on server systemctl enable --now muster-server
	run -0 on server sh -c 'stat -c %U /proc/$(systemctl show -P MainPID muster-server)'
	assert_output muster
	run -0 on server musterctl status
	assert_output --partial "Listens on"
}

@test "its secrets are its own" {
	run -0 on server sh -c 'stat -c "%a %U %n" /var/lib/muster /var/lib/muster/*.key /var/lib/muster/tls.pem'
	refute_line --regexp '^.[^0]'
	refute_line --regexp '^..[^0]'
	refute_line --partial " root "
}

@test "its sandbox is one that systemd calls safe" {
	local score

	score=$(on server systemd-analyze security --no-pager muster-server.service | sed -n 's/.*service: \([0-9.]*\) .*/\1/p')
	echo "$score"
	awk -v score="$score" 'BEGIN { exit !(score != "" && score <= 1.5) }'
}

@test "an administrator logs in to its dashboard, in that sandbox" {
	on server musterctl admin add ann --role viewer <<<'a long password'
	local body='{"name":"ann","password":"a long password"}'

	# By bash alone: not each of the machines has a program for it.
	run -0 on server bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080 && cat >&3 && cat <&3' < <(printf '%s\r\n' \
		'POST /api/v1/session HTTP/1.1' 'Host: localhost' 'Connection: close' 'Content-Type: application/json' \
		"Content-Length: ${#body}" '' && printf %s "$body")
	assert_output --partial '"how":"session"'
}

@test "a machine enrols with it" {
	token=$(on server musterctl token create --label role=web 2>/dev/null)
	on server musterctl installer --token - <<<"$token" | on web sh -c 'cat >/root/install.sh'
	run -0 enrols web
	eventually connected
	on web sh -c "echo BackoffCap=2s >>/etc/muster/muster-agent.conf"
	run -0 on web systemctl reload muster-agent
}

@test "systemctl reload reads the configuration again, and a mistake in it changes nothing" {
	on server sed -i 's/^#Heartbeat=.*/Heartbeat=7s/' /etc/muster/muster-server.conf
	run -0 on server systemctl reload muster-server
	heartbeat_is() { [[ $(on server musterctl --json status | jq .heartbeat) == "$1" ]]; }
	eventually heartbeat_is 7
	on server sed -i 's/^Heartbeat=.*/Heartbeat=soon/' /etc/muster/muster-server.conf
	on server systemctl reload muster-server || true
	logged() { on server journalctl -u muster-server | grep -q 'muster-server.conf:[0-9]*: .*Heartbeat'; }
	eventually logged
	heartbeat_is 7
	on server sed -i 's/^Heartbeat=.*/Heartbeat=10s/' /etc/muster/muster-server.conf
}

@test "its log has journal fields to search by" {
	run -0 on server sh -c 'journalctl -o json MUSTER_CLIENT=$(musterctl client list --json | grep -o "[0-9a-f]\{32\}" | head -1)'
	assert_output --partial "enrolled web"
}

@test "the agent is back after the server was restarted, and after a crash that systemd mends" {
	run -0 on server systemctl restart muster-server
	eventually connected
	on server systemctl kill --signal=SIGKILL muster-server
	eventually on server musterctl status
	eventually connected
}

@test "with socket activation the port is open before the server is" {
	on server systemctl stop muster-server
	run -0 on server systemctl start muster-server.socket
	run -0 on server systemctl start muster-server
	run -0 on server musterctl status
	assert_output --partial 8443
	eventually connected
}

@test "stopped, it ends cleanly" {
	run -0 on server systemctl stop muster-server.socket muster-server
	run -0 on server systemctl show -P Result muster-server
	assert_output success
}
