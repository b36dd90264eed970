#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The dashboard's port: the API over plain HTTP, with a server of each test's own. Who may do what is a unit test's
# (unit/server-access.c); here is what goes over the wire.

bats_require_minimum_version 1.5.0
load server

setup()
{
	cd "$BATS_TEST_TMPDIR" || return
	configured
}

teardown()
{
	server_stops KILL
}

# configured [LINE...]: the lines are of [dashboard].
configured()
{
	server_configured '[dashboard]' 'Listen=127.0.0.1:0' "$@"
}

# token_of ROLE [OPTION...]: sets token, token_id.
token_of()
{
	read -r token token_id < <(musterctl --json api-token create test --role "$@" | jq -r '"\(.secret) \(.id)"')
	printf 'Authorization: Bearer %s\n' "$token" >header
}

# asks STATUS [CURL'S ARGUMENTS...] PATH: as the token's holder; sets body, and head in the file headers.
asks()
{
	local wanted=$1

	shift
	status=$(curl -q -sS --max-time 20 -H @header -D headers -o body -w '%{http_code}' "${@:1:$#-1}" "$dashboard${*: -1}")
	body=$(<body)
	[[ $status == "$wanted" ]] || fail "${*: -1}: $status $body"
}

is_refused() # STATUS CODE [CURL'S ARGUMENTS...] PATH
{
	asks "$1" "${@:3}"
	assert_equal "$(jq -r .code <<<"$body")" "$2"
}

# says BYTES-FOR-PRINTF: as they are; the answer.
says()
{
	local connection

	exec {connection}<>"/dev/tcp/127.0.0.1/${dashboard##*:}"
	# shellcheck disable=SC2059
	printf "$1" >&"$connection"
	timeout 60 cat <&"$connection"
	exec {connection}>&-
}

entries()
{
	musterctl --json audit verify | jq .entries
}

### Who may

@test "an API token opens the dashboard's port, as far as its role goes" {
	server_starts
	token_of viewer
	asks 200 /api/v1/status
	asks 200 '/api/v1/clients?limit=1'
	is_refused 403 forbidden -X POST /api/v1/tokens
	token_of operator
	asks 201 -X POST /api/v1/tokens
	is_refused 403 forbidden /api/v1/api-tokens
	token_of administrator
	asks 200 /api/v1/api-tokens
	is_refused 403 forbidden --json '{"name":"x","role":"viewer"}' /api/v1/api-tokens
	: >header
	is_refused 401 not-logged-in /api/v1/status
	grep -qix 'WWW-Authenticate: Bearer.*' headers
}

@test "what it does is audited as the token's, and its secret is nowhere to be found" {
	server_starts
	token_of operator
	asks 201 -X POST /api/v1/tokens
	run musterctl audit list
	assert_output --partial "api-token:$token_id"
	assert_output --partial 'role=operator'
	run musterctl api-token list
	assert_line --regexp "^$token_id +test +operator +\\* +live "
	server_stops
	run ! grep -r "${token:17}" state log
}

@test "a revoked token opens nothing from then on, also on a connection that is there; nor after a restart" {
	server_starts
	token_of viewer
	asks 200 /api/v1/status
	exec {web}<>"/dev/tcp/127.0.0.1/${dashboard##*:}"
	say() { printf 'GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n' "$token"; }
	say >&"$web"
	read -r -t 60 line <&"$web"
	[[ $line == *' 200 OK'* ]] || fail "$line"
	musterctl api-token revoke "$token_id"
	say >&"$web"
	until [[ $line == *' 401 '* ]]; do read -r -t 60 line <&"$web" || fail "still open"; done
	exec {web}>&-
	is_refused 401 not-logged-in /api/v1/status
	server_stops
	server_starts
	is_refused 401 not-logged-in /api/v1/status
}

@test "a token of a scope sees its machines only" {
	server_starts
	token_of operator --scope site=bonn
	asks 200 /api/v1/clients
	is_refused 403 forbidden /api/v1/audit
	is_refused 403 forbidden -X POST /api/v1/tokens
	is_refused 404 not-found /api/v1/clients/00
	run musterctl api-token create x --role administrator --scope site=bonn
	assert_failure 2
	run musterctl api-token create x --role viewer --scope ',,'
	assert_failure 2
}

