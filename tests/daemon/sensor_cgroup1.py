#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A sensor on a machine with cgroup v1. perf_event is never mounted here (that would take it from cgroup2, for everybody), so a made
PROCFS/self/mounts says where it is: in a made tree, in the real hierarchy of cpuacct where there is one, and in the real cgroup2 tree,
whose cgroups the kernel lets perf events count. What stays unproven is only that they count in a real perf_event hierarchy."""
import os
import signal
import subprocess
import tempfile

import sensor_run
from cgroup2 import cgroup_mount
from cgroup_clock import CgroupClock
from disturber import Disturber
from sensor_run import Sensor, check

BOOKS_LATE_NS = 10_000_000  # a scheduler tick at most
NAME = f"watt-cgroup1-{os.getpid()}"


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)


class Machine:
    """A PROCFS whose mounts are made, and whose CPUs are real."""

    def __init__(self, folder, mounts):
        self.procfs = f"{folder}/proc"
        write(f"{self.procfs}/self/mounts", mounts)
        write(f"{self.procfs}/cgroups", "#subsys_name\thierarchy\tnum_cgroups\tenabled\nperf_event\t7\t3\t1\n")
        os.symlink("/proc/stat", f"{self.procfs}/stat")

    def start(self, engine, granularity, *options):
        return Sensor("--procfs", self.procfs, "--engine", engine, "--granularity", granularity, "--interval", "50ms", *options)


def names(sensor):
    """Targets with counts."""
    return {row["target"] for report in sensor.raw() for row in report["targets"] if "counts" in row} - {"other"}


def reasons(sensor):
    return [(row["target"], row["reason"]) for report in sensor.raw() for row in report["targets"] if "reason" in row]


def made_trees(folder):
    """Both hierarchies made of files, beside a cgroup2 tree of other names that is not to be looked at."""
    mounts = (f"cgroup2 {folder}/unified cgroup2 rw 0 0\ncgroup {folder}/perf\\040event cgroup rw,perf_event 0 0\n"
              f"cgroup {folder}/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n")
    machine = Machine(folder, mounts)
    usage_ns = 0

    def use(path):
        nonlocal usage_ns
        usage_ns += 1_000_000
        write(f"{folder}/cpu,cpuacct{path}/cpuacct.usage", f"{usage_ns}\n")

    def make(path, procs="1\n"):
        write(f"{folder}/perf event{path}/tasks", procs)
        write(f"{folder}/perf event{path}/cgroup.procs", procs)

    write(f"{folder}/unified/not-this/cgroup.procs", "1\n")
    write(f"{folder}/unified/not-this/cpu.stat", "usage_usec 1\n")
    make("/docker", "")
    make("/docker/one")
    use("/docker")
    use("/docker/one")
    sensor = machine.start("proc", "cgroup")

    def used(path):
        use(path)
        return path in names(sensor)

    sensor.wait_until(lambda: used("/docker/one"), "a made cgroup of v1 is a target")
    use("/docker/two")
    make("/docker/two")
    sensor.wait_until(lambda: used("/docker/two"), "one made later is found")
    check(sensor.end() == 0, "ends in order")
    check(names(sensor) == {"/docker/one", "/docker/two"}, f"targets: {names(sensor)}")

    probe = subprocess.run([sensor_run.SENSOR, "--procfs", machine.procfs, "--probe"], stdout=subprocess.PIPE, check=True).stdout
    check(f'"cgroup1" : "{folder}/perf event"'.encode() in probe or f'"cgroup1":"{folder}/perf event"'.encode() in probe, f"{probe}")

    write(f"{machine.procfs}/41/cgroup", "9:name=systemd:/s\n7:perf_event:/docker/one\n3:cpuacct:/c\n0::/not-this\n")
    for tree, expected in [(None, "/docker/one:41@99"), (f"{folder}/perf event/", "/docker/one:41@99"), (f"{folder}/unified", "/not-this:41@99")]:
        ticks = 0

        def work(sensor=None):
            nonlocal ticks
            ticks += 1
            write(f"{machine.procfs}/new", f"41 (work) S 1 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 99 0\n")
            os.rename(f"{machine.procfs}/new", f"{machine.procfs}/41/stat")  # never half of one
            return sensor and names(sensor)

        work()
        sensor = machine.start("proc", "process", *(["--cgroupfs", tree] if tree else []))
        sensor.wait_until(lambda: work(sensor), f"{tree}: the process is a target")
        check(sensor.end() == 0, "ends in order")
        check(names(sensor) == {expected}, f"--cgroupfs {tree}: {names(sensor)} instead of {expected}")


class Loop:
    """A process that uses CPU time in a cgroup of its own below each of these mounts, once it may."""

    def __init__(self, mounts, name):
        self.paths = [f"{mount}/{NAME}/{name}" for mount in mounts]
        for path in self.paths:
            os.makedirs(path)
        self.cpu = min(os.sched_getaffinity(0))
        script = 'for path; do echo $$ >"$path/cgroup.procs" || exit; done; echo; read _; while :; do :; done'
        self.process = subprocess.Popen(["sh", "-c", script, "-", *self.paths], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        preexec_fn=lambda: os.sched_setaffinity(0, {self.cpu}))

    def begin(self):
        self.process.stdout.readline()
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def end(self):
        self.process.kill()
        self.process.wait()
        for path in self.paths:
            sensor_run.wait_for(lambda: self.remove(path), f"{path} can be removed")
            sensor_run.wait_for(lambda: self.remove(os.path.dirname(path)), "its parent can be removed")

    @staticmethod
    def remove(path):
        try:
            os.rmdir(path)
        except OSError:  # busy for a moment after its last process has gone
            return not os.path.exists(path)
        return True


def usage_ns(path):
    """The kernel's own account of a cgroup."""
    if os.path.exists(f"{path}/cpuacct.usage"):
        with open(f"{path}/cpuacct.usage", encoding="utf-8") as file:
            return int(file.read())
    with open(f"{path}/cpu.stat", encoding="utf-8") as file:
        return 1000 * int(file.readline().split()[1])


