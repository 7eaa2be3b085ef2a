#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""How near the models come to a known truth: generated streams and recorded traces through the real watt-formula with every model
it has, and through the real SmartWatts where tests/replay/smartwatts_oracle.sh prepares it, judged by `watt score`.

    suite.py [--build DIR] [--ticks N] [--seeds A,B,...] [--scenarios A,B,...] [--models A,B,...] [--no-oracle] [--keep DIR] [--markdown FILE]
    suite.py --check     the small part that ctest runs: asserts what must hold whatever the seed

What SmartWatts says takes minutes to compute; --keep DIR keeps it for the next time, by a hash of the reports.
Prints the table as Markdown; --markdown also puts it between the marks of that file (docs/accuracy.md)."""
import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
ORACLE = ROOT / "tests/replay/smartwatts_oracle.sh"
SMARTWATTS = "SmartWatts 2.4.1"
BASE_MHZ = 2100
TRACES = [("kepler-nx12-head", ROOT / "tests/fixtures/kepler-nx12-head/reports.jsonl", 3000)]
CHECK_SEEDS, CHECK_TICKS, SEEDS, TICKS = [11], 200, [1, 2, 3], 600
BEGIN, END = "<!-- suite: begin -->", "<!-- suite: end -->"
SCORES = ("cover", "model_error_w", "share_error", "seen_error", "abs_error", "inside_1_sigma", "inside_2_sigma")


def run(command, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        raise SystemExit(f"FAILED ({done.returncode}): {' '.join(map(str, command))}\n{done.stderr[-2000:]}")
    return done.stdout


class Programs:
    def __init__(self, build):
        self.generator, self.formula, self.watt = build / "tests/generator", build / "watt-formula", build / "watt"

    def scenarios(self):
        return [line.split()[0] for line in run([self.generator, "--list"]).splitlines()]

    def models(self):
        """The table of models, as the program itself names it."""
        done = subprocess.run([str(self.formula), "--model", "?"], capture_output=True, text=True, check=False)
        return re.search(r"is not one of (.*)", done.stderr).group(1).split(", ")

    def score(self, store, truth):
        command = [self.watt, "score", "--format", "json", "--store", f"jsonl:{store}"]
        return json.loads(run(command + (["--truth", f"jsonl:{truth}"] if truth else [])))["rows"]


def oracle_python():
    """The interpreter that can import SmartWatts, or None. smartwatts_oracle.sh installs it once and prints its path."""
    if not ORACLE.exists():
        return None
    done = subprocess.run([str(ORACLE), "build"], capture_output=True, text=True, check=False)
    path = done.stdout.strip().splitlines()[-1:] or [""]
    return path[0] if done.returncode == 0 and Path(path[0]).exists() else None


def generate(programs, folder, scenario, seed, ticks, kinds=("raw", "hwpc", "truth")):
    streams = {kind: folder / f"{scenario}-{seed}.{kind}" for kind in kinds}
    run([programs.generator, "--scenario", scenario, "--seed", seed, "--ticks", ticks]
        + [word for kind, path in streams.items() for word in (f"--{kind}", path)])
    return streams


def attribute(programs, model, reports, watts):
    run([programs.formula, "--quiet", "--post-mortem", "--model", model, "--input", f"jsonl:{reports}",
         "--output", f"jsonl:{watts}"])


def ask_smartwatts(python, reports, watts, period_ms, keep):
    kept = keep / (hashlib.sha256(reports.read_bytes()).hexdigest()[:32] + ".watts") if keep else None
    if kept and kept.exists():
        shutil.copy(kept, watts)
        return
    text = run([python, HERE / "smartwatts_watts.py", reports, f"cpu-base-freq={BASE_MHZ}",
                f"sensor-reports-frequency={period_ms}"])
    watts.write_text(text, encoding="utf-8")
    if kept:
        keep.mkdir(parents=True, exist_ok=True)
        shutil.copy(watts, kept)


def judge(programs, python, keep, models, name, reports, truth, period_ms):
    """[(model, rows of watt score)] of one stream. reports: by model's kind, raw for ours, hwpc for SmartWatts."""
    scored = []
    for model in models + ([SMARTWATTS] if python else []):
        watts = reports["raw"].parent / f"{name}.{model.split()[0]}.watts"
        if model == SMARTWATTS:
            ask_smartwatts(python, reports["hwpc"], watts, period_ms, keep)
        else:
            attribute(programs, model, reports["raw"], watts)
        scored.append((model, programs.score(watts, truth), watts))
    return scored


def mean(values):
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def gather(rows):
    """One line of rows of one domain: means, and the worst closure."""
    line = {key: mean([row[key] for row in rows]) for key in SCORES}
    line["closure_w"] = max((row["closure_w"] for row in rows if row["closure_w"] is not None), default=None)
    return line


def collect(results):
    """{(stream, model): {domain: line}} in order of appearance."""
    found = {}
    for stream, scored in results:
        for model, rows, _ in scored:
            for row in rows:
                found.setdefault((stream, model), {}).setdefault(row["domain"], []).append(row)
    return {key: {domain: gather(rows) for domain, rows in domains.items()} for key, domains in found.items()}


