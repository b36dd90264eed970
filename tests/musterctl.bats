#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# musterctl and the control socket, with a server of each test's own: no machines, no privileges needed.

# Each test is a process of its own, and so are its variables.
# shellcheck disable=SC2030,SC2031

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert
load store

setup()
{
	BUILD=$(realpath -m "${BUILD:-$BATS_TEST_DIRNAME/../build}")
	dir=$BATS_TEST_TMPDIR
	export MUSTER_SOCKET=$dir/control.sock TERM=dumb
	PATH=$BUILD:$PATH
	[[ $BATS_TEST_DESCRIPTION == *"(no server)"* ]] || start
}

teardown()
{
	stop
}

start()
{
	cat >"$dir/conf" <<-END
		[server]
		Listen=127.0.0.1:0
		Name=muster.example:8443
		${second_name:+Name=$second_name}
		State=$dir/state
		$(store_line "$dir/state")
		Control=$MUSTER_SOCKET
		Clients=$BUILD/clients
	END
	rm -f "$dir/ready"
	mkfifo "$dir/ready"
	# Its log is read until it says that it's ready, then kept.
	"$BUILD/muster-server" --config "$dir/conf" >"$dir/ready" 2>&1 3>&- &
	server=$!
	exec 9<"$dir/ready"
	local line
	while IFS= read -r -t 20 line <&9; do
		printf '%s\n' "$line" >>"$dir/log"
		[[ $line != *"is ready"* ]] || return 0
	done
	fail "the server doesn't start: $(cat "$dir/log")"
}

stop()
{
	[[ -n ${server-} ]] || return 0
	kill "${1:--TERM}" "$server" 2>/dev/null || true
	wait "$server" 2>/dev/null || true
	rm -f "/dev/shm/faketime_shm_$server" "/dev/shm/sem.faketime_sem_$server" # of one whose clock was put off
	server=
	exec 9<&-
}

# With the clock put off by so much, until it answers. Not by faketime(1), which runs it as a child.
start_at()
{
	local library
	library=$(find /usr/lib -name libfaketime.so.1 -print -quit)
	ASAN_OPTIONS=${ASAN_OPTIONS-}:verify_asan_link_order=0 FAKETIME=$1 LD_PRELOAD=$library \
		"$BUILD/muster-server" --config "$dir/conf" >"$dir/log2" 2>&1 3>&- &
	server=$!
	until musterctl status >/dev/null 2>&1; do
		kill -0 "$server"
		pause
	done
}

pause()
{
	read -r -t 0.05 <><(:) || true
}

# A machine as an enrolment leaves it, put in while the server is down: NUMBER TOKEN-ID HOSTNAME [STATE [HELLO]]
machine()
{
	store_query "$dir/state" "INSERT INTO client (id, identity, tls_pin, state, labels, token, enrolled,
		last_hello, uptime, boot_id, address, hostname, os, kernel, arch, version, machine) VALUES
		(x'$(printf '%032x' "$((0x1000000 + $1))")', x'04$(printf '%0128x' "$1")', x'$(printf '%064x' "$1")', ${4:-0},
		'role=web,site=bonn', '$2', 1790000000, ${5:-0}, 3700, zeroblob(16), '192.0.2.$1', $3, 'Debian GNU/Linux 12',
		'6.1.0', 'x86_64', '0.1.0', zeroblob(32)); UPDATE token SET used = used + 1 WHERE id = '$2'"
}

new_token()
{
	local made
	made=$(musterctl --json token create "$@")
	token=$(jq -r .token <<<"$made")
	id=$(jq -r .id <<<"$made")
}

# ---- tokens

@test "a token goes to standard output, everything else to standard error" {
	musterctl token create --label role=web --label fast --uses 3 --note 'für Bonn' >"$dir/out" 2>"$dir/err"
	run cat "$dir/out"
	assert_output --regexp '^[0-9a-f]{16}$'
	run cat "$dir/err"
	assert_output --partial '0 of 3 used, expires in 24 h, labels fast role=web'
	assert_output --partial "curl -q -g -fsS -k --proto =https --pinnedpubkey 'sha256//"
	assert_output --partial "-O- 'https://muster.example:8443/clients/linux' | sudo sh"
	refute_output --partial "$(cat "$dir/out")"
}

