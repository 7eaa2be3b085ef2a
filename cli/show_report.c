/* SPDX-License-Identifier: BSD-3-Clause */
/* One row type holds everything, so that a script needs one parser; the tables for eyes pick
 * columns from it. Joules are exact sums; mean watts are over the whole time with watts, not only
 * the time the target was busy. */
#include "cli/show_report.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/writer.h"
#include "common/error.h"
#include "common/scope.h"

enum {
    ROW,
    SENSOR,
    TARGET,
    NAME,
    UNIT,
    CONTAINER,
    DOMAIN,
    PACKAGE,
    ENERGY_J,
    LOW_J,
    HIGH_J,
    STATIC_J,
    MEAN_W,
    SHARE,
    ACTIVE_S,
    COVERED_S,
    N_COLUMNS,
};

static const struct column columns[N_COLUMNS] = {
    [ROW] = {"row", "row", COLUMN_TEXT, 0},
    [SENSOR] = {"sensor", "sensor", COLUMN_TEXT, 0},
    [TARGET] = {"target", "target", COLUMN_TEXT, 0},
    [NAME] = {"name", "name", COLUMN_TEXT, 0},
    [UNIT] = {"unit", "unit", COLUMN_TEXT, 0},
    [CONTAINER] = {"container", "container", COLUMN_TEXT, 0},
    [DOMAIN] = {"domain", "domain", COLUMN_TEXT, 0},
    [PACKAGE] = {"package", "package", COLUMN_INTEGER, 0},
    [ENERGY_J] = {"energy_j", "joules", COLUMN_REAL, 3},
    [LOW_J] = {"low_j", "at least", COLUMN_REAL, 3},
    [HIGH_J] = {"high_j", "at most", COLUMN_REAL, 3},
    [STATIC_J] = {"static_j", "idle share J", COLUMN_REAL, 3},
    [MEAN_W] = {"mean_w", "mean W", COLUMN_REAL, 4},
    [SHARE] = {"share", "share", COLUMN_REAL, 4},
    [ACTIVE_S] = {"active_s", "active s", COLUMN_REAL, 1},
    [COVERED_S] = {"covered_s", "covered s", COLUMN_REAL, 1},
};

static const int target_table[] = {ENERGY_J, MEAN_W, SHARE,  STATIC_J,
                                   ACTIVE_S, NAME,   TARGET, SENSOR};
static const int balance_table[] = {ENERGY_J, MEAN_W, LOW_J,   HIGH_J, COVERED_S,
                                    ROW,      DOMAIN, PACKAGE, SENSOR};

/* A writer that takes rows of all columns and prints those of its table. */
struct sheet {
    struct writer *writer;
    const int *picked; /* NULL: all */
    size_t n_picked;
    struct column picked_columns[N_COLUMNS];
};

static int sheet_begin(struct sheet *sheet, const char *format, FILE *stream, const int *picked,
                       size_t n_picked, struct error *err)
{
    *sheet = (struct sheet){.picked = picked, .n_picked = picked ? n_picked : N_COLUMNS};
    for (size_t i = 0; i < sheet->n_picked; i++)
        sheet->picked_columns[i] = columns[picked ? (size_t)picked[i] : i];
    return writer_new(&sheet->writer, format, stream, sheet->picked_columns, sheet->n_picked, err);
}

static int sheet_row(struct sheet *sheet, const union cell *cells, struct error *err)
{
    union cell picked[N_COLUMNS];
    for (size_t i = 0; i < sheet->n_picked; i++)
        picked[i] = cells[sheet->picked ? (size_t)sheet->picked[i] : i];
    return writer_row(sheet->writer, picked, err);
}

static void clear_cells(union cell *cells)
{
    for (size_t i = 0; i < N_COLUMNS; i++) {
        if (columns[i].type == COLUMN_TEXT)
            cells[i].text = NULL;
        else if (columns[i].type == COLUMN_REAL)
            cells[i].real = NAN;
        else
            cells[i].integer = VALUE_ABSENT;
    }
}

static double mean_w(double energy_uj, int64_t covered_ns)
{
    return covered_ns > 0 ? energy_uj * 1e3 / (double)covered_ns : NAN;
}

/* Of a line that stands for several targets, only what holds for all of them. */
static void fill_identity(union cell *cells, const struct identity *identity, enum energy_by by,
                          char text[static 200])
{
    bool is_group = by == ENERGY_BY_CGROUP || by == ENERGY_BY_UNIT;
    cells[NAME].text = is_group ? identity_group(identity, text) : identity->name;
    if (by != ENERGY_BY_COMMAND) {
        cells[UNIT].text = identity->unit;
        cells[CONTAINER].text = identity->container;
    }
}

static int write_target(struct sheet *sheet, const struct energy_sum *sum, enum energy_by by,
                        const struct energy_entry *entry, struct error *err)
{
    const struct energy_sensor *sensor = energy_sum_sensor(sum, entry->sensor);
    union cell cells[N_COLUMNS];
    char text[200];
    clear_cells(cells);
    fill_identity(cells, entry->identity, by, text);
    cells[ROW].text = "target";
    cells[SENSOR].text = entry->sensor;
    cells[TARGET].text = entry->key;
    cells[ENERGY_J].real = (double)entry->dynamic_uj / 1e6;
    cells[STATIC_J].real = entry->static_uj / 1e6;
    cells[MEAN_W].real = mean_w((double)entry->dynamic_uj, sensor->covered_ns);
    if (sensor->dynamic_uj > 0)
        cells[SHARE].real = (double)entry->dynamic_uj / (double)sensor->dynamic_uj;
    cells[ACTIVE_S].real = (double)entry->active_ns / 1e9;
    cells[COVERED_S].real = (double)sensor->covered_ns / 1e9;
    return sheet_row(sheet, cells, err);
}

