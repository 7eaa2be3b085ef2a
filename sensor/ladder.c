/* SPDX-License-Identifier: BSD-3-Clause */
/* A probe says which domains a source has; which packages, only the open source does. So sources
 * are opened one after the other and asked, and one that turns out to add nothing is closed again.
 *
 * What was published must not be published twice. A source that could not be read keeps its
 * baseline at times, and its next sample then covers the time in which another stood in for it:
 * such a sample is passed over. Spans of one source follow each other, so that only a change of
 * source is looked at. */
#include "sensor/ladder.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "common/error.h"
#include "common/log.h"
#include "common/scope.h"
#include "sensor/ladder_slot.h"
#include "sensor/probe_apart.h"
#include "sensor/slow_source.h"

#define ATTRIBUTED                                                                   \
    (DOMAIN_BIT(DOMAIN_PACKAGE) | DOMAIN_BIT(DOMAIN_DRAM) | DOMAIN_BIT(DOMAIN_GPU) | \
     DOMAIN_BIT(DOMAIN_MACHINE))
#define OF_CPUS (ATTRIBUTED & ~DOMAIN_BIT(DOMAIN_GPU))
/* Of the machine as a whole: they have no package. */
#define WHOLE (DOMAIN_BIT(DOMAIN_MACHINE) | DOMAIN_BIT(DOMAIN_PSYS) | DOMAIN_BIT(DOMAIN_WALL))

#define VIRTUAL                                                                             \
    "its hypervisor shows none; measure on the host, or have them shown (QEMU: -accel kvm," \
    "rapl=true)"
#define PATIENCE_MAX_NS (100 * NS_PER_MS) /* with what may block, in a tick */

/* The sources on their way to being opened. */
struct climb {
    const struct ladder_settings *settings;
    const struct topology *topology;
    struct ladder_probes *probes;
    struct host_record given; /* sources[]: what the open ones give */
    bool is_locked;           /* an energy counter is there, and cannot be used */
};

/* ---- opening ---- */

static const void *own_settings(const struct ladder_settings *settings, int row)
{
    return settings->source_settings ? settings->source_settings[row] : NULL;
}

static void join_source_names(char *text, size_t size)
{
    text[0] = '\0';
    for (size_t i = 0; source_table[i]; i++) {
        size_t length = strlen(text);
        (void)snprintf(text + length, size - length, ", %s", source_table[i]->name);
    }
}

static int find_row(const char *name, struct error *err)
{
    char names[200];
    for (int row = 0; source_table[row]; row++) {
        if (strcmp(source_table[row]->name, name) == 0)
            return row;
    }
    join_source_names(names, sizeof(names));
    return error_set(err, -EINVAL, "\"%s\": no such source; there are auto%s", name, names);
}

int ladder_check_name(const char *name, struct error *err)
{
    int row = strcmp(name, "auto") == 0 ? 0 : find_row(name, err);
    return row < 0 ? row : 0;
}

static bool has_row(const struct host_record *record, size_t n_rows, enum domain domain,
                    int32_t package)
{
    for (size_t i = 0; i < n_rows; i++) {
        if (record->sources[i].domain == domain && record->sources[i].package == package)
            return true;
    }
    return false;
}

/* The open sources give the domain: psys may be silent until it moves, packages may not. */
static bool is_given(const struct ladder *ladder, const struct climb *climb, enum domain domain)
{
    const struct topology *topology = climb->topology;
    unsigned domains = 0;
    for (size_t i = 0; i < ladder->n_sources; i++)
        domains |= ladder->domains[i];
    if (domain == DOMAIN_GPU || !(domains & DOMAIN_BIT(domain)))
        return false;
    for (size_t i = 0; i < topology->n_packages && !(WHOLE & DOMAIN_BIT(domain)); i++) {
        if (!has_row(&climb->given, climb->given.n_sources, domain, topology->packages[i]))
            return false;
    }
    return true;
}

