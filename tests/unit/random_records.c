/* SPDX-License-Identifier: BSD-3-Clause */
/* Seeded records. Values lie where codecs go wrong: absent, zero, the largest, above 2^53, names
 * with quotes, backslashes, escapes and letters beyond ASCII. */
#include "tests/unit/random_records.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/scope.h"

#define POOL_NAMES 65536
#define POOL_NAME_SIZE 96

/* Made on first use, never freed, always the same. */
static char pool[POOL_NAMES][POOL_NAME_SIZE];

static const char *pool_name(size_t index)
{
    static const char *const shapes[] = {
        "/system.slice/unit-%zu.service",
        "/user.slice/\"quoted\"\\%zu",
        "/docker/%zu:%%2017@424242",
        "/gr\xc3\xbc\xc3\237e/\xe2\x82\xac/\xf0\x9f\x94\xa5-%zu",
        "/a/b c\xc2\xa0\td-%zu",
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod00000000_%zu.slice/x.scope",
    };
    char *name = pool[index % POOL_NAMES];
    if (name[0] == '\0') {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        (void)snprintf(name, POOL_NAME_SIZE, shapes[index % ARRAY_SIZE(shapes)],
                       index % POOL_NAMES);
#pragma GCC diagnostic pop
    }
    return name;
}

