/* SPDX-License-Identifier: BSD-3-Clause */
/* What was configured for a store reaches that store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/store_fixture.h"

static void settings_reach_their_store(void **state)
{
    struct store_settings *settings = NULL;
    struct options *options = NULL;
    struct error err = {0};
    struct store *store = NULL;
    char uri[512];
    int operands;
    (void)snprintf(uri, sizeof(uri), "sqlite:%s", (const char *)*state);
    assert_int_equal(store_settings_new(&settings, fixture_tables), 0);
    assert_int_equal(options_new(&options, "test", "a test", NULL), 0);
    assert_int_equal(store_settings_add(settings, options), 0);
    char *argv[] = {"test", "--max-size", "512K", NULL};
    assert_int_equal(options_parse(options, 3, argv, NULL, NULL, &operands, &err), 0);
    assert_int_equal(store_open(&store, uri, STORE_WRITE, fixture_tables, settings, NULL, &err),
                     -EINVAL);
    assert_non_null(strstr(err.text, "max-size"));
    options_free(options);
    store_settings_free(settings);
    store_settings_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(settings_reach_their_store, fixture_make_folder,
                                        fixture_remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
