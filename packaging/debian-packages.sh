# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
# The Debian 12 packages the project is built from and tested with, one per line with the least version that will do.
# Sourced by try.sh and tests/run.sh, so that the lists are written once.

build_packages() {
    cat <<'LIST'
gcc 4:12
libc6-dev 2.36
cmake 3.25
ninja-build 1.11
pkg-config 1.8
libbson-dev 1.23
libmongoc-dev 1.23
libsqlite3-dev 3.40
libinih-dev 55
libcap-ng-dev 0.8.3
libcgroup-dev 2.0
libsystemd-dev 252
libpfm4-dev 4.12
libbpf-dev 1:1.1
clang 1:14
bpftool 7.1
LIST
}

test_packages() {
    cat <<'LIST'
libcmocka-dev 1.1.5
libfuse3-dev 3.14
fuse3 3.14
sqlite3 3.40
jq 1.6
python3 3.11
python3-pip 23
python3-venv 3.11
xz-utils 5.4
procps 2:4.0
util-linux 2.38
systemd 252
dbus-user-session 1.14
ca-certificates 20230311
LIST
}

# Names from the list on standard input that are not installed, or too old.
missing_packages() {
    while read -r name least; do
        # shellcheck disable=SC2016
        found=$(dpkg-query -W -f '${db:Status-Status} ${Version}' "$name" 2>/dev/null || true)
        case $found in
        "installed "*) dpkg --compare-versions "${found#installed }" ge "$least" && continue ;;
        esac
        printf '%s\n' "$name"
    done
}

# The distribution as "ID VERSION_ID".
distribution() {
    (
        ID='' VERSION_ID=''
        # shellcheck disable=SC1091
        [ ! -r /etc/os-release ] || . /etc/os-release
        printf '%s %s\n' "$ID" "$VERSION_ID"
    )
}

# Installs what is missing of the list given as $1 (a function's name), after saying so. Exits 69 where there is no Debian 12, and 77 with the
# command to type where something is missing and we are not root.
install_packages() {
    if [ "$(distribution)" != 'debian 12' ]; then
        echo "This is not Debian 12 (found: $(distribution)). Install the equivalents of these packages, then build with CMake:" >&2
        "$1" | sed 's/^/  /; s/ \([^ ]*\)$/ (at least \1)/' >&2
        exit 69
    fi
    missing=$("$1" | missing_packages | tr '\n' ' ')
    missing=${missing% }
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        echo "Missing packages. As root, type:" >&2
        echo "  apt-get install --no-install-recommends $missing" >&2
        exit 77
    fi
    echo "Installing from Debian: $missing" >&2
    # Word splitting is meant: one argument per package.
    # shellcheck disable=SC2086
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update && apt-get install --yes --no-install-recommends $missing; } >&2 || {
        echo "apt-get could not install them: see its messages above" >&2
        exit 69
    }
    missing=$("$1" | missing_packages | tr '\n' ' ')
    [ -z "$missing" ] || {
        echo "Still missing or too old: $missing" >&2
        exit 69
    }
}
