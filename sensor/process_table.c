/* SPDX-License-Identifier: BSD-3-Clause */
/* Most processes sleep. One clock_gettime per known process tells which moved; only those have
 * their stat read again, which also shows whether the number was given to somebody else meanwhile:
 * nobody starts with exactly the CPU time of another. A process' cgroup and user are read when it
 * is new, a few times while it is young (it is born in its parent's cgroup and moved then), and now
 * and then later.
 *
 * A process is listed until it was reaped, and its end was told before: so the list comes first,
 * and those that are missing from it stay until the records of this look have been read. */
#include "sensor/process_table.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>
#include <linux/magic.h>

#include "common/array.h"
#include "common/error.h"
#include "common/scope.h"
#include "sensor/exit_records.h"
#include "sensor/exit_rest.h"
#include "sensor/proc_stat.h"
#include "sensor/process_identity.h"

#define YOUNG_LOOKS 5    /* looks during which the cgroup is read every time */
#define REFRESH_LOOKS 16 /* then every so many looks */
#define PROC_PID_MAX 4194304
#define INIT_PID 1
#define ANCESTORS_MAX 16 /* of those that were born and ended between two looks */

struct process {
    pid_t pid;
    uint64_t start_ticks;
    bool is_kernel_thread;
    bool has_clock;
    clockid_t clock;
    uint64_t clock_ns; /* as last read */
    uint64_t ticks_ns;
    uint64_t delta_ns;
    unsigned n_looks;
    bool has_gone; /* it is not listed any more */
    char *cgroup;
    uid_t uid;
    struct target *target;
};

/* What a command's target has for its data, in place of a process. */
struct command_use {
    uint64_t cpu_ns;
    uint64_t generation; /* of the targets, when that was */
};

struct process_table {
    DIR *directory;
    bool use_clock;
    bool is_v1; /* cgroups are those of cgroup v1's perf_event */
    bool has_scanned;
    bool rules_are_new; /* since the last look: nobody's target is sure */
    uint64_t rules_version;
    uint64_t ns_per_tick;
    struct process **processes; /* by pid */
    size_t n_processes, capacity;
    pid_t *pids;
    size_t n_pids, pids_capacity;
    struct exit_records *exits; /* NULL: the kernel does not tell */
    struct error why_no_exits;
    struct exit_rest rest;
    uint64_t looked_at_ns, last_look_ns; /* this look and the one before, monotonic clock */
};

/* Process clocks take our own pid namespace's numbers: PROCFS must be proc itself and call us what
 * we call us. */
static bool is_own_procfs(const char *procfs)
{
    struct statfs status;
    char path[PATH_MAX], self[32];
    (void)snprintf(path, sizeof(path), "%s/self", procfs);
    if (statfs(procfs, &status) < 0 || status.f_type != PROC_SUPER_MAGIC)
        return false;
    ssize_t length = readlink(path, self, sizeof(self) - 1);
    if (length <= 0)
        return false;
    self[length] = '\0';
    return strtol(self, NULL, 10) == getpid();
}

int process_table_new(struct process_table **ret_table, const struct host *host, struct error *err)
{
    struct process_table *table = calloc(1, sizeof(*table));
    if (!table)
        return error_set(err, -ENOMEM, "processes: out of memory");
    table->directory = opendir(host->procfs);
    if (!table->directory) {
        int r = -errno;
        free(table);
        return error_set(err, r, "%s: processes cannot be listed: %s", host->procfs, strerror(-r));
    }
    long ticks_per_s = sysconf(_SC_CLK_TCK);
    table->ns_per_tick = NS_PER_S / (uint64_t)(ticks_per_s > 0 ? ticks_per_s : 100);
    table->use_clock = is_own_procfs(host->procfs);
    table->is_v1 = host->perf_cgroupfs != NULL;
    table->rest.host = host;
    if (!table->use_clock)
        (void)error_set(&table->why_no_exits, -ENOTSUP, "%s is not this system's own",
                        host->procfs);
    else if (exit_records_open(&table->exits, EXIT_RECORDS_BYTES, &table->why_no_exits) < 0)
        table->exits = NULL;
    *ret_table = table;
    return 0;
}

const struct error *process_table_blindness(const struct process_table *table)
{
    return table->exits ? NULL : &table->why_no_exits;
}

void process_table_release(struct target *target)
{
    struct process *process = target->engine_data;
    if (target->is_command)
        free(target->engine_data);
    else if (process)
        process->target = NULL;
    target->engine_data = NULL;
}

static void set_target(struct process *process, struct target *target)
{
    if (process->target == target)
        return;
    if (process->target)
        process->target->engine_data = NULL;
    process->target = target;
    if (target) {
        process_table_release(target); /* whoever had it before */
        target->engine_data = process;
    }
}

