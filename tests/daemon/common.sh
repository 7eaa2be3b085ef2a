# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What the daemon tests share. Sourced: sets build, scratch (removed at the end) and pids (killed at the end, by id).
set -euo pipefail
build=${WATT_BUILD:?the build folder}
scratch=$(mktemp -d "${TMPDIR:-/tmp}/watt-test.XXXXXX")
pids=''
mkfifo "$scratch/never"
exec {never}<>"$scratch/never" # never gives anything: reading it with a limit is a pause

end_test() { :; } # a test may have more to clean up

finish() {
    local pid
    for pid in $pids; do kill -KILL "$pid" 2>/dev/null || true; done
    # shellcheck disable=SC2086
    [ -z "$pids" ] || wait $pids 2>/dev/null || true # not for what end_test ends
    end_test
    rm -rf "$scratch"
}
trap finish EXIT

# Tells why, with the ends of what the programs said.
fail() {
    local log
    echo "FAIL: $*" >&2
    for log in "$scratch"/*.out "$scratch"/*.err; do
        [ ! -s "$log" ] || { echo "--- $(basename "$log")"; tail -n 25 "$log"; } >&2
    done
    exit 1
}

# until_true COMMAND...: waits until it succeeds, 20 s at most.
until_true() {
    local waited
    for ((waited = 0; waited < 400; waited++)); do
        if "$@" 2>/dev/null; then return 0; fi
        read -rt 0.05 -u "$never" || true
    done
    return 1
}

is_gone() { [ ! -e "/proc/$1" ]; }
children_of() { cat "/proc/$1/task/$1/children"; }

cgroup_mount() {
    awk '$3 == "cgroup2" { print $2; found = 1; exit } END { exit !found }' /proc/mounts || fail "no cgroup2 mount"
}

holds() { # FILE EXPRESSION: jq says true
    [ "$(jq "$2" "$1")" = true ] || fail "$1: not so: $2: $(cat "$1")"
}
