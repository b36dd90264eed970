# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Real systemd machines for tests and the demo. To be sourced; needs root.
#
# A *run* is a network of its own: a hub (10.99.0.1, where servers under test live) and machines
# (10.99.0.11 and up; to them the hub has the name "hub"). Each machine is a Debian with systemd as
# its init, booted by systemd-nspawn from a cached image, over which it writes into memory only.
#
# All of a run lives in mount, network and PID namespaces whose init is a child of the run's keeper;
# no mount, interface or named namespace is ever made outside of them. The keeper ends with its
# owner, the namespaces' init with the keeper, and everything in them with the init: by the kernel,
# whatever way any of them dies. What then is left (a folder, empty control groups, what was started
# in the hub) the keeper removes or, if it was the one to be killed, the next run's beginning.
#
#   machines_begin [OWNER]      begins a run that lasts as long as the process OWNER ($$ if none is
#                               named; 0: until machines_end); exports its folder as MACHINES_RUN
#   machines_end                ends it; returns when nothing of it is left
#
#   machine_boot NAME IMAGE [--disk SIZE]
#                               makes a machine and boots it: returns when all its units are up; with
#                               a disk of its own of SIZE (64M) that can be filled
#   machine_start NAME          boots a stopped or killed one again
#   machine_stop NAME           powers it off, cleanly
#   machine_kill NAME           pulls its plug
#   machine_reboot NAME         reboots it; returns when it's up again
#   machine_remove NAME         kills it and forgets it and all that it wrote
#   machine_list                names, one a line
#   machine_address NAME        its address
#   machine_running NAME        true if it is up
#
#   on NAME COMMAND…            runs it in the machine as root, in a clean environment, in /; stdin,
#                               output and exit code pass through; 125: there's no such machine up
#   as USER NAME COMMAND…       the same as a user
#   machine_user NAME USER      makes an unprivileged user with a home folder
#   machine_put NAME FILE PATH  copies a file, with its mode, into the machine; folders are made
#   machine_console NAME        what the machine printed to its console
#   machine_snapshot NAME       a line for each file: type, mode, owner, path, target of a link, and
#                               a hash if it isn't as in the image. Sorted, for diff. Left out is what
#                               systemd writes as it runs (logs, seeds, its own state in /run).
#
#   machine_fill_disk NAME [KIB]  leaves that much of the machine's own disk free (0)
#   machine_free_disk NAME      undoes that
#   cut_network NAME            packets from and to the machine get lost, silently
#   join_network NAME           and no more
#
#   in_hub COMMAND…             runs it in the hub's network, else as the caller is
#   exec_in_hub COMMAND…        the same in place of the (sub)shell: `exec_in_hub server & pid=$!`
#
# MACHINES_ENVIRONMENT, if it is set, is in the environment of all services of machines that are made.
#
# A failure is told on stderr, with a return code that isn't 0.

MACHINES_HOME=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
MACHINES_PREFIX=/tmp/muster-machines.
MACHINES_NETWORK=10.99.0

# shellcheck source-path=SCRIPTDIR source=images.bash
. "$MACHINES_HOME/images.bash"

machines_fail()
{
	echo "machines: $*" >&2
	return 1
}

### Processes

# When a process was born, in ticks since boot; fails for one that is gone, or a zombie. The two, pid
# and birth, name a process for ever.
process_birth()
{
	local stat fields

	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return
	read -ra fields <<<"${stat##*) }"
	[[ ${fields[0]} != [ZX] ]] && echo "${fields[19]}"
}

# Is the process that the file names, as "pid birth", still there?
process_alive()
{
	local pid birth

	{ read -r pid birth <"$1"; } 2>/dev/null || return
	[[ $(process_birth "$pid") == "$birth" ]]
}

first_child()
{
	local child

	{ read -r child _ <"/proc/$1/task/$1/children"; } 2>/dev/null
	[[ -n ${child:-} ]] && echo "$child"
}

# What stays open in a background process keeps bats waiting for it.
close_inherited()
{
	local fd

	for fd in /proc/self/fd/*; do
		fd=${fd##*/}
		((fd <= 2)) || eval "exec $fd>&-"
	done
}

### Control groups: one a machine, as two machines in one would take each other's units for theirs

control_hierarchies()
{
	awk '$3 == "cgroup2" || ($3 == "cgroup" && $4 ~ /name=systemd/) { print $2 }' /proc/self/mounts
}

