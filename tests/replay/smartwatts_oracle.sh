#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The real SmartWatts, to compare with: installed once from PyPI at pinned versions (smartwatts_oracle.txt) into a virtual
# environment of its own, which is kept in a cache. About 500 MB, one to three minutes.
#   smartwatts_oracle.sh build      makes it if need be, prints the path of its interpreter
#   smartwatts_oracle.sh python     prints that path, or fails where it was not made
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/wattribute

die() {
    echo "smartwatts_oracle.sh: $*" >&2
    exit 1
}

install() { # install FOLDER
    python3 -m venv "$1" ||
        die "python3 cannot make a virtual environment: apt-get install python3-venv"
    "$1/bin/python" -m pip install --quiet --no-input --disable-pip-version-check --requirement "$here/smartwatts_oracle.txt" >&2 ||
        die "SmartWatts could not be installed from PyPI: let pip reach a package index (PIP_INDEX_URL, PIP_PROXY), then run" \
            "'tests/replay/smartwatts_oracle.sh build' again; or run it where there is one and copy $1 here"
    "$1/bin/python" -c 'import smartwatts.handler' || die "SmartWatts is installed in $1, but does not run"
}

folder() {
    local version key
    version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])') || die "python3 is missing: apt-get install python3 python3-venv"
    key=$(sha256sum <"$here/smartwatts_oracle.txt" | cut -c1-12)
    echo "$cache/smartwatts-2.4.1-python$version-$key"
}

# Programs in an environment know its path, so it is made where it stays and marked when it is whole.
build() {
    local target
    target=$(folder)
    mkdir -p "$cache"
    exec 9>"$cache/smartwatts.lock"
    flock 9
    if [ ! -e "$target/whole" ]; then
        rm -rf "$target"
        echo "smartwatts_oracle.sh: installing SmartWatts 2.4.1 from PyPI (once, one to three minutes)" >&2
        install "$target"
        touch "$target/whole"
    fi
    exec 9>&-
    echo "$target/bin/python"
}

python() {
    local target
    target=$(folder)
    [ -e "$target/whole" ] || die "SmartWatts is not installed: run 'tests/replay/smartwatts_oracle.sh build'"
    echo "$target/bin/python"
}

case ${1:-} in
build | python) "$1" ;;
*) die "usage: smartwatts_oracle.sh build | python" ;;
esac
