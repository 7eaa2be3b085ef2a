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
