/* SPDX-License-Identifier: BSD-3-Clause */
/* Processes of one cgroup and command are kin, whatever their numbers; nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "formula/kin.h"

static void processes_of_a_kind_are_kin(void **state)
{
    (void)state;
    uint64_t first = kin_of("/a/b:17@4242", "/a/b", "cc1");
    assert_true(first == kin_of("/a/b:18@999999", "/a/b", "cc1"));
    assert_true(first == kin_of("/a/b:18@1", NULL, "cc1"));
    assert_true(first == kin_of("/a/b:cc1", NULL, NULL));
    assert_true(first != kin_of("/a/b:17@4242", "/a/b", "ld"));
    assert_true(first != kin_of("/a/c:17@4242", "/a/c", "cc1"));
    assert_true(kin_of("/a/b:17@1", NULL, NULL) == kin_of("/a/b:18@2", NULL, NULL));
}

static void other_names_are_themselves(void **state)
{
    (void)state;
    const char *const names[] = {"",    "other", "/",     "@1",    ":@",
                                 ":1@", "/a@1",  "/a:@1", "/a:1@", "a:1@x"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        for (size_t j = 0; j < sizeof(names) / sizeof(*names); j++)
            assert_true((kin_of(names[i], "/c", "d") == kin_of(names[j], NULL, NULL)) == (i == j));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processes_of_a_kind_are_kin),
        cmocka_unit_test(other_names_are_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
