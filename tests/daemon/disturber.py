# SPDX-License-Identifier: BSD-3-Clause
"""A process that sleeps for the shortest time again and again: whoever works on its CPU is preempted thousands of times a second. There perf's clock and the
scheduler's books part: the books have it from its waking on, perf's clock from the switch on (8 % of the worker's time were seen)."""
import atexit
import os
import subprocess
import sys

LOOP = "import time\nwhile True:\n    time.sleep(0.00001)"


class Disturber:
    def __init__(self, cpu):
        self.process = subprocess.Popen([sys.executable, "-c", LOOP], preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
        atexit.register(self.end)

    def end(self):
        self.process.kill()
        self.process.wait()