### Logging in

# logs_in NAME PASSWORD [CURL'S ARGUMENTS...]: sets cookie, csrf.
logs_in()
{
	jq -n --arg name "$1" --arg password "$2" '{$name, $password}' >body
	status=$(curl -q -sS --max-time 20 -D headers -o session -w '%{http_code}' -H "Origin: $dashboard" --json @body "${@:3}" \
		"$dashboard/api/v1/session")
	[[ $status == 200 ]] || return
	cookie=$(sed -n 's/^Set-Cookie: \([^;]*\);.*/\1/p' headers)
	csrf=$(jq -r .csrf session)
	printf '%s\n' "Cookie: $cookie" "X-Muster-Csrf: $csrf" "Origin: $dashboard" >header
}

@test "the first administrator is made on the server, the password comes by standard input" {
	server_starts
	run musterctl admin add ann --role administrator </dev/null
	assert_failure 2
	run musterctl admin add ann --role administrator <<<'too short'
	assert_failure 2
	assert_output --partial 'shorter than 12 characters'
	run musterctl admin add Ann --role administrator <<<'a long password'
	assert_failure 2
	run musterctl admin add ann --role king <<<'a long password'
	assert_failure 2
	run musterctl admin add ann <<<'a long password'
	assert_failure 2
	run musterctl admin list
	assert_output --partial 'no administrators yet'
	musterctl admin add ann --role administrator <<<'a long password'
	run musterctl admin add ann --role viewer <<<'a long password'
	assert_failure 5
	run musterctl admin list
	assert_line --regexp '^ann +administrator +.* +never '
	run musterctl audit list
	assert_output --partial 'admin.add'
	server_stops
	run ! grep -ra 'a long password' state log
}

@test "a session lives through a restart of the server, and ends by what ends it" {
	server_starts
	musterctl admin add ann --role operator <<<'a long password'
	logs_in ann 'a long password'
	asks 200 /api/v1/session
	asks 201 -X POST /api/v1/tokens
	is_refused 403 forbidden /api/v1/admins
	server_stops
	run ! grep -ra "${cookie#*=}" state log
	server_starts
	asks 200 /api/v1/session
	run musterctl session list
	assert_line --regexp '^s-[0-9a-z]{10} +ann +operator +127\.0\.0\.1 '
	musterctl admin role ann viewer
	is_refused 401 not-logged-in /api/v1/session
	logs_in ann 'a long password'
	printf '%s\n' "Cookie: $cookie" "X-Muster-Csrf: $csrf" "Origin: $dashboard" >header
	is_refused 403 forbidden -X POST /api/v1/tokens
	musterctl session end "$(musterctl --json session list | jq -r '.sessions[0].id')"
	is_refused 401 not-logged-in /api/v1/session
	logs_in ann 'a long password'
	musterctl admin password ann <<<'another password'
	is_refused 401 not-logged-in /api/v1/session
	run ! logs_in ann 'a long password'
	logs_in ann 'another password'
	asks 204 -X DELETE /api/v1/session
	is_refused 401 not-logged-in /api/v1/session
	logs_in ann 'another password'
	musterctl admin remove ann
	is_refused 401 not-logged-in /api/v1/session
	run ! logs_in ann 'another password'
	run musterctl audit list --all
	for act in session.start session.end session.refuse admin.role admin.password admin.remove; do
		assert_output --partial "$act"
	done
}

@test "a forged change is refused and changes nothing" {
	server_starts
	musterctl admin add ann --role administrator <<<'a long password'
	logs_in ann 'a long password'
	before=$(entries)
	printf '%s\n' "Cookie: $cookie" >header
	is_refused 403 bad-origin -X POST /api/v1/tokens
	is_refused 403 bad-origin -X POST -H 'Origin: http://evil.example' -H "X-Muster-Csrf: $csrf" /api/v1/tokens
	is_refused 403 bad-origin -X POST -H "Origin: null" -H "X-Muster-Csrf: $csrf" /api/v1/tokens
	is_refused 403 bad-csrf -X POST -H "Origin: $dashboard" /api/v1/tokens
	is_refused 403 bad-csrf -X DELETE -H "Origin: $dashboard" /api/v1/session
	is_refused 403 bad-origin -H 'Sec-Fetch-Site: cross-site' /api/v1/events
	assert_equal "$(entries)" "$before"
}

