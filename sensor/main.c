/* SPDX-License-Identifier: BSD-3-Clause */
/* watt-sensor: the options, what is opened in which order, and the loop. Ticks come from an
 * absolute timer on the boundaries of the interval in real time, so that the sensors of a cluster
 * tick together; signals come through a descriptor and are looked at between ticks, so that a tick
 * in hand is always finished. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "common/log.h"
#include "common/remote_scheme.h"
#include "common/scope.h"
#include "common/store/store.h"
#include "sensor/arguments.h"
#include "sensor/privileges.h"
#include "sensor/probe.h"
#include "sensor/real_time.h"
#include "sensor/recorded_ticks.h"
#include "sensor/reload.h"
#include "sensor/sensor.h"
#include "sensor/spool.h"
#include "sensor/target_rules.h"
#include "sensor/tick_timer.h"

#define RECORD_LEAD_NS (20 * NS_PER_MS) /* at the start, in which the kernel is told to take readings */
#define RECORD_TRY_NS NS_PER_S          /* while it is not known whether the kernel can take the readings */
#define RECORD_AGAIN_NS (10 * NS_PER_S) /* after it has stopped */
#define REAL_TIME_INTERVAL_NS (10 * NS_PER_MS)

struct program {
    struct log log;
    int argc;
    char **argv;
    struct arguments arguments;
    char name[SENSOR_NAME_SIZE];
    char state_directory[PATH_MAX], spool_directory[PATH_MAX], store_uri[PATH_MAX + 16];
    struct host_mounts mounts;
    struct host host;
    struct target_rules *rules;
    struct sensor_settings settings;
    struct tick_timer timer;
    struct recorded_ticks recorded;
    uint64_t record_at_ns; /* when the kernel is asked to take the readings */
    bool has_spool;
    struct spool spool;
    struct store *store;
    struct sensor *sensor;
    uint64_t n_ticks; /* taken */
};

/* ---- settings ---- */

/* The host name with what a sensor name may not hold replaced. */
static void choose_name(struct program *program)
{
    if (program->arguments.name) {
        (void)snprintf(program->name, sizeof(program->name), "%s", program->arguments.name);
        return;
    }
    char host_name[256] = "";
    if (gethostname(host_name, sizeof(host_name) - 1) < 0 || host_name[0] == '\0')
        (void)snprintf(host_name, sizeof(host_name), "localhost");
    (void)snprintf(program->name, sizeof(program->name), "%s", host_name);
    for (char *at = program->name; *at; at++) {
        char one[2] = {*at, '\0'};
        if (!sensor_name_is_valid(one))
            *at = '-';
    }
}

/* ---- files ---- */

static void find_state_directory(struct program *program)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    char *directory = program->state_directory;
    size_t size = sizeof(program->state_directory);
    if (geteuid() == 0)
        (void)snprintf(directory, size, "/var/lib/wattribute");
    else if (state && state[0] == '/')
        (void)snprintf(directory, size, "%s/wattribute", state);
    else
        (void)snprintf(directory, size, "%s/.local/state/wattribute", home ? home : "");
}

/* Makes the folders on the way to a default place: nobody was asked to. */
static int make_directories(const char *directory, struct error *err)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s", directory);
    for (char *slash = path + 1;; slash++) {
        if (*slash != '/' && *slash != '\0')
            continue;
        char rest = *slash;
        *slash = '\0';
        if (mkdir(path, 0750) < 0 && errno != EEXIST)
            return error_set(err, -errno, "%s: %s; give another place with --store", path,
                             strerror(errno));
        *slash = rest;
        if (rest == '\0')
            return 0;
    }
}

/* Where records go from here: the store itself, or the spool before a remote one. */
static int choose_store(struct program *program, struct error *err)
{
    const char *store = program->arguments.store;
    int r = 0;
    find_state_directory(program);
    if (store && uri_is_remote(store)) {
        const char *directory = program->arguments.spool;
        if (!directory) {
            int n = snprintf(program->spool_directory, sizeof(program->spool_directory), "%s/spool",
                             program->state_directory);
            if (n < 0 || (size_t)n >= sizeof(program->spool_directory))
                return error_set(err, -ENAMETOOLONG, "%s/spool: the name is too long",
                                 program->state_directory);
            directory = program->spool_directory;
            r = make_directories(directory, err);
        }
        if (r >= 0)
            r = spool_init(&program->spool, directory, store, &clock_system, &program->log);
        if (r < 0)
            return r;
        program->has_spool = true;
        (void)snprintf(program->store_uri, sizeof(program->store_uri), "%s", program->spool.uri);
        return 0;
    }
    if (store && strcmp(store, "sqlite:") != 0) {
        int n = snprintf(program->store_uri, sizeof(program->store_uri), "%s", store);
        if (n < 0 || (size_t)n >= sizeof(program->store_uri))
            return error_set(err, -EINVAL, "store: the URI is longer than %zu bytes",
                             sizeof(program->store_uri) - 1);
        return 0;
    }
    (void)snprintf(program->store_uri, sizeof(program->store_uri), "sqlite:%s",
                   program->state_directory);
    return make_directories(program->state_directory, err);
}

