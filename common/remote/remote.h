/* SPDX-License-Identifier: BSD-3-Clause */
/* The stores reached over a network. A library of its own: watt-sensor does not link it, and knows these stores only by scheme. */
#pragma once

#include "common/store/store.h"

/* { &store_mongodb, NULL }, or just { NULL } in a build without libmongoc. */
extern const struct store_ops *const store_table_remote[];

/* Once at the start and the very end of a program that may open a remote store (libmongoc's own needs); not fork-safe: fork before. */
void remote_init(const struct log *log);
void remote_cleanup(void);
