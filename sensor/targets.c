/* SPDX-License-Identifier: BSD-3-Clause */
/* The registry of targets. cgroup.procs is read only of cgroups that are not targets yet. */
#include "sensor/targets.h"

#include <assert.h>
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
#include "sensor/cgroup_tree.h"
#include "sensor/id_map.h"
#include "sensor/target_name.h"

struct targets {
    const struct host *host;
    const struct target_rules *rules;
    enum granularity granularity;
    bool is_perf_tree; /* the cgroups are those of host_perf_tree */
    uint64_t generation, rules_version;
    uint32_t next_number;
    struct target **targets;
    size_t n_targets, capacity;
    bool is_settled;    /* all are cgroups, seen in this generation: there is no need of the next */
    bool all_announced; /* cleared by whatever changes that, as the next */
    bool all_taken;     /* the cgroups, by targets_each_new_cgroup */
    struct cgroup_tree tree;
    struct id_map processes;
    struct id_map commands;
};

static void target_free(struct target *target)
{
    if (!target)
        return;
    free(target->name);
    free(target->cgroup);
    free(target->machine);
    free(target);
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
    target->index = (uint32_t)targets->n_targets;
    target->pid = pid;
    target->start_ticks = start_ticks;
    target->last_seen = targets->generation;
    targets->targets[targets->n_targets++] = target;
    targets->is_settled = targets->all_announced = false;
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
    free(targets->targets);
    cgroup_tree_deinit(&targets->tree);
    id_map_deinit(&targets->processes);
    id_map_deinit(&targets->commands);
    free(targets);
}

enum granularity targets_granularity(const struct targets *targets)
{
    return targets->granularity;
}

/* NULL: there is none. */
static const char *root_of(const struct targets *targets)
{
    return targets->is_perf_tree ? host_perf_tree(targets->host) : targets->host->cgroupfs;
}

void targets_set_tree(struct targets *targets, bool is_perf_tree)
{
    const char *before = root_of(targets);
    targets->is_perf_tree = is_perf_tree;
    if (root_of(targets) != before)
        cgroup_tree_deinit(&targets->tree);
}

