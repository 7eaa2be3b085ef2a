/* SPDX-License-Identifier: BSD-3-Clause */
/* Records say pid, start and the parent's pid. The parent is the process with that number that was
 * born last before the child. Each process climbs its parents until one is known to belong or not,
 * and all that were passed know it then. Who does nothing is in no record, a shell that waits for
 * its command for instance: whom that had made before is looked up in /proc and is a root, too. */
#include "cli/process_tree.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/array.h"
#include "common/error.h"
#include "common/record.h"
#include "common/scope.h"

#define DEPTH_MAX 64                   /* generations that are moved at once */
#define COMM_LENGTH 15                 /* of the kernel's 16 bytes */
#define KERNEL_THREAD_FLAG 0x00200000u /* PF_KTHREAD, linux/sched.h */

void process_tree_deinit(struct process_tree *tree)
{
    free(tree->roots);
    free(tree->members);
    *tree = (struct process_tree){0};
}

/* ---- who lives now ---- */

/* Flags and start of a process, from the fields behind its command: proc_pid_stat(5). False also
 * for one that has ended and only waits for its parent (Z), unless it has threads that go on. */
static bool read_stat(int64_t pid, int64_t *ret_start_ticks, unsigned *ret_flags)
{
    char path[64], text[1024];
    (void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/stat", pid);
    SCOPED(scope_fclose) FILE *file = fopen(path, "re");
    size_t size = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    text[size] = '\0';
    const char *end = strrchr(text, ')');
    char state;
    int n_threads;
    return end &&
           sscanf(end + 1,
                  " %c %*d %*d %*d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %d %*d "
                  "%" SCNd64,
                  &state, ret_flags, &n_threads, ret_start_ticks) == 4 &&
           (!strchr("ZXx", state) || n_threads > 1);
}

/* The process of a thread; the same number for a process, 0 unknown. */
static int64_t process_of(int64_t thread)
{
    char path[64], line[128];
    int64_t process = 0;
    (void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/status", thread);
    SCOPED(scope_fclose) FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "Tgid: %" SCNd64, &process) == 1)
            break;
    return process;
}

bool process_key_lives(const struct process_key *key)
{
    int64_t start_ticks;
    unsigned flags;
    return read_stat(key->pid, &start_ticks, &flags) && start_ticks == key->start_ticks;
}

static int compare_keys(const void *a, const void *b)
{
    const struct process_key *left = a, *right = b; /* structs that begin with a key, too */
    if (left->pid != right->pid)
        return left->pid < right->pid ? -1 : 1;
    return (left->start_ticks > right->start_ticks) - (left->start_ticks < right->start_ticks);
}

static int add_root(struct process_tree *tree, struct process_key key, int64_t gone_ms)
{
    if (array_reserve(&tree->roots, &tree->roots_capacity, tree->n_roots + 1,
                      sizeof(*tree->roots)) < 0)
        return -ENOMEM;
    tree->roots[tree->n_roots++] = (struct process_root){key, gone_ms};
    return 0;
}

static int add_key(struct process_key **keys, size_t *n_keys, size_t *capacity,
                   struct process_key key)
{
    if (array_reserve(keys, capacity, *n_keys + 1, sizeof(**keys)) < 0)
        return -ENOMEM;
    (*keys)[(*n_keys)++] = key;
    return 0;
}

int process_tree_add_pid(struct process_tree *tree, pid_t pid, struct error *err)
{
    struct process_key key = {.pid = pid};
    unsigned flags;
    if (!read_stat(pid, &key.start_ticks, &flags))
        return error_set(err, -ESRCH, "there is no process %d", (int)pid);
    int64_t process = process_of(pid);
    if (process > 0 && process != pid)
        return error_set(err, -EINVAL, "%d is a thread: follow its process, %" PRId64, (int)pid,
                         process);
    if (flags & KERNEL_THREAD_FLAG)
        return error_set(err, -EINVAL, "process %d is a kernel thread: those are counted together",
                         (int)pid);
    return add_root(tree, key, VALUE_ABSENT) < 0 ? error_set(err, -ENOMEM, "out of memory") : 0;
}