@test "tokens are listed as a table, in the order in which they were made" {
	new_token --note first
	new_token --uses unlimited --expires never --label site=bonn
	run musterctl token list
	assert_success
	assert_line --index 0 --regexp '^ID +STATE +USED +EXPIRES +CREATED +BY +APPROVE +EPHEMERAL +LABELS +NOTE$'
	assert_line --regexp '^t-[a-z0-9]{10} +live +0 of 1 +in 24 h +.*uid:[0-9]+.* +first$'
	assert_line --regexp "^$id +live +0 of unlimited +never +.* +site=bonn\$"
	refute_output --partial "$token"
}

@test "without tokens a list is empty, and valid as JSON" {
	run --separate-stderr musterctl token list
	assert_success
	assert_output ''
	run musterctl --json token list
	assert_success
	assert_output '{"tokens":[]}'
}

@test "a token is shown with those who used it, by a part of its id" {
	new_token --uses 2
	stop
	machine 1 "$id" "'web1'"
	start
	run musterctl token show "${id:2:6}"
	assert_success
	assert_line --regexp "^ID +$id\$"
	assert_line --regexp '^Used +1 of 2$'
	assert_line --regexp '^CLIENT +HOSTNAME +STATE +ENROLLED +ADDRESS$'
	assert_line --regexp '^0{25}1000001 +web1 +enrolled +2026-09-2|^0{25}1000001 +web1 +enrolled'
}

@test "a revoked token is kept and shown as such" {
	new_token
	run musterctl token revoke "$id"
	assert_success
	assert_output "token $id is revoked"
	run musterctl token list
	assert_line --regexp "^$id +revoked"
	run musterctl token revoke "$id"
	assert_success
	run musterctl installer --token "$token"
	assert_failure 5
	assert_output "musterctl: token $id is revoked"
}

@test "an unknown id is 4, and so is one that fits several" {
	run musterctl token show t-zzzzzzzzzz
	assert_failure 4
	run musterctl token revoke '../../status'
	assert_failure 4
	run musterctl client show 00
	assert_failure 4
	new_token --uses 2
	stop
	machine 1 "$id" "'a'"
	machine 2 "$id" "'b'"
	start
	run musterctl client show 00
	assert_failure 4
	assert_output "musterctl: '00' fits more than one client"
}

@test "what is wrong is said, by the name of the option or field, with 2" {
	run musterctl token create --uses 0
	assert_failure 2
	assert_output --partial -- '--uses'
	run musterctl token create --expires yesterday
	assert_failure 2
	assert_output --partial 'expires'
	run musterctl token create --label 'a b'
	assert_failure 2
	assert_output --partial 'labels'
	run musterctl token create --label a=1 --label a=2
	assert_failure 2
	run musterctl token create --note "$(printf 'a\nb')"
	assert_failure 2
	assert_output --partial 'note'
	run musterctl client list --label '=='
	assert_failure 2
	assert_output --partial 'selector'
	run musterctl client list --state lost
	assert_failure 2
	run musterctl client list --search '1 2 3 4 5 6 7 8 9'
	assert_failure 2
	assert_output --partial 'words'
	run musterctl client list --search "$(printf '%0129d' 0)"
	assert_failure 2
	run musterctl client list --connected perhaps
	assert_failure 2
	assert_output --partial 'yes or no'
	run musterctl client list --sort labels
	assert_failure 2
	run musterctl audit list --last 0
	assert_failure 2
	run musterctl audit list --last 1 --all
	assert_failure 2
	run musterctl token list
	assert_output 'no tokens yet: musterctl token create'
}

# ---- the script

@test "a script carries the server's keys and, if asked, the token" {
	new_token
	musterctl installer >"$dir/plain.sh"
	printf '%s\n' "$token" | musterctl installer --token - >"$dir/token.sh"
	run diff "$dir/plain.sh" "$dir/token.sh"
	assert_output --partial "> 	token='$token'"
	sh -n "$dir/token.sh"
	shellcheck "$dir/token.sh"
	run grep "server='muster.example:8443'" "$dir/plain.sh"
	assert_success
	run grep "pins='$(musterctl status --json | jq -r .pin)'" "$dir/plain.sh"
	assert_success
}

@test "token create --installer prints the script with a new token, and not the token" {
	musterctl token create --installer --uses 2 >"$dir/script.sh" 2>"$dir/err"
	token=$(sed -n "s/^	token='\([0-9a-f]\{16\}\)'\$/\1/p" "$dir/script.sh")
	[[ -n $token ]]
	sh -n "$dir/script.sh"
	run cat "$dir/err"
	assert_output --partial '0 of 2 used'
	refute_output --partial "$token"
}

