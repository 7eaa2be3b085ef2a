/* SPDX-License-Identifier: BSD-3-Clause */
/* Counters grow at a constant power where they are not broken. */
#include "tests/hwsim/broken_machine.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/scope.h"
#include "sensor/host_description.h"
#include "tests/hwsim/breakable_tree.h"
#include "tests/unit/made_clock.h"

#define TICKS 5
#define BROKEN_MAX 8
#define COUNTER_W 40.0
#define LATE_UPDATE_NS 10e6 /* energy_meter.c */
#define BOUND_OF_UNKNOWN_W 200e3

struct broken_machines {
    struct breakable_tree trees[RECORDED_MACHINES_MAX];
    size_t n_trees;
};

static uint64_t now_ns;

static const struct clock fake_clock = MADE_CLOCK(now_ns);

struct broken_machines *broken_machines_new(const char *folder)
{
    char *paths[RECORDED_MACHINES_MAX];
    size_t n = recorded_list(folder, paths);
    struct broken_machines *machines = calloc(1, sizeof(*machines));
    if (!machines || n == 0)
        abort();
    for (size_t i = 0; i < n; i++) {
        struct breakable_tree *tree = &machines->trees[machines->n_trees++];
        breakable_tree_init(tree, paths[i]);
        free(paths[i]);
    }
    return machines;
}

void broken_machines_free(struct broken_machines *machines)
{
    for (size_t i = 0; i < machines->n_trees; i++)
        breakable_tree_deinit(&machines->trees[i]);
    free(machines);
}

/* ---- time ---- */

static void advance(struct breakable_tree *tree, uint64_t dt_ns, int64_t *energy_uj)
{
    char text[64];
    *energy_uj += (int64_t)(COUNTER_W * (double)dt_ns / 1e3);
    (void)snprintf(text, sizeof(text), "%" PRId64 "\n", *energy_uj);
    for (size_t i = 0; i < tree->n_files; i++) {
        const struct breakable_file *file = &tree->files[i];
        if (file->is_zone && !file->is_broken)
            breakable_tree_write(tree, file, text, strlen(text));
    }
    now_ns += dt_ns;
}

static uint64_t decide_dt_ns(struct decisions *decisions)
{
    static const uint64_t spans_ns[] = {NS_PER_S,      NS_PER_S, NS_PER_MS,     100 * NS_PER_MS,
                                        10 * NS_PER_S, 0,        600 * NS_PER_S};
    return spans_ns[decisions_next(decisions) % ARRAY_SIZE(spans_ns)];
}

/* ---- what may not come out ---- */

static double bound_uj(const struct energy_sample *sample, const struct host_record *record)
{
    for (size_t i = 0; i < record->n_sources; i++) {
        const struct host_source *row = &record->sources[i];
        if (row->domain == sample->domain && row->package == sample->package &&
            strcmp(row->source, sample->source) == 0 && !isnan(row->peak_w)) {
            double slack_uj = isnan(row->unit_uj) ? 16 : row->unit_uj;
            return row->peak_w * ((double)sample->dt_ns + LATE_UPDATE_NS) / 1e3 + slack_uj + 1;
        }
    }
    return BOUND_OF_UNKNOWN_W * ((double)sample->dt_ns + LATE_UPDATE_NS) / 1e3;
}

static int check_sample(const struct energy_sample *sample, const struct host_record *record,
                        char why[static 400])
{
    const char *wrong = NULL;
    if (!sample->valid)
        wrong = sample->energy_uj != VALUE_ABSENT ? "invalid, and yet an energy"
                : !word_is_valid(sample->reason)  ? "invalid without a reason"
                                                  : NULL;
    else if (sample->energy_uj < 0 || sample->dt_ns < 0)
        wrong = "less than nothing";
    else if ((double)sample->energy_uj > bound_uj(sample, record))
        wrong = "more than its source can draw";
    else if (sample->estimate &&
             (sample->low_uj > sample->energy_uj || sample->energy_uj > sample->high_uj))
        wrong = "outside its bounds";
    if (!wrong)
        return 0;
    (void)snprintf(why, 400, "%s %s-%d: %s: %" PRId64 " uJ in %" PRId64 " ns (%s)", sample->source,
                   domain_name(sample->domain), sample->package, wrong, sample->energy_uj,
                   sample->dt_ns, sample->reason);
    return -1;
}

static void name_record(struct record_key *key)
{
    (void)snprintf(key->sensor, sizeof(key->sensor), "broken");
    (void)snprintf(key->run, sizeof(key->run), "000000000001");
    key->timestamp_ms = 1;
}

static int take_document(const struct document *document, void *context)
{
    (void)document, (void)context;
    return 0;
}

