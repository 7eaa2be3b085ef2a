#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""How many kinds of targets should have prices of their own: share errors and CPU cost of `auto` over --deviations, on the streams of
suite.py and on the same machines with more programs than any number has room for.

    deviations.py [--build DIR] [--seeds A,B,...] [--markdown FILE]

Prints the table as Markdown; --markdown also puts it between the marks of that file (docs/accuracy.md). Asserts nothing: the choice is
formula/model_auto.c's."""
import argparse
import os
import resource
import subprocess
import tempfile
from pathlib import Path

import suite

COUNTS = [0, 2, 4, 8, 16, 24, 32]
CROWDED, CROWD, TICKS, RUNS = ["turbo", "churn", "sockets"], 48, 600, 3
BEGIN, END = "<!-- deviations: begin -->", "<!-- deviations: end -->"


def generate(programs, folder, scenario, seed, crowd):
    streams = {kind: folder / f"{scenario}-{seed}-{crowd}.{kind}" for kind in ("raw", "truth")}
    suite.run([programs.generator, "--scenario", scenario, "--seed", seed, "--ticks", TICKS, "--programs", crowd]
              + [word for kind, path in streams.items() for word in (f"--{kind}", path)])
    return streams


def command(programs, count, source, output):
    return [str(programs.formula), "--quiet", "--post-mortem", "--model", "auto", "--deviations", str(count),
            "--input", source, "--output", output]


def errors(programs, folder, streams, count):
    """{domain: mean share error}"""
    watts = folder / "auto.watts"
    suite.run(command(programs, count, f"jsonl:{streams['raw']}", f"jsonl:{watts}"))
    rows = programs.score(watts, streams["truth"])
    watts.unlink()
    return {domain: suite.mean([row["share_error"] for row in rows if row["domain"] == domain]) for domain in ("package", "dram")}


def cpu_seconds(words):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, check=True, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path(os.environ.get("WATT_BUILD", suite.ROOT / "build")))
    parser.add_argument("--seeds", default="4,5")
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    programs, seeds = suite.Programs(arguments.build), arguments.seeds.split(",")
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        usual = [generate(programs, folder, scenario, seed, 0) for scenario in programs.scenarios() for seed in seeds]
        crowded = [generate(programs, folder, scenario, seed, CROWD) for scenario in CROWDED for seed in seeds]
        store = f"sqlite:{folder}/store"
        suite.run([arguments.build / "tests/copy_store", f"jsonl:{crowded[0]['raw']}", store])
        for count in COUNTS:
            row = [str(count)]
            for streams in (usual, crowded):
                found = [errors(programs, folder, one, count) for one in streams]
                row += [suite.cell(suite.mean([one[domain] for one in found]), 100) for domain in ("package", "dram")]
            seconds = min(cpu_seconds(command(programs, count, store, "null:")) for _ in range(RUNS))
            rows.append(row + [f"{seconds / TICKS * 1e3:.2f}"])
    text = (f"{len(programs.scenarios())} scenarios as they are, and {', '.join(CROWDED)} with {CROWD} programs; seeds {', '.join(seeds)}, "
            f"{TICKS} ticks each. CPU time: of one tick of {CROWD} targets, package and dram, read from the native store.\n\n"
            + suite.table(["deviations", "share error %", "dram share error %", f"{CROWD} programs: share error %",
                           f"{CROWD} programs: dram share error %", "CPU ms a tick"], rows))
    print(text)
    if arguments.markdown:
        suite.put_into(arguments.markdown, text, BEGIN, END)


if __name__ == "__main__":
    main()
