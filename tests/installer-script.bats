# SPDX-License-Identifier: MIT
#
# The installer script by itself: its template filled in, run by every shell that may run it, with a false curl, wget
# and muster-enrol. What it does on real machines with the real ones is tested elsewhere.

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert

TOKEN=0123456789abcdef
shells=("dash" "bash --posix" "busybox sh")

setup()
{
	cd "$BATS_TEST_TMPDIR" || return
	template=$BATS_TEST_DIRNAME/../installer/installer.sh.in
	arch=$(uname -m)
	fake_enrol 'exit 0'
	mkdir -p bin
	printf '#!/bin/sh\nprintf "%%s\\n" curl "$@" >>"%s/calls"\n' "$PWD" >bin/curl
	cat >>bin/curl <<-'END'
		tr '\0' '\n' </proc/self/environ >>"${0%/bin/*}/environment"
		while [ "$1" != -o ]; do shift; done
		cat "${0%/bin/*}/enrol" >"$2"
	END
	printf '#!/bin/sh\nprintf "%%s\\n" wget "$@" >>"%s/calls"\n' "$PWD" >bin/wget
	cat >>bin/wget <<-'END'
		tr '\0' '\n' </proc/self/environ >>"${0%/bin/*}/environment"
		cat "${0%/bin/*}/enrol"
	END
	chmod 755 bin/*
	PATH=$PWD/bin:$PATH
}

# A muster-enrol that notes its arguments, input and environment, then runs $1.
fake_enrol()
{
	cat >enrol <<-END
		#!/bin/sh
		printf '%s\n' "\$@" >>"$PWD/arguments"
		tr '\0' '\n' </proc/self/environ >>"$PWD/environment"
		tr '\0' ' ' </proc/\$PPID/cmdline >>"$PWD/commands"
		dirname "\$0" >>"$PWD/folder"
		cat >>"$PWD/input"
		$1
	END
}

quoted()
{
	printf "'%s'" "$1"
}

# script FILE [TOKEN [EMBED]]: what the server makes of the template.
script()
{
	local text
	text=$(sed '/^#@/d' "$template")
	text=${text//@SERVER@/"$(quoted "${servers:-hub.example.net:8443}")"}
	text=${text//@PINS@/"$(quoted 'sha256//qZkmXhKVNfYMGgVg6p2zu0m6mQ3Jv1wX2n6eF2i0bFs=')"}
	text=${text//@SERVER_KEY@/"$(quoted 02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5)"}
	text=${text//@RELEASE_KEY@/"$(quoted RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3)"}
	text=${text//@MIN_SERIAL@/"$(quoted 3)"}
	text=${text//@VERSION@/"$(quoted 0.1.0)"}
	text=${text//@ENROL_SUMS@/"$(quoted "$arch $(sha256sum <enrol | cut -d ' ' -f 1)")"}
	text=${text//@TOKEN@/"$(quoted "${2-}")"}
	text=${text//@EMBED@/"$(quoted "${3-}")"}
	printf '%s\n' "$text" >"$1"
}

embedded()
{
	printf '%s %s' "$arch" "$(gzip -9c enrol | base64 -w 0)"
}

# A place of its own: systemd seems to run, and what is written to /run and such stays there. BEFORE is run in it first.
# What nohup and such let be ignored no shell can trap.
sandbox()
{
	env --default-signal=HUP,INT,TERM unshare -m sh -c '
		mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system || exit 99
		eval "$BEFORE"
		"$@"
		code=$?
		ls -d /run/muster.* /var/lib/muster.* /var/tmp/muster.* /tmp/muster.*.?????????? 2>/dev/null
		exit $code
	' sh "$@"
}

each_shell()
{
	local shell
	for shell in "${shells[@]}"; do
		rm -f calls arguments environment commands folder input
		echo "# $shell"
		"$@" "$shell" || return
	done
}

### Text

@test "the script is accepted by every shell and by shellcheck" {
	script plain.sh "$TOKEN"
	script embed.sh "$TOKEN" "$(embedded)"
	for file in plain.sh embed.sh; do
		run -0 dash -n "$file"
		run -0 bash --posix -n "$file"
		run -0 busybox sh -n "$file"
		run -0 shellcheck -s sh "$file"
	done
}

@test "the template's own comments are not in the script, and no placeholder is left" {
	script plain.sh "$TOKEN"
	run ! grep -E '^#@|@[A-Z_]+@' plain.sh
}

# What is cut off is a syntax error, but in the comments at the top: the shell says so and nothing else is said or run.
truncated_runs_nothing() # SHELL SCRIPT FROM STEP
{
	local LC_ALL=C text length top said line
	text=$(<"$2")
	top=${text%%$'\n{'*}
	for ((length = $3; length < ${#text}; length += $4)); do
		said=$(exec $1 -c "${text:0:length}" 2>&1 </dev/null) || true
		while read -r line; do
			[[ -z $line || ${line,,} =~ syntax\ error|unexpected|unterminated || $line == *": line "*': `'* ]] ||
				fail "$1, cut after $length bytes, says: $line"
		done <<<"$said"
		((length <= ${#top} + 1)) || [[ -n $said ]] || fail "$1 has run what was cut after $length bytes"
	done
}

@test "a script cut off after any number of bytes runs nothing" {
	script plain.sh "$TOKEN"
	truncated_runs_nothing dash plain.sh 1 1
	truncated_runs_nothing "bash --posix" plain.sh 1 23
	truncated_runs_nothing "bash --posix" plain.sh $(($(stat -c %s plain.sh) - 60)) 1
	truncated_runs_nothing "busybox sh" plain.sh 1 23
	truncated_runs_nothing "busybox sh" plain.sh $(($(stat -c %s plain.sh) - 60)) 1
	# The last byte is a newline: without it the script is whole.
	truncate -s -1 plain.sh
	BEFORE='' run -0 sandbox dash plain.sh
}

@test "a script with the program inside, cut off anywhere, runs nothing" {
	script embed.sh "$TOKEN" "$(embedded)"
	truncated_runs_nothing dash embed.sh 1 7
}

### Whole runs

enrols() # SHELL
{
	BEFORE='' run -0 sandbox $1 plain.sh --dry-run --proxy ''
	assert_line --partial "download"
	assert_equal "$(cat input)" "$TOKEN"
	assert_equal "$(tr '\n' ' ' <arguments)" "--server hub.example.net:8443 \
--pin sha256//qZkmXhKVNfYMGgVg6p2zu0m6mQ3Jv1wX2n6eF2i0bFs= \
--server-key 02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5 \
--release-key RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3 --min-serial 3 --dry-run --proxy  "
	refute_output --partial /run/muster.
}

@test "muster-enrol gets the values as arguments, the options as they are and the token on standard input" {
	script plain.sh "$TOKEN"
	each_shell enrols
}

@test "curl is told to check the pin, to follow nothing and to read no file" {
	script plain.sh "$TOKEN"
	BEFORE='' run -0 sandbox dash plain.sh
	assert_equal "$(tr '\n' ' ' <calls | sed 's| /[^ ]*/muster-enrol | FILE |')" "curl -q -g -fsS -k --proto =https \
--pinnedpubkey sha256//qZkmXhKVNfYMGgVg6p2zu0m6mQ3Jv1wX2n6eF2i0bFs= --connect-timeout 20 --max-time 600 -o FILE \
https://hub.example.net:8443/clients/linux/$arch/muster-enrol "
}

