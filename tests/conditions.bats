#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Asking for what has not changed, changing what nobody else has changed, and asking again: ETag, If-None-Match,
# If-Match, Idempotency-Key.
# shellcheck disable=SC2154 # variables of server.bash

bats_require_minimum_version 1.5.0
load server

setup()
{
	server_configured '[dashboard]' Listen=127.0.0.1:0
	server_starts
}

teardown()
{
	server_stops
}

# asks METHOD PATH [JSON] [CURL'S OPTION...]: sets status, body and head.
asks()
{
	local data=()

	[[ -z ${3-} ]] || data=(-H 'Content-Type: application/json' --data-binary "$3")
	: >"$dir/body"
	status=$(curl -q -sS --max-time 20 --unix-socket "$MUSTER_SOCKET" -X "$1" -o "$dir/body" -D "$dir/head" \
		-w '%{http_code}' "${data[@]}" "${@:4}" "http://localhost/api/v1$2")
	body=$(cat "$dir/body")
	head=$(tr -d '\r' <"$dir/head")
}

is_status() # STATUS [CODE]
{
	assert_equal "$status" "$1"
	[[ -z ${2-} ]] || assert_equal "$(jq -r .code <<<"$body")" "$2"
}

header() # NAME
{
	sed -n "s/^$1: //Ip" <<<"$head"
}

machine() # sets client
{
	read -r token < <(musterctl token create 2>/dev/null)
	peer machine enrol "$token"
	client=$(cat "$dir/machine/id")
}

push() # NAME TEXT [OPTION...]
{
	asks POST /configs "{\"name\":\"$1\",\"selector\":\"*\",\"content\":\"$(base64 -w0 <<<"$2")\"}" "${@:3}"
}

tokens()
{
	musterctl --json token list | jq '.tokens | length'
}

revisions()
{
	musterctl --json config history "$1" | jq '.revisions | length'
}

