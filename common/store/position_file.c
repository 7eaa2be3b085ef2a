/* SPDX-License-Identifier: BSD-3-Clause */
/* The file is replaced whole or not at all: a reader, or we after a power cut, find the old line or
 * the new one. A line without its newline was therefore not written by us and is refused rather
 * than trusted. */
#include "common/store/position_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "common/scope.h"

static int damaged(const char *path, struct error *err)
{
    return error_set(err, -EBADMSG,
                     "%s: not a position file: remove it to begin again from the start", path);
}

static bool is_position(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] < 0x20 || text[i] > 0x7e)
            return false;
    return true;
}

int position_file_load(const char *path, char position[static POSITION_SIZE], struct error *err)
{
    SCOPED(scope_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        position[0] = '\0';
        return 0;
    }
    char text[POSITION_SIZE + 1];
    size_t size = 0;
    ssize_t n = fd < 0 ? -1 : 1;
    while (n > 0 && size < sizeof(text)) {
        n = read(fd, text + size, sizeof(text) - size);
        size += n > 0 ? (size_t)n : 0;
    }
    if (n < 0)
        return error_set(err, -errno, "%s: %s", path, strerror(errno));
    if (size == 0) {
        position[0] = '\0';
        return 0;
    }
    if (size > POSITION_SIZE || text[size - 1] != '\n' || !is_position(text, size - 1))
        return damaged(path, err);
    memcpy(position, text, size - 1);
    position[size - 1] = '\0';
    return 0;
}

static int write_line(const char *path, const char *position)
{
    char line[POSITION_SIZE + 1];
    int length = snprintf(line, sizeof(line), "%s\n", position);
    SCOPED(scope_close)
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (fd < 0)
        return -errno;
    ssize_t n = write(fd, line, (size_t)length);
    if (n != length)
        return n < 0 ? -errno : -ENOSPC;
    return fsync(fd) < 0 ? -errno : 0;
}

static int sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    SCOPED(scope_free)
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    if (!folder)
        return -ENOMEM;
    SCOPED(scope_close) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return -errno;
    return 0;
}

int position_file_save(const char *path, const char *position, struct error *err)
{
    size_t length = strlen(position);
    if (length >= POSITION_SIZE || !is_position(position, length))
        return error_set(err, -EINVAL, "%s: not a position", path);
    SCOPED(scope_free) char *beside = NULL;
    if (asprintf(&beside, "%s.new", path) < 0) {
        beside = NULL;
        return error_set(err, -ENOMEM, "%s: out of memory", path);
    }
    int r = write_line(beside, position);
    if (r == 0 && rename(beside, path) < 0)
        r = -errno;
    if (r < 0) {
        (void)unlink(beside);
        return error_set(err, r, "%s: cannot be written: %s", path, strerror(-r));
    }
    r = sync_folder(path);
    return r < 0 ? error_set(err, r, "%s: its folder cannot be synced: %s", path, strerror(-r)) : 0;
}
