/* SPDX-License-Identifier: BSD-3-Clause */
/* The harness of a test program, as fixtures for cmocka: a group's or a single test's. Whoever includes this has a harness. */
#pragma once

#include "tests/hwsim/harness.h"

#define CANNOT_RUN 77 /* exit status of a test that lacks what it needs */

static struct harness harness;

static inline int harness_set_up(void **state)
{
    (void)state;
    harness_init(&harness);
    return 0;
}

/* After a test that may have failed half-way: the next one starts a machine of its own. */
static inline int harness_end_machine(void **state)
{
    (void)state;
    harness_close(&harness);
    harness_stop(&harness);
    return 0;
}

static inline int harness_tear_down(void **state)
{
    (void)state;
    harness_deinit(&harness);
    return 0;
}
