/* SPDX-License-Identifier: BSD-3-Clause */
/* One option's value. The text it was written as is kept: values point into it, and --print-config
 * shows it. */
#include "common/option.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/array.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/scope.h"
#include "common/timestamp.h"

union value {
    bool flag;
    uint64_t number;
    double real;
    int64_t time_ms;
    const char *choice;
};

static int parse_flag(const char *text, bool *ret_flag, struct error *err)
{
    static const char *const yes[] = {"yes", "true", "on", "1"};
    static const char *const no[] = {"no", "false", "off", "0"};
    for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
        bool is_yes = strcasecmp(text, yes[i]) == 0;
        if (is_yes || strcasecmp(text, no[i]) == 0) {
            *ret_flag = is_yes;
            return 0;
        }
    }
    return error_set(err, -EINVAL, "\"%.64s\" is neither yes nor no", text);
}

/* Leading digits, UINT64_MAX when they are too many; NULL if there are none. */
static const char *read_digits(const char *text, uint64_t *ret_number)
{
    const char *c = text;
    uint64_t number = 0;
    for (; *c >= '0' && *c <= '9'; c++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*c - '0'), &number))
            number = UINT64_MAX;
    *ret_number = number;
    return c > text ? c : NULL;
}

static int parse_count(const char *text, uint64_t *ret_count, struct error *err)
{
    uint64_t count;
    const char *end = read_digits(text, &count);
    if (!end || *end)
        return error_set(err, -EINVAL, "\"%.64s\" is no whole number", text);
    if (count > INT64_MAX)
        return error_set(err, -EINVAL, "\"%.64s\" is too large", text);
    *ret_count = count;
    return 0;
}

static int parse_number(const char *text, double *ret_number, struct error *err)
{
    char *end;
    double number = strtod(text, &end);
    if (*end || !isfinite(number) || strspn(text, "0123456789.eE+") != strlen(text))
        return error_set(err, -EINVAL, "\"%.64s\" is no number, as 2 or 2.5", text);
    *ret_number = number;
    return 0;
}

static int parse_size(const char *text, uint64_t *ret_size_bytes, struct error *err)
{
    static const char suffixes[] = "KMGT";
    uint64_t size;
    const char *end = read_digits(text, &size);
    const char *suffix = end && *end ? strchr(suffixes, *end) : NULL;
    if (!end || (*end && (!suffix || end[1])))
        return error_set(err, -EINVAL, "\"%.64s\" is no size; write bytes or 512K, 100M, 1G, 2T",
                         text);
    uint64_t unit = suffix ? UINT64_C(1) << (10 * (suffix - suffixes + 1)) : 1;
    if (__builtin_mul_overflow(size, unit, &size) || size > INT64_MAX)
        return error_set(err, -EINVAL, "\"%.64s\" is too large", text);
    *ret_size_bytes = size;
    return 0;
}

static int parse_choice(const char *const *choices, const char *text, const char **ret_choice,
                        struct error *err)
{
    char known[256] = "";
    for (size_t i = 0; choices[i]; i++) {
        if (strcmp(choices[i], text) == 0) {
            *ret_choice = choices[i];
            return 0;
        }
        size_t length = strlen(known);
        (void)snprintf(known + length, sizeof(known) - length, "%s%s", i ? ", " : "", choices[i]);
    }
    return error_set(err, -EINVAL, "\"%.64s\" is not one of %s", text, known);
}

/* One value that has a default is never absent: programs need not ask. */
static bool may_be_empty(const struct option_spec *spec)
{
    enum option_type type = spec->type;
    bool is_text = type == OPTION_STRING || type == OPTION_CHOICE || type == OPTION_TIME;
    return type == OPTION_LIST || (is_text && !spec->fallback);
}

