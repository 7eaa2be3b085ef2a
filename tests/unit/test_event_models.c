/* SPDX-License-Identifier: BSD-3-Clause */
/* What our lists ask each model for is what the model's own names mean, where libpfm4 knows it; the
 * others are named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/scope.h"
#include "sensor/event_set.h"

extern const char events_intel_conf[], events_amd_conf[], events_arm_conf[];

/* Codes of the kernel's generic events, as a raw event has them: arch/x86/events/intel/core.c
 * (intel_perfmon_event_map), arch/x86/events/amd/core.c (amd_zen1_, amd_zen4_perfmon_event_map),
 * drivers/perf/arm_pmuv3.c (armv8_pmuv3_perf_map). */
struct generic_codes {
    uint64_t codes[PERF_COUNT_HW_MAX];
};

static const struct generic_codes intel = {{[PERF_COUNT_HW_INSTRUCTIONS] = 0xc0,
                                            [PERF_COUNT_HW_CPU_CYCLES] = 0x3c,
                                            [PERF_COUNT_HW_REF_CPU_CYCLES] = 0x300,
                                            [PERF_COUNT_HW_CACHE_MISSES] = 0x412e}};
static const struct generic_codes amd = {{[PERF_COUNT_HW_INSTRUCTIONS] = 0xc0,
                                          [PERF_COUNT_HW_CPU_CYCLES] = 0x76,
                                          [PERF_COUNT_HW_REF_CPU_CYCLES] = 0x100000120,
                                          [PERF_COUNT_HW_CACHE_MISSES] = 0x964}};
static const struct generic_codes arm = {
    {[PERF_COUNT_HW_INSTRUCTIONS] = 0x8, [PERF_COUNT_HW_CPU_CYCLES] = 0x11}};

struct spelled {
    const char *name, *event; /* canonical; of the model */
};

#define INTEL_NAMES(cycles_event) \
    {"instructions", "INST_RETIRED:ANY_P"}, {"cycles", cycles_event}, \
        {"llc_misses", "LONGEST_LAT_CACHE:MISS"}
#define INTEL_CORE_NAMES \
    {INTEL_NAMES("CPU_CLK_UNHALTED:THREAD_P"), {"ref_cycles", "UNHALTED_REFERENCE_CYCLES"}}
#define AMD_NAMES \
    {"instructions", "RETIRED_INSTRUCTIONS"}, {"cycles", "CYCLES_NOT_IN_HALT"}
#define L2_MISSES "CORE_TO_L2_CACHEABLE_REQUEST_ACCESS_STATUS:LS_RD_BLK_C:IC_FILL_MISS"
#define FROM_MEMORY "ANY_DATA_CACHE_FILLS_FROM_SYSTEM:DRAM_IO_NEAR:DRAM_IO_FAR"
#define ARM_NAMES {"instructions", "INST_RETIRED"}, {"cycles", "CPU_CYCLES"}

static const struct known_model {
    const char *list;
    const struct generic_codes *codes;
    int64_t family, model;
    const char *pmu; /* of libpfm4 */
    struct spelled spelled[6];
} models[] = {
    {events_intel_conf, &intel, 6, 60, "hsw", INTEL_CORE_NAMES},
    {events_intel_conf, &intel, 6, 63, "hsw_ep", INTEL_CORE_NAMES},
    {events_intel_conf, &intel, 6, 61, "bdw", INTEL_CORE_NAMES},
    {events_intel_conf, &intel, 6, 79, "bdw_ep", INTEL_CORE_NAMES},
    {events_intel_conf, &intel, 6, 94, "skl", INTEL_CORE_NAMES},
    {events_intel_conf, &intel, 6, 85, "skx", INTEL_CORE_NAMES},
    {events_intel_conf, &intel, 6, 85, "clx", INTEL_CORE_NAMES},
    {events_intel_conf, &intel, 6, 126, "icl", INTEL_CORE_NAMES},
    {events_intel_conf, &intel, 6, 106, "icx", INTEL_CORE_NAMES},
    {events_intel_conf, &intel, 6, 143, "spr", INTEL_CORE_NAMES},
    {events_intel_conf, &intel, 6, 207, "emr", INTEL_CORE_NAMES},
    {events_intel_conf, &intel, 6, 173, "gnr", INTEL_CORE_NAMES},
    {events_intel_conf, &intel, 6, 151, "adl_glc", INTEL_CORE_NAMES},
    {events_intel_conf, &intel, 6, 151, "adl_grt", {INTEL_NAMES("CPU_CLK_UNHALTED:CORE_P")}},
    {events_amd_conf, &amd, 23, 1, "amd64_fam17h_zen1", {AMD_NAMES, {"l2_misses", L2_MISSES}}},
    {events_amd_conf, &amd, 23, 49, "amd64_fam17h_zen2", {AMD_NAMES, {"l2_misses", L2_MISSES}}},
    {events_amd_conf,
     &amd,
     25,
     33,
     "amd64_fam19h_zen3",
     {AMD_NAMES, {"llc_misses", "ANY_DATA_CACHE_FILLS_FROM_SYSTEM:MEM_IO_LCL:MEM_IO_RMT"}}},
    {events_amd_conf,
     &amd,
     25,
     97,
     "amd64_fam19h_zen4",
     {AMD_NAMES, {"ref_cycles", "P0_FREQ_CYCLES_NOT_IN_HALT"}, {"llc_misses", FROM_MEMORY}}},
    {events_amd_conf, &amd, 26, 2, "amd64_fam1ah_zen5", {AMD_NAMES, {"llc_misses", FROM_MEMORY}}},
    {events_arm_conf, &arm, 65, 0xd03, "arm_ac53", {ARM_NAMES, {"llc_misses", "L2D_CACHE_REFILL"}}},
    {events_arm_conf, &arm, 65, 0xd07, "arm_ac57", {ARM_NAMES, {"llc_misses", "L2D_CACHE_REFILL"}}},
    {events_arm_conf, &arm, 65, 0xd08, "arm_ac72", {ARM_NAMES, {"llc_misses", "L2D_CACHE_REFILL"}}},
    {events_arm_conf, &arm, 65, 0xd0b, "arm_ac76", {ARM_NAMES, {"llc_misses", "LL_CACHE_MISS_RD"}}},
    {events_arm_conf, &arm, 65, 0xd0c, "arm_n1", {ARM_NAMES, {"llc_misses", "LL_CACHE_MISS_RD"}}},
    {events_arm_conf, &arm, 65, 0xd40, "arm_v1", {ARM_NAMES, {"llc_misses", "LL_CACHE_MISS_RD"}}},
    {events_arm_conf, &arm, 65, 0xd49, "arm_n2", {ARM_NAMES, {"llc_misses", "LL_CACHE_MISS_RD"}}},
    {events_arm_conf, &arm, 65, 0xd4f, "arm_v2", {ARM_NAMES, {"llc_misses", "LL_CACHE_MISS_RD"}}},
};

