/* SPDX-License-Identifier: BSD-3-Clause */
/* What the machine draws from its batteries and adapters: domain wall, which is never attributed.
 *
 * A battery's controller answers slowly and knows something new every few seconds only, so it is
 * looked at once in a while, and the ticks between have no sample. A span between two looks has a
 * value if at both of them the same supplies fed the machine and each of them said how much. On
 * adapters that measure nothing there is no value: what a battery does beside them (it charges,
 * rests, or helps out) says nothing about the machine.
 *
 * Power is integrated by trapezoids. Where a battery names no power, its level's drop is the
 * energy, and a span goes on until the level has moved. Where it says both, they check each other:
 * a driver that mistakes its units is found out after a watt-hour. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/scope.h"
#include "common/timestamp.h"
#include "sensor/energy_meter.h"
#include "sensor/power_supplies.h"
#include "sensor/source.h"

#define INTERVAL_MIN_NS NS_PER_S
#define INTERVAL_DEFAULT_NS (10 * NS_PER_S)
/* Looks this many intervals apart are not joined: what fed the machine between is not known. */
#define GAP_INTERVALS 3
/* Beyond any laptop, and any board that has such supplies. */
#define BOUND_W 1000.0
#define SUSPEND_MIN_NS ((int64_t)(100 * NS_PER_MS))
/* Levels come in steps of some 10 mWh: this many joules, 1 Wh, are a hundred steps. */
#define CHECK_J 3600.0
#define CHECK_FACTOR 2.0

extern const struct source_ops source_supply;

struct supply_settings {
    uint64_t interval_ns;
};

/* All supplies at one moment. */
struct look {
    struct power_supply *supplies;
    size_t n_supplies;
    uint64_t at_ns, slept_ns; /* middle of the reading; boottime - monotonic */
    const char *reason; /* static; NULL: the supplies that give are all that feeds the machine */
};

struct supply_source {
    struct source source;
    const struct host *host;
    uint64_t interval_ns, asked_ns; /* asked: when it last looked, whatever came of it */
    struct look last;               /* begins the span under way */
    struct look check;              /* begins the comparison of power and level */
    double checked_j;               /* integrated since */
    bool disagrees;
    struct energy_meter meter;
};

/* ---- one look ---- */

static void look_free(struct look *look)
{
    free(look->supplies);
    *look = (struct look){0};
}

static size_t count_state(const struct look *look, enum power_supply_kind kind,
                          enum power_supply_state state)
{
    size_t n = 0;
    for (size_t i = 0; i < look->n_supplies; i++)
        n += look->supplies[i].kind == kind && look->supplies[i].state == state;
    return n;
}

/* Whether the supplies that give say all that the machine draws. */
static const char *judge(const struct look *look)
{
    for (size_t i = 0; i < look->n_supplies; i++) {
        const struct power_supply *supply = &look->supplies[i];
        if (supply->reason)
            return supply->reason;
        if (supply->kind == SUPPLY_ADAPTER && supply->state == SUPPLY_GIVES &&
            isnan(supply->power_w))
            return "unmetered";
    }
    if (look->n_supplies == 0)
        return "vanished";
    if (count_state(look, SUPPLY_ADAPTER, SUPPLY_GIVES) > 0)
        return NULL;
    bool is_fed = count_state(look, SUPPLY_BATTERY, SUPPLY_GIVES) == 0 ||
                  count_state(look, SUPPLY_BATTERY, SUPPLY_TAKES) > 0;
    return is_fed ? "unmetered" : NULL; /* by something that is no supply here */
}

static int take_look(const struct supply_source *own, struct look *ret_look)
{
    struct look look = {0};
    const struct clock *clock = own->host->clock;
    uint64_t before_ns = clock_monotonic_ns(clock);
    int n_supplies = power_supplies_read(own->host, &look.supplies);
    if (n_supplies < 0)
        return n_supplies;
    uint64_t after_ns = clock_monotonic_ns(clock);
    look.n_supplies = (size_t)n_supplies;
    look.at_ns = before_ns + (after_ns - before_ns) / 2;
    look.slept_ns = clock_boottime_ns(clock) - after_ns;
    look.reason = judge(&look);
    *ret_look = look;
    return 0;
}

static int look_copy(const struct look *look, struct look *ret_copy)
{
    struct look copy = *look;
    copy.supplies = calloc(look->n_supplies + 1, sizeof(*copy.supplies));
    if (!copy.supplies)
        return -ENOMEM;
    for (size_t i = 0; i < look->n_supplies; i++)
        copy.supplies[i] = look->supplies[i];
    look_free(ret_copy);
    *ret_copy = copy;
    return 0;
}

/* ---- from one look to the next ---- */