@test "an embedded program is the one whose SHA-256 is in the script" {
	musterctl installer --embed >"$dir/script.sh"
	sh -n "$dir/script.sh"
	arch=$(uname -m)
	sed -n "s/^.*'\?$arch \([A-Za-z0-9+/=]\{1000,\}\)'\?\$/\1/p" "$dir/script.sh" | base64 -d | gzip -dc >"$dir/enrol"
	cmp "$dir/enrol" "$BUILD/clients/linux/$arch/muster-enrol"
	run grep -c "$(sha256sum <"$dir/enrol" | cut -d ' ' -f 1)" "$dir/script.sh"
	assert_output 1
}

@test "other requests are answered while a program is compressed" {
	musterctl installer --embed >"$dir/script.sh" &
	pid=$!
	answered=0
	while kill -0 "$pid" 2>/dev/null; do
		musterctl status >/dev/null
		! kill -0 "$pid" 2>/dev/null || answered=$((answered + 1))
	done
	wait "$pid"
	((answered >= 5)) || fail "meanwhile $answered others were answered"
	[[ $(stat -c %s "$dir/script.sh") -gt 1000000 ]]
}

@test "a token that is no token, or nobody's, makes no script" {
	run musterctl installer --token 123
	assert_failure 2
	run musterctl installer --token 0123456789abcdef
	assert_failure 4
	run musterctl installer --token - </dev/null
	assert_failure 2
}

# One who listens at the socket and answers everything so, as a server that was taken over might.
@test "nothing that a server says reaches the terminal as it is (no server)" {
	local evil='\u001b]0;evil\u0007\u001b[2J' fields field body command
	fields=(id hostname state secret token role scope expires name selector kind head reason text url pin)
	for field in "${fields[@]}"; do
		body+="\"$field\":\"$evil\","
	done
	body="{$body\"ok\":true,\"labels\":[\"$evil\"],\"reset\":{\"state\":\"refused\",\"reason\":\"$evil\",\"text\":\"$evil\"},
		\"listening\":{\"fixed\":\"$evil\"},\"error\":\"$evil\"}"
	printf 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %s\r\nConnection: close\r\n\r\n%s' \
		"${#body}" "$body" >"$dir/answer"
	socat UNIX-LISTEN:"$MUSTER_SOCKET",fork SYSTEM:"cat '$dir/answer'; exec cat >/dev/null" 3>&- &
	server=$!
	until [[ -S $MUSTER_SOCKET ]]; do pause; done
	echo x >"$dir/file"
	for command in 'token create' 'token revoke a' 'client address a none' 'client reset a' 'client suspend a' \
		'client label a b' "config push motd $dir/file --all" 'config remove motd' 'api-token create a --role viewer' \
		'api-token revoke a' 'webhook add http://a' 'webhook enable a' 'webhook test a' 'audit verify' status; do
		# shellcheck disable=SC2086 # words
		run musterctl $command
		assert_output --partial evil
		refute_output --partial $'\e'
	done
}

@test "a token can't be read among the arguments" {
	new_token
	# The answer never comes: the socket is a listener that says nothing.
	socat -u UNIX-LISTEN:"$dir/deaf.sock" OPEN:/dev/null 3>&- &
	deaf=$!
	until [[ -S $dir/deaf.sock ]]; do pause; done
	musterctl --socket "$dir/deaf.sock" installer --token "$token" 3>&- &
	pid=$!
	until grep -q installer "/proc/$pid/cmdline" && ! grep -q "$token" "/proc/$pid/cmdline"; do
		kill -0 "$pid"
		pause
	done
	kill "$pid" "$deaf" || true
	wait "$pid" "$deaf" || true
}

# ---- machines

@test "machines are listed by name, and chosen by label and state" {
	new_token --uses unlimited
	stop
	machine 1 "$id" "'zebra'"
	machine 2 "$id" "'ant'" 1 1790000100
	machine 3 "$id" "'bee'" 0 1790000100
	start
	run musterctl client list
	assert_success
	assert_line --index 0 --regexp '^ID +HOSTNAME +STATE +CONNECTED +LAST HELLO +ADDRESS +OS +VERSION +LABELS$'
	assert_line --index 1 --regexp '^0{11}0 +ant +left +no +'
	assert_line --index 2 --regexp ' bee +enrolled +no +'
	assert_line --index 3 --regexp ' zebra +enrolled +no +never +192.0.2.1 +Debian GNU/Linux 12 +0.1.0 +role=web site=bonn$'
	run musterctl client list --label 'role=web,site!=bonn'
	assert_success
	assert_output 'no such clients'
	run bash -c "musterctl client list --state left --json | jq -r '.clients[].hostname'"
	assert_output ant
	run musterctl client show 00000000000000000000000001000003
	assert_line --regexp '^Hostname +bee$'
	assert_line --regexp '^Uptime +1 h 1 min$'
}

