#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Bad input is named, and ends the sensor with the status that says what kind of trouble it was.
# shellcheck source=tests/daemon/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
sensor=$build/watt-sensor

# refuses STATUS TEXT OPTION...: ends with the status and says the text.
refuses()
{
    wanted=$1 text=$2
    shift 2
    status=0
    "$sensor" --ticks 1 --interval 5ms "$@" > "$scratch/out" 2> "$scratch/err" || status=$?
    [ "$status" = "$wanted" ] || fail "$*: status $status, not $wanted: $(cat "$scratch/err")"
    grep -qF -- "$text" "$scratch/err" || fail "$*: \"$text\" is not in: $(cat "$scratch/err")"
    [ ! -s "$scratch/out" ] || fail "$*: something on standard output"
}

printf '[sensor]\nintervall = 1s\n' > "$scratch/bad.conf"
printf 'vendor,family\n' > "$scratch/bad.csv"
: > "$scratch/file"
refuses 64 "--nonsense" --nonsense
refuses 64 "interval" --interval 5
refuses 64 "at least 1ms" --interval 999us
refuses 64 "bogus" --store bogus:x
refuses 64 "comm" --target nonsense
refuses 64 "a/b" --name a/b
refuses 64 "foo" --energy foo
refuses 64 "foo" --engine foo
refuses 64 "--target" --engine none --target 'cgroup:/**'
refuses 64 "--event" --engine none --event instructions
if "$sensor" --help | grep -e --bpf-slots > /dev/null; then # built with WATT_BPF
    for n in 100 32 2097152; do
        refuses 64 "a power of two from 64 to 1048576" --bpf-slots $n
    done
    refuses 64 "a power of two" --bpf-slots 100 --check-config
fi
refuses 64 "align" --align sometimes
other=skl
grep -q GenuineIntel /proc/cpuinfo && other=amd64_fam17h_zen2
refuses 64 "$other is the PMU of another CPU" --event "$other::RETIRED_INSTRUCTIONS"
refuses 64 "libpfm4 says" --event perf::NO-SUCH
refuses 64 "write NAME=EVENT" --event 'a b=perf::PAGE-FAULTS'
refuses 64 "a rule comm:... tells" --target 'comm:x' --granularity cgroup
refuses 64 "user:" --target 'cgroup:/**' --target '!user:root' --granularity cgroup
refuses 64 "pid:" --target pid:1 --schema powerapi
refuses 64 "powerapi" --schema powerapi --store mongodb://127.0.0.1:1/db --spool "$scratch/spool"
refuses 64 "mongodb" --store mongodb:// --spool "$scratch/spool"
refuses 64 "mongodb" --store mongodb://127.0.0.1:1 --spool "$scratch/spool"
refuses 64 "password" --store mongodb://user:secret@host/db
refuses 78 "bad.conf:2" --config "$scratch/bad.conf"
refuses 78 "bad.csv:1" --curve-file "$scratch/bad.csv" --energy curve
# Two turns of a counter look like one.
zone=$scratch/sys/class/powercap/intel-rapl:0
mkdir -p "$zone"
echo package-0 > "$zone/name"
echo 65532610987 > "$zone/max_energy_range_uj"
echo 5 > "$zone/energy_uj"
refuses 78 "powercap: domain package 0 counts up to 65533 J" --sysfs "$scratch/sys" --store null: --interval 1h
refuses 69 "$scratch/file/below" --store "sqlite:$scratch/file/below"
if [ "$(id -u)" = 0 ]; then
    mkdir "$scratch/locked"
    chmod 755 "$scratch" && chmod 500 "$scratch/locked"
    real=$sensor
    printf '#!/bin/sh\nexec setpriv --reuid 65534 --regid 65534 --clear-groups %s "$@"\n' "$real" > "$scratch/other"
    chmod 755 "$scratch/other"
    sensor=$scratch/other
    refuses 77 "$scratch/locked" --store "sqlite:$scratch/locked/store"
fi
