#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# What watches the server: /metrics, /healthz and /readyz, on all three doors.
# shellcheck disable=SC2154 # variables of server.bash

bats_require_minimum_version 1.5.0
load server

setup()
{
	server_configured '[dashboard]' Listen=127.0.0.1:0 MetricsListen=127.0.0.1:0
}

teardown()
{
	server_stops
}

# The server, and where its metrics are.
metrics_start()
{
	server_starts
	monitor=$(sed -n 's|.*metrics are at \(.*\)/metrics|\1|p' "$dir/log" | tail -n 1)
}

scrape()
{
	curl -q -sS --fail-with-body --max-time 100 --unix-socket "$MUSTER_SOCKET" http://localhost/metrics
}

metrics()
{
	scrape | "$BATS_TEST_DIRNAME/helpers/exposition" >"$dir/samples"
}

# value SAMPLE: as in "muster_clients{state=enrolled}".
value()
{
	metrics
	grep -F "$1 " "$dir/samples" | sed 's/.* //'
}

shows() # SAMPLE VALUE
{
	[[ $(value "$1") == "$2" ]]
}

status_of()
{
	curl -q -sS -o "$dir/body" -w '%{http_code}' --max-time 20 "$@"
}

@test "what is told is Prometheus' format, well named and complete" {
	local name

	metrics_start
	run metrics
	assert_success
	scrape >"$dir/text"
	while read -r name; do
		grep -qx "\.It Sy $name" "$BATS_TEST_DIRNAME/../man/muster-api.7" || fail "muster-api(7) doesn't tell of $name"
	done < <(sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' "$dir/text")
	while read -r name; do
		[[ $name == muster_outlet_waiting ]] || grep -q "^# TYPE $name " "$dir/text" || fail "muster-api(7) tells of $name"
	done < <(sed -n 's/^\.It Sy \(\(muster\|process\)_[a-z_]*\)$/\1/p' "$BATS_TEST_DIRNAME/../man/muster-api.7")
	run curl -q -sS -D - -o /dev/null "$monitor/metrics"
	assert_output --partial 'Content-Type: text/plain; version=0.0.4; charset=utf-8'
}

@test "machines, packets, refusals, handshakes and turns are counted" {
	metrics_start
	token=$(musterctl token create --uses 2 2>/dev/null)
	run -0 peer a enrol "$token" hello
	run -0 peer b enrol "$token"
	run -1 peer c ask "$token"
	run -1 peer c ask 0123456789abcdef
	assert_equal "$(value 'muster_clients{state=enrolled}')" 2
	assert_equal "$(value 'muster_enrolments_total{result=granted}')" 2
	assert_equal "$(value 'muster_packets_total{direction=received,op=ENROL}')" 2
	assert_equal "$(value 'muster_packets_total{direction=received,op=TOKEN}')" 2
	assert_equal "$(value 'muster_packets_total{direction=received,op=HELLO}')" 1
	assert_equal "$(value 'muster_packets_total{direction=sent,op=NACK}')" 2
	assert_equal "$(value 'muster_refusals_total{reason=token used up}')" 1
	assert_equal "$(value 'muster_refusals_total{reason=token unknown}')" 1
	(($(value 'muster_handshakes_total{result=done}') >= 5))
	(($(value 'muster_turns_total{result=committed}') >= 3))
	assert_equal "$(value muster_tokens_live)" 0
	eventually shows muster_clients_connected 0
	eventually shows muster_connections 0
	(($(value process_open_fds) > 5))
	api GET /nothing || true
	assert_equal "$(value 'muster_api_answers_total{status=4xx}')" 1
}

@test "the newest roll-out is told of, and whether it is halted" {
	metrics_start
	assert_equal "$(value muster_rollout_running)" 0
	assert_equal "$(value 'muster_rollout_machines{outcome=failed}')" 0
	musterctl release rollout --to role=nobody
	assert_equal "$(value muster_rollout_running)" 1
	assert_equal "$(value muster_rollout_halted)" 0
	musterctl release halt
	assert_equal "$(value muster_rollout_running)" 0
	assert_equal "$(value muster_rollout_halted)" 1
	musterctl release end
	assert_equal "$(value muster_rollout_halted)" 0
}

@test "what the server asks of a machine is counted, too" {
	metrics_start
	token=$(musterctl token create --uses 1 2>/dev/null)
	run -0 peer a enrol "$token"
	musterctl client reset "$(api GET /clients | jq -r '.clients[0].id')"
	run -0 peer a hello answer close
	assert_output --partial op=RESET
	assert_equal "$(value 'muster_packets_total{direction=sent,op=RESET}')" 1
}

@test "handshakes that fail and packets that are none are counted apart" {
	metrics_start
	printf 'GET / HTTP/1.0\r\n\r\n' | socat -t 60 - "TCP:127.0.0.1:$port" || true
	eventually shows 'muster_handshakes_total{result=failed}' 1
	peer a connect raw ffff closed || true
	eventually shows muster_channel_breaches_total 1
	# What somebody outside makes up is no series of its own.
	run ! grep -i unknown_op "$dir/samples"
}

@test "a configuration's answers and the streams of events are counted" {
	metrics_start
	curl -q -sS -N --unix-socket "$MUSTER_SOCKET" http://localhost/api/v1/events >/dev/null 2>&1 3>&- &
	reader=$!
	eventually shows muster_event_streams 1
	kill "$reader"
	eventually shows muster_event_streams 0
}

@test "on its own listener nobody is asked who he is, and nothing else is there" {
	metrics_start
	for path in /metrics /healthz /readyz; do
		assert_equal "$(status_of "$monitor$path")" 200
		assert_equal "$(status_of -H 'Host: whatever' "$monitor$path")" 200
		assert_equal "$(status_of -X POST "$monitor$path")" 405
	done
	for path in / /api/v1/status /api/v1/openapi.json /api/v1/tokens /metrics/ //metrics /%6detrics '/metrics;x' /METRICS \
		/index.html; do
		assert_equal "$(status_of --path-as-is "$monitor$path")" 404
	done
	assert_equal "$(status_of "$monitor/metrics?x=1")" 400
}

@test "on the dashboard's port metrics are for viewers, health for all" {
	metrics_start
	assert_equal "$(status_of "$dashboard/metrics")" 401
	assert_equal "$(status_of -H 'Authorization: Bearer mst_no' "$dashboard/metrics")" 401
	secret=$(musterctl --json api-token create --role viewer prometheus | jq -r .secret)
	assert_equal "$(status_of -H "Authorization: Bearer $secret" "$dashboard/metrics")" 200
	"$BATS_TEST_DIRNAME/helpers/exposition" <"$dir/body" >/dev/null
	secret=$(musterctl --json api-token create --role viewer --scope role=web some | jq -r .secret)
	assert_equal "$(status_of -H "Authorization: Bearer $secret" "$dashboard/metrics")" 403
	for path in /healthz /readyz; do
		assert_equal "$(status_of "$dashboard$path")" 200
		assert_equal "$(status_of -H 'Host: rebound.example' "$dashboard$path")" 403
	done
}

@test "without MetricsListen= there is no such listener, and a mistake in it is told" {
	sed -i '/^MetricsListen/d' "$dir/conf"
	metrics_start
	run ! grep 'metrics are at' "$dir/log"
	server_stops
	echo 'MetricsListen=nowhere' >>"$dir/conf"
	run -1 "$BUILD/muster-server" --config "$dir/conf" --check
	assert_output --partial 'MetricsListen=nowhere: not an address and port'
	sed -i 's/nowhere/none/' "$dir/conf"
	run -0 "$BUILD/muster-server" --config "$dir/conf" --check
}

# With two processes, whoever of them takes a connection.
enrolled_all()
{
	shows 'muster_enrolments_total{result=granted}' 12
}

@test "with several workers what they have counted is told together, also after one was killed" {
	sed -i "s/^Name=.*/&\nWorkers=2/" "$dir/conf"
	printf '%s\n' '[limits]' Connections=500 >>"$dir/conf"
	metrics_start
	token=$(musterctl token create --uses unlimited 2>/dev/null)
	for i in {1..12}; do
		run -0 peer "machine$i" enrol "$token"
	done
	eventually enrolled_all
	(($(value 'muster_turns_total{result=committed}') >= 12))
	assert_equal "$(value muster_connections_max)" 1000
	# The one that isn't the first, which answers here.
	last=$(pgrep -P "$server" | sort -n | tail -n 1)
	kill -KILL "$last"
	eventually replaced
	eventually enrolled_all
}

replaced()
{
	[[ $(pgrep -P "$server" | wc -l) == 2 ]] && ! pgrep -P "$server" | grep -qx "$last"
}
