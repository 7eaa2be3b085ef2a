/* SPDX-License-Identifier: BSD-3-Clause */
/* How far a cursor came, as text: the ids of the documents given last, one per sensor for what a sensor writes and one for what a
 * formula writes, separated by blanks. */
#pragma once

#include "common/store/store.h"

/* What one id says about where every kind of the same sensor stands. */
struct mongodb_mark {
    char sensor[SENSOR_NAME_SIZE];
    char tick[RECORD_ID_SIZE];  /* "sensor:run:seq" */
    enum record_kind kind;      /* host, target, raw or power */
    char id[RECORD_ID_SIZE];
};

/* Appends one mark to position. -EOVERFLOW when it does not fit. */
int mongodb_position_add(char position[static POSITION_SIZE], enum record_kind kind, const char *id, struct error *err);

/* Finds the mark of sensor for what a formula (is_power) or a sensor writes. Returns 1 when found, 0 when there is none, -EINVAL when the
 * text is not a position of ours. */
int mongodb_position_find(const char *position, const char *sensor, bool is_power, struct mongodb_mark *ret_mark,
                          struct error *err);

/* Where a stream of kind goes on after the mark: writes the bound and whether the bound itself is still to come. */
void mongodb_mark_bound(const struct mongodb_mark *mark, enum record_kind kind, bool is_reversed,
                        char bound[static RECORD_ID_SIZE + 1], bool *ret_is_inclusive);
