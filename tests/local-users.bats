#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What another user of a machine can do to an enrolment and to the agent: nothing.
# shellcheck disable=SC2154,SC2016,SC2030,SC2031 # variables of helpers.bash, in each test anew; what the machines'
# shells expand

bats_require_minimum_version 1.5.0

setup_file()
{
	load helpers
	machines_begin
	server_starts
	machine_boot web bookworm-curl &
	machine_boot db bullseye-wget &
	wait
	for machine in web db; do
		machine_user $machine eve
		program_to $machine
		on $machine sh -c 'echo untouched >/root/target && chmod 600 /root/target && mkdir /root/folder'
		token_for role=keep
	done
	faults_to web
}

setup()
{
	load helpers
	server_trust
}

teardown()
{
	for machine in web db; do
		[[ $(on $machine cat /root/target) == untouched ]] || fail "the file that links point to has changed"
		[[ $(on $machine stat -c '%U %a' /root/target /root/folder | xargs) == "root 600 root 755" ]] ||
			fail "its mode or owner has changed"
		[[ -z $(on $machine ls -A /root/folder) ]] || fail "something was put into a folder that links point to"
		on $machine sh -c 'rm -rf /tmp/?* /var/tmp/?* /dev/shm/?* /home/eve/?* /home/eve/.[a-z]*'
	done
	helper_ends
}

teardown_file()
{
	load helpers
	machines_end
}

forgets()
{
	on "$1" /opt/muster-enrol --uninstall --purge </dev/null >/dev/null 2>&1 || true
}

# by_script MACHINE [COMMAND…]: a token and a script, run under the command.
by_script()
{
	local machine=$1

	shift
	forgets "$machine"
	token_for role=web
	script_to "$machine" --token "$token"
	run on "$machine" "$@" sh /root/install.sh </dev/null
}

by_hand()
{
	token_for role=web
	run enrols_by_hand "$@"
}

is_enrolled()
{
	! on web systemctl -q is-active muster-agent || return 0
	forgets web
	by_hand web
	assert_success
}

### Things planted beforehand

# All names that programs of muster use somewhere, in every folder that eve may write to.
plants='
	cd "$1" || exit
	for name in muster muster-enrol muster-agent muster.XXXXXXXXXX muster.sh install.sh .muster .muster-enrol said try \
		muster-agent.conf muster-agent.service identity.key tls.pem client journal lock status systemd-private-muster; do
		case $2 in
		link) ln -s /root/target "$name" ;;
		dangling) ln -s /root/folder/new "$name" ;;
		to-folder) ln -s /root/folder "$name" ;;
		fifo) mkfifo "$name" ;;
		folder) mkdir -m 777 "$name" ;;
		file) echo planted >"$name" && chmod 666 "$name" ;;
		esac
	done'

@test "links, FIFOs, folders and files planted in temporary folders are in nobody's way and stay as they are" {
	for kind in link dangling to-folder fifo folder file; do
		machine=web
		[[ $kind != @(link|fifo) ]] || machine=db
		for folder in /tmp /var/tmp /dev/shm /run/lock; do
			on $machine sh -c '! [ -k "$1" ]' sh $folder || as eve $machine sh -c "$plants" sh $folder $kind
		done
		on $machine sh -c 'find /tmp /var/tmp /dev/shm /run/lock -user eve -printf "%p %y %m %l %T@\n" | sort' \
			>"$BATS_TEST_TMPDIR/before"
		(($(wc -l <"$BATS_TEST_TMPDIR/before") > 40))
		by_script $machine
		assert_success
		on $machine sh -c 'find /tmp /var/tmp /dev/shm /run/lock -user eve -printf "%p %y %m %l %T@\n" | sort' \
			>"$BATS_TEST_TMPDIR/after"
		diff "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
		on $machine sh -c 'rm -rf /tmp/?* /var/tmp/?* /dev/shm/?* /run/lock/?*'
	done
}

# Where programs can't be run from /run and /var/lib, the script goes to a folder that everybody may write to.
crowded='mount -o bind,remount,noexec /run 2>/dev/null || { mount --bind /run /run && mount -o bind,remount,noexec /run; }
	mount --bind /var/lib /var/lib && mount -o bind,remount,noexec /var/lib || exit 99
	exec "$@"'

