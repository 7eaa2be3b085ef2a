/* SPDX-License-Identifier: BSD-3-Clause */
/* `watt score`: judges watts by watts that are known to be true. It reads records alone, so that
 * any model, ours or another's, is judged the same way. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/record_reader.h"
#include "cli/score.h"
#include "cli/solo.h"
#include "cli/stores.h"
#include "cli/writer.h"
#include "common/error.h"
#include "common/log.h"
#include "common/options.h"
#include "common/remote/remote.h"
#include "common/remote_scheme.h"
#include "common/scope.h"

struct score_values {
    struct option_list solos;
    char *store, *truth, *label, *truth_label, *sensor, *format;
    int64_t from_ms, to_ms;
};

static const char *const formats[] = {"table", "csv", "json", NULL};

#define AT(field) offsetof(struct score_values, field)
static const struct option_spec specs[] = {
    {.key = "store",
     .type = OPTION_STRING,
     .offset = AT(store),
     .fallback = DEFAULT_STORE,
     .argument = "URI",
     .check = cli_check_store,
     .help = "the watts to judge: power records or PowerReports in sqlite:DIR, jsonl:FILE, "
             "mongodb://..."},
    {.key = "truth",
     .type = OPTION_STRING,
     .offset = AT(truth),
     .argument = "URI",
     .check = cli_check_store,
     .flag_only = true,
     .help = "what is true: power records; without it only cover, closure and the model's error "
             "can be told"},
    {.key = "solo",
     .type = OPTION_LIST,
     .offset = AT(solos),
     .argument = "TARGET=WATTS",
     .flag_only = true,
     .help = "in place of --truth: what a target draws above idle when it runs alone, held for "
             "true in every tick between --from and --to; DOMAIN:TARGET=WATTS for another domain "
             "than package; may be repeated"},
    {.key = "label",
     .type = OPTION_STRING,
     .offset = AT(label),
     .argument = "LABEL",
     .flag_only = true,
     .help = "judge this attribution (default: of the first record found)"},
    {.key = "truth-label",
     .type = OPTION_STRING,
     .offset = AT(truth_label),
     .argument = "LABEL",
     .flag_only = true,
     .help = "the attribution that is true (default: of the first record found)"},
    {.key = "sensor",
     .type = OPTION_STRING,
     .offset = AT(sensor),
     .argument = "NAME",
     .flag_only = true,
     .help = "only this sensor"},
    {.key = "from",
     .type = OPTION_TIME,
     .offset = AT(from_ms),
     .argument = "TIME",
     .flag_only = true,
     .help = "leave out ticks that ended before"},
    {.key = "to",
     .type = OPTION_TIME,
     .offset = AT(to_ms),
     .argument = "TIME",
     .flag_only = true,
     .help = "leave out ticks that ended then or later"},
    {.key = "format",
     .type = OPTION_CHOICE,
     .offset = AT(format),
     .fallback = "table",
     .argument = "FORMAT",
     .choices = formats,
     .flag_only = true,
     .help = "how to print: table, csv or json"},
};
#undef AT

enum {
    DOMAIN,
    PACKAGE,
    TICKS,
    COVER,
    CLOSURE_W,
    MODEL_ERROR_W,
    SHARE_ERROR,
    SEEN_ERROR,
    ABS_ERROR,
    INSIDE_1_SIGMA,
    INSIDE_2_SIGMA,
    SIGMAS,
    LABEL,
    N_COLUMNS,
};

static const struct column columns[N_COLUMNS] = {
    [DOMAIN] = {"domain", "domain", COLUMN_TEXT, 0},
    [PACKAGE] = {"package", "package", COLUMN_INTEGER, 0},
    [TICKS] = {"ticks", "ticks", COLUMN_INTEGER, 0},
    [COVER] = {"cover", "cover", COLUMN_REAL, 4},
    [CLOSURE_W] = {"closure_w", "closure W", COLUMN_REAL, 7},
    [MODEL_ERROR_W] = {"model_error_w", "model error W", COLUMN_REAL, 3},
    [SHARE_ERROR] = {"share_error", "share error", COLUMN_REAL, 4},
    [SEEN_ERROR] = {"seen_error", "seen", COLUMN_REAL, 4},
    [ABS_ERROR] = {"abs_error", "abs error", COLUMN_REAL, 4},
    [INSIDE_1_SIGMA] = {"inside_1_sigma", "in 1 sigma", COLUMN_REAL, 3},
    [INSIDE_2_SIGMA] = {"inside_2_sigma", "in 2 sigma", COLUMN_REAL, 3},
    [SIGMAS] = {"sigmas", "sigmas", COLUMN_INTEGER, 0},
    [LABEL] = {"label", "label", COLUMN_TEXT, 0},
};

/* One of the two sides, while it is read. */
struct side {
    const char *uri, *wanted_label;
    bool is_true;
    char label[LABEL_SIZE];
    uint64_t n_used, n_other_labels;
    struct record_reader reader;
    struct scoring *scoring;
};

