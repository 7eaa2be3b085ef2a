#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# watt attach: a process and all it makes, processes of a few milliseconds and grandchildren whose parent has gone included, are added up where they
# are; with --move in a cgroup, and then they are back where they were. Who is not there, and who cannot be followed.
# shellcheck source=tests/daemon/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
export TMPDIR=$scratch
mount=$(cgroup_mount)
own=watt-attach-test-$$
end_test() { until_true rmdir "$mount/$own" || echo "left: $mount/$own" >&2; }
mkdir "$mount/$own"

count_ticks() { sqlite3 "$1/power.db" 'select count(*) from record'; }
has_watts() { [ "$(sqlite3 "$1/power.db" 'select count(*) from record')" -ge 1 ]; }

# Waits for a line, then works: itself, in short children one after the other, and in an orphan. Says at the end what all of them used.
cat >"$scratch/tree.py" <<'CODE'
import os, sys, time

def burn(seconds):
    start = time.process_time()
    while time.process_time() < start + seconds:
        pass
    return time.process_time()

def read_number(out):
    text = os.read(out, 100)
    os.close(out)
    return float(text)

sys.stdin.readline()
before = time.process_time()
total = burn(0.1) - before
for _ in range(20):
    out, into = os.pipe()
    if os.fork() == 0:
        os.write(into, b"%f" % burn(0.01))
        os._exit(0)
    os.close(into)
    total += read_number(out)
    os.wait()
out, into = os.pipe()
gate, key = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.close(key)
        os.read(gate, 1)  # until the parent has gone and the root has closed its end
        os.write(into, b"%f" % burn(0.2))
    os._exit(0)
os.close(into)
os.wait()
os.close(key)
total += read_number(out)
with open(sys.argv[1], "w") as file:
    print(total, file=file)
CODE
python=$(python3 -c 'import sys; print(sys.executable)') # not a shell script that starts it

follow() { # NAME OPTION...: starts the tree in its cgroup and attaches to it; the report is NAME.json
    local name=$1 tree attach
    shift
    mkfifo "$scratch/$name.fifo"
    exec {fifo}<>"$scratch/$name.fifo"
    sh -c 'echo $$ >"$1/cgroup.procs" && exec "$2" "$3" "$4" <"$5"' - "$mount/$own" "$python" "$scratch/tree.py" "$scratch/$name.used" "$scratch/$name.fifo" &
    tree=$!
    pids="$pids $tree"
    until_true grep -q python "/proc/$tree/comm" || fail "$name: the tree did not start" # it is in its cgroup then
    "$build/watt" attach --json -o "$scratch/$name.json" --store "sqlite:$scratch/$name" "$@" $tree 2>"$scratch/$name.err" &
    attach=$!
    pids="$pids $attach"
    until_true has_watts "$scratch/$name" || fail "$name: no watts"
    while_attached=$(sed -n 's/^0:://p' "/proc/$tree/cgroup")
    echo go >&$fifo
    wait $tree || fail "$name: the tree ended with $?"
    wait $attach || fail "$name: watt attach ended with $?"
    # What every process used before its first and after its last look at itself is not in its own count.
    jq --slurpfile used "$scratch/$name.used" '{cpu_s: .rows[0].cpu_s, used: $used[0]}' "$scratch/$name.json" >"$scratch/$name.both.json"
    holds "$scratch/$name.both.json" '.cpu_s > 0.98 * .used and .cpu_s < 1.05 * .used + 0.1'
    holds "$scratch/$name.json" '.rows[0] | .energy_j > 0 and .elapsed_s > 0.3 and .exit_status == null'
}

follow where_they_are
[ "$while_attached" = "/$own" ] || fail "it was moved to $while_attached"
follow moved --move
grep -q "^/$own/watt-attach-" <<<"$while_attached" || fail "it was not moved, but in $while_attached"

