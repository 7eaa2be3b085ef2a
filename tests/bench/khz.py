#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Energy alone at 1 kHz, stored in SQLite: what it costs, what it misses, and how smooth the power of a constant load is when readings follow
the counter's updates and when they do not. Printed beside the stated goals, not asserted.

    tests/bench/khz.py [SECONDS] [PERIOD_US]      as root; WATT_BUILD: the build folder; default 60 s, updates every 1000.2 us: a counter slower than the
    timer makes the phase between the two slide, and costs a period each time it has slid by one

The counters are files that a writer keeps as a powercap driver would (update_writer.c): reading them costs as little as sysfs does. The
last part reads the simulator (FUSE) instead, where a reading costs some 30 times more and is answered by another process."""
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(os.environ.get("WATT_BUILD", os.path.join(HERE, "..", "..", "build")))
SENSOR = os.path.join(BUILD, "watt-sensor")
GOAL_CPU, GOAL_MISSED = 0.03, 0.001
JITTER_US, WATTS = 40, 50
MACHINE = """
[machine]
vendor = intel
family = 6
model = 0x9e
packages = 1
cpus = 2
domains = package dram
jitter_us = 40
lag_us = 300
[package 0]
idle_w = 50
dram_idle_w = 5
"""


def busy_cores():
    with open("/proc/stat", encoding="ascii") as stream:
        fields = [int(field) for field in stream.readline().split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def build(name, folder):
    path = os.path.join(folder, name)
    subprocess.run(["gcc", "-O2", "-o", path, os.path.join(HERE, name + ".c")], check=True)
    return path


def make_tree(root):
    files = []
    for number, name in (("intel-rapl:0", "package-0"), ("intel-rapl:0:0", "dram")):
        folder = os.path.join(root, "class/powercap", number)
        os.makedirs(folder)
        for file, text in (("name", name), ("max_energy_range_uj", "262143328850"), ("energy_uj", f"{1000000:020}")):
            with open(os.path.join(folder, file), "w", encoding="ascii") as stream:
                stream.write(text + "\n")
        files.append(os.path.join(folder, "energy_uj"))
    return files


def threads_ns(pid):
    spent = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as stream:
            spent[int(task)] = int(stream.read().split()[0])
    return spent


def record(seconds, store, *options):
    """Runs the sensor for so many periods; CPU seconds (sampling, storing), ticks, missed and the seconds it took."""
    before = busy_cores()
    command = [SENSOR, "--engine", "none", "--energy", "powercap", "--interval", "1ms", "--store", f"sqlite:{store}", *options]
    sensor = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    spent = {}
    try:
        sensor.wait(seconds)
    except subprocess.TimeoutExpired:
        spent = threads_ns(sensor.pid)
        sensor.terminate()
    talk = sensor.communicate()[1]
    if not spent or sensor.returncode != 0:
        raise SystemExit(f"watt-sensor ended with {sensor.returncode}: {talk}")
    sampling = spent.pop(sensor.pid) / 1e9
    storing = sum(spent.values()) / 1e9
    others = (busy_cores() - before - sampling - storing) / seconds
    return sampling, storing, others, talk


def samples(store):
    """Ticks, periods without a tick, and the watts of each package sample, the first second left out: the phase is looked for."""
    with open(os.path.join(store, "records.jsonl"), "w", encoding="utf-8") as stream:
        for (body,) in sqlite3.connect(os.path.join(store, "raw.db")).execute("SELECT body FROM record WHERE kind = 'raw' ORDER BY position"):
            stream.write(json.dumps(decode(body)) + "\n")
    with open(os.path.join(store, "records.jsonl"), encoding="utf-8") as stream:
        ticks = [json.loads(line) for line in stream]
    watts = [sample["energy_uj"] * 1e3 / sample["dt_ns"] for tick in ticks[1000:] for sample in tick["energy"]
             if sample["domain"] == "package" and sample["valid"]]
    return len(ticks), sum(tick["missed"] for tick in ticks), watts


def decode(body, is_array=False):
    """As much of BSON as raw records use."""
    end, at, value = int.from_bytes(body[:4], "little") - 1, 4, [] if is_array else {}
    while at < end:
        kind, stop = body[at], body.index(0, at + 1)
        key, at = body[at + 1:stop].decode(), stop + 1
        size = {0x02: 4, 0x03: 0, 0x04: 0, 0x08: 1, 0x09: 8, 0x10: 4, 0x12: 8, 0x01: 8}[kind]
        number = int.from_bytes(body[at:at + 4], "little")
        if kind in (0x03, 0x04):
            item, size = decode(body[at:at + number], kind == 0x04), number
        elif kind == 0x02:
            item, size = body[at + 4:at + 3 + number].decode(), 4 + number
        elif kind == 0x08:
            item = body[at] != 0
        else:
            item = int.from_bytes(body[at:at + size], "little", signed=True)
        at += size
        value.append(item) if is_array else value.update({key: item})
    return value


def said(talk):
    return next((line.split(": ", 1)[1] for line in talk.splitlines() if "periods" in line), "nothing of it")


def smoothness(watts):
    mean = statistics.fmean(watts)
    far = sum(abs(value - mean) > mean / 4 for value in watts) / len(watts)
    return f"mean {mean:6.2f} W, standard deviation {statistics.pstdev(watts) / mean:6.1%}, more than 25 % off {far:6.2%}, {len(watts)} samples"


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    period_us = sys.argv[2] if len(sys.argv) > 2 else "1000.2"
    with tempfile.TemporaryDirectory(prefix="watt-khz.") as scratch:
        floor = build("timer_floor", scratch)
        files = make_tree(scratch + "/tree")
        writer = subprocess.Popen([build("update_writer", scratch), period_us, str(JITTER_US), str(WATTS), *files], stdin=subprocess.PIPE)
        floor_us, floor_missed = subprocess.run([floor, "1000", str(int(seconds * 200))], check=True, capture_output=True, text=True).stdout.split()
        print(f"an empty loop on a 1 kHz timer: {float(floor_us) / 1e3:.2%} of a core, {float(floor_missed) / seconds / 200:.2%} of its periods missed")
        for align in ("auto", "never"):
            store = f"{scratch}/{align}"
            sampling, storing, others, talk = record(seconds, store, "--sysfs", scratch + "/tree", "--align", align)
            ticks, missed, watts = samples(store)
            cpu, part = (sampling + storing) / seconds, missed / (ticks + missed)
            print(f"--align {align}: {ticks} ticks in {seconds:.0f} s")
            print(f"  CPU {cpu:.2%} of a core (sampling {sampling / seconds:.2%}, storing {storing / seconds:.2%}): {cpu / GOAL_CPU:.2f} of the goal; "
                  f"other load {others:.2f} cores")
            print(f"  missed {missed} ({part:.3%}): {part / GOAL_MISSED:.2f} of the goal  [the log: {said(talk)}]")
            print(f"  constant load: {smoothness(watts)}")
        writer.stdin.close()
        writer.wait()
        simulate(scratch)


def simulate(scratch):
    folder = scratch + "/machine"
    os.mkdir(folder)
    with open(scratch + "/config", "w", encoding="ascii") as stream:
        stream.write(MACHINE)
    simulator = subprocess.Popen([os.path.join(BUILD, "tests", "watt-hwsim"), "--with-parent", "--config", scratch + "/config", folder],
                                 stdout=subprocess.PIPE, text=True)
    try:
        if simulator.stdout.readline() != "ready\n":
            raise SystemExit("watt-hwsim did not start")
        for align in ("auto", "never"):
            store = f"{scratch}/simulated-{align}"
            record(10, store, "--sysfs", folder + "/sys", "--procfs", folder + "/proc", "--align", align)
            ticks, missed, watts = samples(store)
            print(f"simulator, --align {align}: {ticks} ticks, {missed} missed; {smoothness(watts)}")
    finally:
        simulator.terminate()
        simulator.wait(20)


main()