static int parse_value(const struct option_spec *spec, const char *text, union value *ret_value,
                       struct error *err)
{
    int64_t now_ms = (int64_t)(clock_realtime_ns(&clock_system) / NS_PER_MS);
    if (spec->check && *text) {
        int r = spec->check(text, err);
        if (r < 0)
            return r;
    }
    switch (spec->type) {
    case OPTION_FLAG:
        return parse_flag(text, &ret_value->flag, err);
    case OPTION_COUNT:
        return parse_count(text, &ret_value->number, err);
    case OPTION_NUMBER:
        return parse_number(text, &ret_value->real, err);
    case OPTION_SIZE:
        return parse_size(text, &ret_value->number, err);
    case OPTION_DURATION:
        return duration_parse(text, &ret_value->number, err);
    case OPTION_TIME:
        ret_value->time_ms = INT64_MIN;
        return *text ? timestamp_parse(text, now_ms, &ret_value->time_ms, err) : 0;
    case OPTION_CHOICE:
        ret_value->choice = NULL;
        return *text ? parse_choice(spec->choices, text, &ret_value->choice, err) : 0;
    case OPTION_STRING:
    case OPTION_LIST:
        return 0;
    }
    return error_set(err, -EINVAL, "option of no known type");
}

static void write_value(struct option *option, const union value *value)
{
    void *place = (char *)option->group.values + option->spec->offset;
    char *text = option->n_texts > 0 ? option->texts[0] : NULL;
    const struct option_list list = {option->texts, option->n_texts};
    switch (option->spec->type) {
    case OPTION_FLAG:
        memcpy(place, &value->flag, sizeof(value->flag));
        break;
    case OPTION_COUNT:
    case OPTION_SIZE:
    case OPTION_DURATION:
        memcpy(place, &value->number, sizeof(value->number));
        break;
    case OPTION_NUMBER:
        memcpy(place, &value->real, sizeof(value->real));
        break;
    case OPTION_TIME:
        memcpy(place, &value->time_ms, sizeof(value->time_ms));
        break;
    case OPTION_CHOICE:
        memcpy(place, &value->choice, sizeof(value->choice));
        break;
    case OPTION_STRING:
        memcpy(place, &text, sizeof(text));
        break;
    case OPTION_LIST:
        memcpy(place, &list, sizeof(list));
        break;
    }
}

static void forget_texts(struct option *option)
{
    while (option->n_texts > 0)
        free(option->texts[--option->n_texts]);
}

/* Takes where and text (NULL: no value). Nothing can fail any more. */
static void replace(struct option *option, enum option_origin origin, char *where, char *text)
{
    bool grows = option->spec->type == OPTION_LIST && origin == option->origin && text;
    if (!grows)
        forget_texts(option);
    if (text)
        option->texts[option->n_texts++] = text;
    free(option->where);
    option->where = where;
    option->origin = origin;
}

int option_assign(struct option *option, const char *text, enum option_origin origin,
                  const char *where, struct error *err)
{
    union value value = {.number = 0};
    if (*text == '\0' && !may_be_empty(option->spec))
        return error_set(err, -EINVAL, "a value is missing");
    int r = parse_value(option->spec, text, &value, err);
    if (r < 0)
        return r == -ENOMEM ? r : -EINVAL;
    SCOPED(scope_free) char *text_copy = *text ? strdup(text) : NULL;
    SCOPED(scope_free) char *where_copy = where ? strdup(where) : NULL;
    if ((*text && !text_copy) || (where && !where_copy) ||
        array_reserve(&option->texts, &option->texts_capacity, option->n_texts + 1,
                      sizeof(option->texts[0])) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    replace(option, origin, STEAL(where_copy), STEAL(text_copy));
    write_value(option, &value);
    return 0;
}

int option_reset(struct option *option)
{
    const union value absent = {.time_ms = option->spec->type == OPTION_TIME ? INT64_MIN : 0};
    const char *line = option->spec->fallback;
    write_value(option, &absent);
    while (line && *line) {
        size_t length = strcspn(line, "\n");
        SCOPED(scope_free) char *text = strndup(line, length);
        if (!text)
            return -ENOMEM;
        int r = option_assign(option, text, ORIGIN_BUILT_IN, NULL, NULL);
        assert(r != -EINVAL);
        if (r < 0)
            return r;
        line += length + (line[length] == '\n');
    }
    return 0;
}

void option_deinit(struct option *option)
{
    forget_texts(option);
    free(option->texts);
    free(option->where);
    *option = (struct option){.spec = NULL};
}

bool option_is_configurable(const struct option *option)
{
    return option->group.section && !option->spec->flag_only;
}

static char variable_character(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c == '-' || c == '.' ? '_' : c;
}

const char *option_variable(const struct option *option, char *text, size_t text_size)
{
    (void)snprintf(text, text_size, "WATT_%s_%s", option->group.section, option->spec->key);
    for (char *c = text; *c; c++)
        *c = variable_character(*c);
    return text;
}
