#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""SIGTERM and SIGINT in mid-tick: the sensor is always in the middle of one here, for ticks take longer than the
interval. It exits 0, and every record is whole and in its place."""
import os
import signal
import sqlite3
import tempfile
from contextlib import closing

from sensor_run import Sensor, check


def stored(folder):
    """The numbers of the ticks in the store, in the order in which they were stored."""
    path = os.path.join(folder, "raw.db")
    if not os.path.exists(path):
        return []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as database:
        if not database.execute("SELECT 1 FROM sqlite_schema WHERE name = 'record'").fetchone():
            return []
        return [row[0] for row in database.execute("SELECT seq FROM record WHERE kind = 'raw' ORDER BY position")]


for i in range(6):
    number = signal.SIGTERM if i % 2 else signal.SIGINT
    sensor = Sensor("--interval", "1ms")
    sensor.wait_until(lambda: len(sensor.raw()) >= 3 + i, "a few ticks")
    check(sensor.end(number) == 0, f"signal {number} ends it with status 0")
    numbers = [record["seq"] for record in sensor.raw()]
    check(numbers == list(range(len(numbers))), "no tick is lost or doubled")

with tempfile.TemporaryDirectory() as folder:
    for run in range(2):
        sensor = Sensor("--interval", "1ms", store=f"sqlite:{folder}")
        before = stored(folder)
        while len(stored(folder)) < len(before) + 5:
            check(sensor.process.poll() is None, "the sensor ended by itself")
        acknowledged = stored(folder)
        check(sensor.end() == 0, "SIGTERM ends it with status 0")
        after = stored(folder)
        check(after[:len(acknowledged)] == acknowledged, "what was stored is still there")
        check(after[len(before):] == list(range(len(after) - len(before))), "each run counts from 0, without a gap")
    with closing(sqlite3.connect(os.path.join(folder, "raw.db"))) as database:
        check(database.execute("PRAGMA integrity_check").fetchone()[0] == "ok", "the database is sound")
        runs = [row[0] for row in database.execute("SELECT DISTINCT run FROM record ORDER BY position")]
        check(runs == sorted(runs) and len(set(runs)) == 2, f"runs sort in time: {runs}")