/* The run of the newest record of ours, so that this one's sorts after it even if the clock was set
 * back. A store that cannot look back has nothing to sort. */
static void find_last_run(const struct program *program, char run[static RUN_SIZE])
{
    struct store_query query = {.sensor = program->name,
                                .from_ms = VALUE_ABSENT,
                                .to_ms = VALUE_ABSENT,
                                .newest_first = true,
                                .limit = 1};
    struct cursor *cursor;
    struct document document;
    run[0] = '\0';
    if (program->settings.write_powerapi || store_query(program->store, &query, &cursor, NULL) < 0)
        return;
    if (cursor_next(cursor, &document, NULL) == CURSOR_DOCUMENT)
        (void)snprintf(run, RUN_SIZE, "%s", document.key.run);
    cursor_close(cursor);
}

/* ---- the machine ---- */

static void set_host(struct program *program)
{
    const struct arguments *values = &program->arguments;
    program->host = (struct host){.sysfs = values->sysfs,
                                  .procfs = values->procfs,
                                  .devfs = values->devfs,
                                  .clock = &program->recorded.clock,
                                  .log = &program->log};
    host_find_trees(&program->host, values->cgroupfs, &program->mounts);
}

static int set_settings(struct program *program, struct error *err)
{
    const struct arguments *values = &program->arguments;
    choose_name(program);
    int r = target_rules_parse(&program->rules, (const char *const *)values->targets.values,
                               values->targets.n_values, err);
    if (r < 0)
        return r;
    program->settings = (struct sensor_settings){
        .name = program->name,
        .interval_ns = values->interval_ns,
        .energy = values->energy,
        .engine = values->engine,
        .granularity = arguments_granularity(values),
        .rules = program->rules,
        .events = (const char *const *)values->events.values,
        .n_events = values->events.n_values,
        .write_powerapi = arguments_write_powerapi(values),
        .is_unaligned = strcmp(values->align, "never") == 0,
        .source_settings = (const void *const *)values->source_settings,
        .engine_settings = (const void *const *)values->engine_settings,
    };
    return 0;
}

/* ---- running ---- */

static int open_signals(struct error *err)
{
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGHUP);
    (void)sigaddset(&signals, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
        return error_set(err, -errno, "blocking signals: %s", strerror(errno));
    int fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd >= 0 ? fd : error_set(err, -errno, "signalfd: %s", strerror(errno));
}

/* A configuration that is broken now changes nothing. */
static void reload(struct program *program)
{
    struct target_rules *rules;
    struct error err = {0};
    if (rules_reload(&rules, program->argc, program->argv, program->settings.granularity,
                     &program->log, &err) < 0) {
        log_warning(&program->log, "SIGHUP: the rules for targets stay as they were: %s", err.text);
        return;
    }
    sensor_set_rules(program->sensor, rules);
    target_rules_free(program->rules);
    program->rules = rules;
    log_info(&program->log,
             "SIGHUP: the rules for targets were read anew; other settings need a restart");
}

/* True if it is time to end. */
static bool take_signals(struct program *program, int fd)
{
    struct signalfd_siginfo signal;
    bool ends = false;
    while (read(fd, &signal, sizeof(signal)) == (ssize_t)sizeof(signal)) {
        if (signal.ssi_signo == SIGHUP)
            reload(program);
        else if (signal.ssi_signo != SIGCHLD)
            ends = true;
        else if (program->has_spool)
            courier_process_watch(&program->spool.courier);
    }
    return ends;
}

/* A courier that can never carry anything is an error of the start, and not of the network. */
static int check_courier(const struct program *program, struct error *err)
{
    int refusal = program->has_spool ? program->spool.courier.refusal : 0;
    if (refusal == 0)
        return 0;
    return error_set(err, refusal == error_exit_status(-EDOM) ? -EDOM : -EINVAL,
                     "watt-courier does not accept the store or its configuration, as it says "
                     "above: correct that; what was recorded waits in %s",
                     program->spool.uri);
}

