# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What every .bats file over real machines begins with: `load helpers`. Machines are those of machines/machines.bash.
# BUILD names the build's folder (default: build).
#
# A run has one server under test, in its hub, at hub:8443. Where a function tells of variables, call it as a command,
# not in $( ).
#
#   server_starts [COMMAND…]        starts it (under COMMAND, as $(clock_shifted +2d)) and waits until it answers; its
#                                   configuration is $server/muster-server.conf, written by server_configured
#   server_configured [LINE…]       writes the configuration; the lines come after the [server] section's
#   server_stops, server_dies       SIGTERM, SIGKILL; both wait for its end
#   server_restarts                 stops and starts it
#   server_log                      what it has logged
#   server_trust                    sets pin, server_key, release_key: what a client must be told
#   api METHOD PATH [JSON]          asks the control socket; the answer's body; fails on a refusal
#   musterctl …                     bound to this server
#   token_for LABEL… [--uses N|unlimited] [--expires TIME]
#                                   sets token and token_id
#   token_revoked [ID]              revokes it
#   uses_spent [ID]                 of token_id, or another
#   clients_recorded [ID]           how many machines have enrolled by it
#   script_to MACHINE [--token T] [--embed] [--server HOST:PORT]
#                                   puts the installer script at /root/install.sh, for this server or another with its
#                                   keys
#   enrols MACHINE [OPTION…]        runs that script; its output and exit code
#   program_to MACHINE              puts muster-enrol at /opt/muster-enrol
#   enrols_by_hand MACHINE [OPTION…]
#                                   runs that, with the trust that is set, at hub:${port:-8443}; token on stdin: $token
#   uninstalls MACHINE [OPTION…]    muster-enrol --uninstall
#   client_of MACHINE               the id in its configuration
#   remember MACHINE                what the machine's files are like now
#   assert_untouched MACHINE        that they are like that again
#   hostile_starts MODE [ARGUMENT] [OPTION…]
#                                   a misbehaving server with the keys of the server under test, which offers $files
#                                   (or what BUILD has); sets port
#   cutter_starts OPTION…           a relay to the server under test that cuts a connection; sets port
#   helper_ends                     ends the last of both
#   helper_resumes                  what has paused goes on
#   helper_log                      what that has told
#   helper_has_told REGEX           whether it has told that
#   peer NAME COMMAND…              a machine in the hub, of that name, that does these (helpers/peer); what it has is in
#                                   $MACHINES_RUN/peers/NAME
#   peer_enrolled NAME              such a one has enrolled, with role=peer, and said HELLO
#   eventually COMMAND…             polls until the command succeeds, at most a minute, or $patience seconds
#   log_of MACHINE UNIT [OPTION…]   all that the unit has logged there by now, without times; journalctl(1)'s options
#   faults_to MACHINE               puts strace into the machine, for:
#   with_faults FAULT…              muster-enrol by hand has these faults injected (strace(1), -e inject=), in its own
#                                   process, not in those that it runs; without_faults ends that

bats_load_library bats-support
bats_load_library bats-assert

HELPERS_HOME=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/store.bash
. "$HELPERS_HOME/store.bash"
# shellcheck source=tests/machines/machines.bash
. "$HELPERS_HOME/machines/machines.bash"

BUILD=$(realpath -m "${BUILD:-$HELPERS_HOME/../build}")
export BUILD
server=${MACHINES_RUN:-}/server
under=()

### The server under test

# shellcheck disable=SC2120 # the lines are the tests'
server_configured()
{
	server=$MACHINES_RUN/server
	mkdir -p "$server"
	{
		printf '%s\n' '[server]' 'Listen=10.99.0.1:8443' 'Name=hub:8443' "State=$server/state" \
			"Control=$server/control.sock" "Clients=$BUILD/clients" 'Heartbeat=10s' \
			"$(store_line "$server/state")" "$@"
	} >"$server/muster-server.conf"
}

server_starts()
{
	# shellcheck disable=SC2119
	[[ -e $MACHINES_RUN/server/muster-server.conf ]] || server_configured
	server=$MACHINES_RUN/server
	background "$server/process" "$server/log" "$@" "$BUILD/muster-server" --config "$server/muster-server.conf"
	eventually server_answers || fail "the server doesn't answer: $(server_log)"
	! gone "$server/process" || fail "the server doesn't start: $(server_log)"
	server_trust
}

