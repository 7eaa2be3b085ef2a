#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A powercap driver that takes the unit for 5 % more than it is: a starting sensor compares it with the registers and says so, with both
figures; one that is right is only compared. After that nothing is open that is not used."""
import os
import select
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "daemon"))
from sensor_run import DEADLINE_S, SENSOR, check  # noqa: E402
from simulated import Simulated  # noqa: E402

MACHINE = """
[machine]
vendor = intel
family = 6
model = 0x9e
packages = 1
cpus = 2
domains = package dram
jitter_us = 100
lag_us = 300
zone_factor = {factor}
[package 0]
idle_w = 20
dram_idle_w = 5
"""


def lines_until(process, wanted):
    """What the process says, up to the line with the last of the wanted words."""
    said, end = "", time.monotonic() + DEADLINE_S
    while not all(words in said for words in wanted):
        ready, _, _ = select.select([process.stderr], [], [], max(0.0, end - time.monotonic()))
        data = os.read(process.stderr.fileno(), 1 << 16) if ready else b""
        check(data, f"nothing more is said, but {wanted} is missing in: {said}")
        said += data.decode()
    return said


def open_files(pid):
    folder = f"/proc/{pid}/fd"
    paths = []
    for number in os.listdir(folder):
        try:
            paths.append(os.readlink(f"{folder}/{number}"))
        except FileNotFoundError:
            pass
    return paths


def run_sensor(machine, *wanted):
    """Until it said what is wanted. Returns all that it said."""
    process = subprocess.Popen([SENSOR, "--verbose", "--interval", "100ms", "--engine", "proc", "--store", "null:", *machine.roots()],
                               stderr=subprocess.PIPE)
    try:
        said = lines_until(process, wanted)
        end = time.monotonic() + DEADLINE_S
        while any("/dev/cpu/" in path for path in open_files(process.pid)):
            check(time.monotonic() < end, f"the registers are still open: {open_files(process.pid)}")
        check(any("energy_uj" in path for path in open_files(process.pid)), "powercap is in use")
        process.send_signal(signal.SIGTERM)
        check(process.wait(DEADLINE_S) == 0, "SIGTERM ends it with status 0")
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    return said


def main():
    machine = Simulated()
    machine.start(MACHINE.format(factor=1.05))
    said = run_sensor(machine, "energy sources disagree: package 0: powercap says", "energy sources disagree: dram 0: powercap says")
    for line in said.splitlines():
        if "disagree" in line:
            print(line)
            percent = float(line.split(": ")[-1].split(" %")[0])
            check(", msr says" in line and "powercap is used" in line and 3.5 < percent < 6, f"both, and 4.8 %: {line}")
    machine.start(MACHINE.format(factor=1))
    said = run_sensor(machine, "energy sources: package 0: powercap says", "energy sources: dram 0: powercap says")
    check("disagree" not in said, f"they agree: {said}")
    machine.stop()
    machine.close()


main()
