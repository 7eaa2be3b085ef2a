#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Proves the rules of the source tree that no compiler knows (docs/architecture.md, "Rooms"; docs/style.md):
# who may include whom, headers that compile alone, a licence line per file, and calls that are banned.
# Usage: layering.sh [ROOT]. Prints each violation as FILE:LINE and exits 1 if there is any.
set -u
cd "${1:-$(dirname "$0")/..}" || exit 2
[ -d common ] || { echo "layering: no source tree in $PWD" >&2; exit 2; }
rooms="common sensor courier formula cli"
status=0

report() {
    status=1
    printf '%s\n' "$1"
}

# Sources below the given folders, generated and borrowed files left out.
sources() {
    local pattern=$1
    shift
    find "$@" -regextype posix-extended \( -name .git -o -name 'build*' -o -path '*/fixtures' \) -prune -o \
        -type f -regex ".*/$pattern" -print | sed 's|^\./||' | sort
}

may_include() { # FILE INCLUDED
    case $2 in
    common/remote/*)
        case $1 in
        common/remote/* | courier/main.c | formula/main.c | cli/*) return 0 ;;
        esac
        return 1
        ;;
    common/*) return 0 ;;
    esac
    [ "${1%%/*}" = "${2%%/*}" ]
}

check_includes() {
    local file line included
    while IFS=: read -r file line included; do
        included=${included#*\"}
        included=${included%%\"*}
        if [ ! -f "$included" ]; then
            report "$file:$line: \"$included\" is not written from the top folder"
        elif ! may_include "$file" "$included"; then
            report "$file:$line: ${file%%/*}/ may not include $included"
        fi
    done < <(sources '[^/]*\.[ch]' $rooms | xargs -r grep -HnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"')
}

check_headers() {
    local compiler=${CC:-cc} flags header said
    flags="$(pkg-config --cflags libbson-1.0 2>/dev/null || pkg-config --cflags bson2)"
    while read -r header; do
        said=$(echo "#include \"$header\"" | $compiler -std=gnu17 -D_GNU_SOURCE -I. $flags \
            -Wall -Wextra -Wshadow -Wstrict-prototypes -Wundef -Werror -fsyntax-only -x c - 2>&1) ||
            report "$header:1: does not compile alone: $(grep -m1 error: <<<"$said")"
    done < <(sources '[^/]*\.h' $rooms)
}

check_licences() {
    local file first
    while read -r file; do
        first=$(head -n 2 "$file" | grep -v '^#!' | head -n 1)
        case $first in
        *"SPDX-License-Identifier: "*) ;;
        *) report "$file:1: the first line is no SPDX-License-Identifier" ;;
        esac
    done < <(sources '([^/]*\.(c|h|S|sh|cmake|py)|CMakeLists\.txt)' .)
}

# Calls that overflow, hide errors, keep hidden state or depend on the process's time zone.
check_calls() {
    local banned='v?sprintf|strcpy|strcat|strtok|atoi|atof|gets|localtime|alloca' hit
    while read -r hit; do
        report "$(cut -d: -f1,2 <<<"$hit"): banned call:$(cut -d: -f3- <<<"$hit" | tr -s ' \t' ' ')"
    done < <(sources '[^/]*\.[ch]' $rooms tests | xargs -r grep -HnE "(^|[^[:alnum:]_])($banned)[[:space:]]*\(")
}

check_includes
check_headers
check_licences
check_calls
exit $status
