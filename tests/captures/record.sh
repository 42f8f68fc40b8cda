#!/usr/bin/env bash
# Records the captures in this folder anew, with pg_recvlogical from throwaway servers.
# usage: record.sh BINDIR_15 BINDIR_17      (initdb and postgres; psql, pg_recvlogical and wal2json are those of 15; dblink is needed)
# Run it as a user other than root.
set -eu
bin15=$1 bin17=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
export PGHOST=$work PGPORT=54329 PGUSER=recorder PGDATABASE=postgres PGOPTIONS='-c timezone=UTC'
server=

start() {
    "$1/initdb" -D "$work/$2" -U recorder -A trust --no-sync --locale=C --encoding=UTF8 >"$work/log"
    cat >>"$work/$2/postgresql.conf" <<-END
		listen_addresses = ''
		port = $PGPORT
		unix_socket_directories = '$work'
		wal_level = logical
		max_prepared_transactions = 10
		fsync = off
		autovacuum = off
		$3
	END
    "$1/pg_ctl" -s -w -D "$work/$2" -l "$work/log" start
    server="$1/pg_ctl -s -D $work/$2 -m fast stop"
}

stop() {
    $server
    server=
}
trap 'stop; rm -rf "$work"' EXIT

sql() { "$bin15/psql" -qAtX -v ON_ERROR_STOP=1 "$@"; }

slot() { sql -c "select pg_create_logical_replication_slot('$1', '$2', false, $3)" >/dev/null; }

record() {
    slot=$1 file=$2
    shift 2
    "$bin15/pg_recvlogical" -d postgres --slot "$slot" --start --no-loop --endpos "$(sql -c 'select pg_current_wal_insert_lsn()')" \
        -f "$work/capture" "$@"
    mv "$work/capture" "$here/$file"
    sql -c "select pg_drop_replication_slot('$slot')" >/dev/null
}

everything() {
    sql -f "$here/schema.sql" >/dev/null
    sql -c 'create publication everything for all tables'
}

all=(-o publication_names=everything -o messages=true)

start "$bin15" 15 ''
everything
slot pgoutput1 pgoutput false
slot wal2json wal2json false
slot wal2json_plain wal2json false
sql -f "$here/workload.sql" >/dev/null
record pgoutput1 pgoutput-1.bin -o proto_version=1 "${all[@]}"
record wal2json wal2json.bin -o format-version=2 -o include-lsn=1 -o include-xids=1 -o include-timestamp=1 \
    -o include-type-oids=1 -o include-pk=1 -o include-origin=1
record wal2json_plain wal2json-plain.bin -o format-version=2
stop

# Each change of a transaction is streamed at once, so that small transactions do.
start "$bin17" 17 'debug_logical_replication_streaming = immediate'
everything
slot pgoutput2 pgoutput false
slot pgoutput3 pgoutput true
slot pgoutput4 pgoutput true
sql -f "$here/workload.sql" >/dev/null
sql -f "$here/concurrent.sql" >/dev/null
record pgoutput2 pgoutput-2.bin -o proto_version=2 -o streaming=on "${all[@]}"
record pgoutput3 pgoutput-3.bin -o proto_version=3 -o streaming=off "${all[@]}"
record pgoutput4 pgoutput-4.bin -o proto_version=4 -o streaming=parallel "${all[@]}"
ls -l "$here"/*.bin
