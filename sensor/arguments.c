/* SPDX-License-Identifier: BSD-3-Clause */
/* One table for the program itself; every source, engine and store brings its own, so that a new
 * one shows up in --help and in configuration files by being in its table. */
#include "sensor/arguments.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/record.h"
#include "common/remote_scheme.h"
#include "common/scope.h"
#include "common/timestamp.h"
#include "sensor/engine.h"
#include "sensor/engine_choice.h"
#include "sensor/event_set.h"
#include "sensor/ladder.h"
#include "sensor/source.h"
#include "sensor/target_rules.h"

const struct store_ops *const *const sensor_store_tables[] = {store_table_local, NULL};

static const char *const schemas[] = {"native", "powerapi", NULL};
static const char *const alignments[] = {"auto", "never", NULL};
static const char *const granularities[] = {"process", "cgroup", NULL};

#define AT(member) offsetof(struct arguments, member)

#define INTERVAL_MIN_NS NS_PER_MS

static int check_name(const char *text, struct error *err)
{
    if (sensor_name_is_valid(text))
        return 0;
    return error_set(err, -EINVAL, "\"%s\": 1 to 63 letters, digits, '.', '_' and '-' are wanted",
                     text);
}

static int check_interval(const char *text, struct error *err)
{
    uint64_t interval_ns;
    int r = duration_parse(text, &interval_ns, err);
    if (r < 0 || interval_ns >= INTERVAL_MIN_NS)
        return r;
    return error_set(err, -EINVAL,
                     "\"%s\": at least 1ms is wanted: energy counters are updated about once a "
                     "millisecond",
                     text);
}

/* The sensor links no remote store: what it would carry to one, the courier checks. */
static int check_store(const char *uri, struct error *err)
{
    if (!uri_is_remote(uri))
        return store_check_uri(uri, sensor_store_tables, err);
    if (uri_has_host(uri))
        return 0;
    return error_set(err, -EINVAL, "it names no host: mongodb://HOST[:PORT]/DATABASE");
}

static int check_target(const char *text, struct error *err)
{
    struct target_rules *rules;
    int r = target_rules_parse(&rules, &text, 1, err);
    if (r >= 0)
        target_rules_free(rules);
    return r;
}