static bool may_add(const struct ladder *ladder, const struct climb *climb, unsigned domains)
{
    for (int domain = 0; domain < DOMAIN_COUNT; domain++) {
        if ((domains & DOMAIN_BIT(domain)) && !is_given(ladder, climb, (enum domain)domain))
            return true;
    }
    return false;
}

/* 1 if the source, which was just opened, adds nothing after all. */
static int note_given(const struct ladder *ladder, struct climb *climb, const struct source *source,
                      unsigned wanted)
{
    struct host_record *given = &climb->given;
    size_t n_before = given->n_sources;
    bool adds = may_add(ladder, climb, wanted & WHOLE);
    int r = source->ops->describe(source, given);
    for (size_t i = n_before; i < given->n_sources && r >= 0; i++) {
        const struct host_source *row = &given->sources[i];
        adds |= (wanted & DOMAIN_BIT(row->domain)) &&
                !has_row(given, n_before, row->domain, row->package);
    }
    if (r < 0)
        return r;
    if (!adds)
        given->n_sources = n_before;
    return adds ? 0 : 1;
}

/* Keeps the order of the table, in which packages' sources and others are mixed. */
static void insert(struct ladder *ladder, struct source *source, unsigned domains)
{
    size_t at = ladder->n_sources++;
    int row = find_row(source->ops->name, NULL);
    for (; at > 0 && find_row(ladder->sources[at - 1]->ops->name, NULL) > row; at--) {
        ladder->sources[at] = ladder->sources[at - 1];
        ladder->domains[at] = ladder->domains[at - 1];
    }
    ladder->sources[at] = source;
    ladder->domains[at] = domains;
}

static void note_locked(struct ladder *ladder, struct climb *climb, int row, const char *reason,
                        const char *advice)
{
    if (!climb->is_locked)
        (void)snprintf(ladder->why, sizeof(ladder->why), "%s: %s%s%s", source_table[row]->name,
                       reason, advice[0] ? "; " : "", advice);
    climb->is_locked = true;
}

/* Opens a source that may give the wanted domains. One that fails is left behind. */
static int step_on(struct ladder *ladder, struct climb *climb, int row,
                   const struct source_probe *probe, unsigned wanted)
{
    struct source *source;
    struct error why = {0};
    int r = slow_source_open(&source, source_table[row], ladder->host, climb->topology,
                             own_settings(climb->settings, row), &why);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        const char *text = why.text[0] ? why.text : strerror(-r);
        log_warning(ladder->host->log, "energy source %s is left out: %s", source_table[row]->name,
                    text);
        if (probe->is_energy_counter)
            note_locked(ladder, climb, row, text, "");
        return 0;
    }
    r = note_given(ladder, climb, source, wanted);
    if (r != 0)
        source->ops->close(source);
    else
        insert(ladder, source, probe->domains);
    return r < 0 ? r : 0;
}

const struct source_probe *ladder_probe(struct ladder_probes *probes,
                                        const struct ladder_settings *settings,
                                        const struct host *host, const struct topology *topology,
                                        int row)
{
    struct source_probe *probe = &probes->rows[row];
    if (probes->is_probed[row])
        return probe;
    probes->is_probed[row] = true;
    probes->is_silent[row] = !probe_apart(source_table[row], host, topology,
                                          own_settings(settings, row), PROBE_APART_LIMIT_NS, probe);
    if (probes->is_silent[row])
        log_warning(host->log, "energy source %s is left out: %s; %s", source_table[row]->name,
                    probe->reason, probe->advice);
    return probe;
}

static const struct source_probe *probe_of(const struct ladder *ladder, const struct climb *climb,
                                           int row)
{
    return ladder_probe(climb->probes, climb->settings, ladder->host, climb->topology, row);
}