@test "more machines than a page are all there" {
	new_token --uses unlimited
	stop
	store_query "$dir/state" "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2345)
		INSERT INTO client (id, identity, tls_pin, state, labels, token, enrolled, last_hello, uptime, boot_id, address,
		hostname, os, kernel, arch, version, machine) SELECT unhex(printf('%032x', i * 7)), unhex('04' || printf('%0128x', i)),
		unhex(printf('%064x', i)), 0, 'n=' || (i % 10), '$id', 1790000000, 0, 0, zeroblob(16), '', 'm' || i, '', '', '', '',
		zeroblob(32) FROM n" 2>"$dir/sqlite" || skip_unhex
	start
	run bash -c "musterctl client list --json | jq '.clients | length'"
	assert_output 2345
	run bash -c "musterctl client list --label n=3 --json | jq '.clients | length'"
	assert_output 235
	run bash -c 'musterctl client list | wc -l'
	assert_output 2346
	run bash -c "musterctl client list --search 'M23 n=4' --connected no --sort -hostname --json | jq -r '.clients[].hostname' | xargs"
	assert_output 'm2344 m234 m2334 m2324 m2314 m2304'
}

# Older SQLite has no unhex(): the same row by row.
skip_unhex()
{
	local i
	for ((i = 1; i <= 2345; i++)); do
		printf "INSERT INTO client (id, identity, tls_pin, state, labels, token, enrolled, last_hello, uptime, boot_id, \
address, hostname, os, kernel, arch, version, machine) VALUES (x'%032x', x'04%0128x', x'%064x', 0, 'n=%d', '%s', 1790000000, 0, 0, zeroblob(16), \
'', 'm%d', '', '', '', '', zeroblob(32));\n" "$((i * 7))" "$i" "$i" "$((i % 10))" "$id" "$i"
	done | { echo 'BEGIN;' && cat && echo 'COMMIT;'; } | store_query "$dir/state"
}

@test "what a machine says of itself does nothing to the terminal" {
	new_token
	stop
	machine 1 "$id" "char(27) || '[2J' || char(10) || char(8238) || 'x'"
	start
	run musterctl client list
	assert_output --partial '\x1b[2J\x0a\xe2\x80\xaex'
	run musterctl client show 000
	assert_line --regexp '^Hostname +\\x1b\[2J\\x0a'
	run musterctl --json client list
	refute_output --partial $'\x1b'
	refute_output --partial '\u001b'
}

@test "wide and combined characters leave the columns straight" {
	characters()
	{
		musterctl token list | grep "$1\$" | tr -d '\n' | LC_ALL=C.UTF-8 wc -m
	}
	for note in plain wide joined; do new_token --note "$note"; done
	stop
	# All three are six columns wide.
	store_query "$dir/state" "UPDATE token SET created = 1790000000,
		created_by = CASE note WHEN 'wide' THEN '王小明' WHEN 'joined' THEN 'abcde' || char(769) || 'f' ELSE 'abcdef' END"
	start
	local plain
	plain=$(characters plain)
	assert_equal "$(($(characters wide) + 3 + 1))" "$plain"
	assert_equal "$(($(characters joined) - 1 - 1))" "$plain"
}

# ---- audit

@test "every act is in the audit log, under the name of who did it" {
	new_token --note hello
	musterctl installer >/dev/null
	musterctl token revoke "$id" >/dev/null
	run musterctl audit list
	assert_line --index 0 --regexp '^SEQ +TIME \(UTC\) +ACTOR +ACT +OBJECT +DETAIL$'
	assert_line --regexp "^1 +.* server +server.start"
	assert_line --regexp "^2 +.* uid:$(id -u)\($(id -un)\) +token.create +$id +uses=1 .*note=hello\$"
	assert_line --regexp "^3 +.* installer.make"
	assert_line --regexp "^4 +.* token.revoke +$id\$"
	run musterctl audit list --last 1
	assert_line --index 1 --regexp '^4 '
	assert_equal "${#lines[@]}" 2
	run musterctl audit list --after 2
	assert_equal "${#lines[@]}" 3
}

