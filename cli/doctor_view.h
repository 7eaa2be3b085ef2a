/* SPDX-License-Identifier: BSD-3-Clause */
/* watt doctor for eyes: what is measured, domain by domain, what it could be measured with, and what to type, in lines that fit the terminal. */
#pragma once

#include <stdio.h>

#include "cli/machine.h"

/* One line of the report: a source, an engine, the store. Texts are borrowed, NULL or "": nothing to say. */
struct doctor_line {
    const char *kind, *name, *state, *reason, *advice;
};

/* width: of a line in characters, words longer than it stick out, and so does what is to be typed. Control characters of what was read are shown as '?'. The note is a paragraph of its
 * own, NULL: none. -EIO. */
int doctor_view_write(FILE *stream, unsigned width, const struct machine *machine, const struct doctor_line *lines, size_t n_lines,
                      const char *note);

/* What is known of a domain's counter, each a sentence without full stop, "" where there is nothing to say. */
void doctor_counter_text(const struct machine_domain *domain, char *text, size_t size);
void doctor_update_text(const struct machine_domain *domain, char *text, size_t size);
void doctor_check_text(const struct machine_domain *domain, char *text, size_t size);
