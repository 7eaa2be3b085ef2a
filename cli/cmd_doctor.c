/* SPDX-License-Identifier: BSD-3-Clause */
/* `watt doctor`: what would be used here, what would not and why, and what to type to change it. It
 * knows nothing of hardware: the sensor's probe does, and the store is tried by opening it. */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/doctor_view.h"
#include "cli/machine.h"
#include "cli/screen.h"
#include "cli/stores.h"
#include "cli/writer.h"
#include "common/error.h"
#include "common/log.h"
#include "common/options.h"
#include "common/remote/remote.h"
#include "common/remote_scheme.h"
#include "common/scope.h"

#define PAPER_WIDTH 100 /* through a pipe */

struct doctor_values {
    char *store, *format;
};

static const char *const formats[] = {"table", "csv", "json", NULL};

static const struct option_spec specs[] = {
    {.key = "store",
     .type = OPTION_STRING,
     .offset = offsetof(struct doctor_values, store),
     .fallback = DEFAULT_STORE,
     .argument = "URI",
     .check = cli_check_store,
     .help = "the store to try"},
    {.key = "format",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct doctor_values, format),
     .fallback = "table",
     .argument = "FORMAT",
     .choices = formats,
     .flag_only = true,
     .help = "how to print: table, csv or json"},
};

static const struct column columns[] = {
    {"kind", "what", COLUMN_TEXT, 0},
    {"name", "name", COLUMN_TEXT, 0},
    {"state", "state", COLUMN_TEXT, 0},
    {"reason", "why", COLUMN_TEXT, 0},
    {"advice", "to change it, type", COLUMN_TEXT, 0},
    {"source", "source", COLUMN_TEXT, 0},
    {"power_w", "power W", COLUMN_REAL, 2},
    {"unit_uj", "unit uJ", COLUMN_REAL, 3},
    {"range_j", "range J", COLUMN_REAL, 0},
    {"peak_w", "peak W", COLUMN_REAL, 0},
    {"wrap_s", "wrap s", COLUMN_REAL, 0},
    {"longest_interval_s", "longest interval s", COLUMN_REAL, 0},
    {"update_ms", "update ms", COLUMN_REAL, 2},
    {"compared", "compared", COLUMN_TEXT, 0},
    {"includes", "includes", COLUMN_TEXT, 0},
    {"leaves_out", "leaves out", COLUMN_TEXT, 0},
};

struct report_lines {
    struct doctor_line *lines;
    size_t n_lines;
    char uri[256], events_why[1400];
    struct error store;
};

static const char *part_state(const struct machine_part *part)
{
    if (part->is_chosen && !part->is_attributed)
        return "used (measurement)";
    if (part->is_chosen)
        return part->is_estimate ? "used (estimate)" : "used";
    if (part->is_usable)
        return "usable";
    return part->is_unreadable ? "locked" : "no";
}

/* True for a failure that a person with more rights would not have. */
static bool is_permission(int code)
{
    return code == -EACCES || code == -EPERM;
}

static struct doctor_line try_store(struct report_lines *report, const char *uri_text,
                                    const struct log *log)
{
    struct store *store = NULL;
    struct doctor_line line = {.kind = "store", .name = report->uri};
    (void)uri_redact(uri_text, report->uri, sizeof(report->uri));
    int r = store_open(&store, uri_text, STORE_READ, cli_store_tables, NULL, log, &report->store);
    if (r >= 0) {
        store_close(store);
        line.state = "used";
        line.reason = "it can be read";
        return line;
    }
    line.reason = report->store.text;
    if (is_permission(r)) {
        line.state = "locked";
        line.advice = "run watt as a member of the group that owns the store";
    } else if (r == -ENOENT) {
        line.state = "empty";
        line.advice = "watt top (measures by itself), or start watt-sensor and watt-formula";
    } else {
        line.state = "no";
        line.advice = "--store URI for another one";
    }
    return line;
}

/* What the engine above it counts. */
static struct doctor_line events_line(struct report_lines *report, const struct machine *machine)
{
    const char *missing = machine->events_missing;
    bool has_both = machine->engine_why[0] && machine->events_why[0];
    (void)snprintf(report->events_why, sizeof(report->events_why), "%s%s%s%s%s%s",
                   machine->engine_why, has_both ? "; " : "", missing[0] ? "not " : "", missing,
                   missing[0] ? ", as " : "", machine->events_why);
    return (struct doctor_line){.kind = "engine",
                                .name = "events",
                                .state = machine->events[0] ? machine->events : "no",
                                .reason = report->events_why,
                                .advice = machine->events_advice};
}

static int collect(struct report_lines *report, const struct machine *machine, const char *uri,
                   const struct log *log)
{
    report->lines = calloc(machine->n_parts + 2, sizeof(*report->lines));
    if (!report->lines)
        return -ENOMEM;
    for (size_t i = 0; i < machine->n_parts; i++) {
        const struct machine_part *part = &machine->parts[i];
        report->lines[report->n_lines++] = (struct doctor_line){
            part->kind, part->name, part_state(part), part->reason, part->advice};
    }
    if (machine->events[0] || machine->engine_why[0] || machine->events_why[0])
        report->lines[report->n_lines++] = events_line(report, machine);
    report->lines[report->n_lines++] = try_store(report, uri, log);
    return 0;
}

static const char *or_null(const char *text)
{
    return text && *text ? text : NULL;
}

