/* SPDX-License-Identifier: BSD-3-Clause */
/* What holds from a tick on waits for that tick, in order of arrival. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "common/host_record.h"
#include "formula/notices.h"

static struct record_key key_of(const char *run, uint64_t seq, int64_t timestamp_ms)
{
    struct record_key key = {.sensor = "s", .seq = seq, .timestamp_ms = timestamp_ms};
    (void)snprintf(key.run, sizeof(key.run), "%s", run);
    return key;
}

static void add(struct notices *notices, const char *run, uint64_t seq)
{
    struct host_record host;
    struct document document;
    bson_t scratch = BSON_INITIALIZER;
    host_record_init(&host);
    host.key = key_of(run, seq, 1000 + (int64_t)seq);
    assert_int_equal(host_record_encode(&host, &scratch, &document, NULL), 0);
    assert_int_equal(notices_add(notices, &document), 0);
    host_record_deinit(&host);
    bson_destroy(&scratch);
}

static uint64_t used[8];
static size_t n_used;
static int use_result;

static int use(const struct document *document, void *context)
{
    (void)context;
    used[n_used++] = document->key.seq;
    return use_result;
}

static void they_hold_from_their_tick_on(void **state)
{
    (void)state;
    struct notices notices = {0};
    struct record_key tick = key_of("0000000000aa", 5, 9000);
    n_used = 0;
    use_result = 0;
    add(&notices, "0000000000aa", 5);
    add(&notices, "0000000000aa", 6);
    add(&notices, "0000000000aa", 4);
    add(&notices, "0000000000bb", 0);
    assert_int_equal(notices_take(&notices, &tick, use, NULL), 0);
    assert_true(n_used == 2 && used[0] == 5 && used[1] == 4 && notices.n == 2);
    tick = key_of("0000000000bb", 0, 9000);
    assert_int_equal(notices_take(&notices, &tick, use, NULL), 0);
    assert_true(n_used == 4 && used[2] == 6 && used[3] == 0 && notices.n == 0);
    notices_deinit(&notices);
}

static void ticks_without_run_go_by_time(void **state)
{
    (void)state;
    struct record_key notice = key_of("0000000000aa", 7, 2000);
    struct record_key before = key_of("", 0, 1999), at = key_of("", 0, 2000);
    assert_false(notice_holds(&notice, &before));
    assert_true(notice_holds(&notice, &at));
}

static void a_failure_ends_it_and_keeps_the_rest(void **state)
{
    (void)state;
    struct notices notices = {0};
    struct record_key tick = key_of("0000000000aa", 9, 9000);
    n_used = 0;
    use_result = -ENOMEM;
    for (uint64_t seq = 0; seq < 3; seq++)
        add(&notices, "0000000000aa", seq);
    assert_int_equal(notices_take(&notices, &tick, use, NULL), -ENOMEM);
    assert_true(n_used == 1 && notices.n == 2);
    notices_deinit(&notices);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_hold_from_their_tick_on),
        cmocka_unit_test(ticks_without_run_go_by_time),
        cmocka_unit_test(a_failure_ends_it_and_keeps_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
