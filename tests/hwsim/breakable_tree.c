/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/hwsim/breakable_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/array.h"
#include "common/scope.h"

#define HUGE_SIZE 70000

static void put_counters(const struct recorded *recorded)
{
    static const struct {
        uint64_t address, value;
    } registers[] = {
        {0x606, 0xa0e03}, {0x611, 1000}, {0x614, 0x3e8}, {0x619, 1000},
        {0x639, 1000},    {0x641, 1000}, {0x64d, 1000},  {0xc0010299, 0xa1003},
    };
    char name[200], path[PATH_MAX];
    for (size_t i = 0; i < recorded->n_zones; i++) {
        (void)snprintf(name, sizeof(name), "%s/energy_uj", recorded->zones[i].path);
        made_tree_write(&recorded->tree, name, "1000000\n");
    }
    for (size_t i = 0; i < recorded->n_cpus && recorded->simulate; i++) {
        (void)snprintf(name, sizeof(name), "dev/cpu/%d/msr", recorded->cpus[i].cpu);
        made_tree_write(&recorded->tree, name, "");
        made_tree_path(&recorded->tree, name, path);
        SCOPED(scope_close) int fd = open(path, O_WRONLY | O_CLOEXEC);
        for (size_t r = 0; r < ARRAY_SIZE(registers) && fd >= 0; r++)
            (void)!pwrite(fd, &registers[r].value, sizeof(uint64_t), (off_t)registers[r].address);
    }
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static void keep_file(struct breakable_tree *tree, const char *path)
{
    char full[PATH_MAX], bytes[65536];
    struct stat status;
    made_tree_path(&tree->recorded.tree, path, full);
    if (lstat(full, &status) < 0 || array_reserve(&tree->files, &tree->capacity, tree->n_files + 1,
                                                  sizeof(struct breakable_file)) < 0)
        abort();
    struct breakable_file *file = &tree->files[tree->n_files++];
    *file = (struct breakable_file){.is_link = S_ISLNK(status.st_mode)};
    (void)snprintf(file->path, sizeof(file->path), "%s", path);
    file->is_zone = ends_with(path, "/energy_uj");
    file->is_msr = ends_with(path, "/msr");
    if (file->is_msr)
        return;
    ssize_t size = -1;
    if (file->is_link) {
        size = readlink(full, bytes, sizeof(bytes));
    } else {
        SCOPED(scope_close) int fd = open(full, O_RDONLY | O_CLOEXEC);
        size = read(fd, bytes, sizeof(bytes));
    }
    file->bytes = size < 0 ? NULL : calloc(1, (size_t)size + 1);
    if (!file->bytes)
        abort();
    memcpy(file->bytes, bytes, (size_t)size);
    file->size = (size_t)size;
}

static bool is_per_cpu(const struct breakable_file *file)
{
    return file->is_msr || strstr(file->path, "/topology/");
}

static int compare_files(const void *a, const void *b)
{
    const struct breakable_file *one = a, *other = b;
    if (is_per_cpu(one) != is_per_cpu(other))
        return is_per_cpu(one) - is_per_cpu(other);
    return strcmp(one->path, other->path);
}

static void keep_folder(struct breakable_tree *tree, const char *folder)
{
    char full[PATH_MAX], path[200];
    made_tree_path(&tree->recorded.tree, folder, full);
    DIR *directory = opendir(full);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof(path), "%s%s%s", folder, *folder ? "/" : "", entry->d_name);
        if (entry->d_type == DT_DIR)
            keep_folder(tree, path);
        else
            keep_file(tree, path);
    }
    if (directory)
        (void)closedir(directory);
}

void breakable_tree_init(struct breakable_tree *tree, const char *path)
{
    *tree = (struct breakable_tree){0};
    recorded_read(&tree->recorded, path);
    put_counters(&tree->recorded);
    made_tree_write(&tree->recorded.tree, "proc/stat", "cpu  100 0 0 300 0 0 0 0 0 0\n");
    keep_folder(tree, "");
    qsort(tree->files, tree->n_files, sizeof(struct breakable_file), compare_files);
    while (tree->n_few < tree->n_files && !is_per_cpu(&tree->files[tree->n_few]))
        tree->n_few++;
}

void breakable_tree_deinit(struct breakable_tree *tree)
{
    for (size_t i = 0; i < tree->n_files; i++)
        free(tree->files[i].bytes);
    free(tree->files);
    recorded_free(&tree->recorded);
}

/* ---- breaking files ---- */

/* What numbers, scales, lists and names must survive. */
static const char *const nonsense[] = {
    "",
    "\n",
    "0",
    "0\n",
    "-1\n",
    "-9223372036854775808",
    "9223372036854775807",
    "18446744073709551616",
    "4294967295\n",
    "1e400",
    "nan\n",
    "inf",
    "-inf\n",
    "0x10\n",
    " 5\n",
    "5 5\n",
    "1.5\n",
    "0-",
    "5-3\n",
    "0,,1",
    "0-999999999",
    "65535\n",
    "0-511\n",
    "a\n",
    "%s%n\n",
    "package--1\n",
    "package-99999999999",
    "psys-\n",
    "event=\n",
    "event=0xffffffffffffffff\n",
    "config:63-0\n",
    "Watts\n",
    "\xff\xfe\x80\n",
    "\x01\x02",
    "Discharging",
    "1\n2\n3\n",
    "1000000000000\n",
    "100000000\n",
    "2147483648\n",
};