# The control groups of a run, or of one of its machines.
control_groups()
{
	local top

	for top in $(control_hierarchies); do
		echo "$top/${MACHINES_RUN##*/}${1:+/$1}"
	done
}

enter_control_group()
{
	local group

	for group in $(control_groups "$1"); do
		mkdir -p "$group" && echo "$BASHPID" >"$group/cgroup.procs" || return
	done
}

remove_control_groups()
{
	local group

	for group in $(control_groups "${1:-}"); do
		[[ ! -d $group ]] || find "$group" -depth -type d -exec rmdir {} + || return
	done
}

### Runs

machines_begin()
{
	local owner=${1:-$$}

	[[ $EUID == 0 ]] || machines_fail "only root can boot machines" || return
	machines_reap_stale
	MACHINES_RUN=$(mktemp -d "${MACHINES_PREFIX}XXXXXX") || return
	export MACHINES_RUN
	mkdir "$MACHINES_RUN/machines" "$MACHINES_RUN/fs"
	mkfifo "$MACHINES_RUN/begun"
	echo "$owner $(process_birth "$owner")" >"$MACHINES_RUN/owner"
	(
		close_inherited
		exec setsid "$MACHINES_HOME/keeper" "$MACHINES_RUN"
	) </dev/null >"$MACHINES_RUN/log" 2>&1 &
	disown
	# Opened for both, so that a keeper which dies at once doesn't leave this waiting for a writer.
	read -r -t 60 -N 1 <>"$MACHINES_RUN/begun" && return
	cat "$MACHINES_RUN/log" >&2
	machines_fail "the run could not begin"
}

machines_end()
{
	local keeper birth

	[[ -n ${MACHINES_RUN:-} ]] || return 0
	if { read -r keeper birth <"$MACHINES_RUN/keeper"; } 2>/dev/null; then
		kill -TERM "$keeper" 2>/dev/null || true
		while [[ $(process_birth "$keeper") == "$birth" ]]; do
			sleep 0.02
		done
	fi
	[[ ! -d $MACHINES_RUN ]] || machines_reap stale
	unset MACHINES_RUN
}

# What lives in the hub's network. A namespace's number is used again once it is gone: of a run whose
# keeper no longer holds it (stale), only what also has the run in its environment is surely of it.
hub_processes()
{
	local hub pid

	{ read -r hub <"$MACHINES_RUN/hub"; } 2>/dev/null || return 0
	for pid in $(find /proc -maxdepth 3 -path '/proc/[0-9]*/ns/net' -lname "net:\[$hub\]" \
		2>/dev/null | cut -d / -f 3); do
		[[ $1 != stale ]] ||
			grep -zqxF "MACHINES_RUN=$MACHINES_RUN" "/proc/$pid/environ" 2>/dev/null || continue
		echo "$pid"
	done
}

# Ends all that is left of the run: its namespaces' init and so whatever is in them, what lives in the
# hub's network, control groups, folder. May be called twice.
machines_reap()
{
	local pid try

	! process_alive "$MACHINES_RUN/init" || kill -KILL "$(machines_init)"
	for pid in $(hub_processes "${1:-}"); do
		kill -KILL "$pid" 2>/dev/null || true
	done
	for try in {1..100}; do
		! process_alive "$MACHINES_RUN/init" && remove_control_groups 2>/dev/null && break
		sleep 0.05
	done
	((try < 100)) || machines_fail "control groups of $MACHINES_RUN can't be removed" || true
	rm -rf --one-file-system "$MACHINES_RUN"
}

# Runs whose keeper was killed. One that is only just beginning has none yet.
machines_reap_stale()
{
	local MACHINES_RUN

	for MACHINES_RUN in "$MACHINES_PREFIX"*; do
		[[ -O $MACHINES_RUN && -d $MACHINES_RUN ]] || continue
		[[ -e $MACHINES_RUN/keeper || -n $(find "$MACHINES_RUN" -maxdepth 0 -mmin +1) ]] || continue
		# Asked after it was seen to be there, which it is as a whole: it may have come just now.
		process_alive "$MACHINES_RUN/keeper" && continue
		machines_reap stale
	done
}

