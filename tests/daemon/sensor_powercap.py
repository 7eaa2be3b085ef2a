#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The joules that a powercap tree counts are the joules that the sensor records, to the microjoule: two packages
with dram, psys, a wrap in the middle, and a package that vanishes and comes back under another number."""
import tempfile

from sensor_powercap_tree import MODULUS_UJ, Zone
from sensor_run import Sensor, check


def totals(sensor):
    sums = {}
    for record in sensor.raw():
        for sample in record["energy"]:
            key = (sample["domain"], sample.get("package"))
            if sample["valid"]:
                sums[key] = sums.get(key, 0) + sample["energy_uj"]
            else:
                check("energy_uj" not in sample, f"an invalid sample has no energy: {sample}")
    return sums


def has_reason(sensor, package, reasons):
    return any(sample["reason"] in reasons for record in sensor.raw() for sample in record["energy"]
               if not sample["valid"] and sample.get("package") == package)


def stands_still(sensor, package):
    """The baseline is that long ago that what moves now is no update from before it."""
    return any(sample["reason"] == "stuck" for record in sensor.raw()[-1:] for sample in record["energy"]
               if not sample["valid"] and sample.get("package") == package)


def main(root):
    zones = {
        ("package", 0): Zone(root, "intel-rapl:1", "package-0", MODULUS_UJ - 3_000_000),
        ("dram", 0): Zone(root, "intel-rapl:1:0", "dram", 17),
        ("package", 1): Zone(root, "intel-rapl:0", "package-1", 123_456_789),
        ("psys", None): Zone(root, "intel-rapl:2", "psys", 5),
    }
    written = dict.fromkeys(zones, 0)
    sensor = Sensor("--sysfs", root, "--interval", "5ms")
    sensor.wait_until(lambda: sensor.records, "the host record, which follows the baseline")
    sources = {(row["domain"], row.get("package")): row["source"] for row in sensor.records[0]["sources"]}
    check(sources == dict.fromkeys(zones, "powercap"), f"sources: {sources}")

    sensor.wait_until(lambda: stands_still(sensor, 0) and stands_still(sensor, 1), "nothing is used yet")

    def use(key, energy_uj):
        zones[key].use(energy_uj)
        written[key] += energy_uj

    def settle(what):
        sensor.wait_until(lambda: all(totals(sensor).get(key, 0) == uj for key, uj in written.items()),
                          f"{what}: {written}, but {totals(sensor)}")

    for round_number in range(10):
        use(("package", 0), 700_001 + round_number)  # wraps in the fifth round
        use(("dram", 0), 31_007)
        use(("package", 1), 1)
        use(("psys", None), 900_000)
        if round_number % 3 == 0:
            settle(f"round {round_number}")
    settle("ten rounds")

    zones[("package", 1)].remove()
    sensor.wait_until(lambda: has_reason(sensor, 1, ("vanished",)), "package 1 is marked as vanished")
    use(("package", 0), 5_000)
    settle("the rest goes on")
    zones[("package", 1)] = Zone(root, "intel-rapl:7", "package-1", 42)
    sensor.wait_until(lambda: has_reason(sensor, 1, ("reopened",)), "package 1 is back")
    sensor.wait_until(lambda: stands_still(sensor, 1), "package 1 stands still")
    use(("package", 1), 2_345_678)
    use(("psys", None), 0)
    settle("all together at the end")

    check(sensor.end() == 0, "SIGTERM ends it with status 0")
    check(totals(sensor) == written, f"recorded {totals(sensor)}, written {written}")
    numbers = [record["seq"] for record in sensor.raw()]
    check(numbers == list(range(len(numbers))), "the sequence is dense")
    stamps = [record["timestamp"] for record in sensor.raw()]
    check(all(a < b for a, b in zip(stamps, stamps[1:])), "timestamps grow strictly")
    known = {record["target"] for record in sensor.records if record["kind"] == "target"}
    used = {row["target"] for record in sensor.raw() for row in record["targets"]}
    check(used <= known, f"targets without identity: {used - known}")


with tempfile.TemporaryDirectory() as folder:
    main(folder)
