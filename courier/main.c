/* SPDX-License-Identifier: BSD-3-Clause */
/* watt-courier: the loop around courier_step. It waits in ppoll on a signalfd, so that a signal
 * ends it between two batches and never within one. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"
#include "common/remote/remote.h"
#include "common/scope.h"
#include "common/uri.h"
#include "courier/courier.h"
#include "courier/privileges.h"

/* How soon a new tick in the spool is seen. */
#define IDLE_WAIT_NS (250 * NS_PER_MS)

struct courier_options {
    char *spool, *store, *position;
    uint64_t batch_documents, batch_bytes;
    bool once, with_parent;
};

static const struct store_ops *const *const all_stores[] = {store_table_local, store_table_remote,
                                                            NULL};

static int check_store(const char *uri, struct error *err)
{
    return store_check_uri(uri, all_stores, err);
}

#define OFFSET(member) offsetof(struct courier_options, member)
static const struct option_spec courier_specs[] = {
    {.key = "spool",
     .type = OPTION_STRING,
     .offset = OFFSET(spool),
     .fallback = "sqlite:/var/lib/wattribute",
     .argument = "URI",
     .check = check_store,
     .help = "the local store that the sensor writes; it is only read"},
    {.key = "store",
     .type = OPTION_STRING,
     .offset = OFFSET(store),
     .argument = "URI",
     .check = check_store,
     .help = "where the records go, e.g. mongodb://HOST/DATABASE; a password belongs into a "
             "configuration file, WATT_COURIER_STORE or --credentials-file"},
    {.key = "position",
     .type = OPTION_STRING,
     .offset = OFFSET(position),
     .argument = "FILE",
     .help = "remembers up to where everything has arrived; courier.position in the spool's "
             "folder unless given"},
    {.key = "batch-documents",
     .type = OPTION_COUNT,
     .offset = OFFSET(batch_documents),
     .fallback = "500",
     .argument = "N",
     .help = "the most documents sent at once"},
    {.key = "batch-bytes",
     .type = OPTION_SIZE,
     .offset = OFFSET(batch_bytes),
     .fallback = "8M",
     .argument = "SIZE",
     .help = "the size at which a batch is full"},
    {.key = "once",
     .type = OPTION_FLAG,
     .offset = OFFSET(once),
     .flag_only = true,
     .help = "carry everything there is, then end; fail if the store is away"},
    {.key = "with-parent",
     .type = OPTION_FLAG,
     .offset = OFFSET(with_parent),
     .flag_only = true,
     .help = "end when the program that started this one ends"},
};

struct program {
    struct log log;
    struct courier_options values;
    struct options *options;
    struct store_settings *store_settings;
    struct courier *courier;
    char *position;
    int signal_fd;
};

/* What was not said follows from the spool: sqlite:DIR keeps the position in DIR. */
static int find_position(const struct courier_options *options, char **ret_path, struct error *err)
{
    struct uri uri;
    if (options->position) {
        *ret_path = strdup(options->position);
        return *ret_path ? 0 : -ENOMEM;
    }
    int r = uri_parse(options->spool, &uri, err);
    if (r < 0)
        return r;
    if (strcmp(uri.scheme, "sqlite") != 0 || !*uri.rest)
        r = error_set(err, -EINVAL,
                      "--position FILE is needed: only sqlite:DIR has a folder for it");
    else if (asprintf(ret_path, "%s/courier.position", uri.rest) < 0)
        r = -ENOMEM;
    uri_deinit(&uri);
    return r;
}

static int check_combination(const void *values, struct error *err)
{
    const struct courier_options *options = values;
    char *position = NULL;
    if (options->batch_documents == 0 || options->batch_bytes == 0)
        return error_set(err, -EINVAL, "--batch-documents and --batch-bytes must be above 0");
    int r = find_position(options, &position, err);
    free(position);
    return r;
}

