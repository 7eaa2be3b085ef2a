#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# nvml_check.sh [COMMAND...]: on a machine with an NVIDIA GPU, after a build, holds the source nvml against nvidia-smi for 30 s while COMMAND (a load, if
# there is one) runs. Prints, per GPU, joules and watts of both and their ratio, and who used it. SENSOR_OPTIONS: more for watt-sensor.
set -euo pipefail
build=${WATT_BUILD:-build}
command -v nvidia-smi >/dev/null || { echo "nvidia-smi is not here: install NVIDIA's driver and its tools"; exit 69; }
[ -x "$build/watt-sensor" ] || { echo "$build/watt-sensor is not built: cmake -S . -B build && cmake --build build"; exit 69; }
folder=$(mktemp -d)
pids=()
end() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$folder"
}
trap end EXIT
if [ $# -gt 0 ]; then "$@" >/dev/null & pids+=($!); fi
nvidia-smi --query-gpu=pci.bus_id,power.draw --format=csv,noheader,nounits -lms 100 >"$folder/smi" &
pids+=($!)
# shellcheck disable=SC2086
"$build/watt-sensor" --energy nvml --name check --ticks ${TICKS:-30} --store "jsonl:$folder/raw" ${SENSOR_OPTIONS:-}
python3 - "$folder" <<'PYTHON'
import collections, json, sys

folder = sys.argv[1]
records = [json.loads(line) for line in open(folder + "/raw", encoding="utf-8")]
smi = collections.defaultdict(list)
for line in open(folder + "/smi", encoding="ascii"):
    address, _, watts = line.partition(", ")
    try:
        smi[address.lower()].append(float(watts))
    except ValueError:
        pass  # the last line may be cut off, and [N/A] is no power
energy, span, bad, used = (collections.Counter() for _ in range(4))
names = {}
for record in records:
    if record["kind"] != "raw":
        names.update({record["target"]: record.get("comm", "")} if record["kind"] == "target" else {})
        continue
    for sample in record["energy"]:
        if sample["valid"]:
            energy[sample["package"]] += sample["energy_uj"] / 1e6
            span[sample["package"]] += sample["dt_ns"] / 1e9
        else:
            bad[sample["package"], sample["reason"]] += 1
    if "gpu_ns" in record["events"]:
        column = record["events"].index("gpu_ns")
        for row in record["targets"]:
            if row.get("counts") and row["counts"][column]:
                used[row["package"], row["target"]] += row["counts"][column] / 1e9
# nvidia-smi lists GPUs in order of address, and so do our numbers.
for gpu, address in zip(sorted(span), sorted(smi)):
    ours, theirs = energy[gpu] / span[gpu], sum(smi[address]) / len(smi[address])
    print(f"GPU {gpu} ({address}): {energy[gpu]:.1f} J in {span[gpu]:.1f} s = {ours:.2f} W; nvidia-smi {theirs:.2f} W; "
          f"ratio {ours / theirs:.3f}")
for (gpu, reason), n in bad.items():
    print(f"GPU {gpu}: {n} samples not valid: {reason}")
for (gpu, target), seconds in used.most_common(10):
    print(f"GPU {gpu}: {seconds:.2f} s of its time by {target} {names.get(target, '')}")
if not used:
    print("nobody used a GPU, or the driver does not say who (MIG)")
PYTHON
