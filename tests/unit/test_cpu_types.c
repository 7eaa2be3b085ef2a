/* SPDX-License-Identifier: BSD-3-Clause */
/* Which CPUs count by which PMU, and what the kernel is asked on each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "sensor/topology.h"
#include "sensor/typed_events.h"
#include "tests/hwsim/recorded.h"
#include "tests/unit/made_tree.h"

#define MACHINE "tests/fixtures/machines/alder-lake.machine"
#define DEVICE(name) "sys/bus/event_source/devices/" name

struct fixture {
    struct made_tree tree;
    char sysfs[128], procfs[128];
    struct host host;
    struct topology topology;
    struct cpu_types types;
};

static void point(struct fixture *fixture)
{
    (void)snprintf(fixture->sysfs, sizeof(fixture->sysfs), "%s/sys", fixture->tree.root);
    (void)snprintf(fixture->procfs, sizeof(fixture->procfs), "%s/proc", fixture->tree.root);
    fixture->host = (struct host){.sysfs = fixture->sysfs, .procfs = fixture->procfs};
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    made_tree_new(&fixture->tree);
    point(fixture);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    made_tree_remove(&fixture->tree, "");
    free(fixture);
    return 0;
}

static void look(struct fixture *fixture)
{
    assert_int_equal(topology_read(&fixture->topology, &fixture->host, NULL), 0);
    assert_int_equal(cpu_types_read(&fixture->types, &fixture->host, &fixture->topology), 0);
}

static void forget(struct fixture *fixture)
{
    topology_deinit(&fixture->topology);
    cpu_types_deinit(&fixture->types);
}

static void make(const struct fixture *fixture, const char *path, const char *text)
{
    made_tree_write(&fixture->tree, path, text);
}

static void make_cpus(const struct fixture *fixture, const char *online)
{
    make(fixture, "sys/devices/system/cpu/possible", "0-7\n");
    make(fixture, "sys/devices/system/cpu/online", online);
}

static void a_hybrid_has_a_type_of_each_kind_of_cores(void **state)
{
    struct fixture *fixture = *state;
    struct recorded recorded;
    recorded_read(&recorded, MACHINE);
    fixture->host = (struct host){.sysfs = recorded.sysfs, .procfs = recorded.procfs};
    look(fixture);
    const struct cpu_types *types = &fixture->types;
    assert_int_equal(types->n, 2);
    assert_string_equal(types->types[0].name, "core");
    assert_string_equal(types->types[0].pmu, "cpu_core");
    assert_int_equal(types->types[0].pmu_type, 4);
    assert_int_equal(types->types[0].model, 151);
    assert_string_equal(types->types[1].name, "atom");
    assert_int_equal(types->types[1].pmu_type, 10);
    assert_int_equal(types->types[1].first_cpu, 16);
    for (size_t cpu = 0; cpu < 24; cpu++)
        assert_int_equal(cpu_types_of(&fixture->types, &fixture->host, cpu), cpu >= 16);
    assert_int_equal(cpu_types_of(&fixture->types, &fixture->host, 24), CPU_TYPE_NONE);
    forget(fixture);
    recorded_free(&recorded);
}

/* cpu_core has the number of raw events, PERF_TYPE_RAW, as on real hybrids. */
static void the_kernel_is_asked_for_the_cpus_own_pmu(void **state)
{
    (void)state;
    const struct cpu_type types[] = {{.name = "core", .pmu = "cpu_core", .pmu_type = 4},
                                     {.name = "atom", .pmu = "cpu_atom", .pmu_type = 10}};
    for (size_t i = 0; i < 2; i++) {
        struct event_set set = {0};
        uint64_t upper = (uint64_t)types[i].pmu_type << 32;
        assert_int_equal(event_set_add(&set, "cycles", "perf::CPU-CYCLES", NULL), 0);
        assert_int_equal(event_set_add(&set, "llc_misses", "perf::CACHE-MISSES", NULL), 0);
        assert_int_equal(event_set_add(&set, "raw", "perf_raw::r412e", NULL), 0);
        assert_int_equal(event_set_add(&set, "cpu_ns", "perf::TASK-CLOCK", NULL), 0);
        assert_int_equal(event_set_add(&set, "big", "skl::INST_RETIRED:ANY_P", NULL), 0);
        for (size_t e = 0; e < set.n_events; e++)
            event_set_retype(&set.events[e], &types[i]);
        assert_int_equal(set.events[0].attr.type, PERF_TYPE_HARDWARE);
        assert_int_equal(set.events[0].attr.config, upper | PERF_COUNT_HW_CPU_CYCLES);
        assert_int_equal(set.events[1].attr.config, upper | PERF_COUNT_HW_CACHE_MISSES);
        assert_int_equal(set.events[2].attr.type, types[i].pmu_type);
        assert_int_equal(set.events[2].attr.config, 0x412e);
        assert_string_equal(set.events[2].pmu, types[i].pmu);
        assert_true(set.events[0].is_typed && set.events[1].is_typed && set.events[2].is_typed);
        assert_int_equal(set.events[3].attr.type, PERF_TYPE_SOFTWARE);
        assert_false(set.events[3].is_typed);
        /* What is written for one PMU stays its own: others answer that they have no such event. */
        assert_int_equal(set.events[4].attr.type, PERF_TYPE_RAW);
        assert_int_equal(set.events[4].is_typed, i == 0);
    }
    struct event_set set = {0};
    const struct cpu_type alike = {0};
    assert_int_equal(event_set_add(&set, "cycles", "perf::CPU-CYCLES", NULL), 0);
    event_set_retype(&set.events[0], &alike);
    assert_int_equal(set.events[0].attr.config, PERF_COUNT_HW_CPU_CYCLES);
    assert_false(set.events[0].is_typed);
}

