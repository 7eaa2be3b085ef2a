/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON text of BSON documents, one line each: what JSON-lines files, --probe and `watt show --format json` are made of. Parsing is
 * libbson's; writing is ours because stamps are "2026-01-01T00:00:00.000Z" here and not extended JSON. */
#pragma once

#include <stddef.h>
#include <stdio.h>
#include <bson/bson.h>

struct error;

/* Parses one JSON object of size bytes. Beyond what libbson refuses, numbers outside int64 without a fraction are refused too (libbson
 * 1.23 wraps them silently). *ret_document is initialised on success only; bson_destroy it. -EBADMSG says what and where. */
int json_parse(const char *text, size_t size, bson_t *ret_document, struct error *err);

/* Writes the document on one line, without a newline: Date as ISO text, int32/int64 as digits, doubles as the shortest text that reads
 * back the same (always with '.', 'e' or so, never NaN: null), text escaped as RFC 8259 says. ObjectIds as hex text, other types as
 * null. -EIO when the stream fails, -EBADMSG when the bytes are damaged. */
int json_write(FILE *stream, const bson_t *document, struct error *err);
