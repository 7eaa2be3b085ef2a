/* SPDX-License-Identifier: BSD-3-Clause */
/* Other tools' spellings of an event lead to one canonical name; what is unknown passes through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "common/events.h"
#include "common/scope.h"

/* One line per canonical name: every spelling must be found, which also proves the table's order.
 */
static const struct {
    const char *canonical;
    const char *spellings[16];
} known[] = {
    {EVENT_INSTRUCTIONS,
     {"instructions", "INSTRUCTIONS_RETIRED", "INSTRUCTION_RETIRED", "INST_RETIRED",
      "INST_RETIRED:ANY", "INST_RETIRED:ANY_P", "skl::INST_RETIRED:ANY_P", "inst_retired.any_p",
      "RETIRED_INSTRUCTIONS", "amd64_fam17h_zen1::RETIRED_INSTRUCTIONS", "perf::INSTRUCTIONS",
      "PERF_COUNT_HW_INSTRUCTIONS"}},
    {EVENT_CYCLES,
     {"cycles", "UNHALTED_CORE_CYCLES", "CPU_CLK_THREAD_UNHALTED",
      "CPU_CLK_THREAD_UNHALTED:THREAD_P", "CPU_CLK_UNHALTED", "CPU_CLK_UNHALTED:THREAD",
      "CPU_CLK_UNHALTED:THREAD_P", "CPU_CLK_UNHALTED:CORE", "CPU_CLK_UNHALTED:CORE_P",
      "CYCLES_NOT_IN_HALT", "cpu-cycles", "CPU_CYCLES", "perf::PERF_COUNT_HW_CPU_CYCLES"}},
    {EVENT_REF_CYCLES,
     {"ref_cycles", "UNHALTED_REFERENCE_CYCLES", "CPU_CLK_THREAD_UNHALTED:REF_P",
      "CPU_CLK_THREAD_UNHALTED:REF_XCLK", "CPU_CLK_UNHALTED:REF", "CPU_CLK_UNHALTED:REF_P",
      "CPU_CLK_UNHALTED:REF_XCLK", "CPU_CLK_UNHALTED:REF_TSC", "CPU_CLK_UNHALTED:REF_TSC_P",
      "P0_FREQ_CYCLES_NOT_IN_HALT", "P0_FREQ_CYCLES_NOT_IN_HALT:P0_FREQ_CYCLES", "ref-cycles",
      "PERF_COUNT_HW_REF_CPU_CYCLES"}},
    {EVENT_LLC_MISSES,
     {"llc_misses", "LLC_MISSES", "llc-misses", "LAST_LEVEL_CACHE_MISSES", "LONGEST_LAT_CACHE:MISS",
      "L3_LAT_CACHE:MISS", "cache-misses", "perf::PERF_COUNT_HW_CACHE_MISSES"}},
    {EVENT_CPU_NS,
     {"cpu_ns", "perf::TASK-CLOCK", "task-clock", "cpu-clock", "TASK_CLOCK", "CPU_CLOCK",
      "PERF_COUNT_SW_TASK_CLOCK", "PERF_COUNT_SW_CPU_CLOCK"}},
    {EVENT_CONTEXT_SWITCHES,
     {"context_switches", "context-switches", "cs", "perf::PERF_COUNT_SW_CONTEXT_SWITCHES"}},
    {EVENT_PAGE_FAULTS, {"page_faults", "page-faults", "faults", "PERF_COUNT_SW_PAGE_FAULTS"}},
    {EVENT_MIGRATIONS, {"migrations", "cpu-migrations", "PERF_COUNT_SW_CPU_MIGRATIONS"}},
};

static void every_spelling_is_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        for (size_t j = 0; j < ARRAY_SIZE(known[i].spellings) && known[i].spellings[j]; j++)
            if (strcmp(event_canonical(known[i].spellings[j]), known[i].canonical) != 0)
                fail_msg("%s became %s", known[i].spellings[j],
                         event_canonical(known[i].spellings[j]));
}

static void unknown_names_pass_through(void **state)
{
    (void)state;
    static const char *const names[] = {
        "",         "::",          "skl::",         "RAPL_ENERGY_PKG",   "INST_RETIRED:ANY_P:u",
        "INST",     "instruction", "INSTRUCTIONSX", "LLC-LOAD-MISSES",   "MINOR-FAULTS",
        "\xff\xfe", "zzz",         "time_enabled",  "CPU_CLK_UNHALTED:", "perf::perf::CYCLES",
    };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_ptr_equal(event_canonical(names[i]), names[i]);
}

static void powerapi_names_lead_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        assert_string_equal(event_canonical(event_powerapi(known[i].canonical)),
                            known[i].canonical);
    assert_string_equal(event_powerapi(EVENT_CYCLES), "CPU_CLK_THREAD_UNHALTED:THREAD_P");
    const char *own = "skl::L2_LINES_IN:ALL";
    assert_ptr_equal(event_powerapi(own), own);
}

static void a_type_of_cpus_stands_behind_the_name(void **state)
{
    (void)state;
    assert_string_equal(event_without_type("instructions:core"), EVENT_INSTRUCTIONS);
    assert_string_equal(event_without_type("llc_misses:armv8_cortex_a53"), EVENT_LLC_MISSES);
    static const char *const names[] = {"instructions",  "instructions:", "instructions:a:b", ":core",
                                        "instruction:core", "instructionss:core", "mine:core", "",
                                        "skl::INST_RETIRED", "INSTRUCTIONS:core"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_null(event_without_type(names[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spelling_is_known),
        cmocka_unit_test(unknown_names_pass_through),
        cmocka_unit_test(powerapi_names_lead_back),
        cmocka_unit_test(a_type_of_cpus_stands_behind_the_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
