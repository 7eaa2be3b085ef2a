/* SPDX-License-Identifier: BSD-3-Clause */
/* The sensor ends first, so that the formula can still take its last tick; both get a few seconds.
 * A temporary folder holds only the store's own flat files. When we are killed, both are told to
 * end (child.h), and a keeper waits for their locks to remove it. */
#include "cli/meter.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/keeper.h"
#include "common/error.h"
#include "common/scope.h"
#include "common/store/file_lock.h"
#include "common/timestamp.h"

#define END_WAIT_MS 5000
#define TEMPORARY_MAX_SIZE "256M" /* of each file: much more than readers are ever behind */

static int make_folder(struct meter *meter, struct error *err)
{
    const char *base = getenv("TMPDIR");
    if (!base || !*base)
        base = "/tmp";
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof(path), "%s/watt-meter-XXXXXX", base) >= sizeof(path))
        return error_set(err, -ENAMETOOLONG, "TMPDIR=%s: the path is too long", base);
    if (!mkdtemp(path))
        return error_set(err, -errno, "%s: %s (set TMPDIR to a folder you may write)", path,
                         strerror(errno));
    if (!realpath(path, meter->folder)) { /* a keeper is in another folder than we */
        int r = error_set(err, -errno, "%s: %s", path, strerror(errno));
        meter->folder[0] = '\0';
        (void)rmdir(path);
        return r;
    }
    (void)snprintf(meter->uri, sizeof(meter->uri), "sqlite:%s", meter->folder);
    return 0;
}

static void remove_folder(struct meter *meter)
{
    DIR *folder = meter->folder[0] ? opendir(meter->folder) : NULL;
    if (!folder)
        return;
    for (struct dirent *entry; (entry = readdir(folder));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (void)unlinkat(dirfd(folder), entry->d_name, 0);
    (void)closedir(folder);
    (void)rmdir(meter->folder);
    meter->folder[0] = '\0';
}

/* In the keeper. */
static void tidy_up(void *context)
{
    struct meter *meter = context;
    static const char *const locks[] = {"raw.lock", "power.lock"};
    char path[sizeof(meter->folder) + 16];
    for (size_t i = 0; i < ARRAY_SIZE(locks); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", meter->folder, locks[i]);
        file_lock_await(path);
    }
    remove_folder(meter);
}

static int make_kept_folder(struct meter *meter, struct error *err)
{
    int r = make_folder(meter, err);
    if (r >= 0)
        r = keeper_start(&meter->keeper, tidy_up, meter, err);
    if (r < 0)
        remove_folder(meter);
    return r;
}

int meter_start(struct meter *meter, const struct meter_settings *settings, struct error *err)
{
    *meter = (struct meter){0};
    int r = 0;
    if (settings->store)
        (void)snprintf(meter->uri, sizeof(meter->uri), "%s", settings->store);
    else
        r = make_kept_folder(meter, err);
    if (r < 0)
        return r;
    char interval[32];
    (void)duration_format(settings->interval_ns, interval);
    char *argv[18] = {NULL, "--store", meter->uri, "--interval", interval};
    size_t n = 5;
    const struct {
        char *flag;
        const char *value;
    } extras[] = {{"--granularity", settings->granularity},
                  {"--energy", settings->energy},
                  {"--name", settings->sensor},
                  {"--cgroupfs", settings->cgroupfs},
                  {"--bpf-short-lived", settings->short_lived},
                  {"--max-size", meter->folder[0] ? TEMPORARY_MAX_SIZE : NULL}};
    for (size_t i = 0; i < sizeof(extras) / sizeof(extras[0]); i++) {
        if (!extras[i].value)
            continue;
        argv[n++] = extras[i].flag;
        argv[n++] = (char *)extras[i].value;
    }
    r = child_start(&meter->sensor, "watt-sensor", argv, false, err);
    if (r < 0)
        meter_end(meter);
    return r;
}

int meter_start_formula(struct meter *meter, struct error *err)
{
    char *argv[8] = {NULL, "--input", meter->uri, "--output", meter->uri};
    if (meter->folder[0]) {
        argv[5] = "--max-size";
        argv[6] = TEMPORARY_MAX_SIZE;
    }
    return child_start(&meter->formula, "watt-formula", argv, false, err);
}

/* The child that has ended although nobody asked it to, or NULL. */
static struct child *find_dead(struct meter *meter)
{
    struct child *children[] = {&meter->sensor, &meter->formula};
    for (size_t i = 0; i < 2; i++) {
        if (children[i]->pid <= 0)
            continue;
        child_listen(children[i]);
        if (child_has_ended(children[i])) {
            child_listen(children[i]); /* what it said last */
            return children[i];
        }
    }
    return NULL;
}

int meter_check(struct meter *meter, int *ret_status, struct error *err)
{
    const struct child *dead = find_dead(meter);
    if (!dead)
        return 0;
    char words[sizeof(dead->words)];
    *ret_status = child_exit_status(dead);
    return error_set(err, -ECHILD, "%s ended: %s", dead->program,
                     child_last_words(dead, words, sizeof(words)));
}

void meter_end(struct meter *meter)
{
    child_end(&meter->sensor, END_WAIT_MS);
    child_end(&meter->formula, END_WAIT_MS);
    remove_folder(meter);
    keeper_end(&meter->keeper);
}
