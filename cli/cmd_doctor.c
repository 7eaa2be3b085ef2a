/* SPDX-License-Identifier: BSD-3-Clause */
/* `watt doctor`: what would be used here, what would not and why, and what to type to change it. It
 * knows nothing of hardware: the sensor's probe does, and the store is tried by opening it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/machine.h"
#include "cli/stores.h"
#include "cli/writer.h"
#include "common/error.h"
#include "common/log.h"
#include "common/options.h"
#include "common/remote/remote.h"
#include "common/remote_scheme.h"
#include "common/scope.h"

struct doctor_values {
    char *store, *format;
};

static const char *const formats[] = {"table", "csv", "json", NULL};

static const struct option_spec specs[] = {
    {.key = "store",
     .type = OPTION_STRING,
     .offset = offsetof(struct doctor_values, store),
     .fallback = DEFAULT_STORE,
     .argument = "URI",
     .help = "the store to try"},
    {.key = "format",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct doctor_values, format),
     .fallback = "table",
     .argument = "FORMAT",
     .choices = formats,
     .flag_only = true,
     .help = "how to print: table, csv or json"},
};

static const struct column columns[] = {
    {"kind", "what", COLUMN_TEXT, 0},
    {"name", "name", COLUMN_TEXT, 0},
    {"state", "state", COLUMN_TEXT, 0},
    {"reason", "why", COLUMN_TEXT, 0},
    {"advice", "to change it, type", COLUMN_TEXT, 0},
};

static const char *part_state(const struct machine_part *part)
{
    if (part->is_chosen)
        return part->is_estimate ? "used (estimate)" : "used";
    if (part->is_usable)
        return "usable";
    return part->is_unreadable ? "locked" : "no";
}

static int write_row(struct writer *writer, const char *kind, const char *name, const char *state,
                     const char *reason, const char *advice, struct error *err)
{
    const union cell cells[] = {{.text = kind},
                                {.text = name},
                                {.text = state},
                                {.text = reason && *reason ? reason : NULL},
                                {.text = advice && *advice ? advice : NULL}};
    return writer_row(writer, cells, err);
}

/* True for a failure that a person with more rights would not have. */
static bool is_permission(int code)
{
    return code == -EACCES || code == -EPERM;
}

static int write_store(struct writer *writer, const char *uri_text, const struct log *log,
                       struct error *err)
{
    struct error reason = {0};
    struct store *store = NULL;
    char uri[256];
    (void)uri_redact(uri_text, uri, sizeof(uri));
    int r = store_open(&store, uri_text, STORE_READ, cli_store_tables, NULL, log, &reason);
    if (r >= 0) {
        store_close(store);
        return write_row(writer, "store", uri, "used", "it can be read", NULL, err);
    }
    if (is_permission(r))
        return write_row(writer, "store", uri, "locked", reason.text,
                         "run watt as a member of the group that owns the store", err);
    if (r == -ENOENT)
        return write_row(writer, "store", uri, "empty", reason.text,
                         "watt top (measures by itself), or start watt-sensor and watt-formula",
                         err);
    return write_row(writer, "store", uri, "no", reason.text, "--store URI for another one", err);
}

static int write_report(const struct doctor_values *values, const struct machine *machine,
                        const struct log *log, struct error *err)
{
    struct writer *writer;
    int r = writer_new(&writer, values->format, stdout, columns, ARRAY_SIZE(columns), err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < machine->n_parts && r >= 0; i++) {
        const struct machine_part *part = &machine->parts[i];
        r = write_row(writer, part->kind, part->name, part_state(part), part->reason, part->advice,
                      err);
    }
    if (r >= 0)
        r = write_store(writer, values->store, log, err);
    const struct machine_part *energy = machine_chosen(machine, "energy");
    if (r >= 0 && !energy)
        r = writer_note(writer, "No energy can be read: watt shows CPU shares only.", err);
    else if (r >= 0 && energy->is_estimate)
        r = writer_note(
            writer, "This machine shows no energy counter: watts are estimates with bounds.", err);
    int finished = writer_finish(writer, err);
    return r < 0 ? r : finished;
}

/* 0 good, 1 estimates only, 77 locked, 69 nothing to measure with. */
static int verdict(const struct machine *machine)
{
    const struct machine_part *energy = machine_chosen(machine, "energy");
    if (!machine_chosen(machine, "engine"))
        return 69;
    if (energy)
        return energy->is_estimate ? 1 : 0;
    return machine_locked(machine) ? 77 : 69;
}

static int doctor_run(int argc, char **argv, struct log *log)
{
    struct doctor_values values = {0};
    const struct option_group group = {"doctor", specs, ARRAY_SIZE(specs), &values};
    struct options *options = NULL;
    struct machine machine = {0};
    struct error err = {0};
    int status = 0;
    int r = arguments_parse(&options, "watt doctor",
                            "says what this machine can measure and what to type for more", &group,
                            argc, argv, log, &err);
    if (r == OPTIONS_EXIT)
        goto out;
    if (r >= 0)
        r = machine_probe(&machine, &err);
    if (r >= 0) {
        bool is_remote = uri_is_remote(values.store);
        if (is_remote)
            remote_init(log);
        r = write_report(&values, &machine, log, &err);
        if (is_remote)
            remote_cleanup();
        status = verdict(&machine);
    }
out:
    if (r < 0) {
        log_error(log, "%s", err.text[0] ? err.text : strerror(-r));
        status = error_exit_status(r);
    }
    machine_deinit(&machine);
    options_free(options);
    return status;
}

const struct command command_doctor = {
    .name = "doctor",
    .about = "what this machine can measure, why not more, and what to type",
    .run = doctor_run,
};
