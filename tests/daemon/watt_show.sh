#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# watt show on recorded watts: the joules add up in every format and over parts of the span, damaged lines are counted once, and
# what it cannot add up is said.
# shellcheck source=tests/daemon/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
trace=$(dirname "${BASH_SOURCE[0]}")/../fixtures/smartwatts-timeline/smartwatts_timeline.jsonl
formula() { "$build/watt-formula" --quiet --post-mortem --input "jsonl:$trace" "$@" || fail "watt-formula ended with $?"; }
show() { "$build/watt" show "$@" 2>>"$scratch/show.err" || fail "watt show ended with $?"; }
formula --output "jsonl:$scratch/watts.jsonl"
formula --output "sqlite:$scratch/store"

# measured = idle + attributed + unattributed, and the targets are what is attributed; whole and in parts.
adds_up='[.rows[] | {(.row): .energy_j}] as $all
    | ($all | map(.measured // 0) | add) as $measured | ($all | map(.attributed // 0) | add) as $attributed
    | $measured > 0 and ($measured - $attributed - ($all | map((.idle // 0) + (.unattributed // 0)) | add) | fabs < 1e-6)
      and ($attributed - ($all | map(.target // 0) | add) | fabs < 1e-4)'
for span in "" "--to 2021-01-13T09:51:27Z" "--from 2021-01-13T09:51:27Z"; do
    # shellcheck disable=SC2086
    show --store "sqlite:$scratch/store" --format json $span >"$scratch/span.json"
    jq -e "$adds_up" "$scratch/span.json" >/dev/null || fail "joules do not add up: $span"
    jq '[.rows[] | select(.row == "measured").energy_j] | add' "$scratch/span.json" >>"$scratch/measured"
done
awk '{ at[NR] = $1 } END { exit !(NR == 3 && at[1] - at[2] - at[3] < 1e-6 && at[2] + at[3] - at[1] < 1e-6) }' "$scratch/measured" ||
    fail "two parts are not the whole: $(tr '\n' ' ' <"$scratch/measured")"

# One set of numbers, whatever the store and the format.
show --store "sqlite:$scratch/store" --format csv >"$scratch/a.csv"
show --store "jsonl:$scratch/watts.jsonl" --format csv >"$scratch/b.csv"
cmp "$scratch/a.csv" "$scratch/b.csv" || fail "sqlite and jsonl differ"
show --store jsonl:- --format csv <"$scratch/watts.jsonl" >"$scratch/c.csv"
cmp "$scratch/a.csv" "$scratch/c.csv" || fail "a pipe and a file differ"
[ "$(show --store "sqlite:$scratch/store" --format json | jq '.rows | length')" = $(($(wc -l <"$scratch/a.csv") - 1)) ] ||
    fail "json has other rows than csv"

# Damage is counted once.
{ printf '{"kind":"power"\nno json\n'; cat "$scratch/watts.jsonl"; } >"$scratch/damaged.jsonl"
show --store "jsonl:$scratch/damaged.jsonl" | grep -q '^2 damaged' || fail "two damaged lines are not counted as two"

# PowerReports are no joules.
formula --schema powerapi --output "jsonl:$scratch/reports.jsonl"
show --store "jsonl:$scratch/reports.jsonl" >"$scratch/reports.out"
grep -q 'PowerReports' "$scratch/show.err" || fail "it does not say that these are PowerReports"
