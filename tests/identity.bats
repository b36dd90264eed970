#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A machine's identity in its later life: installed anew, gone for good, copied. Real machines.

bats_require_minimum_version 1.5.0

setup_file()
{
	load helpers
	machines_begin
	server_configured '[limits]' 'IdleTimeout=15s'
	server_starts
	machine_boot web bookworm-curl &
	machine_boot db trixie-none &
	wait
	enrolled web
}

setup()
{
	load helpers
	server_trust
}

teardown_file()
{
	load helpers
	machines_end
}

fact()
{
	api GET "/clients/$1" | jq -r "$2"
}

fact_is()
{
	[[ $(fact "$1" "$2") == "$3" ]]
}

# What takes a heartbeat or two.
in_time()
{
	patience=120 eventually "$@"
}

audited() # ACT OBJECT ACTOR
{
	api GET "/audit?last=20" | jq -e --arg act "$1" --arg object "$2" --arg actor "$3" \
		'any(.entries[]; .act == $act and .object == $object and .actor == $actor)' >/dev/null
}

# With the machine-id that it always has.
enrolled()
{
	on "$1" sh -c 'echo "$1" >/etc/machine-id' sh "$(printf '%s' "$1" | md5sum | cut -c 1-32)"
	program_to "$1"
	token_for "role=$1" --uses 1
	enrols_by_hand "$1"
}

installed_anew()
{
	machine_remove "$1"
	machine_boot "$1" bookworm-curl
}

@test "a machine that was installed anew takes the place of what it was" {
	local old new

	old=$(client_of web)
	installed_anew web
	enrolled web
	new=$(client_of web)
	[[ $old != "$new" ]]
	in_time fact_is "$old" .state replaced
	assert_equal "$(fact "$old" .replaced_by)" "$new"
	assert_equal "$(fact "$new" .replaces)" "$old"
	assert_equal "$(fact "$new" .state)" enrolled
	audited client.replace "$old" server
	run -0 musterctl client list
	assert_line --regexp "^${old:0:12} .* replaced .* no "
	assert_line --regexp "^${new:0:12} .* enrolled .* yes "
	run -0 musterctl client list --state replaced
	assert_line --regexp "^${old:0:12} "
	refute_output --partial "${new:0:12}"
	run -0 musterctl client show "$new"
	assert_line --regexp "^Replaces +$old"
	run -0 musterctl client show "$old"
	assert_line --regexp "^Replaced by +$new"
	# Nobody waits for it any more.
	echo here >"$MACHINES_RUN/motd"
	run -0 musterctl config push motd "$MACHINES_RUN/motd" --to role=web --wait
	run -0 musterctl config status motd --json
	assert_equal "$(jq -r '.clients[].id' <<<"$output")" "$new"
	musterctl config remove motd --wait
}

@test "a machine that left and enrols again is linked at once" {
	local old new

	old=$(client_of web)
	uninstalls web
	enrolled web
	new=$(client_of web)
	assert_equal "$(fact "$old" .state)" left
	assert_equal "$(fact "$old" .replaced_by)" "$new"
	assert_equal "$(fact "$new" .replaces)" "$old"
}

@test "nobody takes a machine's place by its machine-id while it is heard" {
	local id other

	id=$(client_of web)
	on db sh -c 'echo "$1" >/etc/machine-id' sh "$(on web cat /etc/machine-id)"
	program_to db
	token_for role=db
	enrols_by_hand db
	other=$(client_of db)
	assert_equal "$(fact "$other" .replaces)" null
	assert_equal "$(fact "$other" '.labels | join(" ")')" role=db
	# Off for longer than it may be silent, it is taken for replaced; not any more when it is back.
	musterctl client remove "$other"
	uninstalls db
	on web systemctl stop muster-agent
	token_for role=db
	enrols_by_hand db
	other=$(client_of db)
	in_time fact_is "$id" .state replaced
	assert_equal "$(fact "$other" .replaces)" "$id"
	on web systemctl start muster-agent
	in_time fact_is "$id" .state enrolled
	assert_equal "$(fact "$id" .replaced_by)" null
	assert_equal "$(fact "$other" .replaces)" null
	audited client.return "$id" "client:$id"
	run -0 server_log
	assert_output --partial "is not replaced by $other: they have the same machine-id"
	uninstalls db
}

