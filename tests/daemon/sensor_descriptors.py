#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The perf engine under a low limit of descriptors, on real cgroups: events give way first, CPU time never, then targets, the deepest first; the host
record and every report say which events are left, and what an uncounted cgroup uses is in the nearest counted one above it."""
import json
import os
import resource
import subprocess

from cgroup2 import cgroup_mount
from disturber import Disturber
from sensor_run import SENSOR, Sensor, check

MOUNT = cgroup_mount()
TOP = f"/watt-descriptors-{os.getpid()}"
N_CPUS = os.cpu_count()
FLAT, DEEP = 40, 20  # with TOP and /x: 48 descriptors per CPU hold 46 of these 62 with one event each
ARGUMENTS = ["--engine", "perf", "--granularity", "cgroup", "--interval", "50ms", "--name", "t", "--target", f"cgroup:{TOP}/**"]


def make(path):
    os.mkdir(MOUNT + TOP + path)


def usage_us(path):
    with open(f"{MOUNT}{TOP}{path}/cpu.stat") as file:
        return int(file.readline().split()[1])


def burn(path):
    """A shell that works for a while in the cgroup, disturbed on its CPU; CPU time of all in the cgroup since before it began, in us."""
    cpu = min(os.sched_getaffinity(0))

    def enter():
        os.sched_setaffinity(0, {cpu})
        with open(f"{MOUNT}{TOP}{path}/cgroup.procs", "w") as file:
            file.write("0")
    disturber = Disturber(cpu)
    before = usage_us("/x")
    subprocess.run(["sh", "-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"], preexec_fn=enter, check=True)
    disturber.end()
    return usage_us("/x") - before


def events(sensor):
    return [event["name"] for event in [r for r in sensor.records if r["kind"] == "host"][-1]["events"]]


def uncounted(report):
    return {row["target"] for row in report["targets"] if row.get("reason") == "no_descriptors" and "counts" not in row}


def cpu_us(reports, target):
    return sum(row["counts"][r["events"].index("cpu_ns")] for r in reports for row in r["targets"] if row["target"] == target) / 1000


def remove_all():
    for folder, _, _ in os.walk(MOUNT + TOP, topdown=False):
        os.rmdir(folder)


resource.setrlimit(resource.RLIMIT_NOFILE, (64 * N_CPUS, 64 * N_CPUS))
make("")
try:
    make("/x")
    make("/flat0")
    sensor = Sensor(*ARGUMENTS)
    sensor.wait_until(lambda: len(sensor.raw()) >= 2, "two ticks")
    all_events = events(sensor)
    check(all_events[0] == "cpu_ns" and len(all_events) > 2, f"few targets have all events: {all_events}")
    for i in range(1, 20):
        make(f"/flat{i}")
    sensor.wait_until(lambda: events(sensor) == all_events[:2], "events give way")
    for i in range(20, FLAT):
        make(f"/flat{i}")
    sensor.wait_until(lambda: events(sensor) == ["cpu_ns"], "CPU time remains")
    check(not any(uncounted(r) for r in sensor.raw()), "no target gives way while events can")
    for i in range(DEEP):
        make(f"/x/deep{i}")
    sensor.wait_until(lambda: len(uncounted(sensor.raw()[-1])) >= 10, "targets give way")
    n = len(sensor.raw())
    used_us = burn(min(uncounted(sensor.raw()[-1])).removeprefix(TOP))
    sensor.wait_until(lambda: len(sensor.raw()) > n + 1 and not cpu_us(sensor.raw()[-1:], f"{TOP}/x"), "the work is over")
    counted_us = cpu_us(sensor.raw()[n:], f"{TOP}/x")
    check(used_us > 50000, f"too little work to compare: {used_us} us")
    check(abs(counted_us - used_us) < 0.02 * used_us + 2000, f"/x has {counted_us:.0f} us, cpu.stat {used_us} us")
    for report in sensor.raw():
        check(all(len(row["counts"]) == len(report["events"]) for row in report["targets"] + report["total"] if "counts" in row),
              f"tick {report['seq']}: a count per event")
    for host in [r for r in sensor.records if r["kind"] == "host"]:
        same = [r["events"] for r in sensor.raw() if r["seq"] == host["seq"] and host["events"]]
        check(all(e == [event["name"] for event in host["events"]] for e in same), f"tick {host['seq']}: the host record's events")
    check(sensor.end() == 0, "it ends in order")

    # Everything is there from the beginning: the order is by depth.
    sensor = Sensor(*ARGUMENTS)
    sensor.wait_until(lambda: len(sensor.raw()) >= 1, "a tick")
    check(events(sensor) == ["cpu_ns"], "the host record says so at once")
    missing = uncounted(sensor.raw()[0])
    check(len(missing) >= 10 and all(name.startswith(f"{TOP}/x/deep") for name in missing), f"the deepest give way: {missing}")
    check(sensor.end() == 0, "it ends in order")

    # What was asked for by name stays.
    sensor = Sensor(*ARGUMENTS, "--event", "cpu_ns", "--event", "page_faults")
    sensor.wait_until(lambda: len(sensor.raw()) >= 1, "a tick")
    check(events(sensor) == ["cpu_ns", "page_faults"], "events asked for stay")
    check(len(uncounted(sensor.raw()[0])) > len(missing), "more targets give way instead")
    check(sensor.end() == 0, "it ends in order")

    probe = subprocess.run([SENSOR, "--probe", "--granularity", "cgroup"], stdout=subprocess.PIPE, check=True).stdout
    reason = next(engine["reason"] for engine in json.loads(probe)["engines"] if engine["name"] == "perf")
    check("47 with CPU time alone" in reason, f"the probe says what the limit allows: {reason}")
finally:
    remove_all()
