/* SPDX-License-Identifier: BSD-3-Clause */
/* The registry of targets. Each tick the whole cgroup tree is walked: a walk cannot miss an event
 * or overflow a queue. It stays cheap because a directory without subdirectories (two links) is
 * never opened, and because cgroup.procs is read only of cgroups that are not targets yet. */
#include "sensor/targets.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/array.h"
#include "common/error.h"
#include "common/name_escape.h"
#include "common/scope.h"
#include "sensor/id_map.h"
#include "sensor/target_name.h"

#define DEPTH_MAX 64 /* a user who may make cgroups may nest them without end */

/* A directory of the cgroup tree, target or not: what was decided once about a path is not decided
 * again. */
struct cgroup_node {
    uint64_t inode;
    char *path;
    bool is_allowed; /* by the rules */
    bool is_taken;   /* targets_each_new_cgroup gave it and it was taken */
    struct target *target;
    struct target *charged; /* itself or the nearest target above, NULL: other */
    uint64_t last_seen;
};

struct targets {
    const struct host *host;
    const struct target_rules *rules;
    enum granularity granularity;
    uint64_t generation, rules_version;
    uint32_t next_number;
    struct target **targets;
    size_t n_targets, capacity;
    struct cgroup_node **nodes;
    size_t n_nodes, nodes_capacity;
    struct id_map nodes_by_inode;
    struct id_map processes;
    struct id_map commands;
    char path[PATH_MAX]; /* of the directory being walked */
};

static void target_free(struct target *target)
{
    if (!target)
        return;
    free(target->name);
    free(target->cgroup);
    free(target);
}

static void node_free(struct cgroup_node *node)
{
    if (!node)
        return;
    free(node->path);
    free(node);
}

/* pid_max is at most 2^22, and 2^42 clock ticks are more than a thousand years. */
static uint64_t process_id(pid_t pid, uint64_t start_ticks)
{
    return start_ticks << 22 | ((uint64_t)pid & 0x3fffff);
}

/* The path escaped, with room for what follows. */
static char *make_name(const char *cgroup, pid_t pid, uint64_t start_ticks)
{
    char suffix[48] = "";
    if (pid)
        (void)snprintf(suffix, sizeof(suffix), ":%d@%" PRIu64, pid, start_ticks);
    size_t length = name_escape(cgroup, strlen(cgroup), NULL, 0);
    char *name = malloc(length + sizeof(suffix));
    if (!name)
        return NULL;
    (void)name_escape(cgroup, strlen(cgroup), name, length + 1);
    memcpy(name + length, suffix, strlen(suffix) + 1);
    return name;
}

static int add_target(struct targets *targets, const char *cgroup, pid_t pid, uint64_t start_ticks,
                      struct target **ret_target)
{
    int r = array_reserve(&targets->targets, &targets->capacity, targets->n_targets + 1,
                          sizeof(*targets->targets));
    if (r < 0)
        return r;
    struct target *target = calloc(1, sizeof(*target));
    if (!target)
        return -ENOMEM;
    target->name = cgroup ? make_name(cgroup, pid, start_ticks) : strdup(OTHER_TARGET);
    target->cgroup = cgroup ? strdup(cgroup) : NULL;
    if (!target->name || (cgroup && !target->cgroup)) {
        target_free(target);
        return -ENOMEM;
    }
    target->number = targets->next_number++;
    target->pid = pid;
    target->start_ticks = start_ticks;
    target->last_seen = targets->generation;
    targets->targets[targets->n_targets++] = target;
    *ret_target = target;
    return 0;
}

int targets_new(struct targets **ret_targets, const struct host *host, enum granularity granularity,
                const struct target_rules *rules)
{
    struct targets *targets = calloc(1, sizeof(*targets));
    if (!targets)
        return -ENOMEM;
    targets->host = host;
    targets->rules = rules;
    targets->granularity = granularity;
    struct target *other;
    int r = add_target(targets, NULL, 0, 0, &other);
    if (r < 0) {
        targets_free(targets);
        return r;
    }
    *ret_targets = targets;
    return 0;
}

