#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Updates that the server orders: made by machines that want them, proved or put back, once each, and told as they end.
# shellcheck disable=SC2016 # what the machines' shells expand

bats_require_minimum_version 1.5.0

state=/var/lib/private/muster-agent
own=/var/lib/muster-update

setup_file()
{
	load helpers
	load releases
	machines_begin
	releases_begin
	server_starts
	machine_boot m bullseye-wget &
	machine_boot quiet trixie-none &
	wait %1 %2
	token_for role=web --uses 9
	program_to m
	program_to quiet
	enrols_by_hand m
	enrols_by_hand quiet --listen
	on quiet sh -c 'echo ListenIdle=2s >>/etc/muster/muster-agent.conf'
	newer_made
}

setup()
{
	load helpers
	load releases
	server_trust
	id=$(client_of m)
}

teardown()
{
	on m rm -f /root/hold
}

teardown_file()
{
	load helpers
	machines_end
}

# another_offered [WORD]: another release than those before: the newer one, whose agent has some bytes more.
another_offered()
{
	local folder=$BATS_TEST_TMPDIR/another

	mkdir -p "$folder"
	cp -r "$newer/linux" "$folder"
	echo "$BATS_TEST_NUMBER $*" >>"$folder/linux/$arch/muster-agent"
	offered "$folder"
}

# rolled_out [CLIENT]: to m, or another.
rolled_out()
{
	api POST /rollouts "$(jq -n --arg client "${1:-$id}" '{client: $client, at_once: 1, failures: 0}')" >/dev/null
}

# update_is STATE CODE [CLIENT]: by what the server was told, of the release that it offers.
update_is()
{
	[[ $(api GET "/clients/${3:-$id}" | jq -r '.update | "\(.state) \(.code // 0)"') == "$1 $2" ]] &&
		[[ $(api GET "/rollouts/current" | jq -r .release) == "$(release_offered)" ]]
}

# is_updated [CLIENT]
is_updated()
{
	update_is "done" 0 "${1:-}"
}

told()
{
	api GET "/clients/$id" | jq -r .update.text
}

result_on()
{
	on m sed -n '2s/ [^ ]*$//p' "$own/result"
}

# How often muster-enrol was run by an order.
runs_on()
{
	log_of m muster-update | grep -cE '^muster-agent: (beginning|going on with) the update|^(beginning|going on with) the update' || true
}

nothing_waits()
{
	on m sh -c "! test -e $own/order && ! test -e $state/update/order && ! systemctl -q is-active muster-update.service"
}

installed()
{
	[[ $(sum_of m muster-agent) == "$(sha256sum <"$offers/linux/$arch/muster-agent" | cut -d ' ' -f 1)" ]]
}

# as_agent COMMAND…: as the agent's user, where the agent is.
as_agent()
{
	on m sh -c 'pid=$(systemctl show -p MainPID --value muster-agent); user=$(stat -c %u "/proc/$pid")
		exec nsenter --mount --target "$pid" -- setpriv --reuid "$user" --regid "$user" --clear-groups "$@"' sh "$@"
}

@test "an update that is ordered is made, proved and told, and everything of it is in its place" {
	run -0 on m systemctl is-active muster-update.path
	newer_released
	connected m
	run -0 musterctl release rollout --client "$id" --wait
	assert_line '1 done, 0 under way, 0 failed, 0 waiting, 0 offline'
	is_updated
	installed
	fact_is "$id" .version 0.1.9
	eventually nothing_waits
	assert_regex "$(result_on)" '^[0-9]+ 0$'
	run -0 on m systemctl is-active muster-update.path
	run -0 on m stat -c '%a %U' $own $own/result /run/muster-update
	assert_output $'700 root\n644 root\n755 root'
	run -0 on m systemctl show -P Description muster-agent
	assert_output "muster agenT"
}

@test "a machine that listens is reached, updated, and sleeps again" {
	local client

	client=$(client_of quiet)
	run -0 on quiet systemctl is-active muster-update.path
	run -0 musterctl release rollout --client "$client" --wait
	assert_line '1 done, 0 under way, 0 failed, 0 waiting, 0 offline'
	is_updated "$client"
	fact_is "$client" .version 0.1.9
	eventually on quiet sh -c '! systemctl -q is-active muster-agent.service'
	run -0 on quiet systemctl is-active muster-agent.socket
}

@test "an order that comes again is not carried out again, and an older one not at all" {
	local first second runs

	on m systemctl stop muster-update.path
	another_offered
	rolled_out
	eventually on m test -e $state/update/order
	as_agent cp /var/lib/muster-agent/update/order /var/lib/muster-agent/kept-first
	on m systemctl start muster-update.path
	eventually is_updated
	eventually nothing_waits
	first=$(result_on)
	runs=$(runs_on)
	replays first
	assert_equal "$(on m sed -n '2s/ [^ ]*$//p' /run/muster-update/result)" "$first"
	# It is in force; the agent has a later one made now.
	another_offered later
	rolled_out
	eventually is_updated
	eventually nothing_waits
	second=$(result_on)
	((${second% *} > ${first% *}))
	replays first
	assert_equal "$(on m sed -n '2s/ [^ ]*$//p' /run/muster-update/result)" "${first% *} 40"
	assert_equal "$(result_on)" "$second"
	assert_equal "$(runs_on)" $((runs + 1))
	installed
}

