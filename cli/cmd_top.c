/* SPDX-License-Identifier: BSD-3-Clause */
/* `watt top`: follows a running service's store, or measures by itself with a private sensor and
 * formula. The loop wakes for signals, for a child that speaks or ends, and ten times a second to
 * look into the store; it never sleeps past the end of anything it started. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/live.h"
#include "cli/machine.h"
#include "cli/meter.h"
#include "cli/screen.h"
#include "cli/signals.h"
#include "cli/stores.h"
#include "cli/sweep.h"
#include "cli/top_view.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"
#include "common/options.h"
#include "common/remote/remote.h"
#include "common/remote_scheme.h"
#include "common/scope.h"
#include "common/uri.h"

#define LOOK_MS 100
#define FIRST_DATA_NS (20 * NS_PER_S)
#define ENDED_KEPT_MS 60000 /* their lines */
#define LARGEST_KEPT 1000   /* for --sort joules */

struct top_values {
    char *store, *sensor, *sort, *granularity, *energy;
    uint64_t ticks, interval_ns, count;
};

static const char *const orders[] = {"watts", "joules", "cpu", "name", NULL};
static const char *const granularities[] = {"process", "cgroup", NULL};

#define AT(field) offsetof(struct top_values, field)
static const struct option_spec specs[] = {
    {.key = "store",
     .type = OPTION_STRING,
     .offset = AT(store),
     .argument = "URI",
     .check = cli_check_store,
     .help = "read this store while a service writes it, or keep the private measurement here "
             "(default: "
             "the service's store if it is alive, else a temporary folder)"},
    {.key = "ticks",
     .letter = 'n',
     .type = OPTION_COUNT,
     .offset = AT(ticks),
     .fallback = "0",
     .argument = "N",
     .flag_only = true,
     .help = "end after so many ticks; 0: when interrupted"},
    {.key = "interval",
     .letter = 'i',
     .type = OPTION_DURATION,
     .offset = AT(interval_ns),
     .fallback = "1s",
     .argument = "DURATION",
     .help = "length of a tick of the private measurement"},
    {.key = "sort",
     .type = OPTION_CHOICE,
     .offset = AT(sort),
     .fallback = "watts",
     .argument = "KEY",
     .choices = orders,
     .help = "largest first by watts, joules or cpu, or by name"},
    {.key = "count",
     .type = OPTION_COUNT,
     .offset = AT(count),
     .fallback = "0",
     .argument = "N",
     .help = "lines per table; 0: what fits the terminal, 15 through a pipe"},
    {.key = "granularity",
     .type = OPTION_CHOICE,
     .offset = AT(granularity),
     .fallback = "process",
     .argument = "WHAT",
     .choices = granularities,
     .help = "what the private measurement tells apart"},
    {.key = "energy",
     .type = OPTION_STRING,
     .offset = AT(energy),
     .argument = "SOURCE",
     .help = "energy source of the private measurement, as watt-sensor's --energy"},
    {.key = "sensor",
     .type = OPTION_STRING,
     .offset = AT(sensor),
     .argument = "NAME",
     .flag_only = true,
     .help = "the sensor to show, where a store has several"},
};
#undef AT

struct top {
    struct top_values values;
    const struct log *log;
    struct meter meter;
    bool is_private;
    struct store *store;
    struct live live;
    struct sweep sweep;
    bool is_following;      /* store and live are open */
    char label[LABEL_SIZE]; /* of the service's newest watts, "" any */
    char sensor[SENSOR_NAME_SIZE];
    struct screen screen;
    struct top_view view;
    struct machine machine;
    bool has_probed;
    int signals;  /* signalfd */
    int ended_by; /* the signal that asked us to stop */
    int64_t start_ms;
    uint64_t start_ns, interval_ns;
    char *page;       /* the last one shown, owned */
    int child_status; /* of a child that ended by itself, else 0 */
};

/* 1 and the newest watts' sensor, label and interval if the store is alive: its newest watts are
 * younger than 3 ticks. */
static int look_for_service(struct top *top, const char *uri, struct error *err)
{
    struct store *store;
    struct cursor *cursor = NULL;
    struct document document;
    int r = store_open(&store, uri, STORE_READ, cli_store_tables, NULL, top->log, err);
    if (r < 0)
        return r;
    const struct store_query query = {
        .kinds = KIND_BIT(RECORD_POWER),
        .sensor = top->values.sensor,
        .from_ms = VALUE_ABSENT,
        .to_ms = VALUE_ABSENT,
        .newest_first = true,
        .limit = 1,
    };
    struct power_record power;
    power_record_init(&power);
    r = store_query(store, &query, &cursor, err);
    if (r >= 0)
        r = cursor_next(cursor, &document, err);
    if (r == CURSOR_DOCUMENT && power_record_decode(&document, &power, err) >= 0 &&
        power.dt_ns > 0) {
        int64_t age_ms = top->start_ms - power.key.timestamp_ms;
        r = age_ms < 3 * power.dt_ns / (int64_t)NS_PER_MS;
        top->interval_ns = (uint64_t)power.dt_ns;
        memcpy(top->label, power.label, sizeof(top->label));
        memcpy(top->sensor, power.key.sensor, sizeof(top->sensor));
    } else if (r > 0) {
        r = 0;
    }
    power_record_deinit(&power);
    cursor_close(cursor);
    store_close(store);
    return r;
}

