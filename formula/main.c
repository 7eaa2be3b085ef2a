/* SPDX-License-Identifier: BSD-3-Clause */
/* watt-formula: options, signals and stores around one formula. Stream and post-mortem differ in
 * the reader and in what a failing output means: a service keeps its batch and tries again, a
 * finished recording ends with the error and can be run again without harm. Where it stopped is
 * read back from the output, so that no file of its own is needed. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"
#include "common/options.h"
#include "common/powerapi.h"
#include "common/remote/remote.h"
#include "common/remote_scheme.h"
#include "common/scope.h"
#include "common/store/batch.h"
#include "formula/arguments.h"
#include "formula/attributed.h"
#include "formula/reader.h"
#include "formula/state_file.h"

#define BATCH_DOCUMENTS 65536
#define BATCH_BYTES ((size_t)256 * 1024 * 1024)
#define FLUSH_DOCUMENTS 512
#define FLUSH_NS NS_PER_S
#define RETRY_MAX_NS (60 * NS_PER_S)
#define IDLE_WAIT_MS 200
#define SAVE_RECORDS 300 /* records of watts between two savings of the state */

const struct store_ops *const *const formula_store_tables[] = {store_table_local, store_table_remote,
                                                              NULL};

struct program {
    struct log log;
    struct arguments arguments;
    struct store_settings *store_settings;
    struct model_settings *model_settings;
    struct store *input, *output;
    struct store *history; /* the output, opened for reading; NULL where it cannot be read */
    struct batch *batch;
    struct formula *formula;
    char *state_path;    /* of --state, NULL: none */
    uint64_t n_saved_at; /* records of watts when the state was saved last */
    bson_t scratch;
    bool writes_powerapi, static_share;
    uint64_t flushed_ns, retry_at_ns, retry_wait_ns;
    bool is_failing;
    struct attributed *attributed; /* NULL: the output itself keeps records from standing twice */
    uint64_t n_records, n_duplicates;
    struct error emit_error; /* why on_power ended the reading */
};

static volatile bool stop; /* set by SIGINT and SIGTERM, read between documents */

static void on_signal(int number)
{
    (void)number;
    stop = true;
}

static uint64_t now_ns(void)
{
    return clock_monotonic_ns(&clock_system);
}

/* ---- output ---- */

static const char *label_of(const struct arguments *arguments)
{
    return arguments->label ? arguments->label : arguments->model;
}

static int flush(struct program *program, struct error *err)
{
    struct append_result result;
    program->flushed_ns = now_ns();
    if (batch_count(program->batch) == 0)
        return 0;
    int r = batch_flush(program->batch, program->output, &result, err);
    program->n_duplicates += r >= 0 ? result.n_duplicates : 0;
    return r;
}

/* A service outlives its output: the batch is kept and tried again, ever more seldom. */
static int flush_or_keep(struct program *program, struct error *err)
{
    if (program->arguments.post_mortem)
        return flush(program, err);
    if (now_ns() < program->retry_at_ns)
        return 0;
    struct error failure = {0};
    int r = flush(program, &failure);
    if (r >= 0) {
        if (program->is_failing)
            log_info(&program->log, "output: works again");
        program->is_failing = false;
        program->retry_wait_ns = program->retry_at_ns = 0;
        return 0;
    }
    if (!program->is_failing)
        log_warning(&program->log, "output: %s; the watts are kept in memory and tried again",
                    failure.text);
    program->is_failing = true;
    program->retry_wait_ns = program->retry_wait_ns ? program->retry_wait_ns * 2 : NS_PER_S;
    if (program->retry_wait_ns > RETRY_MAX_NS)
        program->retry_wait_ns = RETRY_MAX_NS;
    program->retry_at_ns = now_ns() + program->retry_wait_ns;
    return 0;
}