# Only for a time, by name; who goes on is back where it was.
sh -c 'echo $$ >"$1/cgroup.procs" && exec cat <"$2"' - "$mount/$own" "$scratch/never" >/dev/null &
idle=$!
pids="$pids $idle"
until_true grep -qx "$idle" "$mount/$own/cgroup.procs" || fail "the idle process did not reach its cgroup"
"$build/watt" attach --move --for 300ms $idle 2>"$scratch/c.err" || fail "ended with $?"
grep -qx "0::/$own" "/proc/$idle/cgroup" || fail "it was not put back"
grep -q 'J  energy' "$scratch/c.err" || fail "no report"
[ -z "$(find "$mount/$own" -name 'watt-attach-[0-9]*')" ] || fail "a cgroup was left behind"
cp "$(command -v sleep)" "$scratch/watt-t-sleeper"
cp "$(command -v sleep)" "$scratch/"$'two\nlines'
"$scratch/"$'two\nlines' 60 &
pids="$pids $!"
until_true grep -q lines "/proc/$!/comm" || fail "the sleeper did not start"
"$build/watt" attach --for 200ms $'two\nlines' 2>"$scratch/d.err" || fail "by a name of two lines: ended with $?"
"$scratch/watt-t-sleeper" 60 &
pids="$pids $!"
until_true grep -q watt-t-sleeper "/proc/$!/comm" || fail "the sleeper did not start"
"$build/watt" attach watt-t-sleeper --for 200ms --json -o "$scratch/d.json" || fail "by name: ended with $?"
holds "$scratch/d.json" '.rows[0] | .cpu_s < 0.05 and .command == "watt-t-sleeper"'

# Who only waits is in no record; what works below it, made before, is counted nevertheless, and made later too.
cat >"$scratch/waits.py" <<'CODE'
import os, sys
if os.fork() == 0:
    if os.fork() == 0:
        while True:
            pass
    os.wait()
    os._exit(0)
os.wait()
CODE
for option in '' --move; do
    "$python" "$scratch/waits.py" &
    waits=$!
    middle() { children_of $waits; }
    works() { busy=$(children_of $(middle)) && [ "$(wc -w <<<"$busy")" = 1 ]; }
    until_true works || fail "nobody works below $waits"
    pids="$pids $waits $(middle) $busy"
    # shellcheck disable=SC2086
    "$build/watt" attach $waits --for 500ms --json -o "$scratch/w.json" $option || fail "a tree of which most wait $option: ended with $?"
    holds "$scratch/w.json" '.rows[0] | .cpu_s > 0.01 and .cpu_s < .elapsed_s + 0.03'
    kill -KILL $busy
    wait $waits || fail "the tree ended with $?"
done

# It goes on for whom they leave behind, made after the beginning.
for option in '' --move; do
    rm -f "$scratch/pid" "$scratch/l.json"
    mkfifo "$scratch/leave$option" "$scratch/last$option"
    sh -c 'read -r x <"$1"; cat <"$2" >/dev/null & echo $! >"$3"' - "$scratch/leave$option" "$scratch/last$option" "$scratch/pid" &
    leaves=$!
    pids="$pids $leaves"
    # shellcheck disable=SC2086
    "$build/watt" attach --store "sqlite:$scratch/left$option" --json -o "$scratch/l.json" $option $leaves 2>"$scratch/l.err" &
    attach=$!
    pids="$pids $attach"
    until_true has_watts "$scratch/left$option" || fail "no watts: $(cat "$scratch/l.err")"
    echo >"$scratch/leave$option"
    wait $leaves || fail "who leaves ended with $?"
    until_true test -s "$scratch/pid" || fail "nobody was left"
    n_ticks=$(count_ticks "$scratch/left$option")
    goes_on() { [ "$(count_ticks "$scratch/left$option")" -gt $((n_ticks + 10)) ]; }
    until_true goes_on || fail "it ended with a child alive $option: $(cat "$scratch/l.err")"
    kill -0 $attach || fail "it ended with a child alive $option: $(cat "$scratch/l.err")"
    echo >"$scratch/last$option"
    wait $attach || fail "ended with $?"
