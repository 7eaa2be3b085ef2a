#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs the real SmartWatts over a file of HWPCReports and compares, tick by tick and target by target, with the PowerReports
that watt-formula --model smartwatts --no-close wrote of the same file. To be run by the interpreter of smartwatts_oracle.sh.

    smartwatts_compare.py NAME REPORTS POWER [OPTION=VALUE]...

An option is one of SmartWatts'. Its handler is fed directly, without actors and database. Every tick counts, the last five too, which SmartWatts
never processes. Exits with 1 when a tick or target is said by one alone, or watts are more than 1 % apart.

What SmartWatts said is kept in the cache under a hash of everything that decides it: the reports, the options, the pinned packages and this
file. Its own time is then spent once per machine and stream."""
import hashlib
import json
import logging
import os
import pathlib
import sys
import time
from collections import defaultdict
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

TOLERANCE, FLOOR_W = 0.01, 1e-6
KEEP_S = 30 * 24 * 3600  # what was not asked for so long leaves the cache
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def stamp_of(value):
    if isinstance(value, int):
        return EPOCH + timedelta(milliseconds=value)
    stamp = datetime.fromisoformat(value.replace("Z", "+00:00"))
    return stamp if stamp.tzinfo else stamp.replace(tzinfo=timezone.utc)


def read_reports(path):
    from powerapi.report import HWPCReport
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            text = json.loads(line)
            yield HWPCReport(stamp_of(text["timestamp"]), text["sensor"], text["target"], text["groups"])


class Kept:
    """Stands where a pusher would be."""

    def __init__(self):
        from powerapi.report import PowerReport
        self.state = SimpleNamespace(report_model=PowerReport)
        self.reports = []

    def send_data(self, report):
        self.reports.append(report)


def defaults():
    """What SmartWatts' own parser makes of an empty command line."""
    from smartwatts.__main__ import generate_smartwatts_parser
    arguments = generate_smartwatts_parser().cli_parser.arguments
    return {name: argument.default_value for name, argument in arguments.items()}


def make_handler(options, scope, sensor, socket, kept):
    from smartwatts.__main__ import generate_formula_configuration
    from smartwatts.handler import HwPCReportHandler
    from smartwatts.model import CPUTopology
    topology = CPUTopology(options["cpu-tdp"], options["cpu-base-clock"], 1,
                           int(options["cpu-base-freq"] / options["cpu-base-clock"]), 100)
    config = generate_formula_configuration(options, topology, scope)
    state = SimpleNamespace(config=config, sensor=sensor, socket=socket, pushers={"kept": kept})
    return HwPCReportHandler(state)


def chosen_options(texts):
    options = {**defaults(), "stream": False}
    for text in texts:
        key, value = text.split("=", maxsplit=1)
        options[key] = value == "yes" if isinstance(options[key], bool) else type(options[key])(value)
    return options


def run_oracle(path, options):
    """{(stamp, scope, socket): {target: (watts, ratio)}}"""
    from smartwatts.actor import SmartWattsFormulaScope
    reports = list(read_reports(path))
    machine = next(report for report in reports if report.target == "all")
    said = defaultdict(dict)
    for socket, cpus in machine.groups["rapl"].items():
        events = next(iter(cpus.values()))
        for scope in SmartWattsFormulaScope:
            if options[f"disable-{scope.value}-formula"] or options[f"{scope.value}-rapl-ref-event"] not in events:
                continue
            kept = Kept()
            handler = make_handler(options, scope, machine.sensor, socket, kept)
            for report in reports:
                handler.handle(report)
            for power in kept.reports:
                key = (power.timestamp, power.metadata["scope"], str(power.metadata["socket"]))
                said[key][power.target] = (float(power.power), float(power.metadata["ratio"]))
    return said


def cache_file(path, texts):
    digest = hashlib.sha256()
    here = pathlib.Path(__file__)
    for file in (pathlib.Path(path), here, here.with_name("smartwatts_oracle.txt")):
        digest.update(file.read_bytes())
        digest.update(b"\0")
    digest.update("\0".join([sys.version, *texts]).encode())
    folder = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "wattribute" / "smartwatts-said"
    return folder / f"{digest.hexdigest()[:32]}.json"


def ask_oracle(path, texts):
    """What run_oracle says, from the cache where it was asked the same before."""
    file = cache_file(path, texts)
    if file.exists():
        file.touch()
        kept = json.loads(file.read_text(encoding="utf-8"))
        return {(stamp_of(stamp), scope, socket): targets for stamp, scope, socket, targets in kept["said"]}
    said = run_oracle(path, chosen_options(texts))
    kept = {"said": [[stamp.isoformat(), scope, socket, targets] for (stamp, scope, socket), targets in said.items()]}
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f"{file.name}.{os.getpid()}")
    beside.write_text(json.dumps(kept, separators=(",", ":")), encoding="utf-8")
    beside.rename(file)
    for old in file.parent.glob("*.json"):
        if old.stat().st_mtime < time.time() - KEEP_S:
            old.unlink(missing_ok=True)
    return said


def read_power(path):
    said = defaultdict(dict)
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            power = json.loads(line)
            key = (stamp_of(power["timestamp"]), power["metadata"]["scope"], power["metadata"]["socket"])
            if power["target"] != "unattributed":
                said[key][power["target"]] = (power["power"], power["metadata"]["ratio"])
    return said


def compare(theirs, ours):
    """Returns the complaints and what was compared."""
    wrong, n_watts, n_silent, largest, sum_apart = [], 0, 0, 0, 0
    for key in sorted(theirs.keys() | ours.keys()):
        their, our = theirs.get(key, {}), ours.get(key, {})
        n_silent += len(their) <= 1
        where = f"{key[0].isoformat()} {key[1]} socket {key[2]}"
        for target in sorted(their.keys() ^ our.keys()):
            wrong.append(f"{where}: {target} has watts from {'SmartWatts' if target in their else 'us'} alone")
        for target in their.keys() & our.keys():
            expected, found = their[target][0], our[target][0]
            apart = abs(found - expected)
            if apart > TOLERANCE * abs(expected) + FLOOR_W:
                wrong.append(f"{where}: {target} has {found:.6f} W, SmartWatts says {expected:.6f} W")
            if abs(their[target][1] - our[target][1]) > TOLERANCE:
                wrong.append(f"{where}: {target} has ratio {our[target][1]:.6f}, SmartWatts says {their[target][1]:.6f}")
            relative = apart / abs(expected) if abs(expected) > FLOOR_W else 0
            n_watts += 1
            largest = max(largest, relative)
            sum_apart += relative
    return wrong, (len(theirs), n_silent, n_watts, largest, sum_apart / max(n_watts, 1))


def main():
    logging.disable(logging.CRITICAL)
    name, reports, power = sys.argv[1:4]
    theirs = ask_oracle(reports, sys.argv[4:])
    wrong, (n_ticks, n_silent, n_watts, largest, mean) = compare(theirs, read_power(power))
    print(f"{name}: {n_ticks} ticks of a scope, {n_silent} of them silent, {n_watts} watts: "
          f"{largest:.2e} apart at most, {mean:.2e} on average; {len(wrong)} disagree")
    for text in wrong[:10]:
        print(f"  {text}")
    if n_ticks == 0:
        print("  SmartWatts said nothing at all")
    sys.exit(1 if wrong or n_ticks == 0 else 0)


if __name__ == "__main__":
    main()
