#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What a root lacks is an absent source, never a failed start.
# shellcheck source=tests/daemon/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
mkdir "$scratch/empty" "$scratch/proc" "$scratch/proc/self"

# expect NAME FILTER OPTION...: two ticks, and the jq filter holds for the records as an array.
expect()
{
    name=$1 filter=$2
    shift 2
    "$build/watt-sensor" --ticks 2 --interval 5ms --store jsonl:- "$@" > "$scratch/out.jsonl" 2> "$scratch/err" ||
        fail "$name: status $?: $(cat "$scratch/err")"
    jq -se "$filter" "$scratch/out.jsonl" > /dev/null || fail "$name: $(cat "$scratch/out.jsonl" "$scratch/err")"
}

two='([.[] | select(.kind == "raw")] | length == 2)'
expect "no sysfs" "$two and any(.[]; .kind == \"raw\" and .energy[0].source == \"curve\")" --sysfs "$scratch/empty"
expect "no sysfs at all" "$two" --sysfs "$scratch/none"
expect "no procfs" "$two and all(.[] | select(.kind == \"raw\"); .reasons | index(\"no_engine\"))" \
    --procfs "$scratch/none"
expect "empty procfs" "$two" --procfs "$scratch/proc"
expect "nothing" "$two" --sysfs "$scratch/empty" --procfs "$scratch/empty" --devfs "$scratch/empty" \
    --cgroupfs "$scratch/empty"
expect "no cgroup tree, per cgroup" "$two" --cgroupfs "$scratch/none" --granularity cgroup

"$build/watt-sensor" --probe --sysfs "$scratch/empty" --procfs "$scratch/empty" |
    jq -e '.kind == "probe" and .energy == false and (.sources | map(.name) | index("powercap") != null)' \
        > /dev/null || fail "--probe with empty roots"