/* False: libpfm4 has no such event, or does not know the PMU. */
static bool encode(const char *text, struct counted_event *ret_event)
{
    struct event_set set = {0};
    if (event_set_add(&set, "x", text, NULL) < 0)
        return false;
    *ret_event = set.events[0];
    return true;
}

static uint64_t code_of(const struct counted_event *event, const struct generic_codes *codes)
{
    if (event->attr.type == PERF_TYPE_RAW)
        return event->attr.config;
    assert_int_equal(event->attr.type, PERF_TYPE_HARDWARE);
    return codes->codes[event->attr.config];
}

/* What the list asks a CPU of the model for under that name. */
static uint64_t asked_code(const struct known_model *model, const char *wanted)
{
    const char *list = event_list_for(model->list, model->family, model->model);
    char name[64], text[128];
    int r;
    while ((r = event_list_next(&list, name, text)) != 0) {
        struct counted_event event;
        assert_int_equal(r, 1);
        if (strcmp(name, wanted) != 0)
            continue;
        if (!encode(text, &event))
            fail_msg("%s: \"%s\" cannot be encoded", model->pmu, text);
        return code_of(&event, model->codes);
    }
    return 0;
}

static bool is_known(const struct known_model *model)
{
    char text[128];
    struct counted_event event;
    (void)snprintf(text, sizeof(text), "%s::%s", model->pmu, model->spelled[0].event);
    return encode(text, &event);
}

static void check_model(const struct known_model *model)
{
    for (size_t i = 0; i < ARRAY_SIZE(model->spelled) && model->spelled[i].name; i++) {
        const struct spelled *spelled = &model->spelled[i];
        struct counted_event event;
        char text[128];
        (void)snprintf(text, sizeof(text), "%s::%s", model->pmu, spelled->event);
        if (!encode(text, &event))
            fail_msg("libpfm4 knows %s, but not %s", model->pmu, text);
        uint64_t asked = asked_code(model, spelled->name);
        if (asked == 0 || asked != event.attr.config)
            fail_msg("%s: %s is asked for as 0x%llx, %s is 0x%llx", model->pmu, spelled->name,
                     (unsigned long long)asked, text, (unsigned long long)event.attr.config);
    }
}

static void lists_ask_for_what_models_call_so(void **state)
{
    (void)state;
    size_t n_known = 0;
    for (size_t i = 0; i < ARRAY_SIZE(models); i++) {
        if (is_known(&models[i])) {
            check_model(&models[i]);
            n_known++;
        } else {
            print_message("this libpfm4 does not know %s: not checked\n", models[i].pmu);
        }
    }
    assert_true(n_known > 0);
}

/* Also where libpfm4 does not know the model: every count of ours has a code on it. */
static void every_count_has_a_code(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(models); i++)
        for (size_t j = 0; j < ARRAY_SIZE(models[i].spelled) && models[i].spelled[j].name; j++)
            assert_true(asked_code(&models[i], models[i].spelled[j].name) != 0);
}

int main(void)
{
    /* libpfm4 then encodes events of CPUs that this one is not. */
    if (setenv("LIBPFM_ENCODE_INACTIVE", "1", 1) != 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_ask_for_what_models_call_so),
        cmocka_unit_test(every_count_has_a_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