static const struct option_spec specs[] = {
    {.key = "name",
     .letter = 'n',
     .type = OPTION_STRING,
     .offset = AT(name),
     .argument = "NODE",
     .check = check_name,
     .help = "name of this sensor in every record, [A-Za-z0-9._-]{1,63} (default: the host name)"},
    {.key = "interval",
     .letter = 'i',
     .type = OPTION_DURATION,
     .offset = AT(interval_ns),
     .fallback = "1s",
     .argument = "DURATION",
     .check = check_interval,
     .help = "time between ticks"},
    {.key = "store",
     .letter = 's',
     .type = OPTION_STRING,
     .offset = AT(store),
     .argument = "URI",
     .check = check_store,
     .help = "where records go: sqlite:DIR, jsonl:FILE, null:, or mongodb://HOST/DB, which "
             "watt-courier carries them to (default: sqlite: in /var/lib/wattribute for root, in "
             "$XDG_STATE_HOME/wattribute for others)"},
    {.key = "schema",
     .type = OPTION_CHOICE,
     .offset = AT(schema),
     .fallback = "native",
     .argument = "SCHEMA",
     .choices = schemas,
     .help = "native records, or PowerAPI's HWPCReports"},
    {.key = "energy",
     .type = OPTION_STRING,
     .offset = AT(energy),
     .fallback = "auto",
     .argument = "SOURCE",
     .check = ladder_check_name,
     .help = "energy source by name, or auto: the best that can be read here"},
    {.key = "engine",
     .type = OPTION_STRING,
     .offset = AT(engine),
     .fallback = "auto",
     .argument = "ENGINE",
     .check = engine_check_name,
     .help = "how counts are made, by name, or auto; none: only energy is recorded"},
    {.key = "granularity",
     .letter = 'g',
     .type = OPTION_CHOICE,
     .offset = AT(granularity),
     .argument = "WHAT",
     .choices = granularities,
     .help = "charge each process or each cgroup (default: process; cgroup with schema powerapi)"},
    {.key = "target",
     .letter = 't',
     .type = OPTION_LIST,
     .offset = AT(targets),
     .argument = "RULE",
     .check = check_target,
     .help =
         "who is charged by name, the rest as other: [!]cgroup:GLOB, [!]comm:GLOB, [!]pid:N, "
         "[!]user:NAME; the last rule that matches wins (default: everybody); read anew at SIGHUP"},
    {.key = "event",
     .letter = 'e',
     .type = OPTION_LIST,
     .offset = AT(events),
     .argument = "NAME",
     .check = event_check,
     .help = "event to count: a canonical name (instructions), PMU::EVENT[:MASK] as libpfm4 spells "
             "it, or NAME=EVENT (default: the set of this CPU family)"},
    {.key = "align",
     .type = OPTION_CHOICE,
     .offset = AT(align),
     .fallback = "auto",
     .argument = "WHEN",
     .choices = alignments,
     .help = "at intervals below 2ms, read just after the energy counters were updated (auto), or "
             "when the timer says (never)"},
    {.key = "spool",
     .type = OPTION_STRING,
     .offset = AT(spool),
     .argument = "DIR",
     .help = "folder where ticks wait for a remote store (default: spool/ beside the default "
             "store)"},
    {.key = "drain",
     .type = OPTION_DURATION,
     .offset = AT(drain_ns),
     .fallback = "5s",
     .argument = "DURATION",
     .help = "how long to wait at the end until a remote store has everything"},
    {.key = "ticks",
     .type = OPTION_COUNT,
     .offset = AT(n_ticks),
     .argument = "N",
     .flag_only = true,
     .help = "end after N ticks; 0: when interrupted"},
    {.key = "probe",
     .type = OPTION_FLAG,
     .offset = AT(probe),
     .flag_only = true,
     .help = "say as JSON what this machine offers and what would be used, and end"},
    {.key = "sysfs",
     .type = OPTION_STRING,
     .offset = AT(sysfs),
     .fallback = "/sys",
     .argument = "DIR",
     .help = "where sysfs is"},
    {.key = "procfs",
     .type = OPTION_STRING,
     .offset = AT(procfs),
     .fallback = "/proc",
     .argument = "DIR",
     .help = "where procfs is"},
    {.key = "devfs",
     .type = OPTION_STRING,
     .offset = AT(devfs),
     .fallback = "/dev",
     .argument = "DIR",
     .help = "where devices are"},
    {.key = "cgroupfs",
     .type = OPTION_STRING,
     .offset = AT(cgroupfs),
     .argument = "DIR",
     .help = "the tree of cgroups: cgroup2, or what is mounted as cgroup v1's perf_event "
             "(default: their mounts, as PROCFS says)"},
};

static int add_part(struct options *options, const char *section, const struct option_spec *part,
                    size_t n_options, size_t settings_size, void **ret_settings)
{
    if (n_options == 0)
        return 0;
    *ret_settings = calloc(1, settings_size);
    if (!*ret_settings)
        return -ENOMEM;
    struct option_group group = {
        .section = section, .specs = part, .n_specs = n_options, .values = *ret_settings};
    return options_add(options, &group);
}

static int add_parts(struct arguments *arguments)
{
    int r = 0;
    for (size_t i = 0; source_table[i] && i < ARGUMENT_PARTS_MAX && r >= 0; i++)
        r = add_part(arguments->options, source_table[i]->name, source_table[i]->options,
                     source_table[i]->n_options, source_table[i]->settings_size,
                     &arguments->source_settings[i]);
    for (size_t i = 0; engine_table[i] && i < ARGUMENT_PARTS_MAX && r >= 0; i++)
        r = add_part(arguments->options, engine_table[i]->name, engine_table[i]->options,
                     engine_table[i]->n_options, engine_table[i]->settings_size,
                     &arguments->engine_settings[i]);
    return r;
}

