#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The whole chain over a real server that speaks MongoDB's protocol: sensor, spool, courier, database, formula in stream mode
# from and to the database, watt show. A formula that is killed on the way doubles and loses nothing, its watts are those of a
# replay, and the joules add up.
# shellcheck source=tests/daemon/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
server=$(dirname "${BASH_SOURCE[0]}")/../store/server.sh
ticks=30

end_test() { "$server" stop "$scratch/database" || true; }
uri=$("$server" start "$scratch/database")/watt || fail "the server does not start"

start_formula() {
    "$build/watt-formula" --input "$uri" --output "$uri" 2>>"$scratch/formula.err" &
    formula=$!
    pids="$pids $formula"
}
show() { "$build/watt" show --format json --store "$@"; }
covered() { # STORE...: the seconds that have watts
    show "$@" | jq '.rows[] | select(.row == "measured").covered_s'
}
has_watts() { [ -n "$(covered "$uri")" ]; }
has_all() { [ "$(covered "$uri")" = "$(covered "jsonl:$scratch/replay.jsonl")" ]; }

"$build/watt-sensor" --name node --interval 100ms --ticks $ticks --store "$uri" --spool "$scratch/spool" 2>"$scratch/sensor.err" &
sensor=$!
pids="$pids $sensor"
start_formula
until_true has_watts || fail "no watts arrive"
kill -KILL "$formula"
wait "$formula" 2>/dev/null || true
start_formula
wait "$sensor" || fail "the sensor ended with $?"
"$build/watt-formula" --quiet --post-mortem --input "$uri" --output "jsonl:$scratch/replay.jsonl" || fail "the replay ended with $?"
[ "$(wc -l <"$scratch/replay.jsonl")" = $ticks ] || fail "$(wc -l <"$scratch/replay.jsonl") ticks reached the database, not $ticks"
until_true has_all || fail "not every tick has its watts"
kill -TERM "$formula"
wait "$formula" || fail "the formula ended with $?"
pids=''
grep -q 'going on after node:' "$scratch/formula.err" || fail "the second formula began anew"

"$build/watt-formula" --quiet --post-mortem --model share --input "$uri" --output "$uri" || fail "a second attribution ended with $?"
show "$uri" --label share >"$scratch/share.json" || fail "watt show --label ended with $?"

show "$uri" --label auto >"$scratch/live.json" || fail "watt show ended with $?"
show "jsonl:$scratch/replay.jsonl" >"$scratch/replay.json" || fail "watt show of the replay ended with $?"
# Names are the database's only: the replay holds watts and no identities.
for file in live share replay; do
    jq -e '(.rows | map(select(.row == "target").energy_j) | add) as $targets | [.rows[] | select(.row != "target") | {(.row): .energy_j}] | add |
        ., (.measured > 0 and $targets > 0 and (.attributed - $targets | fabs < 1e-4) and
            (.measured - .idle - .attributed - .unattributed | fabs < 1e-4))' "$scratch/$file.json" >"$scratch/$file.out" ||
        fail "the joules of $file do not add up"
done
cmp "$scratch/live.out" "$scratch/replay.out" || fail "live and replay differ"
