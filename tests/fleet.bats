#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The dashboard with 50,000 machines in the database, in Debian's chromium. What machines say about themselves in it is
# text that wants to be a program. Each test is a file of browser/; whatever fails in the browser fails the test.

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert

MACHINES=50000

setup_file()
{
	BUILD=$(realpath -m "${BUILD:-$BATS_TEST_DIRNAME/../build}")
	export BUILD dir=$BATS_FILE_TMPDIR
	export MUSTER_SOCKET=$dir/control.sock
	cat >"$dir/conf" <<-END
		[server]
		Listen=127.0.0.1:0
		Name=muster.example:8443
		State=$dir/state
		Control=$MUSTER_SOCKET
		Clients=$dir/none
		[dashboard]
		Listen=127.0.0.1:0
	END
	# It offers no release. First it makes the keys and the tables; the database is filled while it's down.
	start
	stop
	"$BUILD/tests/load/seed" "$dir/state/muster.db" "$MACHINES" hostile
	start
	for who in dorothea:administrator vera:viewer; do
		"$BUILD/musterctl" admin add "${who%:*}" --role "${who#*:}" <<<'correct horse battery staple'
	done
	"$BATS_TEST_DIRNAME/browser/install.sh" "$BUILD"
}

teardown_file()
{
	stop
}

# Until it has told of the dashboard's port and answers.
start()
{
	"$BUILD/muster-server" --config "$dir/conf" >"$dir/log" 2>&1 3>&- &
	echo $! >"$dir/pid"
	until "$BUILD/musterctl" status >/dev/null 2>&1; do
		kill -0 "$(<"$dir/pid")" || fail "the server doesn't start: $(cat "$dir/log")"
	done
}

stop()
{
	local pid

	pid=$(<"$dir/pid")
	kill "$pid"
	wait "$pid" || true
}

browser()
{
	local url

	url=$(sed -n 's/.*the dashboard is at \(http[^ ]*\)$/\1/p' "$dir/log")
	MUSTER_URL=$url MUSTER_PLACE="$BUILD/browser" HOME="$BATS_TEST_TMPDIR" \
		node "$BATS_TEST_DIRNAME/browser/run.mjs" "$1"
}

@test "the list of 50,000 machines scrolls, a search answers, and every act asks by the machine's name" {
	browser fleet-machines
}

@test "a configuration is made, counted, watched, compared, rolled back and removed" {
	browser fleet-configurations
}

@test "a halted roll-out tells why and where, is resumed, halted and ended, and is seen as it happens" {
	browser fleet-releases
}

@test "messages and the audit log scroll, are searched and stay live; the chain is verified" {
	browser fleet-logs
}

@test "whatever machines say about themselves stays text" {
	browser fleet-hostile
}

@test "every page has names for its controls, contrast, headings and fits a telephone's width, with all of that in it" {
	browser pages
}
