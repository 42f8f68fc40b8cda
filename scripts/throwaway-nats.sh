# Sourced after throwaway.sh: throwaway NATS servers with JetStream on loopback, gone when the script ends.
# Defines `nats_server NAME PORT [LINE...]`, which starts one and waits until it takes connections.

nats_program=$(scripts/nats-server)
nats_pids=()

nats_server() {
    local name=$1 port=$2
    shift 2
    mkdir -p "$directory/$name"
    {
        echo "server_name: $name"
        echo "listen: \"127.0.0.1:$port\""
        echo "jetstream { store_dir: \"$directory/$name/store\" }"
        printf '%s\n' "$@"
    } >"$directory/$name/configuration"
    "$nats_program" -c "$directory/$name/configuration" >"$directory/$name/log" 2>&1 &
    nats_pids+=($!)
    disown
    until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
        kill -0 "${nats_pids[-1]}" || { cat "$directory/$name/log" >&2; exit 1; }
        sleep 0.05
    done
}

free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 10000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}

clean_up_nats() {
    for pid in "${nats_pids[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
    clean_up
}
trap clean_up_nats EXIT
