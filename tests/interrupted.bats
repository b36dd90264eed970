# SPDX-License-Identifier: MIT
#
# Enrolments that are cut off: by a signal, a kill, a lost answer, another enrolment at the same time. What a signal
# ends leaves nothing; after a kill the next run cleans up and succeeds; a token's use is never spent twice.

bats_require_minimum_version 1.5.0

# The calls by which muster-enrol changes something, or starts a program.
changes="mkdirat renameat2 symlinkat unlinkat fsync fdatasync clone clone3"

setup_file()
{
	load helpers
	machines_begin
	server_starts
	machine_boot wget bullseye-wget &
	machine_boot m bookworm-curl
	wait
	for machine in m wget; do
		program_to $machine
		faults_to $machine
		remember $machine
	done
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

assert_nothing_spent()
{
	assert_equal "$(uses_spent)" 0
	assert_equal "$(clients_recorded)" 0
}

# Enrolled once, whatever came before; then as if it had never been.
assert_enrolled_once()
{
	local machine=${1:-m}

	assert_equal "$(uses_spent)" 1
	assert_equal "$(clients_recorded)" 1
	assert_equal "$(api GET "/clients/$(client_of "$machine")" | jq -r '.token + " " + .state')" "$token_id enrolled"
	run -0 on "$machine" systemctl is-active muster-agent
	run -0 uninstalls "$machine" --purge
	assert_untouched "$machine"
}

# held MACHINE COMMAND…: starts it there in the background and keeps its number; its output is in $held.
held()
{
	local machine=$1

	shift
	held=$BATS_TEST_TMPDIR/held
	under=(sh -c 'echo $$ >/dev/shm/held; exec "$@"' sh)
	"$@" >"$held" 2>&1 &
	holder=$!
	under=()
}

# signalled MACHINE SIGNAL: to what is held; its exit code and output are as after run.
signalled()
{
	on "$1" sh -c 'kill -s "$1" "$(cat /dev/shm/held)"' sh "$2"
	released
}

released()
{
	status=0
	wait "$holder" || status=$?
	output=$(<"$held")
}

code_of()
{
	echo $((128 + $(kill -l "$1")))
}

### Signals

@test "SIGINT and SIGTERM at any step of the conversation leave nothing" {
	local step signal

	for step in connect tls upgrade token manifest signature agent enrol hello; do
		for signal in INT TERM; do
			hostile_starts hang-at $step --times 1
			held m enrols_by_hand m
			eventually helper_has_told "at $step"
			signalled m $signal
			assert_equal "$step: $status" "$step: $(code_of $signal)"
			assert_output --partial "ended by SIG$signal"
			assert_untouched m
			if [[ $step == enrol || $step == hello ]]; then
				assert_output --partial "given the token's use back"
				helper_has_told "received LEAVE"
			else
				! helper_has_told "received ENROL" || fail "ENROL was said after the signal"
			fi
			helper_ends
		done
	done
}

# Some are the last: a signal that comes when all is done ends nothing.
@test "SIGINT and SIGTERM at any change of the machine leave nothing" {
	local kind n signals=(INT TERM) signal

	for kind in $changes; do
		for ((n = 1; n < 50; n++)); do
			signal=${signals[n % 2]}
			with_faults "$kind:signal=$signal:when=$n"
			run enrols_by_hand m
			((status != 0)) || break
			assert_equal "$kind $n: $status" "$kind $n: $(code_of $signal)"
			assert_untouched m
			assert_nothing_spent
		done
		assert_success
		assert_enrolled_once
		token_for role=web
	done
}

# The first calls of the kind come before the failure: there the signal itself is what ends the enrolment.
@test "a signal during the undoing doesn't stop it" {
	local n undone=0

	for n in {1..16}; do
		with_faults symlinkat:error=ENOSPC unlinkat:signal=INT:when=$n
		run enrols_by_hand m
		assert_regex "$status" '^(12|130)$'
		assert_untouched m
		assert_nothing_spent
		((status != 12)) || undone=$((undone + 1))
	done
	((undone > 8)) || fail "only $undone have come so far"
}

### Kills

@test "after SIGKILL at any change the next run cleans up and succeeds" {
	local kind n

	for kind in $changes connect; do
		for ((n = 1; n < 50; n++)); do
			with_faults "$kind:signal=KILL:when=$n"
			run enrols_by_hand m
			((status != 0)) || break
			assert_equal "$kind $n: $status" "$kind $n: 137"
			without_faults
			run enrols_by_hand m
			# All was done but for a last look: there is nothing left to do.
			((status == 5)) || assert_success
			run -1 on m test -e /var/lib/muster-enrol
			assert_enrolled_once
			token_for role=web
		done
		assert_enrolled_once
		token_for role=web
	done
}

@test "after SIGKILL at any change --uninstall leaves nothing, and a dry run changes nothing" {
	local n

	for ((n = 1; n < 50; n++)); do
		with_faults fsync:signal=KILL:when=$n
		run enrols_by_hand m
		((status != 0)) || break
		assert_equal "$n: $status" "$n: 137"
		without_faults
		cp "$MACHINES_RUN/remembered-m" "$BATS_TEST_TMPDIR/clean"
		remember m
		run enrols_by_hand m --dry-run
		assert_untouched m
		cp "$BATS_TEST_TMPDIR/clean" "$MACHINES_RUN/remembered-m"
		run -0 uninstalls m --purge
		assert_untouched m
		token_for role=web
	done
	run -0 uninstalls m --purge
	assert_untouched m
}

@test "after SIGKILL while the answer to ENROL is on its way the token's use is spent once" {
	cutter_starts --after "$(bytes_before_enrolled)" --then hang
	held m enrols_by_hand m
	eventually helper_has_told "1 cut"
	signalled m KILL
	assert_equal "$status" 137
	assert_equal "$(uses_spent)" 1
	passes_again
	run -0 enrols_by_hand m
	assert_enrolled_once
}

# The relay at the same port, and it cuts nothing.
passes_again()
{
	helper_ends
	cutter_starts --listen "0.0.0.0:$port" --connection 0
}

@test "a machine that loses its power when all but the first HELLO is done is enrolled by the next run" {
	hostile_starts hang-at hello --times 1
	held m enrols_by_hand m
	eventually helper_has_told "at hello"
	machine_kill m
	released
	machine_start m
	run -14 on m /opt/muster-enrol --rekey <<<"$token"
	assert_output --partial "run the installer again first"
	refute_output --partial undone
	run -14 on m /opt/muster-enrol --update
	assert_output --partial "finish it first"
	refute_output --partial undone
	run -0 enrols_by_hand m
	assert_output --partial "continued"
	helper_has_told "answered ACK"
	run -0 uninstalls m --purge
	remember_boot
}

# A boot writes some files itself.
remember_boot()
{
	files_of m | diff "$MACHINES_RUN/remembered-m" - >"$BATS_TEST_TMPDIR/changes" || true
	run -1 grep muster "$BATS_TEST_TMPDIR/changes"
	remember m
}

### Lost answers

# What goes to the client on the channel until there is an answer to TOKEN, and a bit: ENROLLED is longer than that.
bytes_before_enrolled()
{
	local port down

	helper_starts cutter --listen 0.0.0.0:0 --to 10.99.0.1:8443 --connection 0
	enrols_by_hand m --dry-run >/dev/null
	eventually helper_has_told "1 closed"
	down=$(sed -n 's/^1 closed \([0-9]*\) .*/\1/p' "$MACHINES_RUN/helper.log")
	helper_ends
	echo $((down + 60))
}

@test "a connection that is cut after any number of bytes never costs a use" {
	local after=0

	while ((after < 10000)); do
		cutter_starts --after $after
		run enrols_by_hand m
		if ((status == 0)); then
			assert_enrolled_once
		else
			assert_failure 6
			assert_untouched m
			assert_nothing_spent
		fi
		helper_has_told "1 cut" || break
		helper_ends
		((status != 0)) || token_for role=web
		after=$((after + 120))
	done
	((after > 1000 && after < 10000)) || fail "cut until $after"
}

@test "an enrolment whose answer is lost for good is continued by the same token, once" {
	local first=$BATS_TEST_TMPDIR/first

	cutter_starts --after "$(bytes_before_enrolled)" --then end
	run enrols_by_hand m
	assert_failure 6
	assert_output --partial "may have spent a use of the token"
	assert_equal "$(uses_spent)" 1
	api GET "/tokens/$token_id" | jq -r '.clients[0].id' >"$first"
	server_trust
	run -0 enrols_by_hand m
	assert_equal "$(client_of m)" "$(<"$first")"
	assert_enrolled_once
}

@test "a server that is killed before its answer arrives gives the same answer after its start" {
	cutter_starts --after "$(bytes_before_enrolled)" --then hang
	held m enrols_by_hand m
	eventually helper_has_told "1 cut"
	server_dies
	passes_again
	server_starts
	released
	assert_success
	assert_enrolled_once
}

### Two at once

@test "a second enrolment on the same machine is refused while one runs" {
	hostile_starts pause-at token
	held m enrols_by_hand m
	eventually helper_has_told "at token"
	run enrols_by_hand m
	assert_failure 14
	assert_output --partial "another"
	run uninstalls m
	assert_failure 14
	run enrols_by_hand m --dry-run
	assert_failure 14
	helper_resumes
	released
	assert_success
	run -0 uninstalls m --purge
	assert_untouched m
}

@test "of many enrolments at once on the same machine one wins" {
	local n codes=()

	token_for role=web --uses 8
	for n in {1..8}; do
		enrols_by_hand m >"$BATS_TEST_TMPDIR/$n" 2>&1 &
		codes[n]=$!
	done
	for n in {1..8}; do
		status=0
		wait "${codes[n]}" || status=$?
		codes[n]=$status
	done
	assert_regex "$(printf '%s\n' "${codes[@]}" | sort -n | uniq -c | xargs)" '^1 0( [0-9] 5)?( [0-9] 14)?$'
	assert_enrolled_once
}

### The script

@test "SIGINT, SIGTERM and SIGHUP during the script's download leave nothing" {
	local machine signal

	for machine in m wget; do
		for signal in INT TERM HUP; do
			hostile_starts hang-at program
			script_to $machine --token "$token" --server "hub:$port"
			held $machine script_runs $machine
			eventually helper_has_told "at program"
			signalled $machine $signal
			assert_equal "$machine: $status" "$machine: $(code_of $signal)"
			assert_untouched $machine
			eventually helper_has_told "peer left"
			helper_ends
		done
	done
}

script_runs()
{
	on "$1" "${under[@]}" sh /root/install.sh </dev/null
}

@test "SIGINT, SIGTERM and SIGHUP to the script while muster-enrol runs leave nothing" {
	local signal

	for signal in INT TERM HUP; do
		hostile_starts hang-at hello
		script_to m --token "$token" --server "hub:$port"
		held m script_runs m
		eventually helper_has_told "at hello"
		signalled m $signal
		assert_equal "$status" "$(code_of $signal)"
		assert_output --partial "given the token's use back"
		assert_untouched m
		helper_ends
	done
}

@test "after SIGKILL of the script the next run cleans up and succeeds" {
	hostile_starts hang-at program
	script_to m --token "$token" --server "hub:$port"
	held m script_runs m
	eventually helper_has_told "at program"
	signalled m KILL
	assert_equal "$status" 137
	helper_ends
	server_trust
	script_to m --token "$token"
	run -0 enrols m
	assert_enrolled_once
}
