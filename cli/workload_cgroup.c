/* SPDX-License-Identifier: BSD-3-Clause */
/* A cgroup v1 hierarchy is libcgroup's home, but for entering: there it moves a single thread.
 *
 * libcgroup reaches the unified tree only through a controller that is there: making a group with
 * one switches the controller on for all groups beside it, and leaves it on, so that is taken back.
 * A tree without any controller is none for libcgroup, and below the root a group that holds
 * processes cannot switch one on: a directory and cgroup.procs are all it takes there. Of a scope
 * systemd removes the cgroup with its last process, whose energy would then be charged to the slice
 * above: a process that does nothing keeps it until we are done. It also removes ours when we were
 * killed, and for that sees what we write down: all of it lies in memory that both share. */
#include "cli/workload_cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <libcgroup.h>
#include <limits.h>
#include <mntent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/keeper.h"
#include "cli/systemd_scope.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/scope.h"

#define REMOVE_WAIT_NS NS_PER_S
#define REMOVE_TRIES 100
#define REMOVE_PAUSE_MS 10 /* between them, in a hierarchy that does not tell when it is empty */
#define ORIGINS_SIZE ((size_t)16 << 20) /* some 200,000 processes; only what is written is used */

struct workload_cgroup {
    struct workload_tree tree;
    char above[PATH_MAX - 128]; /* the cgroup that it is made in, from the mount; "" is the root */
    char path[PATH_MAX];        /* its own; "" until it is there */
    struct cgroup *group;       /* libcgroup's; NULL: a plain directory, or a scope */
    char controller[FILENAME_MAX];
    bool was_enabled; /* the controller, for the groups above ours */
    bool is_scope;
    enum workload_orphan orphan;
    pid_t keeper;
    size_t origins_size;
    char origins[ORIGINS_SIZE]; /* where processes came from: "PID PATH", each ended by a NUL */
};

static bool find_mount(const char *type, const char *option, char *path, size_t size)
{
    bool is_found = false;
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    for (struct mntent *entry; mounts && !is_found && (entry = getmntent(mounts));)
        is_found = strcmp(entry->mnt_type, type) == 0 && (!option || hasmntopt(entry, option)) &&
                   (size_t)snprintf(path, size, "%s", entry->mnt_dir) < size;
    if (mounts)
        (void)endmntent(mounts);
    return is_found;
}

int workload_tree_find(struct workload_tree *ret_tree, struct error *err)
{
    static const char perf_event[] = "perf_event";
    struct workload_tree tree = {0};
    if (!find_mount("cgroup2", NULL, tree.mount, sizeof(tree.mount))) {
        if (!find_mount("cgroup", perf_event, tree.mount, sizeof(tree.mount)))
            return error_set(err, -ENODEV,
                             "no cgroup2 mount, and none of cgroup v1's perf_event: "
                             "mount -t cgroup2 none /sys/fs/cgroup");
        memcpy(tree.controller, perf_event, sizeof(perf_event));
    }
    *ret_tree = tree;
    return 0;
}

/* Whether a line "ID:CONTROLLER,CONTROLLER:PATH" is of our tree; of cgroup2's the controllers are
 * empty. Cuts the line into pieces. */
static bool is_of_tree(const struct workload_tree *tree, char *line, char **ret_path)
{
    char *rest = line, *id = strsep(&rest, ":"), *controllers = rest ? strsep(&rest, ":") : NULL;
    if (!controllers || !rest || rest[0] != '/')
        return false;
    *ret_path = rest;
    if (!tree->controller[0])
        return strcmp(id, "0") == 0 && !controllers[0];
    for (char *name; (name = strsep(&controllers, ","));)
        if (strcmp(name, tree->controller) == 0)
            return true;
    return false;
}

