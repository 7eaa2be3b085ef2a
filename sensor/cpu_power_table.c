/* SPDX-License-Identifier: BSD-3-Clause */
/* One pass over the table: every line is checked, also those after the match, so that a damaged
 * file is refused on every machine and not only on those whose row is the damaged one. */
#include "sensor/cpu_power_table.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/record.h"
#include "common/scope.h"

#define HEADER "vendor,family,models,idle_w_per_vcpu,full_w_per_vcpu,low_factor,high_factor,source"
#define LINE_SIZE 512
#define WATTS_MAX 10000.0
#define FACTOR_MAX 1000.0

enum column { VENDOR, FAMILY, MODELS, IDLE, FULL, LOW, HIGH, SOURCE, COLUMN_COUNT };

static const char *const column_names[COLUMN_COUNT] = {
    [VENDOR] = "vendor",        [FAMILY] = "family",        [MODELS] = "models",
    [IDLE] = "idle_w_per_vcpu", [FULL] = "full_w_per_vcpu", [LOW] = "low_factor",
    [HIGH] = "high_factor",     [SOURCE] = "source",
};

struct place {
    const char *file;
    unsigned line;
};

static int bad(const struct place *at, enum column column, const char *value, const char *want,
               struct error *err)
{
    return error_set(err, -EDOM, "%s:%u: %s \"%s\" must be %s", at->file, at->line,
                     column_names[column], value, want);
}

/* Cuts line into COLUMN_COUNT fields in place; the last takes the rest. False: too few. */
static bool split(char *line, char *fields[COLUMN_COUNT])
{
    for (int column = 0; column < SOURCE; column++) {
        fields[column] = line;
        line = strchr(line, ',');
        if (!line)
            return false;
        *line++ = '\0';
    }
    fields[SOURCE] = line;
    return true;
}

/* Digits only: strtoll would take signs, spaces and hex. */
static bool parse_number(const char **text, int64_t *ret_value)
{
    const char *at = *text;
    int64_t value = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        value = value * 10 + (*at - '0');
        if (value > 0xffffff)
            return false;
    }
    if (at == *text)
        return false;
    *text = at;
    *ret_value = value;
    return true;
}

/* 1 if the list "85|106-108" or "*" holds the model, 0 if not, -EINVAL if it is no such list. */
static int list_has(const char *list, int64_t model)
{
    if (strcmp(list, "*") == 0)
        return 1;
    int found = 0;
    for (;; list++) {
        int64_t first, last;
        if (!parse_number(&list, &first))
            return -EINVAL;
        last = first;
        if (*list == '-') {
            list++;
            if (!parse_number(&list, &last) || last < first)
                return -EINVAL;
        }
        if (model >= first && model <= last)
            found = 1;
        if (*list == '\0')
            return found;
        if (*list != '|')
            return -EINVAL;
    }
}

static bool parse_real(const char *text, double min, double max, double *ret_value)
{
    if (strspn(text, "0123456789.") == 0 || text[strspn(text, "0123456789.eE+-")] != '\0')
        return false; /* strtod knows signs, spaces, hex, inf and nan too */
    char *end;
    double value = strtod(text, &end);
    if (*end != '\0' || !isfinite(value) || value < min || value > max)
        return false;
    *ret_value = value;
    return true;
}

static int parse_power(char *const fields[COLUMN_COUNT], const struct place *at,
                       struct cpu_power *ret_power, struct error *err)
{
    struct cpu_power power = {.is_fallback = strcmp(fields[VENDOR], "*") == 0};
    if (!parse_real(fields[IDLE], 0, WATTS_MAX, &power.idle_w))
        return bad(at, IDLE, fields[IDLE], "watts from 0 to 10000", err);
    if (!parse_real(fields[FULL], power.idle_w, WATTS_MAX, &power.full_w))
        return bad(at, FULL, fields[FULL], "watts from idle_w_per_vcpu to 10000", err);
    if (!parse_real(fields[LOW], 0, 1, &power.low_factor))
        return bad(at, LOW, fields[LOW], "a factor from 0 to 1", err);
    if (!parse_real(fields[HIGH], 1, FACTOR_MAX, &power.high_factor))
        return bad(at, HIGH, fields[HIGH], "a factor from 1 to 1000", err);
    if (fields[SOURCE][0] == '\0')
        return bad(at, SOURCE, "", "said: a figure without a source is worth nothing", err);
    (void)snprintf(power.source, sizeof(power.source), "%s", fields[SOURCE]);
    *ret_power = power;
    return 0;
}