static void where_all_cpus_are_alike_there_is_one_type(void **state)
{
    struct fixture *fixture = *state;
    make_cpus(fixture, "0-3\n");
    look(fixture); /* no PMU at all */
    assert_int_equal(fixture->types.n, 1);
    assert_string_equal(fixture->types.types[0].name, "");
    assert_int_equal(cpu_types_of(&fixture->types, &fixture->host, 7), 0);
    forget(fixture);
    make(fixture, DEVICE("armv8_pmuv3_0/type"), "8\n"); /* one that says which CPUs */
    make(fixture, DEVICE("armv8_pmuv3_0/cpus"), "0-7\n");
    make(fixture, DEVICE("power/type"), "9\n"); /* and one that is no core's */
    make(fixture, DEVICE("power/cpumask"), "0\n");
    look(fixture);
    assert_int_equal(fixture->types.n, 1);
    assert_string_equal(fixture->types.types[0].pmu, "");
    forget(fixture);
}

static void arm_cores_are_known_by_their_own_numbers(void **state)
{
    struct fixture *fixture = *state;
    make_cpus(fixture, "0-7\n");
    make(fixture, DEVICE("armv8_cortex_a72/type"), "9\n");
    make(fixture, DEVICE("armv8_cortex_a72/cpus"), "4-7\n");
    make(fixture, DEVICE("armv8_cortex_a53/type"), "8\n");
    make(fixture, DEVICE("armv8_cortex_a53/cpus"), "0-3\n");
    make(fixture, "sys/devices/system/cpu/cpu0/regs/identification/midr_el1",
         "0x00000000410fd034\n");
    make(fixture, "sys/devices/system/cpu/cpu4/regs/identification/midr_el1",
         "0x00000000410fd083\n");
    look(fixture);
    assert_int_equal(fixture->types.n, 2);
    assert_string_equal(fixture->types.types[0].name, "armv8_cortex_a53");
    assert_int_equal(fixture->types.types[0].family, 65);
    assert_int_equal(fixture->types.types[0].model, 0xd03);
    assert_int_equal(fixture->types.types[1].model, 0xd08);
    forget(fixture);
}