static void process_free(struct process *process)
{
    if (!process)
        return;
    set_target(process, NULL);
    free(process->cgroup);
    free(process);
}

void process_table_free(struct process_table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->n_processes; i++)
        process_free(table->processes[i]);
    (void)closedir(table->directory);
    exit_records_close(table->exits);
    exit_rest_deinit(&table->rest);
    free(table->processes);
    free(table->pids);
    free(table);
}

static int compare_pids(const void *a, const void *b)
{
    pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;
    return (x > y) - (x < y);
}

static int list_pids(struct process_table *table)
{
    bool is_sorted = true;
    table->n_pids = 0;
    rewinddir(table->directory);
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(table->directory);
        if (!entry) {
            if (errno)
                return -errno;
            break;
        }
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        if (*end || pid <= 0 || pid >= PROC_PID_MAX)
            continue;
        if (array_reserve(&table->pids, &table->pids_capacity, table->n_pids + 1, sizeof(pid_t)) <
            0)
            return -ENOMEM;
        is_sorted &= table->n_pids == 0 || table->pids[table->n_pids - 1] < pid;
        table->pids[table->n_pids++] = (pid_t)pid;
    }
    if (!is_sorted) /* the kernel's list is; another tree's need not be */
        qsort(table->pids, table->n_pids, sizeof(pid_t), compare_pids);
    return 0;
}

/* Reads PROCFS/PID/NAME into text; its length or a negative errno. */
static ssize_t read_file(const struct process_table *table, pid_t pid, const char *name, char *text,
                         size_t size)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "%d/%s", pid, name);
    SCOPED(scope_close)
    int fd = openat(dirfd(table->directory), path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    return host_reread(fd, text, size);
}

static int read_cgroup(const struct process_table *table, pid_t pid, char **ret_cgroup)
{
    char text[8192], path[64];
    (void)snprintf(path, sizeof(path), "%d/cgroup", pid);
    ssize_t length = host_read_as_it_is(text, sizeof(text), dirfd(table->directory), path);
    if (length < 0)
        return (int)length;
    char *cgroup = strdup(process_cgroup(text, table->is_v1));
    if (!cgroup)
        return -ENOMEM;
    free(*ret_cgroup);
    *ret_cgroup = cgroup;
    return 0;
}

static int read_identity(const struct process_table *table, struct process *process)
{
    char name[16];
    struct stat status;
    (void)snprintf(name, sizeof(name), "%d", process->pid);
    if (fstatat(dirfd(table->directory), name, &status, 0) < 0)
        return -errno;
    process->uid = status.st_uid;
    return read_cgroup(table, process->pid, &process->cgroup);
}

static bool read_clock(struct process *process, uint64_t *ret_ns)
{
    struct timespec now;
    if (!process->has_clock || clock_gettime(process->clock, &now) < 0)
        return false;
    *ret_ns = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
    return true;
}

/* Somebody not seen before has this number. All its time so far falls into this interval, for the
 * previous look saw every process; at the first look nobody knows when it was used. */
static void begin_life(struct process_table *table, struct process *process,
                       const struct proc_stat *stat)
{
    set_target(process, NULL);
    free(process->cgroup);
    *process = (struct process){
        .pid = process->pid,
        .start_ticks = stat->start_ticks,
        .is_kernel_thread = stat->is_kernel_thread,
        .ticks_ns = stat->cpu_ticks * table->ns_per_tick,
    };
    process->has_clock =
        table->use_clock && clock_getcpuclockid(process->pid, &process->clock) == 0;
    process->has_clock = read_clock(process, &process->clock_ns);
    if (table->has_scanned)
        process->delta_ns = process->has_clock ? process->clock_ns : process->ticks_ns;
}

static void advance(struct process_table *table, struct process *process,
                    const struct proc_stat *stat, bool has_now, uint64_t now_ns)
{
    uint64_t ticks_ns = stat->cpu_ticks * table->ns_per_tick;
    uint64_t last_ns = has_now ? process->clock_ns : process->ticks_ns;
    uint64_t current_ns = has_now ? now_ns : ticks_ns;
    process->delta_ns = current_ns > last_ns ? current_ns - last_ns : 0;
    process->has_clock = has_now;
    if (has_now && now_ns > process->clock_ns)
        process->clock_ns = now_ns;
    if (ticks_ns > process->ticks_ns)
        process->ticks_ns = ticks_ns;
}

static bool is_due(const struct process_table *table, const struct process *process)
{
    return table->rules_are_new || !process->cgroup || process->n_looks < YOUNG_LOOKS ||
           (process->n_looks + (unsigned)process->pid) % REFRESH_LOOKS == 0;
}

