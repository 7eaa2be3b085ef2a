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
"$build/watt-sensor" --probe --energy msr --sysfs "$scratch/empty" --procfs "$scratch/empty" --devfs "$scratch/empty" |
    jq -e '.energy == false and .domains == [] and (.energy_why | contains("msr"))' \
        > /dev/null || fail "--probe of a source that is not there"

# Kernels with Debian's patch want CAP_SYS_ADMIN for perf events from a paranoid of 3 on, for each new cgroup.
if [ "$(id -u)" = 0 ]; then
    mkdir "$scratch/paranoid" "$scratch/paranoid/sys" "$scratch/paranoid/sys/kernel"
    for file in /proc/*; do
        [ "$file" = /proc/sys ] || ln -s "$file" "$scratch/paranoid/"
    done
    echo 1 > "$scratch/paranoid/sys/kernel/nmi_watchdog"
    "$build/watt-sensor" --probe --procfs "$scratch/paranoid" --granularity cgroup --engine perf > "$scratch/probe"
    jq -e '(.events | index("cpu_ns") != null) and (.events_missing | index("cpu_ns") == null) and
           (.events_missing == [] or
            # It holds one counter: where none is counted at all it is not the reason.
            (.events_why | contains("NMI watchdog")) == (.events | index("instructions") != null))' "$scratch/probe" > /dev/null ||
        fail "what the probe says of events: $(cat "$scratch/probe")"
    rm "$scratch/paranoid/cpuinfo"
    sed 's/^vendor_id.*/vendor_id : Nobody/' /proc/cpuinfo > "$scratch/paranoid/cpuinfo"
    "$build/watt-sensor" --probe --procfs "$scratch/paranoid" --granularity cgroup --engine perf > "$scratch/probe"
    jq -e '(.events | index("migrations") != null) and (has("events_missing") | not) and
           (.events_why | contains("not known"))' "$scratch/probe" > /dev/null ||
        fail "what the probe says of a CPU that nobody knows: $(cat "$scratch/probe")"
    for paranoid in 2 3 4; do
        echo $paranoid > "$scratch/paranoid/sys/kernel/perf_event_paranoid"
        for engine in perf proc; do
            expect "paranoid $paranoid, $engine" "$two" --procfs "$scratch/paranoid" --granularity cgroup --engine $engine
            kept=$(grep -c 'capabilities kept: .*cap_sys_admin' "$scratch/err" || true)
            wanted=0
            [ $engine$paranoid = perf2 ] || [ $engine = proc ] || wanted=1
            [ "$kept" = $wanted ] || fail "paranoid $paranoid, $engine: $(cat "$scratch/err")"
        done
    done
fi
