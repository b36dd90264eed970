# SPDX-License-Identifier: MIT
#
# What bad input gets: a clear error, a named exit code, nothing changed on the machine, no use of the token spent.

bats_require_minimum_version 1.5.0

setup_file()
{
	load helpers
	machines_begin
	server_starts
	machine_boot wget bullseye-wget &
	machine_boot disk bookworm-curl --disk 96M &
	machine_boot m bookworm-curl
	wait
	for machine in m wget disk; do
		program_to "$machine"
		remember "$machine"
	done
	machine_user m user
	faults_to m
	remember m
}

teardown_file()
{
	load helpers
	machines_end
}

setup()
{
	load helpers
	server_trust
	token_for role=web
}

teardown()
{
	helper_ends
}

# What every refusal is: this exit code, this text, and nothing else has happened.
refused()
{
	local code=$1 text=$2 machine=${3:-m}

	assert_failure "$code"
	assert_output --partial "$text"
	refute_output --partial "$token"
	assert_untouched "$machine"
	assert_nothing_spent
}

assert_nothing_spent()
{
	assert_equal "$(uses_spent)" 0
	assert_equal "$(clients_recorded)" 0
}

assert_told()
{
	helper_has_told "$1" || fail "the server has not told '$1': $(helper_log)"
}

refute_told()
{
	! helper_has_told "$1" || fail "the server has told '$1': $(helper_log)"
}

# A hostile server in this mode, a run of muster-enrol by hand against it, and what must come of that.
hostile_refused()
{
	local code=$1 text=$2

	shift 2
	hostile_starts "$@"
	run enrols_by_hand m
	refused "$code" "$text"
	helper_ends
}

### The machine

@test "only root may enrol a machine" {
	run as user m /opt/muster-enrol --server hub:8443 --pin "$pin" --server-key "$server_key" \
		--release-key "$release_key" <<<"$token"
	refused 3 "only root"
	script_to m
	run as user m sh -s < <(on m cat /root/install.sh)
	refused 3 "only root"
}

@test "a machine without systemd can't be enrolled" {
	local hidden='mount -t tmpfs none /run/systemd && exec "$@"'

	under=(unshare -m sh -c "$hidden" sh)
	run enrols_by_hand m
	refused 4 "systemd"
	script_to m --token "$token"
	run on m unshare -m sh -c "$hidden" sh sh /root/install.sh
	refused 4 "systemd"
}

@test "an enrolled machine is not enrolled again" {
	local first=$token_id before

	run -0 enrols_by_hand m
	before=$(client_of m)
	token_for role=other
	cp "$MACHINES_RUN/remembered-m" "$BATS_TEST_TMPDIR/clean"
	remember m
	run enrols_by_hand m
	assert_output --partial "already"
	refused 5 "$before"
	script_to m --token "$token"
	run enrols m
	refused 5 "$before"
	cp "$BATS_TEST_TMPDIR/clean" "$MACHINES_RUN/remembered-m"
	run -0 uninstalls m --purge
	assert_untouched m
	assert_equal "$(uses_spent "$first")" 1
}

@test "what is not muster's is not overwritten" {
	on m sh -c 'echo mine >/usr/local/sbin/muster-agent'
	run enrols_by_hand m
	assert_failure
	assert_output --partial /usr/local/sbin/muster-agent
	assert_equal "$(on m cat /usr/local/sbin/muster-agent)" mine
	on m rm /usr/local/sbin/muster-agent
	assert_untouched m
	assert_nothing_spent
}

@test "options that make no sense are refused before anything is said" {
	hostile_starts good
	for options in "--server http://hub:$port" "--server hub" "--server hub:0" "--server hub:99999" "--server h/x:1" \
		"--pin sha256//short" "--pin md5//x" "--server-key 02ab" "--release-key x" "--min-serial -1" "--token x" \
		"--no-such-option" "--min-serial" "argument"; do
		# shellcheck disable=SC2086 # options and values
		run enrols_by_hand m $options
		refused 2 "usage"
	done
	refute_told connect
}

### The way to the server

@test "a server with another TLS key gets not a byte" {
	hostile_starts wrong-tls-key
	run enrols_by_hand m
	refused 7 "another TLS key"
	assert_told "at tls"
	refute_told request
	refute_told "closed [1-9]"
}

@test "a server with another TLS key gets not a byte of the script either" {
	hostile_starts wrong-tls-key
	for machine in m wget; do
		script_to $machine --token "$token" --server "hub:$port"
		run enrols $machine
		refused 7 "another key" $machine
	done
	assert_told "at tls"
	refute_told request
	refute_told "closed [1-9]"
}

@test "a server that speaks HTTP without TLS is refused" {
	hostile_refused 6 "TLS" plain-http
	refute_told token
	hostile_starts plain-http
	for machine in m wget; do
		script_to $machine --token "$token" --server "hub:$port"
		run enrols $machine
		refused 6 "no muster-enrol from hub:$port" $machine
	done
}