/* Goes through the table once: for counters of attributed domains, then for those of none. */
static int climb_counters(struct ladder *ladder, struct climb *climb, bool is_for_attributed,
                          struct error *err)
{
    for (int row = 0; row < LADDER_SOURCES_MAX && source_table[row]; row++) {
        if (source_table[row]->is_estimate)
            continue;
        const struct source_probe *probe = probe_of(ladder, climb, row);
        bool is_attributed = probe->domains & ATTRIBUTED;
        unsigned wanted = is_attributed ? probe->domains & ATTRIBUTED : probe->domains;
        if (probe->availability == SOURCE_MISCONFIGURED)
            return error_set(err, -EDOM, "%s", probe->reason);
        if (is_attributed != is_for_attributed)
            continue;
        if (probe->availability == SOURCE_UNREADABLE && probe->is_energy_counter)
            note_locked(ladder, climb, row, probe->reason, probe->advice);
        if (probe->availability != SOURCE_USABLE || !may_add(ladder, climb, wanted))
            continue;
        int r = step_on(ladder, climb, row, probe, wanted);
        if (r < 0)
            return r;
    }
    return 0;
}

static int climb_estimates(struct ladder *ladder, struct climb *climb, struct error *err)
{
    (void)snprintf(ladder->why, sizeof(ladder->why), "this machine has no energy counter%s",
                   climb->topology->is_virtual ? ": " VIRTUAL : "");
    for (int row = 0; row < LADDER_SOURCES_MAX && source_table[row]; row++) {
        if (!source_table[row]->is_estimate)
            continue;
        const struct source_probe *probe = probe_of(ladder, climb, row);
        if (probe->availability == SOURCE_MISCONFIGURED)
            return error_set(err, -EDOM, "%s", probe->reason);
        if (probe->availability == SOURCE_USABLE)
            return step_on(ladder, climb, row, probe, probe->domains);
        (void)snprintf(ladder->why, sizeof(ladder->why),
                       "this machine has no energy counter, and %s cannot estimate: %s",
                       source_table[row]->name, probe->reason);
    }
    return 0;
}

static unsigned domains_of(const struct ladder *ladder)
{
    unsigned domains = 0;
    for (size_t i = 0; i < ladder->n_sources; i++)
        domains |= ladder->domains[i];
    return domains;
}

static int open_all(struct ladder *ladder, struct climb *climb, struct error *err)
{
    int r = climb_counters(ladder, climb, true, err);
    if (r >= 0)
        r = climb_counters(ladder, climb, false, err);
    if (r >= 0 && !(domains_of(ladder) & OF_CPUS) && !climb->is_locked)
        return climb_estimates(ladder, climb, err);
    if (domains_of(ladder) & OF_CPUS)
        ladder->why[0] = '\0';
    if (r >= 0)
        r = cross_check_open(&ladder->check, ladder, climb->probes->rows,
                             climb->settings->source_settings, climb->topology);
    return r;
}

static int open_named(struct ladder *ladder, struct climb *climb, int row, struct error *err)
{
    struct error why = {0};
    const struct source_probe *probe =
        source_table[row]->is_slow ? probe_of(ladder, climb, row) : NULL;
    if (probe && climb->probes->is_silent[row])
        return error_set(err, -ETIMEDOUT, "energy source %s: %s; %s", source_table[row]->name,
                         probe->reason, probe->advice);
    int r = slow_source_open(&ladder->sources[0], source_table[row], ladder->host, climb->topology,
                             own_settings(climb->settings, row), &why);
    if (r < 0)
        return error_set(err, r, "energy source %s: %s", source_table[row]->name,
                         why.text[0] ? why.text : strerror(-r));
    ladder->n_sources = 1;
    return 0;
}

