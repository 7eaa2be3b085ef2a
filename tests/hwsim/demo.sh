#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Shows the product on a simulated machine: two packages with memory, a cgroup that burns 40 W per busy CPU and one that burns 12 W,
# and `watt top` for ten ticks. Builds nothing (the build is WATT_BUILD, or build/); needs root; leaves nothing behind, killed or not.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${WATT_BUILD:-$here/../../build}
ticks=${1:-10}

refuse() { # STATUS WORDS
    echo "demo: $2" >&2
    exit "$1"
}
[[ $ticks =~ ^[0-9]+$ ]] || refuse 64 "usage: tests/hwsim/demo.sh [TICKS] (default: 10, 0: until interrupted)"
[ "$(id -u)" -eq 0 ] || refuse 77 'needs root, for FUSE, cgroups and performance counters: sudo tests/hwsim/demo.sh'
[ -c /dev/fuse ] || refuse 69 'no /dev/fuse: modprobe fuse'
for program in watt watt-sensor watt-formula tests/watt-hwsim; do
    [ -x "$build/$program" ] || refuse 69 "$build/$program is not built: tests/run.sh builds it"
done
mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
[ -n "$mount" ] || refuse 69 'no cgroup2 mount'

scratch=$(mktemp -d "${TMPDIR:-/tmp}/watt-demo.XXXXXX")
base=$mount/watt-demo-$$
mkfifo "$scratch/said"
exec {said}<>"$scratch/said"
python3 "$here/guard.py" $$ "$scratch" "$base/heavy" "$base/light" "$base/meter" "$base" >"$scratch/said" &
guard=$!
read -r _ <&"$said" # it watches now
finish() {
    kill -TERM "$guard" 2>/dev/null || true
    wait "$guard" || true
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

mkdir "$base" "$base/heavy" "$base/light" "$base/meter" "$scratch/machine"
cpus=$(getconf _NPROCESSORS_CONF)
packages=$((cpus > 1 ? 2 : 1))
cat >"$scratch/config" <<CONFIG
[machine]
vendor = intel
packages = $packages
cpus = $cpus
domains = package dram
dram_unit_nj = 15300
jitter_us = 100
[package 0]
idle_w = 12
[package 1]
idle_w = 9
[user heavy]
cgroup = $base/heavy
package = 0
watts = 40
dram_watts = 4
[user light]
cgroup = $base/light
package = $((packages - 1))
watts = 12
dram_watts = 1
[user rest0]
rest = 1
package = 0
watts = 20
CONFIG
[ "$packages" = 1 ] || cat >>"$scratch/config" <<CONFIG
[user rest1]
rest = 1
package = 1
watts = 20
CONFIG
"$build/tests/watt-hwsim" --with-parent --config "$scratch/config" "$scratch/machine" >"$scratch/said" &
read -r line <&"$said" && [ "$line" = ready ] || refuse 69 'watt-hwsim did not start'

# Each enters its cgroup before it becomes what it is; what is there the guard ends. The first and the last CPU that we may use lie in
# different packages.
mine=$(taskset -cp $$ | sed 's/.*: //')
enter='echo $$ >"$1/cgroup.procs" && shift && exec "$@"'
work() { # CGROUP CPU
    sh -c "$enter" - "$base/$1" taskset -c "$2" sh -c 'while :; do :; done' &
    disown # the guard ends it, and nobody need hear of it
}
work heavy "${mine%%[-,]*}"
work light "${mine##*[-,]}"

echo "Simulated: $packages packages with memory on $cpus CPUs; idle 12 W and 9 W; /watt-demo-$$/heavy 40 W, /light 12 W, all others 20 W per busy CPU."
export TMPDIR=$scratch WATT_SENSOR_SYSFS=$scratch/machine/sys WATT_SENSOR_DEVFS=$scratch/machine/dev
sh -c "$enter" - "$base/meter" "$build/watt" top --energy powercap --granularity cgroup --ticks "$ticks"
