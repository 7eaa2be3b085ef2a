/* SPDX-License-Identifier: BSD-3-Clause */
/* Live equals post-mortem: a formula that follows an embedded store while it is written says, bit
 * for bit, what a formula says that reads the finished store; and one that starts again goes on
 * where the last one stopped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <math.h>
#include <unistd.h>

#include "common/store/local.h"
#include "formula/reader.h"
#include "tests/replay/fixture.h"

static const struct store_ops *const *const tables[] = {store_table_local, NULL};
static char directory[64], uri[128];

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(directory, sizeof(directory), "/tmp/watt-stream-XXXXXX");
    assert_non_null(mkdtemp(directory));
    (void)snprintf(uri, sizeof(uri), "sqlite:%s", directory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return 0;
}

static struct store *open_store(enum store_mode mode)
{
    struct store *store;
    struct error err = {0};
    if (store_open(&store, uri, mode, tables, NULL, NULL, &err) < 0)
        fail_msg("%s", err.text);
    return store;
}

/* ---- a sensor's records of known load ---- */

static int append_one(const struct document *document, void *context)
{
    struct append_result result;
    struct error err = {0};
    if (store_append(context, document, 1, &result, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(result.n_stored, 1);
    return 0;
}

static void write_tick(struct store *store, unsigned *seed, uint64_t seq)
{
    struct report report;
    report_init(&report);
    report_clear(&report);
    report.key = (struct record_key){.sensor = "node",
                                     .run = "0199d2f4c1a0",
                                     .seq = seq,
                                     .timestamp_ms = INT64_C(1790000000000) + (int64_t)seq * 1000};
    report.dt_ns = 1000000000 + rand_r(seed) % 100000;
    struct energy_sample *sample;
    assert_int_equal(report_add_energy(&report, &sample), 0);
    sample->domain = DOMAIN_PACKAGE;
    sample->package = 0;
    (void)snprintf(sample->source, sizeof(sample->source), "powercap");
    sample->valid = true;
    sample->dt_ns = report.dt_ns;
    assert_int_equal(report_add_event(&report, "cpu_ns"), 0);
    assert_int_equal(report_add_event(&report, "instructions"), 0);
    double watts = 10;
    for (int i = 0; i < 12; i++) {
        static const char *const names[] = {"/l", "/b", "/k", "/c", "/a", "/j",
                                            "/d", "/i", "/e", "/h", "/f", "/g"};
        struct count_row *row;
        assert_int_equal(report_add_target(&report, &row), 0);
        row->target = names[i];
        row->package = 0;
        row->has_counts = true;
        int64_t cpu_ns = rand_r(seed) % 900000000, instructions = cpu_ns * (1 + i % 3);
        report_counts(&report, row)[0] = cpu_ns;
        report_counts(&report, row)[1] = instructions;
        watts += (double)cpu_ns * 2e-9 + (double)instructions * 1e-9;
    }
    report.energy[0].energy_uj = (int64_t)(watts * 1e6);
    bson_t scratch;
    struct error err = {0};
    bson_init(&scratch);
    if (report_encode(&report, &scratch, append_one, store, &err) != 0)
        fail_msg("%s", err.text);
    bson_destroy(&scratch);
    report_deinit(&report);
}

/* ---- live ---- */

struct live {
    struct store *writer;
    unsigned seed;
    uint64_t n_written, n_ticks;
    volatile bool stop;
};

/* The formula has caught up: the sensor writes some more, or it is over. */
static int write_more(void *context)
{
    struct live *live = context;
    if (live->n_written == live->n_ticks) {
        live->stop = true;
        return 0;
    }
    uint64_t n = 1 + live->n_written % 7;
    for (uint64_t i = 0; i < n && live->n_written < live->n_ticks; i++)
        write_tick(live->writer, &live->seed, live->n_written++);
    return 0;
}

static void follow(const char *model, struct live *live, struct outcome *outcome)
{
    struct store *reader = open_store(STORE_READ);
    struct formula *formula = formula_of(model, 2, outcome);
    struct reader_settings settings = {.from_ms = VALUE_ABSENT, .to_ms = VALUE_ABSENT};
    struct error err = {0};
    if (reader_stream(formula, reader, &settings, NULL, &live->stop, write_more, live, &err) < 0)
        fail_msg("%s", err.text);
    formula_free(formula);
    store_close(reader);
}

static void replay(const char *model, struct outcome *outcome)
{
    struct store *reader = open_store(STORE_READ);
    struct formula *formula = formula_of(model, 2, outcome);
    struct reader_settings settings = {.from_ms = VALUE_ABSENT, .to_ms = VALUE_ABSENT};
    volatile bool stop = false;
    uint64_t n_bad;
    struct error err = {0};
    if (reader_replay(formula, reader, &settings, NULL, &stop, &n_bad, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(n_bad, 0);
    assert_int_equal(formula_finish(formula, &err), 0);
    formula_free(formula);
    store_close(reader);
}

static void live_equals_replay(void **state)
{
    const char *model = *state;
    (void)set_up(NULL);
    struct live live = {.writer = open_store(STORE_WRITE), .seed = 12, .n_ticks = 200};
    struct outcome streamed, replayed;
    outcome_init(&streamed, NULL);
    outcome_init(&replayed, NULL);
    write_tick(live.writer, &live.seed, live.n_written++);
    follow(model, &live, &streamed);
    replay(model, &replayed);
    assert_int_equal(streamed.n_records, 200);
    assert_int_equal(replayed.n_records, 200);
    assert_int_equal(streamed.size, replayed.size);
    assert_memory_equal(streamed.bytes, replayed.bytes, streamed.size);
    outcome_free(&streamed);
    outcome_free(&replayed);
    store_close(live.writer);
    (void)tear_down(NULL);
}

/* ---- going on ---- */

static int went_on_after(const char *sensor, struct record_key *ret_last, void *context)
{
    (void)context;
    assert_string_equal(sensor, "node");
    *ret_last = (struct record_key){
        .sensor = "node", .run = "0199d2f4c1a0", .seq = 39, .timestamp_ms = INT64_C(1790000039000)};
    return 1;
}

static void nothing_is_attributed_twice(void **state)
{
    (void)state;
    struct store *writer = open_store(STORE_WRITE);
    unsigned seed = 4;
    for (uint64_t seq = 0; seq < 60; seq++)
        write_tick(writer, &seed, seq);
    store_close(writer);
    struct outcome whole, rest;
    outcome_init(&whole, NULL);
    outcome_init(&rest, NULL);
    replay("auto", &whole);
    struct formula_settings settings = {
        .model = model_find("auto"), .wait_ticks = 2, .resume = went_on_after};
    struct formula *formula;
    assert_int_equal(formula_new(&formula, &settings, NULL, outcome_take, &rest, NULL), 0);
    struct store *reader = open_store(STORE_READ);
    struct reader_settings span = {.from_ms = VALUE_ABSENT, .to_ms = VALUE_ABSENT};
    volatile bool stop = false;
    uint64_t n_bad;
    assert_int_equal(reader_replay(formula, reader, &span, NULL, &stop, &n_bad, NULL), 0);
    formula_free(formula);
    store_close(reader);
    assert_int_equal(rest.n_records, 20);
    assert_memory_equal(rest.bytes, whole.bytes + whole.size - rest.size, rest.size);
    outcome_free(&whole);
    outcome_free(&rest);
}

int main(void)
{
    char auto_model[] = "auto", share_model[] = "share", smartwatts_model[] = "smartwatts";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(live_equals_replay, auto_model),
        cmocka_unit_test_prestate(live_equals_replay, share_model),
        cmocka_unit_test_prestate(live_equals_replay, smartwatts_model),
        cmocka_unit_test_setup_teardown(nothing_is_attributed_twice, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