def of_all(lines, models):
    """{model: {domain: line}}: the mean over streams with a truth."""
    total = {}
    for model in models:
        mine = [domains for (_, one), domains in lines.items() if one == model]
        total[model] = {
            domain: gather([domains[domain] for domains in mine if domain in domains
                            and domains[domain]["share_error"] is not None])
            for domain in ("package", "dram")}
    return total


# ---- the table ----

def cell(value, scale=1.0, digits=1):
    return "" if value is None else f"{value * scale:.{digits}f}"


def closure_cell(value):
    return "" if value is None else "0" if value <= 1e-6 else f"{value:.1f}"


HEAD = ["model", "cover %", "closure W", "model error W", "share error %", "seen %", "abs error %", "±1σ %", "±2σ %",
        "dram share error %", "dram seen %", "dram model error W"]


def cells(line):
    package, dram = line.get("package"), line.get("dram")
    nothing = gather([])
    package, dram = package or nothing, dram or nothing
    return [cell(package["cover"], 100), closure_cell(package["closure_w"]), cell(package["model_error_w"], 1, 2),
            cell(package["share_error"], 100), cell(package["seen_error"], 100), cell(package["abs_error"], 100),
            cell(package["inside_1_sigma"], 100, 0), cell(package["inside_2_sigma"], 100, 0),
            cell(dram["share_error"], 100), cell(dram["seen_error"], 100), cell(dram["model_error_w"], 1, 2)]


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join("---" for _ in head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def print_tables(lines, models, generated, traces, what):
    total = of_all(lines, models)
    parts = [what, "Mean over all scenarios (closure: the worst):",
             table(HEAD, [[model] + cells(total[model]) for model in models]), "Each scenario:",
             table(["scenario"] + HEAD, [[stream, model] + cells(lines[stream, model])
                                         for stream in generated for model in models if (stream, model) in lines])]
    if traces:
        parts += ["Recorded traces, whose true split is not known:",
                  table(["trace"] + HEAD, [[stream, model] + cells(lines[stream, model])
                                           for stream in traces for model in models if (stream, model) in lines])]
    return "\n\n".join(parts)


def put_into(path, text, begin=BEGIN, end=END):
    page = path.read_text(encoding="utf-8")
    head, rest = page.split(begin)
    tail = rest.split(end)[1]
    path.write_text(f"{head}{begin}\n{text}\n{end}{tail}", encoding="utf-8")


# ---- what must hold ----

def check_records(path):
    """Complaints about impossible watts."""
    wrong = []
    with open(path, encoding="utf-8") as records:
        for record in map(json.loads, records):
            rows = [(row, ("idle_w", "dynamic_w", "unattributed_w", "predicted_w", "sigma_w")) for row in record["balance"]]
            rows += [(row, ("dynamic_w", "static_w", "dynamic_uj", "share", "sigma_w")) for row in record["targets"]]
            for row, names in rows:
                wrong += [f"{path.name}: {record['_id']}: {name} is {row[name]}" for name in names
                          if row.get(name) is not None and not 0 <= row[name] < 1e12]
    return wrong[:5]


def check_stream(stream, scored):
    wrong = []
    for model, rows, watts in scored:
        wrong += check_records(watts)
        for row in rows:
            where = f"{stream} {model} {row['domain']} {row['package']}"
            if row["closure_w"] is None or row["closure_w"] > 1e-6:
                wrong.append(f"{where}: the balance is open by {row['closure_w']} W")
            # Where the energy of a tick is not known, nobody can be given watts.
            least = 0.97 if stream == "outliers" else 0.99
            if model in ("auto", "share") and row["cover"] < least:
                wrong.append(f"{where}: cover is {row['cover']:.4f}")
    return wrong


# Of the first 200 ticks, most of which go by before much is learned: the mean share error, that of any scenario as a part of what CPU
# time alone gives, and how many truths lie within two sigma, in the mean and in any scenario.
CHECK_LIMITS = {"package": (0.08, 0.7), "dram": (0.06, 0.3)}
CHECK_SIGMAS, CHECK_SIGMAS_LEAST = (0.90, 0.99), 0.80


def check_lines(lines, models, streams):
    wrong = []
    total = of_all(lines, models)
    for domain, (mean_limit, part_limit) in CHECK_LIMITS.items():
        for stream in streams:
            auto, share = (lines[stream, model][domain]["share_error"] for model in ("auto", "share"))
            if auto > part_limit * share:
                wrong.append(f"{stream} {domain}: auto's share error {auto:.4f} is above {part_limit} of that of CPU time, {share:.4f}")
            inside = lines[stream, "auto"][domain]["inside_2_sigma"]
            if inside < CHECK_SIGMAS_LEAST:
                wrong.append(f"{stream} {domain}: {inside:.3f} of the truths lie within two of auto's sigma")
        auto, inside = (total["auto"][domain][score] for score in ("share_error", "inside_2_sigma"))
        if auto > mean_limit:
            wrong.append(f"{domain}: auto's mean share error {auto:.4f} is above {mean_limit}")
        if not CHECK_SIGMAS[0] <= inside <= CHECK_SIGMAS[1]:
            wrong.append(f"{domain}: {inside:.3f} of all truths lie within two of auto's sigma")
    return wrong


def balances(path):
    with open(path, encoding="utf-8") as records:
        return {(record["timestamp"], row["domain"], row["package"]): row
                for record in map(json.loads, records) for row in record["balance"]}


def check_conservation(truth):
    """What the energy counter showed is what was truly used, but for its noise."""
    rows = balances(truth).values()
    off = sum(row["unattributed_w"] for row in rows) / sum(row["measured_w"] for row in rows)
    worst = max(abs(row["unattributed_w"]) / row["measured_w"] for row in rows)
    return [f"generator: the counter is off by {off:.4f} in all and {worst:.4f} at worst"] if abs(off) > 0.005 or worst > 0.1 else []


def check_forms(programs, folder, streams):
    """Native records and HWPCReports tell of the same energy in the same ticks."""
    truth, wrong = balances(streams["truth"]), []
    for kind in ("raw", "hwpc"):
        watts = folder / f"{kind}.watts"
        attribute(programs, "share", streams[kind], watts)
        said = balances(watts)
        if said.keys() != truth.keys():
            wrong.append(f"generator: {kind} has other ticks than the truth")
        elif any(abs(said[key]["measured_w"] - truth[key]["measured_w"]) > 1e-3 for key in truth):
            wrong.append(f"generator: {kind} has other energies than the truth")
    return wrong


def check_generator(programs, folder):
    """The same seed gives the same bytes, another seed others; the truth has no error beside itself."""
    wrong = []
    first = generate(programs, folder, "sockets", 5, 40)
    kept = {kind: path.read_bytes() for kind, path in first.items()}
    again = generate(programs, folder, "sockets", 5, 40)
    other = generate(programs, folder, "sockets", 6, 40)
    for kind in kept:
        if again[kind].read_bytes() != kept[kind]:
            wrong.append(f"generator: the same seed gives another {kind}")
        if other[kind].read_bytes() == kept[kind]:
            wrong.append(f"generator: another seed gives the same {kind}")
    wrong += check_conservation(first["truth"])
    wrong += check_forms(programs, folder, first)
    for row in programs.score(first["truth"], first["truth"]):
        if row["cover"] != 1 or row["closure_w"] > 1e-6 or row["share_error"] > 1e-12 or row["abs_error"] > 1e-12:
            wrong.append(f"the truth beside itself: {row}")
    return wrong


# ---- the whole ----

def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path(os.environ.get("WATT_BUILD", ROOT / "build")))
    parser.add_argument("--ticks", type=int)
    parser.add_argument("--seeds")
    parser.add_argument("--scenarios")
    parser.add_argument("--models")
    parser.add_argument("--no-oracle", action="store_true")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--check", action="store_true")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    programs = Programs(arguments.build)
    models = arguments.models.split(",") if arguments.models else programs.models()
    generated = arguments.scenarios.split(",") if arguments.scenarios else programs.scenarios()
    seeds = [int(seed) for seed in arguments.seeds.split(",")] if arguments.seeds else CHECK_SEEDS if arguments.check else SEEDS
    ticks = arguments.ticks or (CHECK_TICKS if arguments.check else TICKS)
    python = None if arguments.check or arguments.no_oracle else oracle_python()
    traces = [] if arguments.check else [name for name, _, _ in TRACES]

    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(max_workers=2) as pool:
        folder = Path(name)

        def of_scenario(job):
            scenario, seed = job
            kinds = ("raw", "hwpc", "truth") if python else ("raw", "truth")
            streams = generate(programs, folder, scenario, seed, ticks, kinds)
            scored = judge(programs, python, arguments.keep, models, f"{scenario}-{seed}", streams, streams["truth"], 1000)
            wrong = check_stream(scenario, scored) if arguments.check else []
            for path in [*streams.values(), *(watts for _, _, watts in scored)]:
                path.unlink()
            return scenario, scored, wrong

        done = list(pool.map(of_scenario, [(scenario, seed) for scenario in generated for seed in seeds]))
        results = [(scenario, scored) for scenario, scored, _ in done]
        for trace, path, period_ms in TRACES if traces else []:
            link = folder / f"{trace}.hwpc"
            link.symlink_to(path)
            reports = {"raw": link, "hwpc": link}
            results.append((trace, judge(programs, python, arguments.keep, models, trace, reports, None, period_ms)))
        wrong = [text for _, _, texts in done for text in texts]
        if arguments.check:
            wrong += check_generator(programs, folder)

    lines = collect(results)
    shown = models + ([SMARTWATTS] if python else [])
    what = f"{len(generated)} scenarios, seeds {', '.join(map(str, seeds))}, {ticks} ticks of a second each."
    text = print_tables(lines, shown, generated, traces, what)
    print(text)
    if arguments.markdown:
        put_into(arguments.markdown, text)
    if arguments.check and {"auto", "share"} <= set(models):
        wrong += check_lines(lines, models, generated)
    for complaint in wrong:
        print(f"FAILED: {complaint}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
