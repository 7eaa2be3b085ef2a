#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A tick every millisecond: every period has its tick or is counted as missed, every microjoule arrives, what is dear loses ticks
and piles nothing up, and what was taken is stored at the end, or nearly all of it when killed."""
import os
import signal
import sqlite3
import subprocess
import tempfile
import time

from sensor_run import DEADLINE_S, SENSOR, Sensor, check
from short_ticks import periods_add_up, spans_add_up


class Zone:
    def __init__(self, root, number, name):
        path = os.path.join(root, "class/powercap", number)
        os.makedirs(path)
        for file, text in (("name", name), ("max_energy_range_uj", "262143328850"), ("energy_uj", f"{1000000:020}")):
            with open(os.path.join(path, file), "w", encoding="ascii") as stream:
                stream.write(text + "\n")
        self.fd = os.open(os.path.join(path, "energy_uj"), os.O_WRONLY)
        self.used_uj = 0

    def use(self, energy_uj):
        self.used_uj += energy_uj
        os.pwrite(self.fd, b"%020d\n" % (1000000 + self.used_uj), 0)


def recorded_uj(sensor, domain):
    return sum(sample["energy_uj"] for record in sensor.raw() for sample in record["energy"]
               if sample["domain"] == domain and sample["valid"])


def run(root, zones, what, n_first, *options):
    sensor = Sensor("--sysfs", root, "--energy", "powercap", "--interval", "1ms", *options)
    sensor.wait_until(lambda: sensor.records, "the host record")
    for zone in zones.values():
        zone.used_uj = 0
        zone.use(0)
    sensor.wait_until(lambda: len(sensor.raw()) > n_first, "ticks")
    before = {domain: recorded_uj(sensor, domain) for domain in zones}
    for number in range(400):
        zones["package"].use(50_000 + number % 7)
        if number % 9 == 0:
            zones["dram"].use(61)
        sensor.wait_until(lambda n=len(sensor.records): number % 20 or len(sensor.records) > n, "ticks go on")
    sensor.wait_until(lambda: all(recorded_uj(sensor, domain) - before[domain] == zone.used_uj for domain, zone in zones.items()),
                      f"{what}: all of it")
    check(sensor.end() == 0, f"{what}: SIGTERM ends it with status 0")
    for domain, zone in zones.items():
        check(recorded_uj(sensor, domain) - before[domain] == zone.used_uj, f"{what}: the joules of {domain}")
        spans_add_up(sensor, domain, what)
    periods_add_up(sensor, what)
    return sensor


def energy_alone(root, zones):
    sensor = run(root, zones, "energy alone", 300, "--engine", "none")
    host = sensor.records[0]
    check("engine" not in host and "granularity" not in host, f"nothing is counted, and the host record says so: {host}")
    check(all(record["kind"] != "target" for record in sensor.records), "there are no targets")
    check(all(not record["targets"] and not record["total"] for record in sensor.raw()), "there are no counts")
    check(not any("no_engine" in record["reasons"] for record in sensor.raw()), "nothing was wanted that was not there")
    # Off the updates and on the timer it is the same energy.
    run(root, zones, "on the timer", 300, "--engine", "none", "--align", "never")


def too_dear(root, zones):
    """Processes enough that looking at all of them takes longer than a period."""
    crowd = [subprocess.Popen(["sleep", "1000"]) for _ in range(300)]
    try:
        sensor = run(root, zones, "too dear", 30, "--engine", "proc")
    finally:
        for process in crowd:
            process.kill()
            process.wait()
    check(sum(record["missed"] for record in sensor.raw()) > 0, "periods were missed")
    check(all("merged" in record["reasons"] for record in sensor.raw() if record["missed"]), "each says so")


def stored(folder):
    """The numbers of the ticks in the store, by run; empty while there is none."""
    path = os.path.join(folder, "raw.db")
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            rows = database.execute("SELECT run, seq FROM record WHERE kind = 'raw' ORDER BY position").fetchall()
    except sqlite3.OperationalError:
        return {}
    runs = {}
    for name, number in rows:
        runs.setdefault(name, []).append(number)
    return runs


def storing(root, folder):
    command = [SENSOR, "--sysfs", root, "--energy", "powercap", "--engine", "none", "--interval", "1ms", "--store", f"sqlite:{folder}"]
    subprocess.run([*command, "--ticks", "777"], check=True, timeout=DEADLINE_S)
    check([len(numbers) for numbers in stored(folder).values()] == [777], "every tick is stored at the end")
    sensor = subprocess.Popen(command)
    end = time.monotonic() + DEADLINE_S
    while len(runs := stored(folder)) < 2 or len(list(runs.values())[1]) < 300:
        check(time.monotonic() < end and sensor.poll() is None, "ticks are stored while it runs")
        os.sched_yield()
    sensor.send_signal(signal.SIGKILL)
    sensor.wait(DEADLINE_S)
    for numbers in stored(folder).values():
        check(numbers == list(range(len(numbers))), "after a kill there is no gap but the end")


with tempfile.TemporaryDirectory() as base:
    tree = os.path.join(base, "tree")
    both = {"package": Zone(tree, "intel-rapl:0", "package-0"), "dram": Zone(tree, "intel-rapl:0:0", "dram")}
    energy_alone(tree, both)
    too_dear(tree, both)
    storing(tree, os.path.join(base, "store"))
