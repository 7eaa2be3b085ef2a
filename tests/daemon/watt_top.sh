#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# watt top measures by itself through a pipe in plain lines, keeps a store when told to, follows a running service, ends what it
# started, and tells the last words of a part that dies. watt doctor's answer agrees with it.
# shellcheck source=tests/daemon/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
export TMPDIR=$scratch

# A private measurement in a temporary folder.
"$build/watt" top --ticks 3 --interval 300ms >"$scratch/a.out" 2>"$scratch/a.err" || fail "watt top ended with $?"
[ "$(grep -c '^containers and units$' "$scratch/a.out")" = 3 ] || fail "no three sections of containers and units"
[ "$(grep -c '^processes$' "$scratch/a.out")" = 3 ] || fail "no three sections of processes"
grep -q $'\033' "$scratch/a.out" && fail "escape codes through a pipe"
grep -Eq '^(measured [0-9.]+ W = idle|no watts)' "$scratch/a.out" || fail "no balance"
grep -q 'counters: [a-z]* per process' "$scratch/a.out" || fail "it does not say how it counts"
[ -z "$(find "$scratch" -name 'watt-meter-*')" ] || fail "the temporary folder is still there"

# A store that stays, shown again.
"$build/watt" top --ticks 2 --interval 300ms --store "sqlite:$scratch/kept" >"$scratch/b.out" 2>"$scratch/b.err" || fail "ended with $?"
grep -q "watt show --store 'sqlite:$scratch/kept'" "$scratch/b.err" || fail "it does not say how to show the records again"
"$build/watt" show --store "sqlite:$scratch/kept" >"$scratch/show.out" || fail "watt show ended with $?"
grep -q measured "$scratch/show.out" || fail "watt show shows no balance"

# Whole cgroups: the second table says why it is empty.
"$build/watt" top --ticks 1 --interval 300ms --granularity cgroup >"$scratch/h.out" 2>"$scratch/h.err" || fail "ended with $?"
grep -q 'counts whole cgroups' "$scratch/h.out" || fail "it does not say why there are no processes"

# An interrupted endless view ends in order with 0; its children are gone.
"$build/watt" top --interval 300ms >"$scratch/c.out" 2>"$scratch/c.err" &
top=$!
pids=$top
until_true grep -q '^processes' "$scratch/c.out" || fail "nothing was shown"
children=$(children_of $top)
[ "$(wc -w <<<"$children")" = 3 ] || fail "expected a sensor, a formula and who tidies up after us, found: $children"
kill -INT $top
wait $top || fail "ended with $? when interrupted"
for pid in $children; do
    until_true is_gone "$pid" || fail "process $pid was left behind"
done

# A parent that is killed takes its children along.
"$build/watt" top --interval 300ms >"$scratch/d.out" 2>"$scratch/d.err" &
top=$!
pids=$top
until_true grep -q '^processes' "$scratch/d.out" || fail "nothing was shown"
children=$(children_of $top)
pids="$pids $children"
kill -KILL $top
wait $top || true
for pid in $children; do
    until_true is_gone "$pid" || fail "process $pid outlived its parent"
done
[ -z "$(find "$scratch" -name 'watt-meter-*')" ] || fail "the temporary folder outlived who made it"

# A part that dies ends the view with its name and status.
"$build/watt" top --interval 300ms >"$scratch/e.out" 2>"$scratch/e.err" &
top=$!
pids=$top
until_true grep -q '^processes' "$scratch/e.out" || fail "nothing was shown"
for pid in $(children_of $top); do
    [ "$(cat "/proc/$pid/comm")" = watt-formula ] && kill -KILL "$pid"
done
status=0
wait $top || status=$?
[ $status = 137 ] || fail "the formula was killed, watt top ended with $status"
grep -q 'watt-formula' "$scratch/e.err" || fail "it does not say who died"
status=0
"$build/watt" top --ticks 1 --energy nonsense >"$scratch/f.out" 2>"$scratch/f.err" || status=$?
[ $status -ge 64 ] || fail "a sensor that refuses its options ended watt top with $status"
grep -q 'nonsense' "$scratch/f.err" || fail "the sensor's last words are not told"

# A service's store is followed, not measured again.
"$build/watt-sensor" --name service --interval 300ms --store "sqlite:$scratch/service" 2>"$scratch/sensor.err" &
sensor=$!
pids=$sensor
until_true [ -s "$scratch/service/raw.db" ] || fail "the sensor made no store"
"$build/watt-formula" --input "sqlite:$scratch/service" --output "sqlite:$scratch/service" 2>"$scratch/formula.err" &
formula=$!
pids="$pids $formula"
has_watts() { "$build/watt" show --store "sqlite:$scratch/service" --format csv | grep -q '^measured'; }
until_true has_watts || fail "no watts arrive"
"$build/watt" top --ticks 2 --store "sqlite:$scratch/service" >"$scratch/g.out" 2>"$scratch/g.err" || fail "following ended with $?"
grep -q '^service ' "$scratch/g.out" || fail "it did not follow the service"
kill -TERM "$sensor" "$formula"
wait "$sensor" || fail "watt-sensor ended with $? on SIGTERM"
wait "$formula" || fail "watt-formula ended with $? on SIGTERM"
pids=''

# doctor agrees.
status=0
"$build/watt" doctor --format json >"$scratch/doctor.json" || status=$?
jq -e '[.rows[] | select(.kind == "engine" and (.state | startswith("used")))] | length == 1' "$scratch/doctor.json" >/dev/null ||
    fail "doctor names no engine"
used=$(jq -r '[.rows[] | select(.kind == "energy" and (.state == "used" or .state == "used (estimate)")) | .state] | first // "none"' "$scratch/doctor.json")
case $used:$status in
used:0 | "used (estimate):1" | none:69 | none:77) ;;
*) fail "doctor says energy is $used and ends with $status" ;;
esac

# A damaged store is told at once.
mkdir "$scratch/damaged"
printf 'no database, only text, and enough of it\n' >"$scratch/damaged/raw.db"
cp "$scratch/damaged/raw.db" "$scratch/damaged/power.db"
status=0
"$build/watt" top --ticks 1 --store "sqlite:$scratch/damaged" >/dev/null 2>"$scratch/bad.err" || status=$?
[ $status = 65 ] || fail "a damaged store ended watt top with $status"
grep -q 'damaged/power.db\|damaged/raw.db' "$scratch/bad.err" || fail "the damaged file is not named"

# Bad input.
for arguments in "top --bogus" "top extra" "show --format xml" "show --last 1" "doctor x" "show --store nonsense" nonsense; do
    status=0
    # shellcheck disable=SC2086
    "$build/watt" $arguments >/dev/null 2>"$scratch/bad.err" || status=$?
    [ $status = 64 ] || fail "watt $arguments ended with $status"
    [ -s "$scratch/bad.err" ] || fail "watt $arguments says nothing"
done
