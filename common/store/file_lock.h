/* SPDX-License-Identifier: BSD-3-Clause */
/* One writing program per file: an exclusive advisory lock that goes with the process, however it ends. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct error;

/* Locks a file that is open for writing. -EBUSY when another open file holds the lock: err names path. */
int file_lock(int fd, const char *path, struct error *err);

/* Makes or opens a file that is nothing but a lock, locks it and leaves our pid in it for others to name. On success *ret_fd is the
 * lock: closing it releases. -EBUSY names `path` and the holder's pid. */
int file_lock_open(const char *lock_path, const char *path, int *ret_fd, struct error *err);

/* Whether somebody who lives holds the lock of file_lock_open, and who. For a moment after it was taken nobody does. */
bool file_lock_is_held(const char *lock_path, pid_t *ret_pid);
/* Waits until nobody holds the lock of file_lock_open, however long; a lock that is not there is free. */
void file_lock_await(const char *lock_path);
