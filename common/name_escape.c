/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes any bytes valid, printable UTF-8 and back. Works unit by unit (one character or one escaped
 * byte), so that a cut never leaves half of one. */
#include "common/name_escape.h"

#include <stdbool.h>
#include <string.h>

/* Length of the well-formed UTF-8 sequence at bytes, 0 if there is none (Unicode 15, table 3-7: no
 * overlong forms, no surrogates, nothing above U+10FFFF). */
static size_t sequence_length(const unsigned char *bytes, size_t size)
{
    unsigned char first = bytes[0];
    if (first < 0x80)
        return 1;
    size_t length = first >= 0xc2 && first <= 0xdf   ? 2
                    : first >= 0xe0 && first <= 0xef ? 3
                    : first >= 0xf0 && first <= 0xf4 ? 4
                                                     : 0;
    if (length == 0 || length > size)
        return 0;
    unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (bytes[1] < low || bytes[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

/* Of two bytes: U+0080 to U+009F, which terminals take for control characters too (0x9b: ESC [). */
static bool is_unsafe(const unsigned char *unit, size_t length)
{
    return unit[0] < 0x20 || unit[0] == 0x7f || unit[0] == '%' ||
           (length == 2 && unit[0] == 0xc2 && unit[1] < 0xa0);
}

size_t name_escape(const char *bytes, size_t size, char *text, size_t text_size)
{
    static const char digits[] = "0123456789ABCDEF";
    const unsigned char *in = (const unsigned char *)bytes;
    size_t wanted = 0, written = 0;
    for (size_t at = 0; at < size;) {
        size_t length = sequence_length(in + at, size - at);
        const char escape[3] = {'%', digits[in[at] >> 4], digits[in[at] & 15]};
        bool is_escaped = length == 0 || is_unsafe(in + at, length);
        const char *unit = is_escaped ? escape : bytes + at;
        size_t unit_size = is_escaped ? sizeof(escape) : length;
        /* Once a unit did not fit, no later and shorter one may take its place. */
        if (written == wanted && wanted + unit_size < text_size) {
            memcpy(text + written, unit, unit_size);
            written += unit_size;
        }
        wanted += unit_size;
        at += is_escaped ? 1 : length;
    }
    if (text_size > 0)
        text[written] = '\0';
    return wanted;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

size_t name_unescape(const char *text, char *bytes, size_t bytes_size)
{
    if (bytes_size == 0)
        return 0;
    size_t n = 0;
    while (*text && n + 1 < bytes_size) {
        int high = *text == '%' ? hex_digit(text[1]) : -1;
        int low = high >= 0 ? hex_digit(text[2]) : -1;
        if (low >= 0) {
            bytes[n++] = (char)(high * 16 + low);
            text += 3;
        } else {
            bytes[n++] = *text++;
        }
    }
    bytes[n] = '\0';
    return n;
}
