#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What machines say: from `muster-agent send` to the server's store, on real machines.

bats_require_minimum_version 1.5.0

setup_file()
{
	local machine

	load helpers
	machines_begin
	server_configured '[messages]' 'PerClient=20000'
	server_starts
	machine_boot one bookworm-curl &
	machine_boot two bullseye-wget &
	wait
	token_for role=test --uses 2
	for machine in one two; do
		program_to "$machine"
		on "$machine" groupadd --force --system muster
		machine_user "$machine" member
		machine_user "$machine" stranger
		on "$machine" usermod -a -G muster member
		enrols_by_hand "$machine"
		# Killed often, it is back at once; cut off, it tries again at once.
		on "$machine" mkdir -p /etc/systemd/system/muster-agent.service.d
		on "$machine" sh -c 'printf "[Service]\nRestartSec=50ms\n" >/etc/systemd/system/muster-agent.service.d/test.conf
			echo BackoffCap=1s >>/etc/muster/muster-agent.conf'
		on "$machine" systemctl daemon-reload
		on "$machine" systemctl restart muster-agent
	done
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

connected()
{
	[[ $(on "$1" muster-agent status --json | jq -r .state) == connected ]]
}

# Every text of a type, in order.
texts_of()
{
	musterctl --json message list --all --type "$1" | jq -r '.messages[].text'
}

count_of()
{
	musterctl --json message list --all --type "$1" | jq '.messages | length'
}

has_count()
{
	[[ $(count_of "$1") == "$2" ]]
}

agent_dies()
{
	on one systemctl kill -s KILL muster-agent || true
}

@test "root and members of the group send; nobody else does" {
	on one muster-agent send --type who "by root"
	as member one muster-agent send --type who "by a member"
	run -4 as stranger one muster-agent send --type who "by a stranger"
	assert_output --partial "only root and members of the group muster"
	eventually has_count who 2
	assert_equal "$(texts_of who)" "by root
by a member"
	assert_equal "$(on one stat -c %a-%G /run/muster-agent/send)" 660-muster
}

@test "a text comes from an argument, a file or standard input, whatever is in it" {
	local esc=$'\e[31mred\e[0m \u202Eback\u009b'

	as member two muster-agent send --type form "an argument"
	on two sh -c 'printf "two\nlines\n" >/tmp/text; muster-agent send --type form -f /tmp/text'
	on two muster-agent send --type form - <<<"standard input"
	on two sh -c 'printf "l1\n\nl2\nl3" | muster-agent send --lines --type form'
	on two muster-agent send --type form "$esc"
	eventually has_count form 7
	run -0 musterctl --json message list --all --type form
	assert_equal "$(jq -r '[.messages[].text] | join("|")' <<<"$output")" \
		$'an argument|two\nlines|standard input|l1|l2|l3|'"$esc"
	assert_equal "$(jq -r '.messages[0] | .client, .hostname' <<<"$output")" "$(client_of two)
two"
	refute_output --partial "$esc"
	run -0 musterctl message list --type form
	assert_line --regexp 'two +form +two lines'
	assert_output --partial '\x1b[31mred'
	refute_output --partial $'\e['
	refute_output --partial $'\u202E'
	run -0 musterctl message show "$(musterctl --json message list --all --type form | jq '.messages[-1].seq')"
	assert_line --partial '\x1b[31mred'
	refute_output --partial $'\e['
}

@test "what can't be a message is refused, and nothing of it is stored" {
	local type

	for type in '' Upper 'a b' 'a/b' $'a\nb' "$(printf 'x%.0s' {1..65})"; do
		run -2 on one muster-agent send --type "$type" text
	done
	run -2 on one muster-agent send --type bad ''
	run -2 on one muster-agent send --type bad - </dev/null
	run -2 on one sh -c "printf 'a\\377b' | muster-agent send --type bad"
	run -2 on one sh -c "printf 'a\\0b' | muster-agent send --type bad"
	run -2 on one sh -c "head -c 65537 /dev/zero | tr '\\0' x | muster-agent send --type bad"
	run -2 on one sh -c "printf 'good\\nb\\377d\\ngood' | muster-agent send --type halfway --lines"
	assert_output --partial "message 2 is not"
	run -2 on one muster-agent send --type bad -f /nonexistent
	run -2 on one muster-agent send --type bad a b
	run -2 on one muster-agent send --timeout 0 x
	on one sh -c "head -c 65536 /dev/zero | tr '\\0' x | muster-agent send --type largest"
	eventually has_count largest 1
	assert_equal "$(texts_of largest | wc -c)" 65537
	assert_equal "$(count_of bad)" 0
	assert_equal "$(texts_of halfway)" good
}

@test "filters, pages and pointing at what isn't there" {
	local seq

	on one sh -c 'seq 1 30 | muster-agent send --lines --type pages'
	eventually has_count pages 30
	assert_equal "$(musterctl --json message list --type pages --last 3 | jq -r '.messages[].text' | xargs)" "28 29 30"
	seq=$(musterctl --json message list --type pages --last 3 | jq .messages[0].seq)
	assert_equal "$(musterctl --json message list --type pages --after "$seq" | jq -r '.messages[].text' | xargs)" "29 30"
	assert_equal "$(api GET "/messages?type=pages&limit=7" | jq -c '[(.messages | length), (.next | length > 0)]')" "[7,true]"
	assert_equal "$(musterctl --json message list --all --client "$(client_of two)" --type pages | jq '.messages | length')" 0
	assert_equal "$(musterctl --json message list --all --client "$(client_of one)" --type pages | jq '.messages | length')" 30
	run -4 musterctl message list --client ffffffffffffffffffffffffffffffff
	run -4 musterctl message show 999999
	run -4 musterctl message show nonsense
	run -2 musterctl message list --type 'Bad Type'
	run -2 musterctl message list --last 3 --all
	run ! api GET "/messages?wait=61"
	run ! api GET "/messages?nonsense=1"
	run ! api POST "/messages" '{}'
}

@test "--follow shows what comes, at once" {
	local seen=$MACHINES_RUN/seen follower

	# Not by the function: what is killed below is the program.
	"$BUILD/musterctl" --socket "$MACHINES_RUN/server/control.sock" message list --type live --follow >"$seen" 3>&- &
	follower=$!
	on one muster-agent send --type live "first"
	saw()
	{
		grep -q "one \[live\] $1" "$seen"
	}
	eventually saw first
	on two muster-agent send --type other "not this"
	on one muster-agent send --type live "second"
	eventually saw second
	kill $follower
	wait $follower || true
	assert_equal "$(wc -l <"$seen")" 2
}

@test "without an agent a sender waits for one, and then says that there is none" {
	on one systemctl stop muster-agent
	run -6 on one muster-agent send --timeout 1s --type late "too late"
	assert_output --partial "is muster-agent.service running?"
	on one muster-agent send --timeout 30s --type late "in time" 3>&- &
	on one systemctl start muster-agent
	wait $!
	eventually connected one
	eventually has_count late 1
	assert_equal "$(texts_of late)" "in time"
}

@test "what is stored survives a cut line and a killed agent; a full spool refuses, loudly" {
	on two sh -c 'echo SpoolMessages=5 >>/etc/muster/muster-agent.conf'
	reloaded two
	cut_network two
	run -5 on two sh -c 'seq 1 9 | muster-agent send --lines --type spooled'
	assert_output --partial "message 6 was not taken: the spool is full"
	assert_output --partial "5 before it are stored"
	run -5 on two muster-agent send --type spooled 10
	on two systemctl kill -s KILL muster-agent
	run -5 on two muster-agent send --type spooled 11
	assert_equal "$(count_of spooled)" 0
	run -0 log_of two muster-agent
	assert_output --partial "refused a message: 5 messages"
	assert_output --partial "5 messages wait for the server"
	join_network two
	eventually has_count spooled 5
	# Acknowledged a moment after it is there.
	eventually on two muster-agent send --type spooled 12
	eventually has_count spooled 6
	assert_equal "$(texts_of spooled | xargs)" "1 2 3 4 5 12"
	on two sed -i /SpoolMessages/d /etc/muster/muster-agent.conf
	reloaded two
}

# It has read its configuration again, and is connected.
reloaded()
{
	times_reloaded=$(reloads_of "$1")
	on "$1" systemctl reload muster-agent
	eventually reloaded_since "$1"
	eventually connected "$1"
}

reloads_of()
{
	log_of "$1" muster-agent | grep -c 'configuration and keys read anew' || true
}

reloaded_since()
{
	(($(reloads_of "$1") > times_reloaded))
}

cut_now()
{
	(($1 >= 7 && $1 < 9 || $1 >= 20 && $1 < 22 || $1 >= 33 && $1 < 35))
}

# More of them are stored than when it was last asked.
more_of()
{
	local now

	now=$(api GET "/messages?last=1&type=$1" | jq '.messages[0].number // 0') && ((now > ${reached:-0})) && reached=$now
}

# The same numbers each time: which of both is killed, and when the line is cut.
@test "10,000 messages, agent and server killed 20 times each, the line cut 3 times: all, once, in order" {
	local pipe=$MACHINES_RUN/pipe sent=0 step victim agents=0 servers=0 sender

	RANDOM=4711
	mkfifo "$pipe"
	on one muster-agent send --lines --type many --timeout 5m <"$pipe" >"$MACHINES_RUN/sender" 2>&1 3>&- &
	sender=$!
	exec 9>"$pipe"
	for ((step = 0; step < 40; step++)); do
		seq $((sent + 1)) $((sent + 250)) >&9
		sent=$((sent + 250))
		victim=$((RANDOM % 2))
		((agents < 20)) || victim=1
		((servers < 20)) || victim=0
		case $step in
		7 | 20 | 33) cut_network one ;;
		9 | 22 | 35) join_network one ;;
		esac
		if ((victim == 0)); then
			agent_dies
			((++agents))
		else
			server_dies
			server_starts 9>&-
			((++servers))
		fi
		cut_now "$step" || eventually more_of many
	done
	exec 9>&-
	wait $sender || fail "the sender: $(<"$MACHINES_RUN/sender")"
	assert_equal "$agents $servers $sent" "20 20 10000"
	patience=120 eventually has_count many 10000 || true
	texts_of many | diff - <(seq 1 10000) || fail "not all, not once or not in order"
	assert_equal "$(musterctl --json message list --all --type many | jq '[.messages[].number] | . == sort and (unique | length) == 10000')" true
}

