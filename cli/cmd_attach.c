/* SPDX-License-Identifier: BSD-3-Clause */
/* `watt attach`: follows processes and all they make, and says what they used until they have
 * ended. Nobody is moved: the private measurement tells every process apart, also those that live
 * shorter than a tick, and records say whose child each is. With --move they go into a cgroup of
 * their own, and back at the end. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/measurement_options.h"
#include "cli/process_tree.h"
#include "cli/signals.h"
#include "cli/systemd_scope.h"
#include "cli/workload_cgroup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"
#include "common/scope.h"

#define LATE_TICKS 1 /* a child may be told of so much later than it was born */

struct attach_values {
    uint64_t for_ns;
    bool move;
};

#define AT(field) offsetof(struct attach_values, field)
static const struct option_spec specs[] = {
    {.key = "for",
     .type = OPTION_DURATION,
     .offset = AT(for_ns),
     .argument = "DURATION",
     .flag_only = true,
     .help = "end after so long (default: when they and all they made have ended, or at ^C)"},
    {.key = "move",
     .type = OPTION_FLAG,
     .offset = AT(move),
     .flag_only = true,
     .help = "move the processes into a cgroup of their own, and back at the end, instead of "
             "telling processes apart; not where systemd manages the cgroups"},
};
#undef AT

struct attach {
    struct attach_values values;
    struct measurement_values common;
    char **names; /* what is followed */
    size_t n_names;
    const struct log *log;
    struct measurement measurement;
    struct process_tree tree;
    struct workload_cgroup *cgroup; /* with --move */
    struct workload_tree hierarchy; /* it is in */
    int signals;                    /* signalfd */
    uint64_t grown_ticks;           /* ticks whose records the tree knows */
    bool was_alive;                 /* at a tick */
    int64_t alive_ms;               /* when one of them still lived or had just ended, real time */
};

static int add_operand(struct attach *attach, const char *text, struct error *err)
{
    if (!*text)
        return error_set(err, -EINVAL, "an empty name is nobody's");
    if (text[strspn(text, "0123456789")] != '\0')
        return process_tree_add_name(&attach->tree, text, err);
    char *end;
    errno = 0;
    long pid = strtol(text, &end, 10);
    if (errno || pid <= 0 || pid > INT32_MAX)
        return error_set(err, -EINVAL, "%s: not a process id", text);
    if (pid == getpid())
        return error_set(err, -EINVAL, "%s is watt itself, which is not counted", text);
    return process_tree_add_pid(&attach->tree, (pid_t)pid, err);
}

static int settle_values(struct attach *attach, int argc, char **argv, int operand,
                         struct error *err)
{
    if (operand >= argc)
        return error_set(err, -EINVAL,
                         "who is to be followed? watt attach [OPTION]... PID|NAME...");
    int r = 0;
    attach->names = argv + operand;
    attach->n_names = (size_t)(argc - operand);
    for (size_t i = 0; i < attach->n_names && r >= 0; i++)
        r = add_operand(attach, attach->names[i], err);
    return r;
}

/* 1: a signal came. */
static int wait_a_little(struct attach *attach, struct error *err)
{
    bool is_told = false;
    int r = measurement_wait(&attach->measurement, attach->signals, err);
    while (signals_next(attach->signals, NULL))
        is_told = true;
    return r < 0 ? r : is_told;
}

static int64_t now_ms(void)
{
    return (int64_t)(clock_realtime_ns(&clock_system) / NS_PER_MS);
}

static bool is_chosen(const struct identity *identity, void *context)
{
    const struct attach *attach = context;
    return attach->cgroup ? identity_is_inside(identity, workload_cgroup_path(attach->cgroup))
                          : process_tree_has(&attach->tree, identity);
}

