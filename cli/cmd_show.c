/* SPDX-License-Identifier: BSD-3-Clause */
/* `watt show`: joules of a span from any store. Identities are read before the watts, because a
 * name may be needed for a record that stands before it in another file of the same store; a stream
 * from standard input is read once, in its order. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/energy_sum.h"
#include "cli/record_reader.h"
#include "cli/show_report.h"
#include "cli/stores.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"
#include "common/options.h"
#include "common/remote/remote.h"
#include "common/remote_scheme.h"
#include "common/scope.h"
#include "common/target_record.h"
#include "common/timestamp.h"
#include "common/uri.h"

struct show_values {
    char *store, *sensor, *label, *by, *format;
    int64_t from_ms, to_ms;
    uint64_t last_ns, top;
};

static const char *const formats[] = {"table", "csv", "json", NULL};
static const char *const by_names[] = {"target", "cgroup", "command", "unit", NULL};

#define AT(field) offsetof(struct show_values, field)
static const struct option_spec specs[] = {
    {.key = "store",
     .type = OPTION_STRING,
     .offset = AT(store),
     .fallback = DEFAULT_STORE,
     .argument = "URI",
     .check = cli_check_store,
     .help =
         "where the records lie: sqlite:DIR, jsonl:FILE, jsonl:- (standard input), mongodb://..."},
    {.key = "from",
     .type = OPTION_TIME,
     .offset = AT(from_ms),
     .argument = "TIME",
     .flag_only = true,
     .help = "leave out what ended before, e.g. 2026-01-31T08:00:00Z or -15m"},
    {.key = "to",
     .type = OPTION_TIME,
     .offset = AT(to_ms),
     .argument = "TIME",
     .flag_only = true,
     .help = "leave out what ended then or later"},
    {.key = "last",
     .type = OPTION_DURATION,
     .offset = AT(last_ns),
     .argument = "DURATION",
     .flag_only = true,
     .help = "only this much before now, e.g. 10m"},
    {.key = "sensor",
     .type = OPTION_STRING,
     .offset = AT(sensor),
     .argument = "NAME",
     .flag_only = true,
     .help = "only this sensor"},
    {.key = "label",
     .type = OPTION_STRING,
     .offset = AT(label),
     .argument = "LABEL",
     .flag_only = true,
     .help = "watts of this attribution (default: of the first record found)"},
    {.key = "by",
     .type = OPTION_CHOICE,
     .offset = AT(by),
     .fallback = "target",
     .argument = "WHAT",
     .choices = by_names,
     .flag_only = true,
     .help = "a line per target, cgroup, command, or unit (container or systemd unit)"},
    {.key = "format",
     .type = OPTION_CHOICE,
     .offset = AT(format),
     .fallback = "table",
     .argument = "FORMAT",
     .choices = formats,
     .flag_only = true,
     .help = "how to print: table, csv or json"},
    {.key = "top",
     .letter = 'n',
     .type = OPTION_COUNT,
     .offset = AT(top),
     .fallback = "0",
     .argument = "N",
     .flag_only = true,
     .help = "only the N largest; 0: all"},
};
#undef AT

struct show {
    struct show_values values;
    struct identities *identities;
    struct energy_sum *sum;
    char label[LABEL_SIZE];
    uint64_t n_other_labels, n_power, n_power_reports;
    struct record_reader reader;
    struct power_record power;
    const struct log *log;
};

static int add_power(struct show *show, const struct document *document, struct error *err)
{
    if (show->n_power == 0 && !show->values.label)
        memcpy(show->label, document->label, sizeof(show->label));
    if (strcmp(show->label, document->label) != 0) {
        show->n_other_labels++;
        return 0;
    }
    power_record_clear(&show->power);
    int r = power_record_decode(document, &show->power, err);
    if (r < 0)
        return r;
    show->n_power++;
    return energy_sum_add(show->sum, &show->power, err);
}

static int add_document(const struct document *document, void *context, struct error *err)
{
    struct show *show = context;
    struct target_record target;
    if (document->kind == RECORD_POWER)
        return add_power(show, document, err);
    show->n_power_reports += document->kind == RECORD_POWER_REPORT;
    if (document->kind != RECORD_TARGET)
        return 0;
    int r = target_record_decode(document, &target, err);
    return r < 0 ? r : identities_add(show->identities, &target);
}

static int read_kinds(struct show *show, struct store *store, unsigned kinds, struct error *err)
{
    const struct store_query query = {
        .kinds = kinds,
        .sensor = show->values.sensor,
        .label = NULL, /* others are counted */
        .from_ms = show->values.from_ms,
        .to_ms = show->values.to_ms,
    };
    return record_reader_read(&show->reader, store, &query, err);
}