int process_tree_leave_out(struct process_tree *tree, pid_t pid, struct error *err)
{
    struct process_key key = {.pid = pid};
    unsigned flags;
    if (!read_stat(pid, &key.start_ticks, &flags))
        return error_set(err, -ESRCH, "there is no process %d", (int)pid);
    tree->without = key;
    return 0;
}

static bool has_name(int64_t pid, const char *name)
{
    char path[64], comm[64];
    (void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/comm", pid);
    SCOPED(scope_fclose) FILE *file = fopen(path, "re");
    size_t size = file ? fread(comm, 1, sizeof(comm), file) : 0;
    if (size < 2) /* a newline ends it; there may be others in it */
        return false;
    comm[size - 1] = '\0';
    return strncmp(comm, name, COMM_LENGTH) == 0;
}

int process_tree_add_name(struct process_tree *tree, const char *name, struct error *err)
{
    size_t n_before = tree->n_roots;
    bool is_kernel = false;
    DIR *folder = opendir("/proc");
    if (!folder)
        return error_set(err, -errno, "/proc: %s", strerror(errno));
    int r = 0;
    for (struct dirent *entry; r >= 0 && (entry = readdir(folder));) {
        int64_t pid = isdigit((unsigned char)entry->d_name[0]) ? atoll(entry->d_name) : 0;
        if (pid <= 0 || pid == getpid() || !has_name(pid, name))
            continue;
        struct error ignored = {0};
        r = process_tree_add_pid(tree, (pid_t)pid, &ignored);
        is_kernel |= r == -EINVAL;
        if (r == -ESRCH || r == -EINVAL) /* it has just gone, or is the kernel's */
            r = 0;
    }
    (void)closedir(folder);
    if (r < 0)
        return error_set(err, r, "%s: %s", name, strerror(-r));
    if (tree->n_roots > n_before)
        return 0;
    return is_kernel ? error_set(err, -EINVAL,
                                 "%s is a kernel thread: those are counted together", name)
                     : error_set(err, -ESRCH, "no process is called %s", name);
}

static bool is_alive(struct process_tree *tree, struct process_key key)
{
    if (!process_key_lives(&key))
        return false;
    tree->alive = key;
    return true;
}

/* Most members of a tree that makes many are dead: who lived before is asked first. */
bool process_tree_lives(struct process_tree *tree)
{
    if (tree->alive.pid > 0 && is_alive(tree, tree->alive))
        return true;
    for (size_t i = 0; i < tree->n_roots; i++)
        if (tree->roots[i].gone_ms == VALUE_ABSENT && is_alive(tree, tree->roots[i].key))
            return true;
    for (size_t i = 0; i < tree->n_members; i++)
        if (is_alive(tree, tree->members[i]))
            return true;
    return false;
}

/* Who is told of each process. */
struct visitor {
    int (*take)(pid_t pid, void *context, struct error *err);
    void *context;
    int64_t without; /* a pid */
};

/* The processes that one has made and that still are its children. */
static int each_child(int64_t pid, const struct visitor *visitor, int depth, struct error *err);

static int each_from(int64_t pid, const struct visitor *visitor, int depth, struct error *err)
{
    if (pid == visitor->without)
        return 0;
    int r = visitor->take((pid_t)pid, visitor->context, err);
    if (r < 0)
        return r == -ESRCH ? 0 : r;
    return depth < DEPTH_MAX ? each_child(pid, visitor, depth + 1, err) : 0;
}

static int each_child(int64_t pid, const struct visitor *visitor, int depth, struct error *err)
{
    char pattern[64];
    glob_t threads;
    int r = 0;
    (void)snprintf(pattern, sizeof(pattern), "/proc/%" PRId64 "/task/*/children", pid);
    if (glob(pattern, GLOB_NOSORT, NULL, &threads) != 0)
        return 0;
    for (size_t i = 0; i < threads.gl_pathc && r >= 0; i++) {
        int64_t child;
        SCOPED(scope_fclose) FILE *file = fopen(threads.gl_pathv[i], "re");
        while (r >= 0 && file && fscanf(file, "%" SCNd64, &child) == 1)
            r = each_from(child, visitor, depth, err);
    }
    globfree(&threads);
    return r;
}

int process_tree_each(const struct process_tree *tree,
                      int (*take)(pid_t pid, void *context, struct error *err), void *context,
                      struct error *err)
{
    const struct visitor visitor = {take, context, tree->without.pid};
    int r = 0;
    for (size_t i = 0; i < tree->n_roots && r >= 0; i++)
        if (process_key_lives(&tree->roots[i].key))
            r = each_from(tree->roots[i].key.pid, &visitor, 0, err);
    return r;
}

/* Roots by pid and start, each once. */
static void sort_roots(struct process_tree *tree)
{
    size_t n_roots = 0;
    if (tree->n_roots > 0)
        qsort(tree->roots, tree->n_roots, sizeof(*tree->roots), compare_keys);
    for (size_t i = 0; i < tree->n_roots; i++)
        if (n_roots == 0 || compare_keys(&tree->roots[n_roots - 1].key, &tree->roots[i].key) != 0)
            tree->roots[n_roots++] = tree->roots[i];
    tree->n_roots = n_roots;
}

static int take_living(pid_t pid, void *context, struct error *err)
{
    struct process_tree *found = context;
    struct process_key key = {.pid = pid};
    unsigned flags;
    if (!read_stat(pid, &key.start_ticks, &flags))
        return 0;
    return add_root(found, key, VALUE_ABSENT) < 0 ? error_set(err, -ENOMEM, "out of memory") : 0;
}

int process_tree_adopt(struct process_tree *tree, struct error *err)
{
    struct process_tree found = {0};
    int r = process_tree_each(tree, take_living, &found, err);
    for (size_t i = 0; i < found.n_roots && r >= 0; i++)
        if (add_root(tree, found.roots[i].key, VALUE_ABSENT) < 0)
            r = error_set(err, -ENOMEM, "out of memory");
    sort_roots(tree);
    process_tree_deinit(&found);
    return r;
}

/* ---- who belongs ---- */

enum belonging { UNKNOWN, ASKED, BELONGS, BELONGS_NOT };

struct birth {
    struct process_key key;
    int64_t parent_pid;
    enum belonging belonging;
};

/* The last of items, which begin with their keys and are sorted by them, with this number and born
 * no later than start_ticks. */
static void *find_last(void *items, size_t n_items, size_t item_size, int64_t pid,
                       int64_t start_ticks)
{
    const struct process_key wanted = {pid, start_ticks};
    size_t low = 0, high = n_items;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_keys((char *)items + middle * item_size, &wanted) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    struct process_key *last = low > 0 ? (void *)((char *)items + (low - 1) * item_size) : NULL;
    return last && last->pid == pid ? last : NULL;
}

static bool is_root(const struct process_tree *tree, const struct process_key *key)
{
    return tree->n_roots > 0 &&
           bsearch(key, tree->roots, tree->n_roots, sizeof(*tree->roots), compare_keys);
}

/* Whether its parent is a root that no record tells of. Who made it while records were made would
 * be in one, so the number has not been used again. */
static bool is_child_of_root(const struct process_tree *tree, const struct birth *birth)
{
    return find_last(tree->roots, tree->n_roots, sizeof(*tree->roots), birth->parent_pid,
                     birth->key.start_ticks);
}

static struct birth *parent_of(struct birth *births, size_t n_births, const struct birth *birth)
{
    if (birth->parent_pid == VALUE_ABSENT)
        return NULL;
    return find_last(births, n_births, sizeof(*births), birth->parent_pid,
                     birth->key.start_ticks);
}

static bool is_left_out(const struct process_tree *tree, const struct process_key *key)
{
    return compare_keys(&tree->without, key) == 0;
}

/* Numbers from a damaged store may go in a circle: who is asked twice belongs not. */
static void settle(const struct process_tree *tree, struct birth *births, size_t n_births,
                   struct birth *first)
{
    struct birth *birth = first, *last = first;
    while (birth && birth->belonging == UNKNOWN && !is_left_out(tree, &birth->key) &&
           !is_root(tree, &birth->key)) {
        birth->belonging = ASKED;
        last = birth;
        birth = parent_of(births, n_births, birth);
    }
    bool belongs = birth ? birth->belonging != BELONGS_NOT && birth->belonging != ASKED &&
                               !is_left_out(tree, &birth->key)
                         : is_child_of_root(tree, last);
    if (birth && belongs)
        birth->belonging = BELONGS;
    for (birth = first; birth && birth->belonging == ASKED;
         birth = parent_of(births, n_births, birth))
        birth->belonging = belongs ? BELONGS : BELONGS_NOT;
}

static size_t list_births(const struct identities *identities, struct birth **ret_births)
{
    size_t n_identities, n_births = 0;
    struct identity *const *all = identities_all(identities, &n_identities);
    struct birth *births = calloc(n_identities ? n_identities : 1, sizeof(*births));
    for (size_t i = 0; births && i < n_identities; i++)
        if (all[i]->pid != VALUE_ABSENT && all[i]->start_ticks != VALUE_ABSENT)
            births[n_births++] = (struct birth){.key = {all[i]->pid, all[i]->start_ticks},
                                                .parent_pid = all[i]->parent_pid};
    *ret_births = births;
    return n_births;
}

static bool is_member(const struct process_tree *tree, const struct process_key *key)
{
    return tree->n_members > 0 &&
           bsearch(key, tree->members, tree->n_members, sizeof(*key), compare_keys);
}

int process_tree_grow(struct process_tree *tree, const struct identities *identities)
{
    SCOPED(scope_free) struct birth *births = NULL;
    size_t n_births = list_births(identities, &births);
    int r = births ? 0 : -ENOMEM;
    sort_roots(tree);
    if (n_births > 0)
        qsort(births, n_births, sizeof(*births), compare_keys);
    tree->n_members = 0;
    for (size_t i = 0; i < n_births && r >= 0; i++) {
        if (births[i].belonging == UNKNOWN)
            settle(tree, births, n_births, &births[i]);
        if (births[i].belonging == BELONGS)
            r = add_key(&tree->members, &tree->n_members, &tree->members_capacity, births[i].key);
    }
    if (!is_root(tree, &tree->alive) && !is_member(tree, &tree->alive))
        tree->alive = (struct process_key){0};
    return r;
}

bool process_tree_has(const struct process_tree *tree, const struct identity *identity)
{
    const struct process_key key = {identity->pid, identity->start_ticks};
    return identity->pid != VALUE_ABSENT && is_member(tree, &key);
}

int process_tree_sweep(struct process_tree *tree, const struct identities *identities,
                       int64_t now_ms, int64_t before_ms)
{
    struct process_tree next = {0};
    size_t n_identities;
    struct identity *const *all = identities_all(identities, &n_identities);
    int r = 0;
    for (size_t i = 0; i < tree->n_roots && r >= 0; i++) {
        struct process_root *root = &tree->roots[i];
        if (root->gone_ms == VALUE_ABSENT && !process_key_lives(&root->key))
            root->gone_ms = now_ms;
        if (root->gone_ms == VALUE_ABSENT || root->gone_ms >= before_ms)
            r = add_root(&next, root->key, root->gone_ms);
    }
    for (size_t i = 0; i < n_identities && r >= 0; i++)
        if (process_tree_has(tree, all[i]))
            r = add_root(&next, (struct process_key){all[i]->pid, all[i]->start_ticks},
                         all[i]->gone_ms);
    if (r < 0) {
        free(next.roots);
        return r;
    }
    free(tree->roots);
    tree->roots = next.roots;
    tree->n_roots = next.n_roots;
    tree->roots_capacity = next.roots_capacity;
    return process_tree_grow(tree, identities);
}
