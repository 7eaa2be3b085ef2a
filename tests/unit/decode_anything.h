/* SPDX-License-Identifier: BSD-3-Clause */
/* Whatever the bytes are, every decoder and the JSON writer get to see them. For the mutation test and the fuzz targets: there is
 * nothing to compare, only nothing to break. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Bytes as a BSON document. Returns 1 if they were one that some decoder took, else 0. */
int decode_anything(const uint8_t *bytes, size_t size);
/* Bytes as JSON text. The same. */
int decode_any_text(const char *text, size_t size);