/* It may be gone already. */
static void remove_file(const struct recorded *recorded, const struct breakable_file *file)
{
    char path[PATH_MAX];
    struct stat status;
    made_tree_path(&recorded->tree, file->path, path);
    if (lstat(path, &status) == 0)
        made_tree_remove(&recorded->tree, file->path);
}

/* The folders on the way are there. */
static void write_file(const struct recorded *recorded, const struct breakable_file *file,
                       const char *bytes, size_t size)
{
    char path[PATH_MAX];
    made_tree_path(&recorded->tree, file->path, path);
    SCOPED(scope_close)
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
        abort();
}

static void replace(const struct recorded *recorded, const struct breakable_file *file,
                    const char *bytes, size_t size)
{
    remove_file(recorded, file);
    write_file(recorded, file, bytes, size);
}

static void replace_by_digits(const struct recorded *recorded, const struct breakable_file *file)
{
    char digits[HUGE_SIZE];
    memset(digits, '9', sizeof(digits));
    replace(recorded, file, digits, sizeof(digits));
}

static void replace_by_link(const struct recorded *recorded, const struct breakable_file *file,
                            const char *target)
{
    char path[PATH_MAX];
    remove_file(recorded, file);
    made_tree_path(&recorded->tree, file->path, path);
    if (symlink(target, path) < 0)
        abort();
}

static void flip_bytes(const struct recorded *recorded, const struct breakable_file *file,
                       struct decisions *decisions)
{
    char bytes[65536];
    size_t size = file->size;
    if (size > 0)
        memcpy(bytes, file->bytes, size);
    for (int i = 0; i < 3 && size > 0; i++)
        bytes[decisions_next(decisions) % size] = (char)decisions_next(decisions);
    replace(recorded, file, bytes, size);
}

/* A register's bytes, where the sensor looks for energy, unit or power. */
static void break_msr(const struct recorded *recorded, const struct breakable_file *file,
                      struct decisions *decisions)
{
    static const uint64_t addresses[] = {0x606, 0x611, 0x614,      0x619,     0x639,
                                         0x641, 0x64d, 0xc0010299, 0xc001029b};
    char path[PATH_MAX];
    uint64_t value = 0;
    made_tree_path(&recorded->tree, file->path, path);
    uint64_t address = addresses[decisions_next(decisions) % ARRAY_SIZE(addresses)];
    for (int i = 0; i < 8; i++)
        value = value << 8 | decisions_next(decisions);
    if (decisions_next(decisions) % 8 == 0) {
        if (truncate(path, (off_t)(address % 0x10000)) < 0)
            abort();
        return;
    }
    SCOPED(scope_close) int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        (void)!pwrite(fd, &value, sizeof(value), (off_t)address);
}

void breakable_tree_break(struct breakable_tree *tree, struct breakable_file *file,
                          struct decisions *decisions)
{
    const struct recorded *recorded = &tree->recorded;
    uint8_t kind = decisions_next(decisions) % 16;
    file->is_broken = true;
    if (file->is_msr && kind < 12) {
        break_msr(recorded, file, decisions);
        return;
    }
    const struct breakable_file *other = &tree->files[decisions_next(decisions) % tree->n_files];
    const char *text = nonsense[decisions_next(decisions) % ARRAY_SIZE(nonsense)];
    switch (kind) {
    case 0:
        replace_by_digits(recorded, file);
        break;
    case 1: /* without its newline, or cut */
        replace(recorded, file, file->bytes,
                file->size ? decisions_next(decisions) % file->size : 0);
        break;
    case 2:
        flip_bytes(recorded, file, decisions);
        break;
    case 3:
        replace(recorded, file, other->bytes, other->size);
        break;
    case 4:
        remove_file(recorded, file);
        made_tree_mkdir(&recorded->tree, file->path);
        break;
    case 5: /* a loop */
        replace_by_link(recorded, file, strrchr(file->path, '/') + 1);
        break;
    case 6:
        replace_by_link(recorded, file, "/proc/self/mem"); /* a read error */
        break;
    case 7:
        remove_file(recorded, file);
        break;
    default:
        replace(recorded, file, text, strlen(text));
    }
}

static void mend_file(const struct recorded *recorded, const struct breakable_file *file)
{
    char path[PATH_MAX];
    made_tree_path(&recorded->tree, file->path, path);
    remove_file(recorded, file);
    if (!file->is_link)
        write_file(recorded, file, file->bytes, file->size);
    else if (symlink(file->bytes, path) < 0)
        abort();
}

void breakable_tree_write(const struct breakable_tree *tree, const struct breakable_file *file,
                          const char *bytes, size_t size)
{
    write_file(&tree->recorded, file, bytes, size);
}

void breakable_tree_mend(struct breakable_tree *tree)
{
    bool has_msr = false;
    for (size_t i = 0; i < tree->n_files; i++) {
        struct breakable_file *file = &tree->files[i];
        if (file->is_msr && file->is_broken)
            has_msr = true;
        else if (file->is_broken)
            mend_file(&tree->recorded, file);
        else if (file->is_zone)
            write_file(&tree->recorded, file, file->bytes, file->size);
        if (file->is_msr && file->is_broken)
            remove_file(&tree->recorded, file);
        file->is_broken = false;
    }
    if (has_msr)
        put_counters(&tree->recorded);
}
