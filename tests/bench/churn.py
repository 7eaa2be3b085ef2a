#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the bpf engine makes of targets that come and go faster than it looks: is everything counted, and does nothing grow?

    churn.py BUILD forks|cgroups RATE SECONDS [folded|each] [--check]

A generator (BUILD/tests/watt_churn) makes RATE processes or cgroups a second while BUILD/watt-sensor runs at 2 Hz over them. Printed: how many
there were, their CPU time by targets beside cpu.stat, all targets beside the machine's busy time, ticks with reasons, and the sensor's memory
and descriptors at a fifth of the time and at the end. --check: fails where an account does not close, or something grows.
As root; leaves no cgroup behind.
"""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

build, kind, rate, seconds = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])
way = "each" if "each" in sys.argv else "folded"
must_hold = "--check" in sys.argv
mount = next(line.split()[1] for line in open("/proc/mounts") if line.split()[2] == "cgroup2")
base = f"{mount}/watt-churn-{os.getpid()}"
rel = base[len(mount):]
STEP_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def usage_ns():
    return int(open(base + "/cpu.stat").readline().split()[1]) * 1000


def busy_ns():
    """Wall time x CPUs - idle - iowait - steal."""
    fields = [int(field) for field in open("/proc/stat").readline().split()[1:]]
    return time.monotonic_ns() * os.sysconf("SC_NPROCESSORS_ONLN") - (fields[3] + fields[4] + fields[7]) * STEP_NS


def size(pid):
    status = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status"))
    fds = min(len(os.listdir(f"/proc/{pid}/fd")) for _ in range(20))  # without what is open for a moment
    return dict(rss_mb=round(int(status["VmRSS"].split()[0]) / 1024, 1), anon_mb=round(int(status["RssAnon"].split()[0]) / 1024, 1),
                threads=int(status["Threads"]), fds=fds)


class Sums:
    """Reads the sensor's records as they come."""

    def __init__(self, stream):
        self.stream, self.ticks, self.rows, self.names, self.reasons, self.gaps = stream, 0, 0, set(), {}, 0
        self.total_ns = self.base_ns = self.missed = 0

    def tick(self):
        """Takes all parts of the next tick."""
        total_ns = targets_ns = 0
        while True:
            line = self.stream.readline()
            if not line:
                sys.exit("the sensor ended")
            record = json.loads(line)
            if record["kind"] != "raw":
                continue
            column = record["events"].index("cpu_ns") if "events" in record else column
            total_ns += sum(row["counts"][column] for row in record.get("total", []))
            for row in record["targets"]:
                self.rows += 1
                if row["target"].startswith(rel):
                    self.names.add(row["target"])
                    self.base_ns += row["counts"][column]
                targets_ns += row["counts"][column]
            if record.get("part", 1) == record.get("parts", 1):
                break
        self.ticks += 1
        self.missed += record["missed"]
        self.total_ns += total_ns
        self.gaps += total_ns != targets_ns
        for reason in record["reasons"]:
            self.reasons[reason] = self.reasons.get(reason, 0) + 1
        return record


def run(sensor):
    sums = Sums(sensor.stdout)
    sums.tick()
    sums.total_ns = sums.base_ns = 0
    busy, used = busy_ns(), usage_ns()
    generator = subprocess.Popen([build + "/tests/watt_churn", kind, base, rate, str(seconds)], stdout=subprocess.PIPE, text=True)
    start, early = time.monotonic(), None
    while generator.poll() is None:
        sums.tick()
        if early is None and time.monotonic() - start > seconds / 5:
            early = size(sensor.pid)
    made = json.loads(generator.stdout.read())
    sums.tick()
    sums.tick()
    busy, used, late = busy_ns() - busy, usage_ns() - used, size(sensor.pid)
    return sums, made, used, busy, early or late, late


def main():
    os.mkdir(base)
    rules = ["--granularity", "cgroup", "--target", f"cgroup:{rel}/**", "--target", f"cgroup:{rel}"] if kind == "cgroups" else \
        ["--granularity", "process", "--bpf-short-lived", way]
    command = [build + "/watt-sensor", "--name", "churn", "--engine", "bpf", "--energy", "curve", "--interval", "500ms", "--store", "jsonl:-"]
    with tempfile.TemporaryFile("w+") as log:
        sensor = subprocess.Popen(command + rules, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            sums, made, used, busy, early, late = run(sensor)
        finally:
            sensor.send_signal(signal.SIGTERM)
            sensor.stdout.close()
            sensor.wait()
            os.rmdir(base)
    off, off_busy = sums.base_ns / used - 1, sums.total_ns / busy - 1
    print(json.dumps(dict(kind=kind, way=way if kind == "forks" else None, **made, ticks=sums.ticks, missed=sums.missed, rows=sums.rows,
                          names=len(sums.names), reasons=sums.reasons, ticks_not_closed=sums.gaps, cpu_s=round(used / 1e9, 2),
                          off_cpu_stat_percent=round(off * 100, 3), off_busy_percent=round(off_busy * 100, 3), early=early, late=late)))
    if not must_hold:
        return
    assert sums.gaps == 0, "targets and other are not the total"
    is_marked = "targets_dropped" in sums.reasons
    assert is_marked or abs(sums.base_ns - used) < used / 200, "CPU time of the targets is not cpu.stat's"
    if kind == "cgroups":
        assert len(sums.names) < 100, "cgroups that nobody saw are not charged above"
    assert kind == "cgroups" or way == "folded" or is_marked or len(sums.names) > made["n"] * 0.98, "processes are missing"
    assert kind == "cgroups" or way == "each" or len(sums.names) < 100, "short-lived processes are not folded"
    assert early["fds"] == late["fds"] and late["threads"] <= 4, "descriptors or threads grow"
    assert late["anon_mb"] < early["anon_mb"] + 8, "memory grows"


main()
