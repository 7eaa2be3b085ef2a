#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""GPUs of known truth, through a library with NVML's ABI (nvml_stub.c): two containers use one of them at different watts per second of its
time, beside a process that is gone; a third GPU says not who uses it. The sensor's joules are those of the counter, to the millijoule, over a fault
too; the formula's books close; the split follows the truth."""
import atexit
import json
import os
import shutil
import struct
import subprocess
import time

from simulated import BUILD, Simulated
from books import close_books, compare_watts, run_formula
from sensor_run import Sensor, check, wait_for

TICKS = 110
PHASE_S = 0.5
IDLE_W = 50
WATTS = {"train": 250, "infer": 100, "gone": 80}  # per second of GPU time
GONE_PID = 4194303
GPUS = {1: "00000000:41:00.0", 2: "00000000:C1:00.0"}  # 0 is the console adapter
GPU_LOST = 15
LOST_PHASES = range(8, 11)
HANG_PHASES = range(13, 19)  # calls into the driver do not return
NOT_SUPPORTED = 3


def busy_shares(phase):
    """What each keeps the GPU busy for: every combination, idle at times."""
    if phase % 6 == 0:
        return {"train": 0, "infer": 0, "gone": 0}
    return {"train": (phase * 7 % 5) / 10, "infer": (phase * 3 % 4) / 10, "gone": 0.2 if phase % 3 == 1 else 0}


class World:
    """What the library simulates: phases of half a second, since a second ago."""

    def __init__(self, scratch, pids):
        self.path, self.log = scratch + "/world", scratch + "/log"
        self.start_ns = time.monotonic_ns() - 10**9  # so that no reading lies before it
        lines = [f"gpu {address} 400" for address in GPUS.values()]
        lines += ["at 0 1", f"idle {IDLE_W}", f"user {pids['train']} 200 0.5", f"fail users {NOT_SUPPORTED}"]
        self.phases = []
        for phase in range(200):
            from_ns, shares = self.start_ns + int(phase * PHASE_S * 1e9), busy_shares(phase)
            self.phases.append((from_ns, shares))
            lines += [f"at {from_ns} 0", f"idle {IDLE_W}"]
            lines += [f"user {pids[name]} {WATTS[name]} {share}" for name, share in shares.items() if share > 0]
            if phase in LOST_PHASES:
                lines.append(f"fail energy {GPU_LOST}")
            if phase in HANG_PHASES:
                lines.append("hang")
        with open(self.path, "w", encoding="ascii") as stream:
            stream.write("\n".join(lines) + "\n")

    def joules(self, from_ns, until_ns):
        """Idle, and of each user, of the first GPU."""
        joules = dict.fromkeys(WATTS, 0.0)
        for (begin_ns, shares), (end_ns, _) in zip(self.phases, self.phases[1:]):
            span_s = max(0, min(end_ns, until_ns) - max(begin_ns, from_ns)) / 1e9
            for name, share in shares.items():
                joules[name] += WATTS[name] * share * span_s
        return IDLE_W * (until_ns - from_ns) / 1e9, joules

    def reads(self):
        """Moments and millijoules of the first GPU, as they were read."""
        with open(self.log, encoding="ascii") as stream:
            rows = [line.split() for line in stream]
        return [(int(row[1]), int(row[2])) for row in rows if row[0] == "0"]


def make_sysfs(scratch):
    for address, vendor in (("0000:03:00.0", "0x1a03"), ("0000:41:00.0", "0x10de"), ("0000:c1:00.0", "0x10de")):
        folder = f"{scratch}/sys/bus/pci/devices/{address}"
        os.makedirs(folder)
        for name, text in (("class", "0x030200"), ("vendor", vendor)):
            with open(f"{folder}/{name}", "w", encoding="ascii") as stream:
                stream.write(text + "\n")
    return scratch + "/sys"


