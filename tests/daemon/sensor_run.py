# SPDX-License-Identifier: BSD-3-Clause
"""A watt-sensor under test: its records are read line by line from its standard output, and every wait is for a
condition, with a deadline that only a broken sensor reaches."""
import atexit
import json
import os
import select
import signal
import subprocess
import time

SENSOR = os.path.join(os.environ["WATT_BUILD"], "watt-sensor")
DEADLINE_S = 60


class Sensor:
    def __init__(self, *arguments, store="jsonl:-", env=None, prefix=(), log=None):
        self.records = []
        stores = ["--store", store] if store else []
        self.process = subprocess.Popen([*prefix, SENSOR, *stores, *arguments], stdout=subprocess.PIPE,
                                        stderr=log, env={**os.environ, **(env or {})})
        atexit.register(self.process.kill)  # a failed test leaves nothing running
        self.rest = b""

    def _read(self, timeout_s):
        ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, timeout_s))
        if not ready:
            return None
        return os.read(self.process.stdout.fileno(), 1 << 16)

    def _take(self, data):
        *lines, self.rest = (self.rest + data).split(b"\n")
        self.records += [json.loads(line) for line in lines]

    def wait_until(self, condition, what):
        """Reads records until condition() holds."""
        end = time.monotonic() + DEADLINE_S
        while not condition():
            data = self._read(end - time.monotonic())
            if data is None:
                self.process.kill()
                raise SystemExit(f"not within {DEADLINE_S} s: {what}")
            if data == b"":
                raise SystemExit(f"the sensor ended ({self.process.wait()}) before: {what}")
            self._take(data)

    def end(self, number=signal.SIGTERM):
        """Sends the signal, reads what is still said, and returns the exit status."""
        self.process.send_signal(number)
        while data := self._read(DEADLINE_S):
            self._take(data)
        status = self.process.wait(DEADLINE_S)
        if self.rest:
            raise SystemExit(f"half a line at the end: {self.rest[:80]!r}")
        return status

    def raw(self):
        return [record for record in self.records if record["kind"] == "raw"]


def check(condition, what):
    if not condition:
        raise SystemExit(f"FAILED: {what}")


def wait_for(condition, what):
    """What condition() gives as soon as it gives something."""
    end = time.monotonic() + DEADLINE_S
    while not (result := condition()):
        check(time.monotonic() < end, what)
        select.select([], [], [], 0.02)
    return result