static int write_targets(struct sheet *sheet, struct energy_sum *sum,
                         const struct show_report *report, struct error *err)
{
    struct energy_entry *const *entries;
    size_t n_entries;
    int r = 0;
    energy_sum_sort(sum, ENERGY_BY_JOULES, &entries, &n_entries);
    if (report->max_lines > 0 && n_entries > report->max_lines)
        n_entries = (size_t)report->max_lines;
    for (size_t i = 0; i < n_entries && r >= 0; i++)
        r = write_target(sheet, sum, report->by, entries[i], err);
    return r;
}

static int write_term(struct sheet *sheet, const struct energy_balance *balance, const char *row,
                      double energy_uj, struct error *err)
{
    union cell cells[N_COLUMNS];
    clear_cells(cells);
    cells[ROW].text = row;
    cells[SENSOR].text = balance->sensor;
    cells[DOMAIN].text = domain_name(balance->domain);
    if (balance->package != PACKAGE_NONE)
        cells[PACKAGE].integer = balance->package;
    cells[ENERGY_J].real = energy_uj / 1e6;
    cells[MEAN_W].real = mean_w(energy_uj, balance->covered_ns);
    cells[COVERED_S].real = (double)balance->covered_ns / 1e9;
    if (strcmp(row, "measured") == 0) {
        cells[LOW_J].real = balance->low_uj / 1e6;
        cells[HIGH_J].real = balance->high_uj / 1e6;
    }
    return sheet_row(sheet, cells, err);
}

static int write_balance(struct sheet *sheet, const struct energy_sum *sum, struct error *err)
{
    size_t n_balances;
    const struct energy_balance *balances = energy_sum_balances(sum, &n_balances);
    for (size_t i = 0; i < n_balances; i++) {
        const struct energy_balance *balance = &balances[i];
        const struct {
            const char *row;
            double energy_uj;
        } terms[] = {
            {"measured", balance->measured_ns > 0 ? (double)balance->measured_uj : NAN},
            {"idle", balance->idle_uj},
            {"attributed", balance->dynamic_uj},
            {"unattributed", balance->unattributed_uj},
        };
        for (size_t k = 0; k < ARRAY_SIZE(terms); k++) {
            int r = write_term(sheet, balance, terms[k].row, terms[k].energy_uj, err);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

static void print_notes(const struct show_report *report, const struct energy_sum *sum,
                        FILE *stream)
{
    size_t n_sensors;
    const struct energy_sensor *sensors = energy_sum_sensors(sum, &n_sensors);
    for (size_t i = 0; i < n_sensors; i++)
        (void)fprintf(stream,
                      "%s: %" PRIu64 " ticks, %" PRIu64 " not fully balanced, %" PRIu64
                      " estimated (not measured)\n",
                      sensors[i].sensor, sensors[i].n_ticks, sensors[i].n_invalid,
                      sensors[i].n_estimated);
    if (report->n_other_labels > 0)
        (void)fprintf(stream,
                      "watts labelled \"%s\"; %" PRIu64 " records with other labels are not in "
                      "here (--label)\n",
                      report->label, report->n_other_labels);
    if (report->n_damaged > 0)
        (void)fprintf(stream, "%" PRIu64 " damaged records were left out\n", report->n_damaged);
}

static int write_tables(const struct show_report *report, struct energy_sum *sum, FILE *stream,
                        struct error *err)
{
    struct sheet sheet;
    int r = sheet_begin(&sheet, "table", stream, target_table, ARRAY_SIZE(target_table), err);
    if (r < 0)
        return r;
    r = write_targets(&sheet, sum, report, err);
    int finished = writer_finish(sheet.writer, err);
    if (r < 0 || finished < 0)
        return r < 0 ? r : finished;
    (void)fputc('\n', stream);
    r = sheet_begin(&sheet, "table", stream, balance_table, ARRAY_SIZE(balance_table), err);
    if (r < 0)
        return r;
    r = write_balance(&sheet, sum, err);
    finished = writer_finish(sheet.writer, err);
    (void)fputc('\n', stream);
    print_notes(report, sum, stream);
    return r < 0 ? r : finished;
}

int show_report_write(const struct show_report *report, struct energy_sum *sum, FILE *stream,
                      struct error *err)
{
    if (strcmp(report->format, "table") == 0)
        return write_tables(report, sum, stream, err);
    struct sheet sheet;
    int r = sheet_begin(&sheet, report->format, stream, NULL, 0, err);
    if (r < 0)
        return r;
    r = write_targets(&sheet, sum, report, err);
    if (r >= 0)
        r = write_balance(&sheet, sum, err);
    int finished = writer_finish(sheet.writer, err);
    return r < 0 ? r : finished;
}