/* What a sensor would write must be records that readers take. */
static int check_records(struct report *report, struct host_record *record, char why[static 400])
{
    struct error err = {0};
    struct document document;
    bson_t scratch = BSON_INITIALIZER;
    name_record(&report->key);
    name_record(&record->key);
    report->valid = true;
    report->dt_ns = 1;
    int r = report_encode(report, &scratch, take_document, NULL, &err);
    if (r == 0)
        r = host_record_encode(record, &scratch, &document, &err);
    struct host_record decoded;
    host_record_init(&decoded);
    if (r == 0)
        r = host_record_decode(&document, &decoded, &err);
    host_record_deinit(&decoded);
    bson_destroy(&scratch);
    if (r < 0)
        (void)snprintf(why, 400, "%.390s", err.text);
    return r < 0 ? -1 : 0;
}

/* ---- a round ---- */

struct round {
    struct breakable_tree *tree;
    struct decisions decisions;
    struct host host;
    struct topology topology;
    struct ladder ladder;
    struct report report;
    struct host_record record;
    int64_t energy_uj;
    int n_valid;
};

static void break_some(struct round *round, int n_most)
{
    int n = decisions_next(&round->decisions) % (n_most + 1);
    for (int i = 0; i < n; i++) {
        size_t number =
            (size_t)decisions_next(&round->decisions) << 8 | decisions_next(&round->decisions);
        size_t limit = number % 4 == 0 ? round->tree->n_files : round->tree->n_few;
        breakable_tree_break(round->tree, &round->tree->files[number / 4 % limit],
                             &round->decisions);
    }
}

static int look(struct round *round, char why[static 400])
{
    const struct measuring measuring = {
        .ladder = &round->ladder, .granularity = GRANULARITY_CGROUP, .interval_ns = NS_PER_S};
    host_record_clear(&round->record);
    if (host_description_fill(&round->record, &round->host, &round->topology, &measuring) < 0)
        return -1;
    for (size_t i = 0; i < round->report.n_energy; i++) {
        if (check_sample(&round->report.energy[i], &round->record, why) < 0)
            return -1;
        round->n_valid += round->report.energy[i].valid;
    }
    return check_records(&round->report, &round->record, why);
}

static int tick(struct round *round, char why[static 400])
{
    struct topology topology;
    break_some(round, 2);
    advance(round->tree, decide_dt_ns(&round->decisions), &round->energy_uj);
    if (topology_has_changed(&round->topology, &round->host) == 1 &&
        topology_read(&topology, &round->host, NULL) == 0) {
        topology_deinit(&round->topology);
        round->topology = topology;
    }
    report_clear(&round->report);
    if (ladder_read(&round->ladder, &round->topology, &round->report) < 0)
        return -1;
    return look(round, why);
}

/* All sources by themselves too, where the ladder would stop at the first. */
static const char *decide_source(struct decisions *decisions)
{
    size_t n = 0;
    while (source_table[n])
        n++;
    size_t choice = decisions_next(decisions) % (2 * n);
    return choice < n ? source_table[choice]->name : "auto";
}

static int measure(struct round *round, char why[static 400])
{
    struct ladder_settings settings = {.energy = decide_source(&round->decisions)};
    int r = 0;
    for (size_t i = 0; source_table[i]; i++) {
        struct source_probe probe = {0};
        source_table[i]->probe(&round->host, &round->topology, NULL, &probe);
    }
    if (ladder_open(&round->ladder, &settings, &round->host, &round->topology, NULL) < 0)
        return 0; /* that one source does not open: so be it */
    for (int i = 0; i < TICKS && r == 0; i++)
        r = tick(round, why);
    ladder_close(&round->ladder);
    return r;
}

int broken_machines_measure(struct broken_machines *machines, const uint8_t *bytes, size_t size,
                            char why[static 400])
{
    struct round round = {.decisions = {bytes, size, 0}, .energy_uj = 1000000};
    round.tree = &machines->trees[decisions_next(&round.decisions) % machines->n_trees];
    const struct recorded *recorded = &round.tree->recorded;
    round.host = (struct host){.sysfs = recorded->sysfs,
                               .procfs = recorded->procfs,
                               .devfs = recorded->devfs,
                               .clock = &fake_clock};
    (void)snprintf(why, 400, "out of memory");
    now_ns = 1000 * NS_PER_S;
    report_init(&round.report);
    host_record_init(&round.record);
    break_some(&round, BROKEN_MAX);
    int r = topology_read(&round.topology, &round.host, NULL);
    if (r == 0) {
        r = measure(&round, why);
        topology_deinit(&round.topology);
    }
    report_deinit(&round.report);
    host_record_deinit(&round.record);
    breakable_tree_mend(round.tree);
    return r < 0 ? -1 : round.n_valid;
}
