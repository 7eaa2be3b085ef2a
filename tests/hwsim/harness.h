/* SPDX-License-Identifier: BSD-3-Clause */
/* A simulated machine under a test's hands: it starts watt-hwsim with a machine and a script, moves the one clock that the simulator
 * and the sources share, reads a real source tick by tick, and holds its samples against what was true. For cmocka tests: whatever
 * cannot be done fails the test. Needs root and /dev/fuse. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/report.h"
#include "sensor/source.h"
#include "tests/hwsim/counter_truth.h"
#include "tests/unit/made_tree.h"

#define HARNESS_START_NS UINT64_C(1000000000) /* where the simulator's clock stands after harness_start */

struct harness_tick {
    int64_t end_ns; /* of the simulator's clock, as are the times of reads */
    struct energy_sample *samples;
    size_t n_samples;
};

struct harness {
    struct made_tree tree;
    char folder[96], sysfs[128], procfs[128], devfs[128], clock_path[128], truth_path[128];
    pid_t simulator;        /* 0: none runs */
    int clock_fd;           /* DIR/clock while it runs, else -1: opening it takes longer than a tick */
    int online_fd;          /* of topology_is_unchanged, likewise */
    uint64_t now_ns;        /* the simulator's clock; every clock of the sources is some constant ahead */
    struct clock clock;
    struct host host;
    struct topology topology; /* from harness_open to harness_close */
    const struct source_ops *ops;
    struct source *source;
    void *settings;
    struct report report;
    struct harness_tick *ticks;
    size_t n_ticks, ticks_capacity;
    struct counter_truth *truths; /* after harness_read_truth */
    size_t n_truths;
};

/* What the samples of a counter add up to. */
struct counter_sum {
    double valid_uj, true_uj; /* of the spans of valid samples */
    double used_uj;           /* in the same spans, whatever the counter knew of it */
    double worst_uj;          /* how far one sample is off, beyond what a zone's whole nanojoules cut off */
    double worst_late_uj;     /* how far one is off what was used: by what its first and last update did not hold yet */
    double highest_w;
    int64_t covered_ns;       /* by valid samples */
    size_t n_valid, n_invalid;
};

/* Says what is missing where tests cannot run. */
bool harness_can_run(void);
/* The harness must stay where it is: its host and clock point into it. */
void harness_init(struct harness *harness);
void harness_deinit(struct harness *harness);

/* Starts the simulator (tests/hwsim/machine.h and script.h say how the texts are written; "clock = file" is expected). */
void harness_start(struct harness *harness, const char *machine_text, const char *script_text);
/* Ends the simulator; nothing happens if none runs. */
void harness_stop(struct harness *harness);
void harness_set_clock(struct harness *harness, uint64_t now_ns);

/* Opens a source; forgets the ticks and truths of the one before. */
void harness_open(struct harness *harness, const struct source_ops *ops);
/* Moves the clock and keeps what the source says then. */
void harness_tick(struct harness *harness, uint64_t dt_ns);
/* Closes the source; the ticks stay. */
void harness_close(struct harness *harness);
/* All that: so many ticks of that length, and the truth. */
void harness_run(struct harness *harness, const struct source_ops *ops, size_t n_ticks, uint64_t dt_ns);

/* Takes what the simulator says was true until now. */
void harness_read_truth(struct harness *harness);
struct counter_sum harness_sum(const struct harness *harness, const struct counter_truth *truth);
/* Invalid samples of a counter with that reason. */
size_t harness_count(const struct harness *harness, const struct counter_truth *truth, const char *reason);
/* Valid ones that say it. */
size_t harness_count_noted(const struct harness *harness, const struct counter_truth *truth, const char *note);

/* NULL: no such row in the table of sources. */
const struct source_ops *harness_source(const char *name);
