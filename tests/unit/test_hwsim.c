/* SPDX-License-Identifier: BSD-3-Clause */
/* What the simulator refuses to simulate, and that it knows how much CPU time a process group used.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "common/error.h"
#include "common/scope.h"
#include "tests/hwsim/machine.h"
#include "tests/hwsim/script.h"
#include "tests/hwsim/usage.h"
#include "tests/unit/made_tree.h"

static struct made_tree tree;
static char path[PATH_MAX];
static struct machine machine;
static struct script script;

static void put(const char *text)
{
    made_tree_write(&tree, "text", text);
    made_tree_path(&tree, "text", path);
}

static int read_machine(const char *text)
{
    put(text);
    return machine_read(&machine, path, NULL);
}

static int read_script(const char *text)
{
    put(text);
    return script_read(&script, path, NULL);
}

static void test_machine(void **state)
{
    (void)state;
    assert_int_equal(read_machine("[machine]\nvendor = amd\npackages = 2\ncpus = 8\nseed = 0x10\n"
                                  "domains = package psys\nupdate_us = 500\n"
                                  "[package 1]\nidle_w = 7.5\nstart_counts = 0xffffffff\n"
                                  "[user a]\ncgroup = /x\npackage = 1\ncore_watts = 3\n"
                                  "[user b]\nload = 0.5\n"),
                     0);
    assert_true(machine.is_amd && machine.seed == 16 && machine.update_ns == 500000);
    assert_true(machine.has_domain[SIM_PSYS] && !machine.has_domain[SIM_DRAM]);
    assert_true(machine.packages[1].start_counts == UINT32_MAX);
    assert_true(machine.packages[1].idle_w[SIM_PACKAGE] == 7.5);
    assert_int_equal(machine.n_users, 2);
    assert_string_equal(machine.users[0].cgroup, "/x");
    assert_true(machine.users[0].watts[SIM_CORE] == 3);
    assert_int_equal(machine_package_of(&machine, 3), 0);
    assert_int_equal(machine_package_of(&machine, 4), 1);
}

static void test_parts_of_machines(void **state)
{
    (void)state;
    assert_int_equal(read_machine("[machine]\npackages = 2\ndies = 2\ncpus = 8\n"
                                  "domains = package uncore psys\nunit_rule = microjoule\n"
                                  "energy_unit = 5\npsys_unit_nj = 1e9\npsys_package = 1\n"
                                  "[package 0]\nuncore_idle_w = 3\n"),
                     0);
    assert_true(machine.unit_is_uj && machine.psys_unit_nj == 1e9 && machine.psys_package == 1);
    assert_true(machine.packages[0].idle_w[SIM_UNCORE] == 3);
    assert_int_equal(machine_die_of(&machine, 1), 0);
    assert_int_equal(machine_die_of(&machine, 6), 1);
    assert_int_equal(machine_core_of(&machine, 6), 2);
}

static void test_refused_machines(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "[machine]\npackages = 0\n",
        "[machine]\npackages = 9\n",
        "[machine]\npackages = 2\ncpus = 1\n",
        "[machine]\nvendor = arm\n",
        "[machine]\nvendor = amd\ndies = 2\ncpus = 4\n",
        "[machine]\nvendor = amd\npackages = 2\ncpus = 5\n",
        "[machine]\npackages = 2\ndies = 2\ncpus = 3\n",
        "[machine]\npsys_package = 1\n",
        "[machine]\nunit_rule = calorie\n",
        "[machine]\nclock = sundial\n",
        "[machine]\ndomains = package moon\n",
        "[machine]\nupdate_us = 1\njitter_us = 2\n",
        "[machine]\nseed = -1\n",
        "[machine]\nunknown = 1\n",
        "[package 8]\nidle_w = 1\n",
        "[package 0]\nidle_w = nan\n",
        "[package 0]\nidle_w = -1\n",
        "[package 0]\nstart_counts = 4294967296\n",
        "[user a]\nwatts = 1\n",
        "[user a]\ncgroup = /x\npgrp = 3\n",
        "[user a]\ncgroup =\n",
        "[user a]\ncgroup = /x\npackage = 1\n",
        "\xff\xfe[\x01=\x02",
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        if (read_machine(texts[i]) != -EBADMSG)
            fail_msg("not refused: %s", texts[i]);
    }
    assert_int_equal(machine_read(&machine, "/nowhere/at/all", NULL), -ENOENT);
}

static void test_made_files(void **state)
{
    (void)state;
    assert_int_equal(read_machine("[sys class/hwmon/hwmon1]\nfrom_s = 5\nuntil_s = 7\n"
                                  "[sys class/hwmon/hwmon1/name]\ntext = a b\nthen = 6.5 c\n"
                                  "[sys class/hwmon/hwmon1/power1_input]\nshows = package-0\n"
                                  "as = power_uw\nfactor = -0.5\nwindow_us = 20\n"),
                     0);
    assert_int_equal(machine.n_files, 3);
    assert_false(sys_file_is_there(&machine.files[0], 4999999999));
    assert_true(sys_file_is_there(&machine.files[0], 5000000000));
    assert_false(sys_file_is_there(&machine.files[0], 7000000000));
    assert_string_equal(machine.files[1].texts[1].text, "c");
    assert_true(machine.files[2].factor == -0.5 && machine.files[2].quantity == SYS_POWER_UW);
    static const char *const bad[] = {
        "[sys /absolute]\ntext = a\n",
        "[sys a]\nas = watts\n",
        "[sys a]\nthen = soon a\n",
        "[sys a]\nfactor = x\n",
        "[sys a]\nvolts = 0\n",
        "[sys a]\ncolour = red\n",
        "[sys class/power_supply/a/name/that/is/really/too/long/x]\ntext = a\n",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        if (read_machine(bad[i]) != -EBADMSG)
            fail_msg("taken: %s", bad[i]);
    }
}

static void test_script(void **state)
{
    (void)state;
    assert_int_equal(read_script("# a comment\n\nread 3 dram-1 eio for 2 # another\n"
                                 "time 1.5 all reset\ntime 2 psys stuck for 0.5\n"),
                     0);
    assert_int_equal(script.n_faults, 3);
    const struct fault *eio = &script.faults[0], *reset = &script.faults[1];
    assert_true(fault_is_about(eio, SIM_DRAM, 1) && !fault_is_about(eio, SIM_DRAM, 0));
    assert_true(!fault_is_about(eio, SIM_PACKAGE, 1));
    assert_true(!fault_is_now(eio, 2, 0) && fault_is_now(eio, 3, 0) && fault_is_now(eio, 4, 0));
    assert_true(!fault_is_now(eio, 5, 3));
    assert_true(fault_is_about(reset, SIM_CORE, 7) && fault_is_now(reset, 0, UINT64_C(1) << 40));
    assert_true(!fault_is_now(reset, 0, 1499999999) && fault_is_now(reset, 0, 1500000000));
    assert_true(fault_is_about(&script.faults[2], SIM_PSYS, -1));
    assert_int_equal(read_script("time 5 cpu-3 offline for 2\n"), 0);
    assert_int_equal(script.faults[0].cpu, 3);
    assert_false(fault_is_about(&script.faults[0], SIM_PACKAGE, 3));
    assert_int_equal(script_read(&script, NULL, NULL), 0);
    assert_int_equal(script.n_faults, 0);
}

static void test_refused_scripts(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "read\n",
        "read 1\n",
        "read 1 package-0\n",
        "read -1 package-0 eio\n",
        "read nan package-0 eio\n",
        "noon 1 package-0 eio\n",
        "read 1 package eio\n",
        "read 1 package-0x eio\n",
        "read 1 package--1 eio\n",
        "read 1 psys-0 eio\n",
        "read 1 moon-0 eio\n",
        "read 1 package-0 tired\n",
        "read 1 package-0 eio for\n",
        "read 1 package-0 eio for 0\n",
        "read 1 package-0 eio for 2 days\n",
        "read 1 package-0 vanish\n",
        "read 1 package-0 wrap\n",
        "read 1 cpu-0 offline\n",
        "time 1 cpu-0 eio\n",
        "time 1 cpu-0x offline\n",
        "time 1 package-0 offline\n",
        "\xff\x01\x02\n",
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        if (read_script(texts[i]) != -EBADMSG)
            fail_msg("not refused: %s", texts[i]);
    }
}

static double own_cpu_s(void)
{
    struct timespec used;
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used), 0);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

/* Own group, so that it is this process alone. */
static void test_process_group(void **state)
{
    (void)state;
    static struct usage usage;
    (void)setpgid(0, 0);
    put("");
    assert_int_equal(machine_read(&machine, path, NULL), 0);
    machine.users[0] = (struct sim_user){.pgrp = getpgrp()};
    machine.n_users = 1;
    usage_init(&usage, &machine, 0);
    double from_s = own_cpu_s();
    while (own_cpu_s() - from_s < 0.1)
        ;
    usages_observe(&usage, 1, 1000);
    double used_s = own_cpu_s() - from_s;
    assert_true(usage_cpu_s(&usage, 1000) > 0.07 && usage_cpu_s(&usage, 1000) < used_s + 0.03);
    assert_true(usage_cpu_s(&usage, 500) == usage_cpu_s(&usage, 1000) / 2);
    assert_true(usage_cpu_s(&usage, 0) == 0);
    usage_deinit(&usage);
}

static int set_up(void **state)
{
    (void)state;
    made_tree_new(&tree);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    made_tree_remove(&tree, "");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_machine),          cmocka_unit_test(test_parts_of_machines),
        cmocka_unit_test(test_refused_machines), cmocka_unit_test(test_made_files),
        cmocka_unit_test(test_script),           cmocka_unit_test(test_refused_scripts),
        cmocka_unit_test(test_process_group),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
