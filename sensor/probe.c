/* SPDX-License-Identifier: BSD-3-Clause */
/* The choices and the talk about them come from the same probes, so that --probe, `watt doctor` and
 * a starting sensor never disagree. */
#include "sensor/probe.h"

#include <errno.h>
#include <string.h>

#include "common/error.h"
#include "common/json_text.h"
#include "common/scope.h"
#include "sensor/ladder.h"
#include "sensor/probe_domains.h"
#include "sensor/probe_events.h"

static bool does_granularity(const struct engine_ops *ops, enum granularity granularity)
{
    return granularity == GRANULARITY_CGROUP ? ops->does_cgroup : ops->does_process;
}

static const char *granularity_name(enum granularity granularity)
{
    return granularity == GRANULARITY_CGROUP ? "cgroup" : "process";
}

static void probe_engine(const struct engine_ops *ops, enum granularity granularity,
                         const struct host *host, const struct topology *topology,
                         struct engine_probe *ret_probe)
{
    *ret_probe = (struct engine_probe){0};
    if (does_granularity(ops, granularity))
        ops->probe(host, topology, granularity, ret_probe);
    else {
        (void)snprintf(ret_probe->reason, sizeof(ret_probe->reason), "does not count per %s",
                       granularity_name(granularity));
        (void)snprintf(ret_probe->advice, sizeof(ret_probe->advice), "watt-sensor --granularity %s",
                       granularity_name(granularity == GRANULARITY_CGROUP ? GRANULARITY_PROCESS
                                                                          : GRANULARITY_CGROUP));
    }
}

bool engine_is_usable(const struct engine_ops *ops, enum granularity granularity,
                      const struct host *host, const struct topology *topology)
{
    struct engine_probe probe;
    probe_engine(ops, granularity, host, topology, &probe);
    return probe.is_usable;
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

int engine_choose(const char *engine, enum granularity granularity, const struct host *host,
                  const struct topology *topology, struct error *err)
{
    if (strcmp(engine, "none") == 0)
        return ENGINE_NONE;
    int r = engine_check_name(engine, err);
    if (r < 0)
        return r;
    bool is_auto = strcmp(engine, "auto") == 0;
    char reasons[400] = "", passed_over[400] = "";
    for (int i = 0; engine_table[i]; i++) {
        const struct engine_ops *ops = engine_table[i];
        size_t length = strlen(reasons), passed_length = strlen(passed_over);
        struct engine_probe probe;
        if (!is_auto && strcmp(engine, ops->name) != 0)
            continue;
        probe_engine(ops, granularity, host, topology, &probe);
        if (probe.is_usable) {
            (void)error_set(err, 0, "%s", passed_over);
            return i;
        }
        if (does_granularity(ops, granularity))
            (void)snprintf(passed_over + passed_length, sizeof(passed_over) - passed_length,
                           "%s%s: %s", passed_length ? "; " : "", ops->name, probe.reason);
        (void)snprintf(reasons + length, sizeof(reasons) - length, "%s%s: %s%s%s",
                       length ? "; " : "", ops->name, probe.reason, probe.advice[0] ? "; " : "",
                       probe.advice);
    }
    return error_set(err, -ENODEV, "no engine can count per %s here: %s",
                     granularity_name(granularity), reasons);
}

/* ---- --probe ---- */

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
    struct ladder ladder = {0};
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

static void append_engine(bson_t *array, int index, enum granularity granularity,
                          const struct host *host, const struct topology *topology, bool chosen)
{
    const struct engine_ops *ops = engine_table[index];
    struct engine_probe probe;
    char key[12];
    bson_t row;
    probe_engine(ops, granularity, host, topology, &probe);
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
}

static int append_engines(bson_t *object, const struct sensor_settings *settings,
                          const struct host *host, const struct topology *topology,
                          struct error *err)
{
    struct error why = {0};
    int chosen = engine_choose(settings->engine, settings->granularity, host, topology, &why);
    if (chosen == -EINVAL)
        return error_set(err, chosen, "%s", why.text);
    bson_t array;
    bson_append_array_begin(object, "engines", -1, &array);
    for (int i = 0; engine_table[i]; i++)
        append_engine(&array, i, settings->granularity, host, topology, i == chosen);
    bson_append_array_end(object, &array);
    append_text(object, "granularity", granularity_name(settings->granularity));
    append_text(object, "engine_why", chosen < 0 ? why.text : "");
    if (chosen < 0 || chosen == ENGINE_NONE)
        return 0;
    const void *own = settings->engine_settings ? settings->engine_settings[chosen] : NULL;
    return probe_append_events(object, engine_table[chosen], settings->granularity,
                               settings->events, settings->n_events, own, host, topology);
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

static void scope_bson(bson_t *object)
{
    bson_destroy(object);
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