static int read_store(struct show *show, struct error *err)
{
    struct store *store;
    int r =
        store_open(&store, show->values.store, STORE_READ, cli_store_tables, NULL, show->log, err);
    if (r < 0)
        return r;
    if (!store->ops->can_read) {
        r = error_set(err, -EINVAL, "--store %s keeps nothing that could be shown",
                      show->values.store);
        store_close(store);
        return r;
    }
    unsigned identities = KIND_BIT(RECORD_TARGET);
    unsigned watts = KIND_BIT(RECORD_POWER) | KIND_BIT(RECORD_POWER_REPORT);
    if (strcmp(show->values.store, "jsonl:-") == 0) {
        r = read_kinds(show, store, identities | watts, err);
    } else {
        show->reader.come_again = strcmp(store->ops->scheme, "jsonl") == 0;
        r = read_kinds(show, store, identities, err);
        show->reader.come_again = false;
        if (r >= 0)
            r = read_kinds(show, store, watts, err);
    }
    store_close(store);
    return r;
}

static void explain_nothing(const struct show *show)
{
    char store[256];
    (void)uri_redact(show->values.store, store, sizeof(store));
    if (show->n_power_reports > 0)
        log_warning(show->log,
                    "%s holds %" PRIu64 " PowerReports here and no power records: PowerReports do "
                    "not say how long their watts lasted, so there are no joules to add up; let "
                    "watt-formula write --schema native for watt show",
                    store, show->n_power_reports);
    else
        log_warning(show->log,
                    "%s holds no watts of this span; is watt-formula running? (watt-formula "
                    "--post-mortem makes them from stored reports)",
                    store);
}

static enum energy_by by_of(const char *name)
{
    enum energy_by by = ENERGY_BY_TARGET;
    for (size_t i = 0; by_names[i]; i++)
        if (strcmp(by_names[i], name) == 0)
            by = (enum energy_by)i; /* the same order */
    return by;
}

static int show_print(struct show *show, struct error *err)
{
    if (show->n_power == 0 && show->n_power_reports == 0 && show->reader.n_damaged > 0)
        return error_set(err, -EBADMSG, "nothing in the store is a record that can be read");
    if (show->n_power == 0)
        explain_nothing(show);
    const struct show_report report = {
        .by = by_of(show->values.by),
        .format = show->values.format,
        .max_lines = show->values.top,
        .label = show->label,
        .n_other_labels = show->n_other_labels,
        .n_damaged = show->reader.n_damaged,
    };
    return show_report_write(&report, show->sum, stdout, err);
}

static int check_combination(const void *all, struct error *err)
{
    const struct show_values *values = all;
    bool has_from = values->from_ms != VALUE_ABSENT, has_to = values->to_ms != VALUE_ABSENT;
    if (values->last_ns > 0 && (has_from || has_to))
        return error_set(err, -EINVAL, "--last goes with neither --from nor --to");
    if (has_from && has_to && values->from_ms >= values->to_ms)
        return error_set(err, -EINVAL, "--from is not before --to: nothing lies between them");
    if (values->label && !sensor_name_is_valid(values->label))
        return error_set(err, -EINVAL, "--label %s: not a label", values->label);
    return 0;
}

static void settle_values(struct show *show)
{
    struct show_values *values = &show->values;
    if (values->last_ns > 0) {
        int64_t now_ms = (int64_t)(clock_realtime_ns(&clock_system) / NS_PER_MS);
        values->from_ms = now_ms - (int64_t)(values->last_ns / NS_PER_MS);
    }
    if (values->label)
        (void)snprintf(show->label, sizeof(show->label), "%s", values->label);
}

static int show_work(struct show *show, struct error *err)
{
    if (identities_new(&show->identities) < 0 ||
        energy_sum_new(&show->sum, by_of(show->values.by), show->identities) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    power_record_init(&show->power);
    bool is_remote = uri_is_remote(show->values.store);
    if (is_remote)
        remote_init(show->log);
    int r = read_store(show, err);
    if (is_remote)
        remote_cleanup();
    if (r >= 0)
        r = show_print(show, err);
    power_record_deinit(&show->power);
    return r;
}

static int show_run(int argc, char **argv, struct log *log)
{
    struct show show = {.log = log};
    show.reader = (struct record_reader){.take = add_document, .context = &show, .log = log};
    const struct option_group group = {"show", specs, ARRAY_SIZE(specs), &show.values,
                                       check_combination};
    struct options *options = NULL;
    struct error err = {0};
    int r = arguments_parse(&options, "watt show", "adds up the watts a store holds", &group, argc,
                            argv, log, &err);
    if (r == OPTIONS_EXIT) {
        options_free(options);
        return 0;
    }
    if (r >= 0) {
        settle_values(&show);
        r = show_work(&show, &err);
    }
    if (r < 0)
        log_error(log, "%s", err.text[0] ? err.text : strerror(-r));
    energy_sum_free(show.sum);
    identities_free(show.identities);
    options_free(options);
    return error_exit_status(r);
}

const struct command command_show = {
    .name = "show",
    .about = "joules and mean watts per target over a span",
    .run = show_run,
};
