/* SPDX-License-Identifier: BSD-3-Clause */
/* The tree as a file system. */
#pragma once

#include <stdbool.h>

struct error;
struct tree;

/* Mounts the tree at folder, calls ready, and serves until SIGTERM, SIGINT, SIGHUP or an unmount; unmounts. */
int serve(struct tree *tree, const char *folder, void (*ready)(void *context), void *context,
          struct error *err);
