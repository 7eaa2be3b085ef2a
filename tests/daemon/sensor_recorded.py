#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Ticks a millisecond apart whose readings the kernel takes, of a counter that is updated about as often, as RAPL is: a tracepoint that a process hits once per
update (update_writer.c)."""
import atexit
import datetime
import os
import subprocess
import tempfile
import time

from sensor_run import DEADLINE_S, SENSOR, Sensor, check
from short_ticks import periods_add_up, spans_add_up

UPDATE_US, UPDATE_UJ = 1003, 50_000


def kernel_records():
    """Whether the kernel can take readings by itself; says so where it cannot."""
    version = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    if version < (6, 7):
        print(f"left out: Linux {os.uname().release} takes no readings by itself, 6.7 does")
    return version >= (6, 7)


def tracepoint_number(name):
    """Which event of perf's counts it. The file system that says so need not be mounted, and is where nobody else sees it."""
    script = f'mount -t tracefs none "$0" && cat "$0/events/{name}/id"'
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(["unshare", "--mount", "sh", "-c", script, folder], check=True, capture_output=True, text=True)
    return int(run.stdout)


def make_power_pmu(root, number):
    """A power PMU that is the kernel's tracepoints: its counter is one of them, on CPU 0."""
    folder = os.path.join(root, "bus/event_source/devices/power")
    os.makedirs(os.path.join(folder, "events"))
    for name, text in (("type", "2"), ("cpumask", "0"), ("events/energy-pkg", f"event={number:#x}"),
                       ("events/energy-pkg.scale", str(UPDATE_UJ / 1e6)), ("events/energy-pkg.unit", "Joules")):
        with open(os.path.join(folder, name), "w", encoding="ascii") as stream:
            stream.write(text + "\n")


def wake_ups(pid):
    with open(f"/proc/{pid}/task/{pid}/status", encoding="ascii") as stream:
        return sum(int(line.split()[1]) for line in stream if line.startswith("voluntary_ctxt_switches"))


def age_s(record):
    return time.time() - datetime.datetime.fromisoformat(record["timestamp"].replace("Z", "+00:00")).timestamp()


def far_off(sensor):
    """The share of samples whose power is more than a quarter off, once the updates have been found."""
    samples = [sample for record in sensor.raw()[200:] for sample in record["energy"] if sample["valid"]]
    watts = [sample["energy_uj"] * 1e3 / sample["dt_ns"] for sample in samples]
    return sum(abs(value / (UPDATE_UJ / UPDATE_US) - 1) > 0.25 for value in watts) / len(watts)


def recorded_by_the_kernel(root):
    """The sensor is woken ten times a second, all that was taken is stored at the end, and samples go from update to update."""
    options = ("--sysfs", root, "--energy", "perf", "--engine", "none", "--interval", "1ms")
    loose = Sensor(*options, "--align", "never")
    sensor = Sensor(*options)
    sensor.wait_until(lambda: len(sensor.raw()) > 1000, "ticks")
    woken, n_before = wake_ups(sensor.process.pid), len(sensor.raw())
    sensor.wait_until(lambda: len(sensor.raw()) > n_before + 1000, "more ticks")
    woken = wake_ups(sensor.process.pid) - woken
    check(woken < 300, f"woken {woken} times for {len(sensor.raw()) - n_before} ticks")
    while age_s(sensor.raw()[-1]) < 0.06:
        os.sched_yield()  # the next ones are recorded, and not fetched yet
    asked_to_end = time.time()
    check(sensor.end() == 0, "SIGTERM ends it with status 0")
    early_s = age_s(sensor.raw()[-1]) - (time.time() - asked_to_end)
    check(early_s < 0.03, f"what was recorded up to SIGTERM is there: it ends {early_s} s before")
    check(loose.end() == 0, "SIGTERM ends the other one too")
    for one, what in ((sensor, "recorded"), (loose, "recorded, not aligned")):
        periods_add_up(one, what)
        spans_add_up(one, "package", what)
    check(far_off(sensor) < far_off(loose) / 2, f"{far_off(sensor):.2%} of samples far off where readings follow updates, {far_off(loose):.2%} where not")


def ends_on_time(root, folder):
    """The waiting for a store that is not there goes by the machine's clock, not by that of the last tick. (Its status is another's where it is built without MongoDB.)"""
    subprocess.run([SENSOR, "--sysfs", root, "--energy", "perf", "--engine", "none", "--interval", "1ms", "--ticks", "50", "--spool", folder, "--drain", "200ms",
                    "--store", "mongodb://127.0.0.1:1/nobody"], check=False, timeout=DEADLINE_S)


def without_leave(root):
    """Who may not tell the kernel to take them takes readings as ever, and loses no time by trying again."""
    sensor = Sensor("--sysfs", root, "--energy", "perf", "--engine", "none", "--interval", "1ms", prefix=("setpriv", "--bounding-set", "-bpf,-sys_admin"))
    sensor.wait_until(lambda: len(sensor.raw()) > 1000, "ticks")
    woken = wake_ups(sensor.process.pid)
    check(woken >= 1000, f"woken {woken} times for {len(sensor.raw())} ticks")
    check(sensor.end() == 0, "SIGTERM ends it with status 0")
    spans_add_up(sensor, "package", "not recorded")


if kernel_records():
    with tempfile.TemporaryDirectory() as base:
        make_power_pmu(base + "/sys", tracepoint_number("syscalls/sys_enter_sched_get_priority_max"))
        writer = subprocess.Popen([os.path.join(os.environ["WATT_BUILD"], "tests", "update_writer"), str(UPDATE_US), "200", "0", "cpu:0"],
                                  stdin=subprocess.PIPE)
        atexit.register(writer.kill)
        recorded_by_the_kernel(base + "/sys")
        without_leave(base + "/sys")
        ends_on_time(base + "/sys", base + "/spool")
