#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# watt run: the command's own input, output and status; its CPU time and joules, however short it lived; mean and deviation of several runs;
# nothing left behind; beside a running service; signals passed on; and what it needs without root.
# shellcheck source=tests/daemon/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
export TMPDIR=$scratch
mount=$(cgroup_mount)
controllers=$(cat "$mount/cgroup.subtree_control")
own=$(sed -n 's/^0:://p' /proc/self/cgroup)
own=$mount${own%/}

# Its input, output and status are the command's, and the report stays apart.
status=0
echo word | "$build/watt" run -o "$scratch/a.json" --json -- sh -c 'read x; echo "got $x"; exit 3' >"$scratch/a.out" || status=$?
[ $status = 3 ] || fail "status $status instead of the command's 3"
[ "$(cat "$scratch/a.out")" = "got word" ] || fail "the command's output is not all there is"
holds "$scratch/a.json" '.rows | length == 1 and .[0].exit_status == 3 and .[0].cpu_s > 0'

# CPU time is what the kernel counts in the command's cgroup, of several runs with mean and deviation; a long tick changes nothing.
cat >"$scratch/burn.py" <<'CODE'
import os, resource, sys
cgroup = next(line for line in open("/proc/self/cgroup") if line.startswith("0::"))[3:].strip()
used = 0
while used < 0.3:
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    used = sum(usage.ru_utime + usage.ru_stime for usage in both)
with open(sys.argv[1], "a") as file:
    print(int(open(os.environ["MOUNT"] + cgroup + "/cpu.stat").read().split()[1]) / 1e6, file=file)
os._exit(0)
CODE
export MOUNT=$mount
# Whoever counts, from its first moment. What it used after its last look at itself comes on top.
for engine in perf proc auto; do
    rm -f "$scratch/used"
    WATT_SENSOR_ENGINE=$engine "$build/watt" run --repeat 3 --interval 250ms --json -o "$scratch/b.json" -- python3 "$scratch/burn.py" "$scratch/used" ||
        fail "$engine: ended with $?"
    holds "$scratch/b.json" '[.rows[].row] == ["run", "run", "run", "mean", "deviation"]'
    jq --slurpfile used "$scratch/used" '[.rows[:3], $used] | transpose | map(.[0].cpu_s - .[1]) | {rest: .}' "$scratch/b.json" >"$scratch/rest.json"
    holds "$scratch/rest.json" "[.rest[] | . > -0.001 and . < 0.03] | all"
done
holds "$scratch/b.json" '(.rows[:3] | map(.energy_j) | add / 3) as $mean | .rows[3].energy_j - $mean | fabs < 1e-9'
holds "$scratch/b.json" '[.rows[:3][].energy_j > 0] | all'
holds "$scratch/b.json" '.rows[4].cpu_s < 0.05 and .rows[4].cpu_s >= 0'

# One that lives for a millisecond in a tick of half a second. (What it cost may be 0 J: an estimate knows the machine's CPU time in steps of 10 ms.)
"$build/watt" run --interval 500ms --csv -o "$scratch/c.csv" -- true || fail "ended with $?"
awk -F, 'NR == 2 { found = $4 != "" && $8 > 0 } END { exit !found }' "$scratch/c.csv" || fail "a short command used nothing: $(cat "$scratch/c.csv")"

# The report for eyes, on standard error.
"$build/watt" run -- true >"$scratch/d.out" 2>"$scratch/d.err" || fail "ended with $?"
[ ! -s "$scratch/d.out" ] || fail "something of ours on standard output"
grep -Eq '[0-9.]+ J  energy of its activity' "$scratch/d.err" || fail "no joules for eyes"

