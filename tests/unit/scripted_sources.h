/* SPDX-License-Identifier: BSD-3-Clause */
/* Sources that a test scripts: which domains they have, whether they open, what each sample says.
 * Whoever includes this has a source_table of three counters, "first", "second" and "third", and an
 * estimate, "guess", and a ladder. */
#pragma once

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/error.h"
#include "sensor/ladder.h"
#include "tests/unit/made_clock.h"

#define N_SOURCES 4
#define ROWS_MAX 8
#define PKG DOMAIN_BIT(DOMAIN_PACKAGE)
#define RAM DOMAIN_BIT(DOMAIN_DRAM)
#define GPU DOMAIN_BIT(DOMAIN_GPU)
#define WALL DOMAIN_BIT(DOMAIN_WALL)
#define PSYS DOMAIN_BIT(DOMAIN_PSYS)
#define CORE DOMAIN_BIT(DOMAIN_CORE)

struct row {
    enum domain domain;
    int32_t package;
    double range_j, peak_w;
    const char *reason; /* of the next sample, NULL: valid */
    int64_t energy_uj, dt_ns;
    bool is_silent;  /* adds no sample */
    bool is_unmoved; /* neither described nor sampled */
    double power_w;  /* not 0: energy and span are those of the machine's own clock */
    uint64_t last_ns;
};

struct script {
    enum source_availability availability;
    unsigned domains;
    int open_error;
    struct row rows[ROWS_MAX];
    size_t n_rows;
    int n_open, n_reads;
};

static struct script scripts[N_SOURCES];
static uint64_t now_ns;
static int32_t packages[] = {0, 1};
static struct topology topology = {.packages = packages, .n_packages = 2};

struct scripted {
    struct source source;
    struct script *script;
};

static void probe(struct script *script, struct source_probe *ret_probe)
{
    *ret_probe = (struct source_probe){.availability = script->availability,
                                       .domains = script->domains,
                                       .is_energy_counter = script->domains & (PKG | RAM | GPU)};
    (void)snprintf(ret_probe->reason, sizeof(ret_probe->reason), "as scripted");
    (void)snprintf(ret_probe->advice, sizeof(ret_probe->advice), "unlock it");
}

static int describe(const struct source *source, struct host_record *record)
{
    const struct script *script = ((const struct scripted *)source)->script;
    for (size_t i = 0; i < script->n_rows; i++) {
        struct host_source *row;
        if (script->rows[i].is_unmoved)
            continue;
        assert_int_equal(host_record_add_source(record, &row), 0);
        row->domain = script->rows[i].domain;
        row->package = script->rows[i].package;
        row->range_uj =
            script->rows[i].range_j > 0 ? (int64_t)(script->rows[i].range_j * 1e6) : VALUE_ABSENT;
        row->peak_w = script->rows[i].peak_w > 0 ? script->rows[i].peak_w : NAN;
        (void)snprintf(row->source, sizeof(row->source), "%s", source->ops->name);
    }
    return 0;
}

static int read_source(struct source *source, const struct topology *unused, struct report *report)
{
    (void)unused;
    struct script *script = ((struct scripted *)source)->script;
    script->n_reads++;
    for (size_t i = 0; i < script->n_rows; i++) {
        struct row *row = &script->rows[i];
        struct energy_sample *sample;
        if (row->is_silent || row->is_unmoved)
            continue;
        if (row->power_w > 0) {
            uint64_t at_ns = clock_monotonic_ns(&clock_system);
            row->dt_ns = (int64_t)(at_ns - (row->last_ns ? row->last_ns : at_ns));
            row->energy_uj = (int64_t)(row->power_w * (double)row->dt_ns / 1e3);
            row->last_ns = at_ns;
        }
        assert_int_equal(report_add_energy(report, &sample), 0);
        sample->domain = row->domain;
        sample->package = row->package;
        (void)snprintf(sample->source, sizeof(sample->source), "%s", source->ops->name);
        sample->valid = !row->reason;
        if (row->reason) {
            (void)snprintf(sample->reason, sizeof(sample->reason), "%s", row->reason);
            continue;
        }
        sample->energy_uj = row->energy_uj;
        sample->dt_ns = row->dt_ns;
    }
    return 0;
}

