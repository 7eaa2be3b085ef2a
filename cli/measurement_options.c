/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/measurement_options.h"

#include <errno.h>
#include <string.h>

#include "cli/machine.h"
#include "cli/stores.h"
#include "common/error.h"
#include "common/name_escape.h"
#include "common/scope.h"

#define AT(field) offsetof(struct measurement_values, field)
static const struct option_spec specs[] = {
    {.key = "interval",
     .letter = 'i',
     .type = OPTION_DURATION,
     .offset = AT(interval_ns),
     .fallback = "100ms",
     .argument = "DURATION",
     .help = "length of a tick: at least 1ms; measuring begins and ends with whole ticks"},
    {.key = "csv",
     .type = OPTION_FLAG,
     .offset = AT(csv),
     .flag_only = true,
     .help = "print rows of CSV"},
    {.key = "json",
     .type = OPTION_FLAG,
     .offset = AT(json),
     .flag_only = true,
     .help = "print the same rows as JSON"},
    {.key = "output",
     .letter = 'o',
     .type = OPTION_STRING,
     .offset = AT(output),
     .argument = "FILE",
     .flag_only = true,
     .help = "print to this file (default: standard error)"},
    {.key = "energy",
     .type = OPTION_STRING,
     .offset = AT(energy),
     .argument = "SOURCE",
     .help = "energy source, as watt-sensor's --energy"},
    {.key = "store",
     .type = OPTION_STRING,
     .offset = AT(store),
     .argument = "URI",
     .check = cli_check_store,
     .help = "keep the records in this sqlite:DIR store, for watt show (default: a temporary "
             "folder, removed at the end)"},
};
#undef AT

static int check_combination(const void *all, struct error *err)
{
    const struct measurement_values *values = all;
    if (values->csv && values->json)
        return error_set(err, -EINVAL, "--csv and --json exclude each other");
    if (values->store && strncmp(values->store, "sqlite:", 7) != 0)
        return error_set(err, -EINVAL, "--store %s: a sqlite: store is wanted", values->store);
    return 0;
}

struct option_group measurement_options(struct measurement_values *values)
{
    return (struct option_group){"measurement", specs, ARRAY_SIZE(specs), values,
                                 check_combination};
}

int measurement_open_output(struct measurement_values *values, struct error *err)
{
    if (!values->output)
        return 0;
    values->stream = fopen(values->output, "we");
    return values->stream ? 0 : error_set(err, -errno, "%s: %s", values->output, strerror(errno));
}

void command_text(char *const *words, size_t n_words, char text[static COMMAND_TEXT_SIZE])
{
    char raw[COMMAND_TEXT_SIZE];
    size_t length = 0, room = COMMAND_TEXT_SIZE - strlen("...");
    raw[0] = '\0';
    for (size_t i = 0; i < n_words && length < sizeof(raw); i++)
        length += (size_t)snprintf(raw + length, sizeof(raw) - length, "%s%s", i > 0 ? " " : "",
                                   words[i]);
    /* A character that raw cuts in half lies beyond the room. */
    if (name_escape(raw, strlen(raw), text, room) >= room)
        (void)snprintf(text + strlen(text), sizeof("..."), "...");
}

static int write_report(const struct run_report *report, struct measurement_values *values,
                        struct error *err)
{
    if (!values->stream)
        return run_report_write(report, stderr, err);
    int r = run_report_write(report, values->stream, err);
    if (fclose(values->stream) != 0 && r >= 0)
        r = error_set(err, -errno, "%s: %s", values->output, strerror(errno));
    values->stream = NULL;
    return r;
}

int measurement_report(const struct measurement *measurement, struct measurement_values *values,
                       char *const *words, size_t n_words, const struct run_result *results,
                       size_t n_results, struct error *err)
{
    SCOPED(machine_deinit) struct machine machine = {0};
    struct error ignored = {0};
    char command[COMMAND_TEXT_SIZE];
    command_text(words, n_words, command);
    const struct machine_part *locked = NULL;
    if (!measurement->live.source[0] && machine_probe(&machine, &ignored) >= 0)
        locked = machine_locked(&machine);
    const struct run_report report = {
        .format = values->json  ? "json"
                  : values->csv ? "csv"
                                : "table",
        .command = command,
        .source = measurement->live.source,
        .advice = locked && locked->advice[0] ? locked->advice : NULL,
        .results = results,
        .n_results = n_results,
    };
    return write_report(&report, values, err);
}