# What cannot be run, as a shell says it.
status=0
"$build/watt" run -- "$scratch/nothing" 2>"$scratch/e.err" || status=$?
[ $status = 127 ] || fail "not found: status $status"
grep -q 'J  energy' "$scratch/e.err" && fail "a report of what was not run"
"$build/watt" run --repeat 3 -- "$scratch/nothing" 2>"$scratch/e.err" && fail "not found: status 0"
[ "$(grep -c 'No such file' "$scratch/e.err")" = 1 ] || fail "what is not there is tried again: $(cat "$scratch/e.err")"
status=0
"$build/watt" run -- "$scratch" 2>"$scratch/e.err" || status=$?
[ $status = 126 ] || fail "not to be executed: status $status"
"$build/watt" run -- $'\033[31m' 2>"$scratch/e.err" || true
"$build/watt" attach $'\033[31m' 2>>"$scratch/e.err" || true
grep -q $'\033' "$scratch/e.err" && fail "a name went to the terminal as it was"
grep -q 'watt run: %1B\[31m' "$scratch/e.err" || fail "the name is not told"
status=0
"$build/watt" run 2>"$scratch/e.err" || status=$?
[ $status = 64 ] || fail "no command: status $status"
status=0
"$build/watt" run -o "$scratch" -- touch "$scratch/touched" 2>"$scratch/e.err" || status=$?
[ $status = 69 ] && [ ! -e "$scratch/touched" ] || fail "an output that cannot be written: status $status, or it was run nevertheless"

# Whatever the words of the command are, a terminal and a reader of JSON get text.
"$build/watt" run -- true $'\033[31m\xff\n100%' 2>"$scratch/e.err" || fail "ended with $?"
grep -qF 'true %1B[31m%FF%0A100%25' "$scratch/e.err" || fail "a word of the command came out as it was"
"$build/watt" run --json -o "$scratch/e.json" -- true $'\033[31m\xff' || fail "ended with $?"
holds "$scratch/e.json" '.rows[0].command == "true %1B[31m%FF"'

# What ignores a signal before goes on ignoring it.
(trap '' INT && exec "$build/watt" run -- grep SigIgn /proc/self/status) >"$scratch/e.out" 2>"$scratch/e.err" || fail "ended with $?"
[ $((0x$(cut -f2 "$scratch/e.out") & 2)) = 2 ] || fail "the command does not ignore SIGINT as we do: $(cat "$scratch/e.out")"

# A measurement inside a measurement belongs to both.
"$build/watt" run --json -o "$scratch/outer.json" -- "$build/watt" run --json -o "$scratch/inner.json" -- python3 "$scratch/burn.py" "$scratch/used" ||
    fail "one inside the other: ended with $?"
jq --slurpfile inner "$scratch/inner.json" '{outer: .rows[0].cpu_s, inner: $inner[0].rows[0].cpu_s}' "$scratch/outer.json" >"$scratch/both.json"
holds "$scratch/both.json" '.inner > 0.29 and .outer > .inner'

# A signal goes on to the command; what it used is told all the same. Beside a service that writes to its own store.
"$build/watt-sensor" --name service --store "sqlite:$scratch/service" --interval 200ms 2>"$scratch/service.err" &
service=$!
pids=$service
"$build/watt" run --json -o "$scratch/f.json" -- sleep 60 &
run=$!
pids="$pids $run"
sleeps() { [ "$(cat "$own/watt-run-$run-1/cgroup.procs" | xargs -I{} cat /proc/{}/comm | grep -c sleep)" = 1 ]; }
until_true sleeps || fail "the command is not in its cgroup"
kill -TERM $run
status=0
wait $run || status=$?
[ $status = 143 ] || fail "status $status after SIGTERM"
holds "$scratch/f.json" '.rows[0].exit_status == 143'
status=0
"$build/watt" run --store "sqlite:$scratch/service" -- touch "$scratch/touched" 2>"$scratch/e.err" || status=$?
[ $status = 69 ] && [ ! -e "$scratch/touched" ] || fail "the store of another sensor: status $status, or the command was run"
grep -q "process $service is writing" "$scratch/e.err" || fail "it does not say who writes the store"
kill -0 $service || fail "the service beside it ended"
kill -TERM $service
wait $service || true

# A process that the command leaves behind is moved up, not killed, and holds nothing back.
"$build/watt" run -- sh -c 'cat <"$1" >/dev/null & echo $! >"$2"' - "$scratch/never" "$scratch/pid" 2>"$scratch/g.err" || fail "ended with $?"
left=$(cat "$scratch/pid")
pids="$pids $left"
kill -0 "$left" || fail "what the command left behind was ended"
grep -q watt-run "/proc/$left/cgroup" && fail "what the command left behind is still in the cgroup"
kill -KILL "$left"

