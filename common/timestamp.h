/* SPDX-License-Identifier: BSD-3-Clause */
/* Wall-clock stamps: int64 milliseconds since 1970 UTC in records, text at the edges. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct error;

#define TIMESTAMP_TEXT_SIZE sizeof("2026-01-01T00:00:00.000Z")

/* "2026-01-01T00:00:00.000Z" (UTC, years 0000 to 9999; outside them the nearest bound). Returns text. */
const char *timestamp_format(int64_t timestamp_ms, char text[static TIMESTAMP_TEXT_SIZE]);

/* Reads RFC 3339 with "Z" or an offset, the same without zone (taken as UTC, as PowerAPI writes it), a date alone, digits
 * (milliseconds), "@SECONDS", or "-15m" / "-2h" / "-3d" / "-90s" before now_ms. -EINVAL otherwise. */
int timestamp_parse(const char *text, int64_t now_ms, int64_t *ret_timestamp_ms, struct error *err);

/* Reads "1s", "250ms", "1.5s", "2m", "1h", "7d", "100us", "5ns"; a bare number is refused (which unit?) except 0.
 * -EINVAL, -ERANGE above INT64_MAX ns. */
int duration_parse(const char *text, uint64_t *ret_duration_ns, struct error *err);

/* The shortest exact text for duration_parse: "1s", "250ms", "90s". */
const char *duration_format(uint64_t duration_ns, char text[static 32]);
