#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Where tokens and private keys are, and that they are nowhere else.
# shellcheck disable=SC2154,SC2016,SC2030,SC2031 # variables of helpers.bash, in each test anew; what the machines'
# shells expand

bats_require_minimum_version 1.5.0

setup_file()
{
	load helpers
	machines_begin
	# Whoever starts the programs may have no umask at all.
	(umask 000 && server_starts)
	machine_boot web bookworm-curl &
	machine_boot bare trixie-none &
	wait
	program_to bare
	: >"$MACHINES_RUN/tokens"
	: >"$MACHINES_RUN/guesses"
}

setup()
{
	load helpers
	server_trust
}

teardown()
{
	helper_ends
	other_ends
}

teardown_file()
{
	load helpers
	machines_end
}

### Looking for secrets

# Reads lines "NAME HEX [token]", then looks into every file below the paths: "NAME FILE" for each secret found. Of a
# token also its digits, however they are written; of each other its base64 and hexadecimal forms.
finder='
	use MIME::Base64;
	sub squeezed { my $text = shift; $text =~ tr/ \t\r\n-//d; $text }
	my (%raw, %low, %base64, %found);
	while (<STDIN>) {
		my ($name, $hex, $kind) = split;
		my $bytes = pack("H*", $hex);
		push @{$raw{$name}}, $bytes;
		push @{$low{$name}}, lc $hex;
		# The characters that depend on neither neighbour, at each of the three places in a group.
		for my $before (0 .. 2) {
			my $text = encode_base64(("x" x $before) . $bytes, "");
			$text =~ s/=+$//;
			push @{$base64{$name}}, substr($text, $before + ($before > 0), -1);
		}
	}
	sub look {
		my $path = shift;
		return if -l $path;
		if (-d _) {
			opendir(my $folder, $path) or return;
			look("$path/$_") for grep { !/^\.\.?$/ } readdir $folder;
			return;
		}
		return unless -f _ and open(my $file, "<:raw", $path);
		local $/;
		my $content = <$file> // "";
		my $squeezed = squeezed($content);
		my $lower = lc $squeezed;
		for my $name (sort keys %raw) {
			$found{"$name $path\n"} = 1 if grep { index($content, $_) >= 0 } @{$raw{$name}}
				or grep { index($lower, $_) >= 0 } @{$low{$name}}
				or grep { index($squeezed, $_) >= 0 } @{$base64{$name}};
		}
	}
	look($_) for @ARGV;
	print sort keys %found;'

# found_in FILE… : which of the secrets on stdin are in them.
found_in()
{
	perl -e "$finder" "$@"
}

# A machine's files as they are seen in it, wherever they are.
places_in()
{
	local root folder

	root=/proc/$(machine_leader "$1")/root
	for folder in dev/shm etc home opt root run srv tmp usr/local var; do
		echo "$root/$folder"
	done
}

bytes_of()
{
	perl -e 'print pack "H*", $ARGV[0]' "$1"
}

private_part()
{
	openssl pkey -in "$1" -noout -text | sed -n '/priv:/,/pub:/ s/^ //p' | tr -dc 0-9a-f
}

tokens()
{
	sed 's/.*/token-& &/' "$MACHINES_RUN/tokens"
}

# What a mistyped token was: nearly the real one.
guesses()
{
	sed 's/.*/guess-& &/' "$MACHINES_RUN/guesses"
}

server_secrets()
{
	echo "identity $(cat "$server/state/identity.key")"
	echo "tls $(private_part "$server/state/tls.pem")"
	echo "token-key $(cat "$server/state/token.key")"
	# minisign's layout: the seed is behind 62 bytes, its password is none.
	echo "release $(sed -n 2p "$server/state/release.key" | base64 -d | tail -c +63 | head -c 32 | od -An -v -tx1 | tr -d ' \n')"
}

machine_secrets()
{
	on "$1" cat /var/lib/muster-agent/identity.key | sed 's/^/identity /'
	on "$1" cat /var/lib/muster-agent/tls.pem >"$MACHINES_RUN/tls-of-$1"
	echo "tls $(private_part "$MACHINES_RUN/tls-of-$1")"
	rm "$MACHINES_RUN/tls-of-$1"
}

# token_for, and the token is remembered as one to look for.
new_token()
{
	token_for "$@"
	echo "$token" >>"$MACHINES_RUN/tokens"
}

# One digit is mistyped.
guess_of()
{
	local last=${1: -1}

	echo "${1%?}$([[ $last == 0 ]] && echo 1 || echo 0)"
}

# processes MACHINE NAME: their numbers, as seen from outside. Other runs' machines have such ones too.
processes()
{
	pgrep --ns "$(machine_leader "$1")" --nslist pid -x "$2"
}

assert_nowhere()
{
	local found

	found=$(cat)
	[[ -z $found ]] || fail "found: $found"
}

### A second server

# other_configured STATE: its own, or one that was stolen.
other_configured()
{
	other=$MACHINES_RUN/other
	mkdir -p "$other"
	printf '%s\n' '[server]' 'Listen=10.99.0.1:8444' 'Name=hub:8444' "State=$1" "$(store_line "$1")" \
		"Control=$other/control.sock" \
		"Clients=$BUILD/clients" >"$other/muster-server.conf"
}

other_starts()
{
	background "$other/process" "$other/log" "$BUILD/muster-server" --config "$other/muster-server.conf"
	eventually other_answers || fail "the other server doesn't start: $(cat "$other/log")"
}

other_answers()
{
	server=$other api GET /status >/dev/null 2>&1
}

other_ends()
{
	[[ ! -e $MACHINES_RUN/other/process ]] || ends "$MACHINES_RUN/other/process" TERM
	rm -rf "$MACHINES_RUN/other"
}

# It must end by itself, with a text that has all of these.
other_refuses()
{
	run in_hub timeout 100 "$BUILD/muster-server" --config "$other/muster-server.conf"
	((status != 0 && status != 124)) || fail "it runs: $output"
	for text; do
		assert_output --partial "$text"
	done
}

### One story, in which everything happens that has to do with a token

@test "machines enrol by all three ways to give a token, others give wrong ones" {
	new_token role=web --uses 3
	script_to web --token "$token"
	run -0 enrols web
	uninstalls() { on "$1" muster-enrol --uninstall --purge </dev/null; }
	run -0 uninstalls web
	script_to web
	run -0 on web sh -c 'read -r t; MUSTER_TOKEN=$t exec sh /root/install.sh </dev/null' <<<"${token^^}"
	run -0 uninstalls web
	run -0 on web sh /root/install.sh <<<"${token:0:4}-${token:4:4}-${token:8:4}-${token:12}"
	on web rm /root/install.sh

	new_token role=other
	for token in "$(guess_of "$token")" "${token:8}${token:0:8}" "$(openssl rand -hex 8)"; do
		echo "$token" >>"$MACHINES_RUN/guesses"
		run -8 enrols_by_hand bare
	done
	for token in "$token" "not a token" "$token$token"; do
		run -8 enrols_by_hand bare
	done
	new_token role=revoked
	token_revoked
	run -8 enrols_by_hand bare
	server_stops
	server_starts
	new_token role=bare --expires never
	run -0 enrols_by_hand bare
}

@test "the search finds secrets where they are meant to be, in whatever form" {
	run -0 found_in "$server/state" < <(server_secrets)
	assert_output "identity $server/state/identity.key
release $server/state/release.key
tls $server/state/tls.pem
token-key $server/state/token.key"
	echo 'abc 00112233445566778899aabbccddeeff0011223344556677' >"$BATS_TEST_TMPDIR/secret"
	cd "$BATS_TEST_TMPDIR"
	printf '%s' 0011-2233-4455-6677-8899-AABB-CCDD-EEFF-0011-2233-4455-6677 >digits
	bytes_of "$(cut -d ' ' -f 2 secret)" >bytes
	{ echo -n ab && cat bytes && echo -n cd; } | base64 -w 20 >lines
	{ echo -n a && cat bytes && echo -n d; } | base64 -w 21 >more-lines
	for file in digits bytes lines more-lines; do
		run -0 found_in $file <secret
		assert_output "abc $file"
	done
}

@test "no token is in the server's database, its log, its audit or anywhere else in its folder" {
	mapfile -t files < <(store_files "$server/state")
	run -0 found_in "$server" "${files[@]}" < <(tokens; guesses)
	refute_output
	# As another program sees the database, write-ahead log and all.
	store_dump "$server/state" >"$BATS_TEST_TMPDIR/dump"
	grep -q client.enrol "$BATS_TEST_TMPDIR/dump"
	found_in "$BATS_TEST_TMPDIR/dump" < <(tokens; guesses) | assert_nowhere
}

@test "no hash of a token that could be made without the server's key is in its folder" {
	while read -r token; do
		for form in "$token" "${token^^}" "$(bytes_of "$token" | base64)"; do
			for hash in md5 sha1 sha256 sha512 sha3-256 blake2b512 blake2s256; do
				echo "$hash-of-digits $(printf %s "$form" | openssl dgst "-$hash" -r | cut -d ' ' -f 1)"
			done
		done
		for hash in md5 sha1 sha256 sha512 sha3-256 blake2b512 blake2s256; do
			echo "$hash-of-bytes $(bytes_of "$token" | openssl dgst "-$hash" -r | cut -d ' ' -f 1)"
		done
	done <"$MACHINES_RUN/tokens" >"$BATS_TEST_TMPDIR/hashes"
	mapfile -t files < <(store_files "$server/state")
	found_in "$server" "${files[@]}" <"$BATS_TEST_TMPDIR/hashes" | assert_nowhere
	# But the keyed one is: so the search would have found the others.
	token=$(head -n 1 "$MACHINES_RUN/tokens")
	echo "keyed $(bytes_of "$token" | openssl mac -macopt "hexkey:$(cat "$server/state/token.key")" \
		-macopt size:32 -in - BLAKE2BMAC)" >"$BATS_TEST_TMPDIR/hashes"
	run -0 found_in "${files[@]}" <"$BATS_TEST_TMPDIR/hashes"
	assert_output --regexp '^keyed .*/(muster\.db|base/|pg_wal/)'
}

@test "the server's private keys are in their own files only" {
	run -0 found_in "$server" < <(server_secrets)
	assert_equal "$(wc -l <<<"$output")" 4
	refute_output --partial muster.db
	refute_output --partial log
}

@test "a token is in the one answer that makes it and in no other" {
	token_for role=shown
	cd "$BATS_TEST_TMPDIR"
	{
		for path in /status /tokens "/tokens/$token_id" /clients "/clients/$(client_of web)" /audit \
			'/audit?last=3' /audit/verify /tokens/t-0000000000; do
			api GET "$path" || true
		done
		api POST "/tokens/$token_id/revoke" '{}'
		api POST /installer '{}'
		api POST /installer '{"embed":true}'
		api POST /installer "{\"token\":\"$token\"}" || true
		for path in linux "linux/$(uname -m)/muster-enrol" "linux/$(uname -m)/muster-agent" manifest \
			manifest.minisig; do
			in_hub curl -q -sS -k --fail "https://10.99.0.1:8443/clients/$path"
		done
		for list in tokens clients audit; do
			list=${list%s}
			musterctl "$list" list
			musterctl --json "$list" list
		done
	} >answers
	grep -q "$token_id" answers
	grep -q '"token-not-live"' answers
	{ tokens && guesses && echo "new $token" && server_secrets && machine_secrets web; } >secrets
	found_in answers <secrets | assert_nowhere
}

@test "a token that somebody put into an address is not logged" {
	new_token role=misled
	in_hub curl -q -sS -k -o /dev/null "https://10.99.0.1:8443/v1/channel?token=$token"
	in_hub curl -q -sS -k -o /dev/null "https://10.99.0.1:8443/$token"
	in_hub curl -q -sS -k -o /dev/null -H "Authorization: Bearer $token" -A "$token" -e "$token" \
		https://10.99.0.1:8443/clients/linux
	in_hub curl -q -sS -k -o /dev/null -d "$token" "https://10.99.0.1:8443/clients/linux" || true
	found_in "$server" < <(tokens) | assert_nowhere
}

@test "no token is on a machine that has enrolled, in files, runtime folders or the journal" {
	for machine in web bare; do
		on "$machine" journalctl --sync 2>/dev/null || true
		on "$machine" journalctl -o export --all >"$BATS_TEST_TMPDIR/journal-$machine"
		grep -q muster-agent "$BATS_TEST_TMPDIR/journal-$machine"
		mapfile -t files < <(places_in "$machine")
		found_in "${files[@]}" "$BATS_TEST_TMPDIR/journal-$machine" < <(tokens; guesses) | assert_nowhere
		# Unless somebody leaves it there.
		for file in /etc/left /run/left /tmp/left /var/lib/private/muster-agent/left; do
			on "$machine" sh -c 'cat >"$1"' sh $file < <(tail -n 1 "$MACHINES_RUN/tokens")
			run -0 found_in "${files[@]}" < <(tokens)
			assert_output --regexp "^token-.*$file\$"
			on "$machine" rm $file
		done
	done
}

@test "a machine's private keys are in their own files only, and the server hasn't them" {
	for machine in web bare; do
		mapfile -t files < <(places_in "$machine")
		on "$machine" journalctl -o export --all >"$BATS_TEST_TMPDIR/journal"
		run -0 found_in "${files[@]}" "$BATS_TEST_TMPDIR/journal" < <(machine_secrets "$machine")
		assert_equal "${output//"/proc/$(machine_leader "$machine")/root"/}" "identity /var/lib/private/muster-agent/identity.key
tls /var/lib/private/muster-agent/tls.pem"
		found_in "$server" < <(machine_secrets "$machine") | assert_nowhere
	done
}

### Who may read the files

@test "the server's secret files are its owner's alone, though it was started without a umask" {
	files=(muster.db muster.db-wal)
	! store_is_postgresql || files=(claimed)
	for file in identity.key tls.pem token.key release.key "${files[@]}"; do
		assert_equal "$file $(stat -c %a "$server/state/$file")" "$file 600"
	done
	assert_equal "$(stat -c %a "$server/state")" 700
	assert_equal "$(stat -c %a "$server/control.sock")" 660
	run -0 find "$server/state" -perm /077 -printf '%f '
	refute_output --regexp 'key|pem|db'
}

@test "a machine's secret files are its owner's alone, though it enrolled without a umask" {
	run -0 on bare /opt/muster-enrol --uninstall --purge
	new_token role=bare
	on bare sh -c 'umask 000; exec "$@"' sh /opt/muster-enrol --server hub:8443 --pin "$pin" \
		--server-key "$server_key" --release-key "$release_key" <<<"$token"
	for file in identity.key tls.pem client; do
		assert_equal "$file $(on bare stat -c %a "/var/lib/private/muster-agent/$file")" "$file 600"
	done
	for folder in /var/lib/private /var/lib/private/muster-agent; do
		assert_equal "$folder $(on bare stat -c %a "$folder")" "$folder 700"
	done
	# The socket for messages is for a group that an administrator makes.
	run -0 on bare find /etc/muster /etc/systemd/system/muster-agent.service /usr/local/sbin /run/muster-agent \
		\( -type s -perm /002 \) -o \( ! -type s -perm /022 \)
	refute_output
}

@test "the server refuses a state folder and keys that others may enter or read, and says what to do" {
	other_configured "$MACHINES_RUN/other/state"
	other_starts
	ends "$other/process" TERM
	for mode in 755 710 701 777 1777; do
		chmod "$mode" "$other/state"
		other_refuses "$other/state" "chmod 0700 $other/state"
		assert_equal "$(stat -c %a "$other/state")" "$mode"
	done
	chmod 700 "$other/state"
	for file in identity.key tls.pem token.key release.key; do
		for mode in 640 604 660 666 610 601; do
			chmod "$mode" "$other/state/$file"
			other_refuses "$other/state/$file" "chmod 0600 $other/state/$file"
			assert_equal "$(stat -c %a "$other/state/$file")" "$mode"
		done
		chmod 600 "$other/state/$file"
	done
	other_starts
}

@test "the server refuses a key file that is a link, a FIFO, a folder or another user's" {
	other_configured "$MACHINES_RUN/other/state"
	other_starts
	ends "$other/process" TERM
	for file in identity.key tls.pem token.key release.key; do
		mv "$other/state/$file" "$other/kept"
		ln -s ../kept "$other/state/$file"
		other_refuses "$other/state/$file"
		rm "$other/state/$file"
		mkfifo -m 600 "$other/state/$file"
		other_refuses "$other/state/$file"
		rm "$other/state/$file"
		mkdir "$other/state/$file"
		other_refuses "$other/state/$file"
		rmdir "$other/state/$file"
		install -m 600 -o nobody "$other/kept" "$other/state/$file"
		other_refuses "$other/state/$file"
		rm "$other/state/$file"
		mv "$other/kept" "$other/state/$file"
	done
	other_starts
}

@test "the server refuses a link in the database's place" {
	! store_is_postgresql || return 0 # a file's
	other_configured "$MACHINES_RUN/other/state"
	other_starts
	ends "$other/process" TERM
	mv "$other/state/muster.db" "$other/kept"
	ln -s ../kept "$other/state/muster.db"
	other_refuses muster.db
}

@test "the agent refuses keys that others may read" {
	on bare systemctl stop muster-agent
	for file in identity.key tls.pem; do
		on bare chmod 644 "/var/lib/private/muster-agent/$file"
		run on bare systemctl start muster-agent
		assert_failure
		run -0 log_of bare muster-agent -n 5
		assert_output --partial "others than its owner may access it"
		on bare chmod 600 "/var/lib/private/muster-agent/$file"
		on bare systemctl reset-failed muster-agent
	done
	run -0 on bare systemctl start muster-agent
}

@test "a token file that others may read is refused, and what to do is said" {
	run -0 on bare /opt/muster-enrol --uninstall --purge
	new_token role=bare
	on bare sh -c 'umask 000; cat >/root/token' <<<"$token"
	for mode in 666 644 640 604 620 602; do
		on bare chmod "$mode" /root/token
		run -2 enrols_by_hand bare --token-file /root/token
		assert_output --partial "chmod 600"
		assert_equal "$(uses_spent)" 0
	done
	on bare chmod 600 /root/token
	run -0 enrols_by_hand bare --token-file /root/token
	on bare rm /root/token
}

### Processes

# Everything that runs in the machine until fd 0 ends: "WHAT PROGRAM" for each argument list or environment that has
# the secret, and last the number of rounds and of processes. After the first round, after the 30th, and when the secret
# has been found there is a file of that name in $BATS_TEST_TMPDIR.
sampler='
	my ($leader, $token, $grouped) = @ARGV;
	my $space = readlink "/proc/$leader/ns/pid";
	my ($rounds, %seen, %found) = (0);
	my $input = "";
	vec($input, 0, 1) = 1;
	until (select(my $ready = $input, undef, undef, 0)) {
		$rounds++;
		for my $folder (glob "/proc/[0-9]*") {
			next unless (readlink "$folder/ns/pid" // "") eq $space;
			my $program = (readlink "$folder/exe") // next;
			$seen{"$folder$program"} = 1;
			for my $what ("cmdline", "environ") {
				open(my $file, "<", "$folder/$what") or next;
				local $/;
				my $text = <$file> // "";
				$text =~ tr/ \t\n-//d;
				$found{"$what $program"} = 1 if index(lc $text, $token) >= 0;
			}
		}
		open(my $mark, ">", "$ENV{BATS_TEST_TMPDIR}/round-$rounds") if $rounds == 1 or $rounds == 30;
		open(my $sign, ">", "$ENV{BATS_TEST_TMPDIR}/round-found") if %found;
	}
	print map { "$_\n" } sort keys %found;
	printf "%d rounds %d processes\n", $rounds, scalar keys %seen;'

# watching MACHINE TOKEN COMMAND…: sets seen to what the sampler tells, and the rounds.
watching()
{
	local machine=$1 secret=$2 end

	shift 2
	mkfifo "$BATS_TEST_TMPDIR/end"
	perl -e "$sampler" "$(machine_leader "$machine")" "$secret" <"$BATS_TEST_TMPDIR/end" \
		>"$BATS_TEST_TMPDIR/seen" 3>&- &
	exec {end}>"$BATS_TEST_TMPDIR/end"
	eventually test -e "$BATS_TEST_TMPDIR/round-1"
	run -0 "$@"
	exec {end}>&-
	wait $!
	rm "$BATS_TEST_TMPDIR/end" "$BATS_TEST_TMPDIR/round-"*
	seen=$(sed '$d' "$BATS_TEST_TMPDIR/seen")
	read -r rounds _ processes _ < <(tail -n 1 "$BATS_TEST_TMPDIR/seen")
	echo "# $rounds rounds, $processes processes"
	((rounds > 20 && processes > 3)) || fail "too few were looked at: $rounds rounds, $processes processes"
}

forgets_web()
{
	on web muster-enrol --uninstall --purge </dev/null
}

# looked_at COMMAND…: which reads until it has been found, and looked for often enough
looked_at()
{
	"$@" < <(eventually test -e "$BATS_TEST_TMPDIR/round-30" && eventually test -e "$BATS_TEST_TMPDIR/round-found")
}

@test "the sampling sees arguments and environments, so what it doesn't see isn't there" {
	watching web 0123456789abcdef looked_at on web sh -c 'cat; :' 0123-4567-89AB-CDEF
	run -0 grep '^cmdline' <<<"$seen"
	watching web 0123456789abcdef looked_at on web env A=0123456789abcdef cat
	run -0 grep '^environ .*/cat' <<<"$seen"
}

@test "a token in the script, or given on standard input, is in no process's arguments or environment" {
	run -0 forgets_web
	new_token role=web
	script_to web --token "$token"
	watching web "$token" enrols web
	assert_equal "$seen" ""
	run -0 forgets_web
	new_token role=web
	script_to web
	watching web "$token" on web sh /root/install.sh <<<"$token"
	assert_equal "$seen" ""
	run -0 forgets_web
	new_token role=web
	script_to web --embed
	watching web "$token" on web sh /root/install.sh <<<"$token"
	assert_equal "$seen" ""
	on web rm /root/install.sh
}

# The shell that is told a token by its environment has it there until it ends, as have its subshells; the environment
# of a process is for root and its user only. No program that the shell runs has it.
@test "a token given in MUSTER_TOKEN is in the environment of the script's own shell and of nothing else" {
	run -0 forgets_web
	new_token role=web
	script_to web
	watching web "$token" on web sh -c 'read -r t; MUSTER_TOKEN=$t exec sh /root/install.sh </dev/null' <<<"$token"
	assert_equal "$seen" "environ /usr/bin/dash"
	on web rm /root/install.sh
}

# Each program that is run, not only those that are still there when somebody looks. Leaks can't be looked for under
# another tracer.
@test "of all programs that an enrolment runs none is given the token" {
	run -0 forgets_web
	faults_to web
	for way in script variable input; do
		new_token role=web
		# shellcheck disable=SC2054
		trace=(env ASAN_OPTIONS=detect_leaks=0 sh -c 'exec /opt/strace/ld-linux-*.so.* --library-path /opt/strace /opt/strace/strace "$@"' strace
			-f -qq -v -s 8192 -e trace=execve,execveat -o /root/trace)
		case $way in
		script)
			script_to web --token "$token"
			run -0 on web "${trace[@]}" sh /root/install.sh </dev/null
			;;
		variable)
			script_to web
			run -0 on web sh -c 'read -r MUSTER_TOKEN; export MUSTER_TOKEN; exec "$@" </dev/null' sh \
				"${trace[@]}" sh /root/install.sh <<<"$token"
			;;
		input)
			script_to web
			run -0 on web "${trace[@]}" sh /root/install.sh <<<"$token"
			;;
		esac
		on web cat /root/trace >"$BATS_TEST_TMPDIR/trace"
		grep -q 'execve("[^"]*/curl"' "$BATS_TEST_TMPDIR/trace"
		grep -q 'execve("[^"]*/systemctl"' "$BATS_TEST_TMPDIR/trace"
		grep -q 'execve("/usr/local/sbin/[^"]*"' "$BATS_TEST_TMPDIR/trace"
		# The first is the shell itself.
		run grep -ciF "$token" <(tail -n +2 "$BATS_TEST_TMPDIR/trace")
		assert_output 0
		on web rm /root/trace /root/install.sh
		run -0 forgets_web
	done
}