static int on_document(const struct document *document, void *context)
{
    struct program *program = context;
    int n_dropped = batch_add(program->batch, document);
    if (n_dropped < 0)
        return n_dropped;
    if (n_dropped > 0)
        log_warning(&program->log,
                    "output: away for too long: %" PRIu64 " records of watts lost so far",
                    batch_dropped(program->batch));
    if (batch_count(program->batch) < FLUSH_DOCUMENTS)
        return 0;
    int r = flush_or_keep(program, &program->emit_error);
    return r < 0 ? error_wrap(&program->emit_error, r, "output") : 0;
}

static int on_power(const struct power_record *power, void *context)
{
    struct program *program = context;
    struct error *failure = &program->emit_error;
    program->n_records++;
    int r = program->attributed ? attributed_judge(program->attributed, &power->key, failure) : 0;
    if (r != 0) {
        program->n_duplicates += r > 0;
        return r < 0 ? error_wrap(failure, r, "output %s", program->arguments.output) : 0;
    }
    r = program->writes_powerapi
            ? power_record_encode_powerapi(power, program->static_share, &program->scratch,
                                           on_document, program, failure)
            : power_record_encode(power, &program->scratch, on_document, program, failure);
    if (r == 0 && now_ns() - program->flushed_ns >= FLUSH_NS) {
        r = flush_or_keep(program, failure);
        r = r < 0 ? error_wrap(failure, r, "output") : 0;
    }
    return r;
}

/* ---- where to go on ---- */

static void close_cursor(struct cursor **cursor)
{
    cursor_close(*cursor);
}

/* The newest tick of a sensor that stands in the output. */
static int resume(const char *sensor, struct record_key *ret_last, void *context)
{
    struct program *program = context;
    if (!program->history)
        return 0;
    struct store_query query = {
        .kinds = program->writes_powerapi ? KIND_BIT(RECORD_POWER_REPORT) : KIND_BIT(RECORD_POWER),
        .sensor = sensor,
        .label = program->writes_powerapi ? NULL : label_of(&program->arguments),
        .from_ms = VALUE_ABSENT,
        .to_ms = VALUE_ABSENT,
        .newest_first = true,
        .limit = 1,
    };
    SCOPED(close_cursor) struct cursor *cursor = NULL;
    struct error failure = {0};
    struct document document;
    int r = store_query(program->history, &query, &cursor, &failure);
    if (r >= 0)
        r = cursor_next(cursor, &document, &failure);
    if (r < 0)
        log_warning(&program->log, "output: %s; attributing sensor '%s' from its first report",
                    failure.text, sensor);
    if (r != CURSOR_DOCUMENT)
        return 0;
    *ret_last = document.key;
    log_info(&program->log, "sensor '%s': going on after %s", sensor,
             document.id[0] ? document.id : "its last PowerReport");
    return 1;
}

/* What only passes through holds nothing, and reading would take it from whoever it is for. */
static bool is_pipe(const char *uri)
{
    struct stat status;
    const char *path = strchr(uri, ':');
    return strcmp(uri, "jsonl:-") == 0 ||
           (path && stat(path + 1, &status) == 0 && !S_ISREG(status.st_mode) &&
            !S_ISDIR(status.st_mode));
}

/* An output that cannot be read, or is not there yet, has no history; a recording attributed anew
 * needs none where the output knows its records by their ids. */
static void open_history(struct program *program)
{
    const struct store_ops *ops = store_find(program->arguments.output, formula_store_tables, NULL);
    if (!ops || !ops->can_read || (program->arguments.post_mortem && ops->has_ids) ||
        is_pipe(program->arguments.output))
        return;
    struct error failure = {0};
    if (store_open(&program->history, program->arguments.output, STORE_READ, formula_store_tables,
                   program->store_settings, &program->log, &failure) < 0) {
        program->history = NULL;
        log_debug(&program->log, "output: no history: %s", failure.text);
    }
}

static void save_now_and_then(struct program *program);

/* ---- input ---- */