static int find_target(struct process_table *table, struct process *process,
                       const struct proc_stat *stat, struct targets *targets)
{
    if (process->is_kernel_thread)
        return 0;
    if (is_due(table, process)) {
        int r = read_identity(table, process);
        if (r == -ENOMEM || (r < 0 && !process->cgroup))
            return r;
    }
    struct target *target;
    const struct seen_process seen = {.pid = process->pid,
                                      .parent_pid = stat->parent_pid,
                                      .start_ticks = process->start_ticks,
                                      .comm = stat->comm,
                                      .cgroup = process->cgroup,
                                      .uid = process->uid};
    int r = targets_find_process(targets, &seen, &target);
    if (r == 0)
        set_target(process, target);
    return r;
}

/* 0, or negative when the process is gone or cannot be read. */
static int look_at(struct process_table *table, struct process *process, struct targets *targets)
{
    uint64_t now_ns = 0;
    bool has_now = read_clock(process, &now_ns);
    process->delta_ns = 0;
    if (has_now && now_ns == process->clock_ns && !is_due(table, process)) {
        if (process->target)
            process->target->last_seen = targets_generation(targets);
        process->n_looks++;
        return 0;
    }
    char text[2048];
    struct proc_stat stat;
    ssize_t length = read_file(table, process->pid, "stat", text, sizeof(text));
    int r = length < 0 ? (int)length : proc_stat_parse(text, (size_t)length, &stat);
    if (r < 0)
        return r;
    if (process->n_looks == 0 || stat.start_ticks != process->start_ticks)
        begin_life(table, process, &stat);
    else
        advance(table, process, &stat, has_now, now_ns);
    r = find_target(table, process, &stat, targets);
    process->n_looks++;
    return r;
}

/* Who is not listed any more goes, but where its end is told only at the next look. */
static void leave(const struct process_table *table, struct process *process,
                  struct process **processes, size_t *n)
{
    if (!table->exits || process->has_gone) {
        process_free(process);
        return;
    }
    process->has_gone = true;
    process->delta_ns = 0;
    processes[(*n)++] = process;
}

/* Puts a process for every listed number in place of the list, both in order; those no longer
 * listed go. */
static int match_pids(struct process_table *table)
{
    size_t n_most = table->n_pids + (table->exits ? table->n_processes : 0);
    struct process **processes = calloc(n_most ? n_most : 1, sizeof(*processes));
    if (!processes)
        return -ENOMEM;
    size_t old = 0, n = 0;
    for (size_t i = 0; i < table->n_pids; i++) {
        pid_t pid = table->pids[i];
        if (i > 0 && pid == table->pids[i - 1])
            continue;
        while (old < table->n_processes && table->processes[old]->pid < pid)
            leave(table, table->processes[old++], processes, &n);
        if (old < table->n_processes && table->processes[old]->pid == pid) {
            processes[n] = table->processes[old++];
            processes[n++]->has_gone = false;
            continue;
        }
        struct process *process = calloc(1, sizeof(*process));
        if (!process)
            break;
        process->pid = pid;
        processes[n++] = process;
    }
    while (old < table->n_processes)
        leave(table, table->processes[old++], processes, &n);
    free(table->processes);
    table->processes = processes;
    table->n_processes = n;
    return 0;
}

/* The look failed as a whole: nobody is gone, and the next one covers both spans. */
static void keep_all(struct process_table *table, struct targets *targets)
{
    for (size_t i = 0; i < table->n_processes; i++) {
        table->processes[i]->delta_ns = 0;
        if (table->processes[i]->target)
            table->processes[i]->target->last_seen = targets_generation(targets);
    }
}

/* ---- those that ended ---- */

static struct process *find_process(const struct process_table *table, pid_t pid)
{
    size_t low = 0, high = table->n_processes;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->processes[middle]->pid < pid)
            low = middle + 1;
        else
            high = middle;
    }
    return low < table->n_processes && table->processes[low]->pid == pid ? table->processes[low]
                                                                         : NULL;
}

static int compare_record(const void *pid, const void *record)
{
    pid_t x = *(const pid_t *)pid, y = ((const struct exit_record *)record)->pid;
    return (x > y) - (x < y);
}

/* The cgroup of the nearest ancestor that was seen: one is born in that of one's parent. NULL. */
static const char *find_birthplace(const struct process_table *table,
                                   const struct exit_record *records, size_t n,
                                   const struct exit_record *record)
{
    for (int i = 0; i < ANCESTORS_MAX && record; i++) {
        if (record->parent_pid == INIT_PID)
            return NULL;
        const struct process *parent = find_process(table, record->parent_pid);
        if (parent)
            return parent->is_kernel_thread ? NULL : parent->cgroup;
        record = bsearch(&record->parent_pid, records, n, sizeof(*records), compare_record);
    }
    return NULL;
}

