#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What muster is built on.
#
#   deps.sh packages        installs the packages of Debian that the list beside this script names (root)
#   deps.sh static          builds libcurl, libsystemd, libsecp256k1 and libnonss for static programs, unless already
#                           there
#   deps.sh path            tells their folder: include/, lib/libcurl.a and so on
#   deps.sh mirror [SUITE]  tells which mirror of Debian this machine uses for a release
#   deps.sh build           the work itself, done in the current folder; for static's use
#
# Debian's own libcurl.a can't be linked statically (GSSAPI), Debian has no libsystemd.a, and its libsecp256k1.a
# brings a megabyte of tables, so these are built from Debian's source packages. apt checks their signatures by
# Debian's own keyring; sources list, state and cache are the build's own, those of the machine stay as they are.
# The result lies outside of the tree, in $MUSTER_CACHE, else in muster/ of the user's cache folder, and is kept
# until this recipe, the release, the compiler or the installed versions of the libraries change.

set -eu

# Not what a user's PATH may put first: meson must find Debian's python3, which has jinja2.
user_path=$PATH
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C
umask 022

here=$(CDPATH='' cd "$(dirname "$0")" && pwd)
cache=${MUSTER_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/muster}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

die()
{
	echo "deps: $*" >&2
	exit 1
}

# shellcheck disable=SC1091 # a file of the machine
release() { (. /etc/os-release && echo "${VERSION_CODENAME:-}"); }

### Debian's packages

# Alternatives of each need, one need a line, none of which is there. A package is there when dpkg says so.
missing_packages()
{
	dpkg-query -W -f '${db:Status-Status} ${Package}\n' | awk '
		NR == FNR { if ($1 == "installed") there[$2] = 1; next }
		/^[ \t]*(#|$)/ { next }
		{
			n = split($0, names, /[ \t]*\|[ \t]*/)
			left = ""
			for (i = 1; i <= n; i++) {
				gsub(/[ \t]/, "", names[i])
				if (names[i] in there)
					next
				left = left (left == "" ? "" : " ") names[i]
			}
			print left
		}' - "$here/packages" | without_commands
}

# Leaves out the needs that a command in the user's PATH satisfies.
without_commands()
{
	while read -r names; do
		rest=
		for name in $names; do
			case $name in
			command:*) (PATH=$user_path && command -v "${name#command:}") >/dev/null && continue 2 ;;
			*) rest="$rest $name" ;;
			esac
		done
		echo "$rest"
	done
}

# The first of the names that the configured releases offer.
offered()
{
	for name; do
		apt-cache policy "$name" | grep -q '^  Candidate: [^(]' && echo "$name" && return
	done
	die "Debian $(release) offers none of: $*"
}

install_packages()
{
	missing=$(missing_packages)
	[ -n "$missing" ] || return 0
	[ "$(id -u)" = 0 ] || die "packages are missing, and only root can install them; run this command as root." \
		"Missing: $(echo "$missing" | awk '{ print $1 }' | tr '\n' ' ')"
	apt-get -q -o DPkg::Lock::Timeout=300 update
	set --
	while read -r names; do
		# shellcheck disable=SC2086 # a list
		name=$(offered $names)
		set -- "$@" "$name"
	done <<-END
		$missing
	END
	without_starting apt-get -q -y -o DPkg::Lock::Timeout=300 --no-install-recommends install "$@"
}

# Some of the packages are servers, there for tests to start them: by themselves they are not to start now.
without_starting()
{
	policy=/usr/sbin/policy-rc.d
	if [ -e "$policy" ]; then
		DEBIAN_FRONTEND=noninteractive "$@"
		return
	fi
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	DEBIAN_FRONTEND=noninteractive "$@"
	rm -f "$policy"
	trap - EXIT
}

### Debian's source packages