### Clones

# The keys and configuration of one machine on another, as a copied disk has them.
cloned() # FROM TO
{
	local files='var/lib/private/muster-agent etc/muster etc/systemd/system usr/local/sbin'

	# shellcheck disable=SC2086
	on "$1" tar -C / -cf - $files var/lib/muster-agent | on "$2" tar -C / -xf -
	on "$2" systemctl daemon-reload
	on "$2" sh -c 'ls -d /var/lib/muster-agent/. >/dev/null && systemctl start muster-agent'
}

cleaned() # MACHINE: without an agent of its own
{
	on "$1" sh -c 'systemctl stop muster-agent; rm -rf /var/lib/private/muster-agent /var/lib/muster-agent \
		/etc/muster /etc/systemd/system/muster-* /etc/systemd/system/*.wants/muster-* /usr/local/sbin/muster-*
		systemctl daemon-reload; systemctl reset-failed' || true
}

a_copy()
{
	cleaned db
	cloned web db
}

@test "a reboot, a restart of the agent, a cut connection and a killed server are no clones" {
	local id

	id=$(client_of web)
	in_time fact_is "$id" .connected true
	machine_kill web
	machine_start web
	in_time fact_is "$id" .connected true
	on web systemctl restart muster-agent
	on web systemctl kill -s KILL muster-agent
	cut_network web
	machine_reboot web
	join_network web
	in_time fact_is "$id" .connected true
	server_dies
	server_starts
	in_time fact_is "$id" .connected true
	assert_equal "$(fact "$id" .clone)" null
	assert_equal "$(fact "$id" .uptime)" null
	run -0 musterctl client list --clones
	refute_output --partial web
}

@test "two machines with one identity are noticed, shown, and told apart" {
	local id

	id=$(client_of web)
	a_copy
	cloned_now()
	{
		[[ $(fact "$id" .clone.sign) == went-back ]]
	}
	in_time cloned_now
	assert_equal "$(fact "$id" .state)" enrolled
	audited client.clone "$id" server
	run -0 musterctl client list --clones
	assert_line --regexp "^${id:0:12} .* enrolled, cloned "
	run -0 musterctl client list --clones --json
	assert_equal "$(jq -r '.clients[].id' <<<"$output")" "$id"
	run -0 musterctl client show "$id"
	assert_line --regexp '^Cloned +two machines speak with this identity$'
	assert_line --regexp '^Seen +.* at 10\.99\.0\.'
	assert_equal "$(fact "$id" '[.clone_machines[].hostname] | sort | join(" ")')" "db web"
	run -0 server_log
	assert_output --regexp "two machines speak as (web|db) \\($id\\)"
	# Both go on, so it doesn't help to say that it's over.
	run -0 musterctl client clear-clone "${id:0:8}"
	in_time cloned_now
	# One ends.
	cleaned db
	musterctl client clear-clone "$id"
	in_time fact_is "$id" '.connected and .hostname == "web"' true
	assert_equal "$(fact "$id" .clone)" null
	audited client.clear-clone "$id" "uid:0(root)"
	on web systemctl restart muster-agent
	in_time fact_is "$id" '.connected and .boot_id != null' true
	assert_equal "$(fact "$id" .clone)" null
}

@test "if the server is told so, clones are suspended, both" {
	local id

	id=$(client_of web)
	server_configured '[limits]' 'IdleTimeout=15s' '[clients]' 'Clones=suspend'
	server_restarts
	in_time fact_is "$id" .connected true
	a_copy
	in_time fact_is "$id" .state suspended
	assert_equal "$(fact "$id" .reason)" "two machines speak with this identity: run muster-enrol --rekey on the copy"
	audited client.suspend "$id" server
	told()
	{
		[[ $(on "$1" muster-agent status --json | jq -r .detail) == *"two machines"* ]]
	}
	in_time told web
	in_time told db
	# An administrator's word stands, also next to the alarm.
	cleaned db
	musterctl client resume "$id"
	musterctl client clear-clone "$id"
	in_time fact_is "$id" '.connected and .hostname == "web"' true
	assert_equal "$(fact "$id" .state)" enrolled
	server_configured '[limits]' 'IdleTimeout=15s' '[clients]' 'Clones=maybe'
	run -1 "$BUILD/muster-server" --config "$server/muster-server.conf" --check
	assert_output --partial "neither alert nor suspend"
	server_configured '[limits]' 'IdleTimeout=15s'
	server_restarts
}

