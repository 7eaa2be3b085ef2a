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
for line in 'name = a b' 'interval = 0' 'interval = 999us' 'energy = rapl' 'engine = foo' 'target = nonsense'; do
    printf '[sensor]\n%s\n' "$line" > "$folder/bad.conf"
    status=0
    env -i "$sensor" --config "$folder/bad.conf" --check-config 2> "$folder/err" || status=$?
    [ "$status" = 78 ] && grep -q "bad.conf:2: ${line%% *}: " "$folder/err" ||
        { echo "FAILED: $line: status $status: $(cat "$folder/err")" >&2; exit 1; }
done
