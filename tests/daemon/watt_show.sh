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

# What cannot be shown, and why.
refused() { # STATUS WORD ARGUMENT...
    local status=0 wanted=$1 word=$2
    shift 2
    "$build/watt" show "$@" >"$scratch/refused.out" 2>"$scratch/refused.err" || status=$?
    [ $status = "$wanted" ] || fail "watt show $*: status $status instead of $wanted"
    grep -q -- "$word" "$scratch/refused.err" || fail "watt show $*: not a word of $word"
    [ ! -s "$scratch/refused.out" ] || fail "watt show $*: a table of nothing"
}
printf 'no\nrecord\n' >"$scratch/noise.jsonl"
refused 65 'nothing in the store' --store "jsonl:$scratch/noise.jsonl"
refused 64 'not before' --store "sqlite:$scratch/store" --from 2021-02-01 --to 2021-01-01
refused 64 'keeps nothing' --store null:
refused 69 "sqlite:$scratch/none" --store "sqlite:$scratch/none"

# A damaged database: an end, and what to do. (A reader that goes on for ever is ended by the test's limit.)
mkdir "$scratch/broken"
cp "$scratch/store"/* "$scratch/broken"
sqlite3 "$scratch/broken/power.db" 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
size=$(stat -c %s "$scratch/broken/power.db")
dd if=/dev/zero of="$scratch/broken/power.db" bs=4096 seek=$((size / 8192)) count=$((size / 8192)) conv=notrunc status=none
refused 65 '.recover' --store "sqlite:$scratch/broken"

# A line of a cgroup or unit has its name, not that of a process in it; names that a store makes up do not drive the terminal.
python3 - "$scratch/groups.jsonl" <<'CODE'
import json, sys
with open(sys.argv[1], "w") as file:
    base = {"v": 1, "sensor": "n", "run": "0199d2f4c1a0", "timestamp": "2026-01-01T00:00:00.000Z"}
    names = {"/a/web:7@9": "/a/web", "/evil\x1b[31m\u009b1m\n:8@9": "/evil\x1b[31m\u009b1m\n"}
    for i, (target, cgroup) in enumerate(names.items()):
        print(json.dumps({**base, "kind": "target", "_id": f"n:t{i}", "seq": 0, "target": target, "name": "python3", "cgroup": cgroup,
                          "target_kind": "process", "comm": "python3", "pid": 7 + i, "start_ticks": 9}), file=file)
    rows = [{"target": target, "domain": "package", "package": 0, "dynamic_w": 1.0, "dynamic_uj": 1000000, "share": 0.5} for target in names]
    balance = [{"domain": "package", "package": 0, "measured_w": 2.0, "measured_uj": 2000000, "dt_ns": 1000000000, "idle_w": 0.0,
                "dynamic_w": 2.0, "unattributed_w": 0.0}]
    print(json.dumps({**base, "kind": "power", "_id": "n:0199d2f4c1a0:000000000001:auto", "seq": 1, "dt_ns": 1000000000, "label": "auto",
                      "model": "auto", "valid": True, "reasons": [], "balance": balance, "targets": rows}), file=file)
CODE
for by in target cgroup unit command; do
    show --store "jsonl:$scratch/groups.jsonl" --by $by >"$scratch/groups.out"
    grep -q evil "$scratch/groups.out" || [ $by = command ] || fail "by $by: a target is missing"
    LC_ALL=C grep -q $'[\x01-\x09\x0b-\x1f\x7f]\|\xc2\x9b' "$scratch/groups.out" && fail "by $by: a control character went to the terminal"
done
[ "$(show --store "jsonl:$scratch/groups.jsonl" --by cgroup --format json | jq -r '.rows[] | select(.target == "/a/web").name')" = web ] ||
    fail "the line of a cgroup is called after something else"
