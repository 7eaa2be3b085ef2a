#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The demo shows watts of the simulated counters and cleans up; killed in the middle, or its simulator killed, it leaves neither
process, cgroup, mount nor folder."""
import os
import signal
import subprocess
import tempfile

from simulated import BUILD, HERE, cannot_run
from cgroup2 import cgroup_mount
from sensor_run import check, wait_for


def left(scratch, pid):
    """What there is of a demo: the mount, its folder, its cgroups, its processes."""
    found = []
    with open("/proc/mounts", encoding="utf-8") as stream:
        found += [line.split()[1] for line in stream if scratch in line]
    found += os.listdir(scratch)
    base = f"{cgroup_mount()}/watt-demo-{pid}"
    if os.path.isdir(base):
        found.append(base)
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as stream:
                command = stream.read()
        except OSError:
            continue
        if scratch.encode() in command or f"watt-demo-{pid}/".encode() in command:
            found.append(command.decode(errors="replace"))
    return found


def start(scratch, ticks):
    return subprocess.Popen([os.path.join(HERE, "demo.sh"), str(ticks)], stdout=subprocess.PIPE, text=True,
                            env={**os.environ, "WATT_BUILD": BUILD, "TMPDIR": scratch})


def whole(scratch):
    demo = start(scratch, 2)
    said, _ = demo.communicate(timeout=60)
    check(demo.returncode == 0, f"the demo ends with 0, not {demo.returncode}: {said}")
    check("heavy" in said and "powercap" in said, f"it shows the heavy cgroup and where watts come from: {said}")
    check("estimate" not in said, f"measured, not estimated: {said}")
    wait_for(lambda: not left(scratch, demo.pid), f"nothing is left: {left(scratch, demo.pid)}")


def killed(scratch):
    demo = start(scratch, 1000)
    for line in demo.stdout:
        if "heavy" in line and "Simulated" not in line:
            break
    check(len(left(scratch, demo.pid)) >= 4, "there is something to clean up")
    demo.send_signal(signal.SIGKILL)
    demo.wait()
    wait_for(lambda: not left(scratch, demo.pid), "nothing is left of a killed demo")


def main():
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse") or not cgroup_mount():
        cannot_run("needs root, /dev/fuse and a cgroup2 mount")
    with tempfile.TemporaryDirectory(prefix="watt-hwsim.") as scratch:
        whole(scratch)
        killed(scratch)


main()