/* Caught up: hand over what there is, then wait for more or for a signal. */
static int on_idle(void *context)
{
    struct program *program = context;
    struct error failure = {0};
    int r = flush_or_keep(program, &failure);
    if (r < 0)
        return r;
    save_now_and_then(program);
    sigset_t ours, before;
    (void)sigemptyset(&ours);
    (void)sigaddset(&ours, SIGINT);
    (void)sigaddset(&ours, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &ours, &before);
    struct timespec wait = {.tv_nsec = IDLE_WAIT_MS * (long)NS_PER_MS};
    if (!stop)
        (void)ppoll(NULL, 0, &wait, &before);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return 0;
}

static int read_all(struct program *program, struct formula *formula, struct error *err)
{
    const struct arguments *arguments = &program->arguments;
    struct reader_settings reader = {
        .sensor = arguments->sensors.n_values == 1 ? arguments->sensors.values[0] : NULL,
        .from_ms = arguments->from_ms,
        .to_ms = arguments->to_ms,
    };
    if (!arguments->post_mortem) {
        int ended = reader_stream(formula, program->input, &reader, &program->log, &stop, on_idle,
                                  program, err);
        return ended > 0 ? formula_finish(formula, err) : ended;
    }
    uint64_t n_bad = 0;
    int r = reader_replay(formula, program->input, &reader, &program->log, &stop, &n_bad, err);
    if (r >= 0 && !stop)
        r = formula_finish(formula, err);
    struct formula_health health;
    formula_health(formula, &health);
    n_bad += health.n_bad;
    if (n_bad > 0)
        log_warning(&program->log, "%" PRIu64 " damaged records left out", n_bad);
    if (r >= 0 && n_bad > 0 && health.n_reports == 0)
        r = error_set(err, -EBADMSG,
                      "input: not one good report among %" PRIu64
                      " damaged ones: is this a recording of a sensor?",
                      n_bad);
    log_info(&program->log,
             "%" PRIu64 " reports, %" PRIu64 " ticks, %" PRIu64 " records of watts, %" PRIu64
             " reports too late or double",
             health.n_reports, health.n_ticks, program->n_records, health.n_late);
    if (health.n_known > 0)
        log_info(&program->log,
                 "%" PRIu64 " reports were left out because the saved state had learned from them; "
                 "to attribute them anew, use another --label",
                 health.n_known);
    return r;
}

/* ---- state ---- */

static int save_state(struct program *program, const char *path, struct error *err)
{
    bson_t state = BSON_INITIALIZER;
    int r = formula_save(program->formula, &state, err);
    if (r >= 0)
        r = state_file_write(path, &state, err);
    bson_destroy(&state);
    program->n_saved_at = program->n_records;
    return r;
}

/* Only once everything up to it is stored: what the state knows is not attributed again. */
static void save_now_and_then(struct program *program)
{
    if (!program->state_path || batch_count(program->batch) > 0 ||
        program->n_records - program->n_saved_at < SAVE_RECORDS)
        return;
    struct error failure = {0};
    if (save_state(program, program->state_path, &failure) < 0)
        log_warning(&program->log, "%s; going on without", failure.text);
}

static int load_model_file(struct program *program, struct formula *formula, struct error *err)
{
    const char *path = program->arguments.model_file;
    if (!path)
        return 0;
    bson_t *state = NULL;
    int r = state_file_read(path, &state, err);
    if (r >= 0) {
        r = formula_use_models(formula, state, err);
        if (r < 0)
            r = error_wrap(err, r, "model file %s", path);
    }
    bson_destroy(state);
    return r;
}

/* 1: the formula goes on from the state; 0: there is none, or none that can be used, which is said:
 * then the formula may be half filled and must be made anew. */
