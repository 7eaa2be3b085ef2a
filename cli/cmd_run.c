/* SPDX-License-Identifier: BSD-3-Clause */
/* `watt run`: a command in a cgroup of its own, and what it used. The measurement is private, so it
 * works beside a service and without one. It begins a few ticks before the command, so that idling
 * is known, and goes on to the tick that holds the command's end; until then the cgroup stays, or a
 * short command's energy would be charged to the group above. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/command_process.h"
#include "cli/machine.h"
#include "cli/measurement.h"
#include "cli/run_report.h"
#include "cli/signals.h"
#include "cli/workload_cgroup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"
#include "common/options.h"
#include "common/scope.h"

#define TICKS_BEFORE 3
#define REPEAT_MAX 100000

struct run_values {
    char *energy, *store, *output;
    uint64_t interval_ns, repeat;
    bool csv, json;
};

#define AT(field) offsetof(struct run_values, field)
static const struct option_spec specs[] = {
    {.key = "repeat",
     .letter = 'r',
     .type = OPTION_COUNT,
     .offset = AT(repeat),
     .fallback = "1",
     .argument = "N",
     .flag_only = true,
     .help = "run the command so many times, print mean and standard deviation"},
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
     .help = "print rows of CSV: one per run, then mean and deviation"},
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
     .help = "print to this file (default: standard error, standard output is the command's)"},
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

struct run {
    struct run_values values;
    char **command; /* NULL-terminated */
    char text[200]; /* the command for people */
    const struct log *log;
    struct measurement measurement;
    int signals;  /* signalfd */
    int ended_by; /* a signal that ends the series */
    struct run_result *results;
    size_t n_results;
    int status; /* of the last run */
};

/* ---- one run ---- */

/* While a command runs, ^C is for it, and what is sent to us is passed on. */
static void take_signals(struct run *run, const struct command_process *process)
{
    bool is_group;
    for (int number; (number = signals_next(run->signals, &is_group));) {
        run->ended_by = number;
        if (process && !is_group)
            (void)kill(process->pid, number);
    }
}

static int await_ticks(struct run *run, struct error *err)
{
    while (!run->ended_by && run->measurement.live.n_ticks < TICKS_BEFORE) {
        int r = measurement_wait(&run->measurement, run->signals, err);
        if (r < 0)
            return r;
        take_signals(run, NULL);
    }
    return 0;
}

static int64_t now_ms(void)
{
    return (int64_t)(clock_realtime_ns(&clock_system) / NS_PER_MS);
}

static int await_moment(struct run *run, int64_t at_ms, struct error *err)
{
    int r = 0;
    while (r >= 0 && !measurement_reaches(&run->measurement, at_ms))
        r = measurement_wait(&run->measurement, -1, err);
    return r < 0 ? r : 0;
}

/* The command's whole life; its status, 0 or more, or a negative errno. */
static int live_through(struct run *run, struct command_process *process, struct error *err)
{
    int r = 0;
    command_process_release(process);
    while ((r = measurement_wait(&run->measurement, process->pidfd, err)) == 0)
        take_signals(run, process);
    if (r < 0) {
        command_process_abandon(process);
        return r;
    }
    return command_process_end(process);
}

static bool is_inside(const struct identity *identity, void *context)
{
    const char *path = context;
    size_t length = strlen(path);
    return identity->cgroup && strncmp(identity->cgroup, path, length) == 0 &&
           (identity->cgroup[length] == '\0' || identity->cgroup[length] == '/');
}

/* What happened between two looks at the sums. */
static void conclude(struct run *run, const char *path, const struct machine_usage *before,
                     struct run_result *result)
{
    struct usage usage;
    struct machine_usage after;
    measurement_add_up(&run->measurement, is_inside, (void *)path, &usage);
    measurement_machine(&run->measurement, &after);
    double span_s = after.covered_s - before->covered_s;
    double machine_j = after.energy_j - before->energy_j;
    result->energy_j = usage.energy_j;
    result->static_j = usage.static_j;
    result->cpu_s = usage.cpu_s;
    result->machine_w = span_s > 0 ? machine_j / span_s : NAN;
    result->low = (after.low_j - before->low_j) / machine_j;
    result->high = (after.high_j - before->high_j) / machine_j;
}

static int run_in(struct run *run, struct workload_cgroup *cgroup, struct run_result *result,
                  struct error *err)
{
    struct command_process process;
    struct machine_usage before;
    int r = command_process_start(&process, run->command, err);
    if (r < 0)
        return r;
    r = workload_cgroup_add(cgroup, process.pid, err);
    if (r < 0) {
        command_process_abandon(&process);
        return r;
    }
    measurement_machine(&run->measurement, &before);
    uint64_t start_ns = clock_monotonic_ns(&clock_system);
    r = live_through(run, &process, err);
    if (r < 0)
        return r;
    result->elapsed_s = (double)(clock_monotonic_ns(&clock_system) - start_ns) / 1e9;
    result->exit_status = run->status = r;
    r = await_moment(run, now_ms(), err);
    if (r >= 0)
        conclude(run, workload_cgroup_path(cgroup), &before, result);
    return r;
}

