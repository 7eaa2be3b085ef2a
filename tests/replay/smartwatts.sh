#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# --model smartwatts --no-close beside the real SmartWatts 2.4.1: silent in the same ticks, watts within 1 %, on the recorded
# traces and on ten generated streams of 1,000 ticks. What SmartWatts said is kept in the cache (smartwatts_compare.py).
# WATT_TEST_SMARTWATTS_SEEDS names other streams than seeds 1 to 10. Under the sanitizers, which are about the program and not about the watts, one stream of
# each kind of clock is enough.
set -euo pipefail
formula=$WATT_BUILD/watt-formula
here=tests/replay
python=$("$here/smartwatts_oracle.sh" build)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

compare() { # compare NAME REPORTS [OPTION=VALUE]...
    local name=$1 reports=$2 flags=() option
    shift 2
    for option in "$@"; do
        flags+=("--$option")
    done
    "$formula" --quiet --post-mortem --model smartwatts --no-close --schema powerapi "${flags[@]}" \
        --input "jsonl:$reports" --output "jsonl:$folder/$name.power"
    "$python" "$here/smartwatts_compare.py" "$name" "$reports" "$folder/$name.power" "$@"
}

stream() { # stream SEED: the seed also chooses how many sockets there are and how the clock moves
    local clocks=(steps turbo wander) clock options=(cpu-base-freq=2600)
    clock=${clocks[$1 % 3]}
    python3 "$here/smartwatts_stream.py" --seed "$1" --sockets $((1 + $1 % 2)) --clock "$clock" >"$folder/$1.jsonl"
    compare "seed-$1-$clock" "$folder/$1.jsonl" "${options[@]}"
    rm "$folder/$1".*
}

recorded() {
    local kepler=tests/fixtures/kepler-nx12-head/reports.jsonl result=0
    compare timeline tests/fixtures/smartwatts-timeline/smartwatts_timeline.jsonl || result=1
    compare kepler "$kepler" || result=1
    compare kepler-other-options "$kepler" sensor-reports-frequency=3000 cpu-tdp=30 cpu-base-clock=50 cpu-base-freq=3210 \
        cpu-error-threshold=5.5 dram-error-threshold=0.5 learn-min-samples-required=15 learn-history-window-size=40 \
        learn-error-window-size=25 learn-error-window-method=mean || result=1
    return $result
}

seeds='1 2 3 4 5 6 7 8 9 10'
! grep -q '^WATT_SANITIZE:.*=.' "$WATT_BUILD/CMakeCache.txt" || seeds='1 2 3'

# Two at a time; every one is run, whatever the others say.
status=0
pids=()
recorded &
pids+=($!)
for seed in ${WATT_TEST_SMARTWATTS_SEEDS:-$seeds}; do
    if [ ${#pids[@]} -ge 2 ]; then
        wait "${pids[0]}" || status=1
        pids=("${pids[@]:1}")
    fi
    stream "$seed" &
    pids+=($!)
done
for pid in "${pids[@]}"; do
    wait "$pid" || status=1
done
exit $status
