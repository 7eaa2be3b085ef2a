#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A sensor with a remote store: it spools, and its courier holds no capability, no secret in argv, is started again
when it dies, and ends with the sensor. Nobody listens at the remote end here, so nothing may be forgotten."""
import os
import signal
import sqlite3
import sys
import tempfile
from contextlib import closing

from sensor_run import SENSOR, Sensor, check, wait_for

if not os.path.exists(os.path.join(os.path.dirname(SENSOR), "watt-courier")):
    print("watt-courier was not built: nothing to start")
    sys.exit(77)

SECRET = "hunter2"


def read(path):
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def courier_of(sensor, but_not=None):
    """The pid of the sensor's child once it runs its program, other than but_not."""
    pid = sensor.process.pid
    for child in read(f"/proc/{pid}/task/{pid}/children").split():
        if int(child) != but_not and b"watt-courier" in read(f"/proc/{int(child)}/cmdline"):
            return int(child)
    return None


def n_ticks(spool):
    path = os.path.join(spool, "raw.db")
    if not os.path.exists(path):
        return 0
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as database:
        if not database.execute("SELECT 1 FROM sqlite_schema WHERE name = 'record'").fetchone():
            return 0
        return database.execute("SELECT count(*) FROM record WHERE kind = 'raw'").fetchone()[0]


with tempfile.TemporaryDirectory() as folder:
    spool = os.path.join(folder, "spool")
    uri = f"mongodb://user:{SECRET}@127.0.0.1:1/watt"
    sensor = Sensor("--spool", spool, "--interval", "20ms", "--drain", "100ms", store=None,
                    env={"WATT_SENSOR_STORE": uri})
    courier = wait_for(lambda: courier_of(sensor), "a courier is started")
    check(SECRET.encode() not in read(f"/proc/{courier}/cmdline"), "the password is not in argv")
    status = read(f"/proc/{courier}/status").decode()
    for line in ("CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "CapInh:\t0000000000000000",
                 "NoNewPrivs:\t1"):
        check(line in status, f"{line} is not in {status}")
    check(f"WATT_COURIER_STORE={uri}".encode() in read(f"/proc/{courier}/environ"), "it knows where to")
    wait_for(lambda: n_ticks(spool) >= 5, "ticks are spooled")
    os.kill(courier, signal.SIGKILL)
    second = wait_for(lambda: courier_of(sensor, but_not=courier), "a dead courier is replaced")
    before = n_ticks(spool)
    wait_for(lambda: n_ticks(spool) > before + 3, "sampling goes on")
    before = n_ticks(spool)
    check(sensor.end() == 0, "SIGTERM ends it with status 0")
    check(n_ticks(spool) >= before, "what was not acknowledged is not forgotten")
    check(not read(f"/proc/{second}/cmdline"), "the courier ended with its sensor")

with tempfile.TemporaryDirectory() as folder:
    sensor = Sensor("--spool", folder, "--interval", "20ms", store="mongodb://127.0.0.1:1/watt")
    courier = wait_for(lambda: courier_of(sensor), "a courier is started")
    sensor.process.kill()
    sensor.process.wait()
    wait_for(lambda: not read(f"/proc/{courier}/cmdline"), "the courier does not outlive a killed sensor")