@test "a whole audit log verifies, a changed one is 6" {
	for _ in 1 2 3; do new_token; done
	run musterctl audit verify
	assert_success
	assert_output --regexp '^the audit log is whole: 4 entries, head [0-9a-f]{64}$'
	head=$(jq -r .head < <(musterctl audit verify --json))
	run bash -c "musterctl audit list --all --json | jq -r '.entries[-1].hash'"
	assert_output "$head"
	stop
	store_query "$dir/state" "UPDATE audit SET actor = 'uid:1(eve)' WHERE seq = 3"
	start
	run musterctl audit verify
	assert_failure 6
	assert_output --partial 'entry 3'
	run musterctl --json audit verify
	assert_failure 6
	assert_equal "$(jq -c '[.ok, .first_bad]' <<<"$output")" '[false,3]'
}

# ---- status, options, failures

@test "status tells the keys and the numbers" {
	new_token
	run musterctl status
	assert_success
	assert_line --regexp '^Listens on +127\.0\.0\.1:[0-9]+$'
	assert_line --regexp '^Tokens +1 live$'
	assert_line --regexp '^Clients +0 enrolled, 0 of them connected; 0 left$'
	assert_line --regexp '^TLS pin +sha256//[A-Za-z0-9+/]{43}=$'
	run bash -c "musterctl status --json | jq -r '.name, .tokens.live'"
	assert_output $'muster.example:8443\n1'
}

@test "status tells all names, in their order" {
	stop
	second_name=another.example:9443 start
	run bash -c "musterctl status | grep -A 1 ^Name"
	assert_line --index 0 --regexp '^Name +muster\.example:8443$'
	assert_line --index 1 --regexp '^ +another\.example:9443$'
	run bash -c "musterctl status --json | jq -c '[.name, .names]'"
	assert_output '["muster.example:8443",["muster.example:8443","another.example:9443"]]'
}

@test "options stand before or after the command, and once" {
	run musterctl token list --json
	assert_output '{"tokens":[]}'
	run env -u MUSTER_SOCKET musterctl status --socket "$dir/control.sock"
	assert_success
	run env -u MUSTER_SOCKET musterctl --socket="$dir/control.sock" status
	assert_success
	run musterctl token create --uses 1 --uses 2
	assert_failure 2
	run musterctl token create --uses
	assert_failure 2
	run musterctl token list --frobnicate
	assert_failure 2
	run musterctl token list -x
	assert_failure 2
	run musterctl token list extra
	assert_failure 2
	run musterctl token create --json=1
	assert_failure 2
	run musterctl token create --installer --json
	assert_failure 2
	run musterctl token create --embed
	assert_failure 2
	run musterctl token show
	assert_failure 2
}

@test "wrong commands are 2, help and version 0 (no server)" {
	run musterctl
	assert_failure 2
	run musterctl frobnicate
	assert_failure 2
	run musterctl token
	assert_failure 2
	run musterctl token frobnicate
	assert_failure 2
	run musterctl --help
	assert_success
	assert_output --partial 'token create'
	run musterctl token --help
	assert_success
	refute_output --partial 'client list'
	run musterctl token create --help
	assert_success
	assert_output --partial '[--uses N|unlimited]'
	run musterctl --version
	assert_success
	assert_output --regexp '^musterctl [0-9]+\.'
}

@test "every command and option is in the man page and in the completion (no server)" {
	page=$BATS_TEST_DIRNAME/../man/musterctl.1
	# shellcheck source=installer/completions/musterctl
	. "$BATS_TEST_DIRNAME/../installer/completions/musterctl"
	musterctl --help | grep -E '^  [a-z]' | sed 's/^  //; s/ *\[.*//; s/ [A-Z-].*//' >"$dir/commands"
	while read -r group name; do
		grep -qE "^\.(It )?Cm $group${name:+ $name}( |\$)" "$page" || fail "$group $name isn't in the page"
		_musterctl_words '' | grep -qw "$group" || fail "$group isn't completed"
		[[ -z $name ]] || _musterctl_words "$group " | grep -qw "$name" || fail "$group $name isn't completed"
	done <"$dir/commands"
	for option in $(musterctl --help | grep -oE -- '--[a-z]+' | sort -u); do
		grep -q -- "Fl Fl ${option#--}" "$page" || fail "$option isn't in the page"
		grep -q -- "$option" "$BATS_TEST_DIRNAME/../installer/completions/musterctl" || fail "$option isn't completed"
	done
}