static int load_state(struct program *program, struct formula *formula)
{
    bson_t *state = NULL;
    struct error failure = {0};
    if (!program->state_path || access(program->state_path, F_OK) < 0)
        return 0;
    int r = state_file_read(program->state_path, &state, &failure);
    if (r >= 0)
        r = formula_load(formula, state, &failure);
    bson_destroy(state);
    if (r < 0)
        log_warning(&program->log, "%s: %s; learning anew", program->state_path, failure.text);
    return r < 0 ? 0 : 1;
}

static int make_formula(struct program *program, const struct formula_settings *settings,
                        struct error *err)
{
    struct formula *formula;
    int r = formula_new(&formula, settings, &program->log, on_power, program, err);
    if (r < 0)
        return r;
    if (program->state_path && load_state(program, formula) == 0) {
        formula_free(formula);
        r = formula_new(&formula, settings, &program->log, on_power, program, err);
        if (r < 0)
            return r;
    }
    program->formula = formula;
    return load_model_file(program, formula, err);
}

/* What is learned over hours must not turn out at the end to have no place. */
static int name_state(struct program *program, struct error *err)
{
    const struct arguments *arguments = &program->arguments;
    if (arguments->state && asprintf(&program->state_path, "%s/formula-%s.state", arguments->state,
                                     label_of(arguments)) < 0) {
        program->state_path = NULL;
        return error_set(err, -ENOMEM, "state: out of memory");
    }
    int r = program->state_path ? state_file_check(program->state_path, err) : 0;
    if (r >= 0 && arguments->save_model)
        r = state_file_check(arguments->save_model, err);
    return r;
}

static int save_at_end(struct program *program, struct error *err)
{
    int r = program->state_path ? save_state(program, program->state_path, err) : 0;
    if (r >= 0 && program->arguments.save_model)
        r = save_state(program, program->arguments.save_model, err);
    return r;
}

/* What a finished recording must be told to whoever waits for its end. */
static int judge_end(const struct program *program, struct error *err)
{
    struct formula_health health;
    if (!program->arguments.post_mortem)
        return 0;
    if (program->n_duplicates > 0)
        log_warning(&program->log,
                    "output: %" PRIu64 " records of watts were there already under label '%s' and "
                    "stay as they are; to attribute anew, choose another %s",
                    program->n_duplicates, label_of(&program->arguments),
                    program->writes_powerapi ? "file" : "--label");
    if (stop)
        return error_set(err, -EINTR,
                         "interrupted: %" PRIu64 " records of watts are stored, the rest is not "
                         "attributed; %s",
                         program->n_records,
                         program->state_path ? "the next run with this --state goes on from here"
                                             : "run it again");
    formula_health(program->formula, &health);
    if (health.n_models_refused > 0 && health.n_models_taken == 0)
        return error_set(err, -EBADMSG,
                         "model file %s: it is of no sensor of this recording; the watts stored "
                         "were learned without it",
                         program->arguments.model_file);
    return 0;
}

static int run(struct program *program, struct error *err)
{
    const struct arguments *arguments = &program->arguments;
    struct formula_settings formula_settings = {
        .model = model_find(arguments->model),
        .model_settings = model_settings_of(program->model_settings, model_find(arguments->model)),
        .label = arguments->label,
        .leave_open = arguments->no_close,
        .goes_on = arguments->post_mortem && program->arguments.state,
        .wait_ticks = arguments->wait_ticks > 1000 ? 1000 : (unsigned)arguments->wait_ticks,
        .sensors = (const char *const *)arguments->sensors.values,
        .n_sensors = arguments->sensors.n_values,
        .resume = arguments->post_mortem ? NULL : resume,
    };
    int r = name_state(program, err);
    if (r >= 0)
        r = make_formula(program, &formula_settings, err);
    if (r < 0)
        return r;
    r = read_all(program, program->formula, err);
    if (r < 0 && program->emit_error.code < 0) {
        *err = program->emit_error; /* the output failed: a last try would say it again */
        return r;
    }
    struct error failure = {0};
    int flushed = flush(program, &failure);
    if (flushed < 0 && r >= 0) {
        *err = failure;
        r = error_wrap(err, flushed, "output: %zu records not stored", batch_count(program->batch));
    }
    if (r >= 0)
        r = save_at_end(program, err);
    return r < 0 ? r : judge_end(program, err);
}

