#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes what the real SmartWatts says of a file of HWPCReports, as PowerReports in JSON lines. To be run by the interpreter
that tests/replay/smartwatts_oracle.sh prepares.

    smartwatts_watts.py REPORTS [OPTION=VALUE]... > POWER

An option is one of SmartWatts'."""
import json
import logging
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import smartwatts_compare  # noqa: E402


def main():
    logging.disable(logging.CRITICAL)
    options = {**smartwatts_compare.defaults(), "stream": False}
    for text in sys.argv[2:]:
        key, value = text.split("=", maxsplit=1)
        options[key] = type(options[key])(value)
    with open(sys.argv[1], encoding="utf-8") as lines:
        sensor = json.loads(next(lines))["sensor"]
    said = smartwatts_compare.run_oracle(sys.argv[1], options)
    for (stamp, scope, socket), targets in said.items():
        text = stamp.strftime("%Y-%m-%dT%H:%M:%S.") + f"{stamp.microsecond // 1000:03d}Z"
        for target, (watts, ratio) in targets.items():
            metadata = {"scope": scope, "socket": socket, "formula": "smartwatts", "ratio": ratio}
            print(json.dumps({"timestamp": text, "sensor": sensor, "target": target, "power": watts,
                              "metadata": metadata}))


if __name__ == "__main__":
    main()