@test "a server of an older TLS is refused" {
	hostile_refused 6 "TLS" tls12
}

@test "a redirect is not followed, by whichever program" {
	hostile_refused 10 "not as a muster server" redirect
	refute_told "not tls"
	hostile_refused 10 "answers 302" redirect-files
	refute_told "not tls"
	hostile_starts redirect
	for machine in m wget; do
		script_to $machine --token "$token" --server "hub:$port"
		run enrols $machine
		assert_regex "$status" '^(6|11)$'
		refused "$status" "hub:$port" $machine
	done
	refute_told "not tls"
}

@test "a server that can't be reached is named" {
	port=1
	run enrols_by_hand m
	refused 6 "cannot reach hub:1"
	run on m /opt/muster-enrol --server nowhere.invalid:8443 --pin "$pin" --server-key "$server_key" \
		--release-key "$release_key" <<<"$token"
	refused 6 "nowhere.invalid"
	script_to m --token "$token" --server hub:1
	run enrols m
	refused 6 "hub:1"
}

@test "a server that stops to answer is given up" {
	hostile_refused 6 "does not answer" hang-at token
}

@test "a connection that ends at any step before the enrolment costs nothing" {
	for step in connect tls upgrade token manifest signature agent; do
		hostile_refused 6 "" close-at $step
		assert_told "at $step"
		hostile_refused 6 "" end-at $step
	done
}

@test "a connection that is cut in the middle of the script's download costs nothing" {
	for bytes in 0 1 1000 5000 1000000; do
		cutter_starts --after $bytes
		for machine in m wget; do
			script_to $machine --token "$token" --server "hub:$port"
		done
		run enrols m
		refused 6 "hub:$port"
		helper_ends
		cutter_starts --after $bytes
		script_to wget --token "$token" --server "hub:$port"
		run enrols wget
		refused 6 "hub:$port" wget
		helper_ends
	done
}

### The token

@test "a token that the server doesn't know is refused" {
	local real=$token

	token=0123456789abcdef
	run enrols_by_hand m
	token=$real refused 8 "no such token"
}

@test "a token that is used up is refused" {
	run -0 enrols_by_hand disk
	run -0 uninstalls disk --purge
	assert_untouched disk
	run enrols_by_hand m
	assert_failure 8
	assert_output --partial "used up"
	assert_untouched m
	assert_equal "$(uses_spent)" 1
	assert_equal "$(clients_recorded)" 1
}

@test "an expired token is refused" {
	token_for role=web --expires 1s
	eventually token_is expired
	run enrols_by_hand m
	refused 8 "expired"
}

token_is()
{
	[[ $(api GET "/tokens/$token_id" | jq -r .state) == "$1" ]]
}

@test "a revoked token is refused" {
	token_revoked
	run enrols_by_hand m
	refused 8 "revoked"
}

@test "what is no token is refused before anything is said" {
	local real=$token text

	hostile_starts good
	for text in "" 0 0123456789abcde 0123456789abcdef0 0123456789abcdeg 0x23456789abcdef "0123456789abcdef;id" \
		"0123456789abcdé" "../../etc/passwd" '$(id)' "0123_4567_89ab_cdef" "$(printf 'a%.0s' {1..10000})"; do
		token=$text
		run enrols_by_hand m
		token=$real refused 8 "token"
	done
	run on m /opt/muster-enrol --server "hub:$port" --pin "$pin" --server-key "$server_key" \
		--release-key "$release_key" </dev/null
	refused 8 "token"
	refute_told connect
}

@test "a token is taken as people paste it" {
	local a=${token:0:4} b=${token:4:4} c=${token:8:4} d=${token:12:4} text real=$token

	for text in "$a-$b-$c-$d" "$a $b $c $d" "${token^^}" "  $token  " "$a$b-$c$d" $'\t'"$token" "$token"$'\r'; do
		token=$text
		run enrols_by_hand m --dry-run
		assert_success
	done
	token=$real
	assert_untouched m
	assert_nothing_spent
}

@test "refusals of every kind have their exit code" {
	for code in 16 17 18 19 20; do
		hostile_refused 8 "refuses" refuse-token $code
	done
	for code in 3 4; do
		hostile_refused 9 "refuses" refuse-token $code
	done
	for code in 1 2 21 999; do
		hostile_refused 10 "refuses" refuse-token $code
	done
	for code in 22 23; do
		hostile_refused 17 "refuses" refuse-token $code
	done
	for code in 17 18 19; do
		hostile_refused 8 "refuses" refuse-enrol $code
	done
}

### What the server answers

@test "answers that are no answers of a muster server are refused" {
	for mode in garbage-http endless-head; do
		hostile_refused 10 "hub:" $mode
	done
}