def counted_ns(sensor, name):
    return sum(row["counts"][report["events"].index("cpu_ns")] for report in sensor.raw() for row in report["targets"]
               if row["target"] == name and "counts" in row)


def count_in(folder, mount, controllers, engine):
    """The real tree at mount, said to be v1's with these controllers."""
    machine = Machine(folder, f"cgroup2 {folder}/nowhere cgroup2 rw 0 0\ncgroup {mount} cgroup rw,{controllers} 0 0\n")
    path = f"/{NAME}/loop \udcff"
    loop = Loop([mount], "loop \udcff")
    try:
        clock = CgroupClock(loop.paths[0]) if engine == "perf" else None
        loop.begin()
        sensor = machine.start(engine, "cgroup")
        name = f"/{NAME}/loop %FF"
        sensor.wait_until(lambda: name in names(sensor), f"{engine}: {path!r} is a target")
        # What was used before the first row and after the last one is not counted.
        sensor.wait_until(lambda: counted_ns(sensor, name) > 200e6, f"{engine}: 200 ms are counted")
        check(sensor.end() == 0, "ends in order")
        used_ns = usage_ns(loop.paths[0])
        if clock:  # without cpuacct perf has no other; the two are the same where nobody disturbs
            used_ns = max(used_ns, clock.ns())
            clock.close()
    finally:
        loop.end()
    check(not reasons(sensor), f"{engine}: {reasons(sensor)}")
    check(counted_ns(sensor, name) <= used_ns, f"{engine}: more counted than used: {counted_ns(sensor, name)} of {used_ns} ns")
    print(f"{engine} in {controllers}: {counted_ns(sensor, name) / 1e6:.0f} ms counted of {used_ns / 1e6:.0f} used")