/* A process' cgroup, from the mount; "" is the root. */
static int find_cgroup(const struct workload_tree *tree, pid_t pid, char *path, size_t size,
                       struct error *err)
{
    char name[64], line[PATH_MAX + 256], *found;
    int r = -ESRCH;
    (void)snprintf(name, sizeof(name), "/proc/%d/cgroup", (int)pid);
    SCOPED(scope_fclose) FILE *file = fopen(name, "re");
    while (file && fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        if (!is_of_tree(tree, line, &found))
            continue;
        (void)snprintf(path, size, "%s", found[1] ? found : "");
        r = 0;
    }
    return r < 0 ? error_set(err, r, "%s does not name the cgroup", name) : 0;
}

/* The controller by which libcgroup knows the tree; of the unified one the first that is there. ""
 * if there is none. */
static void find_controller(struct workload_cgroup *cgroup)
{
    struct cgroup_mount_point point;
    void *handle = NULL;
    if (cgroup_init() != 0)
        return;
    if (cgroup->tree.controller[0]) {
        (void)snprintf(cgroup->controller, sizeof(cgroup->controller), "%s",
                       cgroup->tree.controller);
        return;
    }
    for (int r = cgroup_get_controller_begin(&handle, &point); r == 0;
         r = cgroup_get_controller_next(&handle, &point))
        if (strcmp(point.path, cgroup->tree.mount) == 0 && !cgroup->controller[0])
            (void)snprintf(cgroup->controller, sizeof(cgroup->controller), "%s", point.name);
    (void)cgroup_get_controller_end(&handle);
}

/* The file of the group above ours that says what is on for ours. */
static void control_path(const struct workload_cgroup *cgroup, char *path, size_t size)
{
    (void)snprintf(path, size, "%s%s/cgroup.subtree_control", cgroup->tree.mount, cgroup->above);
}

static bool is_enabled(const struct workload_cgroup *cgroup)
{
    char path[2 * PATH_MAX], name[64];
    bool is_found = false;
    control_path(cgroup, path, sizeof(path));
    SCOPED(scope_fclose) FILE *file = fopen(path, "re");
    while (file && fscanf(file, "%63s", name) == 1)
        is_found |= strcmp(name, cgroup->controller) == 0;
    return is_found;
}

static void disable(const struct workload_cgroup *cgroup)
{
    char path[2 * PATH_MAX];
    control_path(cgroup, path, sizeof(path));
    SCOPED(scope_fclose) FILE *file = fopen(path, "we");
    if (file)
        (void)fprintf(file, "-%s", cgroup->controller);
}

static int refuse(struct error *err, int code, const char *what, const char *path)
{
    if (code == EROFS)
        return error_set(err, -EACCES,
                         "%s %s: %s; mount the tree so that it can be written (a container must "
                         "be privileged for this)",
                         what, path, strerror(code));
    if (code == EACCES || code == EPERM)
        return error_set(err, -EACCES,
                         "%s %s: %s; run as root (with sudo), or in a cgroup that was delegated "
                         "to you",
                         what, path, strerror(code));
    return error_set(err, code ? -code : -EIO, "%s %s: %s", what, path,
                     code ? strerror(code) : "libcgroup failed");
}

/* libcgroup's own numbers begin at 50000; most of them leave the kernel's reason in errno. */
static int errno_of(int r)
{
    if (r == ECGROUPNOTOWNER || r == ECGROUPNOTALLOWED)
        return EACCES;
    return r == ECGOTHER ? cgroup_get_last_errno() : errno;
}

static int make_with_library(struct workload_cgroup *cgroup, struct error *err)
{
    cgroup->was_enabled = cgroup->tree.controller[0] || is_enabled(cgroup);
    cgroup->group = cgroup_new_cgroup(cgroup->path + 1);
    if (!cgroup->group || !cgroup_add_controller(cgroup->group, cgroup->controller))
        return error_set(err, -ENOMEM, "out of memory");
    errno = 0;
    int r = cgroup_create_cgroup(cgroup->group, 1);
    return r == 0 ? 0 : refuse(err, errno_of(r), "making the cgroup", cgroup->path);
}

