/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/measurement_options.h"

#include <errno.h>
#include <string.h>

#include "cli/machine.h"
#include "common/error.h"
#include "common/scope.h"

#define AT(field) offsetof(struct measurement_values, field)
static const struct option_spec specs[] = {
    {.key = "interval",
     .letter = 'i',
     .type = OPTION_DURATION,
     .offset = AT(interval_ns),
     .fallback = "100ms",
     .argument = "DURATION",
     .help = "length of a tick"},
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
     .help = "keep the records in this sqlite: store (default: a temporary folder)"},
};
#undef AT

struct option_group measurement_options(struct measurement_values *values)
{
    return (struct option_group){"measurement", specs, ARRAY_SIZE(specs), values};
}

int measurement_values_check(const struct measurement_values *values, struct error *err)
{
    if (values->csv && values->json)
        return error_set(err, -EINVAL, "--csv and --json exclude each other");
    if (values->store && strncmp(values->store, "sqlite:", 7) != 0)
        return error_set(err, -EINVAL, "--store %s: a sqlite: store is wanted", values->store);
    return 0;
}

static int write_report(const struct run_report *report, const char *path, struct error *err)
{
    if (!path)
        return run_report_write(report, stderr, err);
    FILE *stream = fopen(path, "we");
    if (!stream)
        return error_set(err, -errno, "%s: %s", path, strerror(errno));
    int r = run_report_write(report, stream, err);
    if (fclose(stream) != 0 && r >= 0)
        r = error_set(err, -errno, "%s: %s", path, strerror(errno));
    return r;
}

int measurement_report(const struct measurement *measurement,
                       const struct measurement_values *values, const char *command,
                       const struct run_result *results, size_t n_results, struct error *err)
{
    SCOPED(machine_deinit) struct machine machine = {0};
    struct error ignored = {0};
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
    return write_report(&report, values->output, err);
}
