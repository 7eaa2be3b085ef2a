#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Where the best engine cannot count the events that were asked for, auto takes the next that can and says why; watt doctor says the same, and by
its own name the engine refuses."""
import json
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

probe = json.loads(subprocess.run([SENSOR, "--probe", *ASKED], stdout=subprocess.PIPE, check=True).stdout)
check([engine["name"] for engine in probe["engines"] if engine["chosen"]] == ["perf"], "the probe chooses alike")
check(probe["events"] == list(NAMES) and WHY in probe["engine_why"], f"and says why: {probe['engine_why']}")
refusal = subprocess.run([SENSOR, *ASKED, "--engine", "bpf"], capture_output=True, text=True)
check(refusal.returncode == 69 and WHY in refusal.stderr, f"bpf by name refuses: {refusal}")
