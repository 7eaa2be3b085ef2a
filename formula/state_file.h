/* SPDX-License-Identifier: BSD-3-Clause */
/* A state on disk: one BSON document {"kind":"model","v":3,"version","state","checksum" of all before it}, written whole or not at all. */
#pragma once

#include <bson/bson.h>

struct error;

/* Whether a state could be written there, as far as that shows before: the folder exists and may be written, the name is no folder's. A negative errno. */
int state_file_check(const char *path, struct error *err);
/* Writes beside the file and renames over it, synced. */
int state_file_write(const char *path, const bson_t *state, struct error *err);
/* *ret_state: bson_destroy it. -ENOENT: no such file (err says so too); -EBADMSG: damaged, of another format or no state at all. */
int state_file_read(const char *path, bson_t **ret_state, struct error *err);
