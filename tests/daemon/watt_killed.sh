#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# watt run and watt attach killed by SIGKILL leave no cgroup, no controller, no folder and no process behind; the command lives on where it is, and who
# was moved is back.
# shellcheck source=tests/daemon/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
mkdir "$scratch/tmp"
cd "$scratch"
export TMPDIR=tmp # who tidies up is in another folder, and finds it still
mount=$(cgroup_mount)
controllers=$(cat "$mount/cgroup.subtree_control")
mkfifo "$scratch/go"
exec {go}<>"$scratch/go"

is_clean() { # CGROUP...: neither they nor anything else is left
    local path
    for path in "$@"; do [ ! -e "$path" ] || return 1; done
    [ -z "$(ls -A "$scratch/tmp")" ] && [ "$(cat "$mount/cgroup.subtree_control")" = "$controllers" ]
}
all_gone() { # PID...
    local pid
    for pid in "$@"; do until_true is_gone "$pid" || fail "process $pid ($(cat "/proc/$pid/comm")) is left"; done
}

start_run() { # sets run, command, helpers (all other children of it) and cgroup
    rm -f "$scratch/pid"
    setsid "$build/watt" run -- sh -c 'echo $$ >"$1"; read -r x <"$2"; echo done >"$3"' - "$scratch/pid" "$scratch/go" "$scratch/word" 2>"$scratch/run.err" &
    run=$!
    pids="$pids $run"
    until_true test -s "$scratch/pid" || fail "the command did not start"
    command=$(cat "$scratch/pid")
    pids="$pids $command"
    helpers=$(children_of "$run")
    helpers=" $helpers "
    helpers=${helpers/ $command / }
    cgroup=$mount$(sed -n 's/^0:://p' "/proc/$command/cgroup")
    grep -q "watt-run-$run-1" <<<"$cgroup" || fail "the command is in $cgroup"
}

# Killed alone: the command goes on in its cgroup, which is removed when it has ended.
start_run
[ "$(wc -w <<<"$helpers")" = 4 ] || fail "expected a sensor, a formula and two who tidy up, found: $helpers"
mkdir "$cgroup/below"
kill -KILL "$run"
wait "$run" || true
no_folder() { [ -z "$(ls -A "$scratch/tmp")" ]; }
until_true no_folder || fail "the temporary folder is left: $(ls "$scratch/tmp")"
alone() { [ "$(cat "$cgroup/cgroup.procs")" = "$command" ]; }
until_true alone || fail "the command is not alone in its cgroup: $(cat "$cgroup/cgroup.procs")"
echo >&$go
all_gone "$command"
until_true is_clean "$cgroup" || fail "left behind: $(ls -d "$cgroup" "$scratch"/tmp/* 2>&1) $(cat "$mount/cgroup.subtree_control")"
[ "$(cat "$scratch/word")" = "done" ] || fail "the command did not live on"
all_gone $helpers

# Killed with its whole process group, the command too.
start_run
kill -KILL -- "-$run"
wait "$run" || true
all_gone "$command"
until_true is_clean "$cgroup" || fail "left behind: $(ls -d "$cgroup" "$scratch"/tmp/* 2>&1) $(cat "$mount/cgroup.subtree_control")"
all_gone $helpers

# Whoever was moved goes back at once.
own=watt-killed-test-$$
end_test() { until_true rmdir "$mount/$own" || echo "left: $mount/$own" >&2; }
mkdir "$mount/$own"
sh -c 'echo $$ >"$1/cgroup.procs" && exec cat <"$2"' - "$mount/$own" "$scratch/never" >/dev/null &
idle=$!
pids="$pids $idle"
until_true grep -qx "$idle" "$mount/$own/cgroup.procs" || fail "the idle process did not reach its cgroup"
"$build/watt" attach --move "$idle" 2>"$scratch/attach.err" &
attach=$!
pids="$pids $attach"
is_moved() { grep -q "^0::/$own/watt-attach-$attach" "/proc/$idle/cgroup"; }
until_true is_moved || fail "it was not moved"
has_formula() { pgrep -P "$attach" -x watt-formula >/dev/null; }
until_true has_formula || fail "no formula"
helpers=$(children_of "$attach")
kill -KILL "$attach"
wait "$attach" || true
is_back() { grep -qx "0::/$own" "/proc/$idle/cgroup"; }
until_true is_back || fail "it was not put back"
until_true is_clean "$mount/$own/watt-attach-$attach" || fail "left behind: $(ls -d "$mount/$own"/* "$scratch"/tmp/* 2>&1)"
all_gone $helpers
kill -0 "$idle" || fail "who was moved was ended"
