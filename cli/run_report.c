/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/run_report.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "cli/writer.h"
#include "common/error.h"
#include "common/record.h"
#include "common/scope.h"

static double energy_j(const struct run_result *result)
{
    return result->energy_j;
}

static double mean_w(const struct run_result *result)
{
    return result->covered_s > 0 ? result->energy_j / result->covered_s : NAN;
}

static double static_j(const struct run_result *result)
{
    return result->static_j;
}

static double machine_w(const struct run_result *result)
{
    return result->machine_w;
}

static double cpu_s(const struct run_result *result)
{
    return result->cpu_s;
}

static double elapsed_s(const struct run_result *result)
{
    return result->elapsed_s;
}

static double covered_s(const struct run_result *result)
{
    return result->covered_s;
}

/* The quantities of a run, in the order of both outputs. */
static const struct quantity {
    const char *name, *unit, *about;
    double (*value)(const struct run_result *result);
} quantities[] = {
    {"energy_j", "J", "energy of its activity", energy_j},
    {"mean_w", "W", "mean power of its activity", mean_w},
    {"static_j", "J", "its share of idling, not in the above", static_j},
    {"machine_w", "W", "mean power of the whole machine meanwhile", machine_w},
    {"cpu_s", "s", "CPU time", cpu_s},
    {"elapsed_s", "s", "elapsed", elapsed_s},
    {"covered_s", "s", "of that with watts: what the energy is of", covered_s},
};

void run_report_statistics(const struct run_result *results, size_t n_results,
                           double (*value)(const struct run_result *result), double *ret_mean,
                           double *ret_deviation)
{
    double sum = 0, squares = 0;
    size_t n = 0;
    for (size_t i = 0; i < n_results; i++)
        if (isfinite(value(&results[i]))) {
            sum += value(&results[i]);
            n++;
        }
    *ret_mean = n > 0 ? sum / (double)n : NAN;
    for (size_t i = 0; i < n_results; i++)
        if (isfinite(value(&results[i])))
            squares += pow(value(&results[i]) - *ret_mean, 2);
    *ret_deviation = n > 1 ? sqrt(squares / (double)(n - 1)) : NAN;
}

/* ---- for eyes ---- */

#define DEVIATION_WIDTH 20 /* of "± 12.3456 (12.3 %)  " */

/* "±  0.0296 ( 6.6 %)  ", as wide for each of several runs; nothing for one. */
static void print_deviation(double mean, double deviation, FILE *stream)
{
    if (isnan(deviation))
        (void)fprintf(stream, "%*s", DEVIATION_WIDTH, "");
    else if (mean > 0)
        (void)fprintf(stream, "± %7.4f (%4.1f %%)  ", deviation, 100 * deviation / mean);
    else
        (void)fprintf(stream, "± %7.4f%11s", deviation, "");
}

static void print_quantity(const struct run_report *report, const struct quantity *quantity,
                           FILE *stream)
{
    double mean, deviation;
    run_report_statistics(report->results, report->n_results, quantity->value, &mean, &deviation);
    if (isnan(mean))
        (void)fprintf(stream, "%16s %s  ", "-", quantity->unit);
    else
        (void)fprintf(stream, "%16.4f %s  ", mean, quantity->unit);
    if (report->n_results > 1)
        print_deviation(mean, deviation, stream);
    (void)fprintf(stream, "%s\n", quantity->about);
}

static bool is_covered(const struct run_report *report)
{
    bool is_whole = true;
    for (size_t i = 0; i < report->n_results; i++)
        is_whole &= report->results[i].covered_s >= report->results[i].elapsed_s;
    return is_whole;
}