static void close_source(struct source *source)
{
    ((struct scripted *)source)->script->n_open--;
    free(source);
}

static int open_source(struct script *script, const struct source_ops *ops, struct source **ret,
                       struct error *err)
{
    if (script->open_error)
        return error_set(err, script->open_error, "it does not open");
    struct scripted *scripted = calloc(1, sizeof(*scripted));
    assert_non_null(scripted);
    *scripted = (struct scripted){.source.ops = ops, .script = script};
    script->n_open++;
    *ret = &scripted->source;
    return 0;
}

#define SCRIPTED(number, word, estimate)                                                           \
    static const struct source_ops source_##number;                                                \
    static void probe_##number(const struct host *host, const struct topology *here,               \
                               const void *settings, struct source_probe *ret_probe)               \
    {                                                                                              \
        (void)host, (void)here, (void)settings;                                                    \
        probe(&scripts[number], ret_probe);                                                        \
    }                                                                                              \
    static int open_##number(struct source **ret_source, const struct host *host,                  \
                             const struct topology *here, const void *settings, struct error *err) \
    {                                                                                              \
        (void)host, (void)here, (void)settings;                                                    \
        return open_source(&scripts[number], &source_##number, ret_source, err);                   \
    }                                                                                              \
    static const struct source_ops source_##number = {.name = (word),                              \
                                                      .about = "scripted",                         \
                                                      .is_estimate = (estimate),                   \
                                                      .is_slow = (number) == 2,                    \
                                                      .capabilities = UINT64_C(1) << (number),     \
                                                      .probe = probe_##number,                     \
                                                      .open = open_##number,                       \
                                                      .describe = describe,                        \
                                                      .read = read_source,                         \
                                                      .close = close_source};

SCRIPTED(0, "first", false)
SCRIPTED(1, "second", false)
SCRIPTED(2, "third", false)
SCRIPTED(3, "guess", true)

const struct source_ops *const source_table[] = {&source_0, &source_1, &source_2, &source_3, NULL};

static const struct clock clock_test = MADE_CLOCK(now_ns);
static const struct host host = {.clock = &clock_test};

/* A usable source of these domains, in packages 0 to n - 1; those of the whole machine have none.
 */
static inline struct script *make_script(size_t number, unsigned domains, int n_packages)
{
    struct script *script = &scripts[number];
    assert_int_equal(script->n_open, 0);
    *script = (struct script){.availability = SOURCE_USABLE, .domains = domains};
    for (int domain = 0; domain < DOMAIN_COUNT; domain++) {
        bool is_whole = domain == DOMAIN_WALL || domain == DOMAIN_PSYS || domain == DOMAIN_MACHINE;
        for (int package = 0; package < (is_whole ? 1 : n_packages); package++) {
            if (domains & DOMAIN_BIT(domain))
                script->rows[script->n_rows++] =
                    (struct row){.domain = (enum domain)domain,
                                 .package = is_whole ? PACKAGE_NONE : package,
                                 .energy_uj = 100,
                                 .dt_ns = (int64_t)NS_PER_S};
        }
    }
    return script;
}

static inline void expect_sources(const struct ladder *ladder, const char *names)
{
    char used[128] = "";
    for (size_t i = 0; i < ladder->n_sources; i++) {
        size_t length = strlen(used);
        (void)snprintf(used + length, sizeof(used) - length, "%s%s", i ? " " : "",
                       ladder->sources[i]->ops->name);
    }
    assert_string_equal(used, names);
}

static struct ladder ladder;

static inline int set_up_sources(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SOURCES; i++)
        scripts[i] = (struct script){.availability = SOURCE_ABSENT};
    now_ns = 1000 * NS_PER_S;
    return 0;
}

/* Whatever was opened is closed. */
static inline int tear_down_sources(void **state)
{
    (void)state;
    ladder_close(&ladder);
    for (size_t i = 0; i < N_SOURCES; i++)
        assert_int_equal(scripts[i].n_open, 0);
    return 0;
}

#define WITH_SOURCES(test) cmocka_unit_test_setup_teardown(test, set_up_sources, tear_down_sources)
