#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Installs what the tests need, builds with warnings as errors, and runs every test: unit, store, replay and daemon tests, then the
# same suite once more under the address and undefined-behaviour sanitizers (the test "sanitizers"). Ends with ctest's summary.
#   tests/run.sh [ctest arguments]      e.g. -R unit/
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=packaging/debian-packages.sh
. ./packaging/debian-packages.sh
all_packages() {
    build_packages
    test_packages
}
install_packages all_packages

# Both wait for the network where the caches lack them, so they come while we compile.
tests/store/server.sh build >/dev/null & # the MongoDB-speaking server of the store tests
server=$!
tests/replay/smartwatts_oracle.sh build >/dev/null & # the real SmartWatts of replay/smartwatts
oracle=$!
trap wait EXIT

# All three on the command line: build/ may have been made by try.sh.
cmake -S . -B build -G Ninja -DWATT_TESTS=ON -DWATT_WERROR=ON -DWATT_SANITIZE=
cmake --build build
wait $server
wait $oracle
exec ctest --test-dir build --output-on-failure --parallel 2 "$@"