# The process in whose namespaces the run is, as seen from outside.
machines_init()
{
	local pid

	{ read -r pid _ <"${MACHINES_RUN:?no run: machines_begin comes first}/init"; } 2>/dev/null ||
		machines_fail "the run has ended" || return
	echo "$pid"
}

# Inside of the run's namespaces, as keeper and as hub.
inside()
{
	local init

	init=$(machines_init) || return
	nsenter --target "$init" --mount --net --pid -- "$@"
}

in_hub()
{
	local init

	init=$(machines_init) || return
	nsenter --target "$init" --net -- "$@"
}

exec_in_hub()
{
	local init

	init=$(machines_init) || exit
	exec nsenter --target "$init" --net -- "$@"
}

### Machines

machine_folder()
{
	local folder=${MACHINES_RUN:?no run: machines_begin comes first}/machines/$1

	[[ -d $folder ]] || machines_fail "there is no machine '$1'" || return
	echo "$folder"
}

machine_list()
{
	local folder

	for folder in "${MACHINES_RUN:?no run: machines_begin comes first}"/machines/*/; do
		[[ ! -d $folder ]] || basename "$folder"
	done
}

# Claims the lowest free number, and with it an address.
machine_number()
{
	local number

	for number in {11..250}; do
		ln -s "$1" "$MACHINES_RUN/number-$number" 2>/dev/null && echo "$number" && return
	done
	machines_fail "a run has room for 240 machines"
}

machine_boot()
{
	local name=$1 image=$2 disk="" folder

	[[ $# == 4 && $3 == --disk ]] && disk=$4
	[[ $name =~ ^[a-z0-9][a-z0-9-]{0,62}$ ]] || machines_fail "'$name' can't be a machine's name" || return
	[[ $# == 2 || -n $disk ]] || machines_fail "usage: machine_boot NAME IMAGE [--disk SIZE]" || return
	image=$(machine_image "$image") || return
	folder=$MACHINES_RUN/machines/$name
	mkdir "$folder" || return
	machine_number "$name" >"$folder/number" || return
	echo "$image" >"$folder/image"
	echo "$disk" >"$folder/disk"
	inside "$MACHINES_HOME/inside" make "$MACHINES_RUN" "$name" || return
	machine_start "$name"
}

machine_start()
{
	local folder

	folder=$(machine_folder "$1") || return
	! machine_running "$1" || return 0
	machine_listen "$folder/notify" || return
	(
		close_inherited
		enter_control_group "$1"
		exec setsid nsenter --target "$(machines_init)" --mount --net --pid -- \
			"$MACHINES_HOME/inside" run "$MACHINES_RUN" "$1"
	) </dev/null >>"$folder/console" 2>&1 &
	echo "$! $(process_birth $!)" >"$folder/launcher"
	disown
	machine_await "$1"
}

# Listens, from now on, for the machine to say that it has booted; machine_await waits for it.
machine_listen()
{
	exec {machine_listener}< <(machine_listening "$1")
	machine_listening=$!
	read -r -u "$machine_listener"
}

machine_listening()
{
	close_inherited
	rm -f "$1"
	exec perl -MSocket -e '
		$| = 1;
		socket(S, AF_UNIX, SOCK_DGRAM, 0) && bind(S, sockaddr_un($ARGV[0])) or die "notify: $!\n";
		print "listening\n";
		alarm 120;
		while (defined recv(S, $text, 4096, 0)) {
			print("booted\n"), exit if $text =~ /READY=1$/m;
		}' "$1"
}

machine_await()
{
	local folder result=1

	folder=$(machine_folder "$1") || return
	while process_alive "$folder/launcher"; do
		result=0
		read -r -t 0.5 -u "$machine_listener" || result=$?
		((result <= 128)) && break
	done
	kill "$machine_listening" 2>/dev/null || true
	exec {machine_listener}<&-
	((result == 0)) && return
	tail -n 20 "$folder/console" >&2
	machines_fail "machine '$1' doesn't boot; the end of its console is above"
}

# The machine's init, as seen from outside: the launcher is nsenter, its child the loop around
# systemd-nspawn, whose child it is. A reboot changes it.
machine_leader()
{
	local folder pid

	folder=$(machine_folder "$1") || return
	process_alive "$folder/launcher" && read -r pid _ <"$folder/launcher" &&
		pid=$(first_child "$pid") && pid=$(first_child "$pid") && first_child "$pid" && return
	machines_fail "machine '$1' isn't running"
}

machine_running()
{
	machine_leader "$1" >/dev/null 2>&1
}

# Until its launcher has ended, all of it has.
machine_gone()
{
	local folder

	folder=$(machine_folder "$1") || return
	for _ in {1..1800}; do
		process_alive "$folder/launcher" || return 0
		sleep 0.05
	done
	machines_fail "machine '$1' doesn't end"
}

machine_stop()
{
	local leader

	leader=$(machine_leader "$1") || return
	# What systemd takes for "halt and power off".
	kill -s RTMIN+4 "$leader" && machine_gone "$1"
}

machine_kill()
{
	local leader

	leader=$(machine_leader "$1") || return
	kill -KILL "$leader" && machine_gone "$1"
}

machine_reboot()
{
	local folder leader

	folder=$(machine_folder "$1") && leader=$(machine_leader "$1") || return
	machine_listen "$folder/notify" || return
	# What systemd takes for "reboot".
	kill -s RTMIN+5 "$leader" && machine_await "$1"
}

machine_remove()
{
	local folder number

	folder=$(machine_folder "$1") || return
	! machine_running "$1" || machine_kill "$1" || return
	read -r number <"$folder/number"
	inside "$MACHINES_HOME/inside" remove "$MACHINES_RUN" "$1"
	remove_control_groups "$1"
	rm -rf "$folder" "$MACHINES_RUN/number-$number"
}

machine_address()
{
	local folder number

	folder=$(machine_folder "$1") && read -r number <"$folder/number" && echo "$MACHINES_NETWORK.$number"
}

machine_console()
{
	local folder

	folder=$(machine_folder "$1") && cat "$folder/console"
}

### In machines

# Beside the units' control groups, within the machine's own, whichever its systemd uses. The clock is not the
# machine's own but this one's: nobody may set it there. What is ignored here, as under nohup, is not so there.
on()
(
	leader=$(machine_leader "$1") || exit 125
	enter_control_group "$1/payload/on" 2>/dev/null || true
	shift
	exec env -i --default-signal PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root USER=root \
		LOGNAME=root SHELL=/bin/sh LANG=C.UTF-8 ${TERM:+TERM="$TERM"} \
		setpriv --bounding-set -sys_time -- nsenter --target "$leader" --all -- "$@"
)

as()
{
	local user=$1 name=$2

	shift 2
	on "$name" runuser -u "$user" -- env HOME="/home/$user" USER="$user" LOGNAME="$user" "$@"
}

machine_user()
{
	on "$1" useradd --create-home --shell /bin/sh "$2"
}

machine_put()
{
	local mode

	mode=$(stat -L -c %a "$2") && on "$1" install -D -m "$mode" /dev/stdin "$3" <"$2"
}

machine_snapshot()
{
	local leader

	machine_folder "$1" >/dev/null || return
	inside "$MACHINES_HOME/inside" snapshot "$MACHINES_RUN" "$1" || return
	leader=$(machine_leader "$1" 2>/dev/null) || return 0
	# These two are in memory only, and seen from within alone.
	nsenter --target "$leader" --mount -- find /run /tmp -type l -printf '%y %#m %U:%G %p -> %l\n' \
		-o -printf '%y %#m %U:%G %p\n' | awk '
			$4 ~ "^/run/systemd/" && $4 !~ "^/run/systemd/(system|transient)(/|$)" { next }
			$4 ~ "^/run/(dbus|host|initctl|lock|log|mount|udev|user|utmp|credentials)(/|$)" { next }
			$4 ~ "^/tmp/systemd-private-" { next }
			{ print }' | LC_ALL=C sort -k 4
}

machine_fill_disk()
{
	local folder disk

	folder=$(machine_folder "$1") && read -r disk <"$folder/disk" || return
	[[ -n $disk ]] || machines_fail "machine '$1' has no disk of its own: boot it with --disk" || return
	inside "$MACHINES_HOME/inside" fill "$MACHINES_RUN" "$1" "${2:-0}"
}

machine_free_disk()
{
	inside "$MACHINES_HOME/inside" free "$MACHINES_RUN" "$1"
}

cut_network()
{
	inside "$MACHINES_HOME/inside" cut "$MACHINES_RUN" "$1"
}

join_network()
{
	inside "$MACHINES_HOME/inside" join "$MACHINES_RUN" "$1"
}