@test "musterctl has a token in no argument and in no environment" {
	cd "$BATS_TEST_TMPDIR"
	export ASAN_OPTIONS=detect_leaks=0
	strace -f -qq -v -s 8192 -e trace=execve -o trace "$BUILD/musterctl" --socket "$server/control.sock" token create \
		--label role=ctl >made 2>told
	token=$(grep -oE '^[0-9a-f]{16}$' made)
	run ! grep -i "$token" trace told
	strace -f -qq -v -s 8192 -e trace=execve -o trace "$BUILD/musterctl" --socket "$server/control.sock" installer \
		--token - <made >script
	grep -q "$token" script
	run ! grep -i "$token" trace
}

# A process that isn't dumpable belongs to root in /proc, whoever its user is, and dumps no core.
@test "neither server nor agent nor muster-enrol can leave a core dump" {
	no_core() {
		grep -E '^Max core file size +0 +0 ' "/proc/$1/limits"
	}
	read -r pid _ <"$server/process"
	run -0 no_core "$pid"
	for agent in $(processes web muster-agent; processes bare muster-agent); do
		run -0 no_core "$agent"
		# As root sees it in /proc: not the agent's user's.
		assert_equal "$(stat -c %U "/proc/$agent/mem")" root
		[[ $(awk '/^Uid/ { print $2 }' "/proc/$agent/status") != 0 ]] || fail "the agent runs as root"
	done
	[[ -n ${agent-} ]]
	# muster-enrol waits for its token, the first secret it has.
	on bare /opt/muster-enrol --uninstall --purge </dev/null
	mkfifo "$BATS_TEST_TMPDIR/token"
	on bare /opt/muster-enrol --server hub:8443 --pin "$pin" --server-key "$server_key" \
		--release-key "$release_key" <"$BATS_TEST_TMPDIR/token" >/dev/null 2>&1 3>&- &
	exec 4>"$BATS_TEST_TMPDIR/token"
	eventually processes bare muster-enrol
	pid=$(processes bare muster-enrol)
	eventually no_core "$pid"
	exec 4>&-
	wait $! || true
	# The server under a user of its own, as its unit has it.
	other_configured "$MACHINES_RUN/other/state"
	chmod 755 "$MACHINES_RUN"
	store_reachable
	# The tree may be in a folder that is root's alone.
	cp -R "$BUILD/muster-server" "$BUILD/clients" "$other"
	sed -i "s|^Clients=.*|Clients=$other/clients|" "$other/muster-server.conf"
	chown nobody "$other"
	background "$other/process" "$other/log" setpriv --reuid=65534 --regid=65534 --clear-groups \
		"$other/muster-server" --config "$other/muster-server.conf"
	eventually other_answers || fail "$(cat "$other/log")"
	read -r pid _ <"$other/process"
	assert_equal "$(stat -c %U "/proc/$pid/mem") $(awk '/^Uid/ { print $2 }' "/proc/$pid/status")" "root 65534"
	chmod 700 "$MACHINES_RUN"
}