done

# A shell that follows itself: who measures is not counted, nor moved, and the time is what was asked for.
for option in '' --move; do
    # shellcheck disable=SC2086
    "$(command -v bash)" -c '"$1" attach --for 700ms --interval 50ms --json -o "$2" $3 $$; exit $?' - "$build/watt" "$scratch/g.json" $option ||
        fail "a shell that follows itself $option: ended with $?"
    holds "$scratch/g.json" '.rows[0] | .cpu_s < 0.01 and .elapsed_s > 0.6 and .elapsed_s < 0.8'
done
status=0
sh -c 'exec "$1" attach $$' - "$build/watt" 2>"$scratch/e.err" || status=$?
[ $status = 64 ] && grep -q 'itself' "$scratch/e.err" || fail "following itself: status $status"

# Who works all the time until it is killed has no more CPU time than the time it is said to have lived.
sh -c 'while :; do :; done' &
busy=$!
pids="$pids $busy"
"$build/watt" attach --interval 20ms --json -o "$scratch/h.json" --store "sqlite:$scratch/busy" $busy &
attach=$!
pids="$pids $attach"
until_true has_watts "$scratch/busy" || fail "no watts"
kill -KILL $busy
wait $attach || fail "ended with $?"
holds "$scratch/h.json" '.rows[0] | .cpu_s > 0 and .cpu_s < .elapsed_s + 0.03'

# A process that has ended and waits for its parent to look lives no more; a second signal does not wait for a tick.
sh -c 'cat <"$1" & echo $! >"$2"; exec cat <"$3"' - "$scratch/never" "$scratch/ended.pid" "$scratch/never" >/dev/null &
pids="$pids $!"
until_true test -s "$scratch/ended.pid" || fail "no process to follow"
ended=$(cat "$scratch/ended.pid")
pids="$pids $ended"
"$build/watt" attach --store "sqlite:$scratch/ended" "$ended" 2>"$scratch/f.err" &
attach=$!
pids="$pids $attach"
until_true has_watts "$scratch/ended" || fail "no watts"
kill -KILL "$ended"
until_true is_gone $attach || fail "it follows a process that has ended"
wait $attach || fail "ended with $?"
"$build/watt" attach --interval 1h $idle 2>"$scratch/f.err" &
attach=$!
pids="$pids $attach"
has_sensor() { pgrep -P $attach -x watt-sensor >/dev/null; }
until_true has_sensor || fail "no sensor"
has_taken() { # until it is taken: equal signals do not queue
    kill -INT $attach
    is_gone $attach
}
until_true has_taken || fail "it cannot be interrupted before the first tick"
status=0
wait $attach || status=$?
[ $status = 75 ] || fail "interrupted before the first tick: status $status"

refused() { # STATUS ARGUMENT...
    local status=0 wanted=$1
    shift
    "$build/watt" attach "$@" 2>"$scratch/e.err" || status=$?
    [ $status = "$wanted" ] || fail "watt attach $*: status $status instead of $wanted"
    [ -s "$scratch/e.err" ] || fail "watt attach $*: not a word"
}
refused 69 no-such-name
refused 69 4194304
refused 64 99999999999
if grep -qx kthreadd /proc/2/comm; then # not in a pid name space of its own
    refused 64 2
    refused 64 kthreadd
fi
refused 64
refused 64 ''
python3 -c 'import sys, threading
threading.Thread(target=sys.stdin.read, daemon=True).start()
print(threading.enumerate()[1].native_id, flush=True)
threading.enumerate()[1].join()' <"$scratch/never" >"$scratch/thread" &
pids="$pids $!"
until_true test -s "$scratch/thread" || fail "no thread"
refused 64 "$(cat "$scratch/thread")"
