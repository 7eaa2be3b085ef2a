/* SPDX-License-Identifier: BSD-3-Clause */
/* libFuzzer target: which files of a machine are broken, and how. Started in the source folder. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/hwsim/broken_machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct broken_machines *machines;

static void clean_up(void)
{
    broken_machines_free(machines);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char why[400];
    if (!machines) {
        machines = broken_machines_new("tests/fixtures/machines");
        (void)atexit(clean_up);
    }
    if (broken_machines_measure(machines, bytes, size, why) >= 0)
        return 0;
    (void)fprintf(stderr, "%s\n", why);
    abort();
}
