/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON lines: one document per line in a file, or through standard output and input. Each append is
 * one write(2) of whole lines, so that a killed writer leaves at most one unfinished line; that
 * line is ended when the file is next opened, and reading reports it as truncated. When a write to
 * a file fails half-way, what arrived of it is cut off again, so that sending it once more does not
 * double it. There are no ids to find duplicates by: a writer killed after the write and before it
 * noted so doubles lines, which readers of ticks leave out. */
#include "common/store/local.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "common/json_text.h"
#include "common/log.h"
#include "common/scope.h"
#include "common/store/file_lock.h"
#include "common/store/jsonl_cursor.h"

struct jsonl_store {
    struct store store;
    enum store_mode mode;
    char *path; /* NULL: standard input or output */
    int fd;     /* for writing */
    bool is_regular;
    FILE *stream; /* lines of one append are collected in text */
    char *text;
    size_t text_size_bytes;
};

static void jsonl_close(struct store *base)
{
    struct jsonl_store *store = (struct jsonl_store *)base;
    if (store->stream)
        (void)fclose(store->stream);
    free(store->text);
    if (store->path && store->fd >= 0)
        (void)close(store->fd);
    free(store->path);
    free(store);
}

/* Ends the line that a killed writer left unfinished. */
static int end_last_line(int fd, off_t size_bytes)
{
    char last = '\n';
    if (size_bytes > 0 && pread(fd, &last, 1, size_bytes - 1) != 1)
        return -EIO;
    if (last == '\n')
        return 0;
    ssize_t n = write(fd, "\n", 1);
    return n == 1 ? 0 : n < 0 ? -errno : -ENOSPC;
}

static int open_for_writing(struct jsonl_store *store, struct error *err)
{
    struct stat status;
    bool is_special = stat(store->path, &status) == 0 && !S_ISREG(status.st_mode);
    int flags = is_special ? O_WRONLY | O_APPEND : O_RDWR | O_APPEND | O_CREAT;
    store->fd = open(store->path, flags | O_CLOEXEC, 0640);
    if (store->fd < 0)
        return error_set(err, -errno, "%s: %s", store->path, strerror(errno));
    if (fstat(store->fd, &status) < 0)
        return error_set(err, -errno, "%s: %s", store->path, strerror(errno));
    store->is_regular = S_ISREG(status.st_mode);
    if (!store->is_regular)
        return 0;
    int r = file_lock(store->fd, store->path, err);
    if (r < 0)
        return r;
    r = end_last_line(store->fd, status.st_size);
    return r < 0 ? error_set(err, r, "%s: %s", store->path, strerror(-r)) : 0;
}

static int check_readable(const char *path, struct error *err)
{
    struct stat status;
    if (stat(path, &status) < 0 || access(path, R_OK) < 0)
        return error_set(err, -errno, "%s: %s", path, strerror(errno));
    if (S_ISDIR(status.st_mode))
        return error_set(err, -EISDIR, "%s: is a folder: name a file of JSON lines", path);
    return 0;
}

static int start(struct jsonl_store *store, struct error *err)
{
    if (store->mode == STORE_READ)
        return store->path ? check_readable(store->path, err) : 0;
    store->stream = open_memstream(&store->text, &store->text_size_bytes);
    if (!store->stream)
        return error_set(err, -ENOMEM, "jsonl: out of memory");
    return store->path ? open_for_writing(store, err) : 0;
}

static int jsonl_check(const struct uri *uri, struct error *err)
{
    if (uri->rest[0] != '\0')
        return 0;
    return error_set(err, -EINVAL, "say which file, jsonl:FILE, or jsonl:- for a pipe");
}

static int jsonl_open(struct store **ret_store, const struct uri *uri, enum store_mode mode,
                      const void *settings, const struct log *log, struct error *err)
{
    (void)settings;
    int r = jsonl_check(uri, err);
    if (r < 0)
        return r;
    struct jsonl_store *store = calloc(1, sizeof(*store));
    if (!store)
        return error_set(err, -ENOMEM, "jsonl: out of memory");
    store->store = (struct store){.ops = &store_jsonl, .log = log};
    store->mode = mode;
    store->fd = STDOUT_FILENO;
    if (strcmp(uri->rest, "-") != 0) {
        store->fd = -1;
        store->path = strdup(uri->rest);
        r = store->path ? 0 : error_set(err, -ENOMEM, "jsonl: out of memory");
    }
    if (r == 0)
        r = start(store, err);
    if (r < 0) {
        jsonl_close(&store->store);
        return r;
    }
    *ret_store = &store->store;
    return 0;
}

