/* SPDX-License-Identifier: BSD-3-Clause */
/* The perf engine's CPU time by the scheduler's books (cgroup_usage.h), which have a cgroup's time to a scheduler tick and include all below it. Perf's own clock
 * is another: where a task is woken that preempts, the scheduler books from the waking on for it and looks at no clock again (wakeup_preempt,
 * rq_clock_skip_update in kernel/sched/core.c), while perf has it with who was there until the switch; and perf's runs on while a hypervisor has the CPU. So
 * it says in which package the time was, and alone where the books are not known. */
#pragma once

#include "sensor/tally.h"

struct perf_watch;

/* Between the last two looks. */
struct perf_span {
    int64_t wall_ns;
    int64_t late_ns; /* as far as the books may be behind for one CPU on which the cgroup runs */
    int64_t n_late;  /* CPUs that may be so together */
};

/* Before tally_settle: notes what each cgroup has with all below it. engine_data of targets: its perf_watch. */
void perf_booked_note(const struct tally *tally, struct targets *targets, size_t cpu_ns);
/* After it: puts the booked time of each cgroup by itself in place of column cpu_ns, of each package its part by enabled time and on the scale of its row; as
 * it is where no counter was free (running 0). What runs on is booked with a scheduler tick, several milliseconds at once, and two cgroups are never looked
 * at in the same moment: a row has at least what the clock saw, as far as the books may be late, and no more than the CPUs on which it ran had time; what
 * it has too much or too little for that is taken off its next or added to it, as far as
 * those may be late at most. */
void perf_booked_put(struct tally *tally, const struct target_tree *tree, struct targets *targets, size_t cpu_ns, struct perf_span span);
