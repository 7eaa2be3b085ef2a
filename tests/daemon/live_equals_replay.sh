#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The watts of a live run and those of its recording worked through afterwards are the same bytes.
# shellcheck source=tests/daemon/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

ticks=12
"$build/watt-sensor" --name test --store "sqlite:$scratch/store" --interval 200ms --ticks $ticks &
sensor=$!
pids=$sensor
until_true [ -s "$scratch/store/raw.db" ] || fail "the sensor made no store"
"$build/watt-formula" --input "sqlite:$scratch/store" --output "jsonl:$scratch/live.jsonl" &
formula=$!
pids="$sensor $formula"
wait "$sensor" || fail "watt-sensor ended with $?"
all_came() { [ "$(grep -c '"kind":"power"' "$scratch/live.jsonl")" -ge $ticks ]; }
until_true all_came ||
    fail "only $(wc -l <"$scratch/live.jsonl") of $ticks ticks came live"
kill -TERM "$formula"
wait "$formula" || fail "watt-formula ended with $? on SIGTERM"
pids=''
"$build/watt-formula" --input "sqlite:$scratch/store" --output "jsonl:$scratch/replay.jsonl" --post-mortem
cmp "$scratch/live.jsonl" "$scratch/replay.jsonl" || fail "live and replayed watts differ"

# watt show says the same of both, and from standard input.
for from in "jsonl:$scratch/live.jsonl" "jsonl:$scratch/replay.jsonl"; do
    "$build/watt" show --store "$from" --format csv >"$scratch/$(basename "$from").csv"
done
cmp "$scratch/live.jsonl.csv" "$scratch/replay.jsonl.csv" || fail "watt show differs"
"$build/watt" show --store jsonl:- --format csv <"$scratch/live.jsonl" | cmp - "$scratch/live.jsonl.csv" ||
    fail "watt show differs from standard input"
[ "$(wc -l <"$scratch/live.jsonl.csv")" -gt 2 ] || fail "watt show found nothing"