static int start_private(struct top *top, const char *uri, struct error *err)
{
    const struct meter_settings settings = {
        .store = uri,
        .interval_ns = top->values.interval_ns,
        .granularity = top->values.granularity,
        .energy = top->values.energy,
        .sensor = top->values.sensor,
    };
    top->is_private = true;
    top->interval_ns = top->values.interval_ns;
    top->label[0] = top->sensor[0] = '\0';
    return meter_start(&top->meter, &settings, err);
}

/* Decides between a service's store and a measurement of our own. */
static int choose_store(struct top *top, struct error *err)
{
    const char *uri = top->values.store;
    struct error why = {0};
    int r = look_for_service(top, uri ? uri : DEFAULT_STORE, &why);
    if (r > 0) {
        (void)snprintf(top->meter.uri, sizeof(top->meter.uri), "%s", uri ? uri : DEFAULT_STORE);
        return 0;
    }
    if (uri && r < 0 && error_exit_status(r) != error_exit_status(-ENOENT))
        return error_set(err, r, "%s", why.text); /* not merely absent: measuring would not help */
    if (uri && uri_is_remote(uri))
        return r < 0 ? error_set(err, r, "%s", why.text)
                     : error_set(err, -ENODATA,
                                 "the store holds no fresh watts: are watt-sensor and watt-formula "
                                 "running?");
    if (uri && strncmp(uri, "sqlite:", 7) != 0)
        return error_set(err, -EINVAL,
                         "--store %s: watt top can follow or write sqlite: stores, "
                         "and follow mongodb:// ones",
                         uri);
    return start_private(top, uri, err);
}

/* Opens the store for following; 0 while a private one is not there yet. */
static int open_live(struct top *top, struct error *err)
{
    struct error why = {0};
    int r =
        store_open(&top->store, top->meter.uri, STORE_READ, cli_store_tables, NULL, top->log, &why);
    if (r < 0)
        return top->is_private ? 0 : error_set(err, r, "%s", why.text);
    if (top->is_private && top->meter.formula.pid == 0) {
        r = meter_start_formula(&top->meter, err);
        if (r < 0)
            return r;
    }
    int64_t interval_ms = (int64_t)(top->interval_ns / NS_PER_MS);
    const struct live_settings settings = {
        .sensor = top->sensor[0] ? top->sensor : NULL,
        .label = top->label[0] ? top->label : NULL,
        .from_ms = top->start_ms - (top->is_private ? 0 : 2 * interval_ms),
        .patience_ns = 2 * top->interval_ns + NS_PER_S,
        .by_unit = true,
    };
    r = live_open(&top->live, top->store, &settings, &why);
    if (r < 0) {
        store_close(top->store);
        top->store = NULL;
        return top->is_private ? 0 : error_set(err, r, "%s", why.text);
    }
    top->is_following = true;
    return 0;
}

/* What would unlock watts here, asked of the machine once and only when there are none. */
static void find_advice(struct top *top)
{
    struct error ignored = {0};
    if (top->has_probed || top->live.source[0])
        return;
    top->has_probed = true;
    if (machine_probe(&top->machine, &ignored) < 0)
        return;
    const struct machine_part *locked = machine_locked(&top->machine);
    if (locked && locked->advice[0])
        top->view.advice = locked->advice;
}

static void fit_tables(struct top *top)
{
    if (top->values.count > 0) {
        top->view.max_units = top->view.max_processes = (size_t)top->values.count;
    } else if (!top->screen.is_terminal) {
        top->view.max_units = top->view.max_processes = 15;
    } else {
        size_t rows = top->screen.rows > 14 ? top->screen.rows - 9 : 5; /* 9: heads and titles */
        top->view.max_units = rows / 3;
        top->view.max_processes = rows - rows / 3;
    }
}

static int show_page(struct top *top, struct error *err)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    if (!stream)
        return error_set(err, -ENOMEM, "out of memory");
    fit_tables(top);
    int r = top_view_print(&top->view, &top->live, stream, err);
    if (fclose(stream) != 0 && r >= 0)
        r = error_set(err, -ENOMEM, "out of memory");
    if (r < 0) {
        free(text);
        return r;
    }
    free(top->page);
    top->page = text;
    if (top->live.n_ticks > 1 && !top->screen.is_terminal)
        (void)fputc('\n', stdout);
    if (screen_show(&top->screen, text) < 0)
        return error_set(err, -EIO, "standard output: %s", strerror(errno));
    return 0;
}

static int64_t now_ms(void)
{
    return (int64_t)(clock_realtime_ns(&clock_system) / NS_PER_MS);
}

