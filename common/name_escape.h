/* SPDX-License-Identifier: BSD-3-Clause */
/* Names the kernel or a user chose (commands, cgroup directories) may hold any byte. They are made safe once, at the
 * sensor, reversibly: control characters (below 0x20, 0x7f, U+0080 to U+009F), '%' and bytes that are not valid UTF-8 become %XX (upper-case hex). */
#pragma once

#include <stddef.h>

/* Escapes size bytes; NUL bytes in between are escaped too. Writes at most text_size bytes with the NUL; an escape is
 * never cut in half, a character neither. Returns the length that the whole would have had (as snprintf does). */
size_t name_escape(const char *bytes, size_t size, char *text, size_t text_size);

/* The reverse, in place of a copy: returns the length written (without the NUL), "%" without two hex digits stays as it is. */
size_t name_unescape(const char *text, char *bytes, size_t bytes_size);
