#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Webhooks: what happens goes out signed, in order and at least once, and nowhere that it shouldn't.
# shellcheck disable=SC2154 # variables of server.bash

bats_require_minimum_version 1.5.0
load server

setup()
{
	receivers=()
	configured AllowLocal=yes AllowHttp=yes
}

teardown()
{
	local pid

	for pid in "${receivers[@]}"; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	server_stops
}

configured()
{
	server_configured '[dashboard]' Listen=none '[webhooks]' "$@"
}

# receiver_starts NAME [CERTIFICATE]: sets url.
receiver_starts()
{
	mkdir -p "$dir/$1"
	rm -f "$dir/$1/port"
	touch "$dir/$1/requests"
	"$BATS_TEST_DIRNAME/helpers/receiver" "$dir/$1" "${@:2}" >"$dir/$1/log" 2>&1 3>&- &
	receivers+=($!)
	eventually test -e "$dir/$1/port"
	url="http${2:+s}://127.0.0.1:$(cat "$dir/$1/port")/hook"
}

# hook_for URL [OPTION...]: sets secret and hook.
hook_for()
{
	read -r secret hook < <(musterctl --json webhook add "$@" | jq -r '"\(.secret) \(.id)"')
}

count() # NAME
{
	wc -l <"$dir/$1/requests"
}

has_count() # NAME COUNT
{
	(($(count "$1") >= $2))
}

has_object() # NAME ID
{
	jq -e --arg id "$2" 'select((.body | fromjson | .data.object) == $id)' "$dir/$1/requests" >/dev/null
}

types() # NAME
{
	jq -r '.body | fromjson | .type' "$dir/$1/requests"
}

token()
{
	musterctl --json token create "$@" | jq -r .id
}

state_is()
{
	[[ $(musterctl --json webhook list | jq -r --arg id "$hook" '.webhooks[] | select(.id == $id) | .state') == "$1" ]]
}

# Of each request, by standardwebhooks.com's rules and nothing of muster's.
check_signatures() # NAME SECRET
{
	python3 - "$dir/$1/requests" "$2" <<-'PY'
		import base64, hashlib, hmac, json, sys, time
		key = base64.b64decode(sys.argv[2].removeprefix("whsec_"))
		for line in open(sys.argv[1]):
		    r = json.loads(line)
		    h = r["headers"]
		    assert r["method"] == "POST" and h["content-type"] == "application/json", r
		    assert abs(int(h["webhook-timestamp"]) - time.time()) < 300, h
		    assert "." not in h["webhook-id"], h
		    signed = f'{h["webhook-id"]}.{h["webhook-timestamp"]}.{r["body"]}'.encode()
		    mac = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
		    assert h["webhook-signature"] == "v1," + mac, h
		    assert not {"cookie", "authorization"} & set(h), h
		    json.loads(r["body"])["data"]
	PY
}

@test "what happens comes signed and in order, and only what was asked for" {
	server_starts
	receiver_starts a
	hook_for "$url" --event 'token.*'
	for i in {1..20}; do
		ids+=("$(token)")
		musterctl config push motd "$dir/conf" --all
	done
	musterctl token revoke "${ids[0]}"
	eventually has_count a 21
	run check_signatures a "$secret"
	assert_success
	run jq -r '.body | fromjson | select(.type == "token.create") | .data.object' "$dir/a/requests"
	assert_output "$(printf '%s\n' "${ids[@]}")"
	run jq -s 'map(.body | fromjson | .data.seq) | . == (sort | unique)' "$dir/a/requests"
	assert_output true
	assert_equal "$(types a | sort -u)" "token.create
token.revoke"
	# The same as the audit log has.
	run jq -r '.body | fromjson | .data | [.seq, .actor, .object, .detail, .hash] | @json' "$dir/a/requests"
	assert_output "$(musterctl --json audit list --all |
		jq -r '.entries[] | select(.act | startswith("token.")) | [.seq, .actor, .object, .detail, .hash] | @json')"
	run jq -r '.headers["webhook-id"]' "$dir/a/requests"
	assert_equal "$(sort -u <<<"$output" | wc -l)" 21
}

@test "two hooks get each what it wants, and one that hangs holds nobody up" {
	server_starts
	receiver_starts slow
	echo hang >"$dir/slow/answer"
	hook_for "$url"
	local slow=$hook
	receiver_starts quick
	hook_for "$url"
	for i in {1..10}; do
		token >/dev/null
	done
	eventually has_count quick 10
	eventually has_count slow 1
	musterctl status >/dev/null
	# All of that while the one attempt lasts, which is given up after half a minute.
	assert_equal "$(count slow)" 1
	hook=$slow
	state_is active
}

