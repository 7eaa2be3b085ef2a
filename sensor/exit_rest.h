/* SPDX-License-Identifier: BSD-3-Clause */
/* What ended processes used that their records lack: a slice that was not booked yet, and being torn down. No process shows it any more, but
 * their cgroup's cpu.stat has it: it is what the cgroup used less what everybody in it was seen to use, and is shared out equally among those that ended
 * in it. So their sum is exact, and how much of these some ten microseconds was whose is a guess.
 *
 * A cgroup is followed from the first tick in which somebody ends in it on, so the rest is known from the second. Not for the root (it holds the kernel's
 * threads) nor for cgroups that have cgroups with processes below them, nor in cgroup v1, whose books are in another tree. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct host;
struct followed_cgroup;

struct exit_rest {
    const struct host *host;
    struct followed_cgroup *cgroups;
    size_t n_cgroups, cgroups_capacity;
    struct ended_use *ends; /* of this look */
    size_t n_ends, ends_capacity;
};

/* A look: begin; add each process that ended, see each that was seen; settle. */
void exit_rest_begin(struct exit_rest *rest);
/* Its record says cpu_ns, which is in *use_ns already; settle adds to *use_ns. -ENOMEM. */
int exit_rest_add(struct exit_rest *rest, const char *cgroup, uint64_t cpu_ns, uint64_t *use_ns);
/* cpu_ns: since the last look. */
void exit_rest_see(struct exit_rest *rest, const char *cgroup, uint64_t cpu_ns);
void exit_rest_settle(struct exit_rest *rest);
void exit_rest_deinit(struct exit_rest *rest);
