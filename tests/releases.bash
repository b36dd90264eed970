# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2016,SC2154 # what the machines' shells expand; helpers.bash has the server
#
# Releases, for the .bats files about updates: `load releases` after helpers, and within setup_file, when machines have
# begun, releases_begin before the server's start.
#
#   releases_begin                  the server's configuration, by which it offers what is in $offers: at first what was built
#   newer_made                      version 0.1.9 of everything, in $newer
#   newer_released, newer_serves    a server of that version, with its programs or with those in $offers
#   offered FOLDER                  the server has these programs now, and has signed that
#   agent_offered TEXT              in place of the agent, a script that knows its version
#   version_offered, serial_offered, release_offered
#                                   of what the server offers; the last is the release's name
#   connected MACHINE               waits until its agent is
#   fact_is CLIENT FILTER VALUE     of what the server knows of that client
#   sum_of MACHINE PROGRAM          the SHA-256 of what is installed
#   held_back MACHINE               an agent that starts there waits, when it has made /run/held, until /root/hold is gone

arch=$(uname -m)
offers=${MACHINES_RUN:-}/offers
newer=${MACHINES_RUN:-}/newer

releases_begin()
{
	offers=$MACHINES_RUN/offers
	newer=$MACHINES_RUN/newer
	mkdir -p "$offers"
	cp -r "$BUILD/clients/linux" "$offers"
	server_configured
	sed -i "s|^Clients=.*|Clients=$offers|" "$server/muster-server.conf"
}

# Its units differ, too.
newer_made()
{
	local file

	mkdir -p "$newer/linux/$arch"
	for file in muster-server "clients/linux/$arch/muster-agent" "clients/linux/$arch/muster-enrol"; do
		perl -0777 -pe 's/(?<![0-9.])0\.1\.0(?![0-9.])/0.1.9/g; s/Description=muster agent\n/Description=muster agenT\n/' \
			"$BUILD/$file" >"$newer/${file#clients/}"
		chmod 755 "$newer/${file#clients/}"
	done
}

offered()
{
	local pid before

	! cmp -s "$1/linux/$arch/muster-agent" "$offers/linux/$arch/muster-agent" || return 0
	before=$(serial_offered)
	cp "$1/linux/$arch/"* "$offers/linux/$arch/"
	read -r pid _ <"$server/process" && kill -HUP "$pid"
	eventually serial_is_above "$before"
}

newer_released()
{
	cp "$newer/linux/$arch/"* "$offers/linux/$arch/"
	server_stops
	newer_serves
	assert_equal "$(version_offered)" 0.1.9
}

serial_offered()
{
	sed -n 's/^serial //p' "$server/state/manifest"
}

# As muster-protocol(7) says.
release_offered()
{
	grep -vE '^(muster-manifest|serial|issued) ' "$server/state/manifest" | sha256sum | cut -d ' ' -f 1
}

serial_is_above()
{
	(($(serial_offered) > $1))
}

agent_offered()
{
	local folder=$BATS_TEST_TMPDIR/offer

	mkdir -p "$folder/linux/$arch"
	printf '#!/bin/sh\n[ "$1" != --version ] || { echo muster-agent %s; exit 0; }\n%s\n' "$(version_offered)" "$1" \
		>"$folder/linux/$arch/muster-agent"
	cp "$offers/linux/$arch/muster-enrol" "$folder/linux/$arch/"
	chmod 755 "$folder/linux/$arch/"*
	offered "$folder"
}

version_offered()
{
	sed -n 's/^version //p' "$server/state/manifest"
}

newer_serves()
{
	server_starts sh -c 'program=$1; shift 2; exec "$program" "$@"' sh "$newer/muster-server"
}

fact_is()
{
	[[ $(api GET "/clients/$1" | jq -r "$2") == "$3" ]]
}

# By both sides' word.
connected()
{
	eventually fact_is "$(client_of "$1")" .connected true
	eventually on "$1" grep -Eq '^state=(connected|suspended)' /run/muster-agent/status
}

sum_of()
{
	on "$1" sha256sum "/usr/local/sbin/$2" | cut -d ' ' -f 1
}

held_back()
{
	on "$1" sh -c 'rm -f /run/held; touch /root/hold; mkdir -p /run/systemd/system/muster-agent.service.d
		printf "[Service]\nExecStartPre=+/bin/sh -c \"test ! -e /root/hold || touch /run/held; while test -e /root/hold; do sleep 0.05; done\"\n" \
			>/run/systemd/system/muster-agent.service.d/hold.conf'
}