@test "what has not changed is not sent again" {
	push motd one
	for path in /tokens /configs /configs/motd /audit /openapi.json /clients; do
		asks GET "$path"
		is_status 200
		tag=$(header etag)
		[[ $tag =~ ^\"[0-9a-f]{32}\"$ ]]
		asks GET "$path" '' -H "If-None-Match: $tag"
		is_status 304
		[[ ! -s $dir/body ]]
		assert_equal "$(header etag)" "$tag"
		asks GET "$path" '' -H "If-None-Match: \"other\", W/$tag"
		is_status 304
		asks GET "$path" '' -H "If-None-Match: ${tag%?}0\""
		is_status 200
	done
	asks GET /configs
	tag=$(header etag)
	push motd two
	asks GET /configs '' -H "If-None-Match: $tag"
	is_status 200
	[[ $(header etag) != "$tag" ]]
}

@test "HEAD has the tag of GET; refusals and what is changed have none" {
	asks GET /tokens
	tag=$(header etag)
	run curl -q -sS -I --unix-socket "$MUSTER_SOCKET" http://localhost/api/v1/tokens
	assert_output --partial "$tag"
	asks GET /tokens/t-none
	assert_equal "$(header etag)" ''
	asks POST /tokens '{}'
	assert_equal "$(header etag)" ''
}

@test "labels are edited only as they were read" {
	machine
	asks GET "/clients/$client/labels"
	tag=$(header etag)
	asks POST "/clients/$client/labels" '{"set":["a=1"]}' -H "If-Match: $tag"
	is_status 200
	asks POST "/clients/$client/labels" '{"set":["a=2"]}' -H "If-Match: $tag"
	is_status 412 precondition-failed
	asks POST "/clients/$client/labels" '{"set":["a=2"]}' -H "If-Match: W/$tag"
	is_status 412 precondition-failed
	asks GET "/clients/$client/labels"
	assert_equal "$(jq -c .labels <<<"$body")" '["a=1"]'
	# A heartbeat is not what it is about.
	tag=$(header etag)
	peer machine hello
	asks POST "/clients/$client/labels" '{"set":["a=2"]}' -H "If-Match: \"x\", $tag"
	is_status 200
	asks POST "/clients/$client/labels" '{"set":["a=3"]}' -H "If-Match: *"
	is_status 200
}

@test "a configuration is pushed, rolled back and removed only as it was read" {
	push motd one -H 'If-Match: *'
	is_status 412 precondition-failed
	push motd one -H 'If-None-Match: *'
	is_status 201
	push motd two -H 'If-None-Match: *'
	is_status 412 precondition-failed
	asks GET /configs/motd
	tag=$(header etag)
	push motd two -H "If-Match: $tag"
	is_status 201
	push motd three -H "If-Match: $tag"
	is_status 412 precondition-failed
	asks POST /configs/motd/rollback '{"revision":1}' -H "If-Match: $tag"
	is_status 412 precondition-failed
	asks POST /configs/motd/remove '{}' -H "If-Match: $tag"
	is_status 412 precondition-failed
	assert_equal "$(revisions motd)" 2
	asks GET /configs/motd
	asks POST /configs/motd/rollback '{"revision":1}' -H "If-Match: $(header etag)"
	is_status 201
}

@test "a push asked for again under its key is done once, and answered as before" {
	push motd one -H 'Idempotency-Key: k-1'
	is_status 201
	first=$body
	assert_equal "$(header idempotency-replayed)" ''
	push motd one -H 'Idempotency-Key: k-1'
	is_status 201
	assert_equal "$body" "$first"
	assert_equal "$(header idempotency-replayed)" true
	assert_equal "$(revisions motd)" 1
	# Also after a restart that nobody has prepared.
	server_stops KILL
	server_starts
	push motd one -H 'Idempotency-Key: k-1'
	assert_equal "$body" "$first"
	push motd one -H 'Idempotency-Key: k-2'
	push motd one
	assert_equal "$(revisions motd)" 3
}

@test "a roll-out asked for again under its key is started once, also when it has ended" {
	local first

	asks POST /rollouts '{"selector":"role=web"}' -H 'Idempotency-Key: roll-1'
	is_status 201
	first=$body
	asks POST /rollouts/current/end '{}'
	is_status 200
	asks POST /rollouts '{"selector":"role=web"}' -H 'Idempotency-Key: roll-1'
	is_status 201
	assert_equal "$body" "$first"
	assert_equal "$(header idempotency-replayed)" true
	asks GET /rollouts
	assert_equal "$(jq -r '.rollouts | "\(length) \(.[0].state)"' <<<"$body")" '1 ended'
	asks POST /rollouts '{"selector":"*"}' -H 'Idempotency-Key: roll-1'
	is_status 422 key-reused
}

@test "a token asked for again is not made again, and its digits are not told again" {
	asks POST /tokens '{"uses":3}' -H 'Idempotency-Key: k'
	is_status 201
	id=$(jq -r .id <<<"$body")
	digits=$(jq -r .token <<<"$body")
	asks POST /tokens '{"uses":3}' -H 'Idempotency-Key: k'
	is_status 409 already-done
	assert_equal "$(header location)" "/api/v1/tokens/$id"
	[[ $body == *"$id"* && $body != *"$digits"* ]]
	assert_equal "$(tokens)" 1
	asks POST /api-tokens '{"name":"x","role":"viewer"}' -H 'Idempotency-Key: k2'
	secret=$(jq -r .secret <<<"$body")
	asks POST /api-tokens '{"name":"x","role":"viewer"}' -H 'Idempotency-Key: k2'
	is_status 409 already-done
	asks POST /webhooks '{"url":"https://192.0.2.1/"}' -H 'Idempotency-Key: k3'
	is_status 201
	asks POST /webhooks '{"url":"https://192.0.2.1/"}' -H 'Idempotency-Key: k3'
	is_status 409 already-done
	server_stops
	run ! grep -ra -e "$digits" -e "$secret" "$dir/state"
}

# admin NAME ROLE PASSWORD KEY
admin()
{
	asks POST /admins "{\"name\":\"$1\",\"role\":\"$2\",\"password\":\"$3\"}" -H "Idempotency-Key: $4"
}

admins()
{
	musterctl --json admin list | jq -c '[.admins[].name]'
}

@test "an administrator asked for again under its key is added once, and answered as before" {
	admin ann operator 'correct horse battery' k
	is_status 201
	first=$body
	assert_equal "$(header idempotency-replayed)" ''
	admin ann operator 'correct horse battery' k
	is_status 201
	assert_equal "$body" "$first"
	assert_equal "$(header idempotency-replayed)" true
	asks POST /admins '{"name":"bob","role":"viewer"}' -H 'Idempotency-Key: k2'
	is_status 201
	asks POST /admins '{"name":"bob","role":"viewer"}' -H 'Idempotency-Key: k2'
	is_status 201
	assert_equal "$(admins)" '["ann","bob"]'
	assert_equal "$(musterctl --json audit list | jq '[.entries[] | select(.act == "admin.add")] | length')" 2
	# Neither the password is kept, nor is its absence taken for it.
	asks POST /admins '{"name":"ann","role":"operator"}' -H 'Idempotency-Key: k'
	is_status 422 key-reused
	server_stops
	run ! grep -ra 'correct horse' "$dir/state"
}

@test "another administrator under the same key is refused; so is one who is there, under another" {
	admin ann operator 'correct horse battery' k
	admin ann administrator 'correct horse battery' k
	is_status 422 key-reused
	admin bob operator 'correct horse battery' k
	is_status 422 key-reused
	asks POST /tokens '{}' -H 'Idempotency-Key: k'
	is_status 422 key-reused
	admin ann operator 'correct horse battery' k2
	is_status 409 exists
	asks POST /admins/ann/remove '{}'
	admin ann operator 'correct horse battery' k2
	is_status 201
	assert_equal "$(admins)" '["ann"]'
}

@test "many at once under one key add one administrator" {
	for i in {1..10}; do
		curl -q -sS --unix-socket "$MUSTER_SOCKET" -o "$dir/answer$i" -w '%{http_code}\n' -H 'Idempotency-Key: one' \
			-H 'Content-Type: application/json' http://localhost/api/v1/admins >"$dir/status$i" 3>&- \
			-d '{"name":"ann","role":"viewer","password":"correct horse battery"}' &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
	assert_equal "$(sort "$dir"/status[0-9]* | uniq -c | tr -s ' ')" ' 10 201'
	assert_equal "$(sort -u "$dir"/answer* | wc -l)" 1
	assert_equal "$(admins)" '["ann"]'
}

@test "an agent restarts once for one key, also when it has done so already" {
	machine
	asks POST "/clients/$client/reset" '{}' -H 'Idempotency-Key: k'
	is_status 200
	first=$body
	peer machine hello answer say 150 "$(printf '01%016x%016x%08x' 2 0 0)" hello close
	asks GET "/clients/$client"
	assert_equal "$(jq -r .reset.state <<<"$body")" 'done'
	asks POST "/clients/$client/reset" '{}' -H 'Idempotency-Key: k'
	is_status 200
	assert_equal "$(header idempotency-replayed)" true
	assert_equal "$body" "$first"
	asks GET "/clients/$client"
	assert_equal "$(jq -r .reset.state <<<"$body")" 'done'
	asks POST "/clients/$client/reset" '{}' -H 'Idempotency-Key: k2'
	assert_equal "$(jq -r .reset.state <<<"$body")" wanted
}

@test "another request under the same key is refused, and changes nothing" {
	asks POST /tokens '{"uses":3}' -H 'Idempotency-Key: k'
	for other in '{"uses":4}' '{"uses": 3}' '{}'; do
		asks POST /tokens "$other" -H 'Idempotency-Key: k'
		is_status 422 key-reused
	done
	push motd one -H 'Idempotency-Key: k'
	is_status 422 key-reused
	assert_equal "$(tokens)" 1
	run -4 musterctl config show motd
}

@test "one caller's key is nothing to another" {
	asks POST /tokens '{}' -H 'Idempotency-Key: k'
	secret=$(musterctl --json api-token create --role operator x | jq -r .secret)
	run curl -q -sS -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $secret" -H 'Idempotency-Key: k' \
		-H 'Content-Type: application/json' -d '{}' "$dashboard/api/v1/tokens"
	assert_output 201
	assert_equal "$(tokens)" 2
}

@test "what was refused may be tried again under its key; a key that is none is refused" {
	asks POST /tokens '{"uses":0}' -H 'Idempotency-Key: k'
	is_status 400
	asks POST /tokens '{}' -H 'Idempotency-Key: k'
	is_status 201
	for bad in 'a b' "$(printf '%0129d' 0)" $'\xc3\xa4'; do
		asks POST /tokens '{}' -H "Idempotency-Key: $bad"
		is_status 400 bad-request
	done
	asks POST /tokens '{}' -H 'Idempotency-Key: a' -H 'Idempotency-Key: b'
	is_status 400
	asks POST /tokens '{}' -H "Idempotency-Key: $(printf '%0128d' 0)"
	is_status 201
	assert_equal "$(tokens)" 2
}

@test "many at once under one key make one" {
	for i in {1..20}; do
		curl -q -sS --unix-socket "$MUSTER_SOCKET" -o "$dir/answer$i" -w '%{http_code}\n' -H 'Idempotency-Key: one' \
			-H 'Content-Type: application/json' -d '{"uses":7}' http://localhost/api/v1/tokens >"$dir/status$i" 3>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
	assert_equal "$(cat "$dir"/status[0-9]* | sort | uniq -c | tr -s ' ')" " 1 201
 19 409"
	assert_equal "$(tokens)" 1
}
