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
#include "cli/measurement_options.h"
#include "cli/signals.h"
#include "cli/workload_cgroup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"
#include "common/scope.h"

#define TICKS_BEFORE 3
#define REPEAT_MAX 100000

struct run_values {
    uint64_t repeat;
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
};
#undef AT

struct run {
    struct run_values values;
    struct measurement_values common;
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
    return identity_is_inside(identity, context);
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
        measurement_conclude(&run->measurement, &before, is_inside,
                             (void *)workload_cgroup_path(cgroup), result);
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
        .store = run->common.store,
        .interval_ns = run->common.interval_ns,
        .granularity = "cgroup",
        .energy = run->common.energy,
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

static int settle_values(struct run *run, int argc, char **argv, int operand, struct error *err)
{
    size_t length = 0;
    if (operand >= argc)
        return error_set(err, -EINVAL, "what is to be run? watt run [OPTION]... -- COMMAND...");
    if (run->values.repeat < 1 || run->values.repeat > REPEAT_MAX)
        return error_set(err, -EINVAL, "--repeat %" PRIu64 ": from 1 to %d are allowed",
                         run->values.repeat, REPEAT_MAX);
    run->command = argv + operand;
    for (int i = operand; i < argc && length < sizeof(run->text); i++)
        length += (size_t)snprintf(run->text + length, sizeof(run->text) - length, "%s%s",
                                   i > operand ? " " : "", argv[i]);
    return measurement_values_check(&run->common, err);
}

static int work(struct run *run, struct error *err)
{
    static const int wanted[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    int r = run->signals = signals_open(wanted, ARRAY_SIZE(wanted), err);
    if (r >= 0)
        r = run_all(run, err);
    if (run->n_results > 0) { /* what was measured is told in any case */
        struct error why = {0};
        int printed = measurement_report(&run->measurement, &run->common, run->text, run->results,
                                         run->n_results, &why);
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
    const struct option_group groups[] = {{"run", specs, ARRAY_SIZE(specs), &run.values},
                                          measurement_options(&run.common)};
    struct options *options = NULL;
    struct error err = {0};
    int operand;
    int r = arguments_parse_operands(&options, "watt run", "runs a command and prints what it used",
                                     "-- COMMAND...", groups, ARRAY_SIZE(groups), argc, argv,
                                     &operand, log, &err);
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
