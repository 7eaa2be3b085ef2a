/* SPDX-License-Identifier: BSD-3-Clause */
/* One SQLite file of ours (raw.db or power.db): opening it safely for reading or writing, and saying what is wrong with it. Its schema is
 * documented in docs/adding-a-store.md. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sqlite3.h>

struct error;

#define SQLITE_APPLICATION_ID 0x57415454 /* "WATT" */
#define SQLITE_SCHEMA_VERSION 1
#define ORIGIN_SIZE 17

struct sqlite_file {
    char *path;
    sqlite3 *db;  /* NULL: not open */
    int lock_fd;  /* of a writer, else -1 */
    dev_t device; /* what was opened: another file may take the name later */
    ino_t inode;
    char origin[ORIGIN_SIZE]; /* drawn when the file was made, so that positions of another file are known as such */
};

void sqlite_file_init(struct sqlite_file *file);
/* Sets the path to DIRECTORY/NAME. -ENOMEM. */
int sqlite_file_set_path(struct sqlite_file *file, const char *directory, const char *name);

/* Both: 0 when open; a failure leaves it closed. -EBADMSG: damaged, or not ours; -EPROTO: written by a newer version. */
enum { SQLITE_FILE_ABSENT = 1 }; /* reading: not there yet, or there and still empty */
int sqlite_file_open_read(struct sqlite_file *file, struct error *err);
/* Makes the file if absent (mode 0640, group wattribute where there is one). -EBUSY: another program writes it. */
int sqlite_file_open_write(struct sqlite_file *file, struct error *err);
/* True while the name still leads to the file that was opened. */
bool sqlite_file_is_current(const struct sqlite_file *file);
void sqlite_file_close(struct sqlite_file *file);  /* may be opened again */
void sqlite_file_deinit(struct sqlite_file *file);

/* The errno for what SQLite just said of this file, with a sentence that says what to do. */
int sqlite_file_error(const struct sqlite_file *file, int rc, struct error *err);
/* sqlite3_prepare_v3(PERSISTENT) and sqlite3_exec with that error. */
int sqlite_file_prepare(const struct sqlite_file *file, const char *sql, sqlite3_stmt **ret_statement, struct error *err);
int sqlite_file_exec(const struct sqlite_file *file, const char *sql, struct error *err);
/* The same for a statement without rows that was prepared. */
int sqlite_file_run(const struct sqlite_file *file, sqlite3_stmt *statement, struct error *err);
/* The first column of the first row; fallback where there is no row or a NULL. */
int sqlite_file_int64(const struct sqlite_file *file, sqlite3_stmt *statement, int64_t fallback, int64_t *ret_value,
                      struct error *err);

/* Makes a folder and its parents (mode 0750), group wattribute where there is one. Nothing changes where it exists. */
int sqlite_folder_make(const char *directory, struct error *err);