# Or has ended: then it never will.
server_answers()
{
	gone "$server/process" || api GET /status >/dev/null 2>&1
}

clock_shifted()
{
	echo env ASAN_OPTIONS=verify_asan_link_order=0 LD_PRELOAD="$(echo /usr/lib/*/faketime/libfaketime.so.1)" FAKETIME="$1"
}

server_stops()
{
	ends "$server/process" TERM
}

server_dies()
{
	ends "$server/process" KILL
}

server_restarts()
{
	server_stops
	server_starts "$@"
}

server_log()
{
	cat "$server/log"
}

# shellcheck disable=SC2034 # the tests'
server_trust()
{
	{ read -r pin && read -r server_key && read -r release_key; } \
		< <(api GET /status | jq -r '.pin, .server_key, .release_key')
	port=8443
}

api()
{
	local data=()

	[[ $# -lt 3 ]] || data=(-H 'Content-Type: application/json' --data-binary "$3")
	curl -q -sS --fail-with-body --max-time 100 --unix-socket "$server/control.sock" -X "$1" "${data[@]}" \
		"http://localhost/api/v1$2"
}

musterctl()
{
	"$BUILD/musterctl" --socket "$server/control.sock" "$@"
}

### Tokens

# shellcheck disable=SC2034 # token is the tests'
token_for()
{
	local labels=() uses=1 expires=1h made

	while (($#)); do
		case $1 in
		--uses) uses=$2 && shift ;;
		--expires) expires=$2 && shift ;;
		*) labels+=("$1") ;;
		esac
		shift
	done
	[[ $uses != unlimited ]] || uses=null
	made=$(api POST /tokens "$(jq -n --argjson uses "$uses" --arg expires "$expires" \
		'{labels: $ARGS.positional, $uses, $expires}' --args "${labels[@]}")") || return
	read -r token token_id < <(jq -r '"\(.token) \(.id)"' <<<"$made")
}

token_revoked()
{
	api POST "/tokens/${1:-$token_id}/revoke" '{}' >/dev/null
}

uses_spent()
{
	api GET "/tokens/${1:-$token_id}" | jq .used
}

clients_recorded()
{
	api GET "/tokens/${1:-$token_id}" | jq '.clients | length'
}

### Enrolling

script_to()
{
	local machine=$1 embed=false given=null to=hub:8443

	shift
	while (($#)); do
		case $1 in
		--token) given="\"$2\"" && shift ;;
		--embed) embed=true ;;
		--server) to=$2 && shift ;;
		esac
		shift
	done
	api POST /installer "$(jq -n --argjson token "$given" --argjson embed "$embed" \
		'{$embed} + if $token then {$token} else {} end')" |
		sed "s/'hub:8443'/'$to'/" | on "$machine" sh -c 'umask 077; cat >/root/install.sh'
}

enrols()
{
	local machine=$1

	shift
	on "$machine" sh /root/install.sh "$@" </dev/null
}

program_to()
{
	machine_put "$1" "$BUILD/clients/linux/$(uname -m)/muster-enrol" /opt/muster-enrol
}

enrols_by_hand()
{
	local machine=$1

	shift
	on "$machine" "${under[@]}" /opt/muster-enrol --server "hub:${port:-8443}" --pin "$pin" \
		--server-key "$server_key" --release-key "$release_key" "$@" <<<"$token"
}

uninstalls()
{
	local machine=$1

	shift
	on "$machine" /opt/muster-enrol --uninstall "$@" </dev/null
}

client_of()
{
	on "$1" sed -n 's/^Client *= *//p' /etc/muster/muster-agent.conf
}

# The tests' own script comes and goes.
files_of()
{
	machine_snapshot "$1" | grep -v ' /root/install.sh '
}

remember()
{
	files_of "$1" >"$MACHINES_RUN/remembered-$1"
}

assert_untouched()
{
	local changes

	changes=$(files_of "$1" | diff "$MACHINES_RUN/remembered-$1" -) ||
		fail "something has changed on $1: $changes"
}

### Processes in the hub