void targets_free(struct targets *targets)
{
    if (!targets)
        return;
    for (size_t i = 0; i < targets->n_targets; i++)
        target_free(targets->targets[i]);
    for (size_t i = 0; i < targets->n_nodes; i++)
        node_free(targets->nodes[i]);
    free(targets->targets);
    free(targets->nodes);
    id_map_deinit(&targets->nodes_by_inode);
    id_map_deinit(&targets->processes);
    id_map_deinit(&targets->commands);
    free(targets);
}

enum granularity targets_granularity(const struct targets *targets)
{
    return targets->granularity;
}

uint64_t targets_generation(const struct targets *targets)
{
    return targets->generation;
}

/* A cgroup of threads has no cgroup.procs to read (EOPNOTSUPP): its processes belong to the cgroup
 * above. */
static bool holds_processes(int parent_fd, const char *name)
{
    char path[NAME_MAX + sizeof("/cgroup.procs")];
    (void)snprintf(path, sizeof(path), "%s/cgroup.procs", name);
    SCOPED(scope_close) int fd = openat(parent_fd, path, O_RDONLY | O_CLOEXEC);
    char byte;
    return fd >= 0 && read(fd, &byte, 1) == 1;
}

static int add_node(struct targets *targets, uint64_t inode, struct cgroup_node **ret_node)
{
    int r = array_reserve(&targets->nodes, &targets->nodes_capacity, targets->n_nodes + 1,
                          sizeof(*targets->nodes));
    if (r < 0)
        return r;
    struct cgroup_node *node = calloc(1, sizeof(*node));
    char *path = strdup(targets->path);
    if (node && path)
        r = id_map_put(&targets->nodes_by_inode, inode, node);
    if (!node || !path || r < 0) {
        free(node);
        free(path);
        return -ENOMEM;
    }
    *node = (struct cgroup_node){
        .inode = inode,
        .path = path,
        .is_allowed = target_rules_match_cgroup(targets->rules, path),
    };
    targets->nodes[targets->n_nodes++] = node;
    *ret_node = node;
    return 0;
}

/* targets->path names the directory, name is its last component below parent_fd; *charged is the
 * nearest target above, and becomes the nearest for what lies below. */
static int visit(struct targets *targets, int parent_fd, const char *name, uint64_t inode,
                 struct target **charged)
{
    struct cgroup_node *node = id_map_get(&targets->nodes_by_inode, inode);
    /* Outside cgroup2 inodes are used again: the path decides whether it is the same life. */
    if (!node || strcmp(node->path, targets->path) != 0) {
        int r = add_node(targets, inode, &node);
        if (r < 0)
            return r;
    }
    node->last_seen = targets->generation;
    if (!node->target && node->is_allowed &&
        (!target_rules_selects_by_default(targets->rules) || holds_processes(parent_fd, name))) {
        int r = add_target(targets, node->path, 0, 0, &node->target);
        if (r < 0)
            return r;
        node->target->cgroup_inode = inode;
    }
    if (node->target) {
        node->target->last_seen = targets->generation;
        *charged = node->target;
    }
    node->charged = *charged;
    return 0;
}

static int open_directory(int parent_fd, const char *name, DIR **ret_directory)
{
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    *ret_directory = fdopendir(fd);
    if (*ret_directory)
        return 0;
    int r = -errno;
    (void)close(fd);
    return r;
}

static int walk(struct targets *targets, DIR *directory, size_t path_size, int depth,
                struct target *charged);

/* Visits one entry and what lies below it. path_size: of the parent's path, without the slash. */
static int walk_entry(struct targets *targets, int parent_fd, const char *name, size_t path_size,
                      int depth, struct target *charged)
{
    struct stat status;
    size_t name_size = strlen(name);
    if (path_size + 1 + name_size >= sizeof(targets->path) ||
        fstatat(parent_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(status.st_mode))
        return 0;
    targets->path[path_size] = '/';
    memcpy(targets->path + path_size + 1, name, name_size + 1);
    int r = visit(targets, parent_fd, name, status.st_ino, &charged);
    /* File systems that do not count links of directories say 1. */
    if (r < 0 || status.st_nlink == 2 || depth >= DEPTH_MAX)
        return r;
    DIR *directory;
    r = open_directory(parent_fd, name, &directory);
    if (r == -EMFILE || r == -ENFILE || r == -ENOMEM)
        return r;
    if (r < 0)
        return 0; /* gone, or not ours to see */
    r = walk(targets, directory, path_size + 1 + name_size, depth + 1, charged);
    (void)closedir(directory);
    return r;
}

static int walk(struct targets *targets, DIR *directory, size_t path_size, int depth,
                struct target *charged)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (!entry)
            return errno == ENOMEM ? -ENOMEM : 0;
        if (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN)
            continue;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        int r = walk_entry(targets, dirfd(directory), entry->d_name, path_size, depth, charged);
        if (r < 0)
            return r;
    }
}