# Looks for new folders of the script as fast as it can, and tries what can be done to them.
meddles='
	use Fcntl;
	$SIG{TERM} = sub { exit };
	open(my $told, ">>", "/home/eve/told");
	select((select($told), $| = 1)[0]);
	print $told "begun\n";
	my %seen;
	while (1) {
		for my $path (glob("/tmp/muster.* /var/tmp/muster.* /run/muster.*")) {
			print $told "saw $path\n" unless $seen{$path}++;
			for my $name ("muster-enrol", "said", "try") {
				print $told "read $path/$name\n" if open(my $f, "<", "$path/$name");
				print $told "wrote $path/$name\n" if open(my $f, ">>", "$path/$name");
				print $told "linked $path/$name\n" if symlink("/root/target", "$path/$name");
			}
			print $told "listed $path\n" if opendir(my $d, $path);
			print $told "moved $path\n" if rename($path, "$path.eve");
			print $told "removed $path\n" if rmdir($path);
		}
	}'

@test "who watches temporary folders can't look into the script's, nor move, fill or replace it" {
	on web runuser -u eve -- perl -e "$meddles" </dev/null >/dev/null 2>&1 3>&- &
	meddler=$!
	eventually on web grep -q begun /home/eve/told
	by_script web unshare -m sh -c "$crowded" sh
	assert_success
	run on web cat /home/eve/told
	kill "$(pgrep --ns "$(machine_leader web)" --nslist pid -x perl)"
	wait $meddler || true
	# The folder was seen, so there was something to meddle with.
	assert_line --regexp '^saw /var/tmp/muster\.'
	refute_output --regexp '(read|wrote|linked|listed|moved|removed)'
	run -0 on web find /tmp /var/tmp /run -maxdepth 1 -name 'muster.*'
	refute_output
}

# As somebody may have made them who was root for a moment, or by a careless administrator.
@test "a folder on the way that others may write to is refused by name, and nothing is changed" {
	forgets web
	while read -r folder who mode; do
		made=$(on web sh -c '[ -d "$1" ] || { mkdir "$1" && echo made; }' sh "$folder" </dev/null)
		was=$(on web stat -c %a "$folder" </dev/null)
		on web sh -c 'chown "$1" "$3" && chmod "$2" "$3"' sh "$who" "$mode" "$folder" </dev/null
		by_hand web
		((status != 0)) || fail "$folder $who $mode: $output"
		assert_output --partial "$folder"
		assert_output --partial "others"
		assert_equal "$(uses_spent)" 0
		on web sh -c 'chown root:root "$2" && chmod "$1" "$2"; [ -z "$3" ] || rmdir "$2"' sh "$was" "$folder" "$made" \
			</dev/null
	done <<-'END'
		/etc/muster root 757
		/etc/muster eve 755
		/usr/local/sbin root:eve 775
		/usr/local/sbin root 1777
		/usr/local/sbin eve 755
		/usr/local root:eve 775
		/usr/local eve 755
		/etc/systemd/system root 757
		/etc/systemd/system eve 755
		/var/lib/private root:eve 770
		/var/lib/private eve 700
		/var/lib/muster-enrol root 1777
		/var/lib/muster-enrol eve 700
	END
}

@test "something else in the place of a file or folder to be made is refused by name and stays as it is" {
	forgets web
	for path in /etc/muster/muster-agent.conf /etc/systemd/system/muster-agent.service /usr/local/sbin/muster-agent \
		/var/lib/muster-agent /var/lib/muster-enrol /var/lib/private/muster-agent; do
		for kind in link dangling fifo; do
			on web sh -c 'mkdir -p "${1%/*}" && case $2 in
				link) ln -s /root/target "$1" ;;
				dangling) ln -s /root/folder/new "$1" ;;
				fifo) mkfifo "$1" ;;
				esac' sh $path $kind
			was=$(on web stat -c '%F %N' $path)
			by_hand web
			((status != 0)) || fail "$kind at $path: $output"
			assert_output --partial "$path"
			assert_equal "$(on web stat -c '%F %N' $path)" "$was"
			assert_equal "$(uses_spent)" 0
			on web rm $path
			on web sh -c 'rmdir /etc/muster 2>/dev/null; :'
		done
	done
	by_hand web
	assert_success
}

