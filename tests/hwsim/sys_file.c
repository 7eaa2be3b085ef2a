/* SPDX-License-Identifier: BSD-3-Clause */
/* What is shown is computed at the read from the energy that the counters count, so that one truth
 * stands behind all of them. */
#include "tests/hwsim/sys_file.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/scope.h"
#include "tests/hwsim/energy.h"

#define LEVEL_STEP_WH 0.01
#define JOULES_PER_WH 3600.0
#define PATH_MAX_LENGTH 44 /* inih cuts longer names of sections without a word */

static const char *const quantity_names[SYS_QUANTITIES] = {
    [SYS_ENERGY_UJ] = "energy_uj",   [SYS_POWER_UW] = "power_uw",
    [SYS_CURRENT_UA] = "current_ua", [SYS_ENERGY_UWH] = "energy_uwh",
    [SYS_CHARGE_UAH] = "charge_uah",
};

static struct sys_file *file_at(struct sys_file *files, int *n_files, const char *path)
{
    for (int i = 0; i < *n_files; i++) {
        if (strcmp(files[i].path, path) == 0)
            return &files[i];
    }
    if (*n_files == SYS_FILES_MAX || strlen(path) > PATH_MAX_LENGTH || *path == '/')
        return NULL;
    struct sys_file *file = &files[(*n_files)++];
    *file = (struct sys_file){
        .factor = 1, .volts = 12, .full_wh = 1000, .window_us = 1000, .until_s = HUGE_VAL};
    (void)snprintf(file->path, sizeof(file->path), "%s", path);
    return file;
}

static bool copy(char *field, size_t size, const char *text)
{
    int n = snprintf(field, size, "%s", text);
    return n > 0 && (size_t)n < size;
}

static bool add_text(struct sys_file *file, double from_s, const char *text)
{
    if (file->n_texts == SYS_TEXTS_MAX)
        return false;
    struct sys_text *added = &file->texts[file->n_texts++];
    added->from_s = from_s;
    return copy(added->text, sizeof(added->text), text);
}

static bool take_quantity(struct sys_file *file, const char *text)
{
    for (int i = 0; i < SYS_QUANTITIES; i++) {
        if (strcmp(quantity_names[i], text) == 0) {
            file->quantity = (enum sys_quantity)i;
            return true;
        }
    }
    return false;
}

static bool take_number(const char *text, double least, double *ret_number)
{
    char *end;
    errno = 0;
    *ret_number = strtod(text, &end);
    return errno == 0 && end != text && *end == '\0' && *ret_number >= least && *ret_number <= 1e9;
}

static bool take_then(struct sys_file *file, const char *text)
{
    char *rest;
    double from_s = strtod(text, &rest);
    return rest != text && *rest == ' ' && from_s > 0 && add_text(file, from_s, rest + 1);
}

bool sys_file_take(struct sys_file *files, int *n_files, const char *path, const char *name,
                   const char *text)
{
    struct sys_file *file = file_at(files, n_files, path);
    if (!file)
        return false;
    const struct {
        const char *name;
        double *number, least;
    } numbers[] = {
        {"factor", &file->factor, -1e6}, {"volts", &file->volts, 1e-3},
        {"full_wh", &file->full_wh, 0},  {"window_us", &file->window_us, 1},
        {"from_s", &file->from_s, 0},    {"until_s", &file->until_s, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        if (strcmp(numbers[i].name, name) == 0)
            return take_number(text, numbers[i].least, numbers[i].number);
    }
    if (strcmp(name, "text") == 0)
        return add_text(file, 0, text);
    if (strcmp(name, "then") == 0)
        return take_then(file, text);
    if (strcmp(name, "link") == 0)
        return copy(file->link, sizeof(file->link), text);
    if (strcmp(name, "shows") == 0)
        return copy(file->shows, sizeof(file->shows), text);
    return strcmp(name, "as") == 0 && take_quantity(file, text);
}

bool sys_file_is_there(const struct sys_file *file, uint64_t now_ns)
{
    double now_s = (double)now_ns / 1e9;
    return now_s >= file->from_s && now_s < file->until_s;
}

static struct counter *find_counter(struct energy *energy, const char *name)
{
    for (int i = 0; i < energy->n_counters; i++) {
        struct counter *counter = &energy->counters[i];
        char text[24];
        if (counter->domain == SIM_PSYS)
            (void)snprintf(text, sizeof(text), "psys");
        else
            (void)snprintf(text, sizeof(text), "%s-%d", sim_domain_name(counter->domain),
                           counter->package);
        if (strcmp(text, name) == 0)
            return counter;
    }
    return NULL;
}

static double joules_at(const struct energy *energy, const struct counter *counter, uint64_t at_ns)
{
    double sum_j = energy_idle_j(energy, counter, at_ns);
    for (int i = 0; i < energy->machine->n_users; i++)
        sum_j += energy_user_j(energy, counter, i, at_ns);
    return sum_j;
}

static double mean_w(const struct energy *energy, const struct counter *counter, uint64_t at_ns,
                     double window_us)
{
    uint64_t window_ns = (uint64_t)(window_us * 1e3);
    uint64_t from_ns = at_ns > window_ns ? at_ns - window_ns : 0;
    if (at_ns == from_ns)
        return 0;
    double used_j = joules_at(energy, counter, at_ns) - joules_at(energy, counter, from_ns);
    return used_j / ((double)(at_ns - from_ns) / 1e9);
}

/* In millionths of the quantity's unit. */
static double value_of(const struct energy *energy, const struct counter *counter,
                       const struct sys_file *file)
{
    uint64_t as_of_ns = counter->n_kept ? counter->reads[counter->n_kept - 1].as_of_ns : 0;
    double power_w = mean_w(energy, counter, as_of_ns, file->window_us) * file->factor;
    double left_wh =
        file->full_wh - joules_at(energy, counter, as_of_ns) * file->factor / JOULES_PER_WH;
    double level_wh = floor(left_wh / LEVEL_STEP_WH) * LEVEL_STEP_WH;
    switch (file->quantity) {
    case SYS_ENERGY_UJ:
        return (double)(counter->shown - counter->base) * counter->unit_nj / 1e3 * file->factor;
    case SYS_POWER_UW:
        return power_w * 1e6;
    case SYS_CURRENT_UA:
        return power_w / file->volts * 1e6;
    case SYS_ENERGY_UWH:
        return level_wh * 1e6;
    case SYS_CHARGE_UAH:
        return level_wh / file->volts * 1e6;
    case SYS_QUANTITIES:
        break;
    }
    return 0;
}

int sys_file_write(struct energy *energy, const struct sys_file *file, FILE *stream)
{
    const char *text = "";
    double now_s = (double)energy_now_ns(energy) / 1e9;
    for (int i = 0; i < file->n_texts; i++) {
        if (now_s >= file->texts[i].from_s)
            text = file->texts[i].text;
    }
    if (!file->shows[0])
        return fprintf(stream, "%s\n", text) < 0 ? -EIO : 0;
    uint32_t unused;
    struct counter *counter = find_counter(energy, file->shows);
    int r = counter ? energy_read(energy, counter, &unused) : -ENXIO;
    if (r == 0)
        (void)fprintf(stream, "%.0f\n", value_of(energy, counter, file));
    return r;
}