# background PROCESS LOG COMMAND…: starts it in the hub. The file PROCESS names it, as process_alive wants.
background()
{
	local process=$1 log=$2

	shift 2
	(
		close_inherited
		exec_in_hub "$@"
	) </dev/null >>"$log" 2>&1 &
	echo "$! $(process_birth $!)" >"$process"
	disown
}

# ends PROCESS SIGNAL: and waits until it is gone.
ends()
{
	local pid

	! process_alive "$1" || { read -r pid _ <"$1" && kill -s "$2" "$pid"; }
	eventually gone "$1"
	rm -f "$1" ${pid:+"/dev/shm/faketime_shm_$pid" "/dev/shm/sem.faketime_sem_$pid"} # $(clock_shifted)'s
}

gone()
{
	! process_alive "$1"
}

# The helpers' keys are copies: a helper must not be able to change the server's.
hostile_starts()
{
	local keys=$MACHINES_RUN/hostile

	mkdir -p "$keys"
	chmod 700 "$keys"
	[[ ! -d $server/state || -e $keys/tls.pem ]] ||
		cp -p "$server/state/"{identity.key,tls.pem,release.key} "$keys"
	helper_starts hostile --state "$keys" --files "${files:-$BUILD/clients}" --listen 0.0.0.0:0 --mode "$@"
	pin=$(helper_told pin)
	server_key=$(helper_told server-key)
	# shellcheck disable=SC2034 # the tests'
	release_key=$(helper_told release-key)
}

cutter_starts()
{
	helper_starts cutter --listen 0.0.0.0:0 --to 10.99.0.1:8443 "$@"
}

helper_starts()
{
	local name=$1

	shift
	: >"$MACHINES_RUN/helper.log"
	background "$MACHINES_RUN/helper" "$MACHINES_RUN/helper.log" "$BUILD/tests/helpers/$name" "$@"
	eventually helper_told port >/dev/null || fail "$name doesn't start: $(helper_log)"
	port=$(helper_told port)
}

helper_told()
{
	sed -n "s/^$1 //p" "$MACHINES_RUN/helper.log" | grep .
}

helper_ends()
{
	[[ ! -e $MACHINES_RUN/helper ]] || ends "$MACHINES_RUN/helper" TERM
}

helper_resumes()
{
	local pid

	read -r pid _ <"$MACHINES_RUN/helper" && kill -s USR1 "$pid"
}

# A line of its log that matches.
helper_has_told()
{
	grep -q -- "$1" "$MACHINES_RUN/helper.log"
}

helper_log()
{
	cat "$MACHINES_RUN/helper.log"
}

peer()
{
	local dir=$MACHINES_RUN/peers/$1

	shift
	mkdir -p "$dir"
	in_hub timeout 200 "$BUILD/tests/helpers/peer" --server 10.99.0.1:8443 --server-key "$server_key" --dir "$dir" "$@"
}

peer_enrolled()
{
	token_for role=peer --uses 1
	peer "$1" enrol "$token" close
	peer "$1" hello close
}

### Waiting, and faults

# The journal takes what it is sent when it gets to it; after this it has.
log_of()
{
	local machine=$1 unit=$2

	shift 2
	on "$machine" journalctl --sync && on "$machine" journalctl -q -o cat -u "$unit" "$@"
}

eventually()
{
	local deadline=$((SECONDS + ${patience:-60}))

	until "$@"; do
		((SECONDS < deadline)) || return
		sleep 0.02
	done
}

# With the libraries it is linked with and their loader: the machine's may be others.
faults_to()
{
	local file

	for file in /usr/bin/strace $(ldd /usr/bin/strace | grep -o '/[^ ]*'); do
		machine_put "$1" "$file" "/opt/strace/${file##*/}"
	done
}

# Leaks can't be looked for under another tracer.
with_faults()
{
	local fault

	# shellcheck disable=SC2016 # the machine's shell's
	under=(env ASAN_OPTIONS=detect_leaks=0 sh -c
		'exec /opt/strace/ld-linux-*.so.* --library-path /opt/strace /opt/strace/strace "$@"'
		strace -qq -o /dev/null)
	for fault; do
		under+=(-e "inject=$fault")
	done
}

without_faults()
{
	under=()
}