@test "without a server it is 3, with the reason (no server)" {
	run musterctl status
	assert_failure 3
	assert_output --partial "no muster-server answers at $MUSTER_SOCKET"
	assert_output --partial 'No such file'
	run musterctl --socket "$(printf '%0200d' 1)" status
	assert_failure
}

@test "output that can't be written is a failure" {
	[[ -e /dev/full ]]
	run bash -c 'musterctl status >/dev/full'
	assert_failure 1
	assert_output --partial 'cannot write'
}

@test "there are colours at a terminal only" {
	new_token
	run musterctl token list
	refute_output --partial $'\033'
	run env TERM=xterm script -qec 'musterctl token list' /dev/null
	assert_output --partial $'\033[32mlive\033[0m'
	run env TERM=xterm NO_COLOR=1 script -qec 'musterctl token list' /dev/null
	refute_output --partial $'\033['
}

@test "ids, commands and options are completed" {
	new_token
	# shellcheck source=installer/completions/musterctl
	. "$BATS_TEST_DIRNAME/../installer/completions/musterctl"
	complete_of()
	{
		COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1))
		_musterctl
		echo "${COMPREPLY[*]}"
	}
	assert_equal "$(complete_of musterctl to)" token
	assert_equal "$(complete_of musterctl token '')" 'create list show revoke'
	assert_equal "$(complete_of musterctl token show '')" "$id"
	assert_equal "$(complete_of musterctl --json token revoke "${id:0:5}")" "$id"
	assert_equal "$(complete_of musterctl client list --state l)" left
	assert_equal "$(complete_of musterctl token create --exp)" --expires
	stop
	assert_equal "$(complete_of musterctl token show '')" ''
}

# ---- the socket

@test "the control socket is for owner and group, and the database for the owner" {
	assert_equal "$(stat -c %a "$MUSTER_SOCKET")" 660
	store_is_postgresql || assert_equal "$(stat -c %a "$dir/state/muster.db")" 600
}

@test "another user is refused by the kernel, and told so" {
	[[ $(id -u) -eq 0 ]] || skip "needs root"
	chmod 755 "$BATS_RUN_TMPDIR" "$dir" "$(dirname "$dir")" "$(dirname "$(dirname "$dir")")" 2>/dev/null || true
	cp "$BUILD/musterctl" "$dir/musterctl"
	run setpriv --reuid=65534 --regid=65534 --clear-groups "$dir/musterctl" --socket "$MUSTER_SOCKET" status
	assert_failure 3
	assert_output --partial 'permission denied'
}

@test "a socket left by a killed server is replaced, one that is answered is not" {
	run timeout 100 "$BUILD/muster-server" --config <(sed "s|^State=.*|State=$dir/other|; /^Store=/d" "$dir/conf")
	assert_failure
	assert_output --partial 'another server answers'
	musterctl status >/dev/null
	stop -KILL
	[[ -S $MUSTER_SOCKET ]]
	start
	musterctl status >/dev/null
	stop
	[[ ! -e $MUSTER_SOCKET ]]
}

@test "a file that is no socket is left alone (no server)" {
	echo precious >"$MUSTER_SOCKET"
	run start
	assert_failure
	run cat "$MUSTER_SOCKET"
	assert_output precious
}

@test "a request that isn't HTTP, or too long, is refused and the server goes on" {
	run bash -c "printf 'GARBAGE\r\n\r\n' | socat -t 60 - UNIX-CONNECT:$MUSTER_SOCKET"
	assert_output --partial '400 Bad Request'
	run bash -c "printf 'POST /api/v1/tokens HTTP/1.1\r\nHost: m\r\nContent-Length: 2000000\r\n\r\n' |
		socat -t 60 - UNIX-CONNECT:$MUSTER_SOCKET"
	assert_output --partial '413 '
	run bash -c "{ printf 'POST /api/v1/tokens HTTP/1.1\r\nHost: m\r\nContent-Length: 70000\r\n\r\n'
		head -c 70000 /dev/zero | tr '\0' ' '; } | socat -t 60 - UNIX-CONNECT:$MUSTER_SOCKET"
	assert_output --partial '413 '
	run bash -c "head -c 1000000 /dev/zero | tr '\0' a | socat -t 60 - UNIX-CONNECT:$MUSTER_SOCKET"
	run bash -c "printf 'GET /api/v1/status HTTP/1.1\r\nHost: m\r\n' | timeout 0.3 socat - UNIX-CONNECT:$MUSTER_SOCKET"
	musterctl status >/dev/null
}

