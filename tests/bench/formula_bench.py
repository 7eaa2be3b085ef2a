#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Reports per CPU second of the real watt-formula: 100 targets x 1,000 ticks, from PowerAPI's JSON lines (one CPU and two
events; eight CPUs and four events, the shape behind the peers' figure) and from the native store. Prints, asserts
nothing. Usage: formula_bench.py [BUILD [TICKS]]"""
import json
import os
import random
import resource
import subprocess
import sys
import tempfile

PEER = 4100  # reports per CPU second of powerapi 2.10.0 with smartwatts 2.4.1, eight CPUs and four events
EVENTS = ["INSTRUCTIONS_RETIRED", "CPU_CLK_THREAD_UNHALTED:THREAD_P", "CPU_CLK_THREAD_UNHALTED:REF_P", "LLC_MISSES"]
N_TARGETS = 100


def write_powerapi(path, n_ticks, n_cpus, n_events):
    rng = random.Random(1)
    factors = (1.0, 0.8, 0.6, 0.004)
    with open(path, "w") as out:
        for tick in range(n_ticks):
            stamp = 1790000000000 + tick * 1000
            lines, cycles = [], 0
            for target in range(N_TARGETS):
                cpus = {}
                for cpu in range(n_cpus):
                    base = rng.randrange(1, 10**8)
                    cycles += base
                    counts = {name: int(base * f) for name, f in zip(EVENTS[:n_events], factors)}
                    cpus[str(cpu)] = counts | {"time_enabled": 10**9, "time_running": 10**9}
                lines.append({"timestamp": stamp, "sensor": "bench", "target": f"/system.slice/unit{target}.service",
                              "groups": {"core": {"0": cpus}}})
            energy = int((20 + cycles * 3e-9) * 2**32)
            lines.append({"timestamp": stamp, "sensor": "bench", "target": "all", "groups": {
                "rapl": {"0": {"0": {"RAPL_ENERGY_PKG": energy, "time_enabled": 10**9, "time_running": 10**9}}}}})
            for line in lines:
                out.write(json.dumps(line, separators=(",", ":")) + "\n")


def write_native(path, n_ticks, n_events):
    rng = random.Random(1)
    names = ["cpu_ns", "instructions", "cycles", "llc_misses"][:n_events]
    with open(path, "w") as out:
        for tick in range(n_ticks):
            rows, total = [], 0
            for target in range(N_TARGETS):
                base = rng.randrange(1, 10**7)
                total += base
                rows.append({"target": f"/system.slice/unit{target}.service", "package": 0,
                             "counts": [base * (i + 1) if i < 3 else base // 300 for i in range(n_events)],
                             "enabled_ns": 10**9, "running_ns": 10**9})
            out.write(json.dumps({
                "kind": "raw", "v": 1, "_id": f"bench:0199d2f4c1a0:{tick:012x}", "sensor": "bench",
                "run": "0199d2f4c1a0", "seq": tick, "timestamp": 1790000000000 + tick * 1000, "dt_ns": 10**9,
                "valid": True, "energy": [{"domain": "package", "package": 0, "source": "powercap", "valid": True,
                                           "dt_ns": 10**9, "energy_uj": int(20e6 + total * 0.03)}],
                "events": names, "targets": rows}, separators=(",", ":")) + "\n")


def cpu_seconds(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(build, shape, uri, model, n_reports, peer=None, output="null:"):
    seconds = min(cpu_seconds([f"{build}/watt-formula", "--post-mortem", "--input", uri, "--output", output,
                               "--model", model]) for _ in range(3))
    rate = n_reports / seconds
    note = f"  {rate / peer:6.1f} x powerapi + smartwatts ({peer:,})" if peer else ""
    print(f"{shape:44s} {model:6s} {seconds:7.2f} CPU s {rate:12,.0f} reports/CPU s{note}", flush=True)


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("WATT_BUILD", "build")
    n_ticks = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    with tempfile.TemporaryDirectory(prefix="watt-bench-") as folder:
        small, large, native = (f"{folder}/{name}.jsonl" for name in ("small", "large", "native"))
        write_powerapi(small, n_ticks, 1, 2)
        write_powerapi(large, max(n_ticks // 5, 1), 8, 4)
        write_native(native, n_ticks, 4)
        stored = f"sqlite:{folder}/store"
        subprocess.run([f"{build}/tests/copy_store", f"jsonl:{native}", stored], check=True)
        for model in ("share", "auto"):
            measure(build, "PowerAPI JSON lines, 1 CPU, 2 events", f"jsonl:{small}", model, n_ticks * (N_TARGETS + 1))
            measure(build, "PowerAPI JSON lines, 8 CPUs, 4 events", f"jsonl:{large}", model,
                    max(n_ticks // 5, 1) * (N_TARGETS + 1), PEER)
            measure(build, "native JSON lines, 4 events", f"jsonl:{native}", model, n_ticks * N_TARGETS, PEER)
            measure(build, "native SQLite store, 4 events", stored, model, n_ticks * N_TARGETS, PEER)


if __name__ == "__main__":
    main()
