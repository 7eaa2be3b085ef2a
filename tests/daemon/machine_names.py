#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A libvirt machine in real cgroups, laid out as libvirt lays them out (QEMU in a domain of threads, its threads in groups of their own): the
sensor meets the machine before QEMU is executed, calls it what its scope is called, and then what QEMU's command line says; what its threads
use is the machine's. What stands in for QEMU has its command line, and is no machine."""
import json
import os
import subprocess
import sys

from cgroup2 import cgroup_mount
from sensor_run import Sensor, check, wait_for

mount = cgroup_mount()
check(mount, "a cgroup2 mount")
own = f"{mount}/watt-machine-{os.getpid()}"
scope = f"{own}/machine.slice/machine-qemu\\x2d3\\x2dwebshop.scope"
group = f"{scope}/libvirt"
NAME, UUID = "web shop, Köln", "c7a5fdbd-edaf-9455-926a-d65c16db1809"
QEMU = "import sys; sys.stdin.readline(); open(sys.argv[1] + '/cgroup.threads', 'w').write('0')\nwhile True: pass"
LIBVIRT = """
import json, os, sys
open(sys.argv[1] + "/cgroup.procs", "w").write("0")
print("in", flush=True)
os.execv(sys.executable, json.loads(sys.stdin.readline()))
"""


def told(sensor):
    return [record for record in sensor.records if record["kind"] == "target" and record["target"].endswith(".scope/libvirt")]


def machine_ns(sensor):
    """CPU time of the machine in the latest tick."""
    report = sensor.raw()[-1]
    column = report["events"].index("cpu_ns")
    return sum(row["counts"][column] for row in report["targets"] if row["target"].endswith(".scope/libvirt"))


def is_removed():
    for path, _, _ in os.walk(own, topdown=False):
        try:
            os.rmdir(path)
        except OSError:  # busy for a moment after its last process has gone
            return False
    return True


def tell(machine, line):
    machine.stdin.write(line + "\n")
    machine.stdin.flush()


def watch(machine):
    check(machine.stdout.readline() == "in\n", "a process in the machine's cgroup")
    sensor = Sensor("--granularity", "cgroup", "--interval", "50ms", "--name", "t")
    sensor.wait_until(lambda: told(sensor), "the machine is found")
    first = told(sensor)[0]
    check((first["target_kind"], first["name"], first.get("container")) == ("vm", "vm webshop", None), f"by its scope: {first}")
    tell(machine, json.dumps(["qemu-system-x86_64", "-c", QEMU, f"{group}/vcpu0", "-name", f"guest={NAME.replace(',', ',,')},debug-threads=on",
                              "-S", "-uuid", UUID]))
    sensor.wait_until(lambda: len(told(sensor)) > 1, "the machine is told of anew")
    second = told(sensor)[1]
    check((second["target_kind"], second["name"], second["container"]) == ("vm", f"vm {NAME}", UUID), f"by QEMU: {second}")
    check((second["target"], second["cgroup_inode"]) == (first["target"], first["cgroup_inode"]), f"the same: {second}")
    tell(machine, "work")
    sensor.wait_until(lambda: machine_ns(sensor) >= 40_000_000, "what its threads use is the machine's")
    check(sensor.end() == 0 and len(told(sensor)) == 2, f"it is told of no more than that: {told(sensor)}")


os.makedirs(f"{group}/vcpu0")
with open(f"{group}/vcpu0/cgroup.type", "w", encoding="ascii") as stream:
    stream.write("threaded")
machine = subprocess.Popen([sys.executable, "-c", LIBVIRT, group], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
try:
    watch(machine)
finally:
    machine.kill()
    machine.wait()
    wait_for(is_removed, "the cgroups can be removed")