# Programs that fail with a code for URLs that match an expression.
fails_for() # PROGRAM CODE EXPRESSION
{
	sed -i "2i case \"\$*\" in *$3*) echo 'it failed' >\&2; exit $2 ;; esac" "bin/$1"
}

@test "of several addresses one that answers gives the program, and muster-enrol gets them all, that one first" {
	local servers='[::1]:8443 b.example:1 c.example:2'
	touch 1:8443 :8443 # what the first would mean as a pattern
	script plain.sh "$TOKEN"
	fails_for curl 7 '::1'
	takes_the_second() {
		BEFORE='' run -0 sandbox $1 plain.sh
		assert_line --partial "from b.example:1 by curl"
		assert_equal "$(sed -n '/^--server$/{n;p}' arguments)" 'b.example:1 [::1]:8443 c.example:2'
		assert_equal "$(grep -c '^curl$' calls)" 2
		refute_output --partial 'it failed'
	}
	each_shell takes_the_second
	fails_for wget 4 '::1'
	rm -f calls arguments
	BEFORE=$(without curl) run -0 sandbox dash plain.sh
	assert_line --partial "from b.example:1 by wget"
	assert_equal "$(sed -n '/^--server$/{n;p}' arguments)" 'b.example:1 [::1]:8443 c.example:2'
	rm -f calls arguments
	script embed.sh "$TOKEN" "$(embedded)"
	BEFORE='' run -0 sandbox dash embed.sh
	assert_equal "$(sed -n '/^--server$/{n;p}' arguments)" "$servers"
}

