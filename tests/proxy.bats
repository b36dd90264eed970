#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The examples in doc/proxy, each really run in front of a server: nginx, HAProxy and Caddy as Debian has them. In a
# network of their own, the hub of machines/machines.bash: there nobody else takes the ports that they are told.

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert
load store
load machines/machines

PROXIES="nginx haproxy caddy"

setup_file()
{
	machines_begin
}

teardown_file()
{
	machines_end
}

setup()
{
	ports=20000 # the last that was given to a proxy; all below those that connections get
	BUILD=$(realpath -m "${BUILD:-$BATS_TEST_DIRNAME/../build}")
	dir=$BATS_TEST_TMPDIR
	examples=$BATS_TEST_DIRNAME/../doc/proxy
	export MUSTER_SOCKET=$dir/control.sock TERM=dumb XDG_DATA_HOME=$dir XDG_CONFIG_HOME=$dir HOME=$dir
	PATH=$BUILD:/usr/sbin:$PATH
	pids=()
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=muster.example.org -addext \
		subjectAltName=DNS:muster.example.org -keyout "$dir/privkey.pem" -out "$dir/fullchain.pem" 2>/dev/null
	cat "$dir/fullchain.pem" "$dir/privkey.pem" >"$dir/muster.pem"
	printf '%s\n' '[server]' 'Listen=127.0.0.1:0' "State=$dir/state" "$(store_line "$dir/state")" \
		"Control=$MUSTER_SOCKET" \
		"Clients=$BUILD/clients" 'Name=muster.example.org:8443' '[dashboard]' 'Listen=127.0.0.1:0' \
		'Host=muster.example.org' 'TrustedProxy=127.0.0.1' >"$dir/conf"
	runs "$BUILD/muster-server" --config "$dir/conf"
	eventually musterctl status >"$dir/status" 2>&1
	machines=$(musterctl --json status | jq -r '.listen[0]' | sed 's/.*://')
	backend=$(sed -n 's|.*the dashboard is at http://||p' "$dir/log")
	echo 'correct horse battery' | musterctl admin add ada --role administrator >/dev/null 2>&1
}

teardown()
{
	local pid

	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
}

runs()
{
	(
		close_inherited
		exec_in_hub "$@"
	) >>"$dir/log" 2>&1 &
	pids+=($!)
}

eventually()
{
	local deadline=$((SECONDS + 60))

	until "$@"; do
		((SECONDS < deadline)) || return
		sleep 0.05
	done
}

# The example with this test's ports, addresses and files; every line of it that isn't about those is as it is.
example() # NAME
{
	sed -e "s|127\.0\.0\.1:8080|$backend|; s|127\.0\.0\.1:8444|127.0.0.1:$machines|" \
		-e "s|/etc/ssl/muster/|$dir/|; s|/etc/haproxy/muster.pem|$dir/muster.pem|" \
		-e "s|listen 443 |listen 127.0.0.1:$https |; s|bind :443 |bind 127.0.0.1:$https |" \
		-e "s|listen 80;|listen 127.0.0.1:$http;|; s|bind :80\$|bind 127.0.0.1:$http|" \
		-e "s|listen 8443;|listen 127.0.0.1:$passed;|; s|bind :8443\$|bind 127.0.0.1:$passed|" \
		-e "s|^muster.example.org {|https://muster.example.org:$https {\n\tbind 127.0.0.1\n\ttls $dir/fullchain.pem $dir/privkey.pem|" \
		"$examples/$1"
}

proxy_starts() # NAME
{
	https=$((++ports)) http=$((++ports)) passed=$((++ports))
	url=https://muster.example.org:$https
	case $1 in
	nginx)
		example nginx.conf >"$dir/nginx.conf"
		runs nginx -c "$dir/nginx.conf" -g "daemon off; pid $dir/nginx.pid; error_log $dir/nginx.log;"
		;;
	haproxy)
		example haproxy.cfg >"$dir/haproxy.cfg"
		runs haproxy -db -f "$dir/haproxy.cfg"
		;;
	caddy)
		printf '{\n\tadmin off\n\tauto_https disable_redirects\n}\n' >"$dir/Caddyfile"
		example Caddyfile >>"$dir/Caddyfile"
		runs caddy run --adapter caddyfile --config "$dir/Caddyfile"
		;;
	esac
	eventually answers || fail "$1 doesn't answer: $(tail -n 20 "$dir/log" "$dir"/nginx.log 2>/dev/null)"
}

answers()
{
	[[ $(ask /healthz 2>/dev/null) == ok ]]
}

# ask PATH [CURL'S OPTION...]: through the proxy, as somebody at 127.0.0.9.
ask()
{
	in_hub curl -q -sS --max-time 20 --cacert "$dir/fullchain.pem" --resolve "muster.example.org:$https:127.0.0.1" \
		--interface 127.0.0.9 "${@:2}" "$url$1"
}

# Logs ada in; sets csrf and cookies. Other options are curl's.
logs_in()
{
	ask /api/v1/session -H "Origin: $url" -H 'Content-Type: application/json' -D "$dir/head" -c "$dir/cookies" "$@" \
		-d '{"name":"ada","password":"correct horse battery"}' >"$dir/session"
	csrf=$(jq -r .csrf "$dir/session")
	[[ $csrf != null ]]
}

