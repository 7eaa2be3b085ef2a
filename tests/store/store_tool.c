/* SPDX-License-Identifier: BSD-3-Clause */
/* For the scripts beside it: fills any store with small ticks, and says what any store holds.
 *   store_tool write URI FIRST N    appends the raw records FIRST to FIRST + N - 1 of sensor
 * "nodeA", each after its target record store_tool dense URI            exits 0 and prints N if the
 * store holds exactly the ticks 0 to N - 1, in order, each after its target record */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/remote/remote.h"
#include "common/report.h"
#include "common/scope.h"
#include "common/store/store.h"
#include "common/target_record.h"

static const struct store_ops *const *const tables[] = {store_table_local, store_table_remote,
                                                        NULL};

static int append_document(const struct document *document, void *context)
{
    struct append_result result;
    return store_append(context, document, 1, &result, NULL);
}

static int write_tick(struct store *store, uint64_t seq, bson_t *scratch, struct error *err)
{
    struct report report;
    struct energy_sample *sample;
    struct document document;
    const struct record_key key = {
        .sensor = "nodeA", .run = "0199d2f4c1a0", .seq = seq, .timestamp_ms = (int64_t)seq * 1000};
    const struct target_record target = {.key = key,
                                         .target = "/made",
                                         .target_kind = "cgroup",
                                         .name = "made",
                                         .cgroup_inode = VALUE_ABSENT,
                                         .pid = VALUE_ABSENT,
                                         .start_ticks = VALUE_ABSENT};
    int r = target_record_encode(&target, scratch, &document, err);
    if (r == 0)
        r = append_document(&document, store);
    report_init(&report);
    report.key = key;
    report.valid = true;
    report.dt_ns = 1000000000;
    if (r == 0)
        r = report_add_energy(&report, &sample);
    if (r == 0) {
        sample->domain = DOMAIN_PACKAGE;
        sample->package = 0;
        sample->valid = true;
        (void)snprintf(sample->source, sizeof(sample->source), "made");
        sample->dt_ns = report.dt_ns;
        sample->energy_uj = (int64_t)seq;
        r = report_encode(&report, scratch, append_document, store, err);
    }
    report_deinit(&report);
    return r;
}

static int write_ticks(const char *uri, uint64_t first, uint64_t n, struct error *err)
{
    struct store *store = NULL;
    int r = store_open(&store, uri, STORE_WRITE, tables, NULL, NULL, err);
    bson_t scratch;
    bson_init(&scratch);
    for (uint64_t seq = first; r == 0 && seq < first + n; seq++)
        r = write_tick(store, seq, &scratch, err);
    bson_destroy(&scratch);
    store_close(store);
    return r;
}

/* Reads to the end; -EBADMSG at the first document out of place. */
static int read_ticks(struct cursor *cursor, uint64_t *ret_n, struct error *err)
{
    struct document document;
    uint64_t n = 0;
    int outcome;
    while ((outcome = cursor_next(cursor, &document, err)) == CURSOR_DOCUMENT) {
        enum record_kind expected = n % 2 ? RECORD_RAW : RECORD_TARGET;
        if (document.kind != expected || document.key.seq != n / 2)
            return error_set(err, -EBADMSG, "document %llu is %s", (unsigned long long)n,
                             document.id);
        n++;
    }
    if (outcome == CURSOR_BAD || n % 2)
        return error_set(err, -EBADMSG, "damaged or without its tick at document %llu",
                         (unsigned long long)n);
    *ret_n = n / 2;
    return outcome;
}

static int print_dense(const char *uri, struct error *err)
{
    struct store *store = NULL;
    struct cursor *cursor = NULL;
    const struct store_query query = {.from_ms = VALUE_ABSENT, .to_ms = VALUE_ABSENT};
    uint64_t n = 0;
    int r = store_open(&store, uri, STORE_READ, tables, NULL, NULL, err);
    if (r == 0)
        r = store_query(store, &query, &cursor, err);
    if (r == 0)
        r = read_ticks(cursor, &n, err);
    if (r == 0)
        (void)printf("%llu\n", (unsigned long long)n);
    cursor_close(cursor);
    store_close(store);
    return r;
}

int main(int argc, char **argv)
{
    struct error err = {0};
    int r = -EINVAL;
    remote_init(NULL);
    if (argc == 5 && !strcmp(argv[1], "write"))
        r = write_ticks(argv[2], strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10), &err);
    else if (argc == 3 && !strcmp(argv[1], "dense"))
        r = print_dense(argv[2], &err);
    if (r < 0)
        (void)fprintf(stderr, "store_tool: %s\n", err.text[0] ? err.text : strerror(-r));
    remote_cleanup();
    return error_exit_status(r);
}
