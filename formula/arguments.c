/* SPDX-License-Identifier: BSD-3-Clause */
/* One table says all of each option; the models to choose from are those of the models' table. */
#include "formula/arguments.h"

#include <errno.h>
#include <string.h>

#include "common/error.h"
#include "common/record.h"
#include "common/remote_scheme.h"
#include "common/scope.h"
#include "formula/model.h"

static const char *const schemas[] = {"native", "powerapi", NULL};
static const char *const static_choices[] = {"apart", "share", NULL};
static const char *model_choices[16]; /* from model_table */

static int check_store(const char *uri, struct error *err)
{
    return store_check_uri(uri, formula_store_tables, err);
}

static const struct option_spec specs[] = {
    {.key = "input",
     .type = OPTION_STRING,
     .offset = offsetof(struct arguments, input),
     .fallback = "sqlite:",
     .argument = "URI",
     .check = check_store,
     .help = "where the reports are: sqlite:DIR, mongodb://HOST/DB, jsonl:FILE"},
    {.key = "output",
     .type = OPTION_STRING,
     .offset = offsetof(struct arguments, output),
     .fallback = "sqlite:",
     .argument = "URI",
     .check = check_store,
     .help = "where the watts go: sqlite:DIR, mongodb://HOST/DB, jsonl:FILE, jsonl:- (standard "
             "output), null:"},
    {.key = "post-mortem",
     .type = OPTION_FLAG,
     .offset = offsetof(struct arguments, post_mortem),
     .flag_only = true,
     .help = "attribute what is there and exit, instead of following the input"},
    {.key = "from",
     .type = OPTION_TIME,
     .offset = offsetof(struct arguments, from_ms),
     .argument = "TIME",
     .flag_only = true,
     .help = "first moment of the span: 2026-01-31T12:00:00Z, -2h"},
    {.key = "to",
     .type = OPTION_TIME,
     .offset = offsetof(struct arguments, to_ms),
     .argument = "TIME",
     .flag_only = true,
     .help = "end of the span, itself outside; only with --post-mortem"},
    {.key = "sensor",
     .type = OPTION_LIST,
     .offset = offsetof(struct arguments, sensors),
     .argument = "NAME",
     .help = "only this sensor's reports"},
    {.key = "model",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct arguments, model),
     .fallback = "auto",
     .argument = "NAME",
     .choices = model_choices,
     .help = "how watts are split: auto (a price per event, learned), share (CPU time), smartwatts "
             "(as SmartWatts 2.4.1 does)"},
    {.key = "label",
     .type = OPTION_STRING,
     .offset = offsetof(struct arguments, label),
     .argument = "LABEL",
     .help = "name of this attribution, so that several of one recording stand side by side; "
             "default: the model's name"},
    {.key = "schema",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct arguments, schema),
     .fallback = "native",
     .argument = "NAME",
     .choices = schemas,
     .help = "what is written: native power records or PowerAPI's PowerReports; what is read is "
             "recognised record by record"},
    {.key = "static",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct arguments, static_watts),
     .argument = "HOW",
     .choices = static_choices,
     .help = "PowerReports only: share puts each target's share of idle into its power (default), "
             "apart writes idle as a target of its own"},
    {.key = "state",
     .type = OPTION_STRING,
     .offset = offsetof(struct arguments, state),
     .argument = "DIR",
     .help = "keep there what was learned, and go on from it at the next start"},
    {.key = "save-model",
     .type = OPTION_STRING,
     .offset = offsetof(struct arguments, save_model),
     .argument = "FILE",
     .flag_only = true,
     .help = "write what was learned there at the end, for --model-file"},
    {.key = "model-file",
     .type = OPTION_STRING,
     .offset = offsetof(struct arguments, model_file),
     .argument = "FILE",
     .help = "begin with what a machine of the same kind has learned"},
    {.key = "show-model",
     .type = OPTION_STRING,
     .offset = offsetof(struct arguments, show_model),
     .argument = "FILE",
     .flag_only = true,
     .help = "print the coefficients in a saved model or state, and exit"},
    {.key = "wait",
     .type = OPTION_COUNT,
     .offset = offsetof(struct arguments, wait_ticks),
     .fallback = "2",
     .argument = "TICKS",
     .help = "how many later ticks of a sensor to wait for the rest of an incomplete one"},
    {.key = "no-close",
     .type = OPTION_FLAG,
     .offset = offsetof(struct arguments, no_close),
     .help = "publish what the model says, without closing the balance to the measured energy; "
             "smartwatts is then fed as the original is"},
};

static int check_combination(const void *values, struct error *err)
{
    const struct arguments *arguments = values;
    const struct store_ops *ops = store_find(arguments->input, formula_store_tables, err);
    if (!ops)
        return -EINVAL;
    if (!ops->can_read)
        return error_set(err, -EINVAL, "--input %s: a %s store cannot be read", arguments->input,
                         ops->scheme);
    if (!arguments->post_mortem && !ops->can_follow)
        return error_set(err, -EINVAL,
                         "--input %s: a %s store cannot be followed; add --post-mortem",
                         arguments->input, ops->scheme);
    if (!arguments->post_mortem && arguments->to_ms != VALUE_ABSENT)
        return error_set(err, -EINVAL, "--to has a meaning only with --post-mortem");
    bool write_powerapi = arguments_write_powerapi(arguments);
    if (write_powerapi && uri_is_remote(arguments->output))
        return error_set(err, -EINVAL,
                         "--schema powerapi: a remote store keeps native records only; write "
                         "PowerReports with --output jsonl:FILE, or leave --schema out");
    if (arguments->static_watts && !write_powerapi)
        return error_set(err, -EINVAL, "--static has a meaning only with --schema powerapi");
    return 0;
}

bool arguments_write_powerapi(const struct arguments *arguments)
{
    return strcmp(arguments->schema, "powerapi") == 0;
}

int arguments_add(struct arguments *arguments, struct options *options)
{
    for (size_t i = 0; model_table[i] && i + 1 < ARRAY_SIZE(model_choices); i++)
        model_choices[i] = model_table[i]->name;
    const struct option_group group = {.section = "formula",
                                       .specs = specs,
                                       .n_specs = ARRAY_SIZE(specs),
                                       .values = arguments,
                                       .check = check_combination};
    return options_add(options, &group);
}
