#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A powercap driver that takes the unit for 5 % more than it is: a starting sensor compares it with the registers and says so, with both
figures, and so does watt doctor; one that is right is only compared. After that nothing is open that is not used."""
import json
import os
import select
import signal
import subprocess
import time

from simulated import BUILD, Simulated
from sensor_run import DEADLINE_S, SENSOR, check

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

SEES = {2: "cap_dac_read_search", 19: "cap_sys_ptrace"}


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


def held(pid):
    """Numbers of the capabilities that a process may use or take."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as stream:
        masks = [int(line.split()[1], 16) for line in stream if line.startswith(("CapEff", "CapPrm"))]
    return {bit for bit in range(64) for mask in masks if mask >> bit & 1}


def check_capabilities(pid, said, needed):
    """It holds what it needs, as far as we have that, and says so."""
    own = held("self")
    check(held(pid) == set(needed) & own, f"it holds {held(pid)} of {own}")
    kept = [line for line in said.splitlines() if "capabilities kept: " in line]
    check(len(kept) == 1, f"it says once what it keeps: {said}")
    for number, name in needed.items():
        check((name in kept[0]) == (number in own), f"{name}: {kept[0]}")


def check_what_is_kept(machine, engine, energy, needed, *more):
    """A sensor that opens registers again may do so, one that counts cgroups sees no hidden process, one that counts nothing may not count, and one without targets may see nobody."""
    process = subprocess.Popen([SENSOR, "--interval", "100ms", "--engine", engine, "--energy", energy, "--store", "null:",
                                *more, *machine.roots()], stderr=subprocess.PIPE)
    try:
        check_capabilities(process.pid, lines_until(process, ["capabilities kept"]), needed)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def run_sensor(machine, *wanted):
    """Until it said what is wanted. Returns all that it said."""
    process = subprocess.Popen([SENSOR, "--verbose", "--interval", "100ms", "--engine", "proc", "--store", "null:", *machine.roots()],
                               stderr=subprocess.PIPE)
    try:
        said = lines_until(process, wanted)
        check_capabilities(process.pid, said, SEES)
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


def ask_doctor(machine):
    """The rows of domains, by name, and the exit status."""
    roots = dict(zip(("WATT_SENSOR_SYSFS", "WATT_SENSOR_DEVFS", "WATT_SENSOR_PROCFS"), machine.roots()[1::2]))
    command = [os.path.join(BUILD, "watt"), "doctor", "--store", "null:", "--format", "json"]
    answer = subprocess.run(command, env={**os.environ, **roots}, stdout=subprocess.PIPE, check=False)
    return {row["name"]: row for row in json.loads(answer.stdout)["rows"] if row["kind"] == "domain"}, answer.returncode


def check_doctor(machine, compared, wanted_status):
    for _ in range(10):
        rows, status = ask_doctor(machine)
        if not any("too little" in (row["compared"] or "") for row in rows.values()):
            break  # else the machine was too busy to tell
    check(set(rows) == {"package 0", "dram 0"}, f"domains: {rows}")
    row = rows["package 0"]
    check(row["source"] == "powercap" and compared in row["compared"], f"{compared}: {row}")
    check(abs(row["power_w"] - 20) < 3 and 500 <= row["peak_w"] <= 1000, f"20 W are simulated: {row}")
    check(row["wrap_s"] > row["longest_interval_s"] > 60, f"it wraps after minutes: {row}")
    check(row["update_ms"] is not None and row["update_ms"] > 0.5, f"updates every millisecond are not seen faster: {row}")
    check("memory modules" in row["leaves_out"], f"what is left out: {row}")
    check(status == wanted_status, f"status {status}")


def main():
    machine = Simulated()
    machine.start(MACHINE.format(factor=1.05))
    said = run_sensor(machine, "energy sources disagree: package 0: powercap says", "energy sources disagree: dram 0: powercap says")
    for line in said.splitlines():
        if "disagree" in line:
            print(line)
            percent = float(line.split(": ")[-1].split(" %")[0])
            check(", msr says" in line and "powercap is used" in line and 3.5 < percent < 6, f"both, and 4.8 %: {line}")
    check_doctor(machine, "msr DIFFERS by", 1)
    machine.start(MACHINE.format(factor=1))
    said = run_sensor(machine, "energy sources: package 0: powercap says", "energy sources: dram 0: powercap says")
    check("disagree" not in said, f"they agree: {said}")
    check_doctor(machine, "msr says the same", 0)
    check_what_is_kept(machine, "proc", "msr", {**SEES, 17: "cap_sys_rawio"})
    check_what_is_kept(machine, "proc", "powercap", {2: "cap_dac_read_search"}, "--granularity", "cgroup")
    check_what_is_kept(machine, "none", "powercap", {2: "cap_dac_read_search"})
    check_what_is_kept(machine, "none", "curve", {})
    machine.stop()
    machine.close()


main()
