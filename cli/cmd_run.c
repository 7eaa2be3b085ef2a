/* SPDX-License-Identifier: BSD-3-Clause */
/* `watt run`: a command in a cgroup of its own, and what it used. The measurement is private, so it
 * works beside a service and without one. It begins a few ticks before the command, so that idling
 * is known, and goes on to the tick that holds the command's end; until then the cgroup stays, or a
 * short command's energy would be charged to the group above. The command begins when the cgroup
 * is counted. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
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
     .help = "run the command so many times, print each value's mean and standard deviation"},
};
#undef AT

struct run {
    struct run_values values;
    struct measurement_values common;
    char **command; /* NULL-terminated */
    size_t n_words; /* of it */
    const struct log *log;
    struct measurement measurement;
    struct workload_tree tree;
    int signals;  /* signalfd */
    int ended_by; /* a signal that ends the series */
    struct run_result *results;
    size_t n_results;
    bool is_unknown; /* the command cannot be executed */
    int status;      /* of the command that ended last, also when its run is not in results */
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

enum { NOT_AWAITED = 1 };

/* Until all that was used by this moment is known; NOT_AWAITED: a signal came first. */
static int await_moment(struct run *run, int64_t at_ms, struct error *err)
{
    int r = 0;
    while (r == 0 && !measurement_holds(&run->measurement, at_ms))
        r = measurement_wait(&run->measurement, run->signals, err);
    take_signals(run, NULL);
    return r < 0 ? r : measurement_holds(&run->measurement, at_ms) ? 0 : NOT_AWAITED;
}

/* When nothing is measured any more the command still is somebody's work. */
static void live_on(struct run *run, const struct command_process *process)
{
    struct pollfd fds[] = {{.fd = process->pidfd, .events = POLLIN},
                           {.fd = run->signals, .events = POLLIN}};
    while (poll(fds, ARRAY_SIZE(fds), -1) < 0 || !fds[0].revents)
        take_signals(run, process);
}

/* The command's whole life. */
static int live_through(struct run *run, struct command_process *process, struct error *err)
{
    int r = 0;
    run->is_unknown = !command_process_release(process);
    while ((r = measurement_wait(&run->measurement, process->pidfd, err)) == 0)
        take_signals(run, process);
    if (r < 0)
        live_on(run, process);
    take_signals(run, NULL);
    run->status = command_process_end(process);
    return r < 0 ? r : 0;
}

static bool is_inside(const struct identity *identity, void *context)
{
    return identity_is_inside(identity, context);
}

static int run_in(struct run *run, struct command_process *process,
                  const struct workload_cgroup *cgroup, struct error *err)
{
    struct run_result *result = &run->results[run->n_results];
    struct machine_usage before;
    measurement_machine(&run->measurement, &before);
    uint64_t start_ns = clock_monotonic_ns(&clock_system);
    int r = live_through(run, process, err);
    if (r < 0 || run->is_unknown)
        return r;
    result->elapsed_s = (double)(clock_monotonic_ns(&clock_system) - start_ns) / 1e9;
    result->exit_status = run->status;
    r = await_moment(run, now_ms(), err);
    if (r < 0)
        return r;
    if (r == NOT_AWAITED) {
        log_warning(run->log, "a signal came before the tick in which the command ended: this run "
                              "is left out");
        return 0;
    }
    measurement_conclude(&run->measurement, &before, is_inside,
                         (void *)workload_cgroup_path(cgroup), result);
    result->covered_s = fmin(result->covered_s, result->elapsed_s);
    run->n_results++;
    return 0;
}

/* The bpf engine counts a cgroup from its birth, the others from the tick whose look finds it. */
static int await_look(struct run *run, struct error *err)
{
    const struct live *live = &run->measurement.live;
    bool counts_births = live->has_host && strcmp(live->host.engine, "bpf") == 0;
    return counts_births ? 0 : await_moment(run, now_ms(), err);
}

