/* SPDX-License-Identifier: BSD-3-Clause */
/* Another CPU and another set of events are told from the same ones, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "formula/origin.h"

static char why[256];

static struct origin of_cpu(const char *vendor, int64_t family, int64_t model, const char *name)
{
    struct origin origin;
    origin_init(&origin);
    (void)snprintf(origin.cpu_vendor, sizeof(origin.cpu_vendor), "%s", vendor);
    (void)snprintf(origin.cpu_name, sizeof(origin.cpu_name), "%s", name);
    origin.cpu_family = family;
    origin.cpu_model = model;
    return origin;
}

static struct origin of_events(const char *const *events, size_t n)
{
    struct host_record host;
    struct origin origin;
    host_record_init(&host);
    for (size_t i = 0; i < n; i++) {
        struct host_event *event;
        assert_int_equal(host_record_add_event(&host, &event), 0);
        *event = (struct host_event){0};
        (void)snprintf(event->name, sizeof(event->name), "%s", events[i]);
    }
    origin_of_host(&host, &origin);
    host_record_deinit(&host);
    return origin;
}

static bool differs(const struct origin *a, const struct origin *b)
{
    return origin_differs(a, b, why, sizeof(why));
}

static void cpus_are_told_apart(void **state)
{
    (void)state;
    struct origin intel = of_cpu("GenuineIntel", 6, 85, "Gold 6130");
    struct origin renamed = of_cpu("GenuineIntel", 6, 85, "Platinum 8160");
    struct origin other = of_cpu("GenuineIntel", 6, 106, "Gold 6330");
    struct origin amd = of_cpu("AuthenticAMD", 6, 85, "Gold 6130");
    struct origin arm = of_cpu("ARM", VALUE_ABSENT, VALUE_ABSENT, "Neoverse-N1");
    struct origin arm2 = of_cpu("ARM", VALUE_ABSENT, VALUE_ABSENT, "Neoverse-V1");
    struct origin unknown;
    origin_init(&unknown);
    assert_false(differs(&intel, &renamed));
    assert_true(differs(&intel, &other));
    assert_string_equal(
        why,
        "its CPU is GenuineIntel 6/85 (Gold 6130), this one is GenuineIntel 6/106 (Gold 6330)");
    assert_true(differs(&intel, &amd));
    assert_true(differs(&arm, &arm2));
    assert_false(differs(&arm, &arm));
    assert_false(differs(&unknown, &intel) || differs(&intel, &unknown));
    origin_update(&unknown, &intel);
    assert_true(differs(&unknown, &amd));
}

static void told_events_are_a_set(void **state)
{
    (void)state;
    struct origin ab = of_events((const char *[]){"a", "b"}, 2);
    struct origin ba = of_events((const char *[]){"b", "a", "b"}, 3);
    struct origin abc = of_events((const char *[]){"a", "b", "c"}, 3);
    struct origin none = of_events(NULL, 0);
    struct origin gpu = of_events((const char *[]){"a", "gpu_ns", "b"}, 3);
    assert_false(differs(&ab, &gpu) || differs(&gpu, &ab));
    assert_false(differs(&ab, &ba));
    assert_true(differs(&ab, &abc) && differs(&abc, &ab));
    assert_false(differs(&ab, &none) || differs(&none, &ab));
}

static bool gather(struct origin *origin, const char *a, const char *b)
{
    const char *events[] = {a, b};
    return origin_gather(origin, b ? 2 : a ? 1 : 0, events, why, sizeof(why));
}

static void gathered_events_may_be_missing_or_new_but_not_both(void **state)
{
    (void)state;
    struct origin origin;
    origin_init(&origin);
    assert_false(gather(&origin, "a", "b"));
    assert_false(gather(&origin, "a", NULL));
    assert_false(gather(&origin, NULL, NULL));
    assert_true(gather(&origin, "a", "c"));
    /* Changing to and fro is not forgetting at every tick. */
    for (int i = 0; i < 10; i++)
        assert_false(gather(&origin, "a", i % 2 ? "b" : "c"));
    /* A flood of names ends at the limit. */
    int n_forgotten = 0;
    for (int i = 0; i < 1000; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "event%d", i);
        n_forgotten += gather(&origin, name, NULL);
    }
    assert_int_equal(origin.n_events, ORIGIN_EVENTS_MAX);
    assert_int_equal(n_forgotten, ORIGIN_EVENTS_MAX - 3);
}

static void it_is_saved_and_read_back(void **state)
{
    (void)state;
    struct origin origin = of_events((const char *[]){"a", "b"}, 2), read;
    struct origin cpu = of_cpu("AuthenticAMD", 25, 1, "EPYC");
    bson_t saved = BSON_INITIALIZER, empty = BSON_INITIALIZER;
    origin_update(&cpu, &origin);
    origin_save(&cpu, &saved);
    assert_int_equal(origin_load(&read, &saved), 0);
    assert_memory_equal(&read, &cpu, sizeof(read));
    assert_true(origin_load(&read, &empty) < 0);
    bson_destroy(&saved);
    bson_destroy(&empty);
}

static void a_model_fits_or_not(void **state)
{
    (void)state;
    struct origin model, machine;
    origin_init(&model);
    origin_init(&machine);
    (void)gather(&model, "a", "b");
    (void)gather(&machine, "a", NULL);
    assert_true(origin_fits(&model, &machine, why, sizeof(why)));
    (void)gather(&machine, "c", NULL);
    assert_true(origin_fits(&machine, &model, why, sizeof(why)) == false);
    assert_int_equal(model.n_events, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cpus_are_told_apart),
        cmocka_unit_test(told_events_are_a_set),
        cmocka_unit_test(gathered_events_may_be_missing_or_new_but_not_both),
        cmocka_unit_test(it_is_saved_and_read_back),
        cmocka_unit_test(a_model_fits_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