/* What records tell, from the first tick on; until then who is there is looked up. */
static int grow(struct attach *attach, struct error *err)
{
    const struct live *live = &attach->measurement.live;
    int r = 0;
    if (attach->grown_ticks == 0)
        r = process_tree_adopt(&attach->tree, err);
    if (r < 0 || live->n_ticks == attach->grown_ticks)
        return r;
    int64_t at_ms = now_ms();
    attach->grown_ticks = live->n_ticks;
    r = process_tree_grow(&attach->tree, live->identities);
    if (r >= 0 && measurement_sweep(&attach->measurement, at_ms, is_chosen, attach))
        r = process_tree_sweep(&attach->tree, live->identities, at_ms, live->before_ms);
    return r < 0 ? error_set(err, r, "out of memory") : r;
}

/* Nobody lives, and all who were born by then are told of: ticks arrive later than they end. */
static bool is_over(const struct attach *attach, bool does_live)
{
    int64_t late_ms = (int64_t)(LATE_TICKS * attach->common.interval_ns / NS_PER_MS);
    return !does_live && measurement_reaches(&attach->measurement, attach->alive_ms + late_ms);
}

static bool does_live(struct attach *attach)
{
    return attach->cgroup ? workload_cgroup_is_used(attach->cgroup)
                          : process_tree_lives(&attach->tree);
}

/* Until time is up, we are told to stop, or all is over. */
static int follow(struct attach *attach, struct error *err)
{
    const struct live *live = &attach->measurement.live;
    bool did_live = true, lives = true;
    int r = 0;
    while (r == 0 && !is_over(attach, lives) && !measurement_is_full(&attach->measurement)) {
        r = wait_a_little(attach, err);
        int grown = r >= 0 ? grow(attach, err) : 0;
        lives = does_live(attach);
        attach->was_alive |= lives && live->n_ticks > 0;
        if (did_live || lives) /* the look that finds them gone is the first after their end */
            attach->alive_ms = now_ms();
        did_live = lives;
        r = grown < 0 ? grown : r;
    }
    return r < 0 ? r : 0;
}

/* The tick that holds this moment, unless one more signal does not want to wait for it. */
static int await_now(struct attach *attach, struct error *err)
{
    const struct live *live = &attach->measurement.live;
    int64_t at_ms = now_ms();
    int r = 0;
    while (r == 0 && !measurement_is_full(&attach->measurement) &&
           !measurement_reaches(&attach->measurement, at_ms))
        r = wait_a_little(attach, err);
    if (r < 0 || live->n_ticks == 0)
        return r < 0 ? r : error_set(err, -EINTR, "interrupted before the first tick");
    r = grow(attach, err);
    if (r >= 0 && !attach->was_alive && attach->tree.n_members == 0 &&
        attach->measurement.ended.n_targets == 0)
        r = error_set(err, -ESRCH, "all of them ended before the first tick: nothing is known");
    return r;
}

static int measure(struct attach *attach, struct run_result *result, struct error *err)
{
    const struct meter_settings settings = {
        .store = attach->common.store,
        .interval_ns = attach->common.interval_ns,
        .granularity = attach->cgroup ? "cgroup" : "process",
        .energy = attach->common.energy,
        .cgroupfs = attach->cgroup ? attach->hierarchy.mount : NULL,
        .short_lived = "each",
    };
    const struct machine_usage before = {0};
    int r = measurement_start(&attach->measurement, &settings, attach->log, err);
    attach->measurement.span_ns = attach->values.for_ns;
    if (r >= 0)
        r = follow(attach, err);
    if (r >= 0)
        r = await_now(attach, err);
    if (r < 0)
        return r;
    measurement_conclude(&attach->measurement, &before, is_chosen, attach, result);
    double elapsed_s = (double)measurement_elapsed_ns(&attach->measurement) / 1e9;
    /* All of it, to the nanosecond; and a late tick holds more than it is due. */
    if (result->covered_s > elapsed_s - (double)attach->common.interval_ns / 2e9)
        elapsed_s = result->covered_s;
    int64_t quiet_ms = attach->measurement.live.shown_ms - attach->alive_ms;
    if (quiet_ms > 0)
        elapsed_s -= (double)quiet_ms / 1e3;
    bool is_known = elapsed_s > 0; /* who ended before the first tick was there for none of it */
    result->elapsed_s = is_known ? elapsed_s : NAN;
    result->covered_s = is_known ? fmin(result->covered_s, elapsed_s) : NAN;
    result->exit_status = VALUE_ABSENT;
    return 0;
}