/* A cgroup that was removed since the last look still has counts to be charged in this tick. */
static void forget_vanished_nodes(struct targets *targets)
{
    size_t n_kept = 0;
    for (size_t i = 0; i < targets->n_nodes; i++) {
        struct cgroup_node *node = targets->nodes[i];
        if (node->last_seen + 1 >= targets->generation) {
            targets->nodes[n_kept++] = node;
            continue;
        }
        if (id_map_get(&targets->nodes_by_inode, node->inode) == node)
            id_map_remove(&targets->nodes_by_inode, node->inode);
        node_free(node);
    }
    targets->n_nodes = n_kept;
}

static void keep_all(struct targets *targets)
{
    for (size_t i = 0; i < targets->n_nodes; i++)
        targets->nodes[i]->last_seen = targets->generation;
    for (size_t i = 0; i < targets->n_targets; i++)
        targets->targets[i]->last_seen = targets->generation;
}

int targets_refresh(struct targets *targets, struct error *err)
{
    targets->generation++;
    targets->targets[0]->last_seen = targets->generation;
    if (targets->granularity == GRANULARITY_PROCESS)
        return 0;
    const char *root = targets->host->cgroupfs;
    DIR *directory;
    int r = root ? open_directory(AT_FDCWD, root, &directory) : -ENOENT;
    if (r == 0) {
        r = walk(targets, directory, 0, 0, NULL);
        (void)closedir(directory);
    }
    if (r < 0) {
        keep_all(targets);
        if (!root)
            return error_set(err, r,
                             "no cgroup2 mount: name one with --cgroupfs DIR, or watch "
                             "processes with --granularity process");
        return error_set(err, r, "%s: cannot be walked: %s", root, strerror(-r));
    }
    forget_vanished_nodes(targets);
    return 0;
}

void targets_set_rules(struct targets *targets, const struct target_rules *rules)
{
    targets->rules = rules;
    targets->rules_version++;
    for (size_t i = 0; i < targets->n_nodes; i++) {
        struct cgroup_node *node = targets->nodes[i];
        node->is_allowed = target_rules_match_cgroup(rules, node->path);
        if (!node->is_allowed)
            node->target = NULL;
    }
}

uint64_t targets_rules_version(const struct targets *targets)
{
    return targets->rules_version;
}

void targets_keep(struct targets *targets)
{
    uint64_t before = targets->generation++;
    for (size_t i = 0; i < targets->n_nodes; i++)
        if (targets->nodes[i]->last_seen == before)
            targets->nodes[i]->last_seen++;
    forget_vanished_nodes(targets);
    for (size_t i = 0; i < targets->n_targets; i++) {
        struct target *target = targets->targets[i];
        bool is_of_tree = !target->cgroup || target->cgroup_inode;
        if (is_of_tree && target->last_seen == before)
            target->last_seen++;
    }
}

static bool is_below(const char *cgroup, const char *path)
{
    size_t length = strlen(cgroup);
    return !strncmp(path, cgroup, length) && (path[length] == '/' || path[length] == '\0');
}

static struct target *find_deepest(const struct targets *targets, const char *path)
{
    struct target *deepest = NULL;
    for (size_t i = 1; i < targets->n_targets; i++) {
        struct target *target = targets->targets[i];
        if (target->last_seen == targets->generation && is_below(target->cgroup, path) &&
            (!deepest || strlen(target->cgroup) > strlen(deepest->cgroup)))
            deepest = target;
    }
    return deepest;
}