uint64_t random_next(uint64_t *state)
{
    /* splitmix64: every seed, 0 included, starts well. */
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t random_below(uint64_t *state, uint64_t limit)
{
    return random_next(state) % limit;
}

static bool chance(uint64_t *state, unsigned one_in)
{
    return random_below(state, one_in) == 0;
}

double random_double(uint64_t *state)
{
    static const double hard[] = {
        0.0,
        0.1,
        1.0 / 3.0,
        23.12,
        1e-300,
        5e-324,
        1.7976931348623157e308,
        9007199254740993.0,
        1e15,
        1e16,
        123456789.125,
        4.35,
        2.5e-7,
    };
    if (chance(state, 3))
        return hard[random_below(state, ARRAY_SIZE(hard))];
    if (chance(state, 2))
        return (double)random_below(state, 100000000) / 1e6;
    uint64_t bits = random_next(state) & INT64_MAX;
    double value;
    memcpy(&value, &bits, sizeof(value));
    return isfinite(value) ? value : 1.0;
}

static double double_or_absent(uint64_t *state)
{
    return chance(state, 5) ? (double)NAN : random_double(state);
}

static int64_t amount(uint64_t *state)
{
    static const int64_t edges[] = {
        0,
        1,
        INT32_MAX,
        INT64_C(2147483648),
        (INT64_C(1) << 53) - 1,
        (INT64_C(1) << 53) + 1,
        AMOUNT_MAX,
    };
    if (chance(state, 3))
        return edges[random_below(state, ARRAY_SIZE(edges))];
    return (int64_t)(random_next(state) >> (2 + random_below(state, 60)));
}

static int64_t amount_or_absent(uint64_t *state)
{
    return chance(state, 5) ? VALUE_ABSENT : amount(state);
}

static int32_t package(uint64_t *state)
{
    return (int32_t)random_below(state, 4) - 1;
}

static void word(uint64_t *state, char text[static WORD_SIZE])
{
    static const char *const words[] = {
        "powercap", "counter_reset", "not_counted", "a", "abcdefghijklmnopqrstuvw", "x86_64_0",
    };
    (void)snprintf(text, WORD_SIZE, "%s", words[random_below(state, ARRAY_SIZE(words))]);
}

static void word_or_none(uint64_t *state, char text[static WORD_SIZE])
{
    text[0] = '\0';
    if (chance(state, 2))
        word(state, text);
}

static void reasons(uint64_t *state, struct reasons *reasons)
{
    reasons->n_words = 0;
    for (uint64_t n = random_below(state, 4); n > 0; n--) {
        char text[WORD_SIZE];
        word(state, text);
        reasons_add(reasons, text);
    }
}

static void key(uint64_t *state, struct record_key *ret_key, uint64_t seed)
{
    static const char *const sensors[] = {"nodeA", "node-b.example.org", "_", "9"};
    (void)snprintf(ret_key->sensor, sizeof(ret_key->sensor), "%s",
                   sensors[random_below(state, ARRAY_SIZE(sensors))]);
    (void)snprintf(ret_key->run, sizeof(ret_key->run), "%012" PRIx64,
                   UINT64_C(0x0199d2f4c1a0) + random_below(state, 3));
    ret_key->seq = seed & ((UINT64_C(1) << 48) - 1);
    ret_key->timestamp_ms = (int64_t)(UINT64_C(1767225600000) + random_below(state, 86400000));
}

static void count_row(uint64_t *state, struct report *report, struct count_row *row)
{
    row->package = package(state);
    row->has_counts = !chance(state, 6);
    if (row->has_counts) {
        for (size_t i = 0; i < report->n_events; i++)
            report_counts(report, row)[i] = amount_or_absent(state);
    }
    row->enabled_ns = amount_or_absent(state);
    row->running_ns = amount_or_absent(state);
    word_or_none(state, row->reason);
}

/* Out of memory ends a test program. */
static void must(int r)
{
    if (r < 0)
        abort();
}

static void energy(uint64_t *state, struct energy_sample *sample)
{
    sample->domain = (enum domain)random_below(state, DOMAIN_COUNT);
    sample->package = package(state);
    word(state, sample->source);
    sample->valid = !chance(state, 4);
    sample->estimate = chance(state, 4);
    sample->skew_ns = chance(state, 3) ? VALUE_ABSENT : (chance(state, 2) ? -5000 : 210000);
    if (sample->valid) {
        sample->dt_ns = amount(state);
        sample->energy_uj = amount(state);
    }
    if (sample->estimate) {
        sample->low_uj = amount_or_absent(state);
        sample->high_uj = amount_or_absent(state);
    }
    word_or_none(state, sample->reason);
}

static void report_head(uint64_t *state, struct report *report, uint64_t seed)
{
    static const char *const events[] = {"cpu_ns",     "instructions", "cycles",
                                         "ref_cycles", "llc_misses",   "skl::WEIRD:\"EVENT\""};
    report_clear(report);
    key(state, &report->key, seed);
    report->dt_ns = amount_or_absent(state);
    report->valid = !chance(state, 5);
    reasons(state, &report->reasons);
    report->missed = (int64_t)random_below(state, 3);
    for (uint64_t n = random_below(state, 4); n > 0; n--) {
        struct energy_sample *sample;
        must(report_add_energy(report, &sample));
        energy(state, sample);
    }
    for (uint64_t n = random_below(state, 3); n > 0; n--) {
        struct clock_sample *sample;
        must(report_add_clock(report, &sample));
        sample->package = package(state);
        sample->tsc = amount_or_absent(state);
        sample->aperf = amount_or_absent(state);
        sample->mperf = amount_or_absent(state);
    }
    for (size_t n = random_below(state, ARRAY_SIZE(events) + 1), i = 0; i < n; i++)
        must(report_add_event(report, events[i]));
    for (uint64_t n = random_below(state, 3); n > 0; n--) {
        struct count_row *row;
        must(report_add_total(report, &row));
        count_row(state, report, row);
    }
}

static void report_targets(uint64_t *state, struct report *report, size_t n_targets, size_t first)
{
    for (size_t i = 0; i < n_targets; i++) {
        struct count_row *row;
        must(report_add_target(report, &row));
        row->target = i == 0 ? OTHER_TARGET : pool_name(first + i);
        count_row(state, report, row);
    }
}

void random_report(struct report *report, uint64_t seed)
{
    uint64_t state = seed;
    report_head(&state, report, seed);
    if (chance(&state, 10)) {
        report->parts = 3;
        report->part = 1 + (int32_t)random_below(&state, 3);
        if (report->part > 1)
            report->n_energy = report->n_clock = report->n_total = 0;
    }
    report_targets(&state, report, random_below(&state, 12), random_below(&state, POOL_NAMES));
}

void random_large_report(struct report *report, size_t n_targets, uint64_t seed)
{
    uint64_t state = seed;
    report_head(&state, report, seed);
    report_targets(&state, report, n_targets, 0);
}

static void balance(uint64_t *state, struct balance_row *row)
{
    row->domain = (enum domain)random_below(state, DOMAIN_COUNT);
    row->package = package(state);
    row->dt_ns = amount_or_absent(state);
    row->measured_uj = amount_or_absent(state);
    row->measured_w = double_or_absent(state);
    row->measured_low_w = double_or_absent(state);
    row->measured_high_w = double_or_absent(state);
    row->predicted_w = double_or_absent(state);
    row->idle_w = double_or_absent(state);
    row->dynamic_w = double_or_absent(state);
    row->unattributed_w = double_or_absent(state);
    row->sigma_w = double_or_absent(state);
    row->estimate = chance(state, 2);
    word_or_none(state, row->reason);
}

void random_power(struct power_record *power, uint64_t seed)
{
    static const char *const labels[] = {"auto", "smartwatts-2", "A.b_c"};
    uint64_t state = seed;
    power_record_clear(power);
    key(&state, &power->key, seed);
    power->dt_ns = amount_or_absent(&state);
    (void)snprintf(power->label, sizeof(power->label), "%s", labels[random_below(&state, 3)]);
    word(&state, power->model);
    power->valid = chance(&state, 2);
    reasons(&state, &power->reasons);
    if (chance(&state, 10))
        power->part = power->parts = 2;
    for (uint64_t n = power->parts ? 0 : random_below(&state, 4); n > 0; n--) {
        struct balance_row *row;
        must(power_record_add_balance(power, &row));
        balance(&state, row);
    }
    size_t first = random_below(&state, POOL_NAMES);
    for (size_t n = random_below(&state, 10), i = 0; i < n; i++) {
        struct power_row *row;
        must(power_record_add_target(power, &row));
        row->target = pool_name(first + i);
        row->domain = (enum domain)random_below(&state, DOMAIN_COUNT);
        row->package = package(&state);
        row->dynamic_w = double_or_absent(&state);
        row->static_w = double_or_absent(&state);
        row->dynamic_uj = amount_or_absent(&state);
        row->share = double_or_absent(&state);
        row->sigma_w = double_or_absent(&state);
    }
}

void random_host(struct host_record *host, uint64_t seed)
{
    uint64_t state = seed;
    host_record_clear(host);
    key(&state, &host->key, seed);
    (void)snprintf(host->boot_id, sizeof(host->boot_id), "%s",
                   chance(&state, 3) ? "" : "3c6f9f0a-27b7-4a0e-9d1c-000000000001");
    (void)snprintf(host->version, sizeof(host->version), "0.1.%u",
                   (unsigned)random_below(&state, 100));
    (void)snprintf(host->cpu_vendor, sizeof(host->cpu_vendor), "%s",
                   chance(&state, 3) ? "" : "GenuineIntel");
    (void)snprintf(host->cpu_name, sizeof(host->cpu_name), "%s",
                   chance(&state, 3) ? "" : "Intel(R) \"Xeon\"\\ @ 2.10GHz \xc2\xae");
    host->cpu_family = amount_or_absent(&state);
    host->cpu_model = amount_or_absent(&state);
    word_or_none(&state, host->engine);
    (void)snprintf(host->granularity, sizeof(host->granularity), "process");
    host->interval_ns = amount_or_absent(&state);
    for (uint64_t n = random_below(&state, 3); n > 0; n--) {
        struct host_package *row;
        must(host_record_add_package(host, &row));
        row->package = package(&state);
        row->cpus = amount_or_absent(&state);
        row->base_hz = amount_or_absent(&state);
        row->max_hz = amount_or_absent(&state);
        row->max_w = double_or_absent(&state);
    }
    for (uint64_t n = random_below(&state, 4); n > 0; n--) {
        struct host_source *row;
        must(host_record_add_source(host, &row));
        row->domain = (enum domain)random_below(&state, DOMAIN_COUNT);
        row->package = package(&state);
        word(&state, row->source);
        row->unit_uj = double_or_absent(&state);
        row->range_uj = amount_or_absent(&state);
        row->peak_w = double_or_absent(&state);
        row->floor_w = double_or_absent(&state);
    }
    for (uint64_t n = random_below(&state, 4); n > 0; n--) {
        struct host_event *row;
        must(host_record_add_event(host, &row));
        (void)snprintf(row->name, sizeof(row->name), "event_%u", (unsigned)n);
        (void)snprintf(row->event, sizeof(row->event), "%s",
                       chance(&state, 2) ? "" : "skl::INST_RETIRED:ANY_P");
        (void)snprintf(row->pmu, sizeof(row->pmu), "%s", chance(&state, 2) ? "" : "cpu");
    }
    for (uint64_t n = random_below(&state, 4); n > 0; n--) {
        struct host_invalid *row;
        must(host_record_add_invalid(host, &row));
        row->domain = (enum domain)random_below(&state, DOMAIN_COUNT);
        row->package = chance(&state, 3) ? PACKAGE_NONE : (int32_t)random_below(&state, 8);
        word_or_none(&state, row->source);
        word_or_none(&state, row->reason);
        row->count = amount_or_absent(&state);
    }
}

static const char *text_or_none(uint64_t *state)
{
    return chance(state, 3) ? NULL : pool_name(random_below(state, POOL_NAMES));
}

void random_target(struct target_record *target, uint64_t seed)
{
    static const char *const kinds[] = {"process", "container", "unit", "vm", "other"};
    uint64_t state = seed;
    *target = (struct target_record){0};
    key(&state, &target->key, seed);
    target->ordinal = (uint32_t)random_next(&state);
    target->target = pool_name(random_below(&state, POOL_NAMES));
    target->target_kind = kinds[random_below(&state, ARRAY_SIZE(kinds))];
    target->name = text_or_none(&state);
    target->cgroup = text_or_none(&state);
    target->cgroup_inode = amount_or_absent(&state);
    target->pid = amount_or_absent(&state);
    target->start_ticks = amount_or_absent(&state);
    target->comm = text_or_none(&state);
    target->user = text_or_none(&state);
    target->container = text_or_none(&state);
    target->unit = text_or_none(&state);
    target->pod = text_or_none(&state);
}

static void hwpc_leaf(uint64_t *state, struct hwpc_report *hwpc, const char *group,
                      const char *package_id, const char *cpu)
{
    static const char *const events[] = {"INSTRUCTIONS_RETIRED", "LLC_MISSES", "time_enabled",
                                         "time_running",         "A:B:C",      "x\"y"};
    size_t n_events = 1 + random_below(state, ARRAY_SIZE(events));
    for (size_t i = 0; i < n_events; i++) {
        struct hwpc_value *value;
        must(hwpc_report_add(hwpc, &value));
        *value =
            (struct hwpc_value){group, package_id, cpu, events[i],
                                (double)(random_next(state) >> (11 + random_below(state, 53)))};
    }
}

void random_hwpc(struct hwpc_report *hwpc, uint64_t seed)
{
    static const char *const numbers[] = {"0", "1", "2", "3"};
    static const char *const groups[] = {"rapl", "msr", "core", "my group"};
    uint64_t state = seed;
    struct record_key where;
    key(&state, &where, seed);
    hwpc->timestamp_ms = where.timestamp_ms;
    (void)snprintf(hwpc->sensor, sizeof(hwpc->sensor), "%s", where.sensor);
    hwpc->target = chance(&state, 2) ? ALL_TARGET : pool_name(seed);
    hwpc->n_values = 0;
    for (size_t n = 1 + random_below(&state, 4), g = 0; g < n; g++) {
        for (size_t m = 1 + random_below(&state, 2), p = 0; p < m; p++) {
            for (size_t o = 1 + random_below(&state, 4), c = 0; c < o; c++)
                hwpc_leaf(&state, hwpc, groups[g], numbers[p], numbers[c]);
        }
    }
}

void random_power_report(struct power_report *report, uint64_t seed)
{
    static const char *const scopes[] = {"cpu", "dram", "gpu", "machine"};
    static const char *const targets[] = {"rapl", "global", "unattributed", "idle"};
    uint64_t state = seed;
    struct record_key where;
    key(&state, &where, seed);
    *report = (struct power_report){.timestamp_ms = where.timestamp_ms};
    (void)snprintf(report->sensor, sizeof(report->sensor), "%s", where.sensor);
    report->target = chance(&state, 2) ? targets[random_below(&state, 4)] : pool_name(seed);
    report->power_w = random_double(&state);
    report->scope = scopes[random_below(&state, 4)];
    report->socket = chance(&state, 3) ? NULL : "1";
    report->formula = chance(&state, 3) ? NULL : "auto";
    report->ratio = double_or_absent(&state);
}
