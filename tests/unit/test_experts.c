/* SPDX-License-Identifier: BSD-3-Clause */
/* The one that is right is followed, also after it changes; what says nothing is left out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "formula/experts.h"

static void the_best_is_followed(void **state)
{
    (void)state;
    struct experts experts = {0};
    for (int i = 0; i < 200; i++) {
        double said[3] = {50 + i % 2, i < 100 ? 50.1 : 80, i < 100 ? 80 : 50.1};
        double predicted = experts_predict(&experts, 3, said);
        if (i > 10 && i < 100)
            assert_true(fabs(predicted - 50.1) < 0.1);
        if (i > 150)
            assert_true(predicted < 51);
        experts_learn(&experts, 3, said, 50);
    }
}

static void silence_is_left_out(void **state)
{
    (void)state;
    struct experts experts = {0};
    double said[2] = {NAN, NAN};
    assert_true(isnan(experts_predict(&experts, 2, said)));
    experts_learn(&experts, 2, said, 10);
    said[1] = 7;
    assert_true(experts_predict(&experts, 2, said) == 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_is_followed),
        cmocka_unit_test(silence_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
