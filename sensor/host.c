/* SPDX-License-Identifier: BSD-3-Clause */
/* Small files of the kernel, read whole or not at all. A file that does not fit is an error and
 * never a half: half a number is a wrong number. */
#include "sensor/host.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/scope.h"

#define MOUNTS_SIZE_MIN (64u << 10)
#define MOUNTS_SIZE_MAX (16u << 20) /* 1 MiB holds the lines of some 1,500 containers */

static ssize_t read_whole(int fd, char *text, size_t text_size, bool from_start)
{
    size_t length = 0;
    for (;;) {
        if (length + 1 >= text_size)
            return -EFBIG;
        ssize_t n = from_start ? pread(fd, text + length, text_size - length, (off_t)length)
                               : read(fd, text + length, text_size - length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        length += (size_t)n;
    }
    text[length] = '\0';
    return (ssize_t)length;
}

static ssize_t read_from(int fd, char *text, size_t text_size, bool from_start)
{
    ssize_t length = read_whole(fd, text, text_size, from_start);
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        length--;
    if (length >= 0)
        text[length] = '\0';
    return length;
}

ssize_t host_read_as_it_is(char *text, size_t text_size, int directory_fd, const char *path)
{
    SCOPED(scope_close) int fd = openat(directory_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return fd < 0 ? -errno : read_whole(fd, text, text_size, false);
}

__attribute__((format(printf, 3, 0))) static ssize_t
read_named(char *text, size_t text_size, const char *format, va_list arguments)
{
    char path[PATH_MAX];
    int length = vsnprintf(path, sizeof(path), format, arguments);
    if (length < 0 || (size_t)length >= sizeof(path))
        return -ENAMETOOLONG;
    SCOPED(scope_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    return read_from(fd, text, text_size, false);
}

ssize_t host_read_text(char *text, size_t text_size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    ssize_t length = read_named(text, text_size, format, arguments);
    va_end(arguments);
    return length;
}

int host_read_int64(int64_t *ret_value, const char *format, ...)
{
    char text[64];
    va_list arguments;
    va_start(arguments, format);
    ssize_t length = read_named(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (length < 0)
        return length == -EFBIG ? -EINVAL : (int)length;
    char *end;
    errno = 0;
    intmax_t value = strtoimax(text, &end, 10);
    if (length == 0 || *end || (size_t)(end - text) != (size_t)length)
        return -EINVAL;
    if (errno == ERANGE || value > INT64_MAX || value < INT64_MIN)
        return -ERANGE;
    *ret_value = value;
    return 0;
}

ssize_t host_reread(int fd, char *text, size_t text_size)
{
    return read_from(fd, text, text_size, true);
}

/* Mount points write space, tab, newline and backslash as three octal digits. */
static int unescape_mount(const char *field, size_t field_size, char *path, size_t path_size)
{
    size_t length = 0;
    for (size_t i = 0; i < field_size; i++) {
        char byte = field[i];
        if (byte == '\\' && i + 3 < field_size && field[i + 1] >= '0' && field[i + 1] <= '3' &&
            field[i + 2] >= '0' && field[i + 2] <= '7' && field[i + 3] >= '0' &&
            field[i + 3] <= '7') {
            byte =
                (char)((field[i + 1] - '0') * 64 + (field[i + 2] - '0') * 8 + field[i + 3] - '0');
            i += 3;
        }
        if (length + 1 >= path_size)
            return -ENAMETOOLONG;
        path[length++] = byte;
    }
    path[length] = '\0';
    return 0;
}

const char *host_reason(int r)
{
    switch (-r) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
        return "vanished";
    case EACCES:
    case EPERM:
        return "permission";
    default:
        return "read_error";
    }
}

/* A field of a line: not NUL-terminated. */
struct field {
    const char *text;
    size_t size;
};

static bool field_is(struct field field, const char *text)
{
    return field.size == strlen(text) && !memcmp(field.text, text, field.size);
}

static bool has_option(struct field options, const char *name)
{
    for (size_t at = 0; at < options.size;) {
        struct field option = {options.text + at, 0};
        while (at + option.size < options.size && option.text[option.size] != ',')
            option.size++;
        if (field_is(option, name))
            return true;
        at += option.size + 1;
    }
    return false;
}

enum { DEVICE, POINT, TYPE, OPTIONS, N_FIELDS };

static bool split_mount(struct field line, struct field *fields)
{
    for (int i = 0; i < N_FIELDS; i++) {
        size_t size = 0;
        while (size < line.size && line.text[size] != ' ')
            size++;
        if (size == 0)
            return false;
        fields[i] = (struct field){line.text, size};
        size += size < line.size;
        line = (struct field){line.text + size, line.size - size};
    }
    return true;
}

static bool is_tree(const struct field *fields, const char *controller)
{
    if (!controller)
        return field_is(fields[TYPE], "cgroup2");
    return field_is(fields[TYPE], "cgroup") && has_option(fields[OPTIONS], controller);
}

int host_find_cgroupfs(const char *mounts_text, const char *controller, const char *at, char *path,
                       size_t path_size)
{
    for (const char *text = mounts_text; *text;) {
        struct field line = {text, strcspn(text, "\n")}, fields[N_FIELDS];
        text += line.size + (text[line.size] == '\n');
        if (!split_mount(line, fields) || !is_tree(fields, controller))
            continue;
        int r = unescape_mount(fields[POINT].text, fields[POINT].size, path, path_size);
        if (!at || (r == 0 && strcmp(path, at) == 0))
            return r;
    }
    return -ENOENT;
}

/* Without slashes at its end. */
static void copy_asked(char *path, size_t path_size, const char *asked)
{
    (void)snprintf(path, path_size, "%s", asked);
    for (size_t length = strlen(path); length > 1 && path[length - 1] == '/'; length--)
        path[length - 1] = '\0';
}

static const char *find(const char *mounts_text, const char *controller, char *path)
{
    return host_find_cgroupfs(mounts_text, controller, NULL, path, PATH_MAX) == 0 ? path : NULL;
}

/* To be freed; NULL: they cannot be read. Room grows as needed: once malloc has freed a large block
 * it keeps all that are smaller, and the sensor would stay as large as it was while loading. */
static char *read_mounts(const struct host *host)
{
    for (size_t size = MOUNTS_SIZE_MIN; size <= MOUNTS_SIZE_MAX; size *= 4) {
        char *text = malloc(size);
        ssize_t length = text ? host_read_text(text, size, "%s/self/mounts", host->procfs) : -ENOMEM;
        if (length >= 0)
            return text;
        free(text);
        if (length != -EFBIG)
            break;
    }
    return NULL;
}

void host_find_trees(struct host *host, const char *asked, struct host_mounts *mounts)
{
    char asked_path[PATH_MAX];
    SCOPED(scope_free) char *text = read_mounts(host);
    if (!text) {
        host->cgroupfs = asked;
        return;
    }
    host->cpuacct_cgroupfs = find(text, "cpuacct", mounts->cpuacct);
    if (!asked) {
        host->cgroupfs = find(text, NULL, mounts->cgroup2);
        host->perf_cgroupfs = find(text, "perf_event", mounts->perf_event);
        return;
    }
    copy_asked(asked_path, sizeof(asked_path), asked);
    if (host_find_cgroupfs(text, "perf_event", asked_path, mounts->perf_event, PATH_MAX) == 0)
        host->perf_cgroupfs = mounts->perf_event;
    else
        host->cgroupfs = asked;
}

const char *host_perf_tree(const struct host *host)
{
    return host->perf_cgroupfs ? host->perf_cgroupfs : host->cgroupfs;
}