def run_sensor(machine, world, sysfs, granularity, ticks):
    sensor = Sensor("--name", "gpu", "--engine", "proc", "--granularity", granularity, "--interval", "100ms", "--sysfs", sysfs,
                    "--nvml-library", os.path.join(BUILD, "tests", "nvml_stub.so"), "--target", f"cgroup:{machine.base}/**",
                    env={"NVML_STUB_WORLD": world.path, "NVML_STUB_LOG": world.log})
    sensor.wait_until(lambda: len(sensor.raw()) >= ticks, f"{ticks} ticks")
    check(sensor.end() == 0, "SIGTERM ends the sensor with status 0")
    return sensor.records


def samples_of(records, gpu):
    return [sample for record in records if record["kind"] == "raw" for sample in record["energy"]
            if sample["domain"] == "gpu" and sample["package"] == gpu]


def compare_energy(records, world):
    """The valid samples' sum leads from one reading of the counter to the last, exactly, and that is what was true in between."""
    samples = samples_of(records, 1)
    reads = world.reads()
    lost = [sample for sample in samples if not sample["valid"] and sample["reason"] == "vanished"]
    check(lost and all(sample["valid"] or sample["reason"] in ("vanished", "no_update", "no_answer") for sample in samples),
          f"samples: {samples}")
    sum_mj = sum(sample["energy_uj"] for sample in samples if sample["valid"]) / 1000
    # The last reading may have come after the last tick.
    spans = [(first, last) for last in reads[:-4:-1] for first in reads if last[1] - first[1] == sum_mj]
    check(spans, f"{sum_mj} mJ lie between no two readings: {reads}")
    first, last = spans[0]
    idle_j, users_j = world.joules(first[0], last[0])
    true_j = idle_j + sum(users_j.values())
    check(abs(sum_mj / 1e3 - true_j) <= 0.002, f"recorded {sum_mj / 1e3} J, true {true_j} J")
    print(f"GPU 1: {len(samples)} samples, {len(lost)} while it was lost, {sum_mj / 1e3:.3f} J, true {true_j:.3f} J")
    return first[0], last[0]


def check_hang(records):
    """A driver that does not answer is missing, and holds up nothing else."""
    reports = [record for record in records if record["kind"] == "raw"]
    hung = [report for report in reports
            if any(sample["reason"] == "no_answer" for sample in report["energy"] if not sample["valid"])]
    check(len(hung) >= 3, f"{len(hung)} ticks say that the driver does not answer")
    for report in hung:
        gpus = {sample["package"] for sample in report["energy"] if sample["domain"] == "gpu" and sample["reason"] == "no_answer"}
        check(gpus == set(GPUS), f"missing are GPUs {gpus}")
        check(any(sample["domain"] == "machine" and sample["valid"] for sample in report["energy"]), "all else is measured")
    missed = sum(report["missed"] for report in hung)
    print(f"{len(hung)} ticks while the driver did not answer, {missed} periods missed there")


def gpu_s(records, gpu, target):
    return sum(row["counts"][record["events"].index("gpu_ns")] / 1e9 for record in records if record["kind"] == "raw"
               for row in record["targets"] if row["target"] == target and row.get("package") == gpu
               and row["counts"][record["events"].index("gpu_ns")] is not None)


def dynamic_j(power, target, gpu):
    """Over the span of the GPU's sample, which is longer than the tick after a fault."""
    return sum(row["dynamic_uj"] / 1e6 for record in power for row in record["targets"]
               if row["target"] == target and row["domain"] == "gpu" and row.get("package") == gpu)


def lines_of(power, gpu):
    return [line for record in power for line in record["balance"] if line["domain"] == "gpu" and line["package"] == gpu]


