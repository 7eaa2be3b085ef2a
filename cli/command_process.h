/* SPDX-License-Identifier: BSD-3-Clause */
/* The command that `watt run` measures: made first, so that it can be put where it is counted, and let go then. It keeps our terminal, our
 * standard input and output and our environment. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct error;

struct command_process {
    pid_t pid;
    int pidfd;  /* readable when it has ended */
    int gate;   /* it waits for this pipe */
    int answer; /* and says here when it cannot become the command */
    int status; /* as waitpid gave it, once it has ended */
};

/* A process that waits. */
int command_process_start(struct command_process *process, char **argv, struct error *err);
/* Lets it become the command. False when it could not, which it has said on standard error: it has ended, or is about to. */
bool command_process_release(struct command_process *process);
/* After pidfd became readable: what a shell would say, 128 + signal when killed; 127: not found, 126: found, but not to be executed. */
int command_process_end(struct command_process *process);
/* Instead of release: it ends without having become anything. */
void command_process_abandon(struct command_process *process);
