#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The same reports give the same watts bit for bit from gcc's and clang's builds at -O2. The other compiler's watt-formula is built, with its
# warnings as errors, in build-other/, which is kept; both use the same mathematical library.
set -euo pipefail
formula=$WATT_BUILD/watt-formula
generator=$WATT_BUILD/tests/generator
source=$PWD
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
    echo "FAILED: $*"
    exit 1
}

case $(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$WATT_BUILD/CMakeCache.txt") in
*clang*) other=gcc ;;
*) other=clang ;;
esac
command -v $other >/dev/null || fail "$other is missing: apt-get install $other"

# One at a time: another build's run of this test may come at the same time.
mkdir -p "$source/build-other"
exec 9>"$source/build-other/lock"
flock 9
cmake -S "$source" -B "$source/build-other" -G Ninja -DCMAKE_C_COMPILER=$other -DWATT_WERROR=ON -DWATT_TESTS=OFF -DWATT_BPF=OFF \
    -DWATT_MONGODB=OFF >"$folder/log" 2>&1 || fail "$other: $(cat "$folder/log")"
cmake --build "$source/build-other" --target watt-formula >"$folder/log" 2>&1 || fail "$other: $(cat "$folder/log")"
exec 9>&-

compare() { # compare REPORTS OPTION...
    local reports=$1
    shift
    rm -f "$folder/ours" "$folder/theirs"
    "$formula" --quiet --post-mortem --input "jsonl:$reports" --output "jsonl:$folder/ours" "$@"
    "$source/build-other/watt-formula" --quiet --post-mortem --input "jsonl:$reports" --output "jsonl:$folder/theirs" "$@"
    test -s "$folder/ours" || fail "$reports $*: no watts"
    cmp "$folder/ours" "$folder/theirs" || fail "$reports $*: $other's build gives other watts"
}

for scenario in nonlinear sockets multiplexed; do
    "$generator" --scenario $scenario --seed 3 --ticks 300 --raw "$folder/$scenario.raw" --hwpc "$folder/$scenario.hwpc"
    for model in auto share smartwatts; do
        compare "$folder/$scenario.raw" --model $model
    done
    compare "$folder/$scenario.hwpc" --model smartwatts --no-close
done
compare tests/fixtures/kepler-nx12-head/reports.jsonl --model auto
echo "$other agrees"
