#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A busy loop in a cgroup of its own gets nearly all watts that are charged to the two watched cgroups, the idle one beside it nearly
# none: counted per cgroup by the perf engine, and per process by the proc engine. What the machine does besides is charged to "other".
# shellcheck source=tests/daemon/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
mount=$(cgroup_mount)
name=watt-test-$$

end_test() {
    local folder
    for folder in busy idle ''; do
        # A cgroup stays busy for a moment after its last process has gone.
        until_true rmdir "$mount/$name/$folder" || echo "left: $mount/$name/$folder" >&2
    done
}

mkdir "$mount/$name" "$mount/$name/busy" "$mount/$name/idle"
# Each enters its cgroup before it becomes what it is; the idle one waits for input that never comes.
sh -c 'echo $$ >"$1/cgroup.procs" && exec sh -c "while :; do :; done"' - "$mount/$name/busy" &
busy=$!
pids=$busy
sh -c 'echo $$ >"$1/cgroup.procs" && exec cat' - "$mount/$name/idle" <>"$scratch/never" >/dev/null &
idle=$!
pids="$busy $idle"
until_true grep -qx "$busy" "$mount/$name/busy/cgroup.procs" || fail "the busy loop did not reach its cgroup"
until_true grep -qx "$idle" "$mount/$name/idle/cgroup.procs" || fail "the idle process did not reach its cgroup"

joules() { # of a cgroup in a report of watt show; 0 where it has no line because it did nothing at all
    jq --arg key "$2" '[.rows[] | select(.row == "target" and .target == $key) | .energy_j] | add // 0' "$1"
}

# CPU time used so far, in us: by the busy cgroup, and by the whole machine.
busy_us() { awk '$1 == "usage_usec" { print $2 }' "$mount/$name/busy/cpu.stat"; }
machine_us() { awk -v hz="$(getconf CLK_TCK)" '$1 == "cpu" { print ($2 + $3 + $4 + $7 + $8) * 1000000 / hz }' /proc/stat; }

check() { # GRANULARITY ENGINE
    local store=$scratch/$1 busy_j idle_j other_j attributed_j sum_j busy_from machine_from cpu_share
    busy_from=$(busy_us)
    machine_from=$(machine_us)
    "$build/watt-sensor" --name test --store "sqlite:$store" --granularity "$1" --engine "$2" --interval 200ms --ticks 15 \
        --target "cgroup:/$name/**"
    cpu_share=$(jq -n "($(busy_us) - $busy_from) / ($(machine_us) - $machine_from)")
    "$build/watt-formula" --input "sqlite:$store" --output "sqlite:$store" --post-mortem
    "$build/watt" show --store "sqlite:$store" --by cgroup --format json >"$scratch/$1.json"
    busy_j=$(joules "$scratch/$1.json" "/$name/busy")
    idle_j=$(joules "$scratch/$1.json" "/$name/idle")
    other_j=$(joules "$scratch/$1.json" other)
    attributed_j=$(jq '[.rows[] | select(.row == "attributed") | .energy_j] | add' "$scratch/$1.json")
    sum_j=$(jq '[.rows[] | select(.row == "target") | .energy_j] | add' "$scratch/$1.json")
    echo "$1/$2: busy $busy_j J, idle $idle_j J, other $other_j J of $attributed_j J; $cpu_share of the CPU time"
    jq -n "$busy_j > 0" | grep -q true || fail "$1: the busy loop got nothing"
    jq -n "$idle_j < 0.02 * $busy_j" | grep -q true || fail "$1: the idle cgroup got $idle_j J"
    # The rest of the machine may be as busy: what counts is the part of its CPU time that the loop really had.
    jq -n "$busy_j / $attributed_j / $cpu_share | . > 0.75 and . < 1.3" | grep -q true ||
        fail "$1: the busy loop had $cpu_share of the CPU time, and $busy_j of $attributed_j J"
    jq -n "($sum_j - $attributed_j) | fabs < 0.001 * $attributed_j + 0.001" | grep -q true ||
        fail "$1: targets add up to $sum_j J, the balance says $attributed_j J"
}

check cgroup perf
check process proc
# The whole machine in its default engine and granularity: nothing is charged twice.
"$build/watt-sensor" --name test --store "sqlite:$scratch/all" --interval 200ms --ticks 5
"$build/watt-formula" --input "sqlite:$scratch/all" --output "sqlite:$scratch/all" --post-mortem
"$build/watt" show --store "sqlite:$scratch/all" --by cgroup --format json >"$scratch/all.json"
busy_j=$(joules "$scratch/all.json" "/$name/busy")
idle_j=$(joules "$scratch/all.json" "/$name/idle")
jq -n "$busy_j > 50 * $idle_j and $busy_j > 0" | grep -q true || fail "by default: busy $busy_j J, idle $idle_j J"