@test "an attempt that failed is made again with the same id, and nothing overtakes it" {
	server_starts
	receiver_starts a
	hook_for "$url" --event 'token.create'
	echo 500 >"$dir/a/answer"
	one=$(token)
	eventually state_is failing
	two=$(token)
	run musterctl webhook list
	assert_output --partial 'it answered with status 500'
	echo 204 >"$dir/a/answer"
	musterctl webhook enable "$hook"
	eventually has_object a "$two"
	eventually state_is active
	# The first came at least twice: also by itself, if that took long.
	run jq -r '.headers["webhook-id"] + " " + (.body | fromjson | .data.object)' "$dir/a/requests"
	assert_equal "$(cut -d ' ' -f 2 <<<"$output" | uniq)" "$one
$two"
	assert_equal "$(uniq <<<"$output" | wc -l)" 2
	((${#lines[@]} > 2))
	run check_signatures a "$secret"
	assert_success
}

@test "the server killed and started again goes on where it was, and loses nothing" {
	server_starts
	receiver_starts a
	hook_for "$url" --event 'token.create'
	for round in 1 2 3; do
		echo 503 >"$dir/a/answer"
		for i in {1..5}; do
			ids+=("$(token)")
		done
		server_stops KILL
		echo 200 >"$dir/a/answer"
		server_starts
	done
	eventually has_all
	run musterctl audit verify
	assert_success
}

# Each at least once, and the first times in order.
has_all()
{
	[[ $(jq -r '.body | fromjson | .data.object' "$dir/a/requests" | awk '!seen[$0]++') == "$(printf '%s\n' "${ids[@]}")" ]]
}

@test "a receiver that says it's gone for ever is not asked again, until somebody enables it" {
	server_starts
	receiver_starts a
	hook_for "$url" --event 'token.create'
	echo 410 >"$dir/a/answer"
	id=$(token)
	eventually state_is disabled
	token >/dev/null
	run musterctl audit list
	assert_output --partial webhook.disable
	assert_equal "$(count a)" 1
	server_stops
	server_starts
	state_is disabled
	echo 200 >"$dir/a/answer"
	musterctl webhook enable "$hook"
	eventually has_count a 3
	assert_equal "$(jq -r '.body | fromjson | .data.object' "$dir/a/requests" | sed -n 2p)" "$id"
}

@test "redirects are not followed, and an answer without an end is not read" {
	server_starts
	receiver_starts other
	elsewhere=$url
	receiver_starts a
	echo "$elsewhere" >"$dir/a/answer"
	hook_for "$url"
	token >/dev/null
	eventually state_is failing
	run musterctl webhook list
	assert_output --partial 'it answered with status 302: redirects are not followed'
	assert_equal "$(count other)" 0
	echo endless >"$dir/a/answer"
	musterctl webhook enable "$hook"
	eventually state_is active
}

@test "a test is sent at once, and tells how it went" {
	server_starts
	receiver_starts a
	hook_for "$url" --event 'config.push'
	run musterctl webhook test "$hook"
	assert_success
	assert_output delivered
	assert_equal "$(types a)" webhook.test
	run check_signatures a "$secret"
	assert_success
	echo 404 >"$dir/a/answer"
	run -1 musterctl webhook test "$hook"
	assert_output 'musterctl: not delivered: it answered with status 404'
	run -4 musterctl webhook test w-none
	run -4 musterctl webhook remove w-none
	# It says nothing about the hook's own messages.
	state_is active
}

@test "a removed hook gets nothing more, also while something is under way" {
	server_starts
	receiver_starts a
	echo hang >"$dir/a/answer"
	hook_for "$url" --event 'token.create'
	token >/dev/null
	eventually has_count a 1
	musterctl webhook remove "$hook"
	echo 200 >"$dir/a/answer"
	token >/dev/null
	run musterctl webhook list
	assert_output --partial 'no webhooks yet'
	musterctl status
	assert_equal "$(count a)" 1
}

@test "without leave nothing goes to this machine, whatever its name, or by http" {
	configured
	server_starts
	for url in http://example.org/ ftp://example.org/ 'https://user:password@example.org/' https://example.org/#x nonsense; do
		run -2 musterctl webhook add "$url"
	done
	receiver_starts a
	port=$(cat "$dir/a/port")
	for host in 127.0.0.1 localhost '[::1]' '[::ffff:127.0.0.1]' 0.0.0.0 127.1 2130706433 0x7f.1 169.254.169.254; do
		hook_for "https://$host:$port/"
		run -1 musterctl webhook test "$hook"
		assert_output --partial "its address is this machine's or link-local: not allowed"
	done
	assert_equal "$(count a)" 0
}

@test "certificates are checked: by the system's authorities, or by those of CaFile=" {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test -addext \
		subjectAltName=IP:127.0.0.1 -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
	cat "$dir/key.pem" "$dir/cert.pem" >"$dir/both.pem"
	configured 'AllowLocal=yes'
	server_starts
	receiver_starts a "$dir/both.pem"
	hook_for "$url"
	run -1 musterctl webhook test "$hook"
	assert_output --partial certificate
	assert_equal "$(count a)" 0
	server_stops
	configured 'AllowLocal=yes' "CaFile=$dir/cert.pem"
	server_starts
	run -0 musterctl webhook test "$hook"
	# Another name than the certificate's.
	hook_for "${url/127.0.0.1/localhost}"
	run -1 musterctl webhook test "$hook"
	assert_output --partial certificate
}

@test "no proxy of the environment is used" {
	receiver_starts proxy
	proxy=${url%/hook}
	server_starts env http_proxy="$proxy" https_proxy="$proxy" all_proxy="$proxy"
	receiver_starts a
	hook_for "$url"
	run -0 musterctl webhook test "$hook"
	assert_equal "$(count proxy)" 0
	assert_equal "$(count a)" 1
}

@test "a hook's secret and the rest of its URL stay where they belong" {
	server_starts
	receiver_starts a
	hook_for "$url?key=sesame" --note 'for the log'
	token >/dev/null
	eventually has_count a 1
	[[ $secret =~ ^whsec_[0-9A-Za-z+/]{43}=$ ]]
	run musterctl --json webhook list
	assert_output --partial sesame
	refute_output --partial "$secret"
	run musterctl audit list --all
	refute_output --partial sesame
	run ! grep -ra -e "$secret" -e "${secret#whsec_}" "$dir/state" "$dir/log"
	run ! grep sesame "$dir/log"
	run -2 musterctl webhook add
	run -2 musterctl webhook add "$url" --event 'Token'
	assert_output --partial "field 'events'"
}

@test "what waits and what failed is in the metrics" {
	server_starts
	receiver_starts a
	echo 500 >"$dir/a/answer"
	hook_for "$url" --event 'token.create'
	token >/dev/null
	eventually state_is failing
	curl -q -sS --unix-socket "$MUSTER_SOCKET" http://localhost/metrics >"$dir/metrics"
	grep -qx 'muster_webhooks{state="failing"} 1' "$dir/metrics"
	grep -qx 'muster_webhook_attempts_total{result="failed"} [1-9]' "$dir/metrics"
	grep -qx 'muster_webhook_waiting 1' "$dir/metrics"
}

# A name server that hears and doesn't answer; the resolver waits for it for minutes.
mute_name_server() # FOLDER
{
	mkdir "$1"
	python3 - "$1" <<-'PY' 3>&- &
		import os, socket, sys
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		address = "127.53.%d.%d" % (os.getpid() // 250 % 250 + 1, os.getpid() % 250 + 1)
		s.bind((address, 53))
		with open(sys.argv[1] + "/new", "w") as f:
		    f.write("nameserver %s\noptions timeout:30 attempts:5\n" % address)
		os.rename(sys.argv[1] + "/new", sys.argv[1] + "/resolv.conf")
		while True:
		    s.recv(512)
		    open(sys.argv[1] + "/asked", "w").close()
	PY
	receivers+=($!)
	eventually test -e "$1/resolv.conf"
}

@test "a name that isn't found out holds nobody else up" {
	mute_name_server "$dir/names"
	server_starts unshare -m sh -c 'mount --bind "$0" /etc/resolv.conf && exec "$@"' "$dir/names/resolv.conf"
	hook_for https://receiver.example/
	token >/dev/null
	eventually test -e "$dir/names/asked"
	run -0 timeout 100 musterctl webhook remove "$hook"
	run -0 timeout 100 musterctl status
}
