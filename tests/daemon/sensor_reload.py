#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""SIGHUP: a running sensor takes the rules for targets from its configuration anew, with every engine, and loses no tick; a
configuration that is broken by then changes nothing."""
import os
import signal
import subprocess
import sys
import tempfile
import time

import sensor_run
from cgroup2 import cgroup_mount
from sensor_run import Sensor

mount = cgroup_mount()
sensor_run.check(mount, "a cgroup2 mount")
own = f"{mount}/watt-reload-{os.getpid()}"
loops = {}


def start(name):
    path = f"{own}/{name}"
    os.makedirs(path)
    loops[name] = subprocess.Popen(["sh", "-c", 'echo $$ >"$1/cgroup.procs" && while :; do :; done', "-", path])


def finish():
    for loop in loops.values():
        loop.kill()
        loop.wait()
    end = time.monotonic() + 20
    for path in [f"{own}/a", f"{own}/b", own]:
        while os.path.exists(path):
            try:
                os.rmdir(path)
            except OSError:  # busy for a moment after its last process has gone
                if time.monotonic() > end:
                    raise


def paths(report):
    """The cgroups of the targets with CPU time; those of processes without what stands behind the path."""
    return {row["target"].split(":")[0] for row in report["targets"]} - {"other"}


def reload(granularity, engine, folder):
    config = f"{folder}/{granularity}-{engine}.conf"
    own_path = f"/{os.path.basename(own)}"

    def write(text):
        with open(config, "w") as file:
            file.write(f"[sensor]\n{text}")

    write(f"target = cgroup:{own_path}/a\n")
    sensor = Sensor("--config", config, "--granularity", granularity, "--engine", engine, "--interval", "100ms", "--name", "t")
    sensor.wait_until(lambda: any(paths(r) == {f"{own_path}/a"} for r in sensor.raw()), f"{engine}: a is a target")
    write(f"target = cgroup:{own_path}/b\n")
    n_before = len(sensor.raw())
    sensor.process.send_signal(signal.SIGHUP)
    sensor.wait_until(lambda: any(paths(r) == {f"{own_path}/b"} for r in sensor.raw()[n_before:]), f"{engine}: b is the target")
    write("target = nonsense:x\n")
    n_before = len(sensor.raw())
    sensor.process.send_signal(signal.SIGHUP)
    sensor.wait_until(lambda: len(sensor.raw()) >= n_before + 3, f"{engine}: it goes on")
    sensor_run.check(paths(sensor.raw()[-1]) == {f"{own_path}/b"}, f"{engine}: a broken configuration changes nothing")
    sensor_run.check(sensor.end() == 0, f"{engine}: ends in order")
    numbers = [report["seq"] for report in sensor.raw()]
    sensor_run.check(numbers == list(range(numbers[0], numbers[0] + len(numbers))), f"{engine}: no tick lost of {numbers}")
    told = {record["target"] for record in sensor.records if record["kind"] == "target"}
    sensor_run.check(any(name.startswith(f"{own_path}/b") for name in told), f"{engine}: b is among {told}")
    print(f"{granularity}/{engine}: {len(numbers)} ticks")


try:
    start("a")
    start("b")
    with tempfile.TemporaryDirectory() as folder:
        for granularity, engine in [("cgroup", "bpf"), ("cgroup", "perf"), ("cgroup", "proc"), ("process", "bpf"), ("process", "proc")]:
            reload(granularity, engine, folder)
finally:
    finish()
