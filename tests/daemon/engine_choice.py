#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Where the best engine cannot count the events that were asked for, auto takes the next that can and says why; watt doctor says the same, and by
its own name the engine refuses. What is wrong for every engine is refused, and the probe still tells of the machine."""
import json
import os
import subprocess
import tempfile

from sensor_run import SENSOR, Sensor, check

NAMES = "abcdefg"  # one more than bpf reads
ASKED = ["--granularity", "cgroup", *[word for name in NAMES for word in ("--event", f"{name}=perf::cpu-migrations")]]
WHY = 'event "g": the bpf engine reads at most 6'

with tempfile.TemporaryFile("w+") as log:
    sensor = Sensor(*ASKED, "--interval", "50ms", "--name", "t", log=log)
    sensor.wait_until(lambda: len(sensor.raw()) >= 2, "two ticks")
    check(sensor.end() == 0, "it ends in order")
    check(sensor.raw()[-1]["events"] == list(NAMES), f"all are counted: {sensor.raw()[-1]['events']}")
    check([record["engine"] for record in sensor.records if record["kind"] == "host"] == ["perf"], "perf counts")
    log.seek(0)
    check(WHY in log.read(), "the log says why bpf does not")


def probe(*arguments):
    answer = json.loads(subprocess.run([SENSOR, "--probe", *arguments], stdout=subprocess.PIPE, check=True).stdout)
    return answer, [engine["name"] for engine in answer["engines"] if engine["chosen"]]


def refuses(status, why, *arguments):
    refusal = subprocess.run([SENSOR, "--ticks", "1", "--store", "null:", *arguments], capture_output=True, text=True)
    check(refusal.returncode == status and why in refusal.stderr, f"{arguments} is refused: {refusal}")
    answer, chosen = probe(*arguments)
    check(chosen == [] and "events" not in answer and why in answer["engine_why"], f"the probe says why: {answer['engine_why']}")


said, chosen = probe(*ASKED)
check(chosen == ["perf"], f"the probe chooses alike: {chosen}")
check(said["events"] == list(NAMES) and WHY in said["engine_why"], f"and says why: {said['engine_why']}")
check("engine_why" not in probe("--granularity", "cgroup")[0], "the best needs no reason")
refuses(69, WHY, *ASKED, "--engine", "bpf")
refuses(64, "twice", "--event", "cpu_ns", "--event", "perf::TASK-CLOCK")
refuses(64, "counts only cpu_ns", "--engine", "proc", "--event", "perf::cpu-migrations")

# The engine that is taken is one that is usable, also where descriptors suffice for one engine at a time, and a better one that is usable
# and does not open says why.
QUICK = ["--probe", "--granularity", "cgroup", "--energy", "msr", "--devfs", "/nonexistent"]
for limit in range(8, 32, 2):
    run = subprocess.run(["prlimit", f"--nofile={limit}:{limit}", SENSOR, *QUICK], stdout=subprocess.PIPE)
    if run.returncode != 0:
        continue
    said = json.loads(run.stdout)
    usable = [engine["name"] for engine in said["engines"] if engine["usable"]]
    chosen = [engine["name"] for engine in said["engines"] if engine["chosen"]]
    check(set(chosen) <= set(usable), f"{limit} descriptors: {chosen} of {usable}")
    passed_over = usable[:usable.index(chosen[0])] if chosen else usable
    check(all(f"{name}: " in said.get("engine_why", "") for name in passed_over), f"{limit} descriptors: why not {passed_over}: {said}")

asked = {"WATT_SENSOR_GRANULARITY": "cgroup", "WATT_SENSOR_EVENT": "\n".join(f"{name}=perf::cpu-migrations" for name in NAMES)}
doctor = subprocess.run([os.path.join(os.path.dirname(SENSOR), "watt"), "doctor", "--format", "json"], stdout=subprocess.PIPE, text=True,
                        env={**os.environ, **asked})
lines = {line["name"]: line for line in json.loads(doctor.stdout)["rows"]}
check(lines["perf"]["state"] == "used" and WHY in lines["events"]["reason"], f"watt doctor says it: {lines}")
