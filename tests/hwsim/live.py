#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The whole way on simulated counters, through powercap and through MSRs: two cgroups work at different watts per CPU-second beside
an idle one; the sensor's joules are those of the counter, read by read; the formula's books close; the split follows."""
import os
import subprocess

from simulated import Simulated
from books import close_books, compare_watts, run_formula
from sensor_run import SENSOR, Sensor, check

IDLE_W = (12, 8)  # of each package
REST_W = 12  # per CPU-second of whatever else runs
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
idle_w = {idle_w[0]}
start_counts = {start}
[package 1]
idle_w = {idle_w[1]}
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
watts = {rest_w}
[user rest1]
rest = 1
package = {last}
watts = {rest_w}
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
    odd = [sample for sample in samples if not sample["valid"] and sample["reason"] != "no_update"]  # its energy is in the next one
    check(samples and not odd, f"{what}: samples that are not valid: {odd[:3]}")
    last, sum_uj, first = counter["reads"][-1], 0, None
    for sample in (sample for sample in reversed(samples) if sample["valid"]):
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


def rows_of(rows, package, domain=None):
    return [row for row in rows if row.get("package") == package and row.get("domain") == domain]


def check_idle(power, cpus_of, model, what):
    """Idle is what the package draws while no user works, but for what others may have used all that time."""
    for package, n_cpus in cpus_of.items():
        lines = [line for record in power for line in record["balance"] if line["domain"] == "package" and line["package"] == package]
        seen_w, true_w = lines[-1]["idle_w"], IDLE_W[package]
        print(f"{what}: package {package}: idle {seen_w:.2f} W, true {true_w} W, others use up to {n_cpus * REST_W} W")
        check(0 < seen_w < 1.2 * (true_w + n_cpus * REST_W), f"{what}: idle of package {package} is {seen_w} W")
        for i, line in enumerate(lines):
            lowest_w = min(earlier["measured_w"] for earlier in lines[:i + 1])
            if model == "share":
                check(abs(line["idle_w"] - lowest_w) < 1e-9, f"{what}: idle is not the lowest so far, {lowest_w} W: {line}")


def scaled(row, place):
    """A group that was opened while its cgroup ran is enabled some microseconds before it runs."""
    return row["counts"][place] * (row["enabled_ns"] / row["running_ns"] if row["running_ns"] else 1)


def check_split(records, power, what):
    """`share` charges what is above idle by CPU time, to the microwatt."""
    raw, n = {record["seq"]: record for record in records if record["kind"] == "raw"}, 0
    for record in power:
        tick = raw[record["seq"]]
        place = tick["events"].index("cpu_ns")
        if record.get("reasons"):
            continue  # counts that were impossible are replaced
        for line in (line for line in record["balance"] if line["domain"] == "package"):
            cpu_ns = {row["target"]: scaled(row, place) for row in rows_of(tick["targets"], line["package"]) if row.get("counts")}
            sum_ns = sum(cpu_ns.values())
            for row in rows_of(record["targets"], line["package"], "package") if sum_ns > 0 else []:
                due_w = (line["measured_w"] - line["idle_w"]) * cpu_ns[row["target"]] / sum_ns
                check(abs(row["dynamic_w"] - due_w) < 1e-6, f"{what}: {row} where {due_w} W were due: {cpu_ns}, {line}")
                n += 1
    check(n > 0, f"{what}: no tick is free of doubt")
    print(f"{what}: {n} rows are split by CPU time")


def joules_of(machine, power):
    """What each user was charged."""
    return {name: sum(row["dynamic_w"] * record["dt_ns"] / 1e9 for record in power for row in record["targets"]
                      if row["target"] == f"{machine.base}/{name}" and row["domain"] == "package") for name in machine.cgroups}


def check_formula(machine, records, truth, source, model):
    """Who gets how much depends on what else this machine does meanwhile; what holds however busy it is, is asked."""
    what = f"{source}, {model}"
    power = run_formula(machine, records, model)
    compare_watts(power, records, what)
    close_books(power, what)
    joules = joules_of(machine, power)
    true_j = {user["name"]: user["energy_j"]["package"] for user in truth["users"]}
    print(f"{what}: " + ", ".join(f"{name} {joules[name]:.2f} J, true {true_j[name]:.2f} J" for name in joules))
    check(joules["idle"] < 0.02 * joules["hot"], f"{what}: the idle cgroup got {joules['idle']} J")
    cpus_of = {line["package"]: line["cpus"] for line in records[0]["packages"]}
    check_idle(power, cpus_of, model, what)
    if model == "share":
        check_split(records, power, what)


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
    config = MACHINE.format(packages=packages, cpus=cpus, last=packages - 1, start=2**32 - 2**18, idle_w=IDLE_W, rest_w=REST_W, **machine.cgroups)
    if packages == 1:
        config = config.split("[user rest1]")[0]
    known = subprocess.run([SENSOR, "--probe", *machine.roots()], stdout=subprocess.PIPE, check=True, text=True).stdout
    for source in ("powercap", "msr"):
        if f'"{source}"' in known:
            check_source(machine, config, source)
        else:
            print(f"{source}: not in this build")
    machine.close()
    check(not os.path.exists(machine.scratch), "the folder is gone")
    check(not any(map(os.path.exists, machine.cgroups.values())), "the cgroups are gone")


main()