static bool is_selected(const struct targets *targets, const struct seen_process *process)
{
    return target_rules_match_process(targets->rules, process->cgroup, process->comm, process->pid,
                                      process->uid);
}

static void update_process(struct target *target, const char *comm, uid_t uid)
{
    if (!strncmp(target->comm, comm, sizeof(target->comm) - 1) && target->uid == uid)
        return;
    (void)snprintf(target->comm, sizeof(target->comm), "%s", comm);
    target->uid = uid;
    target->is_announced = false;
}

int targets_find_process(struct targets *targets, const struct seen_process *process,
                         struct target **ret_target)
{
    if (targets->granularity == GRANULARITY_CGROUP) {
        *ret_target = find_deepest(targets, process->cgroup);
        return 0;
    }
    if (!is_selected(targets, process)) {
        *ret_target = NULL;
        return 0;
    }
    uint64_t id = process_id(process->pid, process->start_ticks);
    struct target *target = id_map_get(&targets->processes, id);
    if (!target || strcmp(target->cgroup, process->cgroup) != 0) {
        int r = add_target(targets, process->cgroup, process->pid, process->start_ticks, &target);
        if (r < 0)
            return r;
        target->parent_pid = process->parent_pid;
        r = id_map_put(&targets->processes, id, target);
        if (r < 0) {
            target_free(target);
            targets->n_targets--;
            return r;
        }
    }
    update_process(target, process->comm, process->uid);
    target->last_seen = targets->generation;
    *ret_target = target;
    return 0;
}

struct target *targets_find_announced(const struct targets *targets, pid_t pid,
                                      uint64_t start_ticks)
{
    struct target *target = NULL;
    if (targets->granularity == GRANULARITY_PROCESS)
        target = id_map_get(&targets->processes, process_id(pid, start_ticks));
    return target && target->last_seen == targets->generation ? target : NULL;
}

/* FNV-1a. Two commands with one hash share a target as long as both live: 2^-64 is never. */
static uint64_t command_id(const char *cgroup, const char *comm)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *c = cgroup; *c; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    hash = (hash ^ ':') * UINT64_C(0x100000001b3);
    for (const char *c = comm; *c; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    return hash;
}

static int add_command(struct targets *targets, const char *comm, const char *cgroup,
                       struct target **ret_target)
{
    struct target *target;
    int r = add_target(targets, cgroup, 0, 0, &target);
    if (r < 0)
        return r;
    size_t path_length = strlen(target->name),
           comm_length = name_escape(comm, strlen(comm), NULL, 0);
    char *name = realloc(target->name, path_length + 1 + comm_length + 1);
    if (name) {
        target->name = name;
        name[path_length] = ':';
        (void)name_escape(comm, strlen(comm), name + path_length + 1, comm_length + 1);
        r = id_map_put(&targets->commands, command_id(cgroup, comm), target);
    }
    if (!name || r < 0) {
        target_free(target);
        targets->n_targets--;
        return -ENOMEM;
    }
    (void)snprintf(target->comm, sizeof(target->comm), "%s", comm);
    target->is_command = true;
    *ret_target = target;
    return 0;
}

int targets_find_command(struct targets *targets, const struct seen_process *process,
                         struct target **ret_target)
{
    *ret_target = NULL;
    if (!is_selected(targets, process))
        return 0;
    struct target *target =
        id_map_get(&targets->commands, command_id(process->cgroup, process->comm));
    if (!target) {
        int r = add_command(targets, process->comm, process->cgroup, &target);
        if (r < 0)
            return r;
    }
    target->last_seen = targets->generation;
    *ret_target = target;
    return 0;
}

bool targets_find_cgroup(const struct targets *targets, uint64_t inode, struct target **ret_target)
{
    const struct cgroup_node *node = id_map_get(&targets->nodes_by_inode, inode);
    if (node)
        *ret_target = node->charged;
    return node != NULL;
}

void targets_each_new_cgroup(struct targets *targets, bool (*take)(uint64_t inode, void *context),
                             void *context)
{
    for (size_t i = 0; i < targets->n_nodes; i++)
        if (!targets->nodes[i]->is_taken)
            targets->nodes[i]->is_taken = take(targets->nodes[i]->inode, context);
}