static bool is_same_feed(const struct look *a, const struct look *b)
{
    if (a->n_supplies != b->n_supplies)
        return false;
    for (size_t i = 0; i < a->n_supplies; i++) {
        const struct power_supply *one = &a->supplies[i], *other = &b->supplies[i];
        if (strcmp(one->name, other->name) != 0 || strcmp(one->identity, other->identity) != 0 ||
            (one->state == SUPPLY_GIVES) != (other->state == SUPPLY_GIVES))
            return false;
    }
    return true;
}

/* Joules that a supply gave; NAN: it does not say, 0: its level has not moved yet. */
static double given_j(const struct power_supply *before, const struct power_supply *after,
                      uint64_t span_ns)
{
    double mean_w = (before->power_w + after->power_w) / 2;
    if (!isnan(mean_w))
        return mean_w * (double)span_ns / 1e9;
    return after->kind == SUPPLY_BATTERY ? power_supply_drop_j(before, after) : NAN;
}

enum { SPAN_GOES_ON = 0, SPAN_ENDS = 1 };

/* Adds up what was given; SPAN_GOES_ON where a level has to move first. */
static int add_up(const struct look *from, const struct look *to, double *ret_sum_j,
                  const char **ret_reason)
{
    double sum_j = 0;
    for (size_t i = 0; i < to->n_supplies; i++) {
        if (to->supplies[i].state != SUPPLY_GIVES)
            continue;
        double joules = given_j(&from->supplies[i], &to->supplies[i], to->at_ns - from->at_ns);
        if (joules == 0)
            return SPAN_GOES_ON;
        if (isnan(joules))
            *ret_reason = "no_reading";
        else if (joules < 0)
            *ret_reason = "counter_reset"; /* a level that rises while it discharges was set anew */
        sum_j += joules;
    }
    *ret_sum_j = sum_j;
    return SPAN_ENDS;
}

static int measure(const struct supply_source *own, const struct look *now, uint64_t since_ns,
                   double *ret_sum_j, const char **ret_reason)
{
    const struct look *last = &own->last;
    *ret_reason = now->reason;
    if (!now->reason && last->reason)
        *ret_reason = "reopened";
    else if (!now->reason && !is_same_feed(last, now))
        *ret_reason = "supply_changed";
    else if (!now->reason && (int64_t)(now->slept_ns - last->slept_ns) > SUSPEND_MIN_NS)
        *ret_reason = "suspend";
    else if (!now->reason && since_ns > GAP_INTERVALS * own->interval_ns)
        *ret_reason = "gap";
    return *ret_reason ? SPAN_ENDS : add_up(last, now, ret_sum_j, ret_reason);
}

/* ---- power and level check each other ---- */

/* What the batteries' levels say since the comparison began; NAN where they, or an adapter, say
 * nothing. */
static double dropped_j(const struct look *from, const struct look *to)
{
    double sum_j = 0;
    for (size_t i = 0; i < to->n_supplies; i++) {
        if (to->supplies[i].state != SUPPLY_GIVES)
            continue;
        bool is_metered = to->supplies[i].kind == SUPPLY_BATTERY && !isnan(to->supplies[i].power_w);
        sum_j += is_metered ? power_supply_drop_j(&from->supplies[i], &to->supplies[i]) : NAN;
    }
    return sum_j;
}

static int compare(struct supply_source *own, const struct look *now, double sum_j, bool is_broken)
{
    if (is_broken || own->check.n_supplies == 0) {
        own->checked_j = 0;
        return look_copy(now, &own->check);
    }
    own->checked_j += sum_j;
    double drop_j = dropped_j(&own->check, now);
    if (isnan(drop_j) || drop_j < CHECK_J)
        return 0;
    own->disagrees =
        own->checked_j > drop_j * CHECK_FACTOR || own->checked_j * CHECK_FACTOR < drop_j;
    own->checked_j = 0;
    return look_copy(now, &own->check);
}

/* ---- the interface ---- */

static int supply_read(struct source *source, const struct topology *topology,
                       struct report *report)
{
    struct supply_source *own = (struct supply_source *)source;
    (void)topology;
    uint64_t now_ns = clock_monotonic_ns(own->host->clock), since_ns = now_ns - own->asked_ns;
    /* A twentieth early is in time: ticks come a little before and after their moments. */
    if (since_ns < own->interval_ns - own->interval_ns / 20)
        return 0;
    struct look now;
    double sum_j = 0;
    const char *reason = NULL;
    int r = take_look(own, &now);
    if (r < 0)
        return r;
    own->asked_ns = now.at_ns; /* from this reading's middle: no span is shorter than that */
    own->source.due_ns = now.at_ns + own->interval_ns - own->interval_ns / 20;
    if (measure(own, &now, since_ns, &sum_j, &reason) == SPAN_GOES_ON) {
        look_free(&now);
        return 0;
    }
    r = compare(own, &now, sum_j, reason != NULL);
    energy_meter_begin(&own->meter);
    own->meter.now_ns = now.at_ns;
    if (reason)
        energy_meter_fail(&own->meter, reason);
    else if (own->disagrees)
        energy_meter_fail(&own->meter, "disagrees");
    else
        energy_meter_add(&own->meter, sum_j * 1e6);
    int r_end = energy_meter_end(&own->meter, source_supply.name, report);
    look_free(&own->last);
    own->last = now;
    return r < 0 ? r : (r_end < 0 ? r_end : 0);
}