def check_formula(machine, records, world, span, model):
    power = run_formula(machine, records, model)
    closed = [record for record in power if all("measured_w" in line for line in record["balance"])]
    close_books(closed, model)
    compare_watts(closed, records, model, TICKS // 2)
    for line in lines_of(power, 2):
        check(line["reason"] == "no_answer" or line["reason"] == "no_gpu_time" and line["dynamic_w"] == 0,
              f"{model}: GPU 2 is split by nothing: {line}")
    check(any(line.get("reason") == "vanished" for line in lines_of(power, 1)), f"{model}: the fault has a reason")
    idle_j, true_j = world.joules(*span)
    wrong = 0
    for name, target in (("train", f"{machine.base}/train"), ("infer", f"{machine.base}/infer"), ("gone", "other")):
        joules = dynamic_j(power, target, 1)
        wrong += abs(joules - true_j[name])
        print(f"{model}: {name}: {joules:.1f} J of {gpu_s(records, 1, target):.2f} s of GPU time, true {true_j[name]:.1f} J")
    share = wrong / sum(true_j.values())
    print(f"{model}: {share:.1%} of the dynamic energy stands in a wrong place; idle was {idle_j:.1f} J")
    check(dynamic_j(power, f"{machine.base}/idle", 1) == 0, f"{model}: who never used the GPU pays nothing")
    return share


def check_processes(machine, world, sysfs, pids):
    """Rows of processes, named as their CPU time is."""
    records = run_sensor(machine, world, sysfs, "process", 15)
    names = {record["pid"]: record["target"] for record in records if record["kind"] == "target" and "pid" in record}
    check(pids["train"] in names, f"no target for process {pids['train']}: {names}")
    check(gpu_s(records, 1, names[pids["train"]]) > 0, f"no GPU time of {names[pids['train']]}")
    check(names[pids["train"]].startswith(f"{machine.base}/train:"), f"named {names[pids['train']]}")


def capabilities(pid):
    """Of every thread, those that it may use or take."""
    folder, held = f"/proc/{pid}/task", []
    for thread in os.listdir(folder):
        with open(f"{folder}/{thread}/status", encoding="utf-8") as stream:
            held.append([line.split()[1] for line in stream if line.startswith(("CapPrm", "CapEff"))])
    return held


def check_end(machine, sysfs):
    """A driver that never answers again does not keep the sensor from ending."""
    path = machine.scratch + "/hanging"
    with open(path, "w", encoding="ascii") as stream:
        stream.write(f"gpu {GPUS[1]} 400\nat 0 0\nidle {IDLE_W}\nat {time.monotonic_ns() + 10**9} 0\nhang\n")
    sensor = Sensor("--name", "gpu", "--engine", "none", "--interval", "100ms", "--sysfs", sysfs,
                    "--nvml-library", os.path.join(BUILD, "tests", "nvml_stub.so"), env={"NVML_STUB_WORLD": path})
    sensor.wait_until(lambda: any(sample["reason"] == "no_answer" for sample in samples_of(sensor.records, 1) if not sample["valid"]),
                      "the driver does not answer")
    held = capabilities(sensor.process.pid)
    check(len(held) == 2 and held[0] == held[1] == ["0" * 16] * 2, f"the thread that reads GPUs has dropped its capabilities, too: {held}")
    check(sensor.end() == 0, "SIGTERM ends a sensor whose driver hangs with status 0")


def write_silent(machine):
    """A library that never starts."""
    path = machine.scratch + "/silent"
    with open(path, "w", encoding="ascii") as stream:
        stream.write(f"gpu {GPUS[1]} 400\ninit hang\n")
    return path


def check_start(machine, sysfs):
    """SIGTERM is heard while the start waits for a driver."""
    sensor = Sensor("--name", "gpu", "--engine", "none", "--interval", "100ms", "--sysfs", sysfs,
                    "--nvml-library", os.path.join(BUILD, "tests", "nvml_stub.so"), env={"NVML_STUB_WORLD": write_silent(machine)})
    pid = sensor.process.pid
    wait_for(lambda: open(f"/proc/{pid}/task/{pid}/children", encoding="ascii").read(), "a child looks at the driver")
    start = time.monotonic()
    check(sensor.end() == 0, "SIGTERM ends a sensor that starts with status 0")
    check(time.monotonic() - start < 10, f"after {time.monotonic() - start:.1f} s, when the wait was over anyway")


def start_doctor(machine, sysfs):
    """watt doctor where the driver does not answer, with the machine's sysfs; it takes a while."""
    folder = machine.scratch + "/bin"
    os.mkdir(folder)
    with open(folder + "/watt-sensor", "w", encoding="ascii") as stream:
        stream.write(f"#!/bin/sh\nexec '{BUILD}/watt-sensor' --sysfs '{sysfs}' --nvml-library '{BUILD}/tests/nvml_stub.so' \"$@\"\n")
    os.chmod(folder + "/watt-sensor", 0o755)
    doctor = subprocess.Popen([os.path.join(BUILD, "watt"), "doctor", "--format", "json"], stdout=subprocess.PIPE,
                              env={**os.environ, "WATT_BINDIR": folder, "NVML_STUB_WORLD": write_silent(machine)})
    atexit.register(doctor.kill)
    return doctor


def check_doctor(doctor):
    said = doctor.communicate()[0]
    check(said, f"doctor says nothing, and ends with {doctor.returncode}")
    rows = [row for row in json.loads(said)["rows"] if row["kind"] == "energy" and row["name"] == "nvml"]
    check(len(rows) == 1 and "did not answer" in json.dumps(rows), f"doctor on nvml: {rows}")


def check_capabilities(machine, world, sysfs):
    """A file with capabilities does not run its user's code with them."""
    program = machine.scratch + "/watt-sensor"
    shutil.copy(os.path.join(BUILD, "watt-sensor"), program)
    os.chmod(program, 0o755)
    os.chmod(machine.scratch, 0o755)
    cap_dac_read_search = struct.pack("<IIIII", 0x02000001, 1 << 2, 0, 0, 0)  # revision 2, effective
    os.setxattr(program, "security.capability", cap_dac_read_search)
    arguments = [program, "--probe", "--sysfs", sysfs, "--nvml-library", os.path.join(BUILD, "tests", "nvml_stub.so")]
    for user, is_usable in (("root", True), ("nobody", os.statvfs(program).f_flag & os.ST_NOSUID)):
        said = subprocess.run(arguments, user=user, stdout=subprocess.PIPE, cwd="/",
                              env={**os.environ, "NVML_STUB_WORLD": world.path}).stdout
        source = [row for row in json.loads(said)["sources"] if row["name"] == "nvml"][0]
        check(bool(is_usable) == source["usable"], f"as {user}: {source}")
        check(is_usable or "capabilities" in source["reason"], f"as {user}: {source}")


def main():
    machine = Simulated("train", "infer", "idle")
    pids = {name: machine.worker(name, 0).pid for name in ("train", "infer", "idle")}
    pids["gone"] = GONE_PID
    sysfs = make_sysfs(machine.scratch)
    doctor = start_doctor(machine, sysfs)
    world = World(machine.scratch, pids)
    records = run_sensor(machine, world, sysfs, "cgroup", TICKS)
    sources = {(row["source"], row["domain"], row.get("package")) for row in records[0]["sources"]}
    check(sources == {("nvml", "gpu", 1), ("nvml", "gpu", 2), ("curve", "machine", None)}, f"sources: {sources}")
    span = compare_energy(records, world)
    check_hang(records)
    by_time, learned = (check_formula(machine, records, world, span, model) for model in ("share", "auto"))
    check(by_time < 0.7, "share splits by GPU time")
    check(learned < 0.3, "auto learns what each costs")
    check_processes(machine, world, sysfs, pids)
    check_end(machine, sysfs)
    check_start(machine, sysfs)
    check_doctor(doctor)
    check_capabilities(machine, world, sysfs)
    machine.close()


main()
