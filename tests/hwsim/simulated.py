# SPDX-License-Identifier: BSD-3-Clause
"""A simulated machine and cgroups on it, for the time of a test. A guard in a process of its own cleans up, at the end or when the
test is killed."""
import atexit
import json
import os
import select
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "daemon"))  # for those who import this, too
from cgroup2 import cgroup_mount  # noqa: E402

BUILD = os.environ["WATT_BUILD"]
CANNOT_RUN = 77
WORK = "read line; while :; do :; done"


def cannot_run(why):
    print(f"cannot run: {why}")
    sys.exit(CANNOT_RUN)


class Simulated:
    """folder: DIR of watt-hwsim; cgroups: name -> folder in the cgroup2 mount, below the cgroup self.base."""

    def __init__(self, *names):
        mount = cgroup_mount()
        if os.geteuid() != 0 or not os.path.exists("/dev/fuse") or not mount:
            cannot_run("needs root, /dev/fuse and a cgroup2 mount")
        self.scratch = tempfile.mkdtemp(prefix="watt-hwsim.")
        self.folder = os.path.join(self.scratch, "machine")
        os.mkdir(self.folder)
        self.base = f"/watt-hwsim-{os.getpid()}"
        self.cgroups = {name: f"{mount}{self.base}/{name}" for name in names}
        paths = [*self.cgroups.values(), mount + self.base]
        self.guard = subprocess.Popen([sys.executable, os.path.join(HERE, "guard.py"), str(os.getpid()), self.scratch, *paths],
                                      stdout=subprocess.PIPE, text=True)
        self.guard.stdout.readline()
        atexit.register(self.close)
        for path in reversed(paths):
            os.mkdir(path)
        self.simulator = None
        self.workers = []

    def start(self, config, script=None):
        """Serves the machine of a configuration; the one before ends."""
        self.stop()
        command = [os.path.join(BUILD, "tests", "watt-hwsim"), "--with-parent"]
        for option, text in (("config", config), ("script", script)):
            if text is not None:
                path = os.path.join(self.scratch, option)
                with open(path, "w", encoding="ascii") as stream:
                    stream.write(text)
                command += [f"--{option}", path]
        self.simulator = subprocess.Popen([*command, "--truth", self.scratch + "/truth", self.folder], stdout=subprocess.PIPE,
                                          text=True)
        if self.simulator.stdout.readline() != "ready\n":
            raise SystemExit(f"watt-hwsim ended with {self.simulator.wait()}")

    def stop(self):
        """Ends the simulator; returns its truth."""
        if not self.simulator:
            return None
        self.simulator.terminate()
        status = self.simulator.wait(20)
        self.simulator = None
        if status != 0:
            raise SystemExit(f"watt-hwsim ended with {status}")
        with open(self.scratch + "/truth", encoding="ascii") as stream:
            return json.load(stream)

    def roots(self):
        return ["--sysfs", self.folder + "/sys", "--devfs", self.folder + "/dev", "--procfs", self.folder + "/proc"]

    def worker(self, name, cpu):
        """A process in the cgroup, on one CPU, that works once a line is written to its standard input."""
        enter = f'echo $$ >"{self.cgroups[name]}/cgroup.procs" && echo in && {WORK}'
        process = subprocess.Popen(["taskset", "-c", str(cpu), "sh", "-c", enter], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        self.workers.append(process)
        if process.stdout.readline() != "in\n":
            raise SystemExit(f"no process in {self.cgroups[name]}")
        return process

    def end_workers(self):
        for process in self.workers:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()
        self.workers = []

    def close(self):
        atexit.unregister(self.close)
        self.end_workers()
        if self.simulator:
            self.simulator.terminate()
            select.select([self.simulator.stdout], [], [], 20)  # its end
        self.guard.terminate()
        if self.guard.wait(60) != 0:
            raise SystemExit("the guard could not clean up")
