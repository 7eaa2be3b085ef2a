/* SPDX-License-Identifier: BSD-3-Clause */
/* Mean and deviation are of the runs that have a value; what nobody knows is "-", empty or null. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/run_report.h"
#include "common/error.h"
#include "common/record.h"
#include "common/scope.h"

static double energy_of(const struct run_result *result)
{
    return result->energy_j;
}

static struct run_result run_of(double energy_j, double elapsed_s)
{
    return (struct run_result){.energy_j = energy_j,
                               .static_j = NAN,
                               .cpu_s = 0.5,
                               .elapsed_s = elapsed_s,
                               .covered_s = elapsed_s,
                               .machine_w = NAN,
                               .low = NAN,
                               .high = NAN,
                               .exit_status = 0};
}

static void statistics_are_of_known_values(void **state)
{
    (void)state;
    double mean, deviation;
    const struct run_result runs[] = {run_of(2, 1), run_of(NAN, 1), run_of(4, 1), run_of(6, 1)};
    run_report_statistics(runs, 4, energy_of, &mean, &deviation);
    assert_true(mean == 4);
    assert_true(deviation == 2);
    run_report_statistics(runs, 1, energy_of, &mean, &deviation);
    assert_true(mean == 2 && isnan(deviation));
    run_report_statistics(runs + 1, 1, energy_of, &mean, &deviation);
    assert_true(isnan(mean) && isnan(deviation));
}

static char *written(const char *format, const struct run_result *runs, size_t n_runs)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    struct error err = {0};
    const struct run_report report = {.format = format,
                                      .command = "make -j2",
                                      .source = "",
                                      .advice = "chmod something",
                                      .results = runs,
                                      .n_results = n_runs};
    assert_non_null(stream);
    assert_int_equal(run_report_write(&report, stream, &err), 0);
    assert_int_equal(fclose(stream), 0);
    return text;
}

static void formats_say_the_same(void **state)
{
    (void)state;
    const struct run_result runs[] = {run_of(2, 0.5), run_of(4, 1)};
    char *csv = written("csv", runs, 2);
    assert_string_equal(
        csv,
        "row,run,command,energy_j,mean_w,static_j,machine_w,cpu_s,elapsed_s,covered_s,"
        "low_factor,high_factor,exit_status,source\n"
        "run,1,make -j2,2,4,,,0.5,0.5,0.5,,,0,\n"
        "run,2,make -j2,4,4,,,0.5,1,1,,,0,\n"
        "mean,,make -j2,3,4,,,0.5,0.75,0.75,,,,\n"
        "deviation,,make -j2,1.4142135623730951,0,,,0,0.3535533905932738,0.3535533905932738,,,,"
        "\n");
    free(csv);
    char *text = written("table", runs, 1);
    assert_non_null(strstr(text, "2.0000 J  energy of its activity\n"));
    assert_non_null(strstr(text, "- J  its share of idling"));
    assert_non_null(strstr(text, "no watts: chmod something"));
    assert_null(strstr(text, "±"));
    assert_null(strstr(text, "with watts"));
    free(text);
    struct run_result partly = run_of(2, 0.5);
    partly.covered_s = 0.4;
    text = written("table", &partly, 1);
    assert_non_null(strstr(text, "0.4000 s  of that with watts"));
    assert_non_null(strstr(text, "5.0000 W"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statistics_are_of_known_values),
        cmocka_unit_test(formats_say_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
