/* SPDX-License-Identifier: BSD-3-Clause */
/* The perf engine's CPU time by the scheduler's books (cpu.stat), which have a cgroup's time to a scheduler tick and include all below it. Perf's own clock
 * lacks a task's way onto the CPU and off it, and runs on while a hypervisor has the CPU: it says in which package the time was, and alone where the books
 * are not known. */
#pragma once

#include "sensor/tally.h"

struct perf_watch;

/* Between the last two looks. */
struct perf_span {
    int64_t wall_ns;
    int64_t late_ns; /* as far as the books of one cgroup may be behind */
};

/* Before tally_settle: notes what each cgroup has with all below it. engine_data of targets: its perf_watch. */
void perf_booked_note(const struct tally *tally, struct targets *targets, size_t cpu_ns);
/* After it: puts the booked time of each cgroup by itself in place of column cpu_ns, of each package its part by enabled time and on the scale of its row; as
 * it is where no counter was free (running 0). What runs on is booked with a scheduler tick, several milliseconds at once, and two cgroups are never looked
 * at in the same moment: a row has at least what the clock saw, as far as the books may be late, and no more than the CPUs on which it ran had time; what
 * it has too much or too little for that is taken off its next or added to it, late_ns at most. */
void perf_booked_put(struct tally *tally, const struct target_tree *tree, struct targets *targets, size_t cpu_ns, struct perf_span span);