int ladder_open(struct ladder *ret_ladder, const struct ladder_settings *settings,
                const struct host *host, const struct topology *topology, struct error *err)
{
    struct ladder ladder = {.host = host, .settings = *settings};
    struct ladder_probes probes = {0};
    struct climb climb = {.settings = settings,
                          .topology = topology,
                          .probes = settings->probes ? settings->probes : &probes};
    ladder.settings.probes = NULL;
    bool is_auto = strcmp(settings->energy, "auto") == 0;
    int row = is_auto ? 0 : find_row(settings->energy, err);
    if (row < 0)
        return row;
    host_record_init(&climb.given);
    int r = is_auto ? open_all(&ladder, &climb, err) : open_named(&ladder, &climb, row, err);
    host_record_deinit(&climb.given);
    if (r < 0) {
        ladder_close(&ladder);
        return r;
    }
    *ret_ladder = ladder;
    return 0;
}

/* ---- reading ---- */

static int find_slot(struct ladder *ladder, const struct energy_sample *sample, size_t *ret_slot)
{
    for (size_t i = 0; i < ladder->n_slots; i++) {
        if (ladder->slots[i].domain == sample->domain &&
            ladder->slots[i].package == sample->package) {
            *ret_slot = i;
            return 0;
        }
    }
    int r = array_reserve(&ladder->slots, &ladder->slots_capacity, ladder->n_slots + 1,
                          sizeof(*ladder->slots));
    if (r < 0)
        return r;
    ladder->slots[ladder->n_slots] =
        (struct ladder_slot){.domain = sample->domain, .package = sample->package};
    *ret_slot = ladder->n_slots++;
    return 0;
}

static bool is_same_counter(const struct energy_sample *a, const struct energy_sample *b)
{
    return a->domain == b->domain && a->package == b->package;
}

static void refuse(struct energy_sample *sample)
{
    sample->valid = false;
    sample->energy_uj = sample->low_uj = sample->high_uj = sample->dt_ns = VALUE_ABSENT;
    (void)snprintf(sample->reason, sizeof(sample->reason), "reopened");
}

static size_t place_of(const struct ladder *ladder, const char *source)
{
    size_t i = 0;
    while (i < ladder->n_sources && strcmp(ladder->sources[i]->ops->name, source) != 0)
        i++;
    return i;
}

/* Slow sources are read before others that go before them. */
static bool is_better(const struct ladder *ladder, const struct energy_sample *sample,
                      const struct energy_sample *other)
{
    if (sample->valid != other->valid)
        return sample->valid;
    return place_of(ladder, sample->source) < place_of(ladder, other->source);
}

/* Of the samples [first, n_energy) of its domain and package one stays: of the valid ones, else of
 * all, the first in order. */
static int take_one(struct ladder *ladder, struct report *report, size_t first)
{
    struct energy_sample *chosen = &report->energy[first];
    size_t at, n_kept = first + 1;
    int r = find_slot(ladder, chosen, &at);
    if (r < 0)
        return r;
    struct ladder_slot *slot = &ladder->slots[at];
    for (size_t i = first; i < report->n_energy; i++) {
        struct energy_sample *sample = &report->energy[i];
        bool is_rival = i != first && is_same_counter(sample, chosen);
        if (is_same_counter(sample, chosen) && ladder_slot_refuses(slot, sample))
            refuse(sample);
        if (is_rival && is_better(ladder, sample, chosen))
            *chosen = *sample;
        if (i != first && !is_rival)
            report->energy[n_kept++] = *sample;
    }
    report->n_energy = n_kept;
    ladder->has_changed |= ladder_slot_note(slot, chosen);
    return 0;
}

int ladder_read_source(struct source *source, const struct host *host,
                       const struct topology *topology, struct report *report)
{
    size_t n_before = report->n_energy;
    uint64_t before_ns = clock_monotonic_ns(host->clock);
    int r = source->ops->read(source, topology, report);
    if (r < 0)
        return r;
    uint64_t after_ns = clock_monotonic_ns(host->clock);
    for (size_t i = n_before; i < report->n_energy; i++) {
        if (report->energy[i].skew_ns == VALUE_ABSENT)
            report->energy[i].skew_ns = (int64_t)(before_ns + (after_ns - before_ns) / 2);
    }
    return 0;
}

