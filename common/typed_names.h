/* SPDX-License-Identifier: BSD-3-Clause */
/* Where several types of CPUs have counted one event, each by itself ("cycles:core", "cycles:atom"): which names of a report add up to it ("cycles").
 * They do if each of the report's types has it, and it is not there by itself: a part would make those who run elsewhere look idle. Of a name
 * that stands there twice the first counts. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define TYPED_NAMES_MAX 4 /* types of CPUs: where there are more, nothing is added up */

/* How many types of CPUs have events of their own; 0 where all CPUs are alike. */
size_t typed_names_types(const char *const *names, size_t n);
/* False: names[e] stood there before. */
bool typed_names_is_first(const char *const *names, size_t e);
/* The event that names[e] is a part of, a static text; NULL: it stands for itself, or stood there before. n_types: of all these names. */
const char *typed_names_whole(const char *const *names, size_t n, size_t n_types, size_t e);