/* Shows what has come; 1 when all ticks asked for were shown. */
static int look(struct top *top, struct error *err)
{
    int r = top->is_following ? 0 : open_live(top, err);
    while (r >= 0 && top->is_following) {
        r = live_step(&top->live, clock_monotonic_ns(&clock_system), err);
        if (r != LIVE_TICK)
            break;
        find_advice(top);
        r = show_page(top, err);
        (void)sweep_processes(&top->sweep, &top->live, now_ms(), NULL, NULL);
        if (r >= 0 && top->values.ticks > 0 && top->live.n_ticks >= top->values.ticks)
            return 1;
    }
    uint64_t waited_ns = clock_monotonic_ns(&clock_system) - top->start_ns;
    char store[256];
    if (r >= 0 && top->live.n_ticks == 0 && waited_ns > FIRST_DATA_NS + 3 * top->interval_ns)
        return error_set(err, -ENODATA, "no tick has arrived in %s",
                         uri_redact(top->meter.uri, store, sizeof(store)));
    return r;
}

static void take_signals(struct top *top)
{
    for (int number; (number = signals_next(top->signals, NULL));) {
        if (number == SIGWINCH) {
            screen_measure(&top->screen);
            if (top->page)
                (void)screen_show(&top->screen, top->page);
        } else {
            top->ended_by = number;
        }
    }
}

static int top_loop(struct top *top, struct error *err)
{
    for (;;) {
        struct pollfd fds[] = {
            {.fd = top->signals, .events = POLLIN},
            {.fd = top->is_private ? top->meter.sensor.pidfd : -1, .events = POLLIN},
            {.fd = top->is_private ? top->meter.formula.pidfd : -1, .events = POLLIN},
        };
        if (fds[2].fd == 0) /* not started yet */
            fds[2].fd = -1;
        if (poll(fds, ARRAY_SIZE(fds), LOOK_MS) < 0 && errno != EINTR)
            return error_set(err, -errno, "poll: %s", strerror(errno));
        take_signals(top);
        if (top->ended_by)
            return 0;
        int r = look(top, err);
        if (r != 0)
            return r < 0 ? r : 0;
        r = meter_check(&top->meter, &top->child_status, err);
        if (r < 0)
            return r;
    }
}

/* With our own path, which works where watt is not installed. */
static void say_where(const struct top *top)
{
    char own[PATH_MAX] = "watt";
    if (!top->values.store)
        return;
    ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
    if (length > 0)
        own[length] = '\0';
    (void)fprintf(stderr, "the records lie in %s; to see them again:\n  %s show --store '%s'\n",
                  top->values.store, own, top->values.store);
}

static void top_end(struct top *top)
{
    bool was_open = top->screen.is_open;
    screen_close(&top->screen);
    if (was_open && top->page) /* what was seen last stays readable */
        (void)fputs(top->page, stdout);
    (void)fflush(stdout);
    if (top->is_following)
        top_view_summary(&top->live, stderr);
    live_close(&top->live);
    store_close(top->store);
    meter_end(&top->meter);
    if (top->is_private && top->is_following)
        say_where(top);
    machine_deinit(&top->machine);
    scope_close(&top->signals);
    free(top->page);
}

static int top_work(struct top *top, struct error *err)
{
    static const int wanted[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH};
    bool is_remote = top->values.store && uri_is_remote(top->values.store);
    screen_init(&top->screen, stdout);
    (void)top_view_order(top->values.sort, &top->view.order);
    top->start_ms = now_ms();
    top->sweep.keep_ms = ENDED_KEPT_MS;
    top->sweep.n_kept_lines =
        top->values.count > LARGEST_KEPT ? (size_t)top->values.count : LARGEST_KEPT;
    top->start_ns = clock_monotonic_ns(&clock_system);
    if (is_remote)
        remote_init(top->log);
    int r = top->signals = signals_open(wanted, ARRAY_SIZE(wanted), err);
    if (r >= 0)
        r = choose_store(top, err);
    if (r >= 0)
        r = top_loop(top, err);
    top_end(top);
    if (is_remote)
        remote_cleanup();
    return r;
}

static int exit_status(const struct top *top, int r)
{
    if (r < 0)
        return top->child_status ? top->child_status : error_exit_status(r);
    /* Interrupting is how an endless view ends; it cuts a counted one short. */
    return top->ended_by && top->values.ticks > 0 ? 128 + top->ended_by : 0;
}

static int top_run(int argc, char **argv, struct log *log)
{
    struct top top = {.log = log, .signals = -1};
    const struct option_group group = {"top", specs, ARRAY_SIZE(specs), &top.values, NULL};
    struct options *options = NULL;
    struct error err = {0};
    int r = arguments_parse(&options, "watt top", "shows watts per container and process, live",
                            &group, argc, argv, log, &err);
    if (r == OPTIONS_EXIT) {
        options_free(options);
        return 0;
    }
    if (r >= 0 && top.values.interval_ns < 50 * NS_PER_MS)
        r = error_set(&err, -EINVAL, "--interval: at least 50ms");
    if (r >= 0)
        r = top_work(&top, &err);
    if (r < 0)
        log_error(log, "%s", err.text[0] ? err.text : strerror(-r));
    int status = exit_status(&top, r);
    options_free(options);
    return status;
}

const struct command command_top = {
    .name = "top",
    .about = "watts per container, unit and process, live",
    .run = top_run,
};