@test "where none of several addresses answers each is named, and one that shows another key is told by the code" {
	local servers='a.example:1 b.example:2 c.example:3'
	script plain.sh "$TOKEN"
	fails_for curl 7 a.example
	fails_for curl 28 b.example
	fails_for curl 60 c.example
	names_all() {
		BEFORE='' run -6 sandbox $1 plain.sh
		assert_output --partial "no muster-enrol from a.example:1: curl ended with 7. it failed; no muster-enrol from b.example:2: \
curl ended with 28. it failed; no muster-enrol from c.example:3: curl ended with 60. it failed"
		assert [ ! -e arguments ]
	}
	each_shell names_all
	fails_for curl 90 b.example
	BEFORE='' run -7 sandbox dash plain.sh --json
	assert_output --partial "b.example:2 shows another key than the one pinned in this script: nothing was sent to it; no muster"
	assert_equal "$(jq -r .exit <<<"$output")" 7
	assert [ ! -e arguments ]
}

# An executable in front of the PATH can't hide another, a mount can.
without()
{
	local program
	for program; do
		echo "mount --bind /dev/null $PWD/bin/$program; ! [ -e /usr/bin/$program ] || mount --bind /dev/null /usr/bin/$program;"
	done
}

@test "without curl it is wget, told the same" {
	script plain.sh "$TOKEN"
	BEFORE=$(without curl) run -0 sandbox dash plain.sh
	assert_equal "$(tr '\n' ' ' <calls)" "wget --no-config -q --no-hsts --max-redirect=0 --no-check-certificate \
--pinnedpubkey=sha256//qZkmXhKVNfYMGgVg6p2zu0m6mQ3Jv1wX2n6eF2i0bFs= --tries=1 --timeout=20 -O- \
https://hub.example.net:8443/clients/linux/$arch/muster-enrol "
	assert_equal "$(cat input)" "$TOKEN"
}

@test "with neither curl nor wget it says what would help" {
	script plain.sh "$TOKEN"
	BEFORE=$(without curl wget) run -4 sandbox dash plain.sh
	assert_output --partial "--embed"
	assert [ ! -e arguments ]
}

runs_embedded() # SHELL
{
	BEFORE=$(without curl wget) run -0 sandbox $1 embed.sh
	assert_equal "$(cat input)" "$TOKEN"
	assert [ ! -e calls ]
}

@test "with the program inside it needs neither" {
	script embed.sh "$TOKEN" "$(embedded)"
	each_shell runs_embedded
}

@test "a program inside of some megabytes is no trouble for any shell" {
	head -c 5000000 /dev/urandom >>enrol
	sed -i '7a exit 0' enrol
	script embed.sh "$TOKEN" "$(embedded)"
	each_shell runs_embedded
}

### The token

@test "the token comes from MUSTER_TOKEN, which is not handed on" {
	script plain.sh
	asked_by_variable() {
		BEFORE='' MUSTER_TOKEN=$TOKEN run -0 sandbox $1 plain.sh
		assert_equal "$(cat input)" "$TOKEN"
		run ! grep -F "$TOKEN" environment arguments calls commands
	}
	each_shell asked_by_variable
}

@test "the token comes from standard input" {
	script plain.sh
	asked_by_input() {
		BEFORE='' run -0 sandbox $1 plain.sh <<<"0123-4567-89AB-CDEF"
		assert_equal "$(cat input)" "0123-4567-89AB-CDEF"
		run ! grep -F "0123-4567" environment arguments calls commands
	}
	each_shell asked_by_input
}

@test "the token is not standard input where that is the script itself" {
	script plain.sh
	piped() {
		BEFORE='' run -2 sandbox setsid $1 < <(cat plain.sh; echo "$TOKEN")
		assert_output --partial "no token"
		BEFORE='' MUSTER_TOKEN=$TOKEN run -0 sandbox $1 -s -- --quiet <plain.sh
		assert_equal "$(cat input)" "$TOKEN"
		assert_equal "$(tail -n 1 arguments)" "--quiet"
	}
	each_shell piped
}

