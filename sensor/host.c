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

static ssize_t read_from(int fd, char *text, size_t text_size, bool from_start)
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
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        length--;
    text[length] = '\0';
    return (ssize_t)length;
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

int host_find_cgroupfs(const char *mounts_text, char *path, size_t path_size)
{
    for (const char *line = mounts_text; *line;) {
        size_t line_size = strcspn(line, "\n");
        size_t device_size = strcspn(line, " \n");
        if (line[device_size] == ' ') {
            const char *point = line + device_size + 1;
            size_t point_size = strcspn(point, " \n");
            if (point[point_size] == ' ' && !strncmp(point + point_size + 1, "cgroup2 ", 8))
                return unescape_mount(point, point_size, path, path_size);
        }
        line += line_size + (line[line_size] == '\n');
    }
    return -ENOENT;
}
