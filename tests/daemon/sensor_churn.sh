#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Processes and cgroups that come and go many times within a tick: none of their CPU time is lost, and the sensor does not grow.
# The same for longer and faster: tests/bench/churn.py.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
churn=$(dirname "${BASH_SOURCE[0]}")/../bench/churn.py

python3 "$churn" "$build" forks 2000 3 folded --check || fail 'processes by command'
python3 "$churn" "$build" forks 2000 3 each --check || fail 'processes each by itself'
python3 "$churn" "$build" cgroups 500 3 --check || fail 'cgroups'
