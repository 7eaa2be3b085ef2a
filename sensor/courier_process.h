/* SPDX-License-Identifier: BSD-3-Clause */
/* A watt-courier of the sensor's own, for a sensor run by hand with a remote store. It gets no capability and no new privileges, its
 * store through the environment (a URI may hold a password, and argv is everybody's to read), and is started again when it dies. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct clock;
struct error;
struct log;

struct courier_process {
    const struct clock *clock; /* borrowed, as are the texts */
    const struct log *log;
    const char *remote_uri;
    const char *spool_uri;
    const char *position_file;
    pid_t pid;                 /* 0: none runs */
    unsigned n_starts;
    int refusal;               /* 64 or 78 when the first one ended so: its store's URI or configuration is wrong, waiting cannot mend
                                  that, and none is started again; else 0 */
    uint64_t started_ns, retry_at_ns, wait_ns;
};

/* Starts it: beside the program's own executable, else from PATH. Fails when it cannot be executed at all. */
int courier_process_start(struct courier_process *courier, struct error *err);

/* Looks whether it still lives; a dead one is started again after a pause (1 s, doubling to 60 s, from 1 s after a life of a minute).
 * Never waits. */
void courier_process_watch(struct courier_process *courier);

/* Asks it to end and waits for that, up to patience_ns; then ends it by force. */
void courier_process_stop(struct courier_process *courier, uint64_t patience_ns);
