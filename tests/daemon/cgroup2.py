# SPDX-License-Identifier: BSD-3-Clause
"""Where the tree of cgroups is."""


def cgroup_mount():
    """None: cgroup2 is not mounted."""
    with open("/proc/mounts", encoding="utf-8") as stream:
        for line in stream:
            if line.split()[2] == "cgroup2":
                return line.split()[1]
    return None
