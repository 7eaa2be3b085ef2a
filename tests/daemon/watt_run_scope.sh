#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# watt run where systemd rules the tree of cgroups: a real user manager of systemd makes the scope, over a real bus. In a mount name space of its
# own, with a /run that says that systemd is the init, and in a cgroup of its own.
if [ "${1:-}" != inside ]; then
    exec unshare --mount --propagation private "$BASH" "$0" inside
fi
# shellcheck source=tests/daemon/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
mount=$(cgroup_mount)
manager_program=/lib/systemd/systemd
[ -x $manager_program ] || fail "$manager_program is missing: apt-get install systemd"
[ -e /usr/lib/systemd/user/dbus.socket ] || fail "no bus for users: apt-get install dbus-user-session"
own=watt-scope-test-$$
manager=''

is_empty() { [ -z "$(find "$mount/$own" -name cgroup.procs -exec cat {} +)" ]; }
# On a hybrid machine the manager makes the same folders in cgroup v1's hierarchy for systemd, and moves this shell there.
trees() { awk -v own="$own" '$3 ~ /^cgroup/ { print $2 "/" own }' /proc/self/mounts | while read -r tree; do [ ! -d "$tree" ] || echo "$tree"; done; }
remove_tree() {
    trees | while read -r tree; do find "$tree" -depth -type d -exec rmdir {} +; done
    [ -z "$(trees)" ]
}
end_test() {
    if [ -n "$manager" ]; then
        kill -TERM "$manager"
        until_true is_gone "$manager" || kill -KILL "$manager"
    fi
    trees | while read -r tree; do echo $$ >"${tree%/*}/cgroup.procs"; done
    until_true is_empty || find "$mount/$own" -name cgroup.procs -exec cat {} + | xargs -r kill -KILL
    until_true remove_tree || echo "left: $mount/$own" >&2
}

mkdir "$mount/$own"
echo $$ >"$mount/$own/cgroup.procs"
mount -t tmpfs none /run
mkdir -p /run/systemd/system
export XDG_RUNTIME_DIR=$scratch/run
mkdir -m 700 "$XDG_RUNTIME_DIR"
# Root asks the system's manager: here this one.
export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$XDG_RUNTIME_DIR/bus
$manager_program --user >"$scratch/manager.out" 2>&1 &
manager=$!
until_true busctl --timeout=1 call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.DBus.Peer Ping ||
    fail "no manager answers on the bus"

status=0
"$build/watt" run --json -o "$scratch/a.json" -- sh -c 'cat /proc/self/cgroup; exit 4' >"$scratch/a.out" 2>"$scratch/a.err" || status=$?
[ $status = 4 ] || fail "status $status instead of the command's 4"
grep -Eq "^0::/$own/.*/watt-run-[0-9]+-1\.scope$" "$scratch/a.out" || fail "the command was not in a scope"
[ "$(jq '.rows[0] | .cpu_s > 0 and .energy_j >= 0' "$scratch/a.json")" = true ] || fail "nothing was counted: $(cat "$scratch/a.json")"
scopes() { find "$mount/$own" -name 'watt-run-*'; }
is_clean() { [ -z "$(scopes)" ]; }
until_true is_clean || fail "a scope was left behind: $(scopes)"

# Nobody is moved out of systemd's sight.
status=0
"$build/watt" attach --move $$ 2>"$scratch/c.err" || status=$?
[ $status = 64 ] || fail "attach --move: status $status"
grep -q systemd "$scratch/c.err" || fail "it does not say why nobody is moved"

# What systemd refuses is told in its words.
kill -TERM $manager
until_true is_gone $manager || fail "the manager goes on"
manager=''
status=0
"$build/watt" run -- true 2>"$scratch/b.err" || status=$?
[ $status = 69 ] || fail "status $status without a manager"
grep -Eq 'systemd|D-Bus' "$scratch/b.err" || fail "it does not say who refused"