@test "requests one behind the other on a connection are all answered, in order" {
	run bash -c "for p in status tokens nothing audit/verify; do
		printf 'GET /api/v1/%s HTTP/1.1\r\nHost: m\r\n\r\n' \$p; done | socat -t 60 - UNIX-CONNECT:$MUSTER_SOCKET |
		grep -oE 'HTTP/1.1 [0-9]+|\"(version|tokens|code|head)\":'"
	assert_output --regexp 'HTTP/1.1 200.*version.*HTTP/1.1 200.*tokens.*HTTP/1.1 404.*code.*HTTP/1.1 200.*head'
}

@test "more connections than there may be wait, and none is lost" {
	pids=()
	for _ in {1..100}; do
		musterctl status >/dev/null 3>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid"; done
}

@test "a server that is held up for a moment answers all who came meanwhile" {
	kill -STOP "$server"
	pids=()
	for _ in {1..40}; do
		musterctl status >/dev/null 3>&- &
		pids+=($!)
	done
	deadline=$((SECONDS + 10))
	until (($(ss -xH | grep -cF "$MUSTER_SOCKET") >= 40 || SECONDS > deadline)); do pause; done
	kill -CONT "$server"
	for pid in "${pids[@]}"; do wait "$pid"; done
}

# asks_of SIGNAL KEYS: musterctl in a terminal, which asks for a token, and after the signal is told the keys. Says how it
# ended and whether the terminal shows again what is typed.
asks_of()
{
	python3 - "$@" <<-'END'
		import os, pty, select, signal, struct, sys, termios
		number, keys = getattr(signal, sys.argv[1]), sys.argv[2].encode()
		ours, its = os.pipe()

		# A job in the foreground of a session whose leader, as a shell does, waits for it: else nothing can stop it.
		def session():
		    job = os.fork()
		    if job == 0:
		        os.setpgid(0, 0)
		        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
		        os.tcsetpgrp(0, os.getpgrp())
		        # What the tests were started with is not what a login has.
		        for one in signal.SIGTTOU, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGTSTP:
		            signal.signal(one, signal.SIG_DFL)
		        os.execvp("musterctl", ["musterctl", "installer", "--token", "-"])
		    while True:
		        how = os.waitpid(job, os.WUNTRACED)[1]
		        os.write(its, struct.pack("ii", job, how))
		        if not os.WIFSTOPPED(how):
		            os._exit(0)

		leader, fd = pty.fork()
		if leader == 0:
		    session()

		def readable(what):
		    if not select.select([what], [], [], 20)[0]:
		        sys.exit("nothing more")

		def asked():
		    said = b""
		    while b"(not shown): " not in said:
		        readable(fd)
		        said += os.read(fd, 4096)
		    while termios.tcgetattr(fd)[3] & termios.ECHO:
		        pass

		def happened():
		    readable(ours)
		    job, how = struct.unpack("ii", os.read(ours, 8))
		    shown = "shown" if termios.tcgetattr(fd)[3] & termios.ECHO else "hidden"
		    what = "stopped" if os.WIFSTOPPED(how) else "ended %d" % os.waitstatus_to_exitcode(how)
		    print(what, shown)
		    return job

		asked()
		os.killpg(os.tcgetpgrp(fd), number)
		job = happened()
		if keys:
		    os.killpg(job, signal.SIGCONT)
		    asked()
		    os.write(fd, keys)
		    happened()
	END
}

@test "a person who doesn't want to type a token after all gets the terminal back (no server)" {
	local ending=(SIGINT SIGTERM SIGHUP SIGQUIT)

	for name in "${ending[@]}"; do
		run -0 asks_of "$name" ''
		assert_output "ended -$(kill -l "$name") shown"
	done
}

@test "a person who puts musterctl aside is asked for the token anew (no server)" {
	run -0 asks_of SIGTSTP $'0123456789abcdef\n'
	assert_line --index 0 'stopped shown'
	assert_line --index 1 'ended 3 shown'
}

