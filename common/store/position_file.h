/* SPDX-License-Identifier: BSD-3-Clause */
/* A cursor position kept in a file: how a courier or formula remembers how far it came, and how the spool's writer learns what was
 * acknowledged. */
#pragma once

#include "common/store/store.h"

/* The file holds one line. An absent or empty file reads as "" (from the start); a damaged one is -EBADMSG. */
int position_file_load(const char *path, char position[static POSITION_SIZE], struct error *err);
/* Replaced atomically (written beside, fsynced, renamed, folder fsynced). */
int position_file_save(const char *path, const char *position, struct error *err);