# Cgroups that the command makes below its own are part of it, and go with it; who lives there then is moved up too.
cat >"$scratch/nest.sh" <<'CODE'
group=$1$(sed -n 's/^0:://p' /proc/self/cgroup)/in
mkdir "$group" "$group/deeper"
sh -c 'echo $$ >"$1/cgroup.procs" && exec cat <"$2"' - "$group/deeper" "$2" >/dev/null &
echo $! >"$3"
sh -c 'echo $$ >"$1/cgroup.procs" && exec python3 "$2" "$3"' - "$group" "$4" "$5"
until grep -q deeper "/proc/$!/cgroup"; do sleep 0.01; done
CODE
rm -f "$scratch/used"
"$build/watt" run --json -o "$scratch/g.json" -- sh "$scratch/nest.sh" "$mount" "$scratch/never" "$scratch/pid" "$scratch/burn.py" "$scratch/used" \
    2>"$scratch/g.err" || fail "ended with $?"
left=$(cat "$scratch/pid")
pids="$pids $left"
jq --slurpfile used "$scratch/used" '{cpu_s: .rows[0].cpu_s, used: $used[0]}' "$scratch/g.json" >"$scratch/g.both.json"
holds "$scratch/g.both.json" '.cpu_s > .used and .cpu_s < .used + 0.3'
kill -0 "$left" || fail "what the command left in a cgroup of its own was ended"
grep -q watt-run "/proc/$left/cgroup" && fail "what the command left in a cgroup of its own is still there"
kill -KILL "$left"

# A sensor that dies or stands still takes nobody's work with it.
run_until() { # SIGNAL: to its sensor, while the command waits; sets run
    rm -f "$scratch/started"
    "$build/watt" run -- sh -c 'touch "$1"; read -r x <"$2"; exit 5' - "$scratch/started" "$scratch/go" 2>"$scratch/i.err" &
    run=$!
    pids="$pids $run"
    until_true test -e "$scratch/started" || fail "the command did not start"
    for sensor in $(children_of $run); do
        if grep -qx watt-sensor "/proc/$sensor/comm"; then kill "-$1" "$sensor"; break; fi
    done
}
mkfifo "$scratch/go"
exec {go}<>"$scratch/go"
(trap '' HUP && exec "$build/watt" run --repeat 2 --json -o "$scratch/h.json" -- sh -c 'touch "$1"; read -r x <"$2"' - "$scratch/started" "$scratch/go") &
run=$!
pids="$pids $run"
until_true test -e "$scratch/started" || fail "the command did not start"
kill -HUP $run # as nohup: it is ignored, and the second run follows
printf '\n\n' >&$go
wait $run || fail "ended with $? by a SIGHUP that it ignores"
holds "$scratch/h.json" '[.rows[].row] == ["run", "run", "mean", "deviation"]'
run_until KILL
until_true is_gone "$sensor" || fail "the sensor goes on"
echo >&$go
status=0
wait $run || status=$?
[ $status = 5 ] || fail "without a sensor: status $status"
grep -q 'watt-sensor.*signal 9' "$scratch/i.err" || fail "it does not say what happened to the sensor"
run_until STOP
echo >&$go
has_ended() { [ -z "$(pgrep -P $run -x sh)" ]; }
until_true has_ended || fail "the command goes on"
kill -INT $run
until_true grep -q 'left out' "$scratch/i.err" || fail "a signal does not end the wait for the last tick"
kill -CONT "$sensor"
status=0
wait $run || status=$?
[ $status = 5 ] || fail "with a sensor that stands still: status $status"

# Without root: what it needs.
mkdir "$scratch/bin"
cp "$build/watt" "$build/watt-sensor" "$build/watt-formula" "$scratch/bin"
mkdir -m 1777 "$scratch/tmp"
chmod 755 "$scratch"
status=0
TMPDIR=$scratch/tmp WATT_BINDIR=$scratch/bin setpriv --reuid 65534 --regid 65534 --clear-groups "$scratch/bin/watt" run -- true 2>"$scratch/h.err" || status=$?
[ $status = 77 ] || fail "without root: status $status"
grep -q 'run as root' "$scratch/h.err" || fail "it does not say what it needs"

[ -z "$(find "$own" -name "watt-run-*" -newer "$scratch/never")" ] || fail "a cgroup was left behind"
[ "$(cat "$mount/cgroup.subtree_control")" = "$controllers" ] || fail "controllers were left switched on"
