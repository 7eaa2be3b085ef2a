/* SPDX-License-Identifier: BSD-3-Clause */
/* One line per message, written with one call so that lines of several programs do not mix. What is
 * quoted in it may be anybody's: control bytes never reach a terminal. */
#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void log_init(struct log *log, const char *program)
{
    *log = (struct log){
        .program = program,
        .level = LOG_LEVEL_INFO,
        .journal = getenv("JOURNAL_STREAM") != NULL,
    };
}

void log_print(const struct log *log, enum log_level level, const char *format, ...)
{
    if (!log || level > log->level)
        return;
    char line[1024];
    int length = log->journal ? snprintf(line, sizeof(line), "<%d>", (int)level)
                              : snprintf(line, sizeof(line), "%s: %s", log->program,
                                         level <= LOG_LEVEL_ERROR     ? "error: "
                                         : level <= LOG_LEVEL_WARNING ? "warning: "
                                                                      : "");
    va_list arguments;
    va_start(arguments, format);
    int said = vsnprintf(line + length, sizeof(line) - (size_t)length - 1, format, arguments);
    va_end(arguments);
    if (said < 0)
        return;
    length += said;
    if ((size_t)length > sizeof(line) - 2)
        length = (int)sizeof(line) - 2;
    for (int i = 0; i < length; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    line[length++] = '\n';
    if (write(STDERR_FILENO, line, (size_t)length) < 0)
        return; /* nobody is left to tell */
}
