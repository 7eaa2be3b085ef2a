#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# config/sensor.conf is what the program itself says of its options, and the program takes it back.
set -eu
sensor=$WATT_BUILD/watt-sensor
if [ -e /etc/wattribute/sensor.conf ]; then
    echo "/etc/wattribute/sensor.conf would mix in"
    exit 77
fi
env -i "$sensor" --print-config | diff config/sensor.conf - ||
    { echo "FAILED: write it anew: watt-sensor --print-config > config/sensor.conf" >&2; exit 1; }
env -i "$sensor" --config config/sensor.conf --check-config

# What the program would refuse to start with is refused, and where it stands is said.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# refuse PROGRAM SECTION LINE
refuse()
{
    printf '[%s]\n%s\n' "$2" "$3" > "$folder/bad.conf"
    status=0
    env -i "$1" --config "$folder/bad.conf" --check-config 2> "$folder/err" || status=$?
    [ "$status" = 78 ] && grep -q "bad.conf:2: ${3%% *}: " "$folder/err" && [ "$(wc -l < "$folder/err")" = 1 ] ||
        { echo "FAILED: $1: $3: status $status: $(cat "$folder/err")" >&2; exit 1; }
}
for line in 'name = a b' 'interval = 0' 'interval = 999us' 'energy = rapl' 'engine = foo' 'target = nonsense' \
    'store = sqlit:/x' 'store = nonsense' 'store = jsonl:' 'store = mongodb:///x' 'store = mongodb://me@/x' 'event = no_such_event' 'event = x=perf::NOPE'; do
    refuse "$sensor" sensor "$line"
done
for line in 'input = nonsense' 'input = jsonl:' 'output = mongodb://' 'output = mongodb://h:99999999/x'; do
    refuse "$WATT_BUILD/watt-formula" formula "$line"
done
for line in 'spool = nonsense' 'store = mongodb:h/x' 'store = postgres://h/x'; do
    refuse "$WATT_BUILD/watt-courier" courier "$line"
done
for line in 'store = sqlite:' 'store = jsonl:-' 'store = null:' 'store = mongodb://h/x' 'event = page_faults' 'event = x=perf::CPU-CLOCK'; do
    printf '[sensor]\n%s\n' "$line" > "$folder/good.conf"
    env -i "$sensor" --config "$folder/good.conf" --check-config
done

# So is what does not go together, wherever it stands, before it is printed.
# refuse_together PROGRAM TEXT FILE-TEXT FLAG...
refuse_together()
{
    program=$1 text=$2
    printf '%b' "$3" > "$folder/bad.conf"
    shift 3
    for question in --check-config --print-config; do
        status=0
        env -i "$program" --config "$folder/bad.conf" "$question" "$@" > "$folder/out" 2> "$folder/err" || status=$?
        [ "$status" = 64 ] && grep -qF -- "$text" "$folder/err" && [ "$(wc -l < "$folder/err")" = 1 ] && [ ! -s "$folder/out" ] ||
            { echo "FAILED: $program $question: status $status: $(cat "$folder/out" "$folder/err")" >&2; exit 1; }
    done
}
refuse_together "$sensor" 'a rule comm:... tells' '[sensor]\ntarget = comm:*\ngranularity = cgroup\n'
refuse_together "$sensor" 'a rule user:... tells' '[sensor]\nschema = powerapi\n' --target user:root
refuse_together "$sensor" '--engine none' '[sensor]\nengine = none\nevent = page_faults\n'
refuse_together "$sensor" '--schema powerapi' '[sensor]\nstore = mongodb://h/x\nschema = powerapi\n'
refuse_together "$WATT_BUILD/watt-formula" 'cannot be read' '[formula]\ninput = null:\n'
refuse_together "$WATT_BUILD/watt-formula" '--static' '[formula]\nstatic = share\n'
refuse_together "$WATT_BUILD/watt-courier" '--position' '[courier]\nspool = jsonl:x\n'
printf '[sensor]\ntarget = comm:*\ngranularity = cgroup\n' > "$folder/good.conf"
env -i "$sensor" --config "$folder/good.conf" --granularity process --check-config
