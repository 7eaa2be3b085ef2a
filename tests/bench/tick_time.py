#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What one tick costs: CPU time of each tick of several sensors that take turns, a few ticks each (README.md beside this file).

tick_time.py TURNS TICKS -- 'name=CMD' 'name=CMD' ...    100 idle cgroups, one tick a second

All are started at once and stopped (SIGSTOP) but for the one whose turn it is; the first two ticks of a turn are left out. Percentiles say
more than a mean: ticks in which somebody else changes the tree of cgroups cost a walk over it. Placeholders as in bench.py.
"""
import shlex
import signal
import statistics
import subprocess
import sys
import time

import bench

N_CGROUPS = 100


def cpu_us(pid):
    return int(bench.read_text(f"/proc/{pid}/schedstat").split()[0]) / 1e3


def wait_between_ticks():
    """Ticks come at whole seconds of the wall clock."""
    wait_s = .55 - time.time() % 1
    time.sleep(wait_s if wait_s > .05 else wait_s + 1)


def take_turn(process, n_ticks):
    process.send_signal(signal.SIGCONT)
    for _ in range(3):
        wait_between_ticks()
    costs_us, last_us = [], cpu_us(process.pid)
    for _ in range(n_ticks):
        wait_between_ticks()
        now_us = cpu_us(process.pid)
        costs_us.append(now_us - last_us)
        last_us = now_us
    process.send_signal(signal.SIGSTOP)
    return costs_us


def start(command):
    relative = bench.os.path.relpath(bench.BASE, bench.MOUNT)
    for key, value in dict(REL=relative, CG=bench.BASE, MS="1000", S="1", N=str(N_CGROUPS)).items():
        command = command.replace("{" + key + "}", value)
    return subprocess.Popen(shlex.split(command), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def end(processes):
    for process in processes:
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGINT)
        process.wait()


def main():
    if "--" not in sys.argv or len(sys.argv) < 5:
        sys.exit(__doc__)
    n_turns, n_ticks = int(sys.argv[1]), int(sys.argv[2])
    commands = bench.named(sys.argv[sys.argv.index("--") + 1:])
    costs_us = {name: [] for name, _ in commands}
    processes = {}
    bench.build()
    with bench.Workers(N_CGROUPS):
        try:
            for name, command in commands:
                processes[name] = start(command)
            time.sleep(5)
            for process in processes.values():
                process.send_signal(signal.SIGSTOP)
            for turn in range(n_turns):
                for name, _ in commands if turn % 2 == 0 else commands[::-1]:
                    costs_us[name] += take_turn(processes[name], n_ticks)
        finally:
            end(processes.values())
    base_us = statistics.median(costs_us[commands[0][0]])
    for name, values in costs_us.items():
        quarters = statistics.quantiles(values, n=4)
        print(f"{name:12} {len(values)} ticks, us: lower quartile {quarters[0]:.0f}, median {quarters[1]:.0f}, upper {quarters[2]:.0f}, "
              f"mean {statistics.mean(values):.0f}; median beside the first's {quarters[1] / base_us:.2f}", flush=True)


if __name__ == "__main__":
    main()
