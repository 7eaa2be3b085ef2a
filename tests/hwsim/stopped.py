#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A sensor that is stopped (SIGSTOP) while the machine goes on, and continued: one tick covers the time, says how many periods it is made of
and why, its joules are the counter's over that span, and its watts are those of the machine. Through powercap and through MSRs."""
import json
import signal

from simulated import Simulated
from books import run_formula
from sensor_run import Sensor, check, wait_for

IDLE_W = 20
STOPPED_S = 1.5
PERIOD_S = 0.05
MACHINE = f"""
[machine]
vendor = intel
family = 6
model = 0x9e
packages = 1
cpus = 2
domains = package dram
max_w = 95
[package 0]
idle_w = {IDLE_W}
dram_idle_w = 5
"""


def simulated_s(machine):
    with open(machine.folder + "/clock", encoding="ascii") as stream:
        return int(stream.read()) / 1e9


def state(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stream:
        return stream.read().rpartition(")")[2].split()[0]


def stop_for_a_while(machine, sensor):
    pid = sensor.process.pid
    wait_for(lambda: state(pid) == "S", "the sensor waits for its next tick")  # a reading that takes so long lies anywhere in that time
    sensor.process.send_signal(signal.SIGSTOP)
    wait_for(lambda: state(pid) == "T", "the sensor stops")
    stopped_s = simulated_s(machine)
    wait_for(lambda: simulated_s(machine) >= stopped_s + STOPPED_S, "the machine goes on")
    sensor.process.send_signal(signal.SIGCONT)


def check_joules(records, truth, source):
    """All ticks together, against the counter: an idle machine draws what it draws, whoever looks."""
    for counter in truth["counters"]:
        samples = [sample for record in records for sample in record["energy"] if sample["domain"] == counter["domain"]]
        wrong = [sample for sample in samples if not sample["valid"] and sample["reason"] != "no_update"]
        check(not wrong, f"{source}: not valid: {wrong[:3]}")
        valid = [sample for sample in samples if sample["valid"]]
        sum_j, span_s = sum(sample["energy_uj"] for sample in valid) / 1e6, sum(sample["dt_ns"] for sample in valid) / 1e9
        watts = IDLE_W if counter["domain"] == "package" else 5
        # How exact it is the scripted tests say: here a busy machine may delay the first and the last reading.
        check(abs(sum_j - watts * span_s) < watts * (0.05 * span_s + 0.1), f"{source}: {sum_j} J in {span_s} s of {watts} W")


def check_stop(machine, source):
    machine.start(MACHINE)
    sensor = Sensor("--name", "stopped", "--energy", source, "--engine", "proc", "--interval", "50ms", *machine.roots())
    sensor.wait_until(lambda: len(sensor.raw()) >= 5, "five ticks")
    stop_for_a_while(machine, sensor)
    sensor.wait_until(lambda: any(record["dt_ns"] >= STOPPED_S * 1e9 for record in sensor.raw()), "the tick of the time that was missed")
    n_ticks = len(sensor.raw())
    sensor.wait_until(lambda: len(sensor.raw()) >= n_ticks + 5, "five ticks more")
    check(sensor.end() == 0, "SIGTERM ends the sensor with status 0")
    truth = machine.stop()
    raw = sensor.raw()
    check([record["seq"] for record in raw] == list(range(len(raw))), "no tick is missing")
    longest = max(raw, key=lambda record: record["dt_ns"])
    # Stopped between two readings of one tick, it may have counted its periods before: the next tick has the rest of them.
    missed = sum(record["missed"] for record in raw)
    check({"merged", "energy_skew"} & set(longest["reasons"]), f"the tick says what happened: {json.dumps(longest)[:300]}")
    check(missed >= STOPPED_S / PERIOD_S - 2, f"{missed} periods were missed")
    check_joules(raw, truth, source)
    power = run_formula(machine, sensor.records, "share")
    rows = [row for record in power for row in record["balance"] if row["domain"] == "package" and row["dt_ns"] >= STOPPED_S * 1e9 / 2]
    check(rows, "there are watts of the long tick")
    for row in rows:
        check(0.9 * IDLE_W < row["measured_w"] < 1.1 * IDLE_W, f"{source}: watts of {row['dt_ns'] / 1e9} s: {row['measured_w']}")
    print(f"{source}: {missed} periods missed, one tick of {longest['dt_ns'] / 1e9:.3f} s, {rows[0]['measured_w']:.2f} W")


def main():
    machine = Simulated()
    for source in ("powercap", "msr"):
        check_stop(machine, source)
    machine.close()


main()