struct scoring {
    struct score_values values;
    struct score *score;
    struct power_record power;
    struct side said, truth;
    struct solo *solos;
    size_t n_solos;
    const struct log *log;
};

static int add_power(struct side *side, const struct document *document, struct error *err)
{
    struct scoring *scoring = side->scoring;
    if (side->label[0] == '\0')
        (void)snprintf(side->label, sizeof(side->label), "%s", document->label);
    if (strcmp(side->label, document->label) != 0) {
        side->n_other_labels++;
        return 0;
    }
    power_record_clear(&scoring->power);
    int r = power_record_decode(document, &scoring->power, err);
    if (r < 0)
        return r;
    side->n_used++;
    r = side->is_true ? score_add_truth(scoring->score, &scoring->power)
                      : score_add_said(scoring->score, &scoring->power);
    for (size_t i = 0; i < scoring->power.n_balance && r >= 0 && !side->is_true; i++) {
        const struct balance_row *row = &scoring->power.balance[i];
        r = solo_add_truth(scoring->score, scoring->solos, scoring->n_solos, &scoring->power.key,
                           row->domain, row->package, row->dt_ns);
    }
    return r < 0 ? error_set(err, r, "out of memory") : 0;
}

static int add_report(struct side *side, const struct document *document, struct error *err)
{
    struct scoring *scoring = side->scoring;
    struct power_report report;
    if (side->is_true)
        return 0;
    if (side->label[0] != '\0') { /* PowerReports have none */
        side->n_other_labels++;
        return 0;
    }
    int r = power_report_decode(document, &report, err);
    if (r < 0)
        return r;
    side->n_used++;
    r = score_add_said_report(scoring->score, &report);
    struct record_key key;
    enum domain domain;
    int32_t package;
    if (r >= 0 && strcmp(report.target, "rapl") == 0 &&
        score_report_scope(&report, &key, &domain, &package))
        r = solo_add_truth(scoring->score, scoring->solos, scoring->n_solos, &key, domain, package,
                           VALUE_ABSENT);
    return r < 0 ? error_set(err, r, "out of memory") : 0;
}

static int add_document(const struct document *document, void *context, struct error *err)
{
    struct side *side = context;
    return document->kind == RECORD_POWER ? add_power(side, document, err)
                                          : add_report(side, document, err);
}

static int read_side(struct side *side, struct error *err)
{
    const struct scoring *scoring = side->scoring;
    struct store *store = NULL;
    const struct store_query query = {
        .kinds = KINDS_POWER,
        .sensor = scoring->values.sensor,
        .from_ms = scoring->values.from_ms,
        .to_ms = scoring->values.to_ms,
    };
    if (side->wanted_label)
        (void)snprintf(side->label, sizeof(side->label), "%s", side->wanted_label);
    int r = store_open(&store, side->uri, STORE_READ, cli_store_tables, NULL, scoring->log, err);
    if (r >= 0)
        r = record_reader_read(&side->reader, store, &query, err);
    store_close(store);
    if (r >= 0 && side->n_used == 0)
        return error_set(err, -EBADMSG, "%s: no watts%s%s in it", side->uri,
                         side->wanted_label ? " labelled " : "",
                         side->wanted_label ? side->wanted_label : "");
    return r;
}

/* Sides that do not fit together would have scores too, the worst ones. */
static int check_fit(const struct scoring *scoring, struct error *err)
{
    if (!score_meets_truth(scoring->score))
        return error_set(err, -EBADMSG,
                         "%s and %s have no tick in common: they meet by sensor, timestamp, domain "
                         "and package",
                         scoring->said.uri, scoring->truth.uri ? scoring->truth.uri : "--solo");
    for (size_t i = 0; i < scoring->n_solos; i++) {
        const struct solo *solo = &scoring->solos[i];
        if (!score_names(scoring->score, solo->target, solo->target_size))
            log_warning(scoring->log, "--solo %.*s: the store has no watts of this target",
                        (int)solo->target_size, solo->target);
    }
    return 0;
}

