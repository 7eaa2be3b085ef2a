/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a store is: "scheme:rest", e.g. sqlite:/var/lib/wattribute, jsonl:-, null:, mongodb://host/db?options. */
#pragma once

#include <stddef.h>

struct error;

struct uri {
    char scheme[24]; /* lower case, without the colon */
    char *rest;      /* owned: what follows "scheme:", untouched */
};

/* A text without "scheme:" is refused with the known forms named. A password in a mongodb URI given on the command line is
 * refused by options, not here. -EINVAL, -ENOMEM. */
int uri_parse(const char *text, struct uri *ret_uri, struct error *err);
void uri_deinit(struct uri *uri);

/* Copies the URI for a log line with "user:password@" replaced by "***@". Returns text. */
const char *uri_redact(const char *uri, char *text, size_t text_size);
