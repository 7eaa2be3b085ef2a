/* SPDX-License-Identifier: BSD-3-Clause */
/* What is damaged costs itself and is counted, what cannot go on ends the reading. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/record_reader.h"
#include "tests/unit/store_fixture.h"

struct taken {
    size_t n;
    int64_t bad_ms, last_ms; /* stamps of records that are damaged, and that are one too many */
};

static int take(const struct document *document, void *context, struct error *err)
{
    struct taken *taken = context;
    taken->n++;
    if (document->key.timestamp_ms == taken->bad_ms)
        return error_set(err, -EBADMSG, "damaged inside");
    return document->key.timestamp_ms == taken->last_ms ? error_set(err, -ENOMEM, "full") : 1;
}

/* Three reports, and a line that is none before the last of them. */
static struct store *make_store(void **state)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/records.jsonl", (const char *)*state);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        struct store *store = fixture_open("jsonl", path, STORE_WRITE);
        fixture_append(store, RECORD_RAW, seq, "");
        store_close(store);
        FILE *file = fopen(path, "a");
        assert_non_null(file);
        assert_true(seq != 2 || fputs("no record\n", file) >= 0);
        assert_int_equal(fclose(file), 0);
    }
    return fixture_open("jsonl", path, STORE_READ);
}

static void damage_is_left_out(void **state)
{
    struct error err = {0};
    struct store *store = make_store(state);
    struct taken taken = {.bad_ms = 1000};
    struct record_reader reader = {.take = take, .context = &taken};
    assert_int_equal(record_reader_read(&reader, store, &fixture_all, &err), 0);
    assert_int_equal(taken.n, 3);
    assert_int_equal(reader.n_damaged, 2);
    reader.come_again = true; /* the line is; the record is not */
    assert_int_equal(record_reader_read(&reader, store, &fixture_all, &err), 0);
    assert_int_equal(taken.n, 6);
    assert_int_equal(reader.n_damaged, 3);
    store_close(store);
}

static void an_error_ends_it(void **state)
{
    struct error err = {0};
    struct store *store = make_store(state);
    struct taken taken = {.last_ms = 2000};
    struct record_reader reader = {.take = take, .context = &taken};
    assert_int_equal(record_reader_read(&reader, store, &fixture_all, &err), -ENOMEM);
    assert_string_equal(err.text, "full");
    assert_int_equal(taken.n, 2);
    assert_int_equal(reader.n_damaged, 0);
    store_close(store);
}

/* Behind a damaged page of a database nothing can be read: that ends it, instead of coming again
 * and again. */
static void a_damaged_database_ends_it(void **state)
{
    char path[512];
    struct error err = {0};
    struct store *store = fixture_open("sqlite", *state, STORE_WRITE);
    for (uint64_t seq = 1; seq <= 2000; seq++)
        fixture_append(store, RECORD_RAW, seq, "");
    store_close(store);
    (void)snprintf(path, sizeof(path), "%s/raw.db", (const char *)*state);
    fixture_damage(path);
    store = fixture_open("sqlite", *state, STORE_READ);
    struct taken taken = {0};
    struct record_reader reader = {.take = take, .context = &taken};
    assert_int_equal(record_reader_read(&reader, store, &fixture_all, &err), -EBADMSG);
    assert_non_null(strstr(err.text, path));
    assert_in_range(taken.n, 1, 1999);
    assert_int_equal(reader.n_damaged, 0);
    store_close(store);
}

#define IN_FOLDER(test) \
    cmocka_unit_test_setup_teardown(test, fixture_make_folder, fixture_remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(damage_is_left_out),
        IN_FOLDER(an_error_ends_it),
        IN_FOLDER(a_damaged_database_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