static int run_once(struct run *run, struct error *err)
{
    struct workload_cgroup *cgroup;
    struct error why = {0};
    char name[64];
    (void)snprintf(name, sizeof(name), "watt-run-%d-%zu", (int)getpid(), run->n_results + 1);
    int r = workload_cgroup_new(&cgroup, name, err);
    if (r < 0)
        return r;
    r = run_in(run, cgroup, &run->results[run->n_results], err);
    if (workload_cgroup_free(cgroup, &why) < 0)
        log_warning(run->log, "%s", why.text);
    run->n_results += r >= 0;
    return r;
}

/* ---- all of them ---- */

static int run_all(struct run *run, struct error *err)
{
    const struct meter_settings settings = {
        .store = run->values.store,
        .interval_ns = run->values.interval_ns,
        .granularity = "cgroup",
        .energy = run->values.energy,
    };
    run->results = calloc((size_t)run->values.repeat, sizeof(*run->results));
    if (!run->results)
        return error_set(err, -ENOMEM, "out of memory");
    int r = measurement_start(&run->measurement, &settings, run->log, err);
    if (r >= 0)
        r = await_ticks(run, err);
    while (r >= 0 && !run->ended_by && run->n_results < run->values.repeat)
        r = run_once(run, err);
    return r;
}

static int print(struct run *run, struct error *err)
{
    SCOPED(machine_deinit) struct machine machine = {0};
    struct error ignored = {0};
    const struct machine_part *locked = NULL;
    if (!run->measurement.live.source[0] && machine_probe(&machine, &ignored) >= 0)
        locked = machine_locked(&machine);
    const struct run_report report = {
        .format = run->values.json  ? "json"
                  : run->values.csv ? "csv"
                                    : "table",
        .command = run->text,
        .source = run->measurement.live.source,
        .advice = locked && locked->advice[0] ? locked->advice : NULL,
        .results = run->results,
        .n_results = run->n_results,
    };
    if (!run->values.output)
        return run_report_write(&report, stderr, err);
    FILE *stream = fopen(run->values.output, "we");
    if (!stream)
        return error_set(err, -errno, "%s: %s", run->values.output, strerror(errno));
    int r = run_report_write(&report, stream, err);
    if (fclose(stream) != 0 && r >= 0)
        r = error_set(err, -errno, "%s: %s", run->values.output, strerror(errno));
    return r;
}

static int settle_values(struct run *run, int argc, char **argv, int operand, struct error *err)
{
    size_t length = 0;
    if (operand >= argc)
        return error_set(err, -EINVAL, "what is to be run? watt run [OPTION]... -- COMMAND...");
    if (run->values.repeat < 1 || run->values.repeat > REPEAT_MAX)
        return error_set(err, -EINVAL, "--repeat %" PRIu64 ": from 1 to %d are allowed",
                         run->values.repeat, REPEAT_MAX);
    if (run->values.csv && run->values.json)
        return error_set(err, -EINVAL, "--csv and --json exclude each other");
    if (run->values.store && strncmp(run->values.store, "sqlite:", 7) != 0)
        return error_set(err, -EINVAL, "--store %s: a sqlite: store is wanted", run->values.store);
    run->command = argv + operand;
    for (int i = operand; i < argc && length < sizeof(run->text); i++)
        length += (size_t)snprintf(run->text + length, sizeof(run->text) - length, "%s%s",
                                   i > operand ? " " : "", argv[i]);
    return 0;
}

static int work(struct run *run, struct error *err)
{
    static const int wanted[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    int r = run->signals = signals_open(wanted, ARRAY_SIZE(wanted), err);
    if (r >= 0)
        r = run_all(run, err);
    if (run->n_results > 0) { /* what was measured is told in any case */
        struct error why = {0};
        int printed = print(run, &why);
        if (printed < 0 && r >= 0)
            r = error_set(err, printed, "%s", why.text);
    }
    measurement_end(&run->measurement);
    scope_close(&run->signals);
    free(run->results);
    if (r < 0)
        return r;
    return run->n_results > 0 ? run->status : 128 + run->ended_by;
}

static int run_run(int argc, char **argv, struct log *log)
{
    struct run run = {.log = log, .signals = -1};
    const struct option_group group = {"run", specs, ARRAY_SIZE(specs), &run.values};
    struct options *options = NULL;
    struct error err = {0};
    int operand;
    int r = arguments_parse_operands(&options, "watt run", "runs a command and prints what it used",
                                     "-- COMMAND...", &group, argc, argv, &operand, log, &err);
    if (r == OPTIONS_EXIT) {
        options_free(options);
        return 0;
    }
    if (r >= 0)
        r = settle_values(&run, argc, argv, operand, &err);
    if (r >= 0)
        r = work(&run, &err);
    if (r < 0)
        log_error(log, "%s", err.text[0] ? err.text : strerror(-r));
    options_free(options);
    if (r >= 0)
        return r;
    return run.measurement.child_status ? run.measurement.child_status : error_exit_status(r);
}

const struct command command_run = {
    .name = "run",
    .about = "runs a command and prints the joules and watts it used",
    .run = run_run,
};
