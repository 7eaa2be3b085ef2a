/* SPDX-License-Identifier: BSD-3-Clause */
/* Following a store: what is damaged costs itself, what cannot be read on ends it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/live.h"
#include "tests/unit/store_fixture.h"

/* Power records that say nothing, in a database whose middle is noise. */
static void a_damaged_database_ends_it(void **state)
{
    char path[512];
    struct live live;
    struct error err = {0};
    const struct live_settings settings = {.from_ms = VALUE_ABSENT};
    struct store *store = fixture_open("sqlite", *state, STORE_WRITE);
    for (uint64_t seq = 1; seq <= 2000; seq++)
        fixture_append(store, RECORD_POWER, seq, "auto");
    store_close(store);
    (void)snprintf(path, sizeof(path), "%s/power.db", (const char *)*state);
    fixture_damage(path);
    store = fixture_open("sqlite", *state, STORE_READ);
    assert_int_equal(live_open(&live, store, &settings, &err), 0);
    assert_int_equal(live_step(&live, 0, &err), -EBADMSG);
    assert_non_null(strstr(err.text, path));
    assert_in_range(live.n_bad, 1, 1999);
    live_close(&live);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_damaged_database_ends_it, fixture_make_folder,
                                        fixture_remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