# The agent, taken over, has it carried out once more.
replays()
{
	on m rm -f /run/muster-update/result
	as_agent sh -c 'cd /var/lib/muster-agent && cp "$1" update/x && mv update/x update/order' sh "kept-$1"
	eventually on m test -e /run/muster-update/result
	eventually nothing_waits
}

@test "what else the agent's folder holds is neither followed nor obeyed, and in nobody's way" {
	local plant runs

	runs=$(runs_on)
	remember m
	for plant in 'ln -s /etc/shadow order' 'ln -s /dev/zero order' 'mkfifo order' 'head -c 200000 /dev/urandom >order' \
		'truncate -s 20M order' 'cp ../kept-first x && printf x >>x && mv x order'; do
		as_agent sh -c "cd /var/lib/muster-agent/update && $plant"
		eventually nothing_waits
		eventually on m systemctl -q is-active muster-update.path
	done
	on m rm -f $state/kept-first
	assert_equal "$(runs_on)" "$runs"
	run -0 log_of m muster-update
	assert_output --partial "refused an order that the server has not given"
	another_offered
	rolled_out
	eventually is_updated
}

@test "a release whose agent is broken is put back and told, and the roll-out stands still" {
	connected m
	eventually nothing_waits
	on m cp -p /usr/local/sbin/muster-agent /root/former
	agent_offered 'echo it broke; exit 3'
	run -7 musterctl release rollout --client "$id" --wait
	assert_line --regexp ' failed .* update put back: .*ended by itself'
	assert_line --regexp '^it is halted: m \(.*\): update put back: '
	update_is failed 42
	assert_regex "$(told)" 'ended by itself'
	assert_equal "$(sum_of m muster-agent)" "$(on m sha256sum /root/former | cut -d ' ' -f 1)"
	run -0 api GET /rollouts/current
	assert_equal "$(jq -r .state <<<"$output")" halted
	connected m
	eventually nothing_waits
	assert_regex "$(result_on)" ' 42$'
}

@test "a machine that takes none says so at once, and stays as it is" {
	local before

	before=$(sum_of m muster-agent)
	another_offered
	on m sh -c 'mv /etc/systemd/system/muster-update.path /root/ && ln -s /dev/null /etc/systemd/system/muster-update.path &&
		systemctl daemon-reload && systemctl stop muster-update.path'
	rolled_out
	eventually update_is failed 44
	assert_regex "$(told)" 'masked'
	assert_equal "$(sum_of m muster-agent)" "$before"
	# By hand it goes on being updated, and the mask stays.
	run -0 on m muster-enrol --update
	run -0 on m readlink /etc/systemd/system/muster-update.path
	on m sh -c 'mv /root/muster-update.path /etc/systemd/system/ && systemctl daemon-reload &&
		echo Updates=no >>/etc/muster/muster-agent.conf && systemctl restart muster-agent'
	connected m
	another_offered later
	before=$(sum_of m muster-agent)
	rolled_out
	eventually update_is failed 44
	assert_regex "$(told)" 'Updates=no'
	assert_equal "$(sum_of m muster-agent)" "$before"
	on m sh -c 'sed -i /^Updates=/d /etc/muster/muster-agent.conf && systemctl restart muster-agent'
}

@test "killed in the middle, by whomever, it is brought to its end" {
	local name

	for name in KILL TERM; do
		connected m
		eventually nothing_waits
		held_back m
		another_offered $name
		rolled_out
		eventually on m test -e /run/held
		on m systemctl kill --kill-who=all -s $name muster-update.service
		on m rm -f /root/hold
		# What was just begun may be put back first, and is then begun anew.
		eventually is_updated
		eventually nothing_waits
		eventually is_updated
		installed
	done
}

@test "after a loss of power in the middle it is brought to its end" {
	connected m
	held_back m
	another_offered
	rolled_out
	eventually on m test -e /run/held
	run -0 on m test -e $own/order
	machine_kill m
	machine_start m
	eventually is_updated
	eventually nothing_waits
	installed
	assert_regex "$(result_on)" ' 0$'
}

@test "a machine of before its units gets them by an update by hand, and loses them if that is put back" {
	connected m
	eventually nothing_waits
	on m sh -c 'systemctl stop muster-update.path && cd /etc/systemd/system && rm muster-update.* &&
		sed -i "s/ muster-update.path//" muster-agent.service && systemctl daemon-reload && systemctl restart muster-agent'
	connected m
	agent_offered 'exit 3'
	run -18 on m muster-enrol --update
	run -2 on m sh -c 'ls /etc/systemd/system/muster-update.*'
	run on m systemctl is-active muster-update.path
	assert_output inactive
	another_offered
	rolled_out
	eventually update_is failed 44
	run -0 on m muster-enrol --update
	run -0 on m systemctl is-active muster-update.path
	connected m
	rolled_out
	eventually is_updated
}

@test "nothing of it is left when the machine has left" {
	on m sh -c 'cd /etc/systemd/system && mkdir muster-apply.path.d muster-update.service.d && echo "[Service]" >muster-update.service.d/own.conf'
	run -0 uninstalls m --purge
	run -0 on m find /etc /var/lib /usr/local /run -xdev -name '*muster*'
	refute_output
	run on m systemctl is-active muster-update.path
	assert_output inactive
}
