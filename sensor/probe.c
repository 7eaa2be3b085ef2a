/* SPDX-License-Identifier: BSD-3-Clause */
/* Choices come from where a starting sensor's come from (engine_choice.h, ladder.h), so that they
 * never disagree. */
#include "sensor/probe.h"

#include <errno.h>
#include <string.h>

#include "common/error.h"
#include "common/json_text.h"
#include "common/scope.h"
#include "sensor/engine_choice.h"
#include "sensor/ladder.h"
#include "sensor/probe_domains.h"
#include "sensor/probe_events.h"

/* ---- --probe ---- */

static void scope_bson(bson_t *object)
{
    bson_destroy(object);
}

static void append_cpu(bson_t *object, const struct topology *topology)
{
    bson_t cpu;
    int64_t n_online = 0;
    for (int i = 0; i < topology->n_cpus; i++)
        n_online += topology->is_online[i];
    bson_append_document_begin(object, "cpu", -1, &cpu);
    append_text(&cpu, "vendor", topology->vendor);
    append_int64(&cpu, "family", topology->family);
    append_int64(&cpu, "model", topology->model);
    append_text(&cpu, "name", topology->name);
    append_int64(&cpu, "online", n_online);
    append_int64(&cpu, "packages", (int64_t)topology->n_packages);
    (void)BSON_APPEND_BOOL(&cpu, "virtual", topology->is_virtual);
    bson_append_document_end(object, &cpu);
}

static void append_domains(bson_t *row, unsigned domains)
{
    bson_t array;
    uint32_t n = 0;
    bson_append_array_begin(row, "domains", -1, &array);
    for (int domain = 0; domain < DOMAIN_COUNT; domain++) {
        char key[12];
        if (!(domains & DOMAIN_BIT(domain)))
            continue;
        (void)snprintf(key, sizeof(key), "%u", n++);
        append_text(&array, key, domain_name((enum domain)domain));
    }
    bson_append_array_end(row, &array);
}

static bool has_attributed(unsigned domains)
{
    for (int domain = 0; domain < DOMAIN_COUNT; domain++) {
        if ((domains & DOMAIN_BIT(domain)) && domain_is_attributed((enum domain)domain))
            return true;
    }
    return false;
}

static void append_source(bson_t *array, int index, const struct source_probe *probe, bool chosen)
{
    static const char *const availability[] = {[SOURCE_USABLE] = "usable",
                                               [SOURCE_ABSENT] = "absent",
                                               [SOURCE_UNREADABLE] = "unreadable",
                                               [SOURCE_MISCONFIGURED] = "misconfigured"};
    const struct source_ops *ops = source_table[index];
    char key[12];
    bson_t row;
    (void)snprintf(key, sizeof(key), "%d", index);
    bson_append_document_begin(array, key, -1, &row);
    append_text(&row, "name", ops->name);
    append_text(&row, "about", ops->about);
    (void)BSON_APPEND_BOOL(&row, "estimate", ops->is_estimate);
    (void)BSON_APPEND_BOOL(&row, "usable", probe->availability == SOURCE_USABLE);
    append_text(&row, "availability", availability[probe->availability]);
    (void)BSON_APPEND_BOOL(&row, "chosen", chosen);
    (void)BSON_APPEND_BOOL(&row, "attributed", has_attributed(probe->domains));
    append_domains(&row, probe->domains);
    append_text(&row, "reason", probe->reason);
    append_text(&row, "advice", probe->advice);
    bson_append_document_end(array, &row);
}

static int append_sources(bson_t *object, const struct sensor_settings *settings,
                          const struct host *host, const struct topology *topology,
                          struct error *err)
{
    struct ladder_probes probes = {0};
    const struct ladder_settings wanted = {settings->energy, settings->source_settings, &probes};
    struct ladder ladder = {.host = host}; /* as is, where the source that was named is not there */
    struct error why = {0};
    int r = ladder_open(&ladder, &wanted, host, topology, &why);
    if (r == -EINVAL)
        return error_set(err, r, "%s", why.text);
    bson_t array;
    bson_append_array_begin(object, "sources", -1, &array);
    for (int i = 0; source_table[i]; i++)
        append_source(&array, i, ladder_probe(&probes, &wanted, host, topology, i),
                      ladder_uses(&ladder, i));
    bson_append_array_end(object, &array);
    (void)BSON_APPEND_BOOL(object, "energy", ladder.n_sources > 0);
    append_text(object, "energy_why", r < 0 ? why.text : ladder.why);
    r = probe_append_domains(object, &ladder, topology);
    ladder_close(&ladder);
    return r;
}

