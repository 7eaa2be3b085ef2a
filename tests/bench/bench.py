#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a sensor costs: the same load for every sensor, side by side in one run (README.md beside this file).

run-cmd  N MS SECS            -- CMD...      one JSON line
compare  N MS SECS ROUNDS     -- 'name=CMD' 'name=CMD' ...   alternating order, one JSON line each, then medians
pingpong N MS SECS ROUNDS     -- 'name=CMD' ...              always includes name=none
clean                                        removes cgroups left behind

Placeholders in CMD: {CG} folder that holds the N cgroups, {REL} the same from the cgroup2 mount, {LIST} comma list of the
cgroups' names, {MS} {S} interval, {N} their number.
A window with more than MAXNOISE (0.25) cores of other load (pingpong: more than PPNOISE (0.02) of the pinned CPU taken by
others) is repeated up to RETRY (4) times.
Environment: WORKER=sleep|wake:HZ:US  WARMUP=8  SENSOR_CPUS=taskset list  PP_CPU=last CPU  PP_LEAF=two|other|same (two of the N
cgroups, two outside them, one)  LOGDIR  TOOLS
"""
import json
import os
import re
import resource
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "daemon"))
from cgroup2 import cgroup_mount  # noqa: E402

ENV = os.environ
WARMUP_S = float(ENV.get("WARMUP", "8"))
MAX_NOISE = float(ENV.get("MAXNOISE", "0.25"))
MAX_PP_NOISE = float(ENV.get("PPNOISE", "0.02"))
RETRY = int(ENV.get("RETRY", "4"))
SCRATCH = ENV.get("LOGDIR") or tempfile.mkdtemp(prefix="watt-bench-")
TOOLS = ENV.get("TOOLS", SCRATCH)
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
N_CPUS = os.cpu_count()
MOUNT = cgroup_mount() or sys.exit("no cgroup2 mount")
ROOT = MOUNT + "/bench"
BASE = ROOT + "/w"


def build():
    for name in ("cgworkers", "pingpong"):
        source, program = f"{HERE}/{name}.c", f"{TOOLS}/{name}"
        if not os.path.exists(program) or os.path.getmtime(program) < os.path.getmtime(source):
            subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-o", program, source], check=True)


def read_text(path):
    with open(path, errors="replace") as file:
        return file.read()


class Workers:
    """N cgroups with a worker each."""

    def __init__(self, n):
        self.n = n

    def __enter__(self):
        os.makedirs(BASE, exist_ok=True)
        self.process = subprocess.Popen([TOOLS + "/cgworkers", BASE, str(self.n), ENV.get("WORKER", "sleep")],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline().strip() != "ready":
            sys.exit("cgworkers failed")
        for _ in range(500):
            if all(read_text(f"{BASE}/w{i:05d}/cgroup.procs") for i in range(self.n)):
                break
            time.sleep(.02)
        return self

    def __exit__(self, *exception):
        self.process.stdin.close()
        self.process.wait()
        for folder in (BASE, ROOT):
            try:
                os.rmdir(folder)
            except OSError as error:
                if os.path.isdir(folder):
                    print("left:", folder, error, file=sys.stderr)


def stat_fields(pid):
    text = read_text(f"/proc/{pid}/stat")
    return text[text.rindex(")") + 2:].split()


def tree(root):
    """A process and all its descendants."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                children.setdefault(int(stat_fields(name)[1]), []).append(int(name))
            except OSError:
                continue
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def snapshot(root, deep=False):
    sums = dict(cpu=0.0, rss=0.0, pss=0.0, threads=0, fds=0, procs=0, ns=0)
    for pid in tree(root):
        try:
            fields = stat_fields(pid)
            sums["cpu"] += sum(map(int, fields[11:15])) / TICKS_PER_S  # utime stime cutime cstime
            sums["threads"] += int(fields[17])
            sums["rss"] += int(fields[21]) * PAGE / 2**20
            sums["procs"] += 1
            sums["fds"] += len(os.listdir(f"/proc/{pid}/fd"))
            if deep:
                sums["pss"] += int(re.search(r"^Pss:\s+(\d+)", read_text(f"/proc/{pid}/smaps_rollup"), re.M)[1]) / 1024
                for thread in os.listdir(f"/proc/{pid}/task"):
                    sums["ns"] += int(read_text(f"/proc/{pid}/task/{thread}/schedstat").split()[0])
        except (OSError, TypeError):
            pass
    return sums


