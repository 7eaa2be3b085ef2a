#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What a root lacks is an absent source, never a failed start.
set -eu
sensor=$WATT_BUILD/watt-sensor
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/empty" "$folder/proc" "$folder/proc/self"

fail()
{
    echo "FAILED: $*" >&2
    exit 1
}

# expect NAME FILTER OPTION...: two ticks, and the jq filter holds for the records as an array.
expect()
{
    name=$1 filter=$2
    shift 2
    "$sensor" --ticks 2 --interval 5ms --store jsonl:- "$@" > "$folder/out.jsonl" 2> "$folder/err" ||
        fail "$name: status $?: $(cat "$folder/err")"
    jq -se "$filter" "$folder/out.jsonl" > /dev/null || fail "$name: $(cat "$folder/out.jsonl" "$folder/err")"
}

two='([.[] | select(.kind == "raw")] | length == 2)'
expect "no sysfs" "$two and any(.[]; .kind == \"raw\" and .energy[0].source == \"curve\")" --sysfs "$folder/empty"
expect "no sysfs at all" "$two" --sysfs "$folder/none"
expect "no procfs" "$two and all(.[] | select(.kind == \"raw\"); .reasons | index(\"no_engine\"))" \
    --procfs "$folder/none"
expect "empty procfs" "$two" --procfs "$folder/proc"
expect "nothing" "$two" --sysfs "$folder/empty" --procfs "$folder/empty" --devfs "$folder/empty" \
    --cgroupfs "$folder/empty"
expect "no cgroup tree, per cgroup" "$two" --cgroupfs "$folder/none" --granularity cgroup

"$sensor" --probe --sysfs "$folder/empty" --procfs "$folder/empty" |
    jq -e '.kind == "probe" and .energy == false and (.sources | map(.name) | index("powercap") != null)' \
        > /dev/null || fail "--probe with empty roots"