@test "an agent's state folder that eve has made beforehand gets no key" {
	forgets web
	on web sh -c 'mkdir -p -m 700 /var/lib/private && mkdir -m 777 /var/lib/private/muster-agent &&
		chown eve /var/lib/private/muster-agent'
	by_hand web
	((status != 0)) || {
		run -0 on web stat -c %a /var/lib/private/muster-agent
		assert_output 700
		refute [ "$(on web stat -c %U /var/lib/private/muster-agent)" = eve ]
	}
	on web rm -rf /var/lib/private/muster-agent
}

### Environments

@test "TMPDIR may point to another's folder: nothing is put there" {
	as eve web mkdir -m 777 /home/eve/tmp
	before=$(on web stat -c %Y.%Z /home/eve/tmp)
	by_script web env TMPDIR=/home/eve/tmp TMP=/home/eve/tmp TEMP=/home/eve/tmp TEMPDIR=/home/eve/tmp
	assert_success
	assert_equal "$(on web ls -A /home/eve/tmp)" ""
	assert_equal "$(on web stat -c %Y.%Z /home/eve/tmp)" "$before"
	as eve web rmdir /home/eve/tmp
	as eve web ln -s /root/folder /home/eve/tmp
	by_script web env TMPDIR=/home/eve/tmp
	assert_success
}

# Settings of curl and wget that would switch off what the script relies on; what programs read from the home folder.
hostile_home()
{
	as eve "$1" sh -c 'cd && mkdir -p .config bin && cp /etc/hosts .
		printf "%s\n" insecure "proxy = http://127.0.0.1:1" "output = /root/folder/curl" "trace = /root/folder/trace" \
			"url = http://127.0.0.1:1/x" "cookie-jar = /root/folder/jar" location "proto = =http" >.curlrc
		cp .curlrc .config/curlrc
		printf "%s\n" "check_certificate = off" "https_proxy = http://127.0.0.1:1/" "use_proxy = on" \
			"output_document = /root/folder/wget" "logfile = /root/folder/log" "save_cookies = /root/folder/jar" \
			"hsts_file = /root/folder/hsts" "execute = robots=off" "input = /etc/passwd" >.wgetrc
		printf "machine hub login eve password secret\n" >.netrc
		for name in .profile .shrc .bashrc .dashrc .inputrc; do
			echo "echo run >/root/folder/$name" >$name
		done
		chmod -R a+rX . && chmod 755 .'
}

@test "a home folder full of settings weakens nothing: the pin is checked, the right server is found" {
	for machine in web db; do
		hostile_home $machine
		set -- env HOME=/home/eve CURL_HOME=/home/eve XDG_CONFIG_HOME=/home/eve/.config WGETRC=/home/eve/.wgetrc \
			SYSTEM_WGETRC=/home/eve/.wgetrc NETRC=/home/eve/.netrc ENV=/home/eve/.shrc \
			SSL_CERT_FILE=/home/eve/.wgetrc SSL_CERT_DIR=/home/eve CURL_CA_BUNDLE=/home/eve/.wgetrc \
			OPENSSL_CONF=/home/eve/.wgetrc OPENSSL_MODULES=/home/eve OPENSSL_ENGINES=/home/eve \
			GCONV_PATH=/home/eve LOCPATH=/home/eve NLSPATH=/home/eve/%N HOSTALIASES=/home/eve/hosts \
			RES_OPTIONS=debug CARES_HOSTS=/home/eve/hosts RANDFILE=/root/folder/rand POSIXLY_CORRECT=1 \
			SYSTEMD_EDITOR=/home/eve/x SYSTEMD_PAGER=/home/eve/x SYSTEMCTL_FORCE_BUS=0 PAGER=/home/eve/x \
			IFS=/ PS4='$(touch /root/folder/ps4)' CDPATH=/home/eve BASH_FUNC_curl%%='() { touch /root/folder/f; }'
		by_script $machine "$@"
			[[ $status == 0 ]] || fail "$machine: $output"
		hostile_starts wrong-tls-key
		token_for role=web
		forgets $machine
		script_to $machine --token "$token" --server "hub:$port"
		run on $machine "$@" sh /root/install.sh </dev/null
		assert_equal "$machine $status" "$machine 7"
		helper_ends
	done
}

