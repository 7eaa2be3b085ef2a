#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""guard.py PID FOLDER [CGROUP]...: waits until process PID is gone, however it ended, or for SIGTERM; then kills what is left in the
cgroups, removes them (children before parents: give them in that order), unmounts FOLDER/* and removes FOLDER. So that a test that is
killed leaves nothing behind."""
import os
import select
import shutil
import signal
import subprocess
import sys
import time

DEADLINE_S = 20


def remove_cgroup(path):
    """A cgroup stays busy for a moment after its last process has gone."""
    end = time.monotonic() + DEADLINE_S
    while os.path.isdir(path) and time.monotonic() < end:
        try:
            with open(os.path.join(path, "cgroup.procs"), encoding="ascii") as stream:
                for pid in stream.read().split():
                    os.kill(int(pid), signal.SIGKILL)
            os.rmdir(path)
        except (ProcessLookupError, FileNotFoundError):
            pass
        except OSError:
            select.select([], [], [], 0.02)
    return not os.path.isdir(path)


def unmount(folder):
    with open("/proc/mounts", encoding="utf-8") as stream:
        points = [line.split()[1] for line in stream]
    for point in points:
        if point.startswith(folder + "/"):
            subprocess.run(["umount", "-l", point], check=False)


def main(pid, folder, *cgroups):
    wake, ring = os.pipe()
    signal.signal(signal.SIGTERM, lambda *_: os.write(ring, b"x"))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the guarded one
    os.setsid()
    try:
        guarded = os.pidfd_open(int(pid))
    except ProcessLookupError:
        guarded = None
    print("guarding", flush=True)
    if guarded is not None:
        select.select([wake, guarded], [], [])
    left = [path for path in cgroups if not remove_cgroup(path)]
    unmount(folder)
    shutil.rmtree(folder, ignore_errors=True)
    for path in left:
        print(f"left behind: {path}", file=sys.stderr)
    return 1 if left else 0


sys.exit(main(*sys.argv[1:]))
