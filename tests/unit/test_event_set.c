/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists are read line by line; what libpfm4 says becomes what the kernel is asked; the lists we
 * ship are sound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "sensor/event_set.h"
#include "sensor/host.h"
#include "tests/unit/made_tree.h"

extern const char events_software_conf[], events_intel_conf[], events_amd_conf[], events_arm_conf[];

static void lists_are_read_line_by_line(void **state)
{
    (void)state;
    const char *text = "# comment\n\n  a = b::C:c=1  # more\nbad line\n= x\ny =\nlast=1";
    char name[64], event[128];
    assert_int_equal(event_list_next(&text, name, event), 1);
    assert_string_equal(name, "a");
    assert_string_equal(event, "b::C:c=1");
    assert_int_equal(event_list_next(&text, name, event), -EBADMSG);
    assert_int_equal(event_list_next(&text, name, event), -EBADMSG);
    assert_int_equal(event_list_next(&text, name, event), -EBADMSG);
    assert_int_equal(event_list_next(&text, name, event), 1);
    assert_string_equal(name, "last");
    assert_int_equal(event_list_next(&text, name, event), 0);
    assert_int_equal(event_list_next(&text, name, event), 0);
}

/* Every event of a list must be one that this libpfm4 can encode. */
static void check_list(const char *text, struct event_set *set)
{
    char name[64], event[128];
    int r;
    *set = (struct event_set){0};
    while ((r = event_list_next(&text, name, event)) != 0) {
        struct error err = {0};
        assert_int_equal(r, 1);
        if (event_set_add(set, name, event, &err) < 0)
            fail_msg("%s", err.text);
    }
    assert_true(set->n_events >= 3);
    assert_string_equal(set->events[0].name, "cpu_ns");
    assert_string_equal(set->events[0].pmu, "perf");
    assert_int_equal(set->events[0].attr.type, PERF_TYPE_SOFTWARE);
    assert_int_equal(set->events[0].attr.config, PERF_COUNT_SW_TASK_CLOCK);
}

static void shipped_lists_are_sound(void **state)
{
    (void)state;
    const char *const lists[] = {events_software_conf, events_intel_conf, events_amd_conf,
                                 events_arm_conf};
    size_t n_sections = 0;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        struct event_set set;
        check_list(lists[i], &set);
        for (const char *at = lists[i]; (at = strstr(at, "\n[")); n_sections++) {
            at = strchr(at + 1, '\n') + 1;
            check_list(at, &set);
        }
    }
    assert_int_equal(n_sections, 5);
}

