/* SPDX-License-Identifier: BSD-3-Clause */
/* A failure is a code and a sentence that grows from the inside out. */
#include "common/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *err, int code, const char *format, ...)
{
    if (!err)
        return code;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(err->text, sizeof(err->text), format, arguments);
    va_end(arguments);
    err->code = code;
    return code;
}

int error_wrap(struct error *err, int code, const char *format, ...)
{
    if (!err)
        return code;
    char said[sizeof(err->text)];
    (void)snprintf(said, sizeof(said), "%s", err->text[0] ? err->text : strerror(-code));
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(err->text, sizeof(err->text), format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t)length < sizeof(err->text))
        (void)snprintf(err->text + length, sizeof(err->text) - (size_t)length, ": %s", said);
    err->code = code;
    return code;
}

int error_exit_status(int code)
{
    switch (-code) {
    case EINVAL:
        return 64;
    case EBADMSG:
    case EPROTO:
    case EILSEQ:
    case ERANGE:
        return 65;
    case ENOMEM:
        return 71;
    case EINTR:
        return 75;
    case EACCES:
    case EPERM:
        return 77;
    case EDOM:
        return 78;
    default:
        return code < 0 ? 69 : 0;
    }
}
