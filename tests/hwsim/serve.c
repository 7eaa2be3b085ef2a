/* SPDX-License-Identifier: BSD-3-Clause */
/* Nothing is cached and files have no size: every read at the start of a file makes its text anew,
 * later ones go on in it, as sysfs does. Registers are read by offset and keep no text. */
#define FUSE_USE_VERSION 35
#include "tests/hwsim/serve.h"

#include <dirent.h>
#include <errno.h>
#include <fuse.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/error.h"
#include "common/scope.h"
#include "tests/hwsim/msr.h"
#include "tests/hwsim/tree.h"
#include "tests/hwsim/truth.h"

/* Listed in the tree, since nobody says that they are closed when the end comes first. */
struct file {
    struct file *next;
    const struct node *node; /* the table no longer grows */
    char *text;              /* of the last read at the start */
    size_t size;
};

static struct tree *served(void)
{
    return fuse_get_context()->private_data;
}

static void file_free(struct file *file)
{
    free(file->text);
    free(file);
}

static struct file *file_of(const struct fuse_file_info *info)
{
    return (struct file *)(uintptr_t)info->fh;
}

static mode_t mode_of(const struct node *node)
{
    if (node->kind == NODE_FOLDER || node->kind == NODE_MIRROR)
        return S_IFDIR | 0755;
    return node->kind == NODE_LINK ? S_IFLNK | 0777 : S_IFREG | node->mode;
}

static int on_getattr(const char *path, struct stat *status, struct fuse_file_info *info)
{
    char target[300];
    const struct node *node = info ? file_of(info)->node : tree_find(served(), path);
    memset(status, 0, sizeof(*status));
    status->st_nlink = 1;
    if (node)
        status->st_mode = mode_of(node);
    else if (tree_mirror(served(), path, target, sizeof(target)) == 0)
        status->st_mode = S_IFLNK | 0777;
    else
        return -ENOENT;
    return 0;
}

static int on_readlink(const char *path, char *target, size_t size)
{
    const struct node *node = tree_find(served(), path);
    if (!node)
        return tree_mirror(served(), path, target, size);
    (void)snprintf(target, size, "%s", node->text);
    return 0;
}

static void list_mirror(const struct node *folder, void *listing, fuse_fill_dir_t fill)
{
    char path[300], target[300];
    DIR *mirrored = opendir(folder->text);
    for (struct dirent *entry; mirrored && (entry = readdir(mirrored));) {
        (void)snprintf(path, sizeof(path), "%s/%s", folder->path, entry->d_name);
        if (entry->d_name[0] != '.' && !tree_find(served(), path) &&
            tree_mirror(served(), path, target, sizeof(target)) == 0)
            (void)fill(listing, entry->d_name, NULL, 0, 0);
    }
    if (mirrored)
        (void)closedir(mirrored);
}

static int on_readdir(const char *path, void *listing, fuse_fill_dir_t fill, off_t offset,
                      struct fuse_file_info *info, enum fuse_readdir_flags flags)
{
    (void)offset;
    (void)info;
    (void)flags;
    const struct tree *tree = served();
    const struct node *folder = tree_find(tree, path);
    if (!folder)
        return -ENOENT;
    (void)fill(listing, ".", NULL, 0, 0);
    (void)fill(listing, "..", NULL, 0, 0);
    for (size_t i = 0; i < tree->n_nodes; i++) {
        const char *name = tree_child(folder->path, tree->nodes[i].path);
        if (name && tree_find(tree, tree->nodes[i].path))
            (void)fill(listing, name, NULL, 0, 0);
    }
    if (folder->kind == NODE_MIRROR)
        list_mirror(folder, listing, fill);
    return 0;
}

static void write_online(const struct tree *tree, FILE *text)
{
    const struct machine *machine = tree->energy->machine;
    const char *separator = "";
    for (int cpu = 0; cpu < machine->n_cpus; cpu++) {
        if (energy_cpu_is_gone(tree->energy, cpu))
            continue;
        (void)fprintf(text, "%s%d", separator, cpu);
        separator = ",";
    }
    (void)fputc('\n', text);
}

static void write_cpumask(const struct tree *tree, FILE *text)
{
    const struct machine *machine = tree->energy->machine;
    const char *separator = "";
    int last = -1;
    for (int cpu = 0; cpu < machine->n_cpus; cpu++) {
        if (energy_cpu_is_gone(tree->energy, cpu) || machine_package_of(machine, cpu) == last)
            continue;
        last = machine_package_of(machine, cpu);
        (void)fprintf(text, "%s%d", separator, cpu);
        separator = ",";
    }
    (void)fputc('\n', text);
}

static int write_zone(struct tree *tree, const struct node *node, FILE *text)
{
    uint32_t raw;
    struct counter *counter = &tree->energy->counters[node->number];
    int r = energy_read(tree->energy, counter, &raw);
    if (r == 0)
        (void)fprintf(text, "%" PRIu64 "\n", raw * counter->zone_unit_nj / 1000);
    return r;
}

static int write_text(struct tree *tree, const struct node *node, FILE *text)
{
    if (node->kind == NODE_ZONE)
        return write_zone(tree, node, text);
    if (node->kind == NODE_FILE)
        return sys_file_write(tree->energy, node->file, text);
    if (node->kind == NODE_TRUTH)
        return truth_write(tree->energy, text);
    if (node->kind == NODE_ONLINE)
        write_online(tree, text);
    else if (node->kind == NODE_CPUMASK)
        write_cpumask(tree, text);
    else if (node->kind == NODE_CLOCK)
        (void)fprintf(text, "%" PRIu64 "\n", energy_now_ns(tree->energy));
    else
        (void)fputs(node->text, text);
    return 0;
}