def kernel_mb():
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in open("/proc/meminfo")}
    return sum(sizes.get(k, 0) for k in ("Slab", "KernelStack", "PageTables", "Percpu", "VmallocUsed")) / 1024


def idle_s():
    fields = read_text("/proc/stat").split("\n", 1)[0].split()
    return (int(fields[4]) + int(fields[5])) / TICKS_PER_S


def switches():
    return int(re.search(r"^ctxt (\d+)", read_text("/proc/stat"), re.M)[1])


def raise_limits():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(hard, 200000), max(hard, 200000)))
    except (OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY,) * 2)
    except (OSError, ValueError):
        pass


class Sensor:
    """Starts the command, waits until it has settled, ends it by its own pid."""

    def __init__(self, command, n, ms, label):
        relative = os.path.relpath(BASE, MOUNT)
        values = dict(CG=BASE, REL=relative, MS=str(ms), S="%g" % (ms / 1000), N=str(n),
                      LIST=",".join(f"{relative}/w{i:05d}" for i in range(n)))
        for key, value in values.items():
            command = command.replace("{" + key + "}", value)
        self.argv = shlex.split(command)
        self.label = label
        if ENV.get("SENSOR_CPUS"):
            self.argv = ["taskset", "-c", ENV["SENSOR_CPUS"]] + self.argv

    def __enter__(self):
        self.kernel_mb = kernel_mb()
        self.log = f"{SCRATCH}/{self.label}.log"
        start = time.monotonic()
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                            preexec_fn=raise_limits)
        last, since = None, start
        while True:
            time.sleep(.5)
            if self.process.poll() is not None:
                sys.exit(f"sensor '{self.label}' ended with {self.process.returncode}\n" + read_text(self.log)[-1500:])
            now = time.monotonic()
            seen = snapshot(self.process.pid)
            key = (seen["fds"], seen["threads"], seen["procs"])
            if key != last:
                last, since = key, now
            if (now - start > WARMUP_S and now - since > 3) or now - start > 180:
                break
        self.settle_s = since - start
        return self

    def __exit__(self, *exception):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def window(sensor, seconds):
    """One window of measurement; the machine may be shared, so its other load is measured with it."""
    before, start, idle, switched = snapshot(sensor.process.pid, True), time.monotonic(), idle_s(), switches()
    time.sleep(seconds)
    idle, switched, end = idle_s() - idle, switches() - switched, time.monotonic()
    after = snapshot(sensor.process.pid, True)
    if sensor.process.poll() is not None:
        sys.exit(f"{sensor.label}: ended within the window")
    span = end - start
    busy = N_CPUS - idle / span
    cpu = (after["cpu"] - before["cpu"]) / span
    return dict(seconds=round(span, 1), cpu_share_of_core=round(cpu, 5),
                cpu_share_schedstat=round((after["ns"] - before["ns"]) / 1e9 / span, 5),
                system_busy_cores=round(busy, 4), other_busy_cores=round(busy - cpu, 4), ctxt_per_s=round(switched / span),
                rss_mb=round(after["rss"], 1), pss_mb=round(after["pss"], 1), threads=after["threads"], fds=after["fds"],
                procs=after["procs"])


def measure(label, command, n, ms, seconds):
    with Workers(n):
        with Sensor(command, n, ms, label) as sensor:
            best = None
            for tries in range(1, RETRY + 2):
                result = window(sensor, seconds)
                if best is None or result["other_busy_cores"] < best["other_busy_cores"]:
                    best = result
                if best["other_busy_cores"] < MAX_NOISE:
                    break
            warnings = len(re.findall(r"(?i)missed|error|failed|lost", read_text(sensor.log)))
            return dict(sensor=label, n=n, interval_ms=ms, worker=ENV.get("WORKER", "sleep"), windows=tries, **best,
                        kernel_mem_delta_mb=round(kernel_mb() - sensor.kernel_mb, 1), settle_s=round(sensor.settle_s, 1),
                        log_warnings=warnings)


def pingpong_folders():
    leaf = ENV.get("PP_LEAF", "two")
    if leaf == "other":
        return ROOT + "/ppA", ROOT + "/ppB"
    return BASE + "/w00000", BASE + ("/w00000" if leaf == "same" else "/w00001")


