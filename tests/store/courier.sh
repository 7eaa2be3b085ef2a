#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# watt-courier against a real server: nothing is lost or doubled by a server that comes late or dies, by a courier that is
# killed, and it holds no privilege. Needs WATT_BUILD; makes the servers itself (server.sh).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
courier=$WATT_BUILD/watt-courier
tool=$WATT_BUILD/tests/store_tool
folder=$(mktemp -d "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")/watt-courier.XXXXXX")
pids=()

clean_up() {
    local pid
    for pid in "${pids[@]}"; do
        kill -KILL "$pid" 2>/dev/null || true
    done
    "$here/server.sh" stop "$folder/server"
    "$here/server.sh" stop "$folder/guarded"
    rm -rf "$folder"
}
trap clean_up EXIT

fail() {
    echo "courier.sh: $*" >&2
    for log in "$folder"/*.log; do
        echo "--- $log" >&2
        tail -n 20 "$log" >&2
    done
    exit 1
}

# wait_until SECONDS COMMAND...: tries until it succeeds.
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || fail "waited in vain for: $*"
        read -r -t 0.1 <> <(:) || true
    done
}

holds() { # URI N
    [ "$("$tool" dense "$1" 2>/dev/null)" = "$2" ]
}

expect() { # STATUS COMMAND...
    local expected=$1 status=0
    shift
    "$@" 2>"$folder/last.log" || status=$?
    [ $status = "$expected" ] || fail "exit status $status, not $expected: $*"
}

said() { # WORDS
    grep -q -- "$1" "$folder/last.log" || fail "the message lacks: $1"
}

ends() { # PID
    ! kill -0 "$1" 2>/dev/null
}

end_with() { # SIGNAL PID, and no word from the shell
    disown "$2"
    kill -s "$1" "$2"
    wait_until 20 ends "$2"
}

carry() { # NAME DATABASE OPTIONS... : in the background, its pid in $pid
    local name=$1 database=$2
    shift 2
    WATT_COURIER_STORE=$uri/$database "$courier" --spool "sqlite:$folder/$name" "$@" 2>>"$folder/$name.log" &
    pid=$!
    pids+=("$pid")
}

usage() {
    "$tool" write "sqlite:$folder/usage" 0 1
    expect 64 "$courier" --spool "sqlite:$folder/usage" --store mongodb://127.0.0.1:1 --once
    said mongodb://HOST/DATABASE
    expect 64 "$courier" --spool "sqlite:$folder/usage" --once
    said WATT_COURIER_STORE
    expect 64 "$courier" --nonsense
    expect 69 "$courier" --spool "sqlite:$folder/usage" --once --store mongodb://127.0.0.1:1/power
    said 127.0.0.1:1
    : >"$folder/readable"
    chmod 0644 "$folder/readable"
    expect 78 "$courier" --spool "sqlite:$folder/usage" --once --store mongodb://127.0.0.1:1/power \
        --credentials-file "$folder/readable"
    said chmod
}

a_late_server() {
    uri=$("$here/server.sh" start "$folder/server")
    "$here/server.sh" stop "$folder/server"
    "$tool" write "sqlite:$folder/late" 0 40
    carry late late
    wait_until 20 grep -q 'records wait in the spool' "$folder/late.log"
    "$here/server.sh" start "$folder/server" >/dev/null
    wait_until 30 holds "$uri/late" 40
    "$tool" write "sqlite:$folder/late" 40 10
    wait_until 30 holds "$uri/late" 50
    grep -Eq '^Cap(Inh|Prm|Eff|Bnd|Amb):.*[1-9a-f]' "/proc/$pid/status" && [ "$(id -u)" = 0 ] &&
        fail "capabilities are held: $(grep ^Cap "/proc/$pid/status")"
    grep -q '^NoNewPrivs:[[:space:]]*1' "/proc/$pid/status" || fail "may gain privileges"
    kill -TERM "$pid"
    wait "$pid" || fail "SIGTERM is no failure"
    [ "$(grep -c 'records wait' "$folder/late.log")" = 1 ] || fail "being away is said once"
    [ "$(grep -c 'reach their store again' "$folder/late.log")" = 1 ] || fail "being back is said once"
}

a_killed_courier() {
    local round
    "$tool" write "sqlite:$folder/killed" 0 600
    for round in 1 2 3; do
        rm -f "$folder/killed/before"
        cp "$folder/killed/courier.position" "$folder/killed/before" 2>/dev/null || : >"$folder/killed/before"
        carry killed killed --batch-documents 1
        wait_until 20 sh -c "[ -e '$folder/killed/courier.position' ] &&
            ! cmp -s '$folder/killed/courier.position' '$folder/killed/before'"
        end_with KILL "$pid"
    done
    ! holds "$uri/killed" 600 || fail "killed too late to prove anything"
    expect 0 env "WATT_COURIER_STORE=$uri/killed" "$courier" --spool "sqlite:$folder/killed" --once
    holds "$uri/killed" 600 || fail "after kill -9: $("$tool" dense "$uri/killed" 2>&1)"
    # Without its position it sends everything again, and nothing is doubled.
    rm "$folder/killed/courier.position"
    expect 0 env "WATT_COURIER_STORE=$uri/killed" "$courier" --spool "sqlite:$folder/killed" --once
    holds "$uri/killed" 600 || fail "after a lost position: $("$tool" dense "$uri/killed" 2>&1)"
    said '0 new documents, 1200 that were there already, 0 refused'
}

a_killed_server() {
    "$tool" write "sqlite:$folder/crash" 0 400
    carry crash crash --batch-documents 5
    wait_until 20 test -s "$folder/crash/courier.position"
    "$here/server.sh" stop "$folder/server" KILL
    wait_until 30 grep -q 'records wait' "$folder/crash.log"
    "$here/server.sh" start "$folder/server" >/dev/null
    wait_until 60 holds "$uri/crash" 400
    kill -TERM "$pid"
    wait "$pid" || fail "SIGTERM is no failure"
}

a_dead_parent() {
    "$tool" write "sqlite:$folder/orphan" 0 1
    WATT_COURIER_STORE=$uri/orphan bash -c '"$@" & echo $! >"$0"; wait' "$folder/orphan.pid" \
        "$courier" --spool "sqlite:$folder/orphan" --with-parent 2>>"$folder/orphan.log" &
    local parent=$!
    pids+=("$parent")
    wait_until 20 holds "$uri/orphan" 1
    pid=$(cat "$folder/orphan.pid")
    pids+=("$pid")
    end_with KILL "$parent"
    wait_until 20 ends "$pid"
}

a_wrong_password() {
    local guarded=$folder/guarded
    uri=$("$here/server.sh" start "$guarded" anna 'p@ss:w/rd')
    "$tool" write "sqlite:$folder/auth" 0 3
    local address=${uri#mongodb://}
    expect 77 env "WATT_COURIER_STORE=mongodb://anna:s3cret@$address/test" \
        "$courier" --spool "sqlite:$folder/auth" --once
    said "$address"
    ! grep -q s3cret "$folder/last.log" || fail "the password is in the log"
    (umask 077 && echo 'anna:p@ss:w/rd' >"$folder/credentials")
    expect 0 "$courier" --spool "sqlite:$folder/auth" --store "$uri/test" --once \
        --credentials-file "$folder/credentials"
    holds "mongodb://anna:p%40ss%3Aw%2Frd@$address/test" 3 || fail "not carried with the right password"
}

for scene in usage a_late_server a_killed_courier a_killed_server a_dead_parent a_wrong_password; do
    $scene
    echo "ok $scene ($SECONDS s)"
done
