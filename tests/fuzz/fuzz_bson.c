/* SPDX-License-Identifier: BSD-3-Clause */
/* libFuzzer target: any bytes as a BSON document, under every decoder. */
#include "tests/unit/decode_anything.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    (void)decode_anything(bytes, size);
    return 0;
}