/* ---- moving ---- */

static int move_one(pid_t pid, void *context, struct error *err)
{
    struct attach *attach = context;
    return workload_cgroup_add(attach->cgroup, pid, err);
}

static int move_in(struct attach *attach, struct error *err)
{
    char name[64];
    if (systemd_rules())
        return error_set(err, -EINVAL,
                         "--move: systemd manages the cgroups of this machine and would not find "
                         "its processes again; without --move they are followed where they are");
    (void)snprintf(name, sizeof(name), "watt-attach-%d", (int)getpid());
    int r = workload_tree_find(&attach->hierarchy, err);
    if (r >= 0)
        r = workload_cgroup_new(&attach->cgroup, &attach->hierarchy, name,
                                (pid_t)attach->tree.roots[0].key.pid, WORKLOAD_RETURNS, err);
    return r < 0 ? r : process_tree_each(&attach->tree, move_one, attach, err);
}

static int work(struct attach *attach, struct error *err)
{
    static const int wanted[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct run_result result;
    struct error why = {0};
    int r = attach->signals = signals_open(wanted, ARRAY_SIZE(wanted), err);
    if (r >= 0)
        r = measurement_open_output(&attach->common, err);
    if (r >= 0)
        r = process_tree_leave_out(&attach->tree, getpid(), err);
    if (r >= 0 && attach->values.move)
        r = move_in(attach, err);
    if (r >= 0)
        r = measure(attach, &result, err);
    if (r >= 0)
        r = measurement_report(&attach->measurement, &attach->common, attach->names,
                               attach->n_names, &result, 1, err);
    if (workload_cgroup_free(attach->cgroup, &why) < 0)
        log_warning(attach->log, "%s", why.text);
    measurement_end(&attach->measurement);
    scope_close(&attach->signals);
    return r;
}

static int attach_run(int argc, char **argv, struct log *log)
{
    struct attach attach = {.log = log, .signals = -1};
    const struct option_group groups[] = {
        {"attach", specs, ARRAY_SIZE(specs), &attach.values, NULL},
        measurement_options(&attach.common)};
    struct options *options = NULL;
    struct error err = {0};
    int operand;
    int r = arguments_parse_operands(
        &options, "watt attach",
        "prints the joules and watts that processes and all they make use\n\n"
        "NAME: every process of that command name (the first 15 bytes of it, as ps -o comm shows "
        "it). What the measurement itself uses is not counted. ^C ends it and prints; a second ^C "
        "does not wait for the tick in hand. Exit status: "
        "0, 64 usage, 69 no such process or no measurement, 75 interrupted before the first tick, "
        "77 permission.\n\n"
        "watt attach --for 10s firefox",
        "PID|NAME...", groups, ARRAY_SIZE(groups), argc, argv, &operand, log, &err);
    if (r == OPTIONS_EXIT) {
        options_free(options);
        return 0;
    }
    if (r >= 0)
        r = settle_values(&attach, argc, argv, operand, &err);
    if (r >= 0)
        r = work(&attach, &err);
    if (r < 0)
        log_error(log, "%s", err.text[0] ? err.text : strerror(-r));
    process_tree_deinit(&attach.tree);
    options_free(options);
    return attach.measurement.child_status ? attach.measurement.child_status : error_exit_status(r);
}

const struct command command_attach = {
    .name = "attach",
    .about = "follows running processes and prints the joules and watts they used",
    .run = attach_run,
};
