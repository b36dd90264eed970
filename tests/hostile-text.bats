#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Text that is made to do harm: refused with a clear error, or shown escaped; never run.
# shellcheck disable=SC2154,SC2016,SC2030,SC2031,SC2094 # variables of helpers.bash, in each test anew; what other
# shells expand

bats_require_minimum_version 1.5.0

setup_file()
{
	load helpers
	machines_begin
	server_starts
	machine_boot web bookworm-curl
	mkdir "$MACHINES_RUN/texts"
	perl -e "$texts" "$MACHINES_RUN/texts"
	echo "# $(find "$MACHINES_RUN/texts" -type f | wc -l) texts" >&3
}

setup()
{
	load helpers
	server_trust
	texts=$MACHINES_RUN/texts
	cd "$BATS_TEST_TMPDIR" || return
}

teardown()
{
	helper_ends
	[[ ! -e /tmp/muster-canary ]] || { rm /tmp/muster-canary && fail "something of a text was run in the hub"; }
}

teardown_file()
{
	load helpers
	machines_end
}

# What a text would do if it were run, here as in a machine.
canary=/tmp/muster-canary

# A file for each text, as raw bytes; none has a NUL.
texts='
	use utf8;
	my @texts = ("", " ", "\x{e9}", "日本語", "🦭", "role=web", "a" x 63, "a" x 64, "a" x 10_000, "é" x 5_000, "=" x 100);
	my $do = "touch /tmp/muster-canary";
	push @texts, map { sprintf "a%cb", $_ } 1 .. 0x1f, 0x7f .. 0x9f;
	push @texts, map { "a" . chr($_) . "b" } 0x202a .. 0x202e, 0x2066 .. 0x2069, 0x2028, 0x2029, 0xfeff, 0x200e, 0x200f,
		0x61c, 0x200b, 0x2060, 0xad, 0xfff9, 0xe0041, 0x34f;
	push @texts, "\e[2J", "\e]0;owned\a", "\e[31mred", "\e]52;c;dG91Y2g=\a", "\eP+q\e\\", "\e[6n", "\x{9b}31m", "a\b\b\b";
	for my $run ("\$($do)", "`$do`", ";$do;", "|$do|", "&& $do &", "|| $do", "\n$do\n", "\r\n$do\r\n", "<($do)",
		"\${x:=\$($do)}", "\$((\$($do)))", "\$IFS\$($do)", "$do", "%0d%0a$do%0d%0a", "%0A$do%0A", "#\n$do") {
		push @texts, map { my $t = $_; $t =~ s/RUN/$run/; $t } "RUN", "\x27RUN\x27", "\x27; RUN; \x27", "\"RUN\"", "\\RUN",
			"role=RUN", "hub:8443RUN", "\x27\x27RUN", "0123456789abcdefRUN";
	}
	push @texts, "\x27", "\"", "`", "\\", "\x27\"\x27\"\x27", "\x27\x27\x27", "\\\x27", "\\\"", "\$\x27\\x41\x27", "\${HOME}",
		"\$0", "~", "~root", "*", "?", "[a-z]*", "{a,b}", "!", "!!", "#", "#!/bin/sh", "(", ")", "<", ">", ">/tmp/muster-canary",
		"2>&1", "&", "|", ";", "^", "=", ",", "a,b", "a=b=c", "a==b", "!a", "a!=b";
	push @texts, "../", "../../etc/passwd", "/etc/passwd", ".", "..", "a/b", "a//b", "..\\", "%2e%2e%2f", "%00", "%", "%%",
		"%s%s%s%n", "%x", "%1000000d", "-rf", "--help", "-", "--", "-x", "\@SERVER\@", "\@TOKEN\@", "#\@", "\@EMBED\@", "}",
		"{", "}\n$do\n{", "main", "\n}\n", "EOF", "\nEOF\n$do\n";
	push @texts, "\x27 OR 1=1 --", "\x27); DROP TABLE token; --", "\x27 UNION SELECT 1", "\",\"uses\":null,\"x\":\"", "\\u0000",
		"<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "{{7*7}}", "\${jndi:ldap://x}", "null", "true", "[]",
		"a\nState=/tmp", "a\n[server]", "a;b", "a # b", "[limits]", "a\nMESSAGE=x\nPRIORITY=0";
	my @bytes = ("\xff", "\xfe\xff", "\x80", "a\xc3", "\xc0\x80", "\xc1\xbf", "\xe2\x82", "\xed\xa0\x80", "\xf0\x80\x80\xaf",
		"\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\x9b31m", "a\xe2\x28\xa1b", "\xc0\xae\xc0\xae\xc0\xaf");
	my $n = 0;
	for (@texts) { utf8::encode($_) }
	for my $text (@texts, @bytes) {
		open my $file, ">:raw", sprintf("%s/%04d", $ARGV[0], $n++) or die;
		print $file $text;
		close $file;
	}'

# A terminal, a log or a page may be shown it: UTF-8 without any character that isn't one to see, in lines.
printable='
	use Encode;
	for my $name (@ARGV) {
		open my $file, "<:raw", $name or die "$name: $!";
		local $/;
		my $text = eval { decode("UTF-8", scalar(<$file>) // "", Encode::FB_CROAK) };
		die "$name: no UTF-8\n" unless defined $text;
		die sprintf "%s: U+%04X in: %s\n", $name, ord $1, substr $text, ($-[0] < 40 ? 0 : $-[0] - 40), 80
			if $text =~ /([^\n\P{Cc}]|[\p{Cf}\p{Zl}\p{Zp}])/;
	}'

assert_printable()
{
	perl -C2 -e "$printable" "$@" || fail "not printable"
}

# The body of a request for each text: FORMAT has the text, as a string of JSON, in the place of @.
bodies='
	my ($format, $from, $to) = @ARGV;
	for my $name (glob "$from/*") {
		open my $in, "<:raw", $name or die;
		local $/;
		my $text = <$in> // "";
		$text =~ s/(["\\])/\\$1/g;
		$text =~ s/([\x00-\x1f])/sprintf "\\u%04x", ord $1/ge;
		my $body = $format;
		$body =~ s/@/"$text"/;
		my ($base) = $name =~ m|([^/]+)$|;
		open my $out, ">:raw", "$to/$base" or die;
		print $out $body;
		close $out;
	}'

# posts PATH FOLDER: each file as a body, over one connection; answers to FOLDER.answers/FILE, "FILE STATUS" to
# FOLDER.status.
posts()
{
	local file

	mkdir "$2.answers"
	for file in "$2"/*; do
		file=${file##*/}
		printf '%s\n' "url=http://localhost/api/v1$1" "unix-socket=$server/control.sock" 'header=Expect:' \
			'header=Content-Type: application/json' "data-binary=@$2/$file" "output=$2.answers/$file" \
			"write-out=\"$file %{http_code}\\n\"" max-time=60 next
	done | sed '$d' >"$2.requests"
	curl -q -s -K "$2.requests" >"$2.status" || true
}

# The texts that a rule takes, by perl, given as code over $_ (decoded); those that aren't UTF-8 never do.
texts_that()
{
	perl -MEncode -e 'my $rule = eval "sub { $ARGV[0] }" or die;
		for my $name (glob "$ARGV[1]/*") {
			open my $file, "<:raw", $name or die;
			local $/;
			local $_ = eval { decode("UTF-8", scalar(<$file>) // "", Encode::FB_CROAK) };
			print "$1\n" if defined $_ and $rule->() and $name =~ m|([^/]+)$|;
		}' "$1" "$texts"
}

# Those of FOLDER.status with this status.
with_status()
{
	awk -v status="$2" '$2 == status { print $1 }' "$1.status"
}

# All that was not accepted is refused with a problem that names the field, and is safe to show.
assert_refused_rest()
{
	local folder=$1 accepted=$2 word=$3

	awk -v ok="$accepted" '$2 != ok && $2 != 400' "$folder.status" | {
		! grep . || fail "neither accepted nor refused"
	}
	# What isn't UTF-8 is no JSON either.
	with_status "$folder" 400 | sed "s|^|$folder.answers/|" | xargs jq -r --arg word "$word" '
		select((.status == 400 and (.code == "not-json" or (.detail | contains($word)))) | not) |
		"\(input_filename): \(.)"' | { ! grep . || fail "refused without its reason"; }
	assert_printable "$folder.answers"/*
}

### What an administrator, or who speaks in his name, may say

visible='!/[\x00-\x1f\x7f-\x9f\p{Cf}\p{Zl}\p{Zp}]/'

@test "a note is taken as it is if it can be shown, and refused if not" {
	mkdir notes
	perl -e "$bodies" '{"labels":["kind=note"],"uses":null,"expires":"never","note":@}' "$texts" notes
	posts /tokens notes
	texts_that "$visible && do { use bytes; length(Encode::encode('UTF-8', \$_)) < 256 }" >visible
	assert_equal "$(with_status notes 201 | wc -l)" "$(wc -l <visible)"
	diff visible <(with_status notes 201)
	assert_refused_rest notes 201 "field 'note'"
	# And it comes back as it was.
	perl -MJSON::PP -e 'local $/;
		sub content { open my $file, "<:raw", $_[0] or die; scalar(<$file>) // "" }
		for my $name (split " ", <STDIN>) {
			my $note = decode_json(content("notes.answers/$name"))->{note} // "";
			utf8::encode($note);
			$note eq content("$ARGV[0]/$name") or die "$name has become another\n";
		}' "$texts" <visible
}

@test "a label of other characters than a label's is refused" {
	for format in '@' '"role=web",@'; do
		rm -rf labels*
		mkdir labels
		perl -e "$bodies" "{\"labels\":[$format],\"uses\":null,\"expires\":\"never\"}" "$texts" labels
		posts /tokens labels
		diff <(texts_that '/\A[a-z0-9][a-z0-9._\/-]{0,62}(=[A-Za-z0-9._\/:@+-]{0,63})?\z/' |
			{ [[ $format == @ ]] && cat || while read -r file; do
				[[ $(<"$texts/$file") == role=* ]] || echo "$file"; done; }) <(with_status labels 201)
		assert_refused_rest labels 201 "field 'labels'"
	done
}

@test "a time, a token and a field's name that make no sense are refused" {
	mkdir expires tokens names
	perl -e "$bodies" '{"expires":@}' "$texts" expires
	posts /tokens expires
	with_status expires 201 | { ! grep . || fail "a text was taken for a time"; }
	assert_refused_rest expires 201 "field 'expires'"
	perl -e "$bodies" '{"token":@}' "$texts" tokens
	posts /installer tokens
	with_status tokens 200 | { ! grep . || fail "a text was taken for a token"; }
	awk '$2 != 400 && $2 != 404' tokens.status | { ! grep . || fail "not refused"; }
	assert_printable tokens.answers/*
	perl -e "$bodies" '{@:1}' "$texts" names
	posts /tokens names
	assert_equal "$(with_status names 400 | wc -l)" "$(find "$texts" -type f | wc -l)"
	assert_printable names.answers/*
}

# Of the token's own digits with something more, or in another's writing.
@test "only 16 digits are a token, and what the script then has is these and nothing else" {
	token_for role=web
	mkdir tokens
	for file in "$texts"/*; do
		{ printf %s "$token" && cat "$file"; } >"tokens/after-${file##*/}"
		{ cat "$file" && printf %s "$token"; } >"tokens/before-${file##*/}"
	done
	mkdir asked
	perl -e "$bodies" '{"token":@}' "$PWD/tokens" asked
	posts /installer asked
	# Blanks and newlines around are people's pasting, and an empty text is none.
	for file in $(with_status asked 200); do
		[[ -z $(tr -d ' \t\r\n0-9a-f-' <"tokens/$file") ]] || fail "taken: $(cat -v "tokens/$file")"
		[[ -z ${first-} ]] || cmp "$first" "asked.answers/$file"
		first=asked.answers/$file
	done
	[[ -n $first ]]
	assert_equal "$(grep -c "'$token'" "$first")" 1
	awk '$2 !~ /^(200|400|404)$/' asked.status | { ! grep . || fail "not refused"; }
}

@test "a selector, an id and a parameter that are none are refused" {
	for file in "$texts"/*; do
		file=${file##*/}
		encoded=$(perl -e 'local $/; $_ = <STDIN> // ""; s/([^A-Za-z0-9])/sprintf "%%%02x", ord $1/ge; print' \
			<"$texts/$file")
		[[ -n $encoded && ${#encoded} -lt 3000 ]] || continue
		for path in "clients?label=$encoded" "clients?$encoded=1" "tokens?after=$encoded" "clients/$encoded" \
			"tokens/$encoded" "audit?limit=$encoded" "$encoded"; do
			printf '%s\n' "url=\"http://localhost/api/v1/$path\"" "unix-socket=$server/control.sock" path-as-is \
				"output=answer-$file-$((++n))" "write-out=\"$path %{http_code}\\n\"" next
		done
	done | sed '$d' >requests
	curl -q -s -K requests >status || true
	awk '$2 !~ /^(200|400|404|409)$/' status | { ! grep . || fail "another answer"; }
	# Nothing but a selector that is one, and a place to go on from.
	run awk '$2 == 200 { sub("[?].*", "?", $1); print $1 }' status
	assert_equal "$(sort -u <<<"$output")" "$(printf '%s\n' 'clients?' 'tokens?')"
	key='[a-z0-9][a-z0-9._\/-]{0,62}'
	term="(!?$key|$key!?=[A-Za-z0-9._\\/:@+-]{0,63})"
	assert_equal "$(awk '$2 == 200 && /label=/' status | wc -l)" "$(texts_that "/\\A(\\*|$term(,$term)*)\\z/" | wc -l)"
	assert_printable answer-*
	# As raw bytes, which no address may have.
	for text in $'a\x01b' $'\e[2J' $'\xff' 'é' ' ' $'\t' '"' '<' \\; do
		printf 'GET /api/v1/tokens/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' "$text" |
			socat -t 60 - "UNIX-CONNECT:$server/control.sock" >raw
		run -0 head -n 1 raw
		assert_output --regexp ' 40[04] '
		assert_printable <(tr -d '\r' <raw)
	done
}

### What is shown of it

@test "musterctl takes any text as an argument and shows it escaped" {
	n=0
	for file in "$texts"/*; do
		text=$(<"$file")
		# Two of the commands for each text; all of the commands for each kind of text, as these come in rows.
		case $((n++ % 5)) in
		0) commands=("token create --label" "client show") ;;
		1) commands=("token create --note" "") ;;
		2) commands=("token create --expires" "token show") ;;
		3) commands=("client list --label" "token revoke") ;;
		4) commands=("installer --token" "audit list --after") ;;
		esac
		for command in "${commands[@]}"; do
			# shellcheck disable=SC2086
			musterctl $command "$text" >>said 2>&1 || true
		done
	done
	assert_printable said
}

@test "musterctl refuses what isn't UTF-8, and doesn't leave it out" {
	before=$(api GET /status | jq .tokens)
	for option in --label --note --expires --uses; do
		run -2 musterctl token create "$option" $'a\xff'
		assert_output --partial "$option"
		run -2 musterctl token create "$option=$(printf '\xc0\x80')"
	done
	run -2 musterctl installer --token $'\xff'
	run -2 musterctl installer --token - <<<$'0123456789abcde\xff'
	refute_output --partial "settings()"
	assert_equal "$(api GET /status | jq .tokens)" "$before"
}

@test "lists have a line for each thing and no byte to be afraid of, valid JSON, and so have log and audit" {
	musterctl token list >table
	musterctl --json token list >json
	assert_equal "$(wc -l <table)" "$(($(jq '.tokens | length' json) + 1))"
	(($(wc -l <table) > 200))
	for list in client audit; do
		musterctl $list list >$list-table
		musterctl --json $list list >$list-json
		jq -e . $list-json >/dev/null
	done
	musterctl audit verify >verified
	jq -r '.tokens[].id' json | head -n 20 | while read -r id; do
		musterctl token show "$id"
		musterctl --json token show "$id" | jq -e .
	done >shown
	server_log >log
	# JSON writes control characters with its own escapes: those must not come out again either.
	jq -r .. json >unescaped
	assert_printable table json client-* audit-* shown log unescaped verified
}

@test "the script doesn't change by what labels or notes say" {
	token_for role=web
	api POST /installer "{\"token\":\"$token\"}" | sed "s/$token/TOKEN/" >plain
	made=$(api POST /tokens "{\"labels\":[\"a=b\"],\"note\":\"'; touch $canary; \$(touch $canary) \`\"}")
	other=$(jq -r .token <<<"$made")
	api POST /installer "{\"token\":\"$other\"}" | sed "s/$other/TOKEN/" >noted
	cmp plain noted
	sh -n noted
	shellcheck noted
}

### The configuration

@test "a Name= that isn't a host and port is refused with file and line" {
	printf '[server]\nState=%s\nControl=%s\n' "$PWD/state" "$PWD/control" >start
	for file in "$texts"/*; do
		! LC_ALL=C grep -qzP '\n' "$file" || continue
		{ cat start && printf Name= && cat "$file" && echo; } >"conf-${file##*/}"
		if "$BUILD/muster-server" --check --config "conf-${file##*/}" >"said-${file##*/}" 2>&1; then
			echo "${file##*/}" >>accepted
		elif ! grep -q "conf-${file##*/}:4: " "said-${file##*/}"; then
			fail "no file and line: $(cat "said-${file##*/}")"
		fi
	done
	[[ ! -e accepted ]] || fail "accepted: $(cd "$texts" && xargs cat -v <"$OLDPWD/accepted")"
	assert_printable said-*
}

@test "a Name= that is accepted makes a script that is sound and runs nothing of it" {
	long=$(printf 'a%.0s' {1..63})
	for name in hub:1 hub.example.org:65535 '[::1]:8443' '[2001:db8::1]:443' 10.0.0.1:8443 xn--bcher-kva.example:8443 \
		a-b.c--d:8443 1:1 HUB.:80 "$long.$long.$(printf 'b%.0s' {1..40}):8443"; do
		sed -i "s|^Name=.*|Name=$name|" "$server/muster-server.conf"
		read -r pid _ <"$server/process"
		kill -HUP "$pid"
		named() { [[ $(api GET /status | jq -r .name) == "$name" ]]; }
		eventually named || fail "$name is not taken: $(server_log | tail -n 3)"
		api POST /installer '{}' >script
		grep -qF "server='$name'" script || fail "$name isn't in the script"
		sh -n script
	done
	for name in "hub:8443;x" "hub:8443'" '$(x):1' "hub" ":1" "hub:0" "hub:65536" "a b:1" '[::1:1' '::1:1' "-x:1" \
		"$long$long$long$long$long:1"; do
		sed -i "s|^Name=.*|Name=$name|" "$server/muster-server.conf"
		run ! "$BUILD/muster-server" --check --config "$server/muster-server.conf"
		assert_output --partial "muster-server.conf:3: "
	done
	sed -i 's|^Name=.*|Name=hub:8443|' "$server/muster-server.conf"
	kill -HUP "$pid"
	name=hub:8443
	eventually named
}

### The script

@test "what a script is given as token or options is never run" {
	script_to web
	on web sh -c 'cat >/root/each && chmod 700 /root/each' <<-'END'
		#!/bin/sh
		# Each text is a token, in two ways, and an option's value.
		for file in /root/texts/*; do
			text=$(cat "$file")
			MUSTER_TOKEN=$text sh /root/install.sh --dry-run </dev/null
			echo "exit $?"
			sh /root/install.sh --dry-run <"$file"
			echo "exit $?"
			MUSTER_TOKEN=0123456789abcdef sh /root/install.sh --proxy "$text" --dry-run </dev/null
			echo "exit $?"
			sh /root/install.sh --token-file "$text" "$text" </dev/null
			echo "exit $?"
		done
	END
	# One of each kind: each run takes a tenth of a second.
	mkdir chosen
	grep -lE 'canary|^[^a-z]{1,3}$' "$texts"/* | awk 'NR % 9 == 0' | xargs cp -t chosen
	tar -C chosen -c . | on web sh -c 'mkdir -p /root/texts && tar -C /root/texts -x'
	on web /root/each >said 2>&1
	run -0 grep -c '^exit' said
	((output == 4 * $(find chosen -type f | wc -l)))
	run sort -u < <(grep '^exit' said)
	refute_line 'exit 0'
	refute_line 'exit 1'
	run ! on web ls $canary
	assert_printable said
	run ! on web ls /etc/muster
}

@test "what a server answers that isn't one is shown without its bytes" {
	token_for role=web
	for mode in garbage-http redirect endless-head plain-http; do
		hostile_starts "$mode"
		script_to web --server "hub:$port" --token "$token"
		run enrols web
		[[ $status == 6 || $status == 7 || $status == 11 ]] || fail "$status: $output"
		printf '%s\n' "$output" >said
		assert_printable said
		helper_ends
		run ! on web ls /etc/muster
	done
}

### What machines say of themselves

@test "a machine's host name and os-release can't deceive who reads them" {
	token_for role=web
	script_to web --token "$token"
	run -0 enrols web
	client=$(client_of web)
	on web cp --remove-destination /usr/lib/os-release /etc/os-release
	for text in $'\e[2J\e]0;owned\a' $'two\nlines' $'a\xe2\x80\xaeb' '$(touch /tmp/muster-canary)' $'\xff\xfe' \
		"';drop--" $'x\x7f\xc2\x9b31my' "$(printf 'n%.0s' {1..64})"; do
		before=$(api GET "/clients/$client" | jq -r .last_hello)
		printf %s "$text" | on web perl -e 'local $/; $_ = <STDIN>; $_ = substr $_, 0, 64;
			syscall(170, $_, length) == 0 or die "sethostname: $!"'
		{ printf 'PRETTY_NAME="' && printf %s "$text$text$text$text$text" && echo '"'; } |
			on web sh -c 'cat >/etc/os-release'
		on web systemctl restart muster-agent
		again() { [[ $(api GET "/clients/$client" | jq -r '.connected, .uptime' | xargs) == true* &&
			$(api GET "/clients/$client" | jq -r .os) != Debian* ]]; }
		eventually again
		api GET "/clients/$client" >client
		jq -r '.hostname, .os' client >values
		musterctl client list >table
		musterctl client show "$client" >show
		assert_equal "$(wc -l <table)" 2
		musterctl --json client list | jq -e . >json
		assert_printable client values table show json
	done
	server_log >log
	assert_printable log
	run ! on web ls $canary
	printf web | on web perl -e '$_ = <STDIN>; syscall(170, $_, length)'
}

hello='
	my ($name) = @ARGV;
	open my $file, "<:raw", $name or die;
	local $/;
	my $text = substr <$file> // "", 0, 120;
	print unpack "H*", pack("C a16 Q> Q> (C/a)5 a32", 1, "boot", 1, 1, $text, $text, "kernel", "arch", "1", "machine");'

@test "a machine that lies about itself in raw bytes is refused if they can't be shown, else shown as they are" {
	token_for kind=liar
	mkdir liar
	peer() {
		in_hub "$BUILD/tests/helpers/peer" --server 10.99.0.1:8443 --server-key "$server_key" --dir "$PWD/liar" "$@"
	}
	run -0 peer enrol "$token"
	client=$(api GET "/tokens/$token_id" | jq -r '.clients[0].id')
	texts_that "$visible" >visible
	for file in "$texts"/*; do
		number=${file##*/}
		# Some of each kind, and all that aren't UTF-8.
		((10#$number % 7 == 0 || 10#$number > 333)) || continue
		[[ $(wc -c <"$file") -lt 120 ]] || continue
		run peer connect-enrolled say 0 "$(perl -e "$hello" "$file")" answer
		if grep -qx "$number" visible; then
			assert_output --partial op=ACK
			api GET "/clients/$client" | jq -e --rawfile text "$file" '(.hostname // "") == $text' >/dev/null ||
				fail "$(cat -v "$file") is shown as $(api GET "/clients/$client")"
			echo taken >>taken
		else
			refute_output --partial op=ACK
			echo refused >>refused
		fi
		api GET "/clients/$client" >"client-$number"
		musterctl client show "$client" >"show-$number"
	done
	(($(wc -l <taken) > 15 && $(wc -l <refused) > 15))
	server_log >log
	assert_printable client-* show-* log
}

### Bodies that are no JSON, or not the JSON that was asked for

@test "a body that isn't JSON, or is of the wrong kind, is refused and changes nothing" {
	before=$(api GET /status | jq .tokens)
	entries=$(api GET /audit/verify | jq .entries)
	mkdir broken
	n=0
	while IFS= read -r body; do
		n=$((n + 1))
		printf '%b' "$body" >"broken/$n"
	done <<-'END'
		[
		{
		}
		{]
		{"labels"
		{"labels":
		{"labels":[
		{"labels":["a"
		{"labels":["a"]
		{"labels":["a"]}}
		{"labels":["a"]} x
		{"labels":["a"]}{}
		{"labels":["a"],}
		{"labels":["a",]}
		{"labels":["a" "b"]}
		{"labels" ["a"]}
		{"labels":["a"];"uses":1}
		{labels:["a"]}
		{'labels':['a']}
		{"labels":[a]}
		{"uses":01}
		{"uses":+1}
		{"uses":-}
		{"uses":1.}
		{"uses":.1}
		{"uses":1e}
		{"uses":1e999}
		{"uses":0x10}
		{"uses":NaN}
		{"uses":Infinity}
		{"uses":1 000}
		{"uses":1,,"note":"a"}
		{"note":"a\\x41"}
		{"note":"a\\u12"}
		{"note":"a\\ud800"}
		{"note":"a\\udc00\\ud800"}
		{"note":"a\\u0000b"}
		{"note":"a\x00b"}
		{"note":"a\nb"}
		{"note":"a\tb"}
		{"note":"a}
		{"note":"\\"}
		{"note":"\xff"}
		{"note":"\xed\xa0\x80"}
		{"note":tru}
		{"note":True}
		{"note":nul}
		{"note":/* */"a"}
		{"note":"a"}//
		# {"note":"a"}
		\xef\xbb\xbf{"note":"a"}
		\xff\xfe{\x00}\x00
		\x00{}
		{}\x00
		{"note":"a","note":"b"}
		{"uses":1,"uses":1}
		{"uses":1,"us\\u0065s":2}
		null
		true
		1
		"labels"
		[]
		[{"labels":["a"]}]
		{"Labels":["a"]}
		{"labels ":["a"]}
		{"":1}
		{"__proto__":{}}
		{"token":"0123456789abcdef"}
		{"id":"t-0000000000"}
		{"used":0}
		{"state":"live"}
		{"created_by":"root"}
		{"labels":"a"}
		{"labels":{}}
		{"labels":{"a":"b"}}
		{"labels":1}
		{"labels":[1]}
		{"labels":[null]}
		{"labels":[["a"]]}
		{"labels":[{}]}
		{"labels":["a","a"]}
		{"labels":["a=1","a=2"]}
		{"labels":true}
		{"uses":0}
		{"uses":-1}
		{"uses":1.0}
		{"uses":1.5}
		{"uses":1e2}
		{"uses":4294967295}
		{"uses":4294967296}
		{"uses":4294967297}
		{"uses":9223372036854775808}
		{"uses":18446744073709551617}
		{"uses":"1"}
		{"uses":"unlimited"}
		{"uses":true}
		{"uses":[]}
		{"uses":{}}
		{"expires":1}
		{"expires":0}
		{"expires":true}
		{"expires":[]}
		{"expires":""}
		{"expires":"0"}
		{"expires":"0s"}
		{"expires":"-1h"}
		{"expires":"1.5h"}
		{"expires":"99999999999999999999s"}
		{"expires":"101y"}
		{"expires":"2020-01-01T00:00:00Z"}
		{"expires":"2027-02-30T00:00:00Z"}
		{"expires":"9999-12-31T23:59:59Z"}
		{"expires":"2027-13-01T00:00Z"}
		{"note":1}
		{"note":[]}
		{"note":{}}
		{"note":true}
	END
	# Deep and wide.
	printf '[%.0s' {1..60000} >broken/deep-list
	{ for _ in {1..8000}; do printf '{"a":'; done; } >broken/deep-object
	{ printf '{"note":' && printf '[%.0s' {1..3000} && printf ']%.0s' {1..3000} && printf '}'; } >broken/deep-whole
	{ printf '{"labels":[' && printf '"l%d",' {1..33} && printf '"z"]}'; } >broken/33-labels
	{ printf '{"labels":[' && printf '"a",%.0s' {1..10000} && printf '"a"]}'; } >broken/10000-labels
	{ printf '{' && printf '"k%d":1,' {1..5000} && printf '"z":1}'; } >broken/5000-fields
	{ printf '{"uses":' && printf '9%.0s' {1..60000} && printf '}'; } >broken/long-number
	{ printf '{"note":"' && printf 'a%.0s' {1..60000} && printf '"}'; } >broken/long-note
	head -c 60000 /dev/urandom >broken/random
	posts /tokens broken
	awk '$2 != 400' broken.status | { ! grep . || fail "not refused"; }
	assert_equal "$(wc -l <broken.status)" "$(find broken -type f | wc -l)"
	for answer in broken.answers/*; do
		jq -e '.status == 400 and .title and .detail and .code' "$answer" >/dev/null || fail "$(cat "$answer")"
	done
	assert_printable broken.answers/*
	assert_equal "$(api GET /status | jq .tokens)" "$before"
	assert_equal "$(api GET /audit/verify | jq '.ok, .entries' | xargs)" "true $entries"
	# The same where an object of other fields is asked for.
	sed 's|/v1/tokens|/v1/installer|' broken.requests >again
	curl -q -s -K again | awk '$2 == 200' | { ! grep . || fail "a script was made"; }
}

# 000: the server, which doesn't read on, has ended the connection before curl looked at the answer.
too_large()
{
	curl -q -s --max-time 20 --unix-socket "$server/control.sock" -o /dev/null -w '%{http_code}' -H Expect: \
		-H 'Content-Type: application/json' "$@" http://localhost/api/v1/tokens || true
}

memory()
{
	local pid

	read -r pid _ <"$server/process"
	awk '/^VmRSS/ { print $2 }' "/proc/$pid/status"
}

@test "bodies of megabytes are refused, and the server needs no more memory for them" {
	{ printf '{"note":"' && head -c 10000000 /dev/zero | tr '\0' a && printf '"}'; } >large
	head -c 65537 large >above
	assert_equal "$(too_large --data-binary @above)" 413
	before=$(memory)
	for _ in {1..10}; do
		[[ $(too_large --data-binary @large) == @(413|000) ]]
		[[ $(too_large -H 'Transfer-Encoding: chunked' --data-binary @large) == @(501|000) ]]
	done
	after=$(memory)
	((after < before + 2048)) || fail "from $before to $after KiB"
	# A length that is a lie: more is promised than comes, and the next one is served meanwhile.
	printf 'POST /api/v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n{' |
		timeout 2 socat -t 2 - "UNIX-CONNECT:$server/control.sock" >short &
	api GET /status >/dev/null
	wait $! || true
	for length in 99999999999999999999 -1 0x10 '1 1' '1, 1' '+5'; do
		printf 'POST /api/v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Length: %s\r\n\r\n{}' "$length" |
			socat -t 60 - "UNIX-CONNECT:$server/control.sock" >answer
		run -0 head -n 1 answer
		assert_output --regexp ' 4(00|13) '
	done
	api GET /status >/dev/null
}