def pingpong(seconds, pid=None):
    cpu = ENV.get("PP_CPU", str(N_CPUS - 1))
    folders = pingpong_folders()
    for folder in folders:
        os.makedirs(folder, exist_ok=True)
    try:
        best = None
        for tries in range(1, RETRY + 2):
            start, used = time.monotonic(), snapshot(pid)["cpu"] if pid else 0
            answer = subprocess.run([TOOLS + "/pingpong", *folders, cpu, str(seconds)], check=True, capture_output=True, text=True)
            result = json.loads(answer.stdout)
            span = time.monotonic() - start
            result["sensor_share"] = round(((snapshot(pid)["cpu"] if pid else 0) - used) / span, 4)
            result["windows"] = tries
            result["stolen"] = round(1 - result["cpu_share"], 4)  # share of the pinned CPU that the pair did not get
            if best is None or result["stolen"] < best["stolen"]:
                best = result
            if best["stolen"] - result["sensor_share"] < MAX_PP_NOISE:
                break
        return best
    finally:
        for folder in folders:
            for _ in range(50 if "/pp" in folder else 0):
                try:
                    os.rmdir(folder)
                    break
                except OSError:
                    time.sleep(.02)


def named(texts):
    pairs = []
    for text in texts:
        match = re.match(r"^([A-Za-z0-9_.-]+)=(.*)$", text, re.S)
        pairs.append((match[1], match[2]) if match else (os.path.basename(shlex.split(text)[0]), text))
    return pairs


def show(result):
    print(json.dumps(result), flush=True)


def run_compare(n, ms, seconds, rounds, commands):
    results = {name: [] for name, _ in commands}
    for number in range(rounds):
        for name, command in commands if number % 2 == 0 else commands[::-1]:
            result = measure(name, command, n, ms, seconds)
            results[name].append(result)
            show(result)
    fields = ("cpu_share_of_core", "cpu_share_schedstat", "system_busy_cores", "rss_mb", "pss_mb", "kernel_mem_delta_mb",
              "threads", "fds")
    for name, values in results.items():
        medians = {field: round(statistics.median(value[field] for value in values), 5) for field in fields}
        show(dict(median_of=len(values), sensor=name, n=n, interval_ms=ms, **medians))


def run_pingpong(n, ms, seconds, rounds, commands):
    commands = [("none", None)] + commands
    results = {name: [] for name, _ in commands}
    with Workers(max(n, 2)):
        pingpong(1)
        for number in range(rounds):
            for name, command in commands if number % 2 == 0 else commands[::-1]:
                if command is None:
                    result = pingpong(seconds)
                else:
                    with Sensor(command, n, ms, name) as sensor:
                        result = pingpong(seconds, sensor.process.pid)
                result.update(sensor=name, round=number)
                results[name].append((result["rt_per_s"], result["cpu_ns_per_rt"]))
                show(result)
    base_rate, base_cpu = (statistics.median(value[i] for value in results["none"]) for i in (0, 1))
    for name, values in results.items():
        rate, cpu = (statistics.median(value[i] for value in values) for i in (0, 1))
        show(dict(median_of=len(values), sensor=name, n=n, interval_ms=ms, pp_leaf=ENV.get("PP_LEAF", "two"),
                  extra_ns_per_switch=round((1e9 / rate - 1e9 / base_rate) / 2, 1), cpu_ns_per_rt=round(cpu, 1),
                  cpu_extra_ns_per_switch=round((cpu - base_cpu) / 2, 1)))


def main():
    arguments, rest = sys.argv[1:], []
    if "--" in arguments:
        split = arguments.index("--")
        arguments, rest = arguments[:split], arguments[split + 1:]
    if not arguments:
        sys.exit(__doc__)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    verb = arguments[0]
    if verb == "clean":
        for folder, _, _ in os.walk(ROOT, topdown=False):
            os.rmdir(folder)
        return
    build()
    if verb == "run-cmd":
        command = rest[0] if len(rest) == 1 else re.sub(r"'(\{[A-Z]+\})'", r"\1", shlex.join(rest))
        label = ENV.get("LABEL", os.path.basename(shlex.split(command)[0]))
        show(measure(label, command, int(arguments[1]), int(arguments[2]), float(arguments[3])))
    elif verb in ("compare", "pingpong"):
        run = run_compare if verb == "compare" else run_pingpong
        run(int(arguments[1]), int(arguments[2]), float(arguments[3]), int(arguments[4]), named(rest))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
