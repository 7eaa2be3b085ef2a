/* SPDX-License-Identifier: BSD-3-Clause */
/* The right row for a CPU, and no table that is not one: line by line, with the line named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/record.h"
#include "sensor/cpu_power_table.h"

#define HEADER \
    "vendor,family,models,idle_w_per_vcpu,full_w_per_vcpu,low_factor,high_factor,source\n"
#define INTEL "GenuineIntel,6,85|106-108,0.5,4.25,0.6,1.4,a table, with commas\n"
#define ANY "*,*,*,1,3,0.25,4,a guess\n"

extern const char cpu_power_csv[];
extern const size_t cpu_power_csv_size;

static int find(const char *text, const char *vendor, int64_t family, int64_t model,
                struct cpu_power *ret_power, struct error *err)
{
    return cpu_power_find(text, strlen(text), "t.csv", vendor, family, model, ret_power, err);
}

static void model_lists_and_ranges(void **state)
{
    (void)state;
    struct cpu_power power;
    const char *text = "# a comment\n" HEADER INTEL ANY;
    static const int64_t inside[] = {85, 106, 107, 108};
    for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
        assert_int_equal(find(text, "GenuineIntel", 6, inside[i], &power, NULL), CPU_POWER_FOUND);
        assert_false(power.is_fallback);
        assert_float_equal(power.idle_w, 0.5, 0);
        assert_float_equal(power.full_w, 4.25, 0);
        assert_float_equal(power.low_factor, 0.6, 1e-12);
        assert_float_equal(power.high_factor, 1.4, 1e-12);
        assert_string_equal(power.source, "a table, with commas");
    }
    static const int64_t outside[] = {84, 86, 105, 109, VALUE_ABSENT};
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        assert_int_equal(find(text, "GenuineIntel", 6, outside[i], &power, NULL), CPU_POWER_FOUND);
        assert_true(power.is_fallback);
    }
    assert_int_equal(find(text, "AuthenticAMD", 6, 85, &power, NULL), CPU_POWER_FOUND);
    assert_true(power.is_fallback);
    assert_int_equal(find(text, "GenuineIntel", 15, 85, &power, NULL), CPU_POWER_FOUND);
    assert_true(power.is_fallback);
}

static void first_match_holds_and_none_is_none(void **state)
{
    (void)state;
    struct cpu_power power = {.idle_w = 77};
    assert_int_equal(find(HEADER INTEL, "", VALUE_ABSENT, VALUE_ABSENT, &power, NULL),
                     CPU_POWER_NONE);
    assert_float_equal(power.idle_w, 77, 0);
    assert_int_equal(
        find(HEADER "X,*,*,1,2,1,1,first\r\nX,1,1,3,4,1,1,second\n", "X", 1, 1, &power, NULL),
        CPU_POWER_FOUND);
    assert_string_equal(power.source, "first");
    assert_false(power.is_fallback);
}

/* Each bad line, as the third, must be refused with its number, on whatever machine. */
static void damage_is_named(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "GenuineIntel,6,85,0.5,4.2,0.6,1.4\n",     /* a column too few */
        "GenuineIntel,6,85,0.5,4.2,0.6,1.4,\n",    /* no source */
        ",6,85,0.5,4.2,0.6,1.4,s\n",               /* no vendor */
        "GenuineIntel,six,85,0.5,4.2,0.6,1.4,s\n", /* family */
        "GenuineIntel,6,,0.5,4.2,0.6,1.4,s\n",     /* models */
        "GenuineIntel,6,85|,0.5,4.2,0.6,1.4,s\n",
        "GenuineIntel,6,9-8,0.5,4.2,0.6,1.4,s\n",
        "GenuineIntel,6,85 ,0.5,4.2,0.6,1.4,s\n",
        "GenuineIntel,6,99999999999999999999,0.5,4.2,0.6,1.4,s\n",
        "GenuineIntel,6,85,-1,4.2,0.6,1.4,s\n", /* idle */
        "GenuineIntel,6,85,nan,4.2,0.6,1.4,s\n",
        "GenuineIntel,6,85,inf,4.2,0.6,1.4,s\n",
        "GenuineIntel,6,85,0x1,4.2,0.6,1.4,s\n",
        "GenuineIntel,6,85,5,4.2,0.6,1.4,s\n", /* idle above full */
        "GenuineIntel,6,85,0.5,1e99,0.6,1.4,s\n",
        "GenuineIntel,6,85,0.5,4.2W,0.6,1.4,s\n",
        "GenuineIntel,6,85,0.5,4.2,1.1,1.4,s\n", /* low above 1 */
        "GenuineIntel,6,85,0.5,4.2,0.6,0.9,s\n", /* high below 1 */
        "\x01\xff\xfe\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char text[512];
        struct cpu_power power;
        struct error err = {0};
        (void)snprintf(text, sizeof(text), "#\n" HEADER "%s" ANY, lines[i]);
        if (find(text, "Other", 1, 1, &power, &err) != -EDOM ||
            strncmp(err.text, "t.csv:3: ", 9) != 0)
            fail_msg("line %zu: %s", i, err.text);
    }
}

