#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The powercap driver is unloaded for good under a running sensor: after ten seconds the registers are read instead, the host record says so once they
have been for ten more, and no joule is published twice when the driver comes back."""
import os
import struct
import tempfile

from sensor_powercap_tree import Zone
from sensor_run import Sensor, check

UNIT_UJ = 61.03515625
STEP_UJ = 500_000
CPUINFO = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 158\nmodel name\t: a test\n\n"


class Registers:
    """Of one CPU, as /dev/cpu/0/msr shows them: the offset is the register. What lies beside the energy is read as 0."""

    def __init__(self, root):
        os.makedirs(f"{root}/dev/cpu/0")
        self.fd = os.open(f"{root}/dev/cpu/0/msr", os.O_RDWR | os.O_CREAT, 0o600)
        os.pwrite(self.fd, bytes(0x700), 0)
        os.pwrite(self.fd, struct.pack("<Q", 0xA0E03), 0x606)
        self.used_uj = 1e6
        self.use(0)

    def use(self, energy_uj):
        self.used_uj += energy_uj
        os.pwrite(self.fd, struct.pack("<I", int(self.used_uj / UNIT_UJ) % 2**24), 0x611)


def samples(sensor):
    return [sample for record in sensor.raw() for sample in record["energy"] if sample["domain"] == "package"]


def valid_of(sensor, source):
    return [sample for sample in samples(sensor) if sample["valid"] and sample["source"] == source]


def named(sensor):
    """The source that the newest host record names."""
    hosts = [record for record in sensor.records if record["kind"] == "host"]
    return [row["source"] for row in hosts[-1]["sources"] if row["domain"] == "package"] if hosts else []


def main(root):
    os.makedirs(f"{root}/proc")
    with open(f"{root}/proc/cpuinfo", "w", encoding="ascii") as stream:
        stream.write(CPUINFO)
    registers = Registers(root)
    zone = Zone(root, "intel-rapl:0", "package-0", 10**9)
    used_uj = 0

    def use():
        nonlocal used_uj
        registers.use(STEP_UJ)
        if os.path.exists(zone.path):
            zone.use(STEP_UJ)
        used_uj += STEP_UJ
        return True

    sensor = Sensor("--sysfs", root, "--devfs", root + "/dev", "--procfs", root + "/proc", "--engine", "none", "--interval", "100ms")
    sensor.wait_until(lambda: use() and len(valid_of(sensor, "powercap")) >= 10, "powercap is in use")
    check(named(sensor) == ["powercap"], f"named is {named(sensor)}")
    zone.remove()
    sensor.wait_until(lambda: use() and len(valid_of(sensor, "msr")) >= 5, "the registers stand in")
    gone = [sample for sample in samples(sensor) if not sample["valid"] and sample["reason"] == "vanished"]
    check(sum(1 for sample in gone if sample["source"] == "powercap") >= 50, f"it waits some seconds: {len(gone)} ticks")
    sensor.wait_until(lambda: use() and named(sensor) == ["msr"], "the host record names the registers")
    zone = Zone(root, "intel-rapl:3", "package-0", 10**9)
    n_before = len(valid_of(sensor, "powercap"))
    sensor.wait_until(lambda: use() and len(valid_of(sensor, "powercap")) >= n_before + 10, "powercap is back")
    check(sensor.end() == 0, "SIGTERM ends it with status 0")
    told_uj = sum(sample["energy_uj"] for sample in samples(sensor) if sample["valid"])
    check(0 < told_uj <= used_uj + UNIT_UJ, f"recorded {told_uj} of {used_uj} uJ")
    span_ns = sum(record["dt_ns"] for record in sensor.raw())
    covered_ns = sum(sample["dt_ns"] for sample in samples(sensor) if sample["valid"])
    check(covered_ns < span_ns, f"{covered_ns} of {span_ns} ns are covered")
    print(f"{len(gone)} ticks without energy, {told_uj / 1e6:.1f} J of {used_uj / 1e6:.1f} J recorded")


with tempfile.TemporaryDirectory() as folder:
    main(folder)
