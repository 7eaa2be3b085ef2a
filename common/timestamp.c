/* SPDX-License-Identifier: BSD-3-Clause */
/* Stamps and spans as text. The calendar is computed here because readers convert one stamp per
 * record, by the hundred thousand a second, and because the C library's functions look at the
 * process's time zone. */
#include "common/timestamp.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/name_escape.h"
#include "common/scope.h"

#define MS_PER_MIN INT64_C(60000)
#define MS_PER_HOUR (60 * MS_PER_MIN)
#define MS_PER_DAY (24 * MS_PER_HOUR)
#define FIRST_MS INT64_C(-62167219200000) /* 0000-01-01T00:00:00.000Z */
#define LAST_MS INT64_C(253402300799999)  /* 9999-12-31T23:59:59.999Z */
#define DAYS_PER_ERA INT64_C(146097)      /* 400 years of the Gregorian calendar */
/* Days are counted from -0400-03-01: nothing is negative then, and with years that begin in March
 * the leap day is a year's last day, so that no month's place depends on it. */
#define EPOCH_DAY (INT64_C(719468) + DAYS_PER_ERA) /* 1970-01-01 */

static const int days_before_month[12] = {0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 306, 337};

static int64_t days_before_year(int64_t year)
{
    return year * 365 + year / 4 - year / 100 + year / 400;
}

static int64_t days_from_date(int year, int month, int day)
{
    int64_t march_year = year + 400 - (month < 3 ? 1 : 0);
    return days_before_year(march_year) + days_before_month[(month + 9) % 12] + day - 1 - EPOCH_DAY;
}

static void date_from_days(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
    int64_t left = days + EPOCH_DAY;
    int64_t year = left * 400 / DAYS_PER_ERA; /* off by one at most */
    while (days_before_year(year) > left)
        year--;
    while (days_before_year(year + 1) <= left)
        year++;
    left -= days_before_year(year);
    int month = 11;
    while (days_before_month[month] > left)
        month--;
    *ret_month = (month + 2) % 12 + 1;
    *ret_year = (int)(year - 400 + (*ret_month < 3 ? 1 : 0));
    *ret_day = (int)(left - days_before_month[month]) + 1;
}

static void write_digits(char *text, int n_digits, int64_t value)
{
    while (n_digits-- > 0) {
        text[n_digits] = (char)('0' + value % 10);
        value /= 10;
    }
}

const char *timestamp_format(int64_t timestamp_ms, char text[static TIMESTAMP_TEXT_SIZE])
{
    if (timestamp_ms < FIRST_MS)
        timestamp_ms = FIRST_MS;
    if (timestamp_ms > LAST_MS)
        timestamp_ms = LAST_MS;
    int64_t days = timestamp_ms / MS_PER_DAY - (timestamp_ms % MS_PER_DAY < 0 ? 1 : 0);
    int64_t of_day = timestamp_ms - days * MS_PER_DAY;
    int year, month, day;
    date_from_days(days, &year, &month, &day);
    memcpy(text, "0000-00-00T00:00:00.000Z", TIMESTAMP_TEXT_SIZE);
    write_digits(text, 4, year);
    write_digits(text + 5, 2, month);
    write_digits(text + 8, 2, day);
    write_digits(text + 11, 2, of_day / MS_PER_HOUR);
    write_digits(text + 14, 2, of_day / MS_PER_MIN % 60);
    write_digits(text + 17, 2, of_day / 1000 % 60);
    write_digits(text + 20, 3, of_day % 1000);
    return text;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Exactly n_digits digits at *text, which moves behind them. */
static bool read_digits(const char **text, int n_digits, int *ret_value)
{
    int value = 0;
    for (int i = 0; i < n_digits; i++) {
        if (!is_digit((*text)[i]))
            return false;
        value = value * 10 + ((*text)[i] - '0');
    }
    *text += n_digits;
    *ret_value = value;
    return true;
}

static bool read_character(const char **text, char wanted)
{
    if (**text != wanted)
        return false;
    (*text)++;
    return true;
}

static bool read_date(const char **text, int64_t *ret_ms)
{
    static const int lengths[12] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day;
    if (!read_digits(text, 4, &year) || !read_character(text, '-') ||
        !read_digits(text, 2, &month) || !read_character(text, '-') || !read_digits(text, 2, &day))
        return false;
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (month < 1 || month > 12 || day < 1 || day > lengths[month - 1] ||
        (month == 2 && day == 29 && !is_leap))
        return false;
    *ret_ms = days_from_date(year, month, day) * MS_PER_DAY;
    return true;
}

/* What is finer than a millisecond is cut off. */
static bool read_fraction_ms(const char **text, int *ret_ms)
{
    if (!is_digit(**text))
        return false;
    int ms = 0, weight = 100;
    for (; is_digit(**text); (*text)++, weight /= 10)
        ms += (**text - '0') * weight;
    *ret_ms = ms;
    return true;
}

/* "HH:MM:SS" with an optional fraction; second 60 is a leap second and counts as the next one. */
static bool read_clock(const char **text, int64_t *ret_ms)
{
    int hour, minute, second, ms = 0;
    if (!read_digits(text, 2, &hour) || !read_character(text, ':') ||
        !read_digits(text, 2, &minute) || !read_character(text, ':') ||
        !read_digits(text, 2, &second) || hour > 23 || minute > 59 || second > 60)
        return false;
    if (read_character(text, '.') && !read_fraction_ms(text, &ms))
        return false;
    *ret_ms = hour * MS_PER_HOUR + minute * MS_PER_MIN + second * INT64_C(1000) + ms;
    return true;
}

/* "Z", "+01:00", "-0130" or nothing, as milliseconds ahead of UTC. */
static bool read_zone(const char **text, int64_t *ret_ms)
{
    *ret_ms = 0;
    if (**text == '\0' || read_character(text, 'Z') || read_character(text, 'z'))
        return true;
    bool is_behind = **text == '-';
    int hour, minute;
    if (!read_character(text, is_behind ? '-' : '+') || !read_digits(text, 2, &hour))
        return false;
    (void)read_character(text, ':');
    if (!read_digits(text, 2, &minute) || hour > 23 || minute > 59)
        return false;
    *ret_ms = (hour * MS_PER_HOUR + minute * MS_PER_MIN) * (is_behind ? -1 : 1);
    return true;
}

static bool parse_calendar(const char *text, int64_t *ret_ms)
{
    int64_t date_ms, clock_ms = 0, zone_ms = 0;
    if (!read_date(&text, &date_ms))
        return false;
    if (*text && (!(read_character(&text, 'T') || read_character(&text, 't') ||
                    read_character(&text, ' ')) ||
                  !read_clock(&text, &clock_ms) || !read_zone(&text, &zone_ms)))
        return false;
    *ret_ms = date_ms + clock_ms - zone_ms;
    return *text == '\0';
}

/* Digits and nothing else, times unit; false when it leaves int64. */
static bool parse_whole(const char *text, int64_t unit, int64_t *ret_value)
{
    int64_t value = 0;
    if (*text == '\0')
        return false;
    for (; is_digit(*text); text++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *text - '0', &value))
            return false;
    return *text == '\0' && !__builtin_mul_overflow(value, unit, ret_value);
}