# Each archive that the machine's apt is told to use, as lines of "URI SUITE"; both of apt's formats.
configured_archives()
{
	set --
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ ! -r "$file" ] || set -- "$@" "$file"
	done
	[ $# = 0 ] || sed -n 's/#.*//; s/\[[^]]*\]//; s/^[ \t]*deb[ \t]\{1,\}//p' "$@" | awk 'NF > 1 { print $1, $2 }'
	set --
	for file in /etc/apt/sources.list.d/*.sources; do
		[ ! -r "$file" ] || set -- "$@" "$file"
	done
	[ $# = 0 ] || awk '
		function flush(  u, s, n, i) {
			split(field["uris"], u, " ")
			n = split(field["suites"], s, " ")
			if (field["types"] ~ /(^| )deb( |$)/ && tolower(field["enabled"]) !~ /no|false|0/)
				for (i = 1; i <= n; i++)
					print u[1], s[i]
			split("", field)
		}
		FNR == 1 { flush() }
		/^#/ { next }
		/^[ \t]*$/ { flush(); next }
		/^[ \t]/ { field[name] = field[name] " " $0; next }
		{
			name = tolower(substr($0, 1, index($0, ":") - 1))
			field[name] = substr($0, index($0, ":") + 1)
			gsub(/\t/, " ", field[name])
		}
		END { flush() }' "$@"
}

# A list of mirrors in a file, as images for clouds have it, stands for the first that it names.
first_mirror()
{
	case $1 in
	mirror+file:*)
		list=${1#mirror+file:}
		awk '/^[a-z]/ { print $1; exit }' "/${list#"${list%%[!/]*}"}" ;;
	*)
		echo "$1" ;;
	esac
}

# The URI of the archive that the machine uses for a suite; nothing if it has none.
archive_of()
{
	configured_archives | while read -r uri suite; do
		[ "$suite" = "$1" ] || continue
		case $uri in
		http:* | https:* | file:* | mirror+file:*) first_mirror "${uri%/}" && break ;;
		esac
	done
}

# Suites of Debian have their mirror in common, those of security updates another one.
mirror()
{
	uri=$(archive_of "$1")
	case $1 in
	*-security) fallback=http://deb.debian.org/debian-security of=$(release)-security ;;
	*) fallback=http://deb.debian.org/debian of=$(release) ;;
	esac
	[ -n "$uri" ] || uri=$(archive_of "$of")
	echo "${uri:-$fallback}"
}

# An apt of the build's own, in the folder $1: the machine's ways to the network, and nothing else of it.
private_apt()
{
	suite=$(release)
	mkdir -p "$1/lists/partial" "$1/archives/partial"
	echo "deb-src [signed-by=$keyring] $(mirror "$suite") $suite main" >"$1/sources.list"
	[ -z "$(archive_of "$suite-security")" ] ||
		echo "deb-src [signed-by=$keyring] $(mirror "$suite-security") $suite-security main" >>"$1/sources.list"
	{
		apt-config dump --format '%F "%v";%n' Acquire
		cat <<-END
			Dir::Etc::main "/dev/null";
			Dir::Etc::parts "/dev/null";
			Dir::Etc::sourcelist "$1/sources.list";
			Dir::Etc::sourceparts "/dev/null";
			Dir::State "$1";
			Dir::State::status "/var/lib/dpkg/status";
			Dir::Cache "$1";
			APT::Sandbox::User "root";
			Acquire::Languages "none";
		END
	} >"$1/apt.conf"
}

fetch_sources()
{
	[ -r "$keyring" ] || die "no $keyring; install the package debian-archive-keyring"
	private_apt "$PWD/apt"
	APT_CONFIG=$PWD/apt/apt.conf
	export APT_CONFIG
	apt-get -q update
	apt-get -q --download-only source curl systemd libsecp256k1
	dpkg-source --no-copy -x curl_*.dsc curl
	dpkg-source --no-copy -x systemd_*.dsc systemd
	dpkg-source --no-copy -x libsecp256k1_*.dsc secp256k1
}

### The libraries

cflags='-Os -g0 -fPIE -ffunction-sections -fdata-sections -fstack-protector-strong -fstack-clash-protection'
cppflags='-D_FORTIFY_SOURCE=2'

# HTTP, HTTPS and proxies. An option that this version doesn't know yet, or no more, is only warned of.
build_curl()
{
	cd curl
	# Debian's patches touch what these are made from, in ways that don't matter here.
	find . \( -name aclocal.m4 -o -name configure -o -name Makefile.in -o -name '*.h.in' \) -exec touch {} +
	CFLAGS=$cflags CPPFLAGS=$cppflags ./configure -q --disable-dependency-tracking \
		--disable-shared --enable-static --without-pic --enable-symbol-hiding \
		--with-openssl --disable-openssl-auto-load-config --without-ca-bundle --without-ca-path \
		--enable-ares --enable-http --enable-proxy --enable-ipv6 \
		--disable-dict --disable-file --disable-ftp --disable-gopher --disable-imap --disable-ipfs \
		--disable-ldap --disable-ldaps --disable-mqtt --disable-pop3 --disable-rtsp --disable-smb \
		--disable-smtp --disable-telnet --disable-tftp --disable-websockets \
		--disable-alt-svc --disable-aws --disable-cookies --disable-dateparse --disable-doh --disable-ech \
		--disable-form-api --disable-hsts --disable-kerberos-auth --disable-mime --disable-negotiate-auth \
		--disable-netrc --disable-ntlm --disable-ntlm-wb --disable-tls-srp \
		--disable-docs --disable-get-easy-options --disable-libcurl-option --disable-manual --disable-rt \
		--without-brotli --without-gssapi --without-libgsasl --without-libidn2 --without-libpsl \
		--without-librtmp --without-libssh --without-libssh2 --without-nghttp2 --without-nghttp3 \
		--without-ngtcp2 --without-quiche --without-zlib --without-zstd \
		--without-fish-functions-dir --without-zsh-functions-dir
	make -s -C lib -j "$(nproc)"
	install -m 644 lib/.libs/libcurl.a ../result/lib/
	install -m 644 include/curl/*.h ../result/include/curl/
	cd ..
}

# Debian 12's systemd looks for some libraries even when told not to ask for any: those by name.
build_systemd()
{
	set --
	for feature in acl audit blkid bzip2 gcrypt gnutls libcurl libidn libidn2 lz4 openssl p11kit pam pcre2 \
		seccomp selinux xz zlib zstd; do
		grep -q "^option('$feature'" systemd/meson_options.txt && set -- "$@" "-D$feature=false"
	done
	meson setup --auto-features=disabled "$@" -Dstatic-libsystemd=true -Dmode=release -Dtests=false \
		--buildtype=plain -Dc_args="$cflags $cppflags" systemd-build systemd
	ninja -C systemd-build version.h libsystemd.a
	install -m 644 systemd-build/libsystemd.a result/lib/
	install -m 644 systemd/src/systemd/*.h result/include/systemd/
}

# Multiples of the generator for a window of 8 bits instead of 15: 8 KiB instead of a megabyte in each program and in
# the agent's memory. A verification takes as long by them (28 us), and less from cold caches (35 instead of 40).
build_secp256k1()
{
	for part in secp256k1 precomputed_ecmult precomputed_ecmult_gen; do
		# shellcheck disable=SC2086 # lists
		gcc $cflags -O2 $cppflags -I secp256k1/include -I secp256k1/src -w -DENABLE_MODULE_ECDH=1 \
			-DECMULT_WINDOW_SIZE=8 -c -o "$part.o" "secp256k1/src/$part.c"
	done
	ar rcs result/lib/libsecp256k1.a secp256k1.o precomputed_ecmult.o precomputed_ecmult_gen.o
}

build_nonss()
{
	# shellcheck disable=SC2086 # lists
	gcc $cflags $cppflags -Wall -Wextra -c -o nonss.o "$here/nonss.c"
	ar rcs result/lib/libnonss.a nonss.o
}

# A small program must link with them, without a warning, and run.
prove()
{
	cat >prove.c <<-END
		#include <curl/curl.h>
		#include <secp256k1_ecdh.h>
		#include <systemd/sd-bus.h>
		#include <systemd/sd-daemon.h>
		#include <systemd/sd-event.h>

		int main(void)
		{
			static const unsigned char secret[32] = { 1 };
			sd_event *event = NULL;
			sd_bus *bus = NULL;
			CURL *curl = curl_easy_init();
			secp256k1_context *secp = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
			secp256k1_pubkey key;
			unsigned char shared[32];

			if (!curl || curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L) ||
			    curl_easy_setopt(curl, CURLOPT_URL, "https://localhost:1/"))
				return 1;
			if (sd_event_default(&event) < 0 || sd_notify(0, "READY=1") != 0)
				return 2;
			if (!secp256k1_ec_pubkey_create(secp, &key, secret) ||
			    !secp256k1_ecdh(secp, shared, &key, secret, NULL, NULL))
				return 4;
			sd_bus_unref(sd_bus_open_system(&bus) < 0 ? NULL : bus);
			sd_event_unref(event);
			return curl_easy_perform(curl) == CURLE_COULDNT_CONNECT ? 0 : 3;
		}
	END
	# shellcheck disable=SC2046,SC2086 # lists; Debian 13's libcrypto.a wants libz and libzstd
	gcc $cflags -I result/include -static-pie -Wl,--gc-sections,--wrap=dlopen,--fatal-warnings -o prove prove.c \
		result/lib/libcurl.a result/lib/libsystemd.a result/lib/libsecp256k1.a -lcares $(pkg-config --static --libs libssl) -lcap \
		result/lib/libnonss.a
	./prove
}

build()
{
	mkdir -p result/lib result/include/curl result/include/systemd
	fetch_sources
	build_curl
	build_systemd
	build_secp256k1
	build_nonss
	prove
}

# Where the results for this recipe on this machine lie.
static_path()
{
	key=$({
		cat "$here/deps.sh" "$here/nonss.c"
		release
		gcc -dumpfullversion -dumpmachine
		dpkg-query -W -f '${Package} ${Version}\n' libcurl4-openssl-dev libsystemd-dev libsecp256k1-dev
	} | sha256sum | cut -c 1-16) || exit
	echo "$cache/deps-$key"
}

build_static()
{
	path=$(static_path)
	[ ! -d "$path" ] || return 0
	mkdir -p "$cache"
	exec 9>"$cache/deps.lock"
	flock 9
	[ ! -d "$path" ] || return 0
	echo "deps: building static libcurl, libsystemd and libsecp256k1, once (about a minute)"
	work=$(mktemp -d "$cache/deps-work.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	# A process of its own: in a condition, a function runs on after a command of it has failed.
	if ! (cd "$work" && exec "$here/deps.sh" build) >"$work.log" 2>&1; then
		tail -n 30 "$work.log" >&2
		die "the build failed; the whole of its output is in $work.log"
	fi
	mv "$work/result" "$path"
	rm -f "$work.log"
	echo "deps: they are in $path"
}

case ${1:-} in
packages) install_packages ;;
static) build_static ;;
build) build ;;
path) static_path ;;
mirror) mirror "${2:-$(release)}" ;;
*) echo "usage: deps.sh packages | static | path | mirror [SUITE]" >&2; exit 2 ;;
esac
