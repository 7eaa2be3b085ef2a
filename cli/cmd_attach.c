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

#define QUIET_TICKS 2 /* without a living process: a child may be told of one tick late */

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
     .help = "end after so long (default: when the processes have ended, or at ^C)"},
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
    char text[200]; /* what is followed, for people */
    const struct log *log;
    struct measurement measurement;
    struct process_tree tree;
    struct workload_cgroup *cgroup; /* with --move */
    int signals;                    /* signalfd */
    bool is_interrupted;
    int64_t alive_ms; /* when one of them was last seen to live, real time */
};

static int add_operand(struct attach *attach, const char *text, struct error *err)
{
    if (text[strspn(text, "0123456789")] != '\0')
        return process_tree_add_name(&attach->tree, text, err);
    char *end;
    errno = 0;
    long pid = strtol(text, &end, 10);
    if (errno || pid <= 0 || pid > INT32_MAX)
        return error_set(err, -EINVAL, "%s: not a process id", text);
    return process_tree_add_pid(&attach->tree, (pid_t)pid, err);
}

static int settle_values(struct attach *attach, int argc, char **argv, int operand,
                         struct error *err)
{
    size_t length = 0;
    if (operand >= argc)
        return error_set(err, -EINVAL,
                         "who is to be followed? watt attach [OPTION]... PID|NAME...");
    int r = measurement_values_check(&attach->common, err);
    for (int i = operand; i < argc && r >= 0; i++) {
        r = add_operand(attach, argv[i], err);
        if (length < sizeof(attach->text))
            length += (size_t)snprintf(attach->text + length, sizeof(attach->text) - length, "%s%s",
                                       i > operand ? " " : "", argv[i]);
    }
    return r;
}

static int wait_a_little(struct attach *attach, struct error *err)
{
    int r = measurement_wait(&attach->measurement, attach->signals, err);
    while (signals_next(attach->signals, NULL))
        attach->is_interrupted = true;
    return r < 0 ? r : 0;
}

static int64_t now_ms(void)
{
    return (int64_t)(clock_realtime_ns(&clock_system) / NS_PER_MS);
}

/* Until time is up, we are told to stop, or nobody lives for some ticks. */
static int follow(struct attach *attach, struct error *err)
{
    const struct live *live = &attach->measurement.live;
    uint64_t ends_ns = 0, alive_at = 0; /* the time runs from the first tick on */
    int r = 0;
    while (r >= 0 && !attach->is_interrupted && live->n_ticks < alive_at + QUIET_TICKS) {
        uint64_t now_ns = clock_monotonic_ns(&clock_system);
        if (live->n_ticks > 0 && ends_ns == 0)
            ends_ns = now_ns + attach->values.for_ns;
        if (ends_ns > 0 && attach->values.for_ns > 0 && now_ns >= ends_ns)
            break;
        r = wait_a_little(attach, err);
        if (r >= 0 && live->n_ticks > 0)
            r = process_tree_grow(&attach->tree, live->identities);
        if (r >= 0 && process_tree_lives(&attach->tree)) {
            alive_at = live->n_ticks;
            attach->alive_ms = now_ms();
        }
    }
    return r;
}

/* The tick that holds this moment. */
static int await_now(struct attach *attach, struct error *err)
{
    int64_t at_ms = now_ms();
    int r = 0;
    while (r >= 0 && !measurement_reaches(&attach->measurement, at_ms))
        r = measurement_wait(&attach->measurement, -1, err);
    return r < 0 ? r : process_tree_grow(&attach->tree, attach->measurement.live.identities);
}

static bool is_chosen(const struct identity *identity, void *context)
{
    const struct attach *attach = context;
    return attach->cgroup ? identity_is_inside(identity, workload_cgroup_path(attach->cgroup))
                          : process_tree_has(&attach->tree, identity);
}

static int measure(struct attach *attach, struct run_result *result, struct error *err)
{
    const struct meter_settings settings = {
        .store = attach->common.store,
        .interval_ns = attach->common.interval_ns,
        .granularity = attach->cgroup ? "cgroup" : "process",
        .energy = attach->common.energy,
        .short_lived = "each",
    };
    const struct machine_usage before = {0};
    struct machine_usage after;
    int r = measurement_start(&attach->measurement, &settings, attach->log, err);
    if (r >= 0)
        r = follow(attach, err);
    if (r >= 0)
        r = await_now(attach, err);
    if (r < 0)
        return r;
    measurement_conclude(&attach->measurement, &before, is_chosen, attach, result);
    measurement_machine(&attach->measurement, &after);
    int64_t quiet_ms = attach->measurement.live.shown_ms - attach->alive_ms;
    result->elapsed_s = fmax(after.covered_s - (quiet_ms > 0 ? (double)quiet_ms / 1e3 : 0), 0);
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
    int r = workload_cgroup_new(&attach->cgroup, name, err);
    return r < 0 ? r : process_tree_each(&attach->tree, move_one, attach, err);
}

static int work(struct attach *attach, struct error *err)
{
    static const int wanted[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct run_result result;
    struct error why = {0};
    int r = attach->signals = signals_open(wanted, ARRAY_SIZE(wanted), err);
    if (r >= 0 && attach->values.move)
        r = move_in(attach, err);
    if (r >= 0)
        r = measure(attach, &result, err);
    if (r >= 0)
        r = measurement_report(&attach->measurement, &attach->common, attach->text, &result, 1,
                               err);
    if (workload_cgroup_free(attach->cgroup, &why) < 0)
        log_warning(attach->log, "%s", why.text);
    measurement_end(&attach->measurement);
    scope_close(&attach->signals);
    return r;
}

static int attach_run(int argc, char **argv, struct log *log)
{
    struct attach attach = {.log = log, .signals = -1};
    const struct option_group groups[] = {{"attach", specs, ARRAY_SIZE(specs), &attach.values},
                                          measurement_options(&attach.common)};
    struct options *options = NULL;
    struct error err = {0};
    int operand;
    int r = arguments_parse_operands(
        &options, "watt attach", "follows processes and all they make, prints what they used",
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
