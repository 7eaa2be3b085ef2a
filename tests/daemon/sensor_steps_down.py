#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A running sensor whose engine cannot count any more goes on with the next one, says so once, and loses no tick: a cgroup v1 hierarchy takes the
perf_event controller (told by PROCFS/cgroups, of which the sensor is given a copy: nothing is mounted)."""
import os
import shutil
import subprocess
import tempfile

from sensor_run import Sensor, check


def copy_of_proc(folder):
    """Links to all of /proc but the file that says where controllers are."""
    for name in os.listdir("/proc"):
        if name != "cgroups":
            os.symlink(f"/proc/{name}", f"{folder}/{name}")
    shutil.copyfile("/proc/cgroups", f"{folder}/cgroups")


def give_away_perf_event(folder):
    with open(f"{folder}/cgroups") as file:
        lines = [line.split() for line in file]
    for fields in lines:
        if fields[0] == "perf_event":
            fields[1] = "11"
    with open(f"{folder}/new", "w") as file:
        file.writelines("\t".join(fields) + "\n" for fields in lines)
    os.rename(f"{folder}/new", f"{folder}/cgroups")


busy = subprocess.Popen(["sh", "-c", "while :; do :; done"])
try:
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as log:
        copy_of_proc(folder)
        sensor = Sensor("--procfs", folder, "--granularity", "cgroup", "--interval", "100ms", "--name", "t", "--target", "!cgroup:/none", log=log)

        def engines():
            return [record["engine"] for record in sensor.records if record["kind"] == "host"]

        sensor.wait_until(lambda: len(sensor.raw()) >= 2, "two ticks")
        check(engines()[-1] == "perf", f"perf counts first, not {engines()}")
        give_away_perf_event(folder)
        sensor.wait_until(lambda: engines()[-1] == "proc", "proc takes over")
        n = len(sensor.raw())
        sensor.wait_until(lambda: any(row["counts"][0] for r in sensor.raw()[n + 1:] for row in r["total"]),
                          "proc counts")
        check(sensor.end() == 0, "it ends in order")
        numbers = [report["seq"] for report in sensor.raw()]
        check(numbers == list(range(numbers[0], numbers[0] + len(numbers))), f"no tick lost of {numbers}")
        changed = [report["seq"] for report in sensor.raw() if "engine_changed" in report.get("reasons", [])]
        check(len(changed) == 1, f"one tick says that the engine changed: {changed}")
        log.seek(0)
        lines = [line for line in log if "engine perf" in line]
        check(len(lines) == 1 and "perf_event controller" in lines[0] and "proc counts from here on" in lines[0], f"the log says why, once: {lines}")
finally:
    busy.kill()
    busy.wait()