static void shape_is_checked(void **state)
{
    (void)state;
    struct cpu_power power;
    struct error err = {0};
    assert_int_equal(find("", "X", 1, 1, &power, &err), -EDOM);
    assert_int_equal(find("# only talk\n", "X", 1, 1, &power, &err), -EDOM);
    assert_int_equal(find(INTEL, "X", 1, 1, &power, &err), -EDOM);
    assert_non_null(strstr(err.text, "t.csv:1: "));
    assert_int_equal(find(HEADER ANY INTEL, "X", 1, 1, &power, &err), -EDOM);
    assert_non_null(strstr(err.text, "t.csv:3: "));
    assert_int_equal(
        cpu_power_find(HEADER "X\0Y", sizeof(HEADER) + 2, "t.csv", "X", 1, 1, &power, &err), -EDOM);
    char *text = malloc(3000);
    assert_non_null(text);
    memset(text, 'x', 3000);
    assert_int_equal(cpu_power_find(text, 3000, "t.csv", "X", 1, 1, &power, &err), -EDOM);
    free(text);
}

static bool find_built_in(const char *vendor, int64_t family, int64_t model,
                          struct cpu_power *ret_power)
{
    struct error err = {0};
    if (cpu_power_find(cpu_power_csv, cpu_power_csv_size, "built in", vendor, family, model,
                       ret_power, &err) < 0)
        fail_msg("%s", err.text);
    return !ret_power->is_fallback;
}

