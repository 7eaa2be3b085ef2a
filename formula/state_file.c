/* SPDX-License-Identifier: BSD-3-Clause */
/* The checksum comes last and is over all that stands before it, so that no byte of a file is
 * believed unchecked. */
#include "formula/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "common/scope.h"

#define FORMAT 3
#define SIZE_MAX_BYTES ((size_t)1 << 30)

#define LENGTH_SIZE 4                                 /* a BSON document begins with its length */
#define TRAILER_SIZE (1 + sizeof("checksum") + 8 + 1) /* type, key, value; the document's end */

static int64_t checksum(const uint8_t *bytes, size_t size)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return (int64_t)hash;
}

/* ---- writing ---- */

static int write_all(int fd, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        bytes += n;
        size -= (size_t)n;
    }
    return fsync(fd) < 0 ? -errno : 0;
}

static int write_new(const char *path, const bson_t *file)
{
    SCOPED(scope_close) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return -errno;
    return write_all(fd, bson_get_data(file), file->len);
}

static int open_folder(const char *path)
{
    SCOPED(scope_free) char *folder = strdup(path);
    if (!folder)
        return -ENOMEM;
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder ? 1 : 0] = '\0';
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* The name itself must reach the disk too; a file system that cannot is no reason to fail. */
static void sync_folder(const char *path)
{
    SCOPED(scope_close) int fd = open_folder(path);
    if (fd >= 0)
        (void)fsync(fd);
}

int state_file_check(const char *path, struct error *err)
{
    struct stat status;
    SCOPED(scope_close) int fd = open_folder(path);
    int r = fd < 0 ? fd : 0;
    if (r == 0 && faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) < 0)
        r = -errno;
    if (r == 0 && stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        r = -EISDIR;
    return r < 0 ? error_set(err, r, "state %s cannot be written: %s", path, strerror(-r)) : 0;
}

int state_file_write(const char *path, const bson_t *state, struct error *err)
{
    SCOPED(scope_free) char *beside = NULL;
    if (asprintf(&beside, "%s.new", path) < 0) {
        beside = NULL;
        return error_set(err, -ENOMEM, "state: out of memory");
    }
    bson_t file = BSON_INITIALIZER;
    BSON_APPEND_UTF8(&file, "kind", "model");
    BSON_APPEND_INT32(&file, "v", FORMAT);
    BSON_APPEND_UTF8(&file, "version", WATT_VERSION);
    BSON_APPEND_DOCUMENT(&file, "state", state);
    BSON_APPEND_INT64(&file, "checksum",
                      checksum(bson_get_data(&file) + LENGTH_SIZE, file.len - LENGTH_SIZE - 1));
    int r = write_new(beside, &file);
    bson_destroy(&file);
    if (r >= 0 && rename(beside, path) < 0)
        r = -errno;
    if (r < 0) {
        (void)unlink(beside);
        return error_set(err, r, "state %s: %s", path, strerror(-r));
    }
    sync_folder(path);
    return 0;
}

/* ---- reading ---- */

static int read_all(const char *path, uint8_t **ret_bytes, size_t *ret_size, struct error *err)
{
    /* Opening a pipe would wait for who writes into it. */
    SCOPED(scope_close) int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0) {
        int r = -errno;
        return error_set(err, r, "state %s: %s", path, strerror(-r));
    }
    size_t size = (size_t)status.st_size;
    if (!S_ISREG(status.st_mode) || size > SIZE_MAX_BYTES)
        return error_set(err, -EBADMSG, "state %s: this is no saved state", path);
    uint8_t *bytes = malloc(size + 1);
    if (!bytes)
        return error_set(err, -ENOMEM, "state: out of memory");
    ssize_t n = 0;
    *ret_size = 0;
    while ((n = read(fd, bytes + *ret_size, size - *ret_size)) > 0 || (n < 0 && errno == EINTR))
        *ret_size += n > 0 ? (size_t)n : 0;
    if (n < 0) {
        int r = -errno;
        free(bytes);
        return error_set(err, r, "state %s: %s", path, strerror(-r));
    }
    *ret_bytes = bytes;
    return 0;
}

static int unpack(const char *path, const uint8_t *bytes, size_t size, bson_t **ret_state,
                  struct error *err)
{
    bson_t file;
    bson_iter_t field;
    if (size < 5 || !bson_init_static(&file, bytes, size) ||
        !bson_validate(&file, BSON_VALIDATE_NONE, NULL))
        return error_set(err, -EBADMSG, "state %s: cut off, or no saved state", path);
    if (!bson_iter_init_find(&field, &file, "v") || !BSON_ITER_HOLDS_INT32(&field) ||
        bson_iter_int32(&field) != FORMAT)
        return error_set(err, -EBADMSG, "state %s: of another version of watt-formula", path);
    if (size < LENGTH_SIZE + TRAILER_SIZE || !bson_iter_init_find(&field, &file, "checksum") ||
        !BSON_ITER_HOLDS_INT64(&field) ||
        bson_iter_int64(&field) != checksum(bytes + LENGTH_SIZE, size - LENGTH_SIZE - TRAILER_SIZE))
        return error_set(err, -EBADMSG, "state %s: damaged: its checksum is wrong", path);
    const uint8_t *state = NULL;
    uint32_t state_size = 0;
    if (bson_iter_init_find(&field, &file, "state") && BSON_ITER_HOLDS_DOCUMENT(&field))
        bson_iter_document(&field, &state_size, &state);
    *ret_state = state ? bson_new_from_data(state, state_size) : NULL;
    return *ret_state ? 0 : error_set(err, -EBADMSG, "state %s: damaged", path);
}

int state_file_read(const char *path, bson_t **ret_state, struct error *err)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    int r = read_all(path, &bytes, &size, err);
    if (r < 0)
        return r;
    r = unpack(path, bytes, size, ret_state, err);
    free(bytes);
    return r;
}
