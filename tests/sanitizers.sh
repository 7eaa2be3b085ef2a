#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The whole suite once more, built with the address and undefined-behaviour sanitizers in build-asan/, without the few tests that say at
# their CMake line why (WATT_SANITIZE). It is one test of the plain build, so that one summary speaks for both.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# silently COMMAND...: what it says is printed only if it fails, without the tests that passed.
silently() {
    "$@" >"$log" 2>&1 && return
    grep -vE '^ *[0-9]+/[0-9]+ Test .* Passed|^ *Start +[0-9]+: |^\[[0-9]+/[0-9]+\] (Building|Generating|Linking) ' "$log"
    exit 1
}

silently cmake -S . -B build-asan -G Ninja -DWATT_TESTS=ON -DWATT_WERROR=ON -DWATT_SANITIZE=address,undefined
silently cmake --build build-asan
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1
silently ctest --test-dir build-asan --output-on-failure --parallel 2
