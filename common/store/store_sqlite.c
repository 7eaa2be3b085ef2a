/* SPDX-License-Identifier: BSD-3-Clause */
/* The embedded store: a folder with raw.db, which a sensor writes, and power.db, which a formula
 * writes, so that the two may share it without ever waiting for each other. Each file is opened for
 * writing when the first document for it is appended. */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "common/scope.h"
#include "common/store/local.h"
#include "common/store/sqlite_cursor.h"
#include "common/store/sqlite_writer.h"

#define MIN_SIZE_BYTES ((uint64_t)1 << 20)

struct sqlite_store {
    struct store store;
    enum store_mode mode;
    char *directory;
    struct sqlite_writer writers[SQLITE_FILE_COUNT];
};

static const struct option_spec sqlite_options[] = {
    {.key = "max-size",
     .type = OPTION_SIZE,
     .offset = offsetof(struct sqlite_settings, max_size_bytes),
     .fallback = "4G",
     .argument = "SIZE",
     .help = "how large each database file may grow; the oldest documents give way"},
    {.key = "max-age",
     .type = OPTION_DURATION,
     .offset = offsetof(struct sqlite_settings, max_age_ns),
     .fallback = "0",
     .argument = "DURATION",
     .help = "documents older than this, counted from the newest one, are dropped; 0: kept"},
};

static bool is_raw_kind(enum record_kind kind)
{
    return !sqlite_kind_is_power(kind);
}

static void sqlite_close(struct store *base)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    for (int i = 0; i < SQLITE_FILE_COUNT; i++)
        sqlite_writer_deinit(&store->writers[i]);
    free(store->directory);
    free(store);
}

static int check_folder(const char *directory, enum store_mode mode, struct error *err)
{
    if (mode == STORE_WRITE) {
        int r = sqlite_folder_make(directory, err);
        if (r < 0)
            return r;
        if (access(directory, W_OK | X_OK) < 0)
            return error_set(err, -errno, "%s: cannot be written to: %s", directory,
                             strerror(errno));
        return 0;
    }
    struct stat status;
    if (stat(directory, &status) < 0) {
        const char *advice = errno == ENOENT ? ": nothing was recorded there yet" : "";
        return error_set(err, -errno, "%s: %s%s", directory, strerror(errno), advice);
    }
    if (!S_ISDIR(status.st_mode))
        return error_set(err, -ENOTDIR, "%s: is no folder: name the folder of the files",
                         directory);
    if (access(directory, X_OK) < 0)
        return error_set(err, -errno, "%s: %s: join the group that owns it, or ask with sudo",
                         directory, strerror(errno));
    return 0;
}

static int start(struct sqlite_store *store, const char *directory,
                 const struct sqlite_settings *settings, struct error *err)
{
    store->directory = strdup(directory);
    if (!store->directory ||
        sqlite_writer_init(&store->writers[SQLITE_RAW], directory, "raw.db", settings,
                           store->store.log) < 0 ||
        sqlite_writer_init(&store->writers[SQLITE_POWER], directory, "power.db", settings,
                           store->store.log) < 0)
        return error_set(err, -ENOMEM, "%s: out of memory", directory);
    return check_folder(directory, store->mode, err);
}

static int sqlite_open(struct store **ret_store, const struct uri *uri, enum store_mode mode,
                       const void *values, const struct log *log, struct error *err)
{
    const struct sqlite_settings *settings = values;
    if (settings->max_size_bytes > 0 && settings->max_size_bytes < MIN_SIZE_BYTES)
        return error_set(err, -EINVAL, "max-size: at least 1M is needed");
    struct sqlite_store *store = calloc(1, sizeof(*store));
    if (!store)
        return error_set(err, -ENOMEM, "sqlite: out of memory");
    store->store = (struct store){.ops = &store_sqlite, .log = log};
    store->mode = mode;
    for (int i = 0; i < SQLITE_FILE_COUNT; i++)
        sqlite_file_init(&store->writers[i].file);
    int r = start(store, uri->rest, settings, err);
    if (r < 0) {
        sqlite_close(&store->store);
        return r;
    }
    *ret_store = &store->store;
    return 0;
}

static bool has_any(const struct document *documents, size_t n_documents,
                    bool (*is_ours)(enum record_kind))
{
    for (size_t i = 0; i < n_documents; i++)
        if (is_ours(documents[i].kind))
            return true;
    return false;
}

static int sqlite_append(struct store *base, const struct document *documents, size_t n_documents,
                         struct append_result *ret_result, struct error *err)
{
    static bool (*const is_ours[])(enum record_kind) = {
        [SQLITE_RAW] = is_raw_kind, [SQLITE_POWER] = sqlite_kind_is_power};
    struct sqlite_store *store = (struct sqlite_store *)base;
    struct append_result result = {0};
    if (store->mode != STORE_WRITE)
        return error_set(err, -EBADF, "%s: opened for reading only", store->directory);
    for (int i = 0; i < SQLITE_FILE_COUNT; i++) {
        if (!has_any(documents, n_documents, is_ours[i]))
            continue;
        int r = sqlite_writer_append(&store->writers[i], documents, n_documents, is_ours[i],
                                     &result, err);
        if (r < 0)
            return r;
    }
    *ret_result = result;
    return 0;
}

static int sqlite_query(struct store *base, const struct store_query *query,
                        struct cursor **ret_cursor, struct error *err)
{
    return sqlite_cursor_new(ret_cursor, ((struct sqlite_store *)base)->directory, query, err);
}

/* Only in files that this store has appended to: the other one is another program's. */
static int sqlite_forget(struct store *base, const char *position, struct error *err)
{
    struct sqlite_store *store = (struct sqlite_store *)base;
    struct sqlite_position positions[SQLITE_FILE_COUNT];
    int r = sqlite_position_parse(position, positions, err);
    for (int i = 0; r == 0 && i < SQLITE_FILE_COUNT; i++)
        if (positions[i].origin[0])
            r = sqlite_writer_forget(&store->writers[i], &positions[i], err);
    return r;
}

const struct store_ops store_sqlite = {
    .scheme = "sqlite",
    .about = "sqlite:DIR : database files in a folder, the default",
    .can_read = true,
    .has_ids = true,
    .can_follow = true,
    .default_directory = "/var/lib/wattribute",
    .section = "sqlite",
    .options = sqlite_options,
    .n_options = ARRAY_SIZE(sqlite_options),
    .settings_size = sizeof(struct sqlite_settings),
    .open = sqlite_open,
    .append = sqlite_append,
    .query = sqlite_query,
    .forget = sqlite_forget,
    .close = sqlite_close,
};