static const char *name_of(const struct jsonl_store *store)
{
    return store->path ? store->path : "standard output";
}

/* Adds one line to the text. 0, 1 when the document is no document, -errno. */
static int add_line(struct jsonl_store *store, const struct document *document)
{
    bson_t bson;
    struct error why = {0};
    off_t start_offset = ftello(store->stream);
    int r = -EBADMSG;
    if (bson_init_static(&bson, document->bytes, document->size_bytes))
        r = json_write(store->stream, &bson, &why);
    if (r == -EBADMSG) {
        log_error(store->store.log, "%s: document \"%s\" left out: %s", name_of(store),
                  document->id, why.text[0] ? why.text : "its bytes are damaged");
        return fseeko(store->stream, start_offset, SEEK_SET) < 0 ? -EIO : 1;
    }
    if (r == 0 && fputc('\n', store->stream) == EOF)
        r = -ENOMEM;
    return r;
}

static int write_all(int fd, const char *text, size_t size_bytes)
{
    while (size_bytes > 0) {
        ssize_t n = write(fd, text, size_bytes);
        if (n < 0 && errno == EAGAIN) {
            struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
            (void)poll(&poll_fd, 1, -1);
        } else if (n < 0 && errno != EINTR) {
            return -errno;
        }
        text += n > 0 ? (size_t)n : 0;
        size_bytes -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int write_lines(struct jsonl_store *store, struct error *err)
{
    struct stat before;
    if (store->is_regular && fstat(store->fd, &before) < 0)
        return error_set(err, -errno, "%s: %s", name_of(store), strerror(errno));
    int r = write_all(store->fd, store->text, store->text_size_bytes);
    if (r == 0)
        return 0;
    /* If it cannot be cut either, the next opening ends the line and readers report it. */
    if (store->is_regular)
        (void)!ftruncate(store->fd, before.st_size);
    const char *advice = r == -ENOSPC || r == -EDQUOT || r == -EFBIG ? ": free some space" : "";
    return error_set(err, r, "%s: %s%s", name_of(store), strerror(-r), advice);
}

static int jsonl_append(struct store *base, const struct document *documents, size_t n_documents,
                        struct append_result *ret_result, struct error *err)
{
    struct jsonl_store *store = (struct jsonl_store *)base;
    struct append_result result = {0};
    if (store->mode != STORE_WRITE)
        return error_set(err, -EBADF, "%s: opened for reading only", name_of(store));
    rewind(store->stream);
    for (size_t i = 0; i < n_documents; i++) {
        int r = add_line(store, &documents[i]);
        if (r < 0)
            return error_set(err, r, "%s: %s", name_of(store), strerror(-r));
        result.n_refused += r == 1;
        result.n_stored += r == 0;
    }
    if (fflush(store->stream) != 0)
        return error_set(err, -ENOMEM, "%s: out of memory", name_of(store));
    int r = result.n_stored > 0 ? write_lines(store, err) : 0;
    if (r == 0)
        *ret_result = result;
    return r;
}

/* What went to standard output cannot be read back: a writer that asks for its last run finds none.
 */
static int jsonl_query(struct store *base, const struct store_query *query,
                       struct cursor **ret_cursor, struct error *err)
{
    const struct jsonl_store *store = (const struct jsonl_store *)base;
    bool is_unreadable = store->mode == STORE_WRITE && !store->is_regular;
    if (is_unreadable)
        return store_null.query(base, query, ret_cursor, err);
    return jsonl_cursor_new(ret_cursor, store->path, query, err);
}

const struct store_ops store_jsonl = {
    .scheme = "jsonl",
    .about = "jsonl:FILE or jsonl:- : one JSON object per line; reads PowerAPI's reports too",
    .can_read = true,
    .can_follow = true,
    .section = "jsonl",
    .check = jsonl_check,
    .open = jsonl_open,
    .append = jsonl_append,
    .query = jsonl_query,
    .close = jsonl_close,
};