@test "somebody at the password waits, with the right one as well; others don't" {
	server_starts
	musterctl admin add ann --role viewer <<<'a long password'
	for i in 1 2 3 4 5; do
		run ! logs_in ann "guess number $i"
	done
	run ! logs_in ann 'a long password'
	grep -qi '^Retry-After: [0-9]' headers
	logs_in ann 'a long password' --interface 127.0.0.2
}

@test "many logins at once are all answered, and the server goes on answering others meanwhile" {
	server_starts
	musterctl admin add ann --role viewer <<<'a long password'
	token_of viewer
	cp header token-header
	for i in 1 2 3 4 5 6 7 8; do
		curl -q -sS --max-time 60 --interface "127.0.0.$i" -o /dev/null -w '%{http_code}\n' -H "Origin: $dashboard" \
			--json '{"name":"ann","password":"a long password"}' "$dashboard/api/v1/session" >"login-$i" &
		logins[i]=$!
	done
	cp token-header header
	asks 200 /api/v1/status
	for i in 1 2 3 4 5 6 7 8; do
		wait "${logins[i]}"
		assert_equal "$(cat "login-$i")" 200
	done
}

### Proxies

@test "what proxies say is believed of listed ones only" {
	server_starts
	musterctl admin add ann --role administrator <<<'a long password'
	logs_in ann 'a long password' -H 'X-Forwarded-For: 192.0.2.7' -H 'X-Forwarded-Proto: https' \
		-H 'Forwarded: for=192.0.2.7;proto=https'
	[[ $cookie == muster=* ]]
	run musterctl session list
	assert_output --partial ' 127.0.0.1 '
	refute_output --partial 192.0.2.7
	server_stops
	configured TrustedProxy=127.0.0.1 TrustedProxy=10.0.0.0/8
	server_starts
	curl -q -sS -D headers -o session -H 'X-Forwarded-For: 203.0.113.1' -H 'X-Forwarded-For: 192.0.2.7, 10.1.2.3' \
		-H 'X-Forwarded-Proto: https' -H "Origin: https://${dashboard#http://}" \
		--json '{"name":"ann","password":"a long password"}' "$dashboard/api/v1/session"
	grep -q '^Set-Cookie: __Host-muster=[0-9a-f]*; Path=/; Secure; HttpOnly; SameSite=Strict' headers
	run musterctl session list
	assert_output --partial ' 192.0.2.7 '
	refute_output --partial 203.0.113.1
}

@test "a header logs in behind a listed proxy that is told to, and nowhere else" {
	server_starts
	musterctl admin add ann --role viewer --no-password
	: >header
	is_refused 401 not-logged-in -H 'X-Remote-User: ann' /api/v1/session
	server_stops
	configured TrustedHeader=X-Remote-User
	server_starts
	is_refused 401 not-logged-in -H 'X-Remote-User: ann' /api/v1/session
	server_stops
	configured TrustedHeader=X-Remote-User TrustedProxy=127.0.0.1
	server_starts
	asks 200 -H 'X-Remote-User: ann' /api/v1/session
	is_refused 401 not-logged-in -H 'X_Remote_User: ann' /api/v1/session
	is_refused 401 not-logged-in -H 'X-Remote-User: bob' /api/v1/session
	asks 400 -H 'X-Remote-User: ann' -H 'x-remote-user: ann' /api/v1/session
	is_refused 403 bad-origin -X DELETE -H 'X-Remote-User: ann' /api/v1/session
	is_refused 401 not-logged-in --interface 127.0.0.2 -H 'X-Remote-User: ann' /api/v1/session
}

### What browsers are told