/* ---- a source that fails for good ---- */

/* What the open ones give, but for what fails. */
static int list_given(const struct ladder *ladder, const struct ladder_slot *slot,
                      struct host_record *given)
{
    size_t n_kept = 0;
    int r = 0;
    for (size_t i = 0; i < ladder->n_sources && r >= 0; i++)
        r = ladder->sources[i]->ops->describe(ladder->sources[i], given);
    for (size_t i = 0; i < given->n_sources; i++) {
        const struct host_source *row = &given->sources[i];
        if (row->domain != slot->domain || row->package != slot->package)
            given->sources[n_kept++] = *row;
    }
    given->n_sources = n_kept;
    return r;
}

static void say_opened(const struct ladder *ladder, const struct ladder_slot *slot,
                       const char *source)
{
    char package[16] = "";
    if (slot->package != PACKAGE_NONE)
        (void)snprintf(package, sizeof(package), "-%d", (int)slot->package);
    log_warning(ladder->host->log, "energy of %s%s: no reading for some time; %s is opened beside",
                domain_name(slot->domain), package, source);
}

/* Opens the first source that can give what fails; the one that failed stays, and goes before it
 * once it is back. A slow one takes seconds to open, for which no tick may wait. */
static int open_another(struct ladder *ladder, const struct ladder_slot *slot,
                        struct climb *climb)
{
    unsigned wanted = DOMAIN_BIT(slot->domain);
    int r = list_given(ladder, slot, &climb->given);
    for (int row = 0; row < LADDER_SOURCES_MAX && source_table[row] && r >= 0; row++) {
        const struct source_ops *ops = source_table[row];
        if (ops->is_estimate || ops->is_slow || ladder_uses(ladder, row))
            continue;
        const struct source_probe *probe = probe_of(ladder, climb, row);
        if (probe->availability != SOURCE_USABLE || !(probe->domains & wanted))
            continue;
        size_t n_before = ladder->n_sources;
        r = step_on(ladder, climb, row, probe, wanted);
        if (r < 0 || ladder->n_sources == n_before)
            continue;
        say_opened(ladder, slot, ops->name);
        ladder->has_changed = true;
        return 0;
    }
    return r;
}

static int replace_failing(struct ladder *ladder, const struct topology *topology)
{
    int64_t now_ns = (int64_t)clock_monotonic_ns(ladder->host->clock);
    int r = 0;
    for (size_t i = 0; i < ladder->n_slots && r >= 0; i++) {
        if (!ladder_slot_wants_another(&ladder->slots[i], now_ns) ||
            strcmp(ladder->settings.energy, "auto") != 0)
            continue;
        if (ladder->is_recorded) {
            ladder->wants_another = true;
            continue;
        }
        ladder_slot_note_try(&ladder->slots[i], now_ns);
        struct ladder_probes probes = {0};
        struct climb climb = {.settings = &ladder->settings,
                              .topology = topology,
                              .probes = &probes,
                              .is_locked = true};
        host_record_init(&climb.given);
        r = open_another(ladder, &ladder->slots[i], &climb);
        host_record_deinit(&climb.given);
    }
    return r;
}

int ladder_read(struct ladder *ladder, const struct topology *topology, struct report *report)
{
    size_t n_before = report->n_energy;
    int r = 0;
    for (size_t i = 0; i < 2 * ladder->n_sources && r >= 0; i++) {
        struct source *source = ladder->sources[i % ladder->n_sources];
        if (source->ops->is_slow != (i < ladder->n_sources))
            continue;
        r = ladder_read_source(source, ladder->host, topology, report);
        ladder->has_changed |= source->has_changed;
        source->has_changed = false;
    }
    if (r >= 0)
        r = cross_check_take(&ladder->check, ladder, topology, report);
    for (size_t i = n_before; i < report->n_energy && r >= 0; i++)
        r = take_one(ladder, report, i);
    return r < 0 ? r : replace_failing(ladder, topology);
}

