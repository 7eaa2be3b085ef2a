#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Energy alone at 1 kHz, stored in SQLite: what it costs, what it misses, and how smooth the power of a constant load is when readings follow
the counter's updates and when they do not. Printed beside the stated goals, not asserted.

    tests/bench/khz.py [SECONDS] [PERIOD_US]      as root; WATT_BUILD: the build folder; default 60 s, updates every 1000.2 us: a counter slower than the
    timer makes the phase between the two slide, and costs a period each time it has slid by one

First the kernel takes the readings: the power PMU is one that is the kernel's tracepoints, and the counter a tracepoint that a writer hits once per update; what the interrupts take
from others is not in the sensor's CPU time and stands beside it. Then each tick wakes the sensor: the counters are files that the writer keeps as a powercap driver would (update_writer.c):
reading them costs as little as sysfs does. The last part reads the simulator (FUSE) instead, where a reading costs some 30 times more and is answered by another process."""
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(os.environ.get("WATT_BUILD", os.path.join(HERE, "..", "..", "build")))
SENSOR = os.path.join(BUILD, "watt-sensor")
WRITER = os.path.join(BUILD, "tests", "update_writer")
TRACEPOINT = "/sys/kernel/tracing/events/syscalls/sys_enter_sched_get_priority_max"
STOLEN_WINDOWS, STOLEN_WINDOW_S = 20, 2
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


def make_power_pmu(root):
    """A power PMU that is the kernel's tracepoints: its counter is one of them, on CPU 0."""
    folder = os.path.join(root, "bus/event_source/devices/power")
    os.makedirs(os.path.join(folder, "events"))
    with open(TRACEPOINT + "/id", encoding="ascii") as stream:
        number = int(stream.read())
    for name, text in (("type", "2"), ("cpumask", "0"), ("events/energy-pkg", f"event={number:#x}"),
                       ("events/energy-pkg.scale", str(WATTS / 1000)), ("events/energy-pkg.unit", "Joules")):
        with open(os.path.join(folder, name), "w", encoding="ascii") as stream:
            stream.write(text + "\n")


def stolen(scratch, tree):
    """How much less whoever runs on the CPU gets done per second of its own CPU time while the kernel takes readings there."""
    worker = subprocess.Popen([build("stolen", scratch), "0"], stdout=subprocess.PIPE, text=True)
    windows, speeds = [], {False: [], True: []}
    for number in range(STOLEN_WINDOWS):
        start = time.monotonic()
        if number % 2:
            record(STOLEN_WINDOW_S, f"{scratch}/stolen-store", "--sysfs", tree, energy="perf")
        else:
            time.sleep(STOLEN_WINDOW_S)
        windows.append((start + 0.5, time.monotonic() - 0.3, bool(number % 2)))
    worker.kill()
    for line in worker.communicate()[0].splitlines():
        at, speed = (float(word) for word in line.split())
        for start, end, is_recorded in windows:
            if start < at < end:
                speeds[is_recorded].append(speed)
    return 1 - statistics.median(speeds[True]) / statistics.median(speeds[False])


def record(seconds, store, *options, energy="powercap"):
    """Runs the sensor for so many periods; CPU seconds (sampling, storing), ticks, missed and the seconds it took."""
    before = busy_cores()
    command = [SENSOR, "--engine", "none", "--energy", energy, "--interval", "1ms", "--store", f"sqlite:{store}", *options]
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


def measure(what, seconds, store, *options, energy="powercap"):
    sampling, storing, others, talk = record(seconds, store, *options, energy=energy)
    ticks, missed, watts = samples(store)
    cpu, part = (sampling + storing) / seconds, missed / (ticks + missed)
    print(f"{what}: {ticks} ticks in {seconds:.0f} s")
    print(f"  CPU {cpu:.2%} of a core (sampling {sampling / seconds:.2%}, storing {storing / seconds:.2%}): {cpu / GOAL_CPU:.2f} of the goal; "
          f"other load {others:.2f} cores")
    print(f"  missed {missed} ({part:.3%}): {part / GOAL_MISSED:.2f} of the goal  [the log: {said(talk)}]")
    print(f"  constant load: {smoothness(watts)}")


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    period_us = sys.argv[2] if len(sys.argv) > 2 else "1000.2"
    with tempfile.TemporaryDirectory(prefix="watt-khz.") as scratch:
        floor = build("timer_floor", scratch)
        files = make_tree(scratch + "/tree")
        writer = subprocess.Popen([WRITER, period_us, str(JITTER_US), str(WATTS), *files], stdin=subprocess.PIPE)
        floor_us, floor_missed = subprocess.run([floor, "1000", str(int(seconds * 200))], check=True, capture_output=True, text=True).stdout.split()
        print(f"an empty loop on a 1 kHz timer: {float(floor_us) / 1e3:.2%} of a core, {float(floor_missed) / seconds / 200:.2%} of its periods missed")
        make_power_pmu(scratch + "/pmu")
        caller = subprocess.Popen([WRITER, period_us, str(JITTER_US), str(WATTS), "cpu:0"], stdin=subprocess.PIPE)
        for align in ("auto", "never"):
            measure(f"readings by the kernel, --align {align}", seconds, f"{scratch}/kernel-{align}", "--sysfs", scratch + "/pmu", "--align", align, energy="perf")
        caller.stdin.close()
        caller.wait()
        print(f"interrupts for that take {stolen(scratch, scratch + '/pmu'):.2%} from who runs on that CPU")
        for align in ("auto", "never"):
            measure(f"files, --align {align}", seconds, f"{scratch}/{align}", "--sysfs", scratch + "/tree", "--align", align)
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