static bool parse_relative(const char *text, int64_t now_ms, int64_t *ret_ms)
{
    uint64_t before_ns;
    return duration_parse(text, &before_ns, NULL) == 0 &&
           !__builtin_sub_overflow(now_ms, (int64_t)(before_ns / NS_PER_MS), ret_ms);
}

int timestamp_parse(const char *text, int64_t now_ms, int64_t *ret_timestamp_ms, struct error *err)
{
    int64_t ms;
    bool is_time = text[0] == '@'   ? parse_whole(text + 1, 1000, &ms)
                   : text[0] == '-' ? parse_relative(text + 1, now_ms, &ms)
                                    : parse_calendar(text, &ms) || parse_whole(text, 1, &ms);
    if (!is_time) {
        char shown[64];
        (void)name_escape(text, strlen(text), shown, sizeof(shown));
        return error_set(
            err, -EINVAL,
            "\"%s\" is no time; write 2026-01-31, 2026-01-31T12:00:00Z, @SECONDS since "
            "1970, milliseconds since 1970, or -15m for 15 minutes ago",
            shown);
    }
    *ret_timestamp_ms = ms;
    return 0;
}

static const struct {
    const char *name;
    uint64_t ns;
} units[] = {
    {"d", 86400 * NS_PER_S},
    {"h", 3600 * NS_PER_S},
    {"m", 60 * NS_PER_S},
    {"s", NS_PER_S},
    {"ms", NS_PER_MS},
    {"us", 1000},
    {"ns", 1},
};

static uint64_t unit_ns(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (strcmp(units[i].name, name) == 0)
            return units[i].ns;
    return 0;
}

/* Reads digits as far as they go. Digits beyond what 64 bits hold saturate in whole, and are too
 * fine to matter in a fraction (scale is 10 to the number of those read). */
static const char *read_number(const char *text, uint64_t *ret_whole, uint64_t *ret_fraction,
                               uint64_t *ret_scale)
{
    uint64_t whole = 0, fraction = 0, scale = 1;
    for (; is_digit(*text); text++)
        whole = whole > UINT64_MAX / 10 - 1 ? UINT64_MAX : whole * 10 + (uint64_t)(*text - '0');
    if (text[0] == '.' && is_digit(text[1]))
        for (text++; is_digit(*text); text++)
            if (scale < UINT64_C(10000000000000000)) {
                scale *= 10;
                fraction = fraction * 10 + (uint64_t)(*text - '0');
            }
    *ret_whole = whole;
    *ret_fraction = fraction;
    *ret_scale = scale;
    return text;
}

int duration_parse(const char *text, uint64_t *ret_duration_ns, struct error *err)
{
    uint64_t whole, fraction, scale;
    const char *unit_name = read_number(text, &whole, &fraction, &scale);
    uint64_t unit = strcmp(text, "0") == 0 ? 1 : unit_ns(unit_name);
    bool has_number = is_digit(text[0]);
    char shown[64];
    (void)name_escape(text, strlen(text), shown, sizeof(shown));
    if (has_number && *unit_name == '\0' && unit == 0)
        return error_set(err, -EINVAL, "\"%s\" needs a unit: ns, us, ms, s, m, h or d", shown);
    if (!has_number || unit == 0)
        return error_set(err, -EINVAL, "\"%s\" is no duration; write 250ms, 1s, 1.5m, 2h or 7d",
                         shown);
    unsigned __int128 part_ns = (unsigned __int128)fraction * unit / scale;
    unsigned __int128 ns = (unsigned __int128)whole * unit + part_ns;
    if (ns > INT64_MAX)
        return error_set(err, -ERANGE, "\"%s\" is too long; at most 106751d", shown);
    if (ns == 0 && fraction != 0)
        return error_set(err, -EINVAL, "\"%s\" is shorter than 1ns", shown);
    *ret_duration_ns = (uint64_t)ns;
    return 0;
}

const char *duration_format(uint64_t duration_ns, char text[static 32])
{
    size_t i = duration_ns == 0 ? 3 : 0; /* "0s" */
    while (duration_ns % units[i].ns != 0)
        i++;
    (void)snprintf(text, 32, "%" PRIu64 "%s", duration_ns / units[i].ns, units[i].name);
    return text;
}
