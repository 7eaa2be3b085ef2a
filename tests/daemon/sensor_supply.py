#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A source with a rate of its own, the whole way: a battery is read once a second beside ticks of 50 ms and a counter that is read at
each of them. Its samples cover many ticks and stand in few; formula and viewer go on as if they were not there."""
import json
import os
import subprocess
import tempfile

from sensor_run import Sensor, check

BUILD = os.environ["WATT_BUILD"]
BATTERY_W = 12.5


def write(root, path, text):
    path = os.path.join(root, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="ascii") as stream:
        stream.write(text + "\n")


class Package:
    """Counts a millijoule more whenever somebody looks; written at one go, since the sensor keeps the file open."""

    def __init__(self, root):
        self.value_uj = 1_000_000
        write(root, "class/powercap/intel-rapl:0/name", "package-0")
        write(root, "class/powercap/intel-rapl:0/max_energy_range_uj", "262143328850")
        write(root, "class/powercap/intel-rapl:0/energy_uj", f"{self.value_uj:020d}")
        self.fd = os.open(os.path.join(root, "class/powercap/intel-rapl:0/energy_uj"), os.O_WRONLY)

    def use(self):
        self.value_uj += 1000
        os.pwrite(self.fd, b"%020d\n" % self.value_uj, 0)


def samples_of(record, domain):
    return [sample for sample in record["energy"] if sample["domain"] == domain]


def check_samples(ticks):
    walls = [(record, sample) for record in ticks for sample in samples_of(record, "wall")]
    check(all(len(samples_of(record, "package")) == 1 for record in ticks), "the package stands in every tick")
    for _, sample in walls:
        check(sample["valid"] and sample["source"] == "supply" and "package" not in sample, f"wall: {sample}")
        check(sample["dt_ns"] >= 950_000_000, f"it covers more than a tick of 50 ms: {sample}")
        check(abs(sample["energy_uj"] * 1e3 / sample["dt_ns"] - BATTERY_W) < 1e-3, f"it is {BATTERY_W} W: {sample}")
    spans_ns = sum(sample["dt_ns"] for _, sample in walls)
    check(len(walls) < len(ticks), "the ticks between have none")
    check(spans_ns <= sum(record["dt_ns"] for record in ticks) + 1_000_000_000, "spans do not overlap")


def check_watts(root, ticks, records):
    raw, power = os.path.join(root, "raw.jsonl"), os.path.join(root, "power.jsonl")
    with open(raw, "w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(record) + "\n" for record in records)
    subprocess.run([os.path.join(BUILD, "watt-formula"), "--input", f"jsonl:{raw}", "--output", f"jsonl:{power}", "--post-mortem",
                    "--model", "share"], check=True, stderr=subprocess.DEVNULL)
    with open(power, encoding="utf-8") as stream:
        watts = {record["seq"]: record for record in map(json.loads, stream) if record["kind"] == "power"}
    check(len(watts) == len(ticks), f"{len(watts)} power records of {len(ticks)} ticks")
    n_measured = 0
    for record in ticks:
        is_measured = samples_of(record, "package")[0]["valid"]
        balance = watts[record["seq"]]["balance"]
        check([line["domain"] for line in balance] == ["package"], f"wall is never attributed: {balance}")
        check(("measured_w" in balance[0]) == is_measured, f"the package is as it was measured: {balance}")
        n_measured += is_measured
    check(n_measured > 0, "some ticks saw the package's counter move")
    shown = subprocess.run([os.path.join(BUILD, "watt"), "show", "--store", f"jsonl:{power}", "--format", "csv"], check=True,
                           stdout=subprocess.PIPE, text=True).stdout
    check("package" in shown and "wall" not in shown, f"watt show adds up what was attributed: {shown}")


def main(root):
    package = Package(root)
    for file, text in (("type", "Battery"), ("status", "Discharging"), ("power_now", str(int(BATTERY_W * 1e6)))):
        write(root, f"class/power_supply/BAT0/{file}", text)
    sensor = Sensor("--sysfs", root, "--interval", "50ms", "--supply-interval", "1s")

    def has_two():
        package.use()
        return sum(len(samples_of(record, "wall")) for record in sensor.raw()) >= 2

    sensor.wait_until(has_two, "two readings of the battery")
    check(sensor.end() == 0, "SIGTERM ends it with status 0")
    sources = {(row["domain"], row["source"]) for row in sensor.records[0]["sources"]}
    check(sources == {("package", "powercap"), ("wall", "supply")}, f"both are open: {sources}")
    check_samples(sensor.raw())
    check_watts(root, sensor.raw(), sensor.records)


with tempfile.TemporaryDirectory() as folder:
    main(folder)
