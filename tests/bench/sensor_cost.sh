#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What watt-sensor costs with 100 cgroups at 1 and 10 ticks a second, beside other sensors (README.md). Printed, not asserted.
#   tests/bench/sensor_cost.sh [SECONDS]      as root; WATT_BUILD: the build folder
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(cd "${WATT_BUILD:-$here/../../build}" && pwd)
seconds=${1:-20}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export LOGDIR=$scratch TOOLS=$scratch

for ms in 1000 100; do
    "$here/bench.py" run-cmd 100 "$ms" "$seconds" -- \
        "$build/watt-sensor --granularity cgroup --target cgroup:/{REL}/* --interval {MS}ms --store sqlite:$scratch/store-$ms" \
        | tee -a "$scratch/results"
done

python3 - "$scratch/results" <<'PYTHON'
import json, sys
ours = {r["interval_ms"]: r for r in map(json.loads, open(sys.argv[1]))}
slow, fast = ours[1000], ours[100]
rows = [("watt-sensor (stored in SQLite)", slow["cpu_share_schedstat"] * 100, fast["cpu_share_schedstat"] * 100, slow["rss_mb"], slow["threads"], slow["fds"]),
        ("hwpc-sensor 1.7.0 (nothing stored)", 0.43, 4.0, 25, 106, 1321),
        ("perf 6.1 --bpf-counters (nothing stored)", 0.05, 0.53, 8, 1, 126),
        ("Alumet 0.9.5 (cpu.stat only, csv)", 1.0, 11.4, 7, 18, 245)]
print(f"{'100 cgroups; CPU in % of one core':42} {'1 Hz':>6} {'10 Hz':>6} {'RSS MB':>7} {'threads':>8} {'fds':>6}")
for name, one, ten, rss, threads, fds in rows:
    print(f"{name:42} {one:6.2f} {ten:6.2f} {rss:7.1f} {threads:8} {fds:6}")
print(f"other load in our windows: {slow['other_busy_cores']} and {fast['other_busy_cores']} cores; peers: README.md, other machine state")
PYTHON
