#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# From a fresh Debian 12 machine to its watts: installs what is missing, builds in build/, and shows watts per container
# and per process for ten ticks of one second.
#   ./try.sh [--ticks N] [OPTION of watt top]...     --ticks 0: until interrupted
#   WATT_TRY_DIR: where the records shall lie (default: a new folder under the state folder)
set -eu
case ${1:-} in
-h | --help)
    sed -n '3,6s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cd "$here"

# shellcheck source=packaging/debian-packages.sh
. ./packaging/debian-packages.sh
install_packages build_packages

mkdir -p build
log=$here/build/try.log
# Tests are left out when this is the first to configure build/; tests/run.sh turns them on there.
if [ ! -e build/CMakeCache.txt ]; then
    echo "Configuring in $here/build" >&2
    cmake -S . -B build -G Ninja -DWATT_TESTS=OFF >"$log" 2>&1 || {
        cat "$log" >&2
        exit 70
    }
fi
echo "Building in $here/build; the first time takes a minute or two" >&2
cmake --build build --target watt watt-sensor watt-formula watt-courier >"$log" 2>&1 || {
    cat "$log" >&2
    exit 70
}

if [ -n "${WATT_TRY_DIR:-}" ]; then
    store=$WATT_TRY_DIR
    mkdir -p -- "$store"
else
    if [ "$(id -u)" -eq 0 ]; then state=${XDG_STATE_HOME:-/var/lib}; else state=${XDG_STATE_HOME:-$HOME/.local/state}; fi
    mkdir -p -- "$state/wattribute-try"
    store=$(mktemp -d "$state/wattribute-try/$(date +%Y%m%d-%H%M%S)-XXXXXX")
fi
case $store in
/*) ;;
*) store=$here/$store ;;
esac

echo "Measuring; the records go to $store" >&2
# It says at its end where the records lie and how to see them again.
exec ./build/watt top --ticks 10 --store "sqlite:$store" "$@"
