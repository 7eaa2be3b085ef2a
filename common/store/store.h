/* SPDX-License-Identifier: BSD-3-Clause */
/* Where records rest, behind one interface and chosen by URI. A store keeps documents (record.h) as they were encoded and gives
 * them back identical. Reading destroys nothing. One program writes a store; many read it, also while it is written.
 *
 * Order: documents of one sensor come in the order they were appended, which writers keep by (run, seq), identities before use;
 * different sensors may interleave. */
#pragma once

#include "common/options.h"
#include "common/record.h"
#include "common/uri.h"

struct log;

struct store_ops;
struct cursor_ops;

/* Embedded first in each store's own struct. */
struct store {
    const struct store_ops *ops;
    const struct log *log; /* borrowed; stores log only what they survive */
};

/* Embedded first in each store's own cursor. */
struct cursor {
    const struct cursor_ops *ops;
};

enum store_mode {
    STORE_READ,       /* must exist; never written to */
    STORE_WRITE,      /* made if absent */
};

/* How an append ended. All counts are documents. */
struct append_result {
    size_t n_stored;     /* newly stored */
    size_t n_duplicates; /* already there by id: success */
    size_t n_refused;    /* the store will never take them (poison): set aside or dropped, already logged with their ids */
};

/* A bit per enum record_kind. */
#define KIND_BIT(kind) (1u << (kind))
#define KINDS_SENSOR (KIND_BIT(RECORD_HOST) | KIND_BIT(RECORD_TARGET) | KIND_BIT(RECORD_RAW) | KIND_BIT(RECORD_HWPC))
#define KINDS_POWER (KIND_BIT(RECORD_POWER) | KIND_BIT(RECORD_POWER_REPORT))

#define POSITION_SIZE 512

struct store_query {
    unsigned kinds;       /* KIND_BITs wanted; 0: all */
    const char *sensor;   /* NULL: all */
    const char *label;    /* power records of this attribution; NULL: all; other kinds pass */
    int64_t from_ms, to_ms; /* timestamp in [from, to), VALUE_ABSENT: open; host and target records are never cut by time */
    const char *after;    /* a position that cursor_position gave: only what comes after it; NULL or "": from the start */
    bool newest_first;    /* reverse order; not with follow */
    bool follow;          /* CURSOR_END is not the end: call again for what has arrived since */
    size_t limit;         /* 0: none */
};

enum cursor_outcome {
    CURSOR_END = 0,      /* nothing (more) there now */
    CURSOR_DOCUMENT = 1, /* *ret_document filled, borrowed until the next call */
    CURSOR_BAD = 2,      /* one piece of the input is damaged: err says which (file and line, or id); go on calling */
    CURSOR_CLOSED = 3,   /* follow: the end after all, nothing will ever come again (a pipe whose writer has gone) */
};

struct cursor_ops {
    /* A cursor_outcome, or a negative errno when reading cannot go on (follow: may be tried again later). */
    int (*next)(struct cursor *cursor, struct document *ret_document, struct error *err);
    /* Opaque text from which a later query goes on after the last document next() gave. */
    int (*position)(const struct cursor *cursor, char position[static POSITION_SIZE], struct error *err);
    void (*close)(struct cursor *cursor);
};

struct store_ops {
    const char *scheme;  /* "sqlite" */
    const char *about;   /* one line for --help and doctor */
    bool is_remote;      /* reached over a network: the sensor spools and a courier carries */
    bool can_read, can_follow;
    bool has_ids;        /* a document whose id is there already is not stored again */
    const char *default_directory; /* NULL, or what stands for an empty rest */
    const char *section; /* of its options: "sqlite" */
    const struct option_spec *options;
    size_t n_options;
    size_t settings_size; /* of the struct the options' offsets point into */

    /* NULL, or refuses a URI that can be no store of this kind, without opening anything: -EINVAL, -ENOMEM. */
    int (*check)(const struct uri *uri, struct error *err);
    /* settings: as parsed, or zeroed (then built-in defaults hold). ret_store is written on success only. */
    int (*open)(struct store **ret_store, const struct uri *uri, enum store_mode mode, const void *settings,
                const struct log *log, struct error *err);
    /* Stores n documents, all or none of which may have arrived when it fails: resending the same bytes is harmless. Returns 0 when
     * every document is stored, a duplicate or refused; a negative errno when the outcome is unknown or nothing was stored. */
    int (*append)(struct store *store, const struct document *documents, size_t n_documents,
                  struct append_result *ret_result, struct error *err);
    int (*query)(struct store *store, const struct store_query *query, struct cursor **ret_cursor, struct error *err);
    /* Forgets the oldest documents up to and including position (of an all-kinds cursor); NULL where a store cannot. */
    int (*forget)(struct store *store, const char *position, struct error *err);
    void (*close)(struct store *store);
};

/* The stores a program was linked with: { &store_sqlite, &store_jsonl, ..., NULL }. */
extern const struct store_ops *const store_table_local[];

/* Each finds the store for the URI in tables (a NULL-terminated list of such lists), opens it, and wraps errors with the redacted
 * URI. An unknown scheme is -EINVAL naming the known ones. settings: as store_settings_add filled them, NULL: defaults. */
struct store_settings;
int store_open(struct store **ret_store, const char *uri_text, enum store_mode mode,
               const struct store_ops *const *const *tables, const struct store_settings *settings, const struct log *log,
               struct error *err);
/* Finds the ops for a URI without opening; NULL and err if there is none. */
const struct store_ops *store_find(const char *uri_text, const struct store_ops *const *const *tables, struct error *err);

/* Whether the URI can be one of a store in tables: for the check of an option. Opens nothing. -EINVAL, -ENOMEM. */
int store_check_uri(const char *uri_text, const struct store_ops *const *const *tables, struct error *err);

/* The stores' own options, one group per store, as part of a program's options. Free after the options. */
int store_settings_new(struct store_settings **ret_settings, const struct store_ops *const *const *tables);
int store_settings_add(struct store_settings *settings, struct options *options);
void store_settings_free(struct store_settings *settings);

int store_append(struct store *store, const struct document *documents, size_t n_documents,
                 struct append_result *ret_result, struct error *err);
int store_query(struct store *store, const struct store_query *query, struct cursor **ret_cursor, struct error *err);
int store_forget(struct store *store, const char *position, struct error *err);
void store_close(struct store *store); /* NULL is fine */

int cursor_next(struct cursor *cursor, struct document *ret_document, struct error *err);
int cursor_position(const struct cursor *cursor, char position[static POSITION_SIZE], struct error *err);
void cursor_close(struct cursor *cursor); /* NULL is fine */

/* For stores that filter by themselves: does the document belong to the answer? (after, order and limit aside) */
bool store_query_matches(const struct store_query *query, const struct document *document);
