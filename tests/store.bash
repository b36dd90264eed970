# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What .bats files know of the database behind a server: SQLite's file, or with STORE=postgresql a database of the
# cluster that tests/run has started (MUSTER_CLUSTER). A server is named by its state folder.
#
#   store_is_postgresql     whether it is that
#   store_line STATE        for the server's configuration: nothing with SQLite; else Store=, and the database is a new
#                           one unless the state folder is there
#   store_query STATE [SQL] asks it, or what comes on standard input, in SQLite's words
#   store_dump STATE        all that is in it, as text
#   store_files STATE       the files and folders in which it is
#   store_reachable         to servers of any user too
#   store_aside STATE       puts it aside while the server is down, and an empty one in its place; store_back puts it back

store_is_postgresql()
{
	[[ ${STORE-} == postgresql ]]
}

store_location()
{
	echo "${MUSTER_CLUSTER% dbname=*} dbname=m$(sha256sum <<<"$1" | cut -c 1-20)"
}

store_line()
{
	local name

	store_is_postgresql || return 0
	name=$(store_location "$1")
	if [[ ! -d $1 ]]; then
		psql -q -d "$MUSTER_CLUSTER" -c "DROP DATABASE IF EXISTS ${name##*=} WITH (FORCE)" \
			-c "CREATE DATABASE ${name##*=}" 2>/dev/null
	fi
	echo "Store=$name"
}

store_reachable()
{
	local folder=${MUSTER_CLUSTER-}

	store_is_postgresql || return 0
	folder=${folder#host=}
	chmod 711 "${folder%% *}"
}

# SQLite's words in PostgreSQL's.
store_words()
{
	sed -E "s/unhex\(printf\('%0([0-9]+)x', ([^)]*)\)\)/decode(lpad(to_hex(\2), \1, '0'), 'hex')/g
		s/unhex\('([0-9a-f]*)' \|\| printf\('%0([0-9]+)x', ([^)]*)\)\)/decode('\1' || lpad(to_hex(\3), \2, '0'), 'hex')/g
		s/\bx'([0-9a-fA-F]*)'/'\\\\x\1'::bytea/g
		s/zeroblob\(([0-9]+)\)/decode(repeat('00', \1), 'hex')/g
		s/\bchar\(/chr(/g
		s/\bhex\(/encode_hex(/g; s/encode_hex\(([a-z_]+)\)/upper(encode(\1, 'hex'))/g"
}

store_query()
{
	if store_is_postgresql; then
		if (($# > 1)); then echo "$2"; else cat; fi | store_words |
			PGOPTIONS='-c search_path=muster' psql -q -A -t -v ON_ERROR_STOP=1 -d "$(store_location "$1")"
	elif (($# > 1)); then
		sqlite3 -cmd '.timeout 5000' "$1/muster.db" "$2"
	else
		sqlite3 -cmd '.timeout 5000' "$1/muster.db"
	fi
}

store_dump()
{
	if store_is_postgresql; then
		pg_dump -d "$(store_location "$1")"
	else
		sqlite3 "$1/muster.db" .dump
	fi
}

# Of PostgreSQL: the database's own, and the log of all that was written.
store_files()
{
	local data=${MUSTER_CLUSTER#host=} id

	if store_is_postgresql; then
		data=${data%% *}/data
		id=$(psql -q -A -t -d "$(store_location "$1")" \
			-c 'SELECT oid FROM pg_database WHERE datname = current_database()')
		printf '%s\n' "$data/base/$id" "$data/pg_wal"
	else
		echo "$1"
	fi
}

store_renamed()
{
	psql -q -d "$MUSTER_CLUSTER" -c "ALTER DATABASE $1 RENAME TO $2"
}

store_aside()
{
	local name

	if store_is_postgresql; then
		name=$(store_location "$1")
		store_renamed "${name##*=}" "${name##*=}_aside"
		psql -q -d "$MUSTER_CLUSTER" -c "CREATE DATABASE ${name##*=}"
	else
		mv "$1/muster.db" "$1/../aside.db"
		rm -f "$1/muster.db-"*
	fi
}

store_back()
{
	local name

	if store_is_postgresql; then
		name=$(store_location "$1")
		psql -q -d "$MUSTER_CLUSTER" -c "DROP DATABASE ${name##*=}"
		store_renamed "${name##*=}_aside" "${name##*=}"
	else
		rm -f "$1/muster.db"*
		mv "$1/../aside.db" "$1/muster.db"
	fi
}