static int settle_options(struct program *program, struct error *err)
{
    if (!program->values.store)
        return error_set(err, -EINVAL,
                         "where to? Say --store mongodb://HOST/DATABASE or set WATT_COURIER_STORE");
    return find_position(&program->values, &program->position, err);
}

static int read_options(struct program *program, int argc, char **argv, struct error *err)
{
    int operands = 0;
    const struct option_group group = {
        .section = "courier",
        .specs = courier_specs,
        .n_specs = ARRAY_SIZE(courier_specs),
        .values = &program->values,
        .check = check_combination,
    };
    int r = options_new(&program->options, "watt-courier",
                        "carries records from the local spool to a remote store", NULL);
    if (r == 0)
        r = options_add(program->options, &group);
    if (r == 0)
        r = store_settings_new(&program->store_settings, all_stores);
    if (r == 0)
        r = store_settings_add(program->store_settings, program->options);
    if (r == 0)
        r = options_parse(program->options, argc, argv, "/etc/wattribute", &program->log, &operands,
                          err);
    return r == 0 ? settle_options(program, err) : r;
}

/* Before the driver starts its threads: they inherit the mask. */
static int take_signals(struct program *program, struct error *err)
{
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
        return error_set(err, -errno, "signals: %s", strerror(errno));
    program->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (program->signal_fd < 0)
        return error_set(err, -errno, "signalfd: %s", strerror(errno));
    return 0;
}

static int follow_parent(const struct program *program, struct error *err)
{
    if (program->values.with_parent && prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0)
        return error_set(err, -errno, "--with-parent: %s", strerror(errno));
    return 0;
}

/* True when a signal says to end, waiting for one at most wait_ns. */
static bool is_told_to_end(const struct program *program, uint64_t wait_ns)
{
    struct pollfd poll = {.fd = program->signal_fd, .events = POLLIN};
    const struct timespec timeout = {
        .tv_sec = (time_t)(wait_ns / NS_PER_S),
        .tv_nsec = (long)(wait_ns % NS_PER_S),
    };
    return ppoll(&poll, 1, &timeout, NULL) > 0;
}

static int carry(struct program *program, struct error *err)
{
    uint64_t wait_ns = 0;
    while (!is_told_to_end(program, wait_ns)) {
        int r = courier_step(program->courier, &wait_ns, err);
        if (r < 0)
            return r;
        if (program->values.once && r == COURIER_AWAY)
            return err->code;
        if (program->values.once && r == COURIER_IDLE)
            return 0;
        if (r == COURIER_IDLE)
            wait_ns = IDLE_WAIT_NS;
    }
    return 0;
}

static int run(struct program *program, int argc, char **argv, struct error *err)
{
    int r = read_options(program, argc, argv, err);
    if (r != 0)
        return r == OPTIONS_EXIT ? 0 : r;
    r = take_signals(program, err);
    if (r == 0)
        r = privileges_drop(err);
    if (r == 0)
        r = follow_parent(program, err); /* after the drop, which might reset it */
    if (r < 0)
        return r;
    const struct courier_settings settings = {
        .spool = program->values.spool,
        .remote = program->values.store,
        .stores = all_stores,
        .position_file = program->position,
        .batch_documents = program->values.batch_documents,
        .batch_bytes = program->values.batch_bytes,
    };
    remote_init(&program->log);
    r = courier_new(&program->courier, &settings, program->store_settings, &program->log, err);
    if (r == 0)
        r = carry(program, err);
    courier_free(program->courier);
    remote_cleanup();
    return r;
}

int main(int argc, char **argv)
{
    struct program program = {.signal_fd = -1};
    struct error err = {0};
    log_init(&program.log, "watt-courier");
    int r = run(&program, argc, argv, &err);
    if (r < 0)
        log_error(&program.log, "%s", err.text[0] ? err.text : strerror(-r));
    scope_close(&program.signal_fd);
    free(program.position);
    options_free(program.options);
    store_settings_free(program.store_settings);
    return error_exit_status(r);
}
