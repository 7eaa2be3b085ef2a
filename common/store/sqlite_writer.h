/* SPDX-License-Identifier: BSD-3-Clause */
/* The writing side of one SQLite file: appends in one transaction, keeps within its bounds, forgets. Opens the file when the first
 * document for it comes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/store/local.h"
#include "common/store/sqlite_position.h"

struct log;

struct sqlite_writer {
    struct sqlite_file file;
    const struct log *log; /* borrowed */
    int64_t max_size_bytes;
    int64_t max_age_ms; /* 0: keep */
    sqlite3_stmt *begin, *commit, *insert, *insert_many, *reserved, *reserve, *oldest, *forget_to, *page_count, *free_count;
    int64_t page_size_bytes;
    int64_t room_bytes;       /* at least so much may be added below max_size_bytes; 0 or less: look at the size */
    int64_t position;         /* of the next row; 0: to be looked up */
    int64_t reserved_to;      /* positions that are on record as given away */
    int64_t newest_ms;        /* of all documents appended by us */
    uint64_t n_dropped;       /* by the bounds, not said yet */
    int64_t last_said_ms;     /* VALUE_ABSENT: never */
};

/* -ENOMEM. */
int sqlite_writer_init(struct sqlite_writer *writer, const char *directory, const char *name,
                       const struct sqlite_settings *settings, const struct log *log);
void sqlite_writer_deinit(struct sqlite_writer *writer);

/* Appends those documents for which is_ours(kind) is true, all or none. Adds to *result. */
int sqlite_writer_append(struct sqlite_writer *writer, const struct document *documents, size_t n_documents,
                         bool (*is_ours)(enum record_kind kind), struct append_result *result, struct error *err);
/* Deletes the oldest rows up to position, at most 1000 of them, if the file is open and of that origin. */
int sqlite_writer_forget(struct sqlite_writer *writer, const struct sqlite_position *position, struct error *err);
