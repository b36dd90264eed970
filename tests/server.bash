# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# For .bats files whose tests have a server of their own, in a folder of the test's, without machines: `load server`. It
# listens on loopback only, at ports that it finds.
#
#   server_configured [LINE…]       its configuration; the lines come after the [server] section's. Sets dir, the test's
#                                   folder, and MUSTER_SOCKET; musterctl and the other programs are found. It offers the
#                                   programs in $clients, by default the build's
#   server_starts [COMMAND…]        starts it (under COMMAND), and waits until it is ready; sets server, its pid; port, pin
#                                   and server_key, for a machine; dashboard, its URL. Its log is $dir/log, anew
#   server_stops [SIGNAL]           and waits for its end; nothing if it isn't there
#   api METHOD PATH [JSON]          asks the control socket; the answer's body; fails on a refusal
#   peer NAME COMMAND…              the machine of that name, helpers/peer
#   exec_peer NAME COMMAND…         the same in place of the (sub)shell: `exec_peer … &` can be killed as $!
#   eventually COMMAND…             polls until the command succeeds, at most a minute

bats_load_library bats-support
bats_load_library bats-assert
# shellcheck source=tests/store.bash
. "$BATS_TEST_DIRNAME/store.bash"

server_configured()
{
	BUILD=$(realpath -m "${BUILD:-$BATS_TEST_DIRNAME/../build}")
	dir=$BATS_TEST_TMPDIR
	export MUSTER_SOCKET=$dir/control.sock TERM=dumb
	PATH=$BUILD:$PATH
	server=
	printf '%s\n' '[server]' 'Listen=127.0.0.1:0' "State=$dir/state" "$(store_line "$dir/state")" \
		"Control=$MUSTER_SOCKET" "Clients=${clients:-$BUILD/clients}" 'Name=localhost:1' "$@" >"$dir/conf"
}

# shellcheck disable=SC2034 # dashboard is the tests'
server_starts()
{
	: >"$dir/log"
	"$@" "$BUILD/muster-server" --config "$dir/conf" >>"$dir/log" 2>&1 3>&- &
	server=$!
	eventually grep -qs 'is ready as' "$dir/log" || fail "it doesn't start: $(cat "$dir/log")"
	read -r port pin server_key < <(api GET /status | jq -r '"\(.listen[0] | sub(".*:"; "")) \(.pin) \(.server_key)"')
	dashboard=$(sed -n 's/.*the dashboard is at //p' "$dir/log" | tail -n 1)
}

server_stops()
{
	[[ -n $server ]] || return 0
	kill "-${1:-TERM}" "$server" 2>/dev/null || true
	wait "$server" 2>/dev/null || true
	server=
}

api()
{
	local data=()

	[[ $# -lt 3 ]] || data=(-H 'Content-Type: application/json' --data-binary "$3")
	curl -q -sS --fail-with-body --max-time 100 --unix-socket "$MUSTER_SOCKET" -X "$1" "${data[@]}" \
		"http://localhost/api/v1$2"
}

peer()
{
	(exec_peer "$@")
}

exec_peer()
{
	exec "$BUILD/tests/helpers/peer" --server "127.0.0.1:$port" --server-key "$server_key" --pin "$pin" --dir "$dir/$1" "${@:2}"
}

eventually()
{
	local deadline=$((SECONDS + 60))

	until "$@"; do
		((SECONDS < deadline)) || return
		sleep 0.02
	done
}
