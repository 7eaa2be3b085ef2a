#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The memory of a post-mortem does not grow with the length of the recording: the largest resident set over a stream of ten times the ticks is at
most BOUND_KB larger, though the reports behind it are many times that. The stream goes through a pipe, and once through an SQLite store."""
import os
import subprocess
import sys
import tempfile

BUILD = os.environ["WATT_BUILD"]
TICKS, TIMES = 600, 10
BOUND_KB = 4 * 1024  # names that came and went are remembered up to a number (formula/names.c), caches fill


def stream(arguments, ticks, kind):
    return subprocess.Popen([f"{BUILD}/tests/generator", *arguments, "--ticks", str(ticks), f"--{kind}", "/dev/stdout"], stdout=subprocess.PIPE)


def attribute(model, source, folder, stdin=None):
    """The largest resident set of a run that must succeed."""
    command = [f"{BUILD}/tests/peak_memory", f"{folder}/peak", f"{BUILD}/watt-formula", "--quiet", "--post-mortem", "--model", model,
               "--input", source, "--output", "null:"]
    subprocess.run(command, stdin=stdin, check=True)
    with open(f"{folder}/peak", encoding="ascii") as file:
        return int(file.read())


def through_pipe(model, arguments, ticks, kind, folder):
    with stream(arguments, ticks, kind) as generator:
        used_kb = attribute(model, "jsonl:-", folder, generator.stdout)
        generator.stdout.close()
    if generator.returncode != 0:
        sys.exit(f"FAILED: the generator ended with {generator.returncode}")
    return used_kb


def through_store(model, arguments, ticks, folder):
    path = f"{folder}/{ticks}.jsonl"
    with open(path, "wb") as out, stream(arguments, ticks, "raw") as generator:
        for block in iter(lambda: generator.stdout.read(1 << 20), b""):
            out.write(block)
    subprocess.run([f"{BUILD}/tests/copy_store", f"jsonl:{path}", f"sqlite:{folder}/{ticks}"], check=True)
    size_kb = os.path.getsize(path) // 1024
    os.remove(path)
    return attribute(model, f"sqlite:{folder}/{ticks}", folder), size_kb


def judge(what, small_kb, large_kb):
    print(f"{what}: {small_kb} kB over {TICKS} ticks, {large_kb} kB over {TICKS * TIMES}")
    if large_kb > small_kb + BOUND_KB:
        sys.exit(f"FAILED: {what}: it grew by more than {BOUND_KB} kB")


def main():
    churn = ["--scenario", "churn", "--seed", "4"]
    with tempfile.TemporaryDirectory(prefix="watt-memory-") as folder:
        for model, kind in (("auto", "raw"), ("share", "raw"), ("smartwatts", "hwpc")):
            judge(f"{model}, {kind}", *(through_pipe(model, churn, ticks, kind, folder) for ticks in (TICKS, TICKS * TIMES)))
        small_kb, _ = through_store("share", churn, TICKS, folder)
        large_kb, size_kb = through_store("share", churn, TICKS * TIMES, folder)
    judge("share, sqlite", small_kb, large_kb)
    if size_kb < 4 * BOUND_KB:
        sys.exit(f"FAILED: the recording has {size_kb} kB only: growing with it would not show")


if __name__ == "__main__":
    main()