def perf_has_the_books(folder, mount, cpuacct):
    """perf's events count in one tree, the scheduler's books are in another: a disturbed loop has what they say."""
    machine = Machine(folder, f"cgroup {mount} cgroup rw,perf_event 0 0\ncgroup {cpuacct} cgroup rw,cpuacct 0 0\n")
    name = f"/{NAME}/loop"
    loop = Loop([mount, cpuacct], "loop")
    clock = CgroupClock(loop.paths[0])
    disturber = Disturber(loop.cpu)
    try:
        sensor = machine.start("perf", "cgroup")
        sensor.wait_until(lambda: len(sensor.raw()) >= 2, "two ticks")
        before_ns, clock_before_ns = usage_ns(loop.paths[1]), clock.ns()
        loop.begin()
        sensor.wait_until(lambda: clock.ns() - clock_before_ns > 1e9, "a second by perf's clock")
        loop.process.send_signal(signal.SIGSTOP)
        n = len(sensor.raw())
        sensor.wait_until(lambda: len(sensor.raw()) > n + 1 and not any(row["target"] == name for row in sensor.raw()[-1]["targets"]), "it stands still")
        used_ns, clock_ns = usage_ns(loop.paths[1]) - before_ns, clock.ns() - clock_before_ns
        check(sensor.end() == 0, "ends in order")
    finally:
        clock.close()
        disturber.end()
        loop.end()
    rows_ns = counted_ns(sensor, name)
    check(not reasons(sensor), f"{reasons(sensor)}")
    print(f"perf with cpuacct: {rows_ns / 1e6:.0f} ms counted of {used_ns / 1e6:.0f} booked, {clock_ns / 1e6:.0f} by perf's clock")
    check(abs(rows_ns - used_ns) <= BOOKS_LATE_NS, f"{rows_ns} ns counted, {used_ns} booked")


def cpuacct_mount():
    with open("/proc/mounts", encoding="utf-8") as stream:
        for line in stream:
            fields = line.split()
            if fields[2] == "cgroup" and "cpuacct" in fields[3].split(","):
                return fields[1]
    return None


def perf_leaves(folder, mount):
    """What has perf_event changes while the sensor runs: it steps down, and goes on in the same tree."""
    machine = Machine(folder, f"cgroup {mount} cgroup rw,perf_event 0 0\ncgroup {mount} cgroup rw,cpuacct 0 0\n")
    sensor = machine.start("perf", "cgroup")
    sensor.wait_until(lambda: len(sensor.raw()) > 2, "perf counts")
    check(not any("engine_changed" in report["reasons"] for report in sensor.raw()), "perf goes on where it belongs")
    write(f"{machine.procfs}/new", "#\nperf_event\t0\t3\t1\n")
    os.rename(f"{machine.procfs}/new", f"{machine.procfs}/cgroups")
    sensor.wait_until(lambda: any("engine_changed" in report["reasons"] for report in sensor.raw()), "it steps down")
    check(sensor.end() == 0, "ends in order")


cgroup2 = cgroup_mount()
check(cgroup2, "a cgroup2 mount")
with tempfile.TemporaryDirectory() as folder:
    made_trees(folder)
with tempfile.TemporaryDirectory() as folder:
    count_in(folder, cgroup2, "perf_event", "perf")
with tempfile.TemporaryDirectory() as folder:
    perf_leaves(folder, cgroup2)
if cpuacct_mount():
    with tempfile.TemporaryDirectory() as folder:
        perf_has_the_books(folder, cgroup2, cpuacct_mount())
    with tempfile.TemporaryDirectory() as folder:
        count_in(folder, cpuacct_mount(), "cpuacct,perf_event", "proc")
else:
    print("no cgroup v1 hierarchy with cpuacct is mounted here: nothing is counted in a real one")