static int write_line(struct writer *writer, const struct doctor_line *line, struct error *err)
{
    const union cell cells[] = {{.text = line->kind},
                                {.text = line->name},
                                {.text = line->state},
                                {.text = or_null(line->reason)},
                                {.text = or_null(line->advice)},
                                {.text = NULL},
                                {.real = NAN},
                                {.real = NAN},
                                {.real = NAN},
                                {.real = NAN},
                                {.real = NAN},
                                {.real = NAN},
                                {.real = NAN},
                                {.text = NULL},
                                {.text = NULL},
                                {.text = NULL}};
    static_assert(ARRAY_SIZE(cells) == ARRAY_SIZE(columns), "a cell per column");
    return writer_row(writer, cells, err);
}

static int write_domain(struct writer *writer, const struct machine_domain *domain,
                        struct error *err)
{
    char compared[512];
    doctor_check_text(domain, compared, sizeof(compared));
    const union cell cells[] = {{.text = "domain"},
                                {.text = domain->name},
                                {.text = domain->is_estimate ? "used (estimate)" : "used"},
                                {.text = or_null(domain->reason)},
                                {.text = NULL},
                                {.text = domain->source},
                                {.real = domain->power_w},
                                {.real = domain->unit_uj},
                                {.real = domain->range_j},
                                {.real = domain->peak_w},
                                {.real = domain->wrap_s},
                                {.real = domain->longest_interval_s},
                                {.real = domain->update_ms},
                                {.text = or_null(compared)},
                                {.text = or_null(domain->includes)},
                                {.text = or_null(domain->leaves_out)}};
    static_assert(ARRAY_SIZE(cells) == ARRAY_SIZE(columns), "a cell per column");
    return writer_row(writer, cells, err);
}

static int write_rows(const char *format, const struct machine *machine,
                      const struct report_lines *report, struct error *err)
{
    struct writer *writer;
    int r = writer_new(&writer, format, stdout, columns, ARRAY_SIZE(columns), err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < machine->n_domains && r >= 0; i++)
        r = write_domain(writer, &machine->domains[i], err);
    for (size_t i = 0; i < report->n_lines && r >= 0; i++)
        r = write_line(writer, &report->lines[i], err);
    int finished = writer_finish(writer, err);
    return r < 0 ? r : finished;
}

/* What follows from it all, in one sentence; NULL: everything is as it should be. */
static const char *conclusion(const struct machine *machine, char *text, size_t size)
{
    const struct machine_part *energy = machine_chosen(machine, "energy");
    const char *why = machine->energy_why;
    if (machine_disagrees(machine))
        return "Two sources do not say the same of one counter: find out which is wrong before you "
               "quote watts of this machine.";
    if (!energy && machine_locked(machine))
        (void)snprintf(text, size,
                       "No energy can be read until %s is unlocked: watt shows CPU shares only.",
                       machine_locked(machine)->name);
    else if (!energy)
        (void)snprintf(text, size, "No energy can be read: watt shows CPU shares only.%s%s",
                       why[0] ? " " : "", why);
    else if (energy->is_estimate)
        (void)snprintf(text, size, "Watts are estimates with bounds%s%s.", why[0] ? ": " : "", why);
    else
        return NULL;
    return text;
}

static int write_report(const struct doctor_values *values, const struct machine *machine,
                        const struct log *log, struct error *err)
{
    struct report_lines report = {0};
    char note[640];
    int r = collect(&report, machine, values->store, log);
    if (r >= 0 && strcmp(values->format, "table") == 0) {
        struct screen screen;
        screen_init(&screen, stdout);
        r = doctor_view_write(stdout, screen.columns ? screen.columns : PAPER_WIDTH, machine,
                              report.lines, report.n_lines,
                              conclusion(machine, note, sizeof(note)));
        if (r < 0)
            r = error_set(err, r, "writing the report: %s", strerror(-r));
    } else if (r >= 0) {
        r = write_rows(values->format, machine, &report, err);
    }
    free(report.lines);
    return r;
}

/* 0 good, 1 estimates only or sources that disagree, 77 locked, 69 nothing to measure with. */
static int verdict(const struct machine *machine)
{
    const struct machine_part *energy = machine_chosen(machine, "energy");
    if (!machine_chosen(machine, "engine"))
        return 69;
    if (energy)
        return energy->is_estimate || machine_disagrees(machine) ? 1 : 0;
    return machine_locked(machine) ? 77 : 69;
}

static int doctor_run(int argc, char **argv, struct log *log)
{
    struct doctor_values values = {0};
    const struct option_group group = {"doctor", specs, ARRAY_SIZE(specs), &values, NULL};
    struct options *options = NULL;
    struct machine machine = {0};
    struct error err = {0};
    int status = 0;
    int r = arguments_parse(&options, "watt doctor",
                            "says what this machine can measure and what to type for more", &group,
                            argc, argv, log, &err);
    if (r == OPTIONS_EXIT)
        goto out;
    if (r >= 0)
        r = machine_probe(&machine, &err);
    if (r >= 0) {
        bool is_remote = uri_is_remote(values.store);
        if (is_remote)
            remote_init(log);
        r = write_report(&values, &machine, log, &err);
        if (is_remote)
            remote_cleanup();
        status = verdict(&machine);
    }
out:
    if (r < 0) {
        log_error(log, "%s", err.text[0] ? err.text : strerror(-r));
        status = error_exit_status(r);
    }
    machine_deinit(&machine);
    options_free(options);
    return status;
}

const struct command command_doctor = {
    .name = "doctor",
    .about = "what this machine can measure, why not more, and what to type",
    .run = doctor_run,
};
