/* SPDX-License-Identifier: BSD-3-Clause */
/* The machines of tests/fixtures/machines with broken files, hundreds of times with fixed
 * seeds. Run
 * with -fsanitize=address,undefined, where anything out of bounds ends the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/hwsim/broken_machine.h"
#include "tests/unit/random_records.h"

#define N_ROUNDS 200

static void nothing_impossible_comes_out(void **state)
{
    (void)state;
    int n_valid = 0;
    struct broken_machines *machines = broken_machines_new("tests/fixtures/machines");
    for (uint64_t seed = 1; seed <= N_ROUNDS; seed++) {
        uint8_t bytes[256];
        uint64_t random = seed;
        char why[400];
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (uint8_t)random_next(&random);
        int n = broken_machines_measure(machines, bytes, sizeof(bytes), why);
        if (n < 0)
            fail_msg("seed %d: %s", (int)seed, why);
        n_valid += n;
    }
    broken_machines_free(machines);
    print_message("%d valid samples\n", n_valid);
    assert_true(n_valid > 3 * N_ROUNDS); /* it was not all in vain */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_impossible_comes_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