static void supply_close(struct source *source)
{
    struct supply_source *own = (struct supply_source *)source;
    if (!own)
        return;
    look_free(&own->last);
    look_free(&own->check);
    free(own);
}

/* Whether anything here can ever say what the machine draws. */
static bool can_measure(const struct look *look)
{
    for (size_t i = 0; i < look->n_supplies; i++) {
        const struct power_supply *supply = &look->supplies[i];
        if (supply->kind == SUPPLY_BATTERY || !isnan(supply->power_w))
            return true;
    }
    return false;
}

static int supply_open(struct source **ret_source, const struct host *host,
                       const struct topology *topology, const void *settings, struct error *err)
{
    (void)topology;
    const struct supply_settings *given = settings;
    struct supply_source *own = calloc(1, sizeof(*own));
    if (!own)
        return -ENOMEM;
    own->source.ops = &source_supply;
    own->host = host;
    own->interval_ns = given && given->interval_ns ? given->interval_ns : INTERVAL_DEFAULT_NS;
    int r = take_look(own, &own->last);
    if (r >= 0 && !can_measure(&own->last))
        r = error_set(err, -ENODEV,
                      "%s/class/power_supply: no battery, and no adapter that measures",
                      host->sysfs);
    if (r < 0) {
        supply_close(&own->source);
        return r;
    }
    own->asked_ns = own->last.at_ns;
    energy_meter_init(&own->meter, DOMAIN_WALL, PACKAGE_NONE, BOUND_W);
    own->meter.last_ns = own->last.at_ns;
    *ret_source = &own->source;
    return 0;
}

static int supply_describe(const struct source *source, struct host_record *host_record)
{
    const struct supply_source *own = (const struct supply_source *)source;
    return energy_meter_describe(&own->meter, source_supply.name, host_record);
}

static void say_supply(const struct power_supply *supply, char *text, size_t size)
{
    static const char *const battery[] = {"rests", "discharges", "charges"};
    static const char *const adapter[] = {"not in use", "in use", ""};
    const char *state = (supply->kind == SUPPLY_BATTERY ? battery : adapter)[supply->state];
    size_t length = strlen(text);
    char power[32] = ", no reading";
    if (!isnan(supply->power_w))
        (void)snprintf(power, sizeof(power), ", %.1f W", supply->power_w);
    (void)snprintf(text + length, size - length, "%s%.20s %s%s", length ? "; " : "", supply->name,
                   supply->reason ? supply->reason : state, supply->reason ? "" : power);
}

static void supply_probe(const struct host *host, const struct topology *topology,
                         const void *settings, struct source_probe *ret_probe)
{
    (void)topology;
    (void)settings;
    struct source_probe probe = {.availability = SOURCE_ABSENT};
    struct supply_source own = {.host = host};
    struct look look = {0};
    (void)take_look(&own, &look); /* what fails shows nothing */
    for (size_t i = 0; i < look.n_supplies; i++)
        say_supply(&look.supplies[i], probe.reason, sizeof(probe.reason));
    if (can_measure(&look)) {
        probe.availability = SOURCE_USABLE;
        probe.domains = DOMAIN_BIT(DOMAIN_WALL);
    } else if (look.n_supplies == 0) {
        (void)snprintf(probe.reason, sizeof(probe.reason),
                       "no battery and no adapter in %.80s/class/power_supply", host->sysfs);
    }
    look_free(&look);
    *ret_probe = probe;
}

static int check_interval(const char *text, struct error *err)
{
    uint64_t interval_ns;
    int r = duration_parse(text, &interval_ns, err);
    if (r < 0)
        return r;
    return interval_ns >= INTERVAL_MIN_NS
               ? 0
               : error_set(err, -EINVAL, "\"%s\": no battery has something new in less than 1s",
                           text);
}

static const struct option_spec supply_options[] = {
    {.key = "supply-interval",
     .type = OPTION_DURATION,
     .offset = offsetof(struct supply_settings, interval_ns),
     .fallback = "10s",
     .argument = "DURATION",
     .check = check_interval,
     .help = "how often batteries and adapters are read (at least 1s apart: reading one takes "
             "milliseconds); the ticks between have no sample of wall"},
};

const struct source_ops source_supply = {
    .name = "supply",
    .about = "power from batteries and from adapters that measure, every few seconds",
    .is_slow = true,
    .options = supply_options,
    .n_options = ARRAY_SIZE(supply_options),
    .settings_size = sizeof(struct supply_settings),
    .probe = supply_probe,
    .open = supply_open,
    .describe = supply_describe,
    .read = supply_read,
    .close = supply_close,
};
