/* SPDX-License-Identifier: BSD-3-Clause */
/* How a failure travels to a person. Functions return 0, a documented positive outcome, or a negative errno; where
 * somebody must act they also fill a `struct error` with a sentence that names the thing and what to do. The origin sets
 * it, callers on the way up put their context in front, and whoever decides what to do logs it once. */
#pragma once

struct error {
    int code;       /* the negative errno returned with it; 0 while nothing failed */
    char text[512]; /* one line, no newline, cut at the end if longer */
};

/* Sets *err (may be NULL) and returns code, so that `return error_set(err, -ENODEV, "...")` reads well. */
int error_set(struct error *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "context: " in front of what *err says; sets it to strerror(code) first if nothing was said. Returns code. */
int error_wrap(struct error *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The sysexits(3) status a program ends with for a negative errno: EINVAL 64 (usage), EBADMSG, EPROTO, EILSEQ and ERANGE 65
 * (data), EINTR 75 (a signal ended it; run it again), EACCES and EPERM 77 (permission), EDOM 78 (configuration: what options_parse returns for files and
 * environment), ENOMEM 71, everything else 69 (unavailable). 0 for code >= 0. */
int error_exit_status(int code);