static int make_text(struct tree *tree, struct file *file)
{
    free(file->text);
    file->text = NULL;
    FILE *text = open_memstream(&file->text, &file->size);
    if (!text)
        return -ENOMEM;
    int r = write_text(tree, file->node, text);
    return fclose(text) == 0 ? r : -ENOMEM;
}

static int on_open(const char *path, struct fuse_file_info *info)
{
    const struct node *node = tree_find(served(), path);
    struct file *file = node ? calloc(1, sizeof(*file)) : NULL;
    if (!file)
        return node ? -ENOMEM : -ENOENT;
    file->node = node;
    file->next = served()->open_files;
    served()->open_files = file;
    info->fh = (uintptr_t)file;
    info->direct_io = 1;
    return 0;
}

static int on_release(const char *path, struct fuse_file_info *info)
{
    (void)path;
    struct file **at = &served()->open_files;
    while (*at && *at != file_of(info))
        at = &(*at)->next;
    if (*at)
        *at = file_of(info)->next;
    file_free(file_of(info));
    return 0;
}

/* The offset is the register, and every eight bytes are that same register. */
static int read_msr(struct tree *tree, const struct node *node, char *bytes, size_t size,
                    off_t offset)
{
    if (size % sizeof(uint64_t) != 0)
        return -EINVAL;
    for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
        uint64_t value;
        int r = msr_read(tree->energy, node->number, (uint64_t)offset & 0xffffffff, &value);
        if (r < 0)
            return r;
        memcpy(bytes + i, &value, sizeof(value));
    }
    return (int)size;
}

static int on_read(const char *path, char *bytes, size_t size, off_t offset,
                   struct fuse_file_info *info)
{
    (void)path;
    struct tree *tree = served();
    struct file *file = file_of(info);
    const struct node *node = file->node;
    if (tree_is_gone(tree, node))
        return node->kind == NODE_MSR ? -ENXIO : -ENODEV;
    if (node->kind == NODE_MSR)
        return read_msr(tree, node, bytes, size, offset);
    int r = offset == 0 || !file->text ? make_text(tree, file) : 0;
    if (r < 0)
        return r;
    if ((size_t)offset >= file->size)
        return 0;
    size_t left = file->size - (size_t)offset;
    size = size < left ? size : left;
    memcpy(bytes, file->text + offset, size);
    return (int)size;
}

/* The clock goes forward only: ns, absolute. */
static int on_write(const char *path, const char *bytes, size_t size, off_t offset,
                    struct fuse_file_info *info)
{
    (void)path;
    (void)offset;
    char text[32], *end;
    struct tree *tree = served();
    if (file_of(info)->node->kind != NODE_CLOCK || tree->energy->machine->clock != SIM_CLOCK_FILE)
        return -EACCES;
    if (size >= sizeof(text))
        return -EINVAL;
    memcpy(text, bytes, size);
    text[size] = '\0';
    errno = 0;
    unsigned long long now_ns = strtoull(text, &end, 10);
    if (errno != 0 || end == text || (*end && *end != '\n') || now_ns < tree->energy->clock_ns)
        return -EINVAL;
    tree->energy->clock_ns = now_ns;
    return (int)size;
}

static int on_truncate(const char *path, off_t size, struct fuse_file_info *info)
{
    (void)size;
    (void)info;
    const struct node *node = tree_find(served(), path);
    return node && node->kind == NODE_CLOCK ? 0 : -EACCES;
}

static void *on_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
    (void)connection;
    config->entry_timeout = 0;
    config->attr_timeout = 0;
    config->negative_timeout = 0;
    config->direct_io = 1;
    return served();
}

static const struct fuse_operations operations = {
    .init = on_init,
    .getattr = on_getattr,
    .readlink = on_readlink,
    .readdir = on_readdir,
    .open = on_open,
    .read = on_read,
    .write = on_write,
    .truncate = on_truncate,
    .release = on_release,
};

static int run(struct fuse *fuse, const char *folder, void (*ready)(void *context), void *context,
               struct error *err)
{
    struct fuse_session *session = fuse_get_session(fuse);
    if (fuse_mount(fuse, folder) != 0)
        return error_set(err, -ENODEV,
                         "%s: cannot be mounted: be root, and load the module (modprobe fuse)",
                         folder);
    int r = fuse_set_signal_handlers(session);
    if (r == 0) {
        ready(context);
        r = fuse_loop(fuse);
        fuse_remove_signal_handlers(session);
    }
    fuse_unmount(fuse);
    /* A positive result is the signal that ended it. */
    return r < 0 ? error_set(err, r, "%s: serving failed: %s", folder, strerror(-r)) : 0;
}

int serve(struct tree *tree, const char *folder, void (*ready)(void *context), void *context,
          struct error *err)
{
    char *argv[] = {"watt-hwsim", "-o", "allow_other,default_permissions,fsname=watt-hwsim", NULL};
    struct fuse_args arguments = FUSE_ARGS_INIT((int)ARRAY_SIZE(argv) - 1, argv);
    struct fuse *fuse = fuse_new(&arguments, &operations, sizeof(operations), tree);
    int r = fuse ? run(fuse, folder, ready, context, err)
                 : error_set(err, -EINVAL, "libfuse refuses its options");
    if (fuse)
        fuse_destroy(fuse);
    for (struct file *file; (file = tree->open_files);) {
        tree->open_files = file->next;
        file_free(file);
    }
    fuse_opt_free_args(&arguments);
    return r;
}