### The outlet and what is kept

outlet_has()
{
	[[ -e $1 && $(jq -r 'select(.type == "out") | .text' "$1" | sort -nu | xargs) == "$2" ]]
}

@test "the outlet's file gets every message as a line, also what came while it could not" {
	local file=$MACHINES_RUN/server/out/lines

	server_configured '[messages]' "OutletFile=$file"
	server_restarts
	on one sh -c 'seq 1 3 | muster-agent send --lines --type out'
	eventually server_told "the outlet has not taken its messages"
	mkdir "$MACHINES_RUN/server/out"
	on one muster-agent send --type out 4
	eventually outlet_has "$file" "1 2 3 4"
	eventually server_told "the outlet takes messages again"
	assert_equal "$(stat -c %a "$file")" 600
	# All that was there before is in it too, once, in order, as the API tells it.
	assert_equal "$(jq -c . "$file")" "$(musterctl --json message list --all | jq -c '.messages[]')"
	# A torn line is closed, moving the file away makes a new one.
	printf '{"torn' >>"$file"
	on one muster-agent send --type out "behind it"
	eventually grep -q '"text":"behind it"' "$file"
	assert_equal "$(tail -n 1 "$file" | jq -r .text)" "behind it"
	mv "$file" "$file.1"
	on one muster-agent send --type out 6
	eventually outlet_has "$file" 6
}