@test "every answer carries the headers that browsers go by, refusals and nonsense too" {
	server_starts
	token_of viewer
	check()
	{
		grep -qxF "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'" headers
		grep -qx 'Referrer-Policy: no-referrer' headers
		grep -qx 'X-Content-Type-Options: nosniff' headers
		grep -qx 'Cross-Origin-Opener-Policy: same-origin' headers
		grep -qx 'Cross-Origin-Resource-Policy: same-origin' headers
		[[ $(grep -ci '^Cache-Control:' headers) == 1 ]]
	}
	as_text() { sed -i 's/\r$//' headers; }
	for path in / /assets/nothing.js /api/v1/status /api/v1/nothing /api/v1/openapi.json /nothing '/api/v1/clients?nothing'; do
		curl -q -sS -D headers -o /dev/null -H @header "$dashboard$path"
		as_text
		check || fail "$path: $(cat headers)"
	done
	curl -q -sS -D headers -o /dev/null -I "$dashboard/api/v1/openapi.json"
	as_text && check
	curl -q -sS -D headers -o /dev/null -X BREW "$dashboard/api/v1/status"
	as_text && check
	curl -q -sS -D headers -o /dev/null -H 'Host: evil.example' "$dashboard/api/v1/status"
	as_text && check
	says 'nonsense\r\n\r\n' | sed 's/\r$//' >headers
	check || fail "$(cat headers)"
}

@test "under another host's name there is nothing, whatever the request shows" {
	server_starts
	token_of administrator
	before=$(entries)
	for host in evil.example localhost.evil.example evil.example:8080 127.0.0.2 '[::1]' 0x7f.1 2130706433; do
		is_refused 403 bad-host -H "Host: $host" /api/v1/status
		is_refused 403 bad-host -H "Host: $host" -X POST /api/v1/tokens
		is_refused 403 bad-host -H "Host: $host" /
	done
	is_refused 403 bad-host -H 'Host: evil.example' -H 'X-Forwarded-Host: localhost' -H 'Forwarded: host=localhost' \
		/api/v1/status
	is_refused 403 bad-host -0 -H 'Host:' /api/v1/status
	assert_equal "$(entries)" "$before"
	asks 200 -H 'Host: localhost' /api/v1/status
	asks 200 -H 'Host: 127.0.0.1' /api/v1/status
	server_stops
	configured Host=muster.example.org Host=other.example
	server_starts
	asks 200 -H 'Host: MUSTER.example.org:443' /api/v1/status
	asks 200 -H 'Host: other.example' /api/v1/status
	is_refused 403 bad-host -H 'Host: example.org' /api/v1/status
}

### What is too much