static int run_once(struct run *run, struct error *err)
{
    struct command_process process;
    struct workload_cgroup *cgroup;
    struct error why = {0};
    char name[64];
    (void)snprintf(name, sizeof(name), "watt-run-%d-%zu", (int)getpid(), run->n_results + 1);
    int r = command_process_start(&process, run->command, err);
    if (r < 0)
        return r;
    r = workload_cgroup_new(&cgroup, &run->tree, name, process.pid, WORKLOAD_STAYS, err);
    if (r < 0) {
        command_process_abandon(&process);
        return r;
    }
    r = await_look(run, err);
    if (r == 0)
        r = run_in(run, &process, cgroup, err);
    else
        command_process_abandon(&process);
    r = r == NOT_AWAITED ? 0 : r;
    if (workload_cgroup_free(cgroup, &why) < 0)
        log_warning(run->log, "%s", why.text);
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
        .cgroupfs = run->tree.mount,
    };
    run->results = calloc((size_t)run->values.repeat, sizeof(*run->results));
    if (!run->results)
        return error_set(err, -ENOMEM, "out of memory");
    int r = workload_tree_find(&run->tree, err);
    if (r >= 0)
        r = measurement_start(&run->measurement, &settings, run->log, err);
    if (r >= 0)
        r = await_ticks(run, err);
    while (r >= 0 && !run->ended_by && !run->is_unknown && run->n_results < run->values.repeat)
        r = run_once(run, err);
    return r;
}

static int check_values(const void *all, struct error *err)
{
    const struct run_values *values = all;
    if (values->repeat < 1 || values->repeat > REPEAT_MAX)
        return error_set(err, -EINVAL, "--repeat %" PRIu64 ": from 1 to %d are allowed",
                         values->repeat, REPEAT_MAX);
    return 0;
}

static int settle_values(struct run *run, int argc, char **argv, int operand, struct error *err)
{
    if (operand >= argc)
        return error_set(err, -EINVAL, "what is to be run? watt run [OPTION]... -- COMMAND...");
    run->command = argv + operand;
    run->n_words = (size_t)(argc - operand);
    return 0;
}

static int work(struct run *run, struct error *err)
{
    static const int wanted[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    int r = run->signals = signals_open(wanted, ARRAY_SIZE(wanted), err);
    if (r >= 0)
        r = measurement_open_output(&run->common, err);
    if (r >= 0)
        r = run_all(run, err);
    if (run->n_results > 0) { /* what was measured is told in any case */
        struct error why = {0};
        int printed = measurement_report(&run->measurement, &run->common, run->command,
                                         run->n_words, run->results, run->n_results, &why);
        if (printed < 0 && r >= 0)
            r = error_set(err, printed, "%s", why.text);
    }
    measurement_end(&run->measurement);
    scope_close(&run->signals);
    free(run->results);
    if (r < 0)
        return r;
    return run->n_results > 0 || run->status > 0 ? run->status : 128 + run->ended_by;
}

static int run_run(int argc, char **argv, struct log *log)
{
    struct run run = {.log = log, .signals = -1};
    const struct option_group groups[] = {
        {"run", specs, ARRAY_SIZE(specs), &run.values, check_values},
        measurement_options(&run.common)};
    struct options *options = NULL;
    struct error err = {0};
    int operand;
    int r = arguments_parse_operands(
        &options, "watt run",
        "prints the joules and watts that a command and all it starts used\n\n"
        "The command runs in a cgroup of its own below the present one, which takes root or a "
        "cgroup that was delegated; watt attach follows a process where it is and takes neither. "
        "It starts after three ticks. The exit status is the command's "
        "(127: not found, 126: not to be executed, 128 + N: ended by signal N); where that is 0 "
        "and the measurement failed: 64 usage, 69 unavailable, 77 permission.\n\n"
        "watt run -- make -j4\n"
        "watt run --repeat 5 --json -o out.json -- ./job",
        "-- COMMAND...", groups, ARRAY_SIZE(groups), argc, argv, &operand, log, &err);
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
    if (r >= 0 || run.status > 0)
        return run.status > 0 ? run.status : r;
    return run.measurement.child_status ? run.measurement.child_status : error_exit_status(r);
}

const struct command command_run = {
    .name = "run",
    .about = "runs a command and prints the joules and watts it used",
    .run = run_run,
};