server_told()
{
	server_log | grep -q -- "$1"
}

@test "the outlet's command is run until it has taken them, and a killed server begins again where it was" {
	local out=$MACHINES_RUN/server/out

	mkdir -p "$out"
	cat >"$out/take" <<-'END'
		#!/bin/sh
		# Fails as long as there is a file of that name, after it has read everything.
		# None of many arguments is lost.
		cat >"$1/batch" && test $# = 36 && ! test -e "$1/fail" && cat "$1/batch" >>"$1/taken" && env >"$1/env"
	END
	chmod +x "$out/take"
	: >"$out/fail"
	server_configured '[messages]' "OutletCommand=$out/take $out$(printf ' x%.0s' {1..35})"
	server_restarts
	on one sh -c 'seq 11 13 | muster-agent send --lines --type out'
	eventually server_told "exit code 1"
	server_dies
	rm "$out/fail"
	server_starts
	eventually outlet_has "$out/taken" "11 12 13"
	run ! grep -E 'NOTIFY_SOCKET|BUILD|MACHINES' "$out/env"
	on one muster-agent send --type out 14
	eventually outlet_has "$out/taken" "11 12 13 14"
	assert_equal "$(jq .seq "$out/taken" | uniq -d)" ""
}

@test "a slow outlet holds nobody up, and two of them are a mistake" {
	server_configured '[messages]' 'OutletCommand=/bin/sleep 30'
	server_restarts
	on one muster-agent send --type slow 1
	eventually has_count slow 1
	on one muster-agent send --type slow 2
	eventually has_count slow 2
	server_configured '[messages]' 'OutletCommand=/bin/true' 'OutletFile=/nowhere'
	run ! "$BUILD/muster-server" --check --config "$server/muster-server.conf"
	assert_output --partial "exclude each other"
	server_configured '[messages]' 'OutletCommand=cat'
	run ! "$BUILD/muster-server" --check --config "$server/muster-server.conf"
	assert_output --partial "not an absolute path"
	server_configured
	server_restarts
}

@test "of one machine no more are kept than the configuration says" {
	server_configured '[messages]' PerClient=3
	server_restarts
	on two muster-agent send --type other "not of that machine"
	on one sh -c 'seq 1 9 | muster-agent send --lines --type share'
	kept()
	{
		[[ $(musterctl --json message list --all --client "$(client_of one)" | jq -r '.messages[].text' | xargs) == "7 8 9" ]]
	}
	eventually kept
	refute [ "$(count_of other)" = 0 ]
	server_configured
	server_restarts
}
