/* SPDX-License-Identifier: BSD-3-Clause */
/* Names come from target records; without one only what a target's own name says beyond doubt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "cli/identity.h"
#include "common/record.h"
#include "common/target_record.h"

#define ID64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct identity *find(struct identities *identities, const char *target)
{
    struct identity *identity = NULL;
    assert_int_equal(identities_find(identities, "n", target, &identity), 0);
    assert_non_null(identity);
    assert_non_null(identity->name);
    return identity;
}

static void a_name_alone_says_little(void **state)
{
    (void)state;
    struct identities *identities;
    char text[200];
    assert_int_equal(identities_new(&identities), 0);
    const struct identity *process = find(identities, "/a/b:17@4242");
    assert_string_equal(process->cgroup, "/a/b");
    assert_int_equal(process->pid, 17);
    assert_null(process->command);
    const struct identity *scope = find(identities, "/k.slice:cri:4f5c");
    assert_string_equal(scope->cgroup, "/k.slice:cri:4f5c");
    assert_true(scope->pid == VALUE_ABSENT);
    const char *odd[] = {"/a:17@", "/a:@4", "/a:1x@4", "/a:99999999999999999999@4", "/", ""};
    for (size_t i = 0; i < 6; i++)
        assert_true(find(identities, odd[i])->pid == VALUE_ABSENT);
    assert_null(find(identities, "other")->cgroup);
    assert_string_equal(identity_group(find(identities, "/"), text), "(no unit)");
    assert_string_equal(identity_group(process, text), "b");
    identities_free(identities);
}

static void a_record_names_and_replaces(void **state)
{
    (void)state;
    struct identities *identities;
    char text[200];
    assert_int_equal(identities_new(&identities), 0);
    assert_true(find(identities, "/s/x:1@2")->is_derived);
    struct target_record record = {
        .key = {.sensor = "n"},
        .target = "/s/x:1@2",
        .target_kind = "process",
        .name = "busy",
        .cgroup = "/s/x",
        .cgroup_inode = VALUE_ABSENT,
        .pid = 1,
        .start_ticks = 2,
        .comm = "busy",
        .unit = "x.service",
    };
    assert_int_equal(identities_add(identities, &record), 0);
    const struct identity *identity = find(identities, "/s/x:1@2");
    assert_false(identity->is_derived);
    assert_string_equal(identity->command, "busy");
    assert_string_equal(identity_group(identity, text), "x.service");
    record.container = ID64;
    assert_int_equal(identities_add(identities, &record), 0);
    assert_string_equal(identity_group(identity, text), "container 0123456789ab");
    record.container = "web";
    assert_int_equal(identities_add(identities, &record), 0);
    assert_string_equal(identity_group(identity, text), "container web");
    /* another sensor's target of the same name is another target */
    struct identity *foreign = NULL;
    assert_int_equal(identities_find(identities, "m", "/s/x:1@2", &foreign), 0);
    assert_true(foreign->is_derived);
    identities_free(identities);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_alone_says_little),
        cmocka_unit_test(a_record_names_and_replaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