/* Returns whether it is usable. */
static bool append_engine(bson_t *array, int index, enum granularity granularity,
                          const struct host *host, const struct topology *topology, bool chosen)
{
    const struct engine_ops *ops = engine_table[index];
    struct engine_probe probe;
    char key[12];
    bson_t row;
    engine_probe(ops, granularity, host, topology, &probe);
    (void)snprintf(key, sizeof(key), "%d", index);
    bson_append_document_begin(array, key, -1, &row);
    append_text(&row, "name", ops->name);
    append_text(&row, "about", ops->about);
    (void)BSON_APPEND_BOOL(&row, "process", ops->does_process);
    (void)BSON_APPEND_BOOL(&row, "cgroup", ops->does_cgroup);
    (void)BSON_APPEND_BOOL(&row, "usable", probe.is_usable);
    (void)BSON_APPEND_BOOL(&row, "chosen", chosen);
    append_text(&row, "reason", probe.reason);
    append_text(&row, "advice", probe.advice);
    bson_append_document_end(array, &row);
    return probe.is_usable;
}

/* Opens the engine as a sensor would, to see which one that is and what it counts, and closes it:
 * probes of others shall not lack what it holds. Returns its index, ENGINE_NONE, or what kept all
 * from counting. */
static int try_engines(bson_t *events, const struct sensor_settings *settings,
                       const struct host *host, const struct topology *topology, struct error *why)
{
    struct host silent = *host;
    struct engine *engine;
    silent.log = NULL;
    int chosen = engine_open(&engine, settings, 0, &silent, topology, why);
    if (!engine)
        return chosen;
    int r = probe_append_events(events, engine, settings->n_events > 0, host, topology);
    engine->ops->close(engine);
    return r < 0 ? error_set(why, r, "%s", strerror(-r)) : chosen;
}

static int append_engines(bson_t *object, const struct sensor_settings *settings,
                          const struct host *host, const struct topology *topology,
                          struct error *err)
{
    struct error why = {0};
    SCOPED(scope_bson) bson_t events = BSON_INITIALIZER;
    int r = engine_check_name(settings->engine, err);
    if (r < 0)
        return r;
    int chosen = try_engines(&events, settings, host, topology, &why);
    if (chosen == -ENOMEM)
        return error_set(err, chosen, "%s", why.text);
    bool has_to_say_why = chosen < 0; /* what is not usable has said so in its row */
    bson_t array;
    bson_append_array_begin(object, "engines", -1, &array);
    for (int i = 0; engine_table[i]; i++) {
        bool is_usable =
            append_engine(&array, i, settings->granularity, host, topology, i == chosen);
        has_to_say_why |= is_usable && i < chosen;
    }
    bson_append_array_end(object, &array);
    append_text(object, "granularity", granularity_name(settings->granularity));
    append_text(object, "engine_why", has_to_say_why ? why.text : "");
    return bson_concat(object, &events) ? 0 : error_set(err, -ENOMEM, "out of memory");
}

static void append_system(bson_t *object, const struct host *host)
{
    int64_t paranoid = VALUE_ABSENT;
    char clock[64];
    append_text(object, "cgroup2", host->cgroupfs);
    append_text(object, "cgroup1", host->perf_cgroupfs);
    if (host_read_int64(&paranoid, "%s/sys/kernel/perf_event_paranoid", host->procfs) < 0)
        paranoid = VALUE_ABSENT;
    append_int64(object, "perf_event_paranoid", paranoid);
    if (host_read_text(clock, sizeof(clock),
                       "%s/devices/system/clocksource/clocksource0/current_clocksource",
                       host->sysfs) < 0)
        clock[0] = '\0';
    append_text(object, "clock", clock);
}

int probe_write(FILE *stream, const struct sensor_settings *settings, const struct host *host,
                struct error *err)
{
    struct topology topology = {0};
    SCOPED(scope_bson) bson_t object = BSON_INITIALIZER;
    int r = topology_read(&topology, host, err);
    if (r < 0)
        return r;
    append_text(&object, "kind", "probe");
    (void)BSON_APPEND_INT32(&object, "v", RECORD_VERSION);
    append_text(&object, "version", WATT_VERSION);
    append_text(&object, "sensor", settings->name);
    append_cpu(&object, &topology);
    r = append_sources(&object, settings, host, &topology, err);
    if (r >= 0)
        r = append_engines(&object, settings, host, &topology, err);
    append_system(&object, host);
    if (r >= 0)
        r = json_write(stream, &object, err);
    topology_deinit(&topology);
    if (r >= 0 && (fputc('\n', stream) == EOF || fflush(stream) != 0))
        r = error_set(err, -EIO, "writing the probe: %s", strerror(errno));
    return r;
}
