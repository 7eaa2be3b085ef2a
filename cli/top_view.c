/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers stand before names, so that a narrow terminal cuts names. Only what lived in this tick is
 * listed (what spent most since the start, when sorted by joules). What is not known is "-": a
 * machine whose watts cannot be read still shows who uses its CPUs. */
#include "cli/top_view.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "cli/writer.h"
#include "common/error.h"
#include "common/scope.h"

static const struct column unit_columns[] = {
    {"dynamic_w", "watts", COLUMN_REAL, 3},
    {"energy_j", "joules", COLUMN_REAL, 2},
    {"cpu_percent", "cpu %", COLUMN_REAL, 1},
    {"unit", "container or unit", COLUMN_TEXT, 0},
};

static const struct column process_columns[] = {
    {"dynamic_w", "watts", COLUMN_REAL, 3},   {"energy_j", "joules", COLUMN_REAL, 2},
    {"cpu_percent", "cpu %", COLUMN_REAL, 1}, {"pid", "pid", COLUMN_INTEGER, 0},
    {"command", "command", COLUMN_TEXT, 0},   {"unit", "container or unit", COLUMN_TEXT, 0},
};

int top_view_order(const char *name, enum energy_order *ret_order)
{
    static const char *const names[] = {
        [ENERGY_BY_JOULES] = "joules",
        [ENERGY_BY_WATTS] = "watts",
        [ENERGY_BY_CPU] = "cpu",
        [ENERGY_BY_NAME] = "name",
    };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(names[i], name) == 0) {
            *ret_order = (enum energy_order)i;
            return 0;
        }
    }
    return -EINVAL;
}

/* The watts of one tick over the domains that are counted; NAN where no domain said. */
struct tick_watts {
    double measured_w, low_w, high_w, idle_w, dynamic_w, unattributed_w;
    bool is_estimate;
};

static void add_known(double *sum, double value)
{
    if (isfinite(value))
        *sum = isfinite(*sum) ? *sum + value : value;
}

static struct tick_watts tick_watts(const struct live *live, uint64_t tick)
{
    struct tick_watts watts = {NAN, NAN, NAN, NAN, NAN, NAN, false};
    size_t n;
    const struct energy_balance *balances = energy_sum_balances(live->targets, &n);
    for (size_t i = 0; i < n; i++) {
        const struct energy_balance *balance = &balances[i];
        const struct balance_row *row = &balance->latest;
        if (balance->tick != tick || !balance->is_counted ||
            strcmp(balance->sensor, live->sensor) != 0)
            continue;
        add_known(&watts.measured_w, row->measured_w);
        add_known(&watts.low_w, row->measured_low_w);
        add_known(&watts.high_w, row->measured_high_w);
        add_known(&watts.idle_w, row->idle_w);
        add_known(&watts.dynamic_w, row->dynamic_w);
        add_known(&watts.unattributed_w, row->unattributed_w);
        watts.is_estimate |= row->estimate;
    }
    return watts;
}

static void print_head(const struct live *live, const struct energy_sensor *sensor, FILE *stream)
{
    time_t seconds = (time_t)(sensor->key.timestamp_ms / 1000);
    struct tm local;
    char clock_text[32] = "";
    if (localtime_r(&seconds, &local))
        (void)strftime(clock_text, sizeof(clock_text), "%Y-%m-%d %H:%M:%S", &local);
    (void)fprintf(stream, "%s  %s  tick %" PRIu64, live->sensor, clock_text, live->n_ticks);
    if (live->has_host && live->host.engine[0])
        (void)fprintf(stream, "  counters: %s per %s", live->host.engine, live->host.granularity);
    (void)fputc('\n', stream);
}

static void print_balance(const struct live *live, const struct tick_watts *watts, FILE *stream)
{
    (void)fprintf(stream, "measured %.2f W = idle %.2f + attributed %.2f + unattributed %.2f\n",
                  watts->measured_w, watts->idle_w, watts->dynamic_w, watts->unattributed_w);
    const char *source = live->source[0] ? live->source : "energy source unknown";
    if (watts->is_estimate)
        (void)fprintf(stream, "estimate: %s (%.2f - %.2f W), not a measurement%s%s\n", source,
                      watts->low_w, watts->high_w, live->energy_reason[0] ? "; " : "",
                      live->energy_reason);
    else
        (void)fprintf(stream, "source: %s\n", source);
}

static void print_no_watts(const struct top_view *view, const struct live *live, FILE *stream)
{
    if (live->expects_watts)
        (void)fputs("no watts for this tick: the formula has not answered in time\n", stream);
    else if (live->energy_reason[0])
        (void)fprintf(stream, "no watts: %s says %s; CPU shares only\n", live->source,
                      live->energy_reason);
    else
        (void)fputs("no watts: no energy counter can be read; CPU shares only\n", stream);
    if (view->advice && *view->advice && !live->expects_watts)
        (void)fprintf(stream, "to see watts: %s\n", view->advice);
}

static bool is_listed(const struct top_view *view, const struct energy_entry *entry, uint64_t tick)
{
    if (view->order == ENERGY_BY_JOULES)
        return entry->dynamic_uj > 0 || entry->tick == tick;
    return entry->tick == tick && (entry->tick_dynamic_w > 0 || entry->tick_cpus > 0);
}

static void fill_numbers(const struct energy_entry *entry, const struct energy_sensor *sensor,
                         union cell *cells)
{
    bool is_current = entry->tick == sensor->tick;
    cells[0].real = is_current ? entry->tick_dynamic_w : NAN;
    cells[1].real = sensor->n_ticks > 0 ? (double)entry->dynamic_uj / 1e6 : NAN;
    cells[2].real = is_current ? entry->tick_cpus * 100 : NAN;
}