static int write_row(struct writer *writer, const struct score_row *row, const char *label,
                     struct error *err)
{
    const union cell cells[N_COLUMNS] = {
        [DOMAIN].text = domain_name(row->domain),
        [PACKAGE].integer = row->package == PACKAGE_NONE ? VALUE_ABSENT : row->package,
        [TICKS].integer = (int64_t)row->n_ticks,
        [COVER].real = row->cover,
        [CLOSURE_W].real = row->closure_w,
        [MODEL_ERROR_W].real = row->model_error_w,
        [SHARE_ERROR].real = row->share_error,
        [SEEN_ERROR].real = row->seen_error,
        [ABS_ERROR].real = row->abs_error,
        [INSIDE_1_SIGMA].real = row->inside_1_sigma,
        [INSIDE_2_SIGMA].real = row->inside_2_sigma,
        [SIGMAS].integer = (int64_t)row->n_sigmas,
        [LABEL].text = label[0] ? label : NULL,
    };
    return writer_row(writer, cells, err);
}

static int note_left_out(struct writer *writer, const struct side *side, struct error *err)
{
    char text[160];
    if (side->n_other_labels == 0 && side->reader.n_damaged == 0)
        return 0;
    (void)snprintf(text, sizeof(text),
                   "%s: %" PRIu64 " records of other labels and %" PRIu64
                   " damaged ones were left out",
                   side->is_true ? "truth" : "store", side->n_other_labels, side->reader.n_damaged);
    return writer_note(writer, text, err);
}

static int print(const struct scoring *scoring, struct error *err)
{
    const struct score_row *rows;
    size_t n_rows;
    struct writer *writer;
    int r = score_rows(scoring->score, &rows, &n_rows);
    if (r < 0)
        return error_set(err, r, "out of memory");
    r = writer_new(&writer, scoring->values.format, stdout, columns, N_COLUMNS, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n_rows && r >= 0; i++)
        r = write_row(writer, &rows[i], scoring->said.label, err);
    if (r >= 0)
        r = note_left_out(writer, &scoring->said, err);
    if (r >= 0)
        r = note_left_out(writer, &scoring->truth, err);
    int finished = writer_finish(writer, err);
    return r < 0 ? r : finished;
}

static int check_combination(const void *all, struct error *err)
{
    const struct score_values *values = all;
    if (values->solos.n_values > 0 && values->truth)
        return error_set(err, -EINVAL, "--solo and --truth: only one of them can be true");
    return 0;
}

static int take_solos(struct scoring *scoring, struct error *err)
{
    const struct option_list *texts = &scoring->values.solos;
    int r = 0;
    scoring->solos = calloc(texts->n_values + 1, sizeof(*scoring->solos));
    if (!scoring->solos)
        return error_set(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < texts->n_values && r >= 0; i++)
        r = solo_parse(texts->values[i], &scoring->solos[scoring->n_solos++], err);
    return r;
}

static void init_side(struct scoring *scoring, struct side *side, const char *uri,
                      const char *wanted_label)
{
    *side = (struct side){
        .uri = uri,
        .wanted_label = wanted_label,
        .reader = {.take = add_document, .context = side, .log = scoring->log},
        .scoring = scoring,
    };
}

static int work(struct scoring *scoring, struct error *err)
{
    const struct score_values *values = &scoring->values;
    init_side(scoring, &scoring->said, values->store, values->label);
    init_side(scoring, &scoring->truth, values->truth, values->truth_label);
    scoring->truth.is_true = true;
    bool is_remote =
        uri_is_remote(values->store) || (values->truth && uri_is_remote(values->truth));
    int r = take_solos(scoring, err);
    if (r >= 0 && score_new(&scoring->score) < 0)
        r = error_set(err, -ENOMEM, "out of memory");
    if (r < 0) {
        free(scoring->solos);
        return r;
    }
    power_record_init(&scoring->power);
    if (is_remote)
        remote_init(scoring->log);
    r = values->truth ? read_side(&scoring->truth, err) : 0;
    if (r >= 0)
        r = read_side(&scoring->said, err);
    if (is_remote)
        remote_cleanup();
    if (r >= 0)
        r = check_fit(scoring, err);
    if (r >= 0)
        r = print(scoring, err);
    power_record_deinit(&scoring->power);
    score_free(scoring->score);
    free(scoring->solos);
    return r;
}

static int score_run(int argc, char **argv, struct log *log)
{
    struct scoring scoring = {.log = log};
    const struct option_group group = {"score", specs, ARRAY_SIZE(specs), &scoring.values,
                                       check_combination};
    struct options *options = NULL;
    struct error err = {0};
    int r = arguments_parse(&options, "watt score", "judges watts by watts that are true", &group,
                            argc, argv, log, &err);
    if (r == OPTIONS_EXIT) {
        options_free(options);
        return 0;
    }
    if (r >= 0)
        r = work(&scoring, &err);
    if (r < 0)
        log_error(log, "%s", err.text[0] ? err.text : strerror(-r));
    options_free(options);
    return error_exit_status(r);
}

const struct command command_score = {
    .name = "score",
    .about = "how near watts come to a known truth",
    .run = score_run,
};