static int make_directory(const struct workload_cgroup *cgroup, struct error *err)
{
    char path[2 * PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s%s", cgroup->tree.mount, cgroup->path);
    return mkdir(path, 0755) == 0 ? 0 : refuse(err, errno, "making the cgroup", cgroup->path);
}

/* What is there already is somebody else's, and libcgroup would take it. */
static bool is_taken(const struct workload_cgroup *cgroup)
{
    char path[2 * PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s%s", cgroup->tree.mount, cgroup->path);
    return access(path, F_OK) == 0;
}

static int make(struct workload_cgroup *cgroup, const char *name, pid_t pid, struct error *err)
{
    int r = find_cgroup(&cgroup->tree, pid, cgroup->above, sizeof(cgroup->above), err);
    if (r < 0)
        return r;
    (void)snprintf(cgroup->path, sizeof(cgroup->path), "%s/%s", cgroup->above, name);
    if (!cgroup->above[0] || cgroup->tree.controller[0])
        find_controller(cgroup);
    if (is_taken(cgroup))
        r = refuse(err, EEXIST, "making the cgroup", cgroup->path);
    else if (cgroup->controller[0])
        return make_with_library(cgroup, err);
    else
        r = make_directory(cgroup, err);
    if (r < 0)
        cgroup->path[0] = '\0';
    return r;
}

/* ---- entering ---- */

static int put_into(const char *mount, const char *path, pid_t pid, struct error *err)
{
    char name[2 * PATH_MAX];
    (void)snprintf(name, sizeof(name), "%s%s/cgroup.procs", mount, path);
    FILE *file = fopen(name, "we");
    if (!file)
        return refuse(err, errno, "entering the cgroup", path);
    int r = fprintf(file, "%d\n", (int)pid) < 0 ? -EIO : 0;
    if (fclose(file) != 0)
        r = -errno;
    return r < 0 ? refuse(err, -r, "entering the cgroup", path) : 0;
}

static int enter(struct workload_cgroup *cgroup, pid_t pid, struct error *err)
{
    if (!cgroup->group || cgroup->tree.controller[0])
        return put_into(cgroup->tree.mount, cgroup->path, pid, err);
    errno = 0;
    int r = cgroup_attach_task_pid(cgroup->group, pid);
    return r == 0 ? 0 : refuse(err, errno_of(r), "entering the cgroup", cgroup->path);
}

static int note_origin(struct workload_cgroup *cgroup, pid_t pid, const char *path,
                       struct error *err)
{
    size_t room = sizeof(cgroup->origins) - cgroup->origins_size;
    int length = snprintf(cgroup->origins + cgroup->origins_size, room, "%d %s", (int)pid, path);
    if (length < 0 || (size_t)length >= room)
        return error_set(err, -ENOMEM, "%s: too many processes", cgroup->path);
    cgroup->origins_size += (size_t)length + 1;
    return 0;
}

int workload_cgroup_add(struct workload_cgroup *cgroup, pid_t pid, struct error *err)
{
    char path[PATH_MAX];
    int r = find_cgroup(&cgroup->tree, pid, path, sizeof(path), err);
    if (r < 0 || strcmp(path, cgroup->path) == 0)
        return r;
    r = note_origin(cgroup, pid, path, err);
    return r < 0 ? r : enter(cgroup, pid, err);
}

/* ---- removing ---- */

/* The last one noted: a number is used again. */
static const char *origin_of(const struct workload_cgroup *cgroup, pid_t pid)
{
    const char *origin = cgroup->above, *end = cgroup->origins + cgroup->origins_size;
    for (const char *entry = cgroup->origins; entry < end; entry += strlen(entry) + 1)
        if (strtol(entry, NULL, 10) == pid)
            origin = strchr(entry, ' ') + 1;
    return origin;
}

/* Where a process came from may have gone since. A pid of 0 is a process of another name space; to
 * write it would move ourselves. */
static int send_back(const struct workload_cgroup *cgroup, const char *folder)
{
    char path[2 * PATH_MAX];
    int pid;
    (void)snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
    SCOPED(scope_fclose) FILE *members = fopen(path, "re");
    while (members && fscanf(members, "%d", &pid) == 1)
        if (pid > 0 && put_into(cgroup->tree.mount, origin_of(cgroup, pid), pid, NULL) < 0)
            (void)put_into(cgroup->tree.mount, cgroup->above, pid, NULL);
    return 0;
}

static int clear(const struct workload_cgroup *cgroup, const char *folder)
{
    (void)send_back(cgroup, folder);
    return rmdir(folder) == 0 || errno == ENOENT ? 0 : -errno;
}

/* The cgroup and all that the command has made below it, the lowest first. Returns what visit said
 * of the cgroup itself, which is the last. */
static int visit_all(const struct workload_cgroup *cgroup,
                     int (*visit)(const struct workload_cgroup *cgroup, const char *folder))
{
    char path[2 * PATH_MAX];
    char *const folders[] = {path, NULL};
    int r = 0;
    (void)snprintf(path, sizeof(path), "%s%s", cgroup->tree.mount, cgroup->path);
    FTS *tree = fts_open(folders, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (!tree)
        return -errno;
    for (FTSENT *entry; (entry = fts_read(tree));)
        if (entry->fts_info == FTS_DP)
            r = visit(cgroup, entry->fts_path);
    (void)fts_close(tree);
    return r;
}

static bool has_other(const char *folder, pid_t keeper)
{
    char path[2 * PATH_MAX];
    int pid;
    (void)snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
    SCOPED(scope_fclose) FILE *members = fopen(path, "re");
    while (members && fscanf(members, "%d", &pid) == 1)
        if (pid != keeper)
            return true;
    return false;
}

bool workload_cgroup_is_used(const struct workload_cgroup *cgroup)
{
    char path[2 * PATH_MAX];
    char *const folders[] = {path, NULL};
    bool is_used = false;
    (void)snprintf(path, sizeof(path), "%s%s", cgroup->tree.mount, cgroup->path);
    FTS *tree = fts_open(folders, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    for (FTSENT *entry; tree && !is_used && (entry = fts_read(tree));)
        is_used = entry->fts_info == FTS_D && has_other(entry->fts_path, cgroup->keeper);
    if (tree)
        (void)fts_close(tree);
    return is_used;
}

/* Whether a process is in the cgroup or below it. Source: cgroup-v2.rst, cgroup.events. */
static bool is_populated(int events)
{
    char text[256];
    ssize_t size = pread(events, text, sizeof(text) - 1, 0);
    text[size > 0 ? size : 0] = '\0';
    return strstr(text, "populated 1") != NULL;
}

/* Waits until nobody is in the cgroup or below it, or until end_ns. What is not there is empty. */
static void await_empty(const struct workload_cgroup *cgroup, uint64_t end_ns)
{
    char path[2 * PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s%s/cgroup.events", cgroup->tree.mount, cgroup->path);
    SCOPED(scope_close) int events = open(path, O_RDONLY | O_CLOEXEC);
    struct pollfd change = {.fd = events, .events = POLLPRI};
    uint64_t now_ns;
    while (events >= 0 && is_populated(events) &&
           (now_ns = clock_monotonic_ns(&clock_system)) < end_ns) {
        uint64_t left_ms = (end_ns - now_ns) / NS_PER_MS + 1;
        (void)poll(&change, 1, left_ms > INT_MAX ? INT_MAX : (int)left_ms);
    }
}

/* A process that ends takes a moment to leave; a command may go on to make processes and groups
 * while it is moved. */
static int remove_all(const struct workload_cgroup *cgroup, struct error *err)
{
    uint64_t end_ns = clock_monotonic_ns(&clock_system) + REMOVE_WAIT_NS;
    int r = visit_all(cgroup, clear);
    for (int tries = 1; r == -EBUSY && tries < REMOVE_TRIES; tries++) {
        if (cgroup->tree.controller[0])
            (void)poll(NULL, 0, REMOVE_PAUSE_MS);
        else
            await_empty(cgroup, end_ns);
        r = visit_all(cgroup, clear);
    }
    return r < 0 ? error_set(err, r, "the cgroup %s%s is left behind: %s", cgroup->tree.mount,
                             cgroup->path, strerror(-r))
                 : 0;
}

static void disable_again(const struct workload_cgroup *cgroup)
{
    if (cgroup->controller[0] && !cgroup->was_enabled)
        disable(cgroup);
}

/* In the keeper, which leaves first. Of a scope systemd sees the last process go. */
static void tidy_up(void *context)
{
    const struct workload_cgroup *cgroup = context;
    if (cgroup->is_scope || !cgroup->path[0])
        return;
    (void)put_into(cgroup->tree.mount, origin_of(cgroup, getpid()), getpid(), NULL);
    if (cgroup->orphan == WORKLOAD_STAYS)
        await_empty(cgroup, UINT64_MAX);
    (void)remove_all(cgroup, NULL);
    disable_again(cgroup);
}

/* systemd moves both: a user may not write to the tree between a session and a scope. */
static int start_scope(struct workload_cgroup *cgroup, const char *name, pid_t pid,
                       struct error *err)
{
    const pid_t pids[] = {cgroup->keeper, pid};
    int r = systemd_scope_start(name, pids, err);
    return r < 0 ? r
                 : find_cgroup(&cgroup->tree, cgroup->keeper, cgroup->path, sizeof(cgroup->path),
                               err);
}

static int make_and_enter(struct workload_cgroup *cgroup, const char *name, pid_t pid,
                          struct error *err)
{
    int r = make(cgroup, name, pid, err);
    if (r >= 0)
        r = workload_cgroup_add(cgroup, pid, err);
    return r < 0 ? r : workload_cgroup_add(cgroup, cgroup->keeper, err);
}

int workload_cgroup_new(struct workload_cgroup **ret_cgroup, const struct workload_tree *tree,
                        const char *name, pid_t pid, enum workload_orphan orphan,
                        struct error *err)
{
    struct workload_cgroup *cgroup = mmap(NULL, sizeof(*cgroup), PROT_READ | PROT_WRITE,
                                          MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (cgroup == MAP_FAILED)
        return error_set(err, -errno, "memory: %s", strerror(errno));
    cgroup->orphan = orphan;
    cgroup->tree = *tree;
    cgroup->is_scope = systemd_rules() && !tree->controller[0]; /* it leaves perf_event alone */
    int r = keeper_start(&cgroup->keeper, tidy_up, cgroup, err);
    if (r >= 0)
        r = cgroup->is_scope ? start_scope(cgroup, name, pid, err)
                             : make_and_enter(cgroup, name, pid, err);
    if (r < 0) {
        (void)workload_cgroup_free(cgroup, NULL);
        return r;
    }
    *ret_cgroup = cgroup;
    return 0;
}

const char *workload_cgroup_path(const struct workload_cgroup *cgroup)
{
    return cgroup->path;
}

int workload_cgroup_free(struct workload_cgroup *cgroup, struct error *err)
{
    int r = 0;
    if (!cgroup)
        return 0;
    keeper_end(&cgroup->keeper);
    bool is_ours = !cgroup->is_scope && cgroup->path[0];
    if (is_ours)
        (void)visit_all(cgroup, send_back);
    if (cgroup->group) {
        (void)cgroup_delete_cgroup_ext(cgroup->group,
                                       CGFLAG_DELETE_IGNORE_MIGRATION | CGFLAG_DELETE_RECURSIVE);
        cgroup_free(&cgroup->group);
    }
    if (is_ours)
        r = remove_all(cgroup, err);
    disable_again(cgroup);
    (void)munmap(cgroup, sizeof(*cgroup));
    return r;
}