/* Ticks wait a quarter of their interval at most, and no longer than whoever looks at them notices.
 */
int ladder_start_threads(struct ladder *ladder, uint64_t interval_ns)
{
    uint64_t patience_ns = interval_ns / 4 < PATIENCE_MAX_NS ? interval_ns / 4 : PATIENCE_MAX_NS;
    int r = 0;
    for (size_t i = 0; i < ladder->n_sources && r >= 0; i++)
        r = slow_source_start(ladder->sources[i], patience_ns);
    for (size_t i = 0; i < ladder->check.n_spares && r >= 0; i++)
        r = slow_source_start(ladder->check.spares[i], patience_ns);
    return r;
}

int ladder_count(struct ladder *ladder, struct targets *targets, struct report *report)
{
    int r = 0;
    for (size_t i = 0; i < ladder->n_sources && r >= 0; i++) {
        struct source *source = ladder->sources[i];
        r = source->ops->count ? source->ops->count(source, targets, report) : 0;
    }
    return r;
}

/* ---- what is said of it ---- */

static bool is_settled(const struct ladder *ladder, const struct host_source *row)
{
    for (size_t i = 0; i < ladder->n_slots; i++) {
        const struct ladder_slot *slot = &ladder->slots[i];
        if (slot->domain == row->domain && slot->package == row->package)
            return strcmp(slot->settled, row->source) == 0;
    }
    return false;
}

/* The row of the same domain and package among the first n_rows, or NULL. */
static struct host_source *find_row_of(struct host_record *record, size_t n_rows,
                                       const struct host_source *like)
{
    for (size_t i = 0; i < n_rows; i++) {
        if (record->sources[i].domain == like->domain && record->sources[i].package == like->package)
            return &record->sources[i];
    }
    return NULL;
}

int ladder_describe(const struct ladder *ladder, struct host_record *host_record)
{
    for (size_t i = 0; i < ladder->n_sources; i++) {
        const struct source *source = ladder->sources[i];
        size_t n_before = host_record->n_sources, n_kept = n_before;
        int r = source->ops->describe(source, host_record);
        if (r < 0)
            return r;
        for (size_t j = n_before; j < host_record->n_sources; j++) {
            const struct host_source *row = &host_record->sources[j];
            struct host_source *named = find_row_of(host_record, n_before, row);
            if (!named)
                host_record->sources[n_kept++] = *row;
            else if (is_settled(ladder, row))
                *named = *row;
        }
        host_record->n_sources = n_kept;
    }
    return 0;
}

struct source *ladder_sole_source(const struct ladder *ladder)
{
    bool is_sole = ladder->n_sources == 1 && !cross_check_is_running(&ladder->check);
    return is_sole ? ladder->sources[0] : NULL;
}

uint64_t ladder_capabilities(const struct ladder *ladder, bool may_record)
{
    uint64_t capabilities = 0;
    for (size_t i = 0; i < ladder->n_sources; i++) {
        const struct source_ops *ops = ladder->sources[i]->ops;
        capabilities |= ops->capabilities | (may_record ? ops->recording_capabilities : 0);
    }
    return capabilities;
}

bool ladder_counts_users(const struct ladder *ladder)
{
    for (size_t i = 0; i < ladder->n_sources; i++) {
        if (ladder->sources[i]->ops->count)
            return true;
    }
    return false;
}

bool ladder_uses(const struct ladder *ladder, int row)
{
    for (size_t i = 0; i < ladder->n_sources; i++) {
        if (strcmp(ladder->sources[i]->ops->name, source_table[row]->name) == 0)
            return true;
    }
    return false;
}

void ladder_close(struct ladder *ladder)
{
    for (size_t i = 0; i < ladder->n_sources; i++)
        ladder->sources[i]->ops->close(ladder->sources[i]);
    cross_check_close(&ladder->check);
    free(ladder->slots);
    *ladder = (struct ladder){0};
}