static bool is_other(const struct energy_entry *entry)
{
    return entry->identity && strcmp(entry->identity->target, OTHER_TARGET) == 0;
}

/* Where whole cgroups are counted, or by the bpf engine, who lived shorter than a tick is known. */
static const char *group_of(const struct live *live, const struct energy_entry *entry,
                            char text[static 200])
{
    if (!entry->identity) /* of a unit, none of whose targets is known any more: its group */
        return entry->key;
    if (!is_other(entry))
        return identity_group(entry->identity, text);
    bool knows_short = live->has_host && (strcmp(live->host.engine, "bpf") == 0 ||
                                          strcmp(live->host.granularity, "cgroup") == 0);
    return knows_short ? "other: kernel threads, what no rule selects"
                       : "other: kernel threads, short-lived processes, what no rule selects";
}

static int print_units(const struct top_view *view, const struct live *live, FILE *stream,
                       struct error *err)
{
    struct energy_entry *const *entries;
    size_t n_entries, n_listed = 0;
    struct writer *writer;
    (void)fputs("\ncontainers and units\n", stream);
    int r = writer_new(&writer, "table", stream, unit_columns, ARRAY_SIZE(unit_columns), err);
    if (r < 0)
        return r;
    /* A sum counts its own ticks. */
    const struct energy_sensor *own = energy_sum_sensor(live->units, live->sensor);
    energy_sum_sort(live->units, view->order, &entries, &n_entries);
    for (size_t i = 0; own && i < n_entries && n_listed < view->max_units && r >= 0; i++) {
        if (!is_listed(view, entries[i], own->tick))
            continue;
        char text[200];
        union cell cells[ARRAY_SIZE(unit_columns)];
        fill_numbers(entries[i], own, cells);
        cells[3].text = group_of(live, entries[i], text);
        r = writer_row(writer, cells, err);
        n_listed++;
    }
    int finished = writer_finish(writer, err);
    return r < 0 ? r : finished;
}

static bool is_process(const struct energy_entry *entry)
{
    return entry->identity->command || entry->identity->pid != VALUE_ABSENT || is_other(entry);
}

static int print_processes(const struct top_view *view, const struct live *live,
                           const struct energy_sensor *sensor, FILE *stream, struct error *err)
{
    struct energy_entry *const *entries;
    size_t n_entries, n_listed = 0;
    struct writer *writer;
    (void)fputs("\nprocesses\n", stream);
    if (live->has_host && strcmp(live->host.granularity, "cgroup") == 0) {
        (void)fputs("(the sensor counts whole cgroups; --granularity process tells them apart)\n",
                    stream);
        return 0;
    }
    int r = writer_new(&writer, "table", stream, process_columns, ARRAY_SIZE(process_columns), err);
    if (r < 0)
        return r;
    energy_sum_sort(live->targets, view->order, &entries, &n_entries);
    for (size_t i = 0; i < n_entries && n_listed < view->max_processes && r >= 0; i++) {
        const struct energy_entry *entry = entries[i];
        if (!is_listed(view, entry, sensor->tick) || !is_process(entry))
            continue;
        char text[200];
        union cell cells[ARRAY_SIZE(process_columns)];
        fill_numbers(entry, sensor, cells);
        cells[3].integer = entry->identity->pid;
        cells[4].text = entry->identity->command ? entry->identity->command : entry->identity->name;
        cells[5].text = is_other(entry) ? NULL : group_of(live, entry, text);
        r = writer_row(writer, cells, err);
        n_listed++;
    }
    int finished = writer_finish(writer, err);
    return r < 0 ? r : finished;
}

int top_view_print(const struct top_view *view, const struct live *live, FILE *stream,
                   struct error *err)
{
    const struct energy_sensor *sensor = energy_sum_sensor(live->targets, live->sensor);
    if (!sensor)
        return 0;
    print_head(live, sensor, stream);
    struct tick_watts watts = tick_watts(live, sensor->tick);
    if (isfinite(watts.measured_w))
        print_balance(live, &watts, stream);
    else
        print_no_watts(view, live, stream);
    int r = print_units(view, live, stream, err);
    return r < 0 ? r : print_processes(view, live, sensor, stream, err);
}

void top_view_summary(const struct live *live, FILE *stream)
{
    const struct energy_sensor *sensor = energy_sum_sensor(live->targets, live->sensor);
    if (!sensor || sensor->n_ticks == 0) {
        (void)fprintf(stream, "%" PRIu64 " ticks, no watts\n", live->n_ticks);
        return;
    }
    size_t n;
    double measured_j = 0;
    const struct energy_balance *balances = energy_sum_balances(live->targets, &n);
    for (size_t i = 0; i < n; i++)
        if (balances[i].is_counted && strcmp(balances[i].sensor, live->sensor) == 0)
            measured_j += (double)balances[i].measured_uj / 1e6;
    (void)fprintf(stream,
                  "%" PRIu64 " ticks, %.1f s with watts: measured %.1f J, attributed %.1f J%s\n",
                  live->n_ticks, (double)sensor->covered_ns / 1e9, measured_j,
                  (double)sensor->dynamic_uj / 1e6,
                  sensor->n_estimated > 0 ? " (estimated, not measured)" : "");
    if (live->n_bad > 0)
        (void)fprintf(stream, "%" PRIu64 " damaged records were left out\n", live->n_bad);
}