/* Lists hold CPUs that are online only. */
static void a_cpu_that_comes_later_is_found(void **state)
{
    struct fixture *fixture = *state;
    make_cpus(fixture, "0-2,4\n");
    make(fixture, DEVICE("cpu_core/type"), "4\n");
    make(fixture, DEVICE("cpu_core/cpus"), "0-2\n");
    make(fixture, DEVICE("cpu_atom/type"), "10\n");
    make(fixture, DEVICE("cpu_atom/cpus"), "4\n");
    look(fixture);
    assert_int_equal(cpu_types_of(&fixture->types, &fixture->host, 5), CPU_TYPE_NONE);
    make(fixture, DEVICE("cpu_atom/cpus"), "4-5\n");
    assert_int_equal(cpu_types_of(&fixture->types, &fixture->host, 5), 1);
    assert_int_equal(cpu_types_of(&fixture->types, &fixture->host, 0), 0);
    forget(fixture);
}

static void nonsense_is_no_type(void **state)
{
    struct fixture *fixture = *state;
    static const char *const bad_cpus[] = {"", "\n", "0-", "x", "9999", "7-5", "-1", "0-65"};
    static const char *const bad_types[] = {"", "-1\n", "4294967296\n", "core\n"};
    make_cpus(fixture, "0-5\n");
    make(fixture, DEVICE("cpu_core/type"), "4\n");
    make(fixture, DEVICE("cpu_core/cpus"), "0-3\n");
    make(fixture, DEVICE("cpu_atom/type"), "10\n");
    for (size_t i = 0; i < sizeof(bad_cpus) / sizeof(bad_cpus[0]); i++) {
        make(fixture, DEVICE("cpu_atom/cpus"), bad_cpus[i]);
        look(fixture);
        assert_int_equal(fixture->types.n, 1);
        forget(fixture);
    }
    make(fixture, DEVICE("cpu_atom/cpus"), "4-7\n");
    for (size_t i = 0; i < sizeof(bad_types) / sizeof(bad_types[0]); i++) {
        make(fixture, DEVICE("cpu_atom/type"), bad_types[i]);
        look(fixture);
        assert_int_equal(fixture->types.n, 1);
        forget(fixture);
    }
    make(fixture, DEVICE("cpu_atom/type"), "10\n");
    make(fixture, DEVICE("cpu atom%/type"), "11\n"); /* goes into names of columns */
    make(fixture, DEVICE("cpu atom%/cpus"), "4-7\n");
    make(fixture, DEVICE("cpu_off/type"), "12\n"); /* all of its CPUs are offline */
    make(fixture, DEVICE("cpu_off/cpus"), "6-7\n");
    look(fixture);
    assert_int_equal(fixture->types.n, 2);
    forget(fixture);
}

static void more_types_than_there_is_room_for_are_not_known(void **state)
{
    struct fixture *fixture = *state;
    make_cpus(fixture, "0-7\n");
    for (int i = 7; i >= 0; i--) {
        char path[96], text[16];
        (void)snprintf(path, sizeof(path), DEVICE("cpu_t%d/type"), i);
        (void)snprintf(text, sizeof(text), "%d\n", 20 + i);
        make(fixture, path, text);
        (void)snprintf(path, sizeof(path), DEVICE("cpu_t%d/cpus"), i);
        (void)snprintf(text, sizeof(text), "%d\n", i);
        make(fixture, path, text);
    }
    look(fixture);
    assert_int_equal(fixture->types.n, CPU_TYPES_MAX);
    for (size_t cpu = 0; cpu < 8; cpu++)
        assert_int_equal(cpu_types_of(&fixture->types, &fixture->host, cpu),
                         cpu < CPU_TYPES_MAX ? cpu : CPU_TYPE_NONE);
    forget(fixture);
}

int main(void)
{
    /* libpfm4 then encodes events of CPUs that this one is not. */
    if (setenv("LIBPFM_ENCODE_INACTIVE", "1", 1) != 0)
        return 1;
#define WITH_TREE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_TREE(a_hybrid_has_a_type_of_each_kind_of_cores),
        cmocka_unit_test(the_kernel_is_asked_for_the_cpus_own_pmu),
        WITH_TREE(where_all_cpus_are_alike_there_is_one_type),
        WITH_TREE(arm_cores_are_known_by_their_own_numbers),
        WITH_TREE(a_cpu_that_comes_later_is_found),
        WITH_TREE(nonsense_is_no_type),
        WITH_TREE(more_types_than_there_is_room_for_are_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
