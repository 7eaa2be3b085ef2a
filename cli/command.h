/* SPDX-License-Identifier: BSD-3-Clause */
/* The verbs of `watt`: one file cmd_NAME.c each, ending in one row of what it is; main.c has the table. */
#pragma once

struct log;
struct error;

struct command {
    const char *name;
    const char *about;
    /* argv[0] is the verb. Returns the exit status; what went wrong was said on stderr. */
    int (*run)(int argc, char **argv, struct log *log);
};

extern const struct command command_top, command_run, command_attach, command_show, command_score, command_doctor;
