/* SPDX-License-Identifier: BSD-3-Clause */
/* A program of ours that a command starts and ends: watt-sensor and watt-formula behind `watt top`, watt-sensor behind `watt doctor`. A child is in a
 * process group of its own (a terminal's ^C reaches only the command, which then ends its children in order), dies with its parent, and what it says
 * on standard error is kept, so that its last words can be told. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

struct child {
    const char *program; /* borrowed: "watt-sensor" */
    pid_t pid;           /* 0: none */
    int pidfd;           /* readable when it has ended; -1: none */
    int output;          /* its standard output, -1 unless asked for */
    int talk;            /* its standard error, non-blocking */
    char words[2048];    /* the end of what it said */
    size_t n_words;
    int status;          /* as waitpid gave it, once ended */
    bool has_ended;
};

/* Starts the program that stands beside our own executable (WATT_BINDIR in the environment first). argv[0] is set to its path; argv is NULL-terminated
 * with argv[0] left free. want_output: its standard output is a pipe, else /dev/null. -ENOENT says where it was looked for. */
int child_start(struct child *child, const char *program, char **argv, bool want_output, struct error *err);

/* Takes what it has said so far; never waits. Call when talk is readable and after it ended. */
void child_listen(struct child *child);
/* The last line it said without its "program: " and level; of one that was killed or said nothing, how it ended. Returns text. */
const char *child_last_words(const struct child *child, char *text, size_t size);
/* True once it has ended (status is set); never waits. */
bool child_has_ended(struct child *child);
/* Its exit status as a program's: 128 + signal when killed. Only after it ended. */
int child_exit_status(const struct child *child);

/* SIGTERM, up to wait_ms for it to end, then SIGKILL. Fine on a child that never started. Closes everything. */
void child_end(struct child *child, int wait_ms);

/* Reads its whole output (at most max_size bytes), until it ends; up to wait_ms. *ret_text is NUL-terminated, owned by the caller. -ETIMEDOUT, -EFBIG. */
int child_collect(struct child *child, size_t max_size, int wait_ms, char **ret_text, struct error *err);