/* What counts misses of the last level, or of the second where nothing else does. */
static void each_cpu_has_its_list(void **state)
{
    (void)state;
    const struct {
        const char *list;
        int64_t family, model;
        const char *name;
        unsigned type;
        uint64_t config;
    } cpus[] = {
        {events_intel_conf, 6, 63, "llc_misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES},
        {events_intel_conf, 6, 173, "llc_misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES},
        {events_amd_conf, 23, 1, "l2_misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES},
        {events_amd_conf, 23, 49, "l2_misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES},
        {events_amd_conf, 25, 1, "llc_misses", PERF_TYPE_RAW, 0x4844},
        {events_amd_conf, 25, 33, "llc_misses", PERF_TYPE_RAW, 0x4844},
        {events_amd_conf, 25, 17, "llc_misses", PERF_TYPE_RAW, 0x4844},
        {events_amd_conf, 25, 97, "llc_misses", PERF_TYPE_RAW, 0x4844},
        {events_amd_conf, 26, 2, "llc_misses", PERF_TYPE_RAW, 0x4844},
        {events_amd_conf, 27, 2, "l2_misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES},
        {events_arm_conf, 65, 0xd0c, "llc_misses", PERF_TYPE_RAW, 0x37},
        {events_arm_conf, 65, 0xd4f, "llc_misses", PERF_TYPE_RAW, 0x37},
        {events_arm_conf, 65, 0xd46, "llc_misses", PERF_TYPE_RAW, 0x37},
        {events_arm_conf, 65, 0xd08, "llc_misses", PERF_TYPE_RAW, 0x17},
        {events_arm_conf, 72, 0xd01, "cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES},
    };
    for (size_t i = 0; i < sizeof(cpus) / sizeof(cpus[0]); i++) {
        struct event_set set;
        check_list(event_list_for(cpus[i].list, cpus[i].family, cpus[i].model), &set);
        const struct counted_event *last = &set.events[set.n_events - 1];
        if (strcmp(last->name, cpus[i].name) || last->attr.type != cpus[i].type ||
            last->attr.config != cpus[i].config)
            fail_msg("family %" PRId64 " model %" PRId64 ": %s, type %u, 0x%llx", cpus[i].family,
                     cpus[i].model, last->name, last->attr.type, last->attr.config);
    }
}

static void sections_are_chosen_by_family_and_model(void **state)
{
    (void)state;
    static const char text[] = "a = 1\n[x 6 3-5,9]\nb = 2\n[broken\n[y 6 *]\nc = 3\n";
    const struct {
        int64_t family, model;
        const char *name;
    } cases[] = {{6, 4, "b"}, {6, 9, "b"}, {6, 8, "c"}, {7, 4, "a"}, {INT64_MIN, INT64_MIN, "a"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *list = event_list_for(text, cases[i].family, cases[i].model);
        char name[64], event[128];
        assert_int_equal(event_list_next(&list, name, event), 1);
        assert_string_equal(name, cases[i].name);
        assert_int_equal(event_list_next(&list, name, event), 0);
    }
}

static void encodings_count_guests_and_keep_their_size(void **state)
{
    (void)state;
    struct event_set set = {0};
    struct error err = {0};
    /* skl: what showevtinfo and the kernel's own tables say of these two. */
    assert_int_equal(event_set_add(&set, "instructions", "skl::INST_RETIRED:ANY_P", &err), 0);
    assert_int_equal(event_set_add(&set, "llc", "skl::LONGEST_LAT_CACHE:MISS:u", &err), 0);
    const struct perf_event_attr *attr = &set.events[0].attr;
    assert_int_equal(attr->type, PERF_TYPE_RAW);
    assert_int_equal(attr->config, 0xc0);
    assert_int_equal(attr->size, sizeof(*attr));
    assert_int_equal(attr->exclude_guest, 0);
    assert_int_equal(attr->exclude_host, 0);
    assert_int_equal(attr->exclude_kernel, 0);
    assert_int_equal(attr->read_format, PERF_FORMAT_GROUP | PERF_FORMAT_TOTAL_TIME_ENABLED |
                                            PERF_FORMAT_TOTAL_TIME_RUNNING);
    assert_string_equal(set.events[0].pmu, "skl");
    assert_int_equal(set.events[1].attr.config, 0x412e);
    assert_int_equal(set.events[1].attr.exclude_kernel, 1);
}

static void bad_events_are_named(void **state)
{
    (void)state;
    const char *const bad[] = {"",    "nonsense", "perf::NO-SUCH", "skl::INST_RETIRED:NO_SUCH",
                               "a,b", "a b"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct event_set set = {0};
        struct error err = {0};
        assert_int_equal(event_set_add(&set, "x", bad[i], &err), -EINVAL);
        assert_non_null(strstr(err.text, bad[i]));
        assert_int_equal(set.n_events, 0);
    }
    struct event_set set = {0};
    struct error err = {0};
    assert_int_equal(event_set_add(&set, "x", "perf::CPU-CLOCK", &err), 0);
    assert_int_equal(event_set_add(&set, "x", "perf::TASK-CLOCK", &err), -EINVAL);
    for (size_t i = 1; i < EVENT_SET_MAX; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "e%zu", i);
        assert_int_equal(event_set_add(&set, name, "perf::CPU-CLOCK", &err), 0);
    }
    assert_int_equal(event_set_add(&set, "more", "perf::CPU-CLOCK", &err), -E2BIG);
}

/* What an event is called goes into records, and readers take cpu_ns for nanoseconds. */
static void own_names_are_plain(void **state)
{
    (void)state;
    const char *const good[] = {"m=perf::MINOR-FAULTS", "my.own-1_x=perf::MINOR-FAULTS",
                                "cpu_ns=perf::CPU-CLOCK", "perf::PAGE-FAULTS:u",
                                "instructions=skl::INST_RETIRED:ANY_P", "cpu_ns"};
    const char *const bad[] = {"=",
                               "m=",
                               "=perf::MINOR-FAULTS",
                               "a b=perf::MINOR-FAULTS",
                               "x\ny=perf::MINOR-FAULTS",
                               "\xc3\xa9=perf::MINOR-FAULTS",
                               "a/b=perf::MINOR-FAULTS",
                               "cpu_ns=perf::PAGE-FAULTS",
                               "cpu_ns=perf::TASK-CLOCK:u"};
    struct error err = {0};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (event_check(good[i], &err) != 0)
            fail_msg("%s: %s", good[i], err.text);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (event_check(bad[i], &err) != -EINVAL)
            fail_msg("%s is taken", bad[i]);
}

static void clocks_are_those_sysfs_offers(void **state)
{
    (void)state;
    struct made_tree tree;
    made_tree_new(&tree);
    struct host host = {.sysfs = tree.root};
    struct event_set set;
    event_set_clock(&set, &host);
    assert_int_equal(set.n_events, 0);
    made_tree_write(&tree, "bus/event_source/devices/msr/type", "9\n");
    made_tree_write(&tree, "bus/event_source/devices/msr/events/mperf", "event=0x02\n");
    made_tree_write(&tree, "bus/event_source/devices/msr/events/tsc", "event=0x00\n");
    made_tree_write(&tree, "bus/event_source/devices/msr/events/aperf", "nonsense\n");
    event_set_clock(&set, &host);
    assert_int_equal(set.n_events, 2);
    assert_string_equal(set.events[0].name, "tsc");
    assert_string_equal(set.events[1].name, "mperf");
    assert_int_equal(set.events[1].attr.config, 2);
    assert_int_equal(set.events[1].attr.type, 9);
    made_tree_remove(&tree, "");
}

int main(void)
{
    /* libpfm4 then encodes events of CPUs that this one is not. */
    if (setenv("LIBPFM_ENCODE_INACTIVE", "1", 1) != 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_read_line_by_line),
        cmocka_unit_test(shipped_lists_are_sound),
        cmocka_unit_test(each_cpu_has_its_list),
        cmocka_unit_test(sections_are_chosen_by_family_and_model),
        cmocka_unit_test(encodings_count_guests_and_keep_their_size),
        cmocka_unit_test(bad_events_are_named),
        cmocka_unit_test(own_names_are_plain),
        cmocka_unit_test(clocks_are_those_sysfs_offers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