static bool has_store_thread(const struct program *program)
{
    return program->settings.interval_ns < SENSOR_STORE_INTERVAL_NS;
}

static bool is_done(const struct program *program)
{
    return program->arguments.n_ticks > 0 && program->n_ticks >= program->arguments.n_ticks;
}

static int take_tick(struct program *program, uint64_t n_periods, struct error *err)
{
    int r = sensor_tick(program->sensor, n_periods, err);
    program->n_ticks += r >= 0;
    if (r >= 0 && program->has_spool) {
        spool_watch(&program->spool);
        if (!has_store_thread(program))
            spool_forget(&program->spool, program->store);
    }
    return r;
}

/* Of the machine's own clock, which never stands. */
static int open_timer(struct program *program, uint64_t interval_ns, struct error *err)
{
    tick_timer_close(&program->timer);
    return tick_timer_open(&program->timer, &clock_system, interval_ns, err);
}

/* From there on the timer is that of fetching what the kernel has read. */
static int try_to_record(struct program *program, uint64_t first_ns, struct error *err)
{
    uint64_t now_ns = clock_monotonic_ns(&clock_system);
    if (now_ns < program->record_at_ns)
        return 0;
    int r = sensor_record(program->sensor, &program->recorded, first_ns);
    program->record_at_ns = r == -EAGAIN ? now_ns + RECORD_TRY_NS : UINT64_MAX;
    return r >= 0 ? open_timer(program, SENSOR_STORE_INTERVAL_NS, err) : 0;
}

static int take_live_tick(struct program *program, uint64_t n_periods, struct error *err)
{
    int r = take_tick(program, n_periods, err);
    if (r >= 0)
        r = tick_timer_set(&program->timer, sensor_offset_ns(program->sensor), err);
    return r < 0 ? r : try_to_record(program, program->timer.due_ns, err);
}

static int end_recording(struct program *program, struct error *err)
{
    log_debug(&program->log, "the kernel takes no readings any more: they are taken here");
    program->record_at_ns = clock_monotonic_ns(&clock_system) + RECORD_AGAIN_NS;
    uint64_t n_periods = sensor_end_recording(program->sensor, &program->recorded);
    int r = n_periods > 0 ? take_tick(program, n_periods, err) : 0;
    return r < 0 ? r : open_timer(program, program->settings.interval_ns, err);
}

static int take_recorded_ticks(struct program *program, struct error *err)
{
    uint64_t n_periods;
    int r = 0;
    while (r >= 0 && !is_done(program) && !sensor_wants_to_read(program->sensor) &&
           (n_periods = recorded_ticks_take(&program->recorded)) > 0)
        r = take_tick(program, n_periods, err);
    bool goes_on = recorded_ticks_end_row(&program->recorded);
    if (r >= 0)
        r = sensor_hand_over(program->sensor);
    if (r >= 0 && (!goes_on || sensor_wants_to_read(program->sensor)))
        r = end_recording(program, err);
    return r;
}

static int take_ticks(struct program *program, struct error *err)
{
    uint64_t n_periods = tick_timer_take(&program->timer);
    if (n_periods == 0)
        return 0;
    if (!program->recorded.source)
        return take_live_tick(program, n_periods, err);
    int r = take_recorded_ticks(program, err);
    return r >= 0 && program->recorded.source ? tick_timer_set(&program->timer, 0, err) : r;
}

static void forget_appended(void *context)
{
    struct program *program = context;
    if (program->has_spool)
        spool_forget(&program->spool, program->store);
}

/* After the capabilities were dropped: threads have those of whoever starts them. */
static int prepare_ticks(struct program *program, struct error *err)
{
    int r = has_store_thread(program)
                ? sensor_start_store_thread(program->sensor, forget_appended, program)
                : 0;
    if (r < 0)
        return error_set(err, r, "starting a thread that stores: %s", strerror(-r));
    r = sensor_start_source_threads(program->sensor);
    if (r < 0)
        return error_set(err, r, "starting a thread that reads energy: %s", strerror(-r));
    r = open_timer(program, program->settings.interval_ns, err);
    uint64_t interval_ns = program->settings.interval_ns;
    uint64_t lead_ns = RECORD_LEAD_NS / interval_ns * interval_ns; /* no tick is missed yet */
    return r < 0 ? r : try_to_record(program, program->timer.due_ns + lead_ns, err);
}