bool targets_are_v1(const struct targets *targets)
{
    return targets->is_perf_tree && targets->host->perf_cgroupfs;
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

static struct virtual_machine *find_machine(const struct targets *targets,
                                            const struct target *target)
{
    struct virtual_machine machine;
    SCOPED(scope_close) int fd = target_open_cgroup(target, root_of(targets));
    if (fd < 0 || !virtual_machine_find(fd, targets->host->procfs, &machine))
        return NULL;
    struct virtual_machine *kept = malloc(sizeof(*kept));
    if (kept)
        *kept = machine;
    return kept;
}

/* The cgroup is there before QEMU is, and where no name can be read, asking has to cost nothing in
 * the end. */
static void ask_machine(struct targets *targets, struct target *target)
{
    if (!target->is_machine || target->machine || target->n_looks == UINT32_MAX)
        return;
    target->n_looks++;
    if ((target->n_looks & (target->n_looks - 1)) != 0)
        return;
    target->machine = find_machine(targets, target);
    if (target->machine)
        target->is_announced = targets->all_announced = false;
}

static int add_cgroup(struct targets *targets, struct cgroup_node *node)
{
    struct target_names names;
    int r = add_target(targets, node->path, 0, 0, &node->target);
    if (r < 0)
        return r;
    target_name_parse(node->path, &names);
    node->target->is_machine = names.is_machine;
    node->target->cgroup_inode = node->inode;
    return 0;
}

static void meet_cgroup(struct cgroup_node *node, void *context)
{
    struct targets *targets = context;
    targets->all_taken = false;
    node->is_allowed = target_rules_match_cgroup(targets->rules, node->path);
}

static int visit_cgroup(struct cgroup_node *node, int parent_fd, const char *name,
                        struct target **charged, void *context)
{
    struct targets *targets = context;
    if (!node->target && node->is_allowed &&
        (!target_rules_selects_by_default(targets->rules) || holds_processes(parent_fd, name))) {
        int r = add_cgroup(targets, node);
        if (r < 0)
            return r;
    }
    if (node->target) {
        node->target->last_seen = targets->generation;
        ask_machine(targets, node->target);
        *charged = node->target;
    }
    node->charged = *charged;
    node->may_fill = !node->target && node->is_allowed;
    return 0;
}

static void keep_all(struct targets *targets)
{
    for (size_t i = 0; i < targets->tree.n_nodes; i++)
        targets->tree.nodes[i]->last_seen = targets->generation;
    for (size_t i = 0; i < targets->n_targets; i++)
        targets->targets[i]->last_seen = targets->generation;
}

int targets_refresh(struct targets *targets, struct error *err)
{
    targets->generation++;
    targets->is_settled = false;
    targets->targets[0]->last_seen = targets->generation;
    if (targets->granularity == GRANULARITY_PROCESS)
        return 0;
    const char *root = root_of(targets);
    const struct cgroup_visitor visitor = {meet_cgroup, visit_cgroup, targets};
    int r = cgroup_tree_walk(&targets->tree, root, targets->generation, &visitor);
    if (r < 0) {
        keep_all(targets);
        if (!root)
            return error_set(err, r,
                             "no cgroup2 mount, and no cgroup v1 mount with perf_event: name one "
                             "with --cgroupfs DIR, or watch processes with --granularity process");
        return error_set(err, r, "%s: cannot be walked: %s", root, strerror(-r));
    }
    cgroup_tree_forget(&targets->tree, targets->generation);
    return 0;
}

bool targets_tree_has_changed(struct targets *targets)
{
    const char *root = root_of(targets);
    if (targets->granularity == GRANULARITY_PROCESS || !root)
        return true;
    if (!targets->tree.watch &&
        cgroup_watch_new(&targets->tree.watch, root, targets->host->log) < 0)
        return true;
    return cgroup_watch_has_changed(targets->tree.watch);
}

void targets_set_rules(struct targets *targets, const struct target_rules *rules)
{
    targets->rules = rules;
    targets->rules_version++;
    for (size_t i = 0; i < targets->tree.n_nodes; i++) {
        struct cgroup_node *node = targets->tree.nodes[i];
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
    if (targets->is_settled)
        return;
    uint64_t before = targets->generation++;
    for (size_t i = 0; i < targets->tree.n_nodes; i++)
        if (targets->tree.nodes[i]->last_seen == before)
            targets->tree.nodes[i]->last_seen++;
    cgroup_tree_forget(&targets->tree, targets->generation);
    targets->is_settled = targets->granularity == GRANULARITY_CGROUP;
    for (size_t i = 0; i < targets->n_targets; i++) {
        struct target *target = targets->targets[i];
        bool is_of_tree = !target->cgroup || target->cgroup_inode;
        if (is_of_tree && target->last_seen == before) {
            target->last_seen++;
            ask_machine(targets, target);
        }
        targets->is_settled &= is_of_tree && !target_has_vanished(targets, target) &&
                               (!target->is_machine || target->machine);
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

static void update_process(struct targets *targets, struct target *target, const char *comm,
                           uid_t uid)
{
    if (!strncmp(target->comm, comm, sizeof(target->comm) - 1) && target->uid == uid)
        return;
    (void)snprintf(target->comm, sizeof(target->comm), "%s", comm);
    target->uid = uid;
    target->is_announced = targets->all_announced = false;
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
    update_process(targets, target, process->comm, process->uid);
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
    const struct cgroup_node *node = cgroup_tree_find(&targets->tree, inode);
    if (node)
        *ret_target = node->charged;
    return node != NULL;
}

void targets_each_new_cgroup(struct targets *targets, bool (*take)(uint64_t inode, void *context),
                             void *context)
{
    if (targets->all_taken)
        return;
    targets->all_taken = true;
    for (size_t i = 0; i < targets->tree.n_nodes; i++) {
        struct cgroup_node *node = targets->tree.nodes[i];
        if (!node->is_taken)
            node->is_taken = take(node->inode, context);
        targets->all_taken &= node->is_taken;
    }
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

bool targets_have_unannounced(const struct targets *targets)
{
    return !targets->all_announced;
}

void targets_all_announced(struct targets *targets)
{
    targets->all_announced = true;
}

void targets_announce_anew(struct targets *targets)
{
    for (size_t i = 0; i < targets->n_targets; i++)
        targets->targets[i]->is_announced = false;
    targets->all_announced = false;
}

bool target_has_vanished(const struct targets *targets, const struct target *target)
{
    return target->last_seen != targets->generation;
}

int target_open_cgroup(const struct target *target, const char *root)
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof(path), "%s%s", root, target->cgroup) >= sizeof(path))
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
    if (targets->is_settled)
        return;
    for (size_t i = 0; i < targets->n_targets; i++) {
        struct target *target = targets->targets[i];
        if (!target_has_vanished(targets, target)) {
            target->index = (uint32_t)n_kept;
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
    if (target->machine)
        target_name_use_machine(scratch, target->machine);
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
