/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/systemd_scope.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "common/error.h"
#include "common/scope.h"

#define SERVICE "org.freedesktop.systemd1"
#define OBJECT "/org/freedesktop/systemd1"
#define MANAGER "org.freedesktop.systemd1.Manager"
#define JOB_WAIT_US UINT64_C(10000000)

struct job {
    const char *path;
    bool is_done;
    char result[32]; /* "done", "failed", ... */
};

bool systemd_rules(void)
{
    return sd_booted() > 0;
}

static int take_removed_job(sd_bus_message *message, void *context, sd_bus_error *ignored)
{
    struct job *job = context;
    uint32_t number;
    const char *path, *unit, *result;
    (void)ignored;
    if (sd_bus_message_read(message, "uoss", &number, &path, &unit, &result) < 0)
        return 0;
    if (!job->path || strcmp(path, job->path) != 0)
        return 0;
    job->is_done = true;
    (void)snprintf(job->result, sizeof(job->result), "%s", result);
    return 0;
}

static int call_start(sd_bus *bus, const char *unit, const pid_t *pids, sd_bus_message **ret_reply,
                      sd_bus_error *bus_error)
{
    return sd_bus_call_method(bus, SERVICE, OBJECT, MANAGER, "StartTransientUnit", bus_error,
                              ret_reply, "ssa(sv)a(sa(sv))", unit, "fail", 3, "Description", "s",
                              "measured by watt", "CollectMode", "s", "inactive-or-failed", "PIDs",
                              "au", 2, (uint32_t)pids[0], (uint32_t)pids[1], 0);
}

/* Signals wait in the queue of the connection from the call on, so none is missed. */
static int wait_for_job(sd_bus *bus, struct job *job, struct error *err)
{
    while (!job->is_done) {
        int r = sd_bus_process(bus, NULL);
        if (r == 0)
            r = sd_bus_wait(bus, JOB_WAIT_US);
        else if (r > 0)
            continue;
        if (r == 0)
            return error_set(err, -ETIMEDOUT, "systemd did not start the scope in time");
        if (r < 0)
            return error_set(err, r, "waiting for systemd: %s", strerror(-r));
    }
    if (strcmp(job->result, "done") != 0)
        return error_set(err, -ECANCELED, "systemd did not start the scope: %s", job->result);
    return 0;
}

static int start_on(sd_bus *bus, const char *unit, const pid_t *pids, struct error *err)
{
    SCOPED(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    SCOPED(sd_bus_error_free) sd_bus_error bus_error = SD_BUS_ERROR_NULL;
    struct job job = {0};
    int r = sd_bus_match_signal(bus, NULL, SERVICE, OBJECT, MANAGER, "JobRemoved", take_removed_job,
                                &job);
    if (r < 0)
        return error_set(err, r, "listening to systemd: %s", strerror(-r));
    r = call_start(bus, unit, pids, &reply, &bus_error);
    if (r >= 0)
        r = sd_bus_message_read(reply, "o", &job.path);
    if (r < 0)
        return error_set(err, -ECANCELED, "systemd refused the scope %s: %s", unit,
                         bus_error.message ? bus_error.message : strerror(-r));
    return wait_for_job(bus, &job, err);
}

int systemd_scope_start(const char *name, const pid_t pids[static 2], struct error *err)
{
    SCOPED(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
    char unit[256];
    (void)snprintf(unit, sizeof(unit), "%s.scope", name);
    int r = geteuid() == 0 ? sd_bus_open_system(&bus) : sd_bus_open_user(&bus);
    if (r < 0)
        return error_set(err, r, "the D-Bus of systemd: %s", strerror(-r));
    return start_on(bus, unit, pids, err);
}
