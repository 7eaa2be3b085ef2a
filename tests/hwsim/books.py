# SPDX-License-Identifier: BSD-3-Clause
"""Records of a simulated machine through the real formula, and whether its books close."""
import json
import os
import subprocess

from simulated import BUILD
from sensor_run import check


def close_books(power, what):
    for record in power:
        for line in record["balance"]:
            sum_w = line["idle_w"] + line["dynamic_w"] + line["unattributed_w"]
            check(abs(sum_w - line["measured_w"]) < 1e-6, f"{what}: the books do not close: {line}")
            targets = sum(row["dynamic_w"] for row in record["targets"]
                          if row["domain"] == line["domain"] and row.get("package") == line.get("package"))
            check(abs(targets - line["dynamic_w"]) < 1e-6, f"{what}: targets add up to {targets} W: {line}")


def run_formula(machine, records, model):
    raw, out = machine.scratch + "/raw.jsonl", machine.scratch + "/power.jsonl"
    with open(raw, "w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(record) + "\n" for record in records)
    if os.path.exists(out):
        os.unlink(out)
    subprocess.run([os.path.join(BUILD, "watt-formula"), "--input", f"jsonl:{raw}", "--output", f"jsonl:{out}", "--post-mortem",
                    "--model", model], check=True, stderr=subprocess.DEVNULL)
    with open(out, encoding="utf-8") as stream:
        return [record for record in map(json.loads, stream) if record["kind"] == "power"]


def compare_watts(power, records, what, n_without=2):
    """The formula's joules are the sensor's, tick by tick, in all but n_without of them."""
    raw = {record["seq"]: record for record in records if record["kind"] == "raw"}
    check(len(power) >= len(raw) - n_without, f"{what}: {len(power)} power records of {len(raw)} ticks")
    for record in power:
        energy = {(sample["domain"], sample.get("package")): sample for sample in raw[record["seq"]]["energy"]}
        for line in record["balance"]:
            sample = energy[(line["domain"], line.get("package"))]
            watts = sample["energy_uj"] * 1e3 / sample["dt_ns"]
            check(abs(watts - line["measured_w"]) <= 1e-6 * watts, f"{what}: {watts} W measured, published {line}")