/* The end of a process that was seen is one more reading of its time. A record that is older than
 * the process is that of an earlier holder of its number. */
static void end_process(const struct process_table *table, struct process *process,
                        const struct exit_record *record)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    uint64_t now_ns = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
    uint64_t born_ns = process->start_ticks * table->ns_per_tick;
    if (born_ns + record->lifetime_ns > now_ns + table->ns_per_tick || !process->has_clock ||
        record->cpu_ns <= process->clock_ns)
        return;
    process->delta_ns += record->cpu_ns - process->clock_ns;
    process->clock_ns = record->cpu_ns;
}

/* Born and ended between two looks. */
static int add_to_command(struct process_table *table, const struct exit_record *record,
                          const char *cgroup, struct targets *targets)
{
    struct target *target;
    const struct seen_process seen = {.pid = record->pid,
                                      .parent_pid = record->parent_pid,
                                      .comm = record->comm,
                                      .cgroup = cgroup,
                                      .uid = record->uid};
    int r = targets_find_command(targets, &seen, &target);
    if (r < 0 || !target)
        return r;
    struct command_use *use = target->engine_data;
    if (!use)
        use = target->engine_data = calloc(1, sizeof(*use));
    if (!use)
        return -ENOMEM;
    if (use->generation != targets_generation(targets))
        *use = (struct command_use){.generation = targets_generation(targets)};
    use->cpu_ns += record->cpu_ns;
    return exit_rest_add(&table->rest, cgroup, record->cpu_ns, &use->cpu_ns);
}

static int take_ends(struct process_table *table, struct targets *targets)
{
    const struct exit_record *records;
    size_t n;
    bool has_lost;
    int r = exit_records_take(table->exits, &records, &n, &has_lost);
    exit_rest_begin(&table->rest);
    for (size_t i = 0; i < n && r == 0 && table->has_scanned; i++) {
        struct process *process = find_process(table, records[i].pid);
        if (process) {
            end_process(table, process, &records[i]);
            continue;
        }
        /* Who is older would have been seen, but could not be: nobody knows what of it is new. */
        bool is_new =
            records[i].lifetime_ns <= clock_monotonic_ns(&clock_system) - table->last_look_ns;
        const char *cgroup = is_new ? find_birthplace(table, records, n, &records[i]) : NULL;
        if (cgroup)
            r = add_to_command(table, &records[i], cgroup, targets);
    }
    for (size_t i = 0; i < table->n_processes; i++)
        if (table->processes[i]->cgroup)
            exit_rest_see(&table->rest, table->processes[i]->cgroup, table->processes[i]->delta_ns);
    exit_rest_settle(&table->rest);
    return r == 0 && has_lost && table->has_scanned ? PROCESSES_LOST : r;
}

/* ---- the look ---- */

static void look_at_listed(struct process_table *table, struct targets *targets)
{
    size_t n_kept = 0;
    for (size_t i = 0; i < table->n_processes; i++) {
        struct process *process = table->processes[i];
        int r = process->has_gone ? 0 : look_at(table, process, targets);
        if (r == 0) {
            table->processes[n_kept++] = process;
        } else if ((r == -EMFILE || r == -ENFILE || r == -ENOMEM) && process->n_looks > 0) {
            /* We are short of something: it lives on, and the next look covers both spans. */
            if (process->target)
                process->target->last_seen = targets_generation(targets);
            table->processes[n_kept++] = process;
        } else if (table->exits && process->n_looks > 0) {
            process->has_gone = true;
            table->processes[n_kept++] = process;
        } else {
            process_free(process);
        }
    }
    table->n_processes = n_kept;
}

int process_table_scan(struct process_table *table, struct targets *targets)
{
    table->last_look_ns = table->looked_at_ns;
    table->looked_at_ns = clock_monotonic_ns(&clock_system);
    int r = list_pids(table);
    if (r == 0)
        r = match_pids(table);
    if (r < 0) {
        keep_all(table, targets);
        return r;
    }
    table->rules_are_new = table->rules_version != targets_rules_version(targets);
    table->rules_version = targets_rules_version(targets);
    look_at_listed(table, targets);
    r = table->exits ? take_ends(table, targets) : 0;
    table->has_scanned = true;
    return r;
}

uint64_t process_table_cpu_ns(const struct targets *targets, const struct target *target)
{
    if (target->is_command) {
        const struct command_use *use = target->engine_data;
        return use && use->generation == targets_generation(targets) ? use->cpu_ns : 0;
    }
    const struct process *process = target->engine_data;
    return process ? process->delta_ns : 0;
}