static void known_cpus_have_their_row(void **state)
{
    (void)state;
    static const struct {
        const char *vendor;
        int64_t family, model;
        const char *source; /* NULL: none of its own */
    } cpus[] = {
        {"GenuineIntel", 6, 45, "E5: "},              /* Xeon E5-2660 */
        {"GenuineIntel", 6, 63, "E5 v3"},             /* Xeon E5-2699 v3 */
        {"GenuineIntel", 6, 79, "E5 v4"},             /* Xeon E5-2686 v4 */
        {"GenuineIntel", 6, 85, "one model number"},  /* Xeon Platinum 8175M, 8259CL */
        {"GenuineIntel", 6, 106, "Ice Lake-SP"},      /* Xeon Platinum 8375C */
        {"GenuineIntel", 6, 143, "Sapphire"},         /* Xeon Platinum 8488C */
        {"GenuineIntel", 6, 207, "Emerald"},          /* Xeon Platinum 8592+ */
        {"GenuineIntel", 6, 173, "Granite"},          /* Xeon 6980P */
        {"GenuineIntel", 6, 175, "Sierra"},           /* Xeon 6780E */
        {"AuthenticAMD", 23, 1, "first"},             /* EPYC 7571 */
        {"AuthenticAMD", 23, 49, "second"},           /* EPYC 7R32 */
        {"AuthenticAMD", 25, 1, "third"},             /* EPYC 7R13 */
        {"AuthenticAMD", 25, 17, "fourth"},           /* EPYC 9R14 */
        {"AuthenticAMD", 25, 160, "97x4"},            /* EPYC 9754 */
        {"AuthenticAMD", 26, 2, "fifth generation:"}, /* EPYC 9755 */
        {"AuthenticAMD", 26, 17, "dense"},            /* EPYC 9965 */
        {"ARM", 0x41, 0xd0c, "Neoverse N1"},          /* Ampere Altra, Graviton2 */
        {"ARM", 0x41, 0xd4f, "Neoverse V2"},          /* NVIDIA Grace */
        {"GenuineIntel", 6, 151, NULL},               /* Core i9-12900K */
        {"AuthenticAMD", 25, 97, NULL},               /* Ryzen 9 7950X */
        {"ARM", 0x41, 0xd08, NULL},                   /* Raspberry Pi 4 */
        {"ARM", 0x42, 0xd0c, NULL},
        {"", VALUE_ABSENT, VALUE_ABSENT, NULL},
    };
    struct cpu_power power;
    for (size_t i = 0; i < sizeof(cpus) / sizeof(cpus[0]); i++) {
        bool is_known = find_built_in(cpus[i].vendor, cpus[i].family, cpus[i].model, &power);
        if (is_known != (cpus[i].source != NULL) ||
            (cpus[i].source && !strstr(power.source, cpus[i].source)))
            fail_msg("%s %d %d: %s", cpus[i].vendor, (int)cpus[i].family, (int)cpus[i].model,
                     power.source);
        assert_true(power.idle_w > 0 && power.idle_w < power.full_w);
    }
}

#define ROWS_MAX 64
#define RESULTS_MAX 128

/* What results say of one row of the table: watts per hardware thread. */
struct row_results {
    struct cpu_power power;
    double idle_w[RESULTS_MAX], full_w[RESULTS_MAX];
    size_t n;
};

static int compare_doubles(const void *a, const void *b)
{
    double one = *(const double *)a, other = *(const double *)b;
    return (one > other) - (one < other);
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof(*values), compare_doubles);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* In three digits, as in the table. */
static void expect_watts(const struct row_results *row, double watts, double wanted_w)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%.3g", wanted_w);
    if (strtod(text, NULL) != watts)
        fail_msg("%s: %.9g W, the results say %s", row->power.source, watts, text);
}

/* Rounded outwards, to twentieths and tenths; a bent curve and few results have their least. */
static void expect_bounds(const struct row_results *row)
{
    const struct cpu_power *power = &row->power;
    double lowest = 1, highest = 1;
    for (size_t i = 0; i < row->n; i++) {
        double idle = row->idle_w[i] / power->idle_w, full = row->full_w[i] / power->full_w;
        lowest = fmin(lowest, fmin(idle, full));
        highest = fmax(highest, fmax(idle, full));
    }
    double low = floor(lowest * 20) / 20, high = ceil(highest * 10) / 10;
    low = row->n < 5 ? fmin(low, 0.5) : low;
    high = fmax(high, row->n < 5 ? 2 : 1.5);
    if (fabs(power->low_factor - low) > 1e-9 || fabs(power->high_factor - high) > 1e-9)
        fail_msg("%s: %g to %g, the results say %g to %g", power->source, power->low_factor,
                 power->high_factor, low, high);
}

static void expect_number(const struct row_results *row)
{
    char text[32];
    (void)snprintf(text, sizeof(text), ": %zu result%s", row->n, row->n > 1 ? "s" : "");
    size_t length = strlen(row->power.source), wanted = strlen(text);
    if (length < wanted || strcmp(row->power.source + length - wanted, text) != 0)
        fail_msg("\"%s\" is of%s", row->power.source, text);
}

