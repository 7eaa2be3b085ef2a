#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The proc engine and processes that end between two looks: 2,000 that lived for about a millisecond count under their command in the cgroup that they
were born in, though nobody saw the shells that made them either; the last stretch of a process that was seen is its own; without
CAP_NET_ADMIN both are in other."""
import json
import os
import subprocess

from cgroup2 import cgroup_mount
from sensor_run import SENSOR, Sensor, check, wait_for

MOUNT = cgroup_mount()
TOP = f"/watt-exits-{os.getpid()}"
ARGUMENTS = ["--engine", "proc", "--granularity", "process", "--interval", "500ms", "--name", "t", "--target", f"cgroup:{TOP}/**"]


def enter():
    with open(f"{MOUNT}{TOP}/cgroup.procs", "w") as file:
        file.write("0")


def usage_us():
    with open(f"{MOUNT}{TOP}/cpu.stat") as file:
        return int(file.readline().split()[1])


class Worker:
    """A shell in the cgroup that the sensor has seen, waiting for a line before its work."""
    def __init__(self, sensor, script):
        self.process = subprocess.Popen(["sh", "-c", f"read a; {script}"], stdin=subprocess.PIPE, preexec_fn=enter)
        pid = self.process.pid
        sensor.wait_until(lambda: any(r.get("pid") == pid for r in sensor.records if r["kind"] == "target"), "the shell is seen")
        settle(sensor)

    def go(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()


def uses_us(reports):
    """CPU time by target of ours."""
    sums = {}
    for report in reports:
        for row in report["targets"]:
            if row["target"].startswith(TOP):
                name = row["target"].removeprefix(TOP)
                sums[name] = sums.get(name, 0) + row["counts"][0] / 1000
    return sums


def settle(sensor):
    """Until a tick has begun and ended in which nothing was done in the cgroup."""
    n = len(sensor.raw())
    sensor.wait_until(lambda: len(sensor.raw()) > n + 1 and not uses_us(sensor.raw()[-1:]), "the work is over")


def work(sensor, script):
    """Does it; CPU time by target, and of all by the kernel's books."""
    worker = Worker(sensor, f"{script}; read b")
    n, before_us = len(sensor.raw()), usage_us()
    worker.go()
    settle(sensor)
    used_us, uses = usage_us() - before_us, uses_us(sensor.raw()[n:])
    worker.go()
    check(worker.process.wait() == 0, "the shell ends")
    settle(sensor)
    check(not any("exits_lost" in r.get("reasons", []) for r in sensor.raw()), "no record is lost")
    return uses, used_us


SHORT_LIVED = "i=0; while [ $i -lt 500 ]; do sh -c '/bin/true; /bin/true; /bin/true; :'; i=$((i+1)); done"
BURN = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"

os.mkdir(MOUNT + TOP)
try:
    sensor = Sensor(*ARGUMENTS)
    # In a tick that is the first in which processes end there, records stand alone: what is torn down afterwards is missing, some 50 us each.
    for least in 0.8, 0.97:
        uses, used_us = work(sensor, SHORT_LIVED)
        share = sum(uses.values()) / used_us
        print(f"2,000 processes of {used_us / 2000:.0f} us: {share:.1%} of it in their cgroup's targets, {uses.get(':true', 0) / used_us:.1%} in :true")
        check(least < share < 1.03, f"{uses}, cpu.stat {used_us} us")
    check(uses.get(":true", 0) > uses.get(":sh", 0) * 0.8 > 0, f"grandchildren of a shell that nobody saw: {uses}")

    worker = Worker(sensor, BURN)
    worker.go()
    _, status, usage = os.wait4(worker.process.pid, 0)
    check(status == 0, "the shell ends")
    settle(sensor)
    own_us = sum(us for name, us in uses_us(sensor.raw()).items() if name.startswith(f":{worker.process.pid}@"))
    used_us = (usage.ru_utime + usage.ru_stime) * 1e6
    check(used_us > 50000, f"too little work: {used_us} us")
    check(abs(own_us - used_us) < 12000 + 0.01 * used_us, f"the last stretch: {own_us} us of {used_us} us")
    check(sensor.end() == 0, "it ends in order")

    without = ["setpriv", "--bounding-set=-net_admin"]
    sensor = Sensor(*ARGUMENTS, prefix=without)
    uses, used_us = work(sensor, SHORT_LIVED)
    check(":true" not in uses and sum(uses.values()) < 0.8 * used_us, f"without the right: {uses}")
    check(sensor.end() == 0, "it ends in order")
    for prefix, words in ((), "is seen too"), (without, "not seen: records of ended processes need CAP_NET_ADMIN"):
        probe = subprocess.run([*prefix, SENSOR, "--probe"], stdout=subprocess.PIPE, check=True).stdout
        reason = next(engine["reason"] for engine in json.loads(probe)["engines"] if engine["name"] == "proc")
        check(words in reason, f"the probe says {reason}")
finally:
    wait_for(lambda: not open(f"{MOUNT}{TOP}/cgroup.procs").read(), "the cgroup is empty")
    os.rmdir(MOUNT + TOP)
