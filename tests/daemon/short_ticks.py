# SPDX-License-Identifier: BSD-3-Clause
"""What holds of ticks a millisecond apart, however busy the machine is."""
import statistics

from sensor_run import check

INTERVAL_NS = 1_000_000


def periods_add_up(sensor, what):
    """Ticks and missed ones beside the time that passed: how far a tick lies from its period stays the same, but for delays within ticks."""
    passed, elapsed_ns, off = 0, 0, []
    for record in sensor.raw():
        passed += 1 + record["missed"]
        elapsed_ns += record["dt_ns"]
        off.append(elapsed_ns / INTERVAL_NS - passed)
    third = len(off) // 3
    drift = statistics.median(off[-third:]) - statistics.median(off[:third])
    check(abs(drift) <= 3 + passed / 50, f"{what}: {passed} periods by its ticks, {elapsed_ns / 1e6} ms passed; {drift} between its thirds")
    numbers = [record["seq"] for record in sensor.raw()]
    check(numbers == list(range(len(numbers))), f"{what}: the sequence is dense")


def spans_add_up(sensor, domain, what):
    """What a sample covers begins where the one before it ended."""
    now_ns, end_ns = 0, None
    for record in sensor.raw():
        now_ns += record["dt_ns"]
        for sample in record["energy"]:
            if sample["domain"] != domain or not sample["valid"]:
                continue
            begin_ns = now_ns - sample["skew_ns"] - sample["dt_ns"]
            check(end_ns is None or abs(begin_ns - end_ns) <= 2, f"{what}: {domain}: {begin_ns - (end_ns or 0)} ns between samples, in tick "
                  f"{record['seq']}: {sample}")
            end_ns = now_ns - sample["skew_ns"]