@test "malformed, deep and very long bodies are refused, and change nothing" {
	server_starts
	token_of operator
	before=$(entries)
	while IFS= read -r line; do
		printf '%b' "$line" >bytes
		asks 400 -H 'Content-Type: application/json' --data-binary @bytes /api/v1/tokens
	done <<-'END'
		{
		}
		[
		[]
		null
		1
		"x"
		{"uses":1,}
		{"uses":01}
		{"uses":1e999}
		{"uses":-1}
		{"uses":1.0}
		{"uses":NaN}
		{"uses":0x10}
		{'uses':1}
		{uses:1}
		{"uses":1 "note":"x"}
		{"uses":1}{"uses":1}
		{"uses":1}x
		{"uses":1,"uses":2}
		{"note":"\\u0000"}
		{"note":"\\ud800"}
		{"note":"\\x41"}
		{"note":"a\tb"}
		{"note":"\xff"}
		{"note":"\xc0\xaf"}
		{"note":"\xed\xa0\x80"}
		\xef\xbb\xbf{}
		\x00{}
		{"labels":{}}
		{"labels":[[]]}
		{"expires":[]}
		{"note":{"a":1}}
		/* */{}
		{}//
	END
	{ printf '{"labels":' && printf '[%.0s' {1..30000}; } >bytes
	asks 400 -H 'Content-Type: application/json' --data-binary @bytes /api/v1/tokens
	{ printf '{"a":%.0s' {1..12000}; } >bytes
	asks 400 -H 'Content-Type: application/json' --data-binary @bytes /api/v1/tokens
	head -c 10000000 /dev/zero | tr '\0' ' ' >bytes
	asks 413 -H 'Expect:' -H 'Content-Type: application/json' --data-binary @bytes /api/v1/tokens
	asks 413 -H 'Expect:' -H 'Content-Type: application/json' --data-binary @bytes /api/v1/configs
	asks 415 -H 'Content-Type: text/plain' --data-binary '{}' /api/v1/tokens
	asks 415 -F a=b /api/v1/tokens
	assert_equal "$(entries)" "$before"
	asks 200 /api/v1/status
}

@test "only who may push a configuration may send a body of its size" {
	server_starts
	token_of operator
	head -c 900000 /dev/urandom | base64 -w0 >content
	jq -n --rawfile content content '{name: "big", selector: "*", $content}' >bytes
	for expect in 'Expect:' 'Expect: 100-continue'; do
		token_of operator
		asks 201 -H "$expect" -H 'Content-Type: application/json' --data-binary @bytes /api/v1/configs
		token_of viewer
		asks 413 -H "$expect" -H 'Content-Type: application/json' --data-binary @bytes /api/v1/configs
		: >header
		asks 413 -H "$expect" -H 'Content-Type: application/json' --data-binary @bytes /api/v1/configs
	done
}

@test "requests that a proxy might read differently are refused, and the connection ends" {
	server_starts
	for request in \
		'GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n' \
		'GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n' \
		'POST /api/v1/tokens HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}' \
		'GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n' \
		'GET /api/v1/status HTTP/1.1\r\nHost : localhost\r\n\r\n' \
		'GET http://localhost/api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n' \
		'GET /api/v1/status#x HTTP/1.1\r\nHost: localhost\r\n\r\n'; do
		says "$request" >answer
		[[ $(head -1 answer) == 'HTTP/1.1 400 '* ]] || fail "$request: $(<answer)"
		[[ $(grep -c ^HTTP answer) == 1 ]]
	done
}

@test "HEAD is GET without the body; connections are kept, and pipelined requests answered in order" {
	server_starts
	says 'HEAD /api/v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\nGET /api/v1/a HTTP/1.1\r\nHost: localhost\r\n\r\nGET /api/v1/b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >answer
	run grep -c '^HTTP/1.1' answer
	assert_output 3
	run grep -o 'nothing at .*[ab]' answer
	assert_line --index 0 --partial /a
	assert_line --index 1 --partial /b
	[[ $(grep -c openapi answer) == 0 ]]
}

@test "one address can't have all connections, and one that doesn't go on is closed" {
	server_starts
	for ((i = 0; i < 64; i++)); do
		exec {fd}<>"/dev/tcp/127.0.0.1/${dashboard##*:}"
		connections[i]=$fd
	done
	printf 'GET / HTTP/1.1\r\nHost: loc' >&"${connections[0]}"
	printf 'HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n' >&"${connections[1]}"
	read -r line <&"${connections[1]}"
	[[ $line == 'HTTP/1.1 200'* ]]
	run ! curl -q -sS --max-time 20 "$dashboard/"
	grep -q 'refused a connection to the dashboard: 127.0.0.1 has too many' log
	curl -q -sS --max-time 20 --interface 127.0.0.2 -o /dev/null "$dashboard/"
	# What it has sent is not even a head: it is closed without an answer, and makes room.
	run cat <&"${connections[0]}"
	assert_output ''
	eventually curl -q -sS --max-time 20 -o /dev/null "$dashboard/"
	server_stops
	configured TrustedProxy=127.0.0.1
	server_starts
	for ((i = 0; i < 64; i++)); do
		fd=${connections[i]}
		exec {fd}>&-
		exec {fd}<>"/dev/tcp/127.0.0.1/${dashboard##*:}"
		connections[i]=$fd
	done
	curl -q -sS --max-time 20 -o /dev/null "$dashboard/"
}

@test "when all connections are taken those that wait for nothing give way" {
	configured TrustedProxy=127.0.0.1
	server_starts
	for ((i = 0; i < 520; i++)); do
		exec {connection}<>"/dev/tcp/127.0.0.1/${dashboard##*:}" # behind a proxy, all from one address
	done
	curl -q -sS --max-time 20 --interface 127.0.0.9 -o /dev/null "$dashboard/"
}

### musterctl from elsewhere

@test "musterctl asks a server over HTTP, with a token in a file of its own" {
	server_starts
	token_of operator
	(umask 077 && echo "$token" >token)
	remote=(env -u MUSTER_SOCKET musterctl --server "$dashboard" --token-file token)
	run "${remote[@]}" token create --label role=web
	assert_success
	run "${remote[@]}" --json status
	assert_success
	run "${remote[@]}" api-token list
	assert_failure 5
	assert_output --partial 'this takes the role administrator; yours is operator'
	MUSTER_SERVER=$dashboard/ MUSTER_API_TOKEN_FILE=token run env -u MUSTER_SOCKET musterctl token list
	assert_success
	assert_output --partial role=web
	musterctl api-token revoke "$token_id"
	run "${remote[@]}" token list
	assert_failure 5
	assert_output --partial 'show a valid API token'
	server_stops
	run "${remote[@]}" token list
	assert_failure 3
	assert_output --partial "no answer from $dashboard"
}

@test "a token goes to nobody by mistake" {
	server_starts
	token_of viewer
	(umask 077 && echo "$token" >token)
	asks_so() { run env -u MUSTER_SOCKET musterctl --server "$1" --token-file token "${@:2}" status; }
	for wrong in http://192.0.2.1 http://127.0.0.1.evil.example ftp://localhost localhost:8080 http://u:p@localhost \
		http://localhost/?a 'http://localhost/#a' file:///etc/passwd http:// "http://$(printf '%01030d' 1)"; do
		asks_so "$wrong"
		assert_failure 2
	done
	http_proxy=http://127.0.0.1:1 all_proxy=http://127.0.0.1:1 asks_so "$dashboard" # the proxy would read it
	assert_success
	tls=https://127.0.0.1:$port
	asks_so "$tls"
	assert_failure 3
	assert_output --partial "can't be verified; nothing was sent"
	asks_so "$tls" --pin sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
	assert_failure 3
	assert_output --partial 'another key'
	asks_so "$tls" --pin AAAA
	assert_failure 2
	asks_so "$tls" --pin "$pin" # the machines' port, which has no API
	assert_failure 4
	chmod 640 token
	asks_so "$dashboard"
	assert_failure 5
	assert_output --partial 'others may read'
	echo nonsense >token
	chmod 600 token
	asks_so "$dashboard"
	assert_failure 2
	run env -u MUSTER_SOCKET musterctl --server "$dashboard" status
	assert_failure 2
	assert_output --partial --token-file
}

### Starting

@test "its address can be none, and is told if it is taken" {
	configured
	sed -i '/dashboard/,$d' conf
	printf '[dashboard]\nListen=none\n' >>conf
	server_starts
	[[ -z $dashboard ]]
	server_stops
	configured
	server_starts
	sed "/^Store=/d; s|control.sock|second.sock|; s|^Listen=127.0.0.1:0$|Listen=${dashboard#http://}|; 0,/^Listen=.*/s//Listen=127.0.0.1:0/" conf >second
	run "$BUILD/muster-server" --config second --state other
	assert_failure
	assert_output --partial 'cannot listen for the dashboard'
}

@test "a wrong [dashboard] is told by line and value" {
	for line in Listen=here Listen= Listen=localhost:80 Host=a:80 Host=a/b 'Host=a b' Host=.a TrustedNothing=1 TrustedProxy=here TrustedProxy=10.0.0.1/8 ProxyHeader=Via \
		TrustedHeader=Cookie TrustedHeader=X_User TrustedHeader= SessionIdle=1s SessionMax=2y; do
		configured "$line"
		sed -i '/^\[dashboard\]/,/^Listen/{/^Listen/d}' conf
		run "$BUILD/muster-server" --config conf --check
		assert_failure
		assert_output --partial "conf:"
	done
}