### When something goes wrong

@test "an enrolment that was killed leaves its keys for root alone, and no token" {
	run on bare /opt/muster-enrol --uninstall --purge
	new_token role=bare
	hostile_starts hang-at enrol
	on bare /opt/muster-enrol --server "hub:$port" --pin "$pin" --server-key "$server_key" \
		--release-key "$release_key" <<<"$token" >/dev/null 2>&1 3>&- &
	hung() { helper_log | grep -q 'at enrol'; }
	eventually hung
	kill -KILL "$(processes bare muster-enrol)"
	wait $! || true
	assert_equal "$(on bare stat -c %a /var/lib/muster-enrol)" 700
	run -0 on bare find /var/lib/muster-enrol -type f
	assert_output --partial key
	run -0 on bare find /var/lib/muster-enrol -type f '(' -perm /077 -o ! -user 0 ')'
	refute_output
	mapfile -t files < <(places_in bare)
	found_in "${files[@]}" < <(tokens; guesses) | assert_nowhere
	# The next one cleans up and enrols.
	server_trust
	new_token role=bare
	run -0 enrols_by_hand bare
	run -2 on bare ls /var/lib/muster-enrol
}

@test "after --uninstall --purge no byte of the machine's keys is left on it" {
	machine_secrets bare >"$BATS_TEST_TMPDIR/secrets"
	run -0 on bare /opt/muster-enrol --uninstall --purge
	mapfile -t files < <(places_in bare)
	found_in "${files[@]}" <"$BATS_TEST_TMPDIR/secrets" | assert_nowhere
}

