#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes a stream of HWPCReports as JSON lines: a machine of one or two sockets whose clock moves, with targets that change
their load, rest, come and go. The same arguments give the same bytes.

    smartwatts_stream.py --seed N [--ticks N] [--targets N] [--sockets N] [--clock steps|turbo|wander] > reports.jsonl

Power is idle + v(f)^2 (cycles, instructions) + misses + noise, so that no linear model per clock is quite right. What real
sensors do is there too: merged ticks, an energy that leaps, multiplexed counts, CPUs on which a target did not run, ticks in
which a whole socket rests."""
import argparse
import json
import random

BASE_MHZ, CPUS = 2600, 4
CLOCKS = ("steps", "turbo", "wander")
CYCLES, REF_CYCLES = "CPU_CLK_THREAD_UNHALTED:THREAD_P", "CPU_CLK_THREAD_UNHALTED:REF_P"


class Target:
    def __init__(self, rng, index, sockets):
        self.name = f"/system.slice/service-{index:02d}.service"
        self.home = index % sockets
        self.ipc = rng.uniform(0.4, 3)
        self.misses = 10 ** rng.uniform(-4, -2.2)
        self.load = rng.choice((0, 0.02, 0.1, 0.5, 1, 2))
        self.lives = True

    def step(self, rng):
        if rng.random() < 0.03:
            self.load = rng.choice((0, 0.02, 0.1, 0.5, 1, 2))
        if rng.random() < (0.002 if self.lives else 0.05):
            self.lives = not self.lives


def next_clock(rng, kind, mhz, socket):
    if kind == "steps":
        return rng.choice((3000, 2960)) - 100 * socket  # the first on the edge of a layer, by a rounded bit
    if kind == "turbo":
        return min(max(mhz + rng.gauss(0, 25), 2500), 3100)
    return min(max(mhz + 0.05 * (2400 - mhz) + rng.gauss(0, 180), 1000), 3700)


def spread(rng, total, n):
    """An integer in n parts, some of them 0."""
    weights = [rng.random() if rng.random() < 0.8 else 0 for _ in range(n)]
    scale = total / (sum(weights) or 1)
    return [int(weight * scale) for weight in weights]


def counts_of(rng, target, socket, mhz, seconds, rests):
    if rests or target.load == 0:
        return 0, 0, 0, 0
    here = 1 if target.home == socket else 0.1
    cycles = target.load * here * rng.uniform(0.9, 1.1) * mhz * 1e6 * seconds
    instructions = cycles * target.ipc * rng.uniform(0.95, 1.05)
    misses = instructions * target.misses * rng.uniform(0.8, 1.2)
    return int(cycles), int(cycles * BASE_MHZ / mhz), int(instructions), int(misses)


def core_group(rng, counts, seconds):
    columns = [spread(rng, count, CPUS) for count in counts]
    enabled = int(seconds * 1e9)
    cpus = {}
    for cpu in range(CPUS):
        values = [column[cpu] for column in columns]
        share = rng.choice((1, 1, 1, 0.6)) if any(values) else 1
        cpus[str(cpu)] = dict(zip((CYCLES, REF_CYCLES, "INSTRUCTIONS_RETIRED", "LLC_MISSES"), values),
                              time_enabled=enabled, time_running=int(enabled * share))
    return cpus


def energy_of(rng, total, mhz, seconds):
    voltage = 0.6 + 0.45 * mhz / 3700
    cycles, _, instructions, misses = total
    package = 25 * seconds + voltage ** 2 * (0.55e-9 * cycles + 0.35e-9 * instructions) + 25e-9 * misses
    package += rng.gauss(0, 0.5) * seconds
    if rng.random() < 0.004:
        package += 40 * seconds
    dram = 3 * seconds + 60e-9 * misses + rng.gauss(0, 0.1) * seconds
    return package, max(dram, 0)


def group_times(seconds):
    return {"time_enabled": int(seconds * 1e9), "time_running": int(seconds * 1e9)}


def make_tick(rng, targets, clocks, stamp_ms, seconds):
    reports, rapl, msr = {}, {}, {}
    for socket, mhz in enumerate(clocks):
        rests = rng.random() < 0.01
        total = [0, 0, 0, 0]
        for target in targets:
            if not target.lives:
                continue
            counts = counts_of(rng, target, socket, mhz, seconds, rests)
            total = [a + b for a, b in zip(total, counts)]
            reports.setdefault(target.name, {})[str(socket)] = core_group(rng, counts, seconds)
        package, dram = energy_of(rng, total, mhz, seconds)
        rapl[str(socket)] = {"0": {"RAPL_ENERGY_PKG": int(package * 2 ** 32), "RAPL_ENERGY_DRAM": int(dram * 2 ** 32),
                                   **group_times(seconds)}}
        msr[str(socket)] = {}
        for cpu in range(CPUS):
            mperf = 26 * rng.randrange(10_000_000, 90_000_000)
            msr[str(socket)][str(cpu)] = {"TSC": int(BASE_MHZ * 1e6 * seconds), "MPERF": mperf,
                                          "APERF": round(mperf * mhz / BASE_MHZ), **group_times(seconds)}
    head = {"timestamp": stamp_ms, "sensor": "made"}
    lines = [{**head, "target": name, "groups": {"core": groups}} for name, groups in reports.items()]
    lines.append({**head, "target": "all", "groups": {"rapl": rapl, "msr": msr}})
    rng.shuffle(lines)
    return lines


def make_stream(seed, ticks=1000, n_targets=24, sockets=1, clock="wander"):
    rng = random.Random(seed)
    targets = [Target(rng, index, sockets) for index in range(n_targets)]
    clocks = [2400.0] * sockets
    stamp_ms = 1_700_000_000_000
    for _ in range(ticks):
        seconds = 2 if rng.random() < 0.02 else rng.uniform(0.99, 1.01)
        stamp_ms += round(seconds * 1000)
        for target in targets:
            target.step(rng)
        clocks = [next_clock(rng, clock, mhz, socket) for socket, mhz in enumerate(clocks)]
        yield from make_tick(rng, targets, clocks, stamp_ms, seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--ticks", type=int, default=1000)
    parser.add_argument("--targets", type=int, default=24)
    parser.add_argument("--sockets", type=int, default=1)
    parser.add_argument("--clock", choices=CLOCKS, default="wander")
    arguments = parser.parse_args()
    for line in make_stream(arguments.seed, arguments.ticks, arguments.targets, arguments.sockets, arguments.clock):
        print(json.dumps(line, separators=(",", ":")))


if __name__ == "__main__":
    main()