@test "the token is asked for at the terminal, also when the script comes through a pipe, and is not shown" {
	script plain.sh
	at_terminal() {
		local line
		for line in "$1 plain.sh" "cat plain.sh | $1" "$1 <plain.sh"; do
			rm -f input
			# What is typed before the echo is off would be shown: the prompt comes first.
			coproc terminal { BEFORE='' sandbox script -qec "$line" /dev/null; }
			exec {answers}<&"${terminal[0]}" {types}>&"${terminal[1]}"
			local pid=$terminal_PID shown='' byte
			while [[ $shown != *"shown): " ]] && IFS= read -r -n 1 -u "$answers" -t 20 byte; do
				shown+=$byte
			done
			until stty -a -F "$(terminal_of "$pid")" 2>/dev/null | grep -q -- '-echo '; do :; done
			printf '%s\n' "$TOKEN" >&"$types"
			shown+=$(cat <&"$answers")
			wait "$pid" || return
			exec {answers}<&- {types}>&-
			assert_equal "$(cat input)" "$TOKEN"
			[[ $shown != *"$TOKEN"* ]] || fail "$shown"
		done
	}
	terminal_of() {
		ps -o tty= --no-headers --ppid "$(pgrep -P "$1" -x script || pgrep -P "$(pgrep -P "$1" | head -n 1)" -x script)" |
			sed 's|^|/dev/|; s| *$||' | head -n 1
	}
	each_shell at_terminal
}

@test "no token is asked for where none is needed" {
	script plain.sh
	for option in --status --uninstall --version --help --token-file=/x; do
		BEFORE='' run -0 sandbox setsid dash plain.sh "$option" </dev/null
	done
	assert_equal "$(cat input)" ""
}

### Refusals

@test "only root can run it" {
	script plain.sh "$TOKEN"
	chmod 755 . plain.sh
	run -3 setpriv --reuid 65534 --regid 65534 --clear-groups dash <plain.sh
	assert_output --partial "only root"
}

@test "without systemd it stops before anything else" {
	script plain.sh "$TOKEN"
	BEFORE='rmdir /run/systemd/system' run -4 sandbox dash plain.sh
	assert_output --partial "systemd does not run"
	assert [ ! -e calls ]
}

@test "an architecture that the server has nothing for is refused" {
	arch=riscv64
	script plain.sh "$TOKEN"
	BEFORE='' run -4 sandbox dash plain.sh
	assert_output --partial "no muster-enrol for $(uname -m)"
}

@test "another program than the one expected is not run" {
	script plain.sh "$TOKEN"
	script embed.sh "$TOKEN" "$(embedded)"
	echo "# changed" >>enrol
	script other.sh "$TOKEN" "$(embedded)"
	BEFORE='' run -11 sandbox dash plain.sh
	assert_output --partial "SHA-256 differs"
	sed "s/^	embed.*//; s/$(sha256sum <enrol | cut -d ' ' -f 1)/$(printf '%064d' 0)/" other.sh >wrong.sh
	BEFORE='' run -11 sandbox dash wrong.sh
	assert [ ! -e arguments ]
}

@test "a damaged program inside is not run" {
	script embed.sh "$TOKEN" "$(embedded | head -c 150)"
	BEFORE='' run -11 sandbox dash embed.sh
	assert_output --partial "damaged"
	assert [ ! -e arguments ]
}

@test "a server with another key is told apart from one that can't be reached" {
	script plain.sh "$TOKEN"
	for case in curl:90:7 curl:7:6 curl:22:6 wget:5:7 wget:4:6 wget:8:6; do
		IFS=: read -r tool says exit <<<"$case"
		printf '#!/bin/sh\necho "a \\"b\\" \\\\ $(printf "\\033")[31mc" >&2\nexit %s\n' "$says" >"bin/$tool"
		other=wget
		[[ $tool == curl ]] || other=curl
		BEFORE=$(without $other) run "-$exit" sandbox dash plain.sh
		refute_output --partial $'\e'
		BEFORE=$(without $other) run "-$exit" sandbox dash plain.sh --json
		run -0 jq -r .exit <<<"$output"
		assert_output "$exit"
	done
}

@test "an endless download is cut off" {
	script plain.sh "$TOKEN"
	printf '#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\nexec cat /dev/zero >"$2"\n' >bin/curl
	BEFORE='mount -t tmpfs -o size=100M tmpfs /run; mkdir -p /run/systemd/system' run -6 sandbox dash plain.sh
}

@test "the exit code of muster-enrol is the script's" {
	for code in 1 5 8 13 130; do
		fake_enrol "exit $code"
		script plain.sh "$TOKEN"
		BEFORE='' run "-$code" sandbox dash plain.sh
	done
}