static int loop(struct program *program, int signal_fd, struct error *err)
{
    struct pollfd fds[] = {{.events = POLLIN}, {.fd = signal_fd, .events = POLLIN}};
    while (!is_done(program)) {
        fds[0].fd = program->timer.fd;
        if (ppoll(fds, ARRAY_SIZE(fds), NULL, NULL) < 0) {
            if (errno == EINTR)
                continue;
            return error_set(err, -errno, "waiting for a tick: %s", strerror(errno));
        }
        int r = fds[0].revents ? take_ticks(program, err) : 0;
        if (r < 0)
            return r;
        if (fds[1].revents && take_signals(program, signal_fd))
            return program->recorded.source ? take_recorded_ticks(program, err) : 0;
        r = check_courier(program, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int finish(struct program *program, int signal_fd, struct error *err)
{
    int r = sensor_flush(program->sensor, err);
    uint64_t n_lost = sensor_lost(program->sensor);
    if (n_lost > 0)
        log_warning(&program->log, "%" PRIu64 " records were lost to a store that took none",
                    n_lost);
    uint64_t n_missed = sensor_missed(program->sensor);
    if (n_missed > 0)
        log_info(&program->log,
                 "%" PRIu64 " of %" PRIu64 " periods had no tick of their own: their energy is in "
                 "the next one's",
                 n_missed, n_missed + program->n_ticks);
    if (program->has_spool)
        spool_drain(&program->spool, program->store, program->arguments.drain_ns, signal_fd);
    return r;
}

static int drop_privileges(const struct program *program, struct error *err)
{
    char names[PRIVILEGES_NAMES_SIZE];
    int r = privileges_drop(sensor_capabilities(program->sensor), names, err);
    if (r >= 0)
        log_info(&program->log, "capabilities kept: %s", names[0] ? names : "none");
    return r;
}

static int run_sensor(struct program *program, struct error *err)
{
    char last_run[RUN_SIZE];
    SCOPED(scope_close) int signal_fd = -1;
    int r = choose_store(program, err);
    if (r < 0)
        return r;
    r = store_open(&program->store, program->store_uri, STORE_WRITE, sensor_store_tables,
                   program->arguments.store_settings, &program->log, err);
    if (r < 0)
        return r;
    find_last_run(program, last_run);
    signal_fd = open_signals(err);
    if (signal_fd < 0)
        return signal_fd;
    if (program->has_spool && (r = courier_process_start(&program->spool.courier, err)) < 0)
        return r;
    r = sensor_new(&program->sensor, &program->settings, &program->host, program->store, last_run,
                   err);
    if (r >= 0 && program->settings.interval_ns < REAL_TIME_INTERVAL_NS &&
        strcmp(program->settings.engine, "none") == 0)
        real_time_ask(&program->log);
    if (r >= 0)
        r = drop_privileges(program, err);
    if (r >= 0)
        r = prepare_ticks(program, err);
    if (r >= 0)
        r = loop(program, signal_fd, err);
    struct error late = {0};
    int finished = program->sensor ? finish(program, signal_fd, &late) : 0;
    if (r >= 0 && finished < 0)
        r = error_set(err, finished, "%s", late.text);
    return r < 0 ? r : check_courier(program, err);
}

static void program_deinit(struct program *program)
{
    sensor_free(program->sensor);
    store_close(program->store);
    tick_timer_close(&program->timer);
    if (program->has_spool) {
        courier_process_stop(&program->spool.courier, NS_PER_S);
        spool_deinit(&program->spool);
    }
    target_rules_free(program->rules);
    arguments_deinit(&program->arguments);
}

int main(int argc, char **argv)
{
    struct program program = {.argc = argc, .argv = argv, .timer.fd = -1};
    struct error err = {0};
    log_init(&program.log, "watt-sensor");
    recorded_ticks_init(&program.recorded, &clock_system);
    int r = arguments_parse(&program.arguments, argc, argv, &program.log, &err);
    if (r == 0) {
        set_host(&program);
        r = set_settings(&program, &err);
        if (r >= 0)
            r = program.arguments.probe
                    ? probe_write(stdout, &program.settings, &program.host, &err)
                    : run_sensor(&program, &err);
    }
    if (r < 0)
        log_error(&program.log, "%s", err.text[0] ? err.text : strerror(-r));
    program_deinit(&program);
    return error_exit_status(r);
}