@test "packets that are none, or by nobody, are refused" {
	for mode in garbage-packets garbage-frames endless-message wrong-signature reflect reflect-resealed; do
		hostile_refused 10 "hub:" $mode
		refute_told ENROL
	done
}

# By then the server may have taken the question, so the keys are kept in /run for the same question, asked again.
@test "an answer given twice is not taken for another" {
	hostile_starts replay
	run enrols_by_hand m
	assert_failure 10
	assert_output --partial "may have spent a use of the token"
	on m rm -r /run/muster-enrol
	assert_untouched m
}

@test "a manifest that is not by the release key, or old, is refused" {
	hostile_refused 11 "another key" manifest-other-key
	hostile_refused 11 "signature is wrong" manifest-changed
	hostile_starts manifest-old
	run enrols_by_hand m --min-serial 7
	refused 11 "old"
	refute_told muster-agent
}

@test "an agent that is not the manifest's is refused" {
	hostile_refused 6 "" agent-truncated
	for mode in agent-shorter agent-other-bytes; do
		hostile_refused 11 "not the one of its manifest" $mode
	done
	for mode in agent-longer agent-endless; do
		hostile_refused 10 "sends more than" $mode
	done
}

@test "an agent that doesn't run is refused" {
	local files=$BATS_TEST_TMPDIR/files agents=(
		'no program at all'
		$'#!/bin/sh\nexit 3'
		$'#!/bin/sh\necho muster-agent 99.0'
		$'#!/no/such/interpreter'
		$'#!/bin/sh\nkill -SEGV $$'
		$'#!/bin/sh\nyes'
	) agent

	mkdir -p "$files/linux/$(uname -m)"
	: >"$files/linux/$(uname -m)/muster-enrol"
	for agent in "${agents[@]}"; do
		printf '%s\n' "$agent" >"$files/linux/$(uname -m)/muster-agent"
		hostile_refused 11 "does not run" good
	done
}

### Space

@test "a disk that is full beforehand is named" {
	local kib

	for kib in 0 8000; do
		machine_fill_disk disk $kib
		run enrols_by_hand disk
		machine_free_disk disk
		refused 4 "not enough space" disk
	done
}

# Too little for the agent, for the copy of muster-enrol, for anything after it.
@test "a disk that fills up meanwhile is named, and nothing stays" {
	local kib failed=0

	for ((kib = 0; kib < 50000; kib += 3500)); do
		hostile_starts pause-at agent
		enrols_by_hand disk >"$BATS_TEST_TMPDIR/output" 2>&1 &
		eventually helper_has_told "at agent"
		machine_fill_disk disk $kib
		helper_resumes
		status=0
		wait $! || status=$?
		machine_free_disk disk
		output=$(<"$BATS_TEST_TMPDIR/output")
		((status != 0)) || break
		assert_equal "$status" 12
		assert_regex "$output" "disk is full|No space left"
		assert_untouched disk
		! helper_has_told "answered ENROLLED" || assert_told "received LEAVE"
		helper_ends
		failed=$((failed + 1))
	done
	((failed > 2 && kib < 50000)) || fail "$failed have failed"
	run -0 uninstalls disk --purge
	assert_untouched disk
}

# Each of the calls that put something on the disk, the first, the second, … of its kind, until none is left to fail.
@test "a disk that is full at any write costs nothing" {
	local kind n

	for kind in mkdirat renameat2 symlinkat fsync fdatasync ftruncate sendfile; do
		for ((n = 1; n < 30; n++)); do
			with_faults "$kind:error=ENOSPC:when=$n"
			run enrols_by_hand m
			((status != 0)) || break
			refused "$status" ""
			assert_regex "$status" '^(1|4|11|12)$'
		done
		run -0 uninstalls m --purge
		assert_untouched m
		token_for role=web
	done
}

### Time

@test "a machine whose clock is years off is told so, and enrolled" {
	for seconds in 63072000 -63072000; do
		hostile_starts clock $seconds
		run enrols_by_hand m
		assert_success
		assert_output --partial "this machine's clock is"
		((seconds < 0)) && assert_output --partial "ahead" || assert_output --partial "behind"
		run -0 uninstalls m --purge
		helper_ends
		assert_untouched m
	done
}

# The last one: the store's clock never goes back.
@test "a server two years ahead judges by its own clock" {
	local old=$token_id old_token=$token

	server_stops
	# shellcheck disable=SC2046 # a command of many words
	server_starts $(clock_shifted +730d)
	run enrols_by_hand m
	assert_failure 8
	assert_output --partial "expired"
	token_for role=web
	run enrols_by_hand m
	assert_success
	assert_output --partial "this machine's clock is"
	assert_equal "$(uses_spent)" 1
	assert_equal "$(uses_spent "$old")" 0
	run -0 uninstalls m --purge
	assert_untouched m
	server_stops # by which what holds its clock goes as well
}