@test "the keys of its connections are written nowhere, though SSLKEYLOGFILE asks for it" {
	as eve web mkdir -m 777 /home/eve/log
	by_script web env SSLKEYLOGFILE=/home/eve/log/keys
	assert_success
	run ! on web ls /home/eve/log/keys
	forgets web
	token_for role=web
	run -0 on web env SSLKEYLOGFILE=/home/eve/log/keys /opt/muster-enrol --server hub:8443 --pin "$pin" \
		--server-key "$server_key" --release-key "$release_key" <<<"$token"
	run ! on web ls /home/eve/log/keys
}

@test "programs that muster-enrol runs are the system's, whatever the PATH" {
	as eve web sh -c 'mkdir -m 755 /home/eve/bin && for name in systemctl journalctl mkdir sh uname chmod rm id curl; do
		printf "#!/bin/sh\ntouch /root/folder/run\n" >/home/eve/bin/$name && chmod 755 /home/eve/bin/$name; done'
	forgets web
	token_for role=web
	run -0 on web env PATH=/home/eve/bin /opt/muster-enrol --server hub:8443 --pin "$pin" \
		--server-key "$server_key" --release-key "$release_key" <<<"$token"
	run -0 on web env PATH=/home/eve/bin /opt/muster-enrol --uninstall --purge
}

### What others can see and reach

reads_nothing_of()
{
	for file in mem environ fd/0 fd/3 maps auxv io stack syscall pagemap cwd exe; do
		run as eve web sh -c 'cat "/proc/$1/$2" >/home/eve/read' sh "$1" "$file"
		((status != 0)) || [[ -z $(on web cat /home/eve/read) ]] || fail "eve can read $file of $1"
	done
	run as eve web ls "/proc/$1/fd" "/proc/$1/map_files"
	assert_failure
	run as eve web perl -e 'exit(syscall(101, 16, shift() + 0, 0, 0) == 0 ? 0 : 1)' "$1"
	assert_failure
	run as eve web sh -c 'kill -TERM "$1"' sh "$1"
	assert_failure
}

@test "another user can't look into muster-enrol while it has the token, nor stop it" {
	forgets web
	token_for role=web
	hostile_starts hang-at enrol
	on web /opt/muster-enrol --server "hub:$port" --pin "$pin" --server-key "$server_key" \
		--release-key "$release_key" <<<"$token" >/dev/null 2>&1 3>&- &
	enrolling=$!
	hangs() { helper_log | grep -q 'at enrol'; }
	eventually hangs
	pid=$(on web sh -c 'for f in /proc/[0-9]*; do [ "$(cat $f/comm 2>/dev/null)" = muster-enrol ] && echo ${f#/proc/}; done; :')
	[[ -n $pid ]]
	reads_nothing_of "$pid"
	# Its arguments are for everybody to see.
	run -0 as eve web sed 's/\x00/ /g' "/proc/$pid/cmdline"
	assert_output --partial muster-enrol
	refute_output --partial "$token"
	# And what it keeps meanwhile is not.
	run as eve web ls /var/lib/muster-enrol
	assert_failure
	# A second enrolment at once is refused.
	run -14 enrols_by_hand web
	on web sh -c 'kill -KILL "$1"' sh "$pid"
	wait $enrolling || true
	helper_ends
	server_trust
	by_hand web
	assert_success
}