/* 1 if the row is for this CPU, 0 if not. */
static int row_matches(char *const fields[COLUMN_COUNT], const struct place *at, const char *vendor,
                       int64_t family, int64_t model, struct error *err)
{
    if (fields[VENDOR][0] == '\0')
        return bad(at, VENDOR, "", "as in /proc/cpuinfo, or *", err);
    int family_has = list_has(fields[FAMILY], family);
    if (family_has < 0)
        return bad(at, FAMILY, fields[FAMILY], "a number or *", err);
    int models_have = list_has(fields[MODELS], model);
    if (models_have < 0)
        return bad(at, MODELS, fields[MODELS], "like 85|106-108, or *", err);
    bool vendor_is = strcmp(fields[VENDOR], "*") == 0 || strcmp(fields[VENDOR], vendor) == 0;
    return vendor_is && family_has && models_have;
}

struct search {
    const char *vendor;
    int64_t family, model;
    bool has_header, has_fallback, is_found;
    struct cpu_power *power;
};

static int take_line(struct search *search, char *line, const struct place *at, struct error *err)
{
    if (line[0] == '\0' || line[0] == '#')
        return 0;
    if (!search->has_header) {
        search->has_header = true;
        if (strcmp(line, HEADER) != 0)
            return error_set(err, -EDOM, "%s:%u: the first line must be \"" HEADER "\"", at->file,
                             at->line);
        return 0;
    }
    if (search->has_fallback)
        return error_set(err, -EDOM, "%s:%u: no row may follow the row of vendor \"*\"", at->file,
                         at->line);
    char *fields[COLUMN_COUNT];
    if (!split(line, fields))
        return error_set(err, -EDOM, "%s:%u: %d columns are wanted: " HEADER, at->file, at->line,
                         COLUMN_COUNT);
    int matches = row_matches(fields, at, search->vendor, search->family, search->model, err);
    if (matches < 0)
        return matches;
    struct cpu_power power;
    int r = parse_power(fields, at, &power, err);
    if (r < 0)
        return r;
    search->has_fallback = power.is_fallback;
    if (matches && !search->is_found) {
        search->is_found = true;
        *search->power = power;
    }
    return 0;
}

int cpu_power_find(const char *text, size_t size, const char *file, const char *vendor,
                   int64_t family, int64_t model, struct cpu_power *ret_power, struct error *err)
{
    struct cpu_power power;
    struct search search = {.vendor = vendor, .family = family, .model = model, .power = &power};
    struct place at = {.file = file, .line = 0};
    for (size_t start = 0; start < size;) {
        const char *newline = memchr(text + start, '\n', size - start);
        size_t length = newline ? (size_t)(newline - text) - start : size - start;
        char line[LINE_SIZE];
        at.line++;
        if (length >= sizeof(line) || memchr(text + start, '\0', length))
            return error_set(err, -EDOM, "%s:%u: a line of text below %d characters is wanted",
                             at.file, at.line, LINE_SIZE);
        memcpy(line, text + start, length);
        line[length] = '\0';
        if (length > 0 && line[length - 1] == '\r')
            line[length - 1] = '\0';
        int r = take_line(&search, line, &at, err);
        if (r < 0)
            return r;
        start += length + 1;
    }
    if (!search.has_header)
        return error_set(err, -EDOM, "%s: the table is empty; it begins with \"" HEADER "\"", file);
    if (!search.is_found)
        return CPU_POWER_NONE;
    *ret_power = power;
    return CPU_POWER_FOUND;
}
