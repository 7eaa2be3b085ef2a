/* SPDX-License-Identifier: BSD-3-Clause */
/* Talk for people, on standard error. Passed down, never global; NULL is silent. Under systemd (JOURNAL_STREAM set) each
 * line starts with its <priority>. What is logged repeatedly is the caller's to limit. */
#pragma once

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

struct log {
    const char *program; /* borrowed */
    enum log_level level; /* the most talkative level that is shown */
    bool journal;
};

/* Level INFO; journal as JOURNAL_STREAM says. */
void log_init(struct log *log, const char *program);

void log_print(const struct log *log, enum log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define log_error(log, ...) log_print((log), LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(log, ...) log_print((log), LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(log, ...) log_print((log), LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(log, ...) log_print((log), LOG_LEVEL_DEBUG, __VA_ARGS__)