size_t targets_count(const struct targets *targets)
{
    return targets->n_targets;
}

struct target *targets_at(struct targets *targets, size_t index)
{
    assert(index < targets->n_targets);
    return targets->targets[index];
}

bool target_has_vanished(const struct targets *targets, const struct target *target)
{
    return target->last_seen != targets->generation;
}

int target_open_cgroup(const struct target *target, const struct host *host)
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof(path), "%s%s", host->cgroupfs, target->cgroup) >=
        sizeof(path))
        return -ENAMETOOLONG;
    SCOPED(scope_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0)
        return -errno;
    if (status.st_ino != target->cgroup_inode)
        return -ESTALE;
    return STEAL_FD(fd);
}

void targets_sweep(struct targets *targets, void (*released)(struct target *target, void *context),
                   void *context)
{
    size_t n_kept = 0;
    for (size_t i = 0; i < targets->n_targets; i++) {
        struct target *target = targets->targets[i];
        if (!target_has_vanished(targets, target)) {
            targets->targets[n_kept++] = target;
            continue;
        }
        if (released)
            released(target, context);
        uint64_t id = process_id(target->pid, target->start_ticks);
        if (target->pid && id_map_get(&targets->processes, id) == target)
            id_map_remove(&targets->processes, id);
        if (target->is_command)
            id_map_remove(&targets->commands, command_id(target->cgroup, target->comm));
        target_free(target);
    }
    targets->n_targets = n_kept;
}

/* From the file and not through the name service, which may ask the network: a tick never waits for
 * that. */
static void find_user(uid_t uid, char *text, size_t size)
{
    char buffer[4096];
    struct passwd entry, *found = NULL;
    (void)snprintf(text, size, "%u", uid);
    SCOPED(scope_fclose) FILE *file = fopen("/etc/passwd", "re");
    if (!file)
        return;
    while (fgetpwent_r(file, &entry, buffer, sizeof(buffer), &found) == 0)
        if (found->pw_uid == uid) {
            (void)name_escape(found->pw_name, strlen(found->pw_name), text, size);
            return;
        }
}

static const char *text_or_null(const char *text)
{
    return text[0] ? text : NULL;
}

void target_describe(const struct target *target, struct target_record *ret_record,
                     struct target_names *scratch)
{
    *ret_record = (struct target_record){
        .ordinal = target->number,
        .target = target->name,
        .cgroup_inode = target->cgroup_inode ? (int64_t)target->cgroup_inode : VALUE_ABSENT,
        .pid = VALUE_ABSENT,
        .parent_pid = VALUE_ABSENT,
        .start_ticks = VALUE_ABSENT,
    };
    if (!target->cgroup) {
        *scratch = (struct target_names){.kind = OTHER_TARGET};
        ret_record->target_kind = scratch->kind;
        ret_record->name = OTHER_TARGET;
        return;
    }
    target_name_parse(target->cgroup, scratch);
    (void)name_escape(target->cgroup, strlen(target->cgroup), scratch->cgroup_text,
                      sizeof(scratch->cgroup_text));
    ret_record->target_kind = scratch->kind;
    ret_record->name = scratch->name;
    ret_record->cgroup = scratch->cgroup_text;
    ret_record->container = text_or_null(scratch->container);
    ret_record->unit = text_or_null(scratch->unit);
    ret_record->pod = text_or_null(scratch->pod);
    if (!target->pid && !target->is_command)
        return;
    (void)name_escape(target->comm, strlen(target->comm), scratch->comm_text,
                      sizeof(scratch->comm_text));
    ret_record->target_kind = "process";
    ret_record->name = ret_record->comm = scratch->comm_text;
    if (target->is_command)
        return; /* many processes, maybe of many users */
    find_user(target->uid, scratch->user_text, sizeof(scratch->user_text));
    ret_record->user = scratch->user_text;
    ret_record->pid = target->pid;
    if (target->parent_pid > 0)
        ret_record->parent_pid = target->parent_pid;
    ret_record->start_ticks = (int64_t)target->start_ticks;
}