/* ---- start ---- */

static int open_stores(struct program *program, struct error *err)
{
    int r = store_open(&program->input, program->arguments.input, STORE_READ, formula_store_tables,
                       program->store_settings, &program->log, err);
    if (r < 0)
        return error_wrap(err, r, "input");
    open_history(program);
    if (program->history && program->arguments.post_mortem) {
        r = attributed_new(&program->attributed, program->history,
                           program->writes_powerapi ? NULL : label_of(&program->arguments));
        if (r < 0)
            return error_set(err, r, "output: out of memory");
    }
    r = store_open(&program->output, program->arguments.output, STORE_WRITE, formula_store_tables,
                   program->store_settings, &program->log, err);
    if (r < 0)
        return error_wrap(err, r, "output");
    return batch_new(&program->batch, BATCH_DOCUMENTS, BATCH_BYTES);
}

static int parse(struct program *program, struct options *options, int argc, char **argv,
                 struct error *err)
{
    int r = arguments_add(&program->arguments, options);
    if (r >= 0)
        r = model_settings_add(program->model_settings, options);
    if (r >= 0)
        r = store_settings_add(program->store_settings, options);
    int operand;
    if (r >= 0)
        r = options_parse(options, argc, argv, "/etc/wattribute", &program->log, &operand, err);
    if (r == 0 && operand < argc)
        return error_set(err, -EINVAL, "what is '%s'? see --help", argv[operand]);
    if (r != 0)
        return r;
    program->writes_powerapi = arguments_write_powerapi(&program->arguments);
    program->static_share = !program->arguments.static_watts ||
                            strcmp(program->arguments.static_watts, "share") == 0;
    return 0;
}

static int show_model(const char *path, struct error *err)
{
    bson_t *state = NULL;
    int r = state_file_read(path, &state, err);
    if (r < 0)
        return r;
    r = formula_show(state, stdout, err);
    bson_destroy(state);
    return r < 0 ? error_wrap(err, r, "model %s", path) : r;
}

static int start(struct program *program, struct options *options, int argc, char **argv,
                 struct error *err)
{
    int r = parse(program, options, argc, argv, err);
    if (r != 0)
        return r == OPTIONS_EXIT ? 0 : r;
    if (program->arguments.show_model)
        return show_model(program->arguments.show_model, err);
    struct sigaction action = {.sa_handler = on_signal};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    remote_init(&program->log);
    r = open_stores(program, err);
    if (r >= 0)
        r = run(program, err);
    formula_free(program->formula);
    free(program->state_path);
    batch_free(program->batch);
    store_close(program->output);
    attributed_free(program->attributed);
    store_close(program->history);
    store_close(program->input);
    remote_cleanup();
    return r;
}

int main(int argc, char **argv)
{
    struct program program = {0};
    struct error err = {0};
    struct options *options = NULL;
    log_init(&program.log, "watt-formula");
    bson_init(&program.scratch);
    int r = options_new(&options, "watt-formula",
                        "turns the reports of sensors into watts and joules per target", NULL);
    if (r >= 0)
        r = store_settings_new(&program.store_settings, formula_store_tables);
    if (r >= 0)
        r = model_settings_new(&program.model_settings);
    if (r >= 0)
        r = start(&program, options, argc, argv, &err);
    if (r < 0)
        log_error(&program.log, "%s", err.text[0] ? err.text : strerror(-r));
    options_free(options);
    store_settings_free(program.store_settings);
    model_settings_free(program.model_settings);
    bson_destroy(&program.scratch);
    return error_exit_status(r);
}
