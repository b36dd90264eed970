#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The API as it is described: every route's answers from a real server with a real machine, held against openapi.json.

bats_require_minimum_version 1.5.0

setup_file()
{
	load helpers
	machines_begin
	server_starts
	machine_boot web bookworm-curl
	token_for role=web
	program_to web
	enrols_by_hand web
}

setup()
{
	load helpers
	server_trust
	log=$MACHINES_RUN/answers
	source=$BATS_TEST_DIRNAME/..
}

teardown_file()
{
	load helpers
	machines_end
}

over=()

description()
{
	"${over[@]}" "$BATS_TEST_DIRNAME/helpers/openapi" "$server/control.sock" "$log" "$@"
}

# asks STATUS METHOD PATH [JSON]: that the answer has that status and is as described; its body, as $output.
asks()
{
	local wanted=$1

	shift
	run description ask "$@"
	assert_success
	[[ ${output%% *} == "$wanted" ]] || fail "$*: $output"
	output=${output#* }
}

# is_refused STATUS CODE METHOD PATH [JSON]
is_refused()
{
	local code=$2

	asks "$1" "${@:3}"
	assert_equal "$(jq -r .code <<<"$output")" "$code"
}

content()
{
	base64 -w0 <<<"$1"
}

state_of() # NAME
{
	api GET "/configs/$1/status" | jq -r '.clients[0].state'
}

becomes()
{
	[[ $(state_of "$1") == "$2" ]]
}

has_message()
{
	api GET /messages | jq -e '.messages | length > 0' >/dev/null
}

@test "the server, its script and its tokens answer as described" {
	asks 200 GET /status
	asks 200 GET '/overview?span=day'
	jq -e '.clients.enrolled == 1 and (.enrolments | length) == 24' <<<"$output"
	is_refused 400 bad-parameter GET '/overview?span=year'
	asks 200 GET /openapi.json
	jq -e '.openapi == "3.1.0"' <<<"$output"
	asks 200 GET '/events?topics=clients,status'
	is_refused 400 bad-parameter GET '/events?topics=weather'
	asks 200 GET /release
	jq -e '(.files | length) > 0 and all(.files[]; .offered)' <<<"$output"
	is_refused 400 unknown-parameter GET '/release?serial=1'
	asks 200 GET /metrics
	asks 200 GET /healthz
	asks 200 GET /readyz
	asks 200 POST /installer '{}'
	asks 200 POST /installer '{"embed":true}'
	asks 201 POST /tokens '{"labels":["a=1"],"uses":null,"expires":"never","note":"n\u00e4chste","approve":true}'
	id=$(jq -r .id <<<"$output")
	asks 201 POST /tokens
	asks 200 GET '/tokens?limit=1'
	asks 200 GET "/tokens?after=$(jq -r .next <<<"$output")"
	asks 200 GET "/tokens/$id"
	asks 200 GET "/tokens/$(api GET /clients | jq -r '.clients[0].token')"
	asks 200 POST "/tokens/$id/revoke" '{}'
	is_refused 404 not-found GET /tokens/t-none
	is_refused 404 not-found POST /tokens/t-none/revoke
	is_refused 400 bad-field POST /tokens '{"uses":0}'
	is_refused 400 not-json POST /tokens '['
	is_refused 400 not-json POST /tokens '[]'
	is_refused 413 bad-request POST /tokens "{\"note\":\"$(printf '%070000d' 0)\"}"
	is_refused 404 not-found POST /installer '{"token":"0123456789abcdef"}'
}

@test "configurations and receipts answer as described, whatever the machine says to them" {
	asks 201 POST /configs "{\"name\":\"motd\",\"selector\":\"role=web\",\"content\":\"$(content one)\",\"note\":\"first\"}"
	eventually becomes motd current
	on web sh -c 'mkdir -p /etc/muster/apply.d; printf "#!/bin/sh\necho no; exit 1\n" >/etc/muster/apply.d/refused
		chmod 755 /etc/muster/apply.d/refused'
	asks 201 POST /configs "{\"name\":\"refused\",\"client\":\"$(client_of web)\",\"content\":\"$(content two)\"}"
	eventually becomes refused refused
	asks 200 GET /configs/motd/status
	asks 200 GET '/configs/refused/status?outcome=refused&q=web&label=role'
	jq -e '.clients | length == 1' <<<"$output"
	asks 200 GET '/configs/motd/progress?q=web'
	jq -e '.counts.current == 1' <<<"$output"
	is_refused 409 only-one GET /configs/motd/diff
	is_refused 404 not-found GET /configs/none/progress
	is_refused 400 bad-parameter GET '/configs/motd/status?outcome=done'
	asks 200 GET /configs/refused/status
	jq -e '.clients[0].reason | strings' <<<"$output"
	asks 201 POST /configs "{\"name\":\"motd\",\"selector\":\"*\",\"content\":\"$(content three)\"}"
	asks 200 GET /configs
	asks 200 GET '/configs?limit=1'
	asks 200 GET /configs/motd
	asks 200 GET '/configs/motd?revision=1'
	asks 200 GET '/configs/motd/diff?from=1&to=2'
	assert_line +three
	asks 200 GET /configs/motd/history
	asks 201 POST /configs/motd/rollback '{"revision":1}'
	asks 201 POST /configs/motd/remove '{"note":"away"}'
	asks 200 GET /configs/motd
	asks 200 GET /configs/motd/history
	asks 200 GET /receipts
	jq -e '[.receipts[].op] | contains(["ACK", "NACK"])' <<<"$output"
	asks 200 GET "/receipts?client=$(client_of web)&name=refused&limit=1"
	asks 200 GET "/receipts/$(jq -r '.receipts[0].id' <<<"$output")"
	is_refused 404 not-found GET /receipts/0
	is_refused 404 not-found GET /configs/none
	is_refused 404 not-found GET /configs/none/history
	is_refused 404 not-found GET '/configs/motd?revision=99'
	is_refused 400 bad-field POST /configs '{"name":"motd","content":""}'
	is_refused 400 bad-field POST /configs '{"name":"../x","selector":"*","content":""}'
}

@test "roll-outs answer as described" {
	local id

	is_refused 404 not-found GET /rollouts/current
	is_refused 404 not-found GET /rollouts/current/machines
	is_refused 404 not-found POST /rollouts/current/halt
	asks 200 GET /rollouts
	is_refused 400 bad-field POST /rollouts '{"selector":"*","at_once":0}'
	asks 201 POST /rollouts '{"selector":"role=nobody","at_once":2,"failures":1}'
	id=$(jq .id <<<"$output")
	asks 200 GET /rollouts/current
	jq -e --argjson id "$id" '.id == $id and .offered and
		.counts == {"under-way": 0, "done": 0, "failed": 0, "waiting": 0, "offline": 0}' <<<"$output"
	asks 200 GET '/rollouts?limit=1'
	asks 200 GET "/rollouts/$id/machines"
	for outcome in under-way "done" failed lost waiting offline; do
		asks 200 GET "/rollouts/$id/machines?outcome=$outcome"
	done
	is_refused 400 bad-parameter GET "/rollouts/$id/machines?outcome=gone"
	asks 200 POST "/rollouts/$id/halt" '{"reason":"for a test"}'
	asks 200 POST "/rollouts/$id/resume" '{"failures":3}'
	asks 200 POST "/rollouts/$id/end"
	is_refused 409 wrong-state POST "/rollouts/$id/resume"
	is_refused 409 wrong-state POST "/rollouts/$id/halt"
	is_refused 404 not-found POST /rollouts/1/end
	asks 200 GET "/rollouts?after=$id"
	is_refused 400 bad-parameter GET '/rollouts?after=0'
	is_refused 404 not-found GET /rollouts/1
}

@test "webhooks answer as described" {
	asks 201 POST /webhooks '{"url":"https://127.0.0.1:1/x","events":["token.create","client.*"],"note":"n"}'
	id=$(jq -r .id <<<"$output")
	asks 200 GET /webhooks
	asks 200 POST "/webhooks/$id/test"
	jq -e '.delivered == false' <<<"$output"
	asks 200 POST "/webhooks/$id/enable" '{}'
	asks 200 POST "/webhooks/$id/remove"
	is_refused 404 not-found POST "/webhooks/$id/remove"
	is_refused 404 not-found POST "/webhooks/$id/test"
	is_refused 400 bad-field POST /webhooks '{"url":"http://192.0.2.1/"}'
	is_refused 400 bad-field POST /webhooks '{"url":"https://192.0.2.1/","events":[]}'
	is_refused 400 bad-field POST /webhooks '{}'
}

@test "messages and the audit log answer as described" {
	on web muster-agent send --type check "all is well"
	eventually has_message
	asks 200 GET '/messages?last=1'
	asks 200 GET "/messages/$(jq -r '.messages[0].seq' <<<"$output")"
	asks 200 GET "/messages?client=$(client_of web)&type=check"
	asks 200 GET '/messages?after=1000000&wait=1'
	asks 200 GET '/messages?order=newest&q=WELL&since=2026-01-01T00:00:00Z&limit=1'
	jq -e '.messages | length == 1' <<<"$output"
	is_refused 400 bad-parameter GET '/messages?q=well'
	is_refused 404 not-found GET /messages/0
	is_refused 400 bad-parameter GET '/messages?type=A'
	asks 200 GET /audit
	asks 200 GET '/audit?last=1'
	asks 200 GET '/audit?limit=1'
	asks 200 GET '/audit?order=newest&act=client.&q=web'
	jq -e '.entries | length > 0' <<<"$output"
	asks 200 GET /audit/verify
	is_refused 400 bad-parameter GET '/audit?limit=0'
}

@test "machines, and all that is done to them, answer as described" {
	local client other

	client=$(client_of web)
	asks 200 GET /clients
	asks 200 GET '/clients?label=role=web&state=enrolled&limit=1'
	asks 200 GET '/clients?q=web&connected=yes&sort=-seen&limit=1'
	jq -e '.clients | length == 1' <<<"$output"
	asks 200 GET '/clients/count?label=role=web&q=web'
	jq -e '.count == 1' <<<"$output"
	is_refused 400 bad-parameter GET '/clients/count?connected=perhaps'
	asks 200 GET "/clients/$client/timeline"
	jq -e '[.events[].kind] | contains(["audit"])' <<<"$output"
	is_refused 400 bad-parameter GET "/clients/$client/timeline?after=x"
	asks 200 GET "/clients/$client"
	jq -e '.connected and .uptime == null and (.boot_id | length) == 32' <<<"$output"
	asks 200 GET "/clients/$client/labels"
	asks 200 POST "/clients/$client/labels" '{"set":["site=bonn"],"remove":["role"]}'
	asks 200 POST "/clients/$client/suspend" '{"reason":"looks odd"}'
	asks 200 POST "/clients/$client/resume"
	asks 200 POST "/clients/$client/address" '{"address":"[2001:db8::1]:8444"}'
	jq -e '.listening.fixed == "[2001:db8::1]:8444" and .mode == "connect"' <<<"$output"
	is_refused 400 bad-field POST "/clients/$client/address" '{"address":"localhost:22"}'
	asks 200 POST "/clients/$client/address" '{"address":null}'
	asks 200 POST "/clients/$client/reset" '{"reason":"stuck"}'
	asks 200 POST "/clients/$client/clear-clone"
	is_refused 409 wrong-state POST "/clients/$client/refuse"
	is_refused 404 not-found GET /clients/00
	is_refused 400 bad-parameter GET '/clients?state=removed'
	is_refused 400 bad-field POST "/clients/$client/labels" '{"set":["no label"]}'

	server_peer approve
	asks 200 POST "/clients/$other/approve" '{}'
	server_peer refuse
	asks 200 POST "/clients/$other/refuse" '{"reason":"unknown"}'
	asks 200 POST "/clients/$other/remove"
	asks 200 POST "/clients/$client/revoke" '{"reason":"stolen"}'
	is_refused 409 wrong-state POST "/clients/$client/reset"
	is_refused 409 wrong-state POST "/clients/$client/address" '{"address":null}'
	asks 200 GET "/clients/$client"
	asks 200 GET '/tokens?limit=1000'
}

# A machine that waits for its approval, by no more than its packets: sets other.
server_peer()
{
	read -r token token_id < <(api POST /tokens '{"approve":true}' | jq -r '"\(.token) \(.id)"')
	in_hub "$BUILD/tests/helpers/peer" --server 10.99.0.1:8443 --server-key "$server_key" --dir "$MACHINES_RUN/$1" \
		enrol "$token"
	other=$(api GET '/clients?state=pending' | jq -r '.clients[0].id')
}

@test "access to the API answers as described" {
	asks 201 POST /api-tokens '{"name":"graphs","role":"viewer","scope":"role=web","expires":"7d"}'
	asks 201 POST /api-tokens '{"name":"n\u00e4chtlich","role":"administrator","expires":"never"}'
	id=$(jq -r .id <<<"$output")
	asks 200 GET '/api-tokens?limit=1'
	asks 200 GET "/api-tokens?after=$(jq -r .next <<<"$output")"
	asks 200 POST "/api-tokens/$id/revoke"
	is_refused 404 not-found POST /api-tokens/a-none/revoke
	is_refused 400 bad-field POST /api-tokens '{"name":"x","role":"king"}'

	asks 201 POST /admins '{"name":"ann","role":"operator","password":"a long password"}'
	asks 201 POST /admins '{"name":"proxied","role":"viewer"}'
	is_refused 409 exists POST /admins '{"name":"ann","role":"viewer"}'
	asks 200 GET '/admins?limit=1'
	asks 200 GET '/admins?after=ann'
	asks 200 POST /admins/proxied/role '{"role":"operator"}'
	asks 200 POST /admins/proxied/password '{"password":"another password"}'
	asks 204 POST /admins/proxied/remove
	is_refused 404 not-found POST /admins/proxied/remove '{}'
	is_refused 404 not-found POST /admins/proxied/role '{"role":"viewer"}'
	is_refused 400 bad-field POST /admins/ann/password '{"password":"short"}'
	asks 200 GET /session
	is_refused 409 no-session POST /session/password '{"old":"x","new":"a longer password"}'
	asks 204 DELETE /session
	asks 200 POST /session '{"name":"ann","password":"a long password"}'
	is_refused 401 wrong-login POST /session '{"name":"ann","password":"another"}'
	asks 200 GET '/sessions?limit=1'
	id=$(jq -r '.sessions[0].id' <<<"$output")
	asks 204 POST "/sessions/$id/end"
	is_refused 404 not-found POST "/sessions/$id/end"
	in_browser
}

# What a session only can do, and cannot.
in_browser()
{
	local cookie csrf

	in_hub curl -q -sS -D "$MACHINES_RUN/login" -o "$MACHINES_RUN/session" --json '{"name":"ann","password":"a long password"}' \
		http://localhost:8080/api/v1/session
	cookie=$(sed -n 's/^Set-Cookie: \([^;]*\);.*/\1/p' "$MACHINES_RUN/login")
	csrf=$(jq -r .csrf "$MACHINES_RUN/session")
	over=(in_hub env OPENAPI_URL=http://localhost:8080 "OPENAPI_HEADERS=$(jq -n --arg cookie "$cookie" --arg csrf "$csrf" \
		'{Cookie: $cookie, "X-Muster-Csrf": $csrf, Origin: "http://localhost:8080"}')")
	asks 200 GET /session
	asks 200 GET /sessions
	is_refused 403 forbidden GET /admins
	asks 204 POST /session/password '{"old":"a long password","new":"a longer password"}'
	asks 204 DELETE /session
	is_refused 401 not-logged-in GET /session
	over=()
}

@test "every route refuses what it doesn't know, as described" {
	description refusals
}

@test "every parameter and field that is described is known to its route" {
	description known
}

@test "methods and paths that are none are refused as problems" {
	run -22 api DELETE /tokens
	assert_output --partial '"code":"method-not-allowed"'
	run -22 api GET /nothing
	assert_output --partial '"code":"not-found"'
}

@test "every route has been seen to succeed and to refuse" {
	run description covered
	assert_success
}

# In the sources: answer_refuse(c, 404, "not-found", and http_answer_problem(out, 405, "method-not-allowed",
codes_in_sources()
{
	cat "$source"/server/admin/*.c | tr -s ' \t\n' ' ' |
		grep -oP '(answer_refuse|http_answer_problem)\( ?[^,;]+, [^,;]+, "\K[a-z-]+' | sort -u
}

@test "the problem codes that are described are those that there are, and the manual tells each" {
	local code

	assert_equal "$(jq -r '.components.schemas.ProblemCode.enum[]' "$source/server/admin/openapi.json")" "$(codes_in_sources)"
	for code in $(codes_in_sources); do
		grep -qx "\.It Sy $code" "$source/man/muster-api.7" || fail "muster-api(7) doesn't tell of $code"
	done
}

@test "the manual names every route" {
	local route

	while read -r route; do
		grep -qxF ".It $route" "$source/man/muster-api.7" || fail "muster-api(7) doesn't tell of $route"
	done < <(jq -r '.paths | to_entries[] | .key as $path | .value | keys[] | "\(ascii_upcase) \($path)"' \
		"$source/server/admin/openapi.json")
}