/* Combinations that would run and record nothing of what was asked for. */
static int check_combination(const void *values, struct error *err)
{
    const struct arguments *arguments = values;
    if (strcmp(arguments->engine, "none") == 0 &&
        arguments->targets.n_values + arguments->events.n_values > 0)
        return error_set(
            err, -EINVAL,
            "--engine none records energy only: leave --%s out, or choose another engine",
            arguments->events.n_values ? "event" : "target");
    if (arguments_write_powerapi(arguments) && arguments->store && uri_is_remote(arguments->store))
        return error_set(err, -EINVAL,
                         "--schema powerapi: a remote store keeps native records only; write "
                         "PowerAPI's with --store jsonl:FILE, or leave --schema out");
    if (arguments_granularity(arguments) == GRANULARITY_PROCESS)
        return 0;
    struct target_rules *rules = NULL;
    int r = target_rules_parse(&rules, (const char *const *)arguments->targets.values,
                               arguments->targets.n_values, err);
    if (r >= 0)
        r = target_rules_fit_cgroups(rules, err);
    target_rules_free(rules);
    return r;
}

/* Everybody may read argv. */
static int refuse_password(int argc, char **argv, struct error *err)
{
    for (int i = 1; i < argc; i++) {
        const char *authority = strstr(argv[i], "://");
        if (!authority)
            continue;
        authority += 3;
        size_t length = strcspn(authority, "/?");
        const char *at = memchr(authority, '@', length);
        if (at && memchr(authority, ':', (size_t)(at - authority)))
            return error_set(err, -EINVAL,
                             "the command line is no place for a password: give the store as "
                             "WATT_SENSOR_STORE in the environment or in a configuration file");
    }
    return 0;
}

int arguments_parse(struct arguments *arguments, int argc, char **argv, struct log *log,
                    struct error *err)
{
    struct option_group group = {.section = "sensor",
                                 .specs = specs,
                                 .n_specs = ARRAY_SIZE(specs),
                                 .values = arguments,
                                 .check = check_combination};
    int first_operand;
    int r = options_new(&arguments->options, "watt-sensor",
                        "samples energy and who used the machine, and stores it", NULL);
    if (r >= 0)
        r = options_add(arguments->options, &group);
    if (r >= 0)
        r = add_parts(arguments);
    if (r >= 0)
        r = store_settings_new(&arguments->store_settings, sensor_store_tables);
    if (r >= 0)
        r = store_settings_add(arguments->store_settings, arguments->options);
    if (r < 0)
        return error_set(err, r, "preparing the options: %s", strerror(-r));
    r = refuse_password(argc, argv, err);
    if (r < 0)
        return r;
    return options_parse(arguments->options, argc, argv, "/etc/wattribute", log, &first_operand,
                         err);
}

bool arguments_write_powerapi(const struct arguments *arguments)
{
    return strcmp(arguments->schema, "powerapi") == 0;
}

enum granularity arguments_granularity(const struct arguments *arguments)
{
    if (!arguments->granularity)
        return arguments_write_powerapi(arguments) ? GRANULARITY_CGROUP : GRANULARITY_PROCESS;
    return strcmp(arguments->granularity, "cgroup") == 0 ? GRANULARITY_CGROUP : GRANULARITY_PROCESS;
}

void arguments_deinit(struct arguments *arguments)
{
    options_free(arguments->options);
    store_settings_free(arguments->store_settings);
    for (size_t i = 0; i < ARGUMENT_PARTS_MAX; i++) {
        free(arguments->source_settings[i]);
        free(arguments->engine_settings[i]);
    }
}