# A socket whose queue is full until musterctl has found it so.
@test "where too many wait already, musterctl waits as well (no server)" {
	# Leaks can't be looked for under strace.
	ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 run python3 - "$MUSTER_SOCKET" <<-'END'
		import socket, subprocess, sys
		path = sys.argv[1]
		listener = socket.socket(socket.AF_UNIX)
		listener.bind(path)
		listener.listen(0)
		listener.settimeout(20)
		first = socket.socket(socket.AF_UNIX)
		first.connect(path)
		trace = subprocess.Popen(
		    ["strace", "-e", "trace=connect", "-o", "|cat >&2", "musterctl", "--json", "status"],
		    stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
		for line in trace.stderr:
		    if "EAGAIN" in line:
		        break
		listener.accept()
		taken = listener.accept()[0]
		taken.recv(4096)
		body = b'{"version":"1"}'
		taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
		said = trace.communicate(timeout=20)[0]
		print(said)
		sys.exit(trace.returncode)
	END
	assert_success
	assert_output --partial '"version"'
}

@test "connections that say nothing don't keep others out of the loop" {
	pids=()
	for _ in {1..20}; do
		socat -u UNIX-CONNECT:"$MUSTER_SOCKET" /dev/null 3>&- &
		pids+=($!)
	done
	until (($(ss -xH state established | grep -cF "$MUSTER_SOCKET") >= 20)); do pause; done
	run musterctl status
	for pid in "${pids[@]}"; do kill -0 "$pid"; done
	kill "${pids[@]}"
	assert_success
}

# ---- what must last

@test "tokens survive a server that was killed, and its clock doesn't go back" {
	new_token --expires 2s
	sleep=$(($(date +%s) + 3))
	until (($(date +%s) >= sleep)); do pause; done
	run musterctl --json token list
	assert_equal "$(jq -r '.tokens[0].state' <<<"$output")" expired
	stop
	start_at '-2d'
	run musterctl --json token list
	assert_equal "$(jq -r '.tokens[0].state' <<<"$output")" expired
	stop -KILL
}

@test "ten years ahead and back: expired stays expired, and the years are not kept" {
	new_token --expires 24h
	stop
	start_at '+3650d'
	run bash -c "musterctl --json token list | jq -r '.tokens[0].state'"
	assert_output expired
	stop
	start
	run bash -c "musterctl --json token list | jq -r '.tokens[0].state'"
	assert_output expired
	run bash -c "musterctl --json status | jq -r '.time[0:4]'"
	assert_output "$(date -u +%Y)"
	run musterctl token create
	assert_success
	assert_output --partial 'expires in 24 h'
}

@test "no file of the server has a token in it" {
	for _ in {1..10}; do
		new_token
		musterctl installer --token "$token" >/dev/null
		! grep -rqai "$token" "$dir/state" "$dir/log"
	done
}

### What is misused says how it is used

@test "a command that is misused says how it is written" {
	run -2 musterctl token show
	assert_output "musterctl: something is missing: musterctl token show ID"
	run -2 musterctl token list more
	assert_output "musterctl: 'more' is one word too many: musterctl token list"
	run -2 musterctl api-token create --role viewer
	assert_output --partial "something is missing: musterctl api-token create NAME --role ROLE"
	run -2 musterctl config history a b
	assert_output "musterctl: 'b' is one word too many: musterctl config history NAME"
	run -2 musterctl token create -x
	assert_output --partial "there is no option -x here: musterctl token create [--label LABEL]... [--uses N|unlimited]"
	assert_equal "${#lines[@]}" 1
	run -2 musterctl --nothing
	assert_output "musterctl: there is no option --nothing here: musterctl --help"
	# What may be a secret isn't repeated.
	run -2 musterctl status --token=9772ff177dd12c9b
	refute_output --partial 9772
	run -2 musterctl token nothing
	assert_output "musterctl: token has no command 'nothing'; see musterctl token --help"
}

options_in()
{
	grep -oE -- '(^|[^-a-z])--[a-z][a-z-]*' | grep -oE -- '--[a-z-]*' | sort -u
}

@test "help, manual and completion know the same options" {
	local help=$BATS_TEST_TMPDIR/help tree=$BATS_TEST_DIRNAME/..

	{ musterctl --help && printf '%s\n' --help --version; } | options_in >"$help"
	# The manual also names those of another program.
	run comm -3 "$help" <(mandoc -T utf8 "$tree/man/musterctl.1" | sed 's/.\x08//g' | options_in)
	assert_output $'\t--rekey\n\t--uninstall\n\t--update'
	run comm -3 "$help" <(options_in <"$tree/installer/completions/musterctl")
	assert_output ''
}
