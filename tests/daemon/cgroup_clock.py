# SPDX-License-Identifier: BSD-3-Clause
"""Perf's own clock of a cgroup (PERF_COUNT_SW_TASK_CLOCK on every CPU), read beside a sensor that has no other."""
import ctypes
import os
import platform
import struct

PERF_EVENT_OPEN = 298 if platform.machine() == "x86_64" else 241  # asm-generic/unistd.h
PERF_FLAG_PID_CGROUP = 4


class CgroupClock:
    def __init__(self, path):
        libc = ctypes.CDLL(None, use_errno=True)
        attr = struct.pack("IIQ", 1, 128, 1).ljust(128, b"\0")  # software, size, task clock
        directory = os.open(path, os.O_RDONLY)
        self.fds = []
        for cpu in os.sched_getaffinity(0):
            fd = libc.syscall(PERF_EVENT_OPEN, attr, directory, cpu, -1, PERF_FLAG_PID_CGROUP)
            if fd < 0:
                raise SystemExit(f"perf_event_open of {path} on CPU {cpu}: {os.strerror(ctypes.get_errno())}")
            self.fds.append(fd)
        os.close(directory)

    def ns(self):
        return sum(struct.unpack("Q", os.read(fd, 8))[0] for fd in self.fds)

    def close(self):
        for fd in self.fds:
            os.close(fd)