static int print_table(const struct run_report *report, FILE *stream, struct error *err)
{
    const struct run_result *last = &report->results[report->n_results - 1];
    (void)fprintf(stream, "\n %s", report->command);
    if (report->n_results > 1)
        (void)fprintf(stream, " (%zu runs, mean ± standard deviation)", report->n_results);
    (void)fputs("\n\n", stream);
    for (size_t i = 0; i < ARRAY_SIZE(quantities); i++)
        if (quantities[i].value != covered_s || !is_covered(report))
            print_quantity(report, &quantities[i], stream);
    if (isfinite(last->low))
        (void)fprintf(stream,
                      "\n estimated by %s, not measured: the truth may be %.2f to %.2f times as "
                      "much\n",
                      report->source, last->low, last->high);
    else if (report->source[0])
        (void)fprintf(stream, "\n measured by %s\n", report->source);
    else
        (void)fprintf(stream, "\n no watts: %s\n",
                      report->advice ? report->advice : "see watt doctor");
    (void)fputc('\n', stream);
    return ferror(stream) ? error_set(err, -EIO, "the output cannot be written") : 0;
}

/* ---- for programs ---- */

enum { ROW, RUN, COMMAND, FIRST_QUANTITY };
enum {
    LOW = FIRST_QUANTITY + ARRAY_SIZE(quantities),
    HIGH,
    EXIT_STATUS,
    SOURCE,
    N_COLUMNS,
};

static void fill_columns(struct column columns[N_COLUMNS])
{
    columns[ROW] = (struct column){"row", "row", COLUMN_TEXT, 0};
    columns[RUN] = (struct column){"run", "run", COLUMN_INTEGER, 0};
    columns[COMMAND] = (struct column){"command", "command", COLUMN_TEXT, 0};
    for (size_t i = 0; i < ARRAY_SIZE(quantities); i++)
        columns[FIRST_QUANTITY + i] =
            (struct column){quantities[i].name, quantities[i].name, COLUMN_REAL, 4};
    columns[LOW] = (struct column){"low_factor", "low", COLUMN_REAL, 4};
    columns[HIGH] = (struct column){"high_factor", "high", COLUMN_REAL, 4};
    columns[EXIT_STATUS] = (struct column){"exit_status", "exit", COLUMN_INTEGER, 0};
    columns[SOURCE] = (struct column){"source", "source", COLUMN_TEXT, 0};
}

static void begin_row(const struct run_report *report, const char *row, int64_t run,
                      union cell cells[N_COLUMNS])
{
    cells[ROW].text = row;
    cells[RUN].integer = run;
    cells[COMMAND].text = report->command;
    cells[LOW].real = cells[HIGH].real = NAN;
    cells[EXIT_STATUS].integer = VALUE_ABSENT;
    cells[SOURCE].text = report->source[0] ? report->source : NULL;
}

static int write_run(struct writer *writer, const struct run_report *report, size_t index,
                     struct error *err)
{
    const struct run_result *result = &report->results[index];
    union cell cells[N_COLUMNS];
    begin_row(report, "run", (int64_t)index + 1, cells);
    for (size_t i = 0; i < ARRAY_SIZE(quantities); i++)
        cells[FIRST_QUANTITY + i].real = quantities[i].value(result);
    cells[LOW].real = result->low;
    cells[HIGH].real = result->high;
    cells[EXIT_STATUS].integer = result->exit_status;
    return writer_row(writer, cells, err);
}

static int write_statistics(struct writer *writer, const struct run_report *report,
                            struct error *err)
{
    union cell means[N_COLUMNS], deviations[N_COLUMNS];
    begin_row(report, "mean", VALUE_ABSENT, means);
    begin_row(report, "deviation", VALUE_ABSENT, deviations);
    for (size_t i = 0; i < ARRAY_SIZE(quantities); i++)
        run_report_statistics(report->results, report->n_results, quantities[i].value,
                              &means[FIRST_QUANTITY + i].real,
                              &deviations[FIRST_QUANTITY + i].real);
    int r = writer_row(writer, means, err);
    return r < 0 ? r : writer_row(writer, deviations, err);
}

int run_report_write(const struct run_report *report, FILE *stream, struct error *err)
{
    struct column columns[N_COLUMNS];
    struct writer *writer;
    if (strcmp(report->format, "table") == 0)
        return print_table(report, stream, err);
    fill_columns(columns);
    int r = writer_new(&writer, report->format, stream, columns, N_COLUMNS, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < report->n_results && r >= 0; i++)
        r = write_run(writer, report, i, err);
    if (r >= 0 && report->n_results > 1)
        r = write_statistics(writer, report, err);
    int finished = writer_finish(writer, err);
    return r < 0 ? r : finished;
}
