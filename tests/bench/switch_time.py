#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""How long the program that runs at each context switch takes, by the kernel's own statistics of BPF programs.

switch_time.py ROUNDS -- 'name=CMD' ...      as root; {REL}, {MS} and the environment as in bench.py (PP_LEAF, PP_CPU)

All sensors run at once, so that all of them see the same switches, those of a pair of processes: beside bench.py's pingpong, which measures what a
switch takes in all, other load hardly matters. The statistics take time themselves, the same for all: look at differences. Printed, not asserted.
"""
import contextlib
import ctypes
import json
import os
import statistics
import subprocess
import sys

import bench

PROGRAM = "on_switch"
SYS_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
BPF_ENABLE_STATS = 32


def enable_statistics():
    """They are kept as long as the descriptor is open."""
    libc = ctypes.CDLL(None, use_errno=True)
    attributes = ctypes.create_string_buffer(128)  # type 0: run time
    fd = libc.syscall(SYS_BPF, BPF_ENABLE_STATS, attributes, len(attributes))
    if fd < 0:
        sys.exit("BPF_ENABLE_STATS: " + os.strerror(ctypes.get_errno()))
    return fd


def program_statistics(number):
    answer = subprocess.run(["bpftool", "prog", "show", "id", number, "--json"], check=True, capture_output=True, text=True)
    return json.loads(answer.stdout)


def find_program(pid):
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        for line in bench.read_text(f"/proc/{pid}/fdinfo/{fd}").splitlines():
            number = line.split()[-1]
            if line.startswith("prog_id:") and program_statistics(number)["name"] == PROGRAM:
                return number
    return sys.exit(f"process {pid} has no program {PROGRAM}")


def look(programs):
    seen = {name: program_statistics(number) for name, number in programs.items()}
    return {name: (s.get("run_time_ns", 0), s.get("run_cnt", 0)) for name, s in seen.items()}


def main():
    if len(sys.argv) < 4 or sys.argv[2] != "--":
        sys.exit(__doc__)
    os.environ["PATH"] += ":/usr/sbin"
    bench.build()
    commands = bench.named(sys.argv[3:])
    results = {name: [] for name, _ in commands}
    statistics_fd = enable_statistics()
    with bench.Workers(2), contextlib.ExitStack() as stack:
        sensors = {name: stack.enter_context(bench.Sensor(command, 2, 1000, name)) for name, command in commands}
        programs = {name: find_program(sensor.process.pid) for name, sensor in sensors.items()}
        for number in range(int(sys.argv[1])):
            before = look(programs)
            bench.pingpong(1)
            after = look(programs)
            row = {name: (after[name][0] - before[name][0]) / (after[name][1] - before[name][1]) for name in programs}
            for name, ns in row.items():
                results[name].append(ns)
            bench.show(dict(round=number, switches=min(after[name][1] - before[name][1] for name in programs),
                            **{name: round(ns, 1) for name, ns in row.items()}))
    os.close(statistics_fd)
    bench.show(dict(median_of=int(sys.argv[1]), pp_leaf=bench.ENV.get("PP_LEAF", "two"),
                    **{name: round(statistics.median(values), 1) for name, values in results.items()}))


if __name__ == "__main__":
    main()
