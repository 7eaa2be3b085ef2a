#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Cgroups and commands with names that no one would choose (blanks, control characters, bytes that are no text, what looks like a
process' name, fourteen levels): every engine charges them with the CPU time that the kernel counts for them, names are made harmless
reversibly, and what watt show prints of them is text."""
import json
import os
import subprocess
import sys
import tempfile

import sensor_run
from cgroup2 import cgroup_mount
from sensor_run import Sensor, check, wait_for

mount = cgroup_mount()
check(mount, "a cgroup2 mount")
BUILD = os.environ["WATT_BUILD"]
own = os.fsencode(f"/watt-names-{os.getpid()}")
NAMES = [b" a b ", b"bad\xff\xc3", b"100%", b"\x1b[31mred\x07", "日本".encode(), b"x:7@9", b"other",
         b"/".join(b"level%d" % i for i in range(14))]
COMM = b"two\nlines\xff"
NEAR = {"bpf": 0.005, "proc": 0.005, "perf": 0.02}  # perf counts by a clock of its own
BURNER = """
import sys, time
open("/proc/self/comm", "wb").write(bytes.fromhex(sys.argv[1]))
open(bytes.fromhex(sys.argv[2]) + b"/cgroup.procs", "w").write("0")
print("in", flush=True)
for line in sys.stdin:
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
    print("done", flush=True)
"""
burners = {}


def folder(path):
    return os.fsencode(mount) + path


def escape(name):
    """As common/name_escape.h says."""
    text = name.decode("utf-8", "surrogateescape")
    bad = lambda c: ord(c) < 0x20 or c == "%" or 0x7F <= ord(c) < 0xA0 or 0xDC80 <= ord(c) <= 0xDCFF
    return "".join("".join(f"%{b:02X}" for b in c.encode("utf-8", "surrogateescape")) if bad(c) else c for c in text)


def used_ns(path):
    with open(folder(path) + b"/cpu.stat", encoding="ascii") as stream:
        return int(stream.readline().split()[1]) * 1000


def start():
    for name in NAMES:
        path = own + b"/" + name
        os.makedirs(folder(path))
        burners[path] = subprocess.Popen([sys.executable, "-c", BURNER, COMM.hex(), folder(path).hex()], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True)
    for burner in burners.values():
        check(burner.stdout.readline() == "in\n", "a burner in its cgroup")


def finish():
    for burner in burners.values():
        burner.kill()
        burner.wait()

    def is_removed():
        for path, _, _ in os.walk(folder(own), topdown=False):
            try:
                os.rmdir(path)
            except OSError:  # busy for a moment after its last process has gone
                return False
        return True

    wait_for(is_removed, "the cgroups can be removed")


def counted_ns(sensor, path):
    """CPU time of a cgroup: its own, or that of its processes. None of these cgroups holds another one's name and ':'."""
    total = 0
    for report in sensor.raw():
        column = report["events"].index("cpu_ns")
        for row in report["targets"]:
            pid = burners[path].pid
            if row["target"] == escape(path) or row["target"].startswith(f"{escape(path)}:{pid}@"):
                total += row["counts"][column] or 0
    return total


def hold(engine, granularity):
    sensor = Sensor("--engine", engine, "--granularity", granularity, "--interval", "100ms", "--name", "t")
    sensor.wait_until(lambda: len(sensor.raw()) >= 2, f"{engine}: ticks")
    known = {path: used_ns(path) - counted_ns(sensor, path) for path in burners}
    for burner in burners.values():
        burner.stdin.write("go\n")
        burner.stdin.flush()
    for burner in burners.values():
        check(burner.stdout.readline() == "done\n", "a burner is done")
    for path in burners:
        expected = lambda path=path: used_ns(path) - known[path]
        sensor.wait_until(lambda path=path: counted_ns(sensor, path) >= (1 - NEAR[engine]) * expected(),
                          f"{engine} {granularity}: all of {path!r}")
        check(counted_ns(sensor, path) <= (1 + NEAR[engine]) * expected(), f"{engine} {granularity}: no more than all of {path!r}")
    check(sensor.end() == 0, f"{engine}: ends in order")
    told = [record for record in sensor.records if record["kind"] == "target"]
    for path in burners:
        check(any(record.get("cgroup") == escape(path) for record in told), f"{engine}: {path!r} is told of")
    if granularity == "process":
        comms = {record.get("comm") for record in told}
        check(escape(COMM) in comms, f"{engine}: the command {escape(COMM)} among {comms}")
    return sensor.records


def look(records, scratch):
    """What the viewers make of them."""
    with open(f"{scratch}/raw.jsonl", "w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(record) + "\n" for record in records)
    subprocess.run([f"{BUILD}/watt-formula", "--quiet", "--post-mortem", "--input", f"jsonl:{scratch}/raw.jsonl", "--output",
                    f"jsonl:{scratch}/watts.jsonl"], check=True)
    for by in ["target", "cgroup", "command", "unit"]:
        for style in ["table", "csv", "json"]:
            text = subprocess.run([f"{BUILD}/watt", "show", "--store", f"jsonl:{scratch}/watts.jsonl", "--by", by, "--format", style],
                                  check=True, capture_output=True).stdout.decode("utf-8")  # which it must be
            check(text.replace("\n", "").isprintable(), f"watt show --by {by} --format {style}: text only")
            if by == "cgroup":
                for path in burners:
                    check(escape(path) in (json.loads(text) and text if style == "json" else text), f"{style}: {path!r} is shown")


start()
try:
    with tempfile.TemporaryDirectory() as scratch:
        for engine, granularity in [("bpf", "cgroup"), ("bpf", "process"), ("perf", "cgroup"), ("proc", "cgroup"), ("proc", "process")]:
            kept = hold(engine, granularity)
            if granularity == "process":
                look(kept, scratch)
finally:
    finish()