each_proxy() # FUNCTION
{
	local proxy

	for proxy in $PROXIES; do
		proxy_starts "$proxy"
		"$1" || fail "$proxy: $(tail -n 5 "$dir/log")"
	done
}

login_is_safe()
{
	logs_in || return
	grep -qi '^set-cookie: __Host-[^;]*;.*HttpOnly' "$dir/head" || return
	grep -qi '^set-cookie:.*; *Secure' "$dir/head" || return
	grep -qi '^set-cookie:.*SameSite=Strict' "$dir/head" || return
	grep -qi "^content-security-policy: default-src 'none'" "$dir/head" || return
	[[ $(ask /api/v1/session -b "$dir/cookies" | jq -r .name) == ada ]] || return
	# With the session, and what goes with it, something is changed; without one of them nothing is.
	[[ $(ask /api/v1/tokens -b "$dir/cookies" -H "Origin: $url" -H "X-Muster-Csrf: $csrf" -d '{}' \
		-H 'Content-Type: application/json' -o /dev/null -w '%{http_code}') == 201 ]] || return
	[[ $(ask /api/v1/tokens -b "$dir/cookies" -H "Origin: https://evil.example" -H "X-Muster-Csrf: $csrf" -d '{}' \
		-H 'Content-Type: application/json' | jq -r .code) == bad-origin ]] || return
	[[ $(ask /api/v1/tokens -b "$dir/cookies" -H "Origin: $url" -d '{}' -H 'Content-Type: application/json' |
		jq -r .code) == bad-csrf ]]
}

@test "a login through each of them gets a cookie for https only, and what it protects works" {
	each_proxy login_is_safe
}

addresses()
{
	ask /api/v1/sessions -b "$dir/cookies" | jq -r '.sessions[].address' | sort -u
}

address_is_right()
{
	# What the browser says of itself doesn't count, however it says it.
	logs_in -H 'X-Forwarded-For: 198.51.100.1' -H 'Forwarded: for=198.51.100.2;proto=http' -H 'X-Real-IP: 198.51.100.3' \
		-H 'X-Forwarded-Proto: http' -H 'X_Forwarded_For: 198.51.100.4' || return
	grep -qi '^set-cookie:.*; *Secure' "$dir/head" || return
	[[ $(addresses) == 127.0.0.9 ]]
}

@test "who asks is who connected to the proxy, whatever the headers say" {
	each_proxy address_is_right
}

tokens_heard()
{
	grep -c '"topic":"tokens"' "$dir/events" || true
}

has_heard()
{
	(($(tokens_heard) >= $1))
}

events_come_at_once()
{
	local secret

	secret=$(musterctl --json api-token create --role viewer events | jq -r .secret)
	: >"$dir/events"
	ask /api/v1/events --max-time 60 -N -H "Authorization: Bearer $secret" >"$dir/events" 2>&1 3>&- &
	pids+=($!)
	# Each before the next happens: nothing waits for a buffer to be full.
	eventually grep -q '^retry:' "$dir/events" || return
	for i in 1 2 3; do
		musterctl token create >/dev/null 2>&1
		eventually has_heard "$i" || return
	done
}

@test "live changes pass each of them one by one, unbuffered" {
	each_proxy events_come_at_once
}

large_bodies_pass()
{
	local status

	head -c 1048320 /dev/urandom | base64 -w0 >"$dir/content"
	logs_in || return
	printf '{"name":"large","selector":"*","content":"%s"}' "$(<"$dir/content")" >"$dir/large"
	status=$(ask /api/v1/configs -b "$dir/cookies" -H "Origin: $url" -H "X-Muster-Csrf: $csrf" -H 'Expect:' \
		-H 'Content-Type: application/json' --data-binary @"$dir/large" -o "$dir/answer" -w '%{http_code}')
	[[ $status == 201 ]] || { echo "$status $(cat "$dir/answer")" && return 1; }
}

@test "a configuration of the largest size passes each of them" {
	each_proxy large_bodies_pass
}

other_names_lead_nowhere()
{
	local code

	code=$(in_hub curl -q -sS -k --max-time 20 -o /dev/null -w '%{http_code}' -H 'Host: rebound.example' "https://127.0.0.1:$https/api/v1/session" || true)
	[[ $code != 200 && $code != 401 ]]
}

@test "another host's name leads nowhere through any of them" {
	each_proxy other_names_lead_nowhere
}

@test "machines pass nginx and HAProxy with their own TLS, the server's key still theirs to check" {
	server_key=$(musterctl --json status | jq -r .server_key)
	pin=$(musterctl --json status | jq -r .pin)
	for proxy in nginx haproxy; do
		proxy_starts "$proxy"
		token=$(musterctl token create 2>/dev/null)
		run -0 in_hub "$BUILD/tests/helpers/peer" --server "127.0.0.1:$passed" --server-key "$server_key" --pin "$pin" \
			--dir "$dir/machine-$proxy" enrol "$token" hello
		run -0 in_hub curl -q -sS -k --pinnedpubkey "$pin" "https://127.0.0.1:$passed/clients/manifest"
		run in_hub curl -q -sS -o /dev/null -w '%{http_code} %{redirect_url}' -H 'Host: muster.example.org' "http://127.0.0.1:$http/x"
		assert_output '301 https://muster.example.org/x'
	done
	run musterctl --json client list
	assert_equal "$(jq '.clients | length' <<<"$output")" 2
}