@test "the database alone enrols nobody: another server, with other keys, knows none of its tokens" {
	! store_is_postgresql || return 0 # a file's
	new_token role=stolen
	other_configured "$MACHINES_RUN/other/state"
	other_starts
	ends "$other/process" TERM
	rm -f "$other/state/"muster.db*
	sqlite3 "$server/state/muster.db" ".backup $other/state/muster.db"
	chmod 600 "$other/state/muster.db"
	other_starts
	run -0 env -i bash -c 'curl -q -sS --unix-socket "$1" http://localhost/api/v1/tokens' - "$other/control.sock"
	assert_output --partial "$token_id"
	{ read -r pin && read -r server_key && read -r release_key; } \
		< <(server=$other api GET /status | jq -r '.pin, .server_key, .release_key')
	port=8444 run -8 enrols_by_hand bare
	assert_output --partial "no such token"
	assert_equal "$(server=$other api GET "/tokens/$token_id" | jq .used)" 0
	# Where its own keys are, it is known.
	server_trust
	run -0 enrols_by_hand bare
}

@test "a server that has machines makes no new keys when its own are missing" {
	other_configured "$MACHINES_RUN/other/state"
	other_starts
	ends "$other/process" TERM
	store_is_postgresql || cp -p "$server/state/muster.db" "$other/state/muster.db"
	for file in identity.key tls.pem token.key release.key; do
		mv "$other/state/$file" "$other/kept"
		mv "$other/state/release.pub" "$other/kept.pub"
		other_refuses "$other/state/$file' is missing" backup
		[[ ! -e $other/state/$file ]] || fail "it has made $file"
		mv "$other/kept" "$other/state/$file"
		mv "$other/kept.pub" "$other/state/release.pub"
	done
}
