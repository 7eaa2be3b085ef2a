/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a store is: "scheme:rest", e.g. sqlite:/var/lib/wattribute, jsonl:-, null:, mongodb://host/db?options. */
#pragma once

#include <stdbool.h>
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

/* True if it holds "user:password@" or an option "...Password=". */
bool uri_has_password(const char *uri);

/* Copies the URI for a log line with "user:password@" replaced by "***@", and the values of options that carry secrets
 * (tlsCertificateKeyFilePassword, authMechanismProperties, ...) by "***". Cut if it does not fit. Returns text. */
const char *uri_redact(const char *uri, char *text, size_t text_size);