### Places and endings

@test "folders that programs can't be run from are passed over" {
	script plain.sh "$TOKEN"
	BEFORE='mount -t tmpfs -o noexec tmpfs /run; mkdir -p /run/systemd/system' run -0 sandbox dash plain.sh
	assert_equal "$(cut -c 1-16 folder)" "/var/lib/muster."
	everywhere='for d in /run /var/lib /var/tmp /tmp; do mount -t tmpfs -o noexec tmpfs $d; done; mkdir -p /run/systemd/system'
	script /root/muster-script-test.sh "$TOKEN"
	BEFORE=$everywhere PATH=/usr/bin:/bin run -4 sandbox dash /root/muster-script-test.sh
	rm /root/muster-script-test.sh
	assert_output --partial noexec
}

@test "what it makes is root's alone, whatever the umask" {
	fake_enrol 'stat -c %a "$(dirname "$0")" "$0" >modes'
	sed -i "s|>modes|>$PWD/modes|" enrol
	script plain.sh "$TOKEN"
	umask 000
	BEFORE='' run -0 sandbox dash plain.sh
	assert_equal "$(cat modes)" $'700\n700'
}

# signalled SHELL SIGNAL: to the script alone, once muster-enrol runs.
signalled()
{
	rm -f started got
	mkfifo started
	BEFORE='' sandbox $1 plain.sh >output 2>&1 &
	local sandbox=$! code=0
	read -r pid <started
	rm started
	kill -s "$2" "$pid"
	wait "$sandbox" || code=$?
	assert_equal "$code" "$((128 + $3))"
	assert_equal "$(cat got)" "$2"
	run ! grep /muster. output
}

@test "a signal to the script reaches muster-enrol, which ends first" {
	# It tells the pid of the script and waits; as a builtin, so that a signal interrupts it.
	fake_enrol "
		trap 'echo INT >$PWD/got; exit 130' INT
		trap 'echo TERM >$PWD/got; exit 143' TERM
		trap 'echo HUP >$PWD/got; exit 129' HUP
		echo \$PPID >$PWD/started
		while :; do sleep 0.05; done"
	sed -i '1s/.*/#!\/bin\/bash/; s/echo \$PPID/echo $PPID/' enrol
	script plain.sh "$TOKEN"
	for shell in "${shells[@]}"; do
		signalled "$shell" TERM 15
		signalled "$shell" HUP 1
	done
}

@test "a signal during the download ends it, and nothing is left" {
	mkfifo started
	printf '#!/bin/sh\necho $PPID >%s/started\nexec sleep 100\n' "$PWD" >bin/curl
	script plain.sh "$TOKEN"
	for shell in "${shells[@]}"; do
		BEFORE='' sandbox $shell plain.sh >output 2>&1 &
		read -r pid <started
		kill -s TERM "$pid"
		code=0
		wait $! || code=$?
		assert_equal "$code" 143
		run ! grep /muster. output
	done
}

@test "what killed runs have left is removed, what others have or need is not" {
	script plain.sh "$TOKEN"
	BEFORE='mkdir -p /run/muster.999999999.abc/in /run/muster.$$.abc /run/muster.x.abc /run/muster.999999998' \
		run -0 sandbox dash plain.sh
	refute_output --partial 999999999
	for kept in "muster.[0-9]*.abc" muster.x.abc muster.999999998; do
		assert_output --regexp "/run/$kept"
	done
}

@test "a proxy is for the download too" {
	script plain.sh "$TOKEN"
	BEFORE='' run -0 sandbox dash plain.sh --proxy http://proxy.example:3128
	run -0 grep -x https_proxy=http://proxy.example:3128 environment
	rm environment
	BEFORE='' https_proxy=http://other.example:1 run -0 sandbox dash plain.sh --proxy=
	run ! grep -i https_proxy environment
}

@test "lines are plain where there is no UTF-8, and nothing is said with --quiet and --json" {
	script plain.sh "$TOKEN"
	BEFORE='' LC_ALL=C run -0 sandbox dash plain.sh
	assert_line --regexp '^ok     download '
	BEFORE='' LC_ALL=C.UTF-8 run -0 sandbox dash plain.sh
	assert_line --regexp '^✓ download '
	BEFORE='' run -0 sandbox dash plain.sh --quiet
	assert_output ""
	BEFORE='' run -0 sandbox dash plain.sh --json
	assert_output ""
}