@test "one that was up beside another is noticed by its first HELLO" {
	local id a=11111111111111111111111111111111 b=22222222222222222222222222222222

	token_for role=peer
	peer one enrol "$token" close
	id=$(tr -d '\n' <"$MACHINES_RUN/peers/one/id")
	peer one boot $a up 500 hello close
	peer one boot $b up 1 hello close
	assert_equal "$(fact "$id" .clone)" null
	peer one boot ${a//1/3} up 500 hello close
	assert_equal "$(fact "$id" .clone.sign)" overlap
	musterctl client clear-clone "$id"
	assert_equal "$(fact "$id" '.clone, .boot_id' | xargs)" "null null"
	peer one boot $b up 500 hello close
	peer one boot $b up 400 hello close
	assert_equal "$(fact "$id" .clone.sign)" uptime-fell
	run -22 api POST "/clients/$id/clear-clone" '{"reason": "x"}'
	run -22 api GET "/clients?clones=false"
	run -22 api GET "/clients?clones=true&q=web"
	run -4 musterctl client clear-clone ffffffffffffffffffffffffffffffff
	run -2 musterctl client clear-clone
	musterctl client remove "$id"
}

### New keys

rekeys() # OPTION…
{
	on db "${under[@]}" /usr/local/sbin/muster-enrol --rekey "$@" <<<"$token"
}

@test "a copy gets an identity of its own by one command; the original notices nothing" {
	local id new pid

	id=$(client_of web)
	a_copy
	in_time fact_is "$id" .clone.sign went-back
	pid=$(on web systemctl show -p MainPID --value muster-agent)
	token_for role=copy
	run -0 rekeys
	assert_line --partial "gets new keys"
	assert_line --partial "first report was acknowledged"
	new=$(client_of db)
	[[ $new != "$id" ]]
	assert_equal "$(fact "$new" .cloned_from)" "$id"
	assert_equal "$(fact "$new" '.labels | join(" ")')" role=copy
	assert_equal "$(fact "$new" '.connected, .hostname' | xargs)" "true db"
	audited client.split "$id" server
	run -0 musterctl client show "$new"
	assert_line --regexp "^Cloned from +$id"
	musterctl client clear-clone "$id"
	in_time fact_is "$id" '.connected and .hostname == "web" and .boot_id != null' true
	assert_equal "$(fact "$id" .clone)" null
	assert_equal "$(client_of web)" "$id"
	assert_equal "$(on web systemctl show -p MainPID --value muster-agent)" "$pid"
	on db muster-agent send "from the copy"
	eventually from_the_copy "$new"
	echo here >"$MACHINES_RUN/motd"
	musterctl config push motd "$MACHINES_RUN/motd" --to role=copy --wait
	musterctl config remove motd --wait
	run on db ls /var/lib/private/muster-agent
	refute_output --partial next
	refute on db test -e /var/lib/muster-enrol
}

from_the_copy()
{
	[[ $(musterctl message list --client "$1" --json | jq -r '.messages[].text') == "from the copy" ]]
}

@test "what can't be rekeyed stays as it is" {
	local id before

	id=$(client_of db)
	before=$(on db sh -c 'cat /etc/muster/muster-agent.conf; cd /var/lib/private/muster-agent; md5sum identity.key tls.pem client')
	same()
	{
		assert_equal "$(on db sh -c 'cat /etc/muster/muster-agent.conf; cd /var/lib/private/muster-agent; md5sum identity.key tls.pem client')" "$before"
		assert_equal "$(on db systemctl is-active muster-agent)" active
	}
	token=0123456789abcdef
	run -8 rekeys
	same
	token=
	run -8 rekeys
	token_for role=copy
	run -2 rekeys --server hub:8443
	run -2 rekeys --dry-run
	run -2 rekeys --uninstall
	server_stops
	run -6 rekeys
	server_starts
	same
	assert_equal "$(uses_spent)" 0
	in_time fact_is "$id" .connected true
	assert_equal "$(client_of db)" "$id"
	program_to web
	token_for role=copy
	run -16 on db sh -c 'mv /etc/muster/muster-agent.conf /root; /usr/local/sbin/muster-enrol --rekey' <<<"$token"
	on db mv /root/muster-agent.conf /etc/muster/muster-agent.conf
	same
}

works_as() # CLIENT…: the machine is connected as one of them
{
	local id

	for id; do
		! fact_is "$id" '.connected and .hostname == "db"' true || return 0
	done
	return 1
}

@test "killed anywhere it leaves a machine that works, and the next run ends well" {
	local old new n before

	faults_to db
	for n in 1 4 7 10 13; do
		old=$(client_of db)
		token_for role=copy --uses 2
		with_faults "fsync,fdatasync:signal=KILL:when=$n"
		run rekeys
		without_faults
		before=$(client_of db)
		on db systemctl restart muster-agent
		in_time works_as "$before"
		run -0 rekeys
		assert_line --partial "first report was acknowledged"
		new=$(client_of db)
		[[ $new != "$old" ]]
		in_time works_as "$new"
		# One that had come to its end before is no first half of the second.
		[[ $before != "$old" ]] || assert_equal "$(uses_spent)" 1
	done
	old=$(client_of db)
	token_for role=copy --uses 2
	with_faults 'rename,renameat,renameat2:signal=KILL:when=1'
	run rekeys
	without_faults
	on db systemctl restart muster-agent
	in_time works_as "$(client_of db)"
	run -0 rekeys
	[[ $(client_of db) != "$old" ]]
}

### Ephemeral machines

# As if nothing had been heard of the client for so many seconds, by a server that was there.
silent_for() # ID SECONDS
{
	store_query "$server/state" "UPDATE client SET last_hello = last_hello - $2,
		enrolled = enrolled - $2, state_since = 0, counted = 0 WHERE hex(id) = upper('$1')"
}

@test "an ephemeral machine is removed after its time offline, and not while it is connected" {
	local id other

	token=$(musterctl token create --label role=db --ephemeral 12h 2>/dev/null)
	program_to db
	uninstalls db
	enrols_by_hand db
	id=$(client_of db)
	other=$(client_of web)
	assert_equal "$(fact "$id" .ephemeral)" 43200
	assert_equal "$(fact "$other" .ephemeral)" null
	run -0 musterctl client show "$id"
	assert_line --regexp '^Ephemeral +removed after 12 h 0 min offline$'
	run -0 musterctl token list
	assert_line --regexp ' no +12 h 0 min +role=db'
	run -0 musterctl token show "$(fact "$id" .token)"
	assert_line --regexp '^Ephemeral +its machines are removed after 12 h 0 min offline$'
	# Days after the server's end it is still there. (The store's clock stays ahead: this is the last test.)
	server_stops
	on db systemctl stop muster-agent
	# shellcheck disable=SC2046
	server_starts $(clock_shifted +9d)
	in_time fact_is "$other" .connected true
	assert_equal "$(fact "$id" .state)" enrolled
	silent_for "$id" 43300
	silent_for "$other" 43300
	gone_from_list()
	{
		! api GET "/clients/$id" >/dev/null 2>&1
	}
	in_time gone_from_list
	audited client.remove "$id" server
	run -0 server_log
	assert_output --partial "db ($id) is removed: ephemeral, and offline for 43200 s"
	assert_equal "$(fact "$other" .state)" enrolled
	# Back again it learns that, for ever.
	on db systemctl start muster-agent || true
	in_time removed_there
	server_restarts
}

removed_there()
{
	[[ $(on db systemctl show -p ExecMainStatus -p StatusText muster-agent) == *77*ephemeral* ||
		$(on db systemctl show -p ExecMainStatus -p StatusText muster-agent) == *ephemeral*77* ]]
}

@test "how long an ephemeral machine may be offline is checked" {
	run -2 musterctl token create --ephemeral soon
	assert_output --partial "--ephemeral: 'soon' is not a duration"
	for wrong in 59s 100000000w 0s -1h ''; do
		run -2 musterctl token create --ephemeral "$wrong"
	done
	for wrong in 59 -1 1.5 '"12h"' true 315360001 1e3; do
		run -22 api POST /tokens "{\"ephemeral\": $wrong}"
		assert_output --partial "'ephemeral'"
	done
	run -0 api POST /tokens '{"ephemeral": null}'
}
