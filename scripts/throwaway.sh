# Sourced: a throwaway server with wal_level = logical, on a socket of its own, gone when the script ends.
# Sets `programs`, `directory`, `as_owner` and PGHOST, PGUSER; defines `server` (pg_ctl), `psql` and `clean_up`, the trap at exit.

programs=$(scripts/server)
directory=$(mktemp -d /tmp/walcat.XXXXXX)
as_owner=()
if [ "$(id -u)" = 0 ]; then
    owner=postgres
    id "$owner" >/dev/null 2>&1 || owner=nobody
    chown "$owner" "$directory"
    as_owner=(setpriv "--reuid=$owner" "--regid=$(id -g "$owner")" --clear-groups)
fi
chmod 755 "$directory"

server() {
    (cd / && "${as_owner[@]}" "$programs/pg_ctl" -s -D "$directory/data" "$@")
}

clean_up() {
    [ -z "${stream:-}" ] || kill -INT "$stream" 2>/dev/null || true
    server -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$directory"
}
trap clean_up EXIT

(cd / && "${as_owner[@]}" "$programs/initdb" --no-sync -U postgres -A trust -E UTF8 --locale=C -D "$directory/data" >/dev/null)
cat >>"$directory/data/postgresql.conf" <<CONFIGURATION
wal_level = logical
listen_addresses = ''
unix_socket_directories = '$directory'
fsync = off
CONFIGURATION
# Recent minor versions refuse plugins that are not listed; older ones do not know the setting.
if (cd / && "${as_owner[@]}" "$programs/postgres" -D "$directory/data" -C output_plugin_libraries) >/dev/null 2>&1; then
    echo "output_plugin_libraries = 'pgoutput, wal2json'" >>"$directory/data/postgresql.conf"
fi
server -w -l "$directory/log" start

# Nothing from outside decides where to connect.
unset "${!PG@}"
export PGHOST=$directory PGUSER=postgres
psql() {
    "$programs/psql" -qAtX -v ON_ERROR_STOP=1 "$@"
}
