/* SPDX-License-Identifier: BSD-3-Clause */
/* Positions in an SQLite store as text: "ORIGIN:POSITION,ORIGIN:POSITION" for raw.db and power.db, "-" for one that nothing was read of. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/store/sqlite_file.h"

struct error;

enum { SQLITE_RAW, SQLITE_POWER, SQLITE_FILE_COUNT };

struct sqlite_position {
    char origin[ORIGIN_SIZE]; /* "": none */
    int64_t position;
};

void sqlite_position_format(const struct sqlite_position positions[static SQLITE_FILE_COUNT], char *text, size_t size);
/* "" and NULL are the start. -EINVAL for what no cursor of this store gave. */
int sqlite_position_parse(const char *text, struct sqlite_position ret_positions[static SQLITE_FILE_COUNT], struct error *err);
