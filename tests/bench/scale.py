#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What watt-sensor costs from 10 to 10,000 targets: a table, and a chart (SVG) if a file is named.

    scale.py BUILD [SECONDS [FILE.svg]]          as root; env NUMBERS=10,100,...  WARMUP=3  MAXNOISE

Per number of cgroups, with one idle worker each, one window of bench.py at 10 ticks a second; per number of processes, all of which
run 50 us a second, one at 1 tick a second. Every tick is stored in SQLite."""
import json
import math
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
WIDTH, HEIGHT, LEFT, BOTTOM = 560, 300, 60, 40
LOW, HIGH = 0.01, 100  # % of a core
SERIES = (("cgroups at 10 Hz", "cgroup", 100, "sleep", "#0b62a4"), ("processes at 1 Hz", "process", 1000, "wake:1:50", "#b5472f"))


def measure(build, scratch, granularity, ms, worker, n, seconds):
    store = os.path.join(scratch, f"{granularity}-{n}")
    rule = "--target 'cgroup:/{REL}/*'"
    command = f"{build}/watt-sensor --granularity {granularity} {rule} --interval {{MS}}ms --store sqlite:{store}"
    env = {"WARMUP": "3", "MAXNOISE": "9", "LOGDIR": scratch, "TOOLS": scratch, **os.environ, "WORKER": worker}
    answer = subprocess.run([HERE + "/bench.py", "run-cmd", str(n), str(ms), str(seconds), "--", command], env=env, check=True,
                            capture_output=True, text=True)
    return json.loads(answer.stdout)


def x_of(n):
    return LEFT + (math.log10(n) - 1) / 3 * (WIDTH - LEFT - 130)


def y_of(percent):
    share = (math.log10(max(percent, LOW)) - math.log10(LOW)) / (math.log10(HIGH) - math.log10(LOW))
    return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - 20)


def draw(path, results):
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>']
    for percent in (0.01, 0.1, 1, 10, 100):
        y = y_of(percent)
        parts.append(f'<path d="M{LEFT} {y:.0f}H{WIDTH - 125}" stroke="#ddd"/><text x="{LEFT - 6}" y="{y + 4:.0f}" text-anchor="end">{percent:g} %</text>')
    for n in (10, 100, 1000, 10000):
        parts.append(f'<text x="{x_of(n):.0f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{n:,}</text>')
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 8}">targets; CPU of watt-sensor in % of one core, logarithmic</text>')
    for name, _, _, _, colour in SERIES:
        points = [(x_of(r["n"]), y_of(r["cpu_share_schedstat"] * 100)) for r in results if r["series"] == name]
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{" ".join(f"{x:.0f},{y:.0f}" for x, y in points)}"/>')
        parts += [f'<circle cx="{x:.0f}" cy="{y:.0f}" r="3" fill="{colour}"/>' for x, y in points]
        parts.append(f'<text x="{points[-1][0] + 8:.0f}" y="{points[-1][1] + 4:.0f}" fill="{colour}">{name}</text>')
    with open(path, "w") as file:
        file.write("\n".join(parts + ["</svg>"]) + "\n")


def main():
    build = os.path.abspath(sys.argv[1])
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 10
    numbers = [int(n) for n in os.environ.get("NUMBERS", "10,100,1000,2000,10000").split(",")]
    results = []
    print(f"{'':18} {'targets':>8} {'% of a core':>12} {'RSS MB':>7} {'threads':>8} {'fds':>5} {'other load, cores':>18}")
    for name, granularity, ms, worker, _ in SERIES:
        for n in numbers:
            with tempfile.TemporaryDirectory() as scratch:
                r = measure(build, scratch, granularity, ms, worker, n, seconds)
            results.append(dict(r, series=name))
            print(f"{name:18} {n:8} {r['cpu_share_schedstat'] * 100:12.2f} {r['rss_mb']:7.1f} {r['threads']:8} {r['fds']:5} "
                  f"{r['other_busy_cores']:18.2f}", flush=True)
    if len(sys.argv) > 3:
        draw(sys.argv[3], results)


main()