@test "another user can't read the agent's keys, look into it or write its status" {
	is_enrolled
	for path in /var/lib/muster-agent /var/lib/private /var/lib/private/muster-agent; do
		run as eve web ls -L $path/
		assert_failure
		run as eve web cat $path/identity.key $path/tls.pem $path/muster-agent/identity.key
		assert_failure
		refute_output --regexp '[0-9a-f]{64}|BEGIN'
	done
	reads_nothing_of "$(on web systemctl show -P MainPID muster-agent 2>/dev/null)"
	eventually as eve web grep -qx state=connected /run/muster-agent/status
	for attempt in 'echo x >/run/muster-agent/status' 'echo x >/run/muster-agent/new' 'rm -f /run/muster-agent/status' \
		'mv /run/muster-agent /run/x' 'ln -s /root/target /run/muster-agent/.muster' 'rm /etc/muster/muster-agent.conf' \
		'echo x >>/etc/muster/muster-agent.conf' 'echo x >>/usr/local/sbin/muster-agent' \
		'systemctl --no-ask-password stop muster-agent'; do
		run as eve web sh -c "$attempt"
		assert_failure
	done
	on web systemctl is-active muster-agent
}

@test "neither does the agent's user, for another agent's sake, own anything but its two folders" {
	is_enrolled
	uid=$(on web stat -c %u /run/muster-agent)
	run -0 on web find / -xdev -uid "$uid" -not -path '/proc/*' -not -path '/run/muster-agent*' \
		-not -path '/var/lib/private/muster-agent*'
	refute_output
	run -0 on web find /etc/muster /usr/local/sbin /etc/systemd/system/muster-agent.service -not -user root
	refute_output
}

@test "another user can't connect to the server's control socket" {
	socket=$(mktemp -d /tmp/muster-socket.XXXXXX)
	chmod 755 "$socket"
	sed "s|^Control=.*|Control=$socket/control.sock|; s|^State=.*|State=$BATS_TEST_TMPDIR/state|; s|:8443$|:8444|; /^Store=/d" \
		"$server/muster-server.conf" >"$socket/conf"
	background "$MACHINES_RUN/other" "$MACHINES_RUN/other.log" "$BUILD/muster-server" --config "$socket/conf"
	listens() { curl -q -s --unix-socket "$socket/control.sock" http://localhost/api/v1/status; }
	eventually listens
	run setpriv --reuid=65534 --regid=65534 --clear-groups curl -q -sS --unix-socket "$socket/control.sock" \
		http://localhost/api/v1/status
	ends "$MACHINES_RUN/other" TERM
	rm -rf "$socket"
	assert_equal "$status" 7
}

### How files are made

@test "muster-enrol makes every file new, follows no link, and makes none in a folder of everybody's" {
	forgets web
	token_for role=web
	# Leaks can't be looked for under another tracer.
	on web env ASAN_OPTIONS=detect_leaks=0 \
		sh -c 'exec /opt/strace/ld-linux-*.so.* --library-path /opt/strace /opt/strace/strace "$@"' strace -qq -y \
		-o /root/trace -e trace=%file,%desc \
		/opt/muster-enrol --server hub:8443 --pin "$pin" --server-key "$server_key" --release-key "$release_key" <<<"$token"
	on web cat /root/trace >"$BATS_TEST_TMPDIR/trace"
	on web rm /root/trace
	cd "$BATS_TEST_TMPDIR"
	grep -E 'O_CREAT|creat\(' trace | grep -v ENOENT >made
	(($(wc -l <made) >= 6))
	# The journal is one to go on with, and keys are wiped, in a folder that root alone may enter.
	own='^openat\([0-9]+</var/lib/muster-enrol>, "[a-z.]+", O_WRONLY\|.*O_NOFOLLOW'
	run ! grep -vE "O_EXCL|$own" made
	run ! grep -vE 'O_NOFOLLOW' made
	run ! grep -E 'O_TRUNC|creat\(' trace
	run ! grep -vE "O_EXCL|\"/dev/null\"|$own" <(grep -E '^open.*(O_WRONLY|O_RDWR)' trace)
	run ! grep -E '"/?(tmp|var/tmp|dev/shm)/' trace
	run ! grep -E '(mkdirat|symlinkat|linkat|renameat2?|openat)\([0-9]+<(/tmp|/var/tmp|/dev/shm|/home)' trace
}