static struct row_results *row_of(struct row_results *rows, size_t *n_rows,
                                  const struct cpu_power *power)
{
    size_t i = 0;
    while (i < *n_rows && strcmp(rows[i].power.source, power->source) != 0)
        i++;
    assert_true(i < ROWS_MAX);
    if (i == *n_rows)
        rows[(*n_rows)++].power = *power;
    return &rows[i];
}

static size_t count_rows(void)
{
    size_t n_rows = 0;
    const char *line = cpu_power_csv, *end = cpu_power_csv + cpu_power_csv_size;
    for (bool has_header = false; line && line < end;) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        n_rows += *line != '#' && has_header;
        has_header |= *line != '#';
        line = next ? next + 1 : NULL;
    }
    return n_rows;
}

/* Field bug 4.24. Every figure of the table is what the results say, and so its bounds hold each of
 * them. Between idle and full both are straight lines, and so is their ratio's way from end to end:
 * what holds at both ends holds between. */
static void bounds_hold_the_results_they_were_made_from(void **state)
{
    (void)state;
    static struct row_results rows[ROWS_MAX];
    FILE *file = fopen("tests/fixtures/specpower/results.csv", "re");
    assert_non_null(file);
    char line[128], vendor[32];
    size_t n_results = 0, n_rows = 0;
    assert_non_null(fgets(line, sizeof(line), file));
    struct cpu_power power, fallback;
    assert_false(find_built_in("", VALUE_ABSENT, VALUE_ABSENT, &fallback));
    while (fgets(line, sizeof(line), file)) {
        int family, model, threads;
        double idle_w, full_w;
        assert_int_equal(sscanf(line, "%31[^,],%d,%d,%d,%lf,%lf", vendor, &family, &model, &threads,
                                &idle_w, &full_w),
                         6);
        if (!find_built_in(vendor, family, model, &power))
            fail_msg("no row: %s", line);
        struct row_results *row = row_of(rows, &n_rows, &power);
        assert_true(row->n < RESULTS_MAX);
        row->idle_w[row->n] = idle_w /= threads;
        row->full_w[row->n++] = full_w /= threads;
        if (fmin(idle_w / fallback.idle_w, full_w / fallback.full_w) < fallback.low_factor ||
            fmax(idle_w / fallback.idle_w, full_w / fallback.full_w) > fallback.high_factor)
            fail_msg("outside of the last row: %s", line);
        n_results++;
    }
    assert_int_equal(fclose(file), 0);
    assert_int_equal(n_results, 515);
    assert_int_equal(n_rows, count_rows() - 1); /* the last is of no processor */
    for (size_t i = 0; i < n_rows; i++) {
        expect_bounds(&rows[i]);
        expect_number(&rows[i]);
        expect_watts(&rows[i], rows[i].power.idle_w, median(rows[i].idle_w, rows[i].n));
        expect_watts(&rows[i], rows[i].power.full_w, median(rows[i].full_w, rows[i].n));
    }
}

/* Teads' curve: at a tenth of the load 32 % of the TDP, where the line from 12 % to 102 % says 21
 * %. */
static void bounds_allow_for_a_bent_curve(void **state)
{
    (void)state;
    static const int64_t models[] = {45, 63, 79, 85, 106, 143, 173, 175, 207};
    struct cpu_power power;
    for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
        assert_true(find_built_in("GenuineIntel", 6, models[i], &power));
        assert_true(power.high_factor >= 1.5 && power.low_factor < 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model_lists_and_ranges),
        cmocka_unit_test(first_match_holds_and_none_is_none),
        cmocka_unit_test(damage_is_named),
        cmocka_unit_test(shape_is_checked),
        cmocka_unit_test(known_cpus_have_their_row),
        cmocka_unit_test(bounds_hold_the_results_they_were_made_from),
        cmocka_unit_test(bounds_allow_for_a_bent_curve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
