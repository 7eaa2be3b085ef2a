/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of stores share: a folder that goes away afterwards, small documents of every kind, and cursors read to their end. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/store/local.h"
#include "common/store/store.h"

/* cmocka setup and teardown: *state is the folder's path (char *). */
int fixture_make_folder(void **state);
int fixture_remove_folder(void **state);

struct sample {
    bson_t bson;
    struct document document;
};

/* A document of sensor "nodeA" at 1000 ms x seq with size_bytes of padding; label for power records. Every (kind, seq, label) has an id of
 * its own. */
void sample_make(struct sample *sample, enum record_kind kind, uint64_t seq, const char *label, size_t padding_bytes);
void sample_free(struct sample *sample);

struct store *fixture_open(const char *scheme, const char *path, enum store_mode mode);
/* Appends one sample and frees it; fails the test unless it is newly stored. */
void fixture_append(struct store *store, enum record_kind kind, uint64_t seq, const char *label);
struct cursor *fixture_query(struct store *store, const struct store_query *query);

/* Reads what the query gives now, as "raw1 power2/label ..." in order, "BAD" for damage; ends at CURSOR_END. */
const char *fixture_list(struct cursor *cursor, char *text, size_t size);
/* The same for a query that is opened and closed. */
const char *fixture_query_list(struct store *store, const struct store_query *query, char *text, size_t size);

extern const struct store_query fixture_all; /* no filter */
extern const struct store_ops *const *const fixture_tables[];

/* Overwrites pages 30 to 33 of a database file with noise: records before them can be read, those in them and behind them cannot. */
void fixture_damage(const char *path);
