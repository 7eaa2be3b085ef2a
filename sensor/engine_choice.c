/* SPDX-License-Identifier: BSD-3-Clause */
/* Which engine counts. The sensor and --probe both ask here, so that they never disagree. */
#include "sensor/engine_choice.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"

static bool does_granularity(const struct engine_ops *ops, enum granularity granularity)
{
    return granularity == GRANULARITY_CGROUP ? ops->does_cgroup : ops->does_process;
}

const char *granularity_name(enum granularity granularity)
{
    return granularity == GRANULARITY_CGROUP ? "cgroup" : "process";
}

void engine_probe(const struct engine_ops *ops, enum granularity granularity,
                  const struct host *host, const struct topology *topology,
                  struct engine_probe *ret_probe)
{
    *ret_probe = (struct engine_probe){0};
    if (does_granularity(ops, granularity)) {
        ops->probe(host, topology, granularity, ret_probe);
        return;
    }
    (void)snprintf(ret_probe->reason, sizeof(ret_probe->reason), "does not count per %s",
                   granularity_name(granularity));
    (void)snprintf(ret_probe->advice, sizeof(ret_probe->advice), "watt-sensor --granularity %s",
                   granularity_name(granularity == GRANULARITY_CGROUP ? GRANULARITY_PROCESS
                                                                      : GRANULARITY_CGROUP));
}

int engine_check_name(const char *name, struct error *err)
{
    char names[100] = "";
    if (strcmp(name, "auto") == 0 || strcmp(name, "none") == 0)
        return 0;
    for (int i = 0; engine_table[i]; i++) {
        size_t length = strlen(names);
        if (strcmp(name, engine_table[i]->name) == 0)
            return 0;
        (void)snprintf(names + length, sizeof(names) - length, ", %s", engine_table[i]->name);
    }
    return error_set(err, -EINVAL, "\"%s\": no such engine; there are auto, none%s", name, names);
}

/* 0, or why it cannot count: it is not usable, which probe explains, or does not open, see err. */
static int try_engine(struct engine **ret_engine, int index, const struct sensor_settings *settings,
                      const struct host *host, const struct topology *topology,
                      struct engine_probe *probe, struct error *err)
{
    const struct engine_ops *ops = engine_table[index];
    const void *own = settings->engine_settings ? settings->engine_settings[index] : NULL;
    engine_probe(ops, settings->granularity, host, topology, probe);
    if (!probe->is_usable)
        return -ENODEV;
    return ops->open(ret_engine, host, topology, settings->granularity, settings->events,
                     settings->n_events, own, err);
}

static void append_reason(char *text, size_t size, const char *name, const char *reason,
                          const char *advice)
{
    size_t length = strlen(text);
    (void)snprintf(text + length, size - length, "%s%s: %s%s%s", length ? "; " : "", name, reason,
                   advice[0] ? "; " : "", advice);
}

int engine_open(struct engine **ret_engine, const struct sensor_settings *settings, int first,
                const struct host *host, const struct topology *topology, struct error *err)
{
    *ret_engine = NULL;
    if (strcmp(settings->engine, "none") == 0)
        return ENGINE_NONE;
    int r = engine_check_name(settings->engine, err);
    if (r < 0)
        return r;
    bool is_auto = strcmp(settings->engine, "auto") == 0;
    char reasons[400] = "", passed_over[400] = "";
    struct error refusal = {0}; /* of the best one that was to count certain events */
    for (int i = first; engine_table[i]; i++) {
        const struct engine_ops *ops = engine_table[i];
        struct engine_probe probe;
        struct error why = {0};
        if (!is_auto && strcmp(settings->engine, ops->name) != 0)
            continue;
        r = try_engine(ret_engine, i, settings, host, topology, &probe, &why);
        if (r >= 0) {
            (void)error_set(err, 0, "%s", passed_over);
            return i;
        }
        if (r == -ENOMEM || (!is_auto && probe.is_usable))
            return error_set(err, r, "%s", why.text);
        if (probe.is_usable && settings->n_events > 0 && !refusal.code)
            refusal = why;
        const char *reason = probe.is_usable ? why.text : probe.reason;
        append_reason(reasons, sizeof(reasons), ops->name, reason,
                      probe.is_usable ? "" : probe.advice);
        if (does_granularity(ops, settings->granularity))
            append_reason(passed_over, sizeof(passed_over), ops->name, reason, "");
    }
    if (refusal.code)
        return error_set(err, refusal.code, "%s", refusal.text);
    return error_set(err, -ENODEV, "no engine can count per %s here: %s",
                     granularity_name(settings->granularity), reasons);
}
