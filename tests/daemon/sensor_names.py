#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Cgroups with odd names and deep ones, in the real cgroup2 tree, through every engine and granularity: each has its own row under its own name,
with the CPU time that cpu.stat says; and one that is removed and made again is another life of the same name."""
import datetime
import errno
import os
import subprocess
import time

import sensor_run
from cgroup2 import cgroup_mount
from sensor_run import Sensor, check

mount = cgroup_mount()
check(mount, "a cgroup2 mount")
own = f"/watt-names-{os.getpid()}".encode()
top = mount.encode() + own
deep = b"/deep" + b"/d" * 13
names = [b"/two words", b"/ ends with blanks  ", b"/tab\tbell\x07", b"/not utf-8 \xff\xc3(", b"/\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", b"/100%25",
         b"/machine-qemu\\x2d1\\x2dvm.scope", b"/-:1@2,\"'$(x)", b"/" + b"n" * 255, b"/deep", b"/deep" + b"/d" * 9, deep]
deepest = b"/deep" + b"/d" * 63  # as deep as targets go; with the test's own, 64 levels below the top one
below = b"/deep" + b"/d" * 69


def escape(name):
    """As docs/records.md says."""
    text = ""
    rest = name
    while rest:
        for size in range(1, 5):
            try:
                character = rest[:size].decode()
                break
            except UnicodeDecodeError:
                character = None
        if character is None or ord(character) < 0x20 or 0x7f <= ord(character) < 0xa0 or character == "%":
            text += f"%{rest[0]:02X}"
            rest = rest[1:]
        else:
            text += character
            rest = rest[size:]
    return text


class Burner:
    """A process that uses some CPU time when it is told to."""
    SCRIPT = 'echo $$ >"$1/cgroup.procs" && echo ready && read -r word && i=0 && ' \
             'while [ $i -lt 50000 ]; do i=$((i+1)); done && echo done && read -r word'

    def __init__(self, name):
        self.folder = top + name
        self.process = subprocess.Popen(["sh", "-c", self.SCRIPT, "-", self.folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        check(self.process.stdout.readline() == b"ready\n", f"{name!r}: a process enters")

    def usage_ns(self):
        with open(self.folder + b"/cpu.stat", "rb") as file:
            return 1000 * int(file.readline().split()[1])

    def go(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def wait(self):
        check(self.process.stdout.readline() == b"done\n", "a burner is done")

    def end(self):
        self.process.kill()
        self.process.wait()


def stamp_ms(report):
    return 1000 * datetime.datetime.fromisoformat(report["timestamp"].replace("Z", "+00:00")).timestamp()


def counted_ns(sensor, name, is_process):
    """Of the targets with this path, or of processes behind it."""
    path = escape(own + name)
    sum_ns = 0
    for report in sensor.raw():
        for row in report["targets"]:
            is_its = row["target"].rpartition(":")[0] == path if is_process else row["target"] == path
            if is_its and "counts" in row:
                sum_ns += row["counts"][report["events"].index("cpu_ns")]
    return sum_ns


def measure(engine, granularity, rule):
    is_process = granularity == "process"
    used_ns = {}
    burners = {name: Burner(name) for name in names + [below]}
    try:
        sensor = Sensor("--engine", engine, "--granularity", granularity, "--interval", "50ms", *rule)
        sensor.wait_until(lambda: len(sensor.raw()) >= 3, "three ticks")
        before_ns = {name: burner.usage_ns() for name, burner in burners.items()}
        counted_before_ns = {name: counted_ns(sensor, name, is_process) for name in burners}
        for burner in burners.values():
            burner.go()
        for burner in burners.values():
            burner.wait()
        done_ms = time.time() * 1000
        used_ns = {name: burner.usage_ns() - before_ns[name] for name, burner in burners.items()}
        sensor.wait_until(lambda: stamp_ms(sensor.raw()[-1]) > done_ms, "the tick after the work")
        check(sensor.end() == 0, "ends in order")
    finally:
        for burner in burners.values():
            burner.end()
    # cpu.stat is with all below, rows are without other targets.
    used_ns[b"/deep"] -= used_ns[b"/deep" + b"/d" * 9]
    used_ns[b"/deep" + b"/d" * 9] -= used_ns[deep]
    if not is_process:
        used_below_ns = used_ns.pop(below)
        if rule:  # the cgroups in between are targets too
            used_ns[deepest] = used_below_ns
            counted_before_ns[deepest] = 0
        if rule or engine == "bpf":  # bpf charges it to other
            used_ns[deep] -= used_below_ns
    else:
        used_ns[deep] -= used_ns[below]
    for name, used in used_ns.items():
        counted = counted_ns(sensor, name, is_process) - counted_before_ns[name]
        check(0.97 * used - 3e6 <= counted <= 1.3 * used + 10e6, f"{engine}/{granularity}: {name!r} used {used / 1e6:.1f} ms, counted {counted / 1e6:.1f}")
    print(f"{engine}/{granularity}: {len(used_ns)} names, {sum(used_ns.values()) / 1e6:.0f} ms")


def restart(engine):
    name = b"/again"
    target = escape(own + name)
    os.mkdir(top + name)
    burner = Burner(name)
    burners = [burner]
    try:
        sensor = Sensor("--engine", engine, "--granularity", "cgroup", "--interval", "50ms")

        def lives():
            return [record["cgroup_inode"] for record in sensor.records if record["kind"] == "target" and record["target"] == target]

        sensor.wait_until(lambda: len(sensor.raw()) >= 3, "three ticks")
        burner.go()
        sensor.wait_until(lambda: len(lives()) == 1, f"{engine}: a first life")
        inode = os.stat(top + name).st_ino
        burner.end()
        sensor_run.wait_for(lambda: remove(top + name), "the cgroup can be removed")
        os.mkdir(top + name)
        burners.append(Burner(name))
        n_before = counted_ns(sensor, name, False)
        done_ms = time.time() * 1000
        sensor.wait_until(lambda: stamp_ms(sensor.raw()[-1]) > done_ms, "the tick after")
        burners[1].go()
        sensor.wait_until(lambda: len(lives()) == 2, f"{engine}: a second life")
        check(lives() == [inode, os.stat(top + name).st_ino], f"{engine}: lives {lives()}")
        sensor.wait_until(lambda: counted_ns(sensor, name, False) > n_before + 5e6, f"{engine}: it is counted")
        check(sensor.end() == 0, "ends in order")
    finally:
        for each in burners:
            each.end()
    sensor_run.wait_for(lambda: remove(top + name), "the cgroup can be removed")
    print(f"{engine}: two lives of one name")


def remove_all():
    for path, _, _ in os.walk(top, topdown=False):
        sensor_run.wait_for(lambda: remove(path), f"{path!r} can be removed")


def remove(path):
    try:
        os.rmdir(path)
    except OSError:  # busy for a moment after its last process has gone
        return not os.path.exists(path)
    return True


try:
    for name in names + [below]:
        os.makedirs(top + name, exist_ok=True)
    try:
        os.mkdir(top + b"/new\nline")
        raise SystemExit("FAILED: this kernel lets a cgroup's name contain a newline: such names need a test here")
    except OSError as error:
        check(error.errno == errno.EINVAL, f"a newline in a name is refused: {error}")
    everything = ["--target", f"cgroup:{own.decode()}/**"]
    for engine, granularity, rule in [("perf", "cgroup", everything), ("perf", "cgroup", []), ("bpf", "cgroup", []), ("bpf", "process", everything),
                                      ("proc", "cgroup", everything), ("proc", "process", everything)]:
        measure(engine, granularity, rule)
    for engine in ["perf", "bpf", "proc"]:
        restart(engine)
finally:
    remove_all()
