/* SPDX-License-Identifier: BSD-3-Clause */
/* The power PMU through the real system calls (made_power_pmu.h). Skips (77) where they cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/wait.h>

#include "sensor/ladder.h"
#include "tests/daemon/made_power_pmu.h"

/* Energy over span and power, less one. */
static double measure_error(double power_w)
{
    double energy_uj = 0, span_ns = 0;
    open_source();
    for (int i = 0; i < 10; i++) {
        pass_ms(50);
        tick();
        assert_int_equal(report.n_energy, 1);
        const struct energy_sample *sample = sample_of(DOMAIN_PACKAGE, 0);
        assert_non_null(sample);
        if (!sample->valid)
            fail_msg("not valid: %s", sample->reason);
        assert_string_equal(sample->source, "perf");
        assert_true(sample->dt_ns >= 45 * (int64_t)NS_PER_MS);
        energy_uj += (double)sample->energy_uj;
        span_ns += (double)sample->dt_ns;
    }
    source_perf.close(source);
    source = NULL;
    return energy_uj / (power_w * span_ns / 1e3) - 1;
}

/* On a busy machine the process may lose its CPU between a reading and its stamp, which moves an
 * end of the span by milliseconds: that is not the source's error, and not the same twice. */
static void energy_is_that_of_the_counter(void **state)
{
    (void)state;
    double power_w = true_power_w(), error = 1;
    for (int attempt = 0; attempt < 5 && (error < -0.001 || error > 0.001); attempt++) {
        error = measure_error(power_w);
        assert_true(error > -0.05 && error < 0.05);
    }
    if (error < -0.001 || error > 0.001)
        fail_msg("energy is off by %.4f %%", error * 100);
}

/* Dies of a package are summed; AMD's are one counter seen twice. */
static void each_package_counts_once(void **state)
{
    (void)state;
    double power_w = true_power_w();
    made_tree_write(&tree, PMU "cpumask", "0-1\n");
    for (int is_amd = 0; is_amd < 2; is_amd++) {
        (void)snprintf(topology.vendor, sizeof(topology.vendor), "%s",
                       is_amd ? "AuthenticAMD" : "GenuineIntel");
        open_source();
        pass_ms(50);
        tick();
        assert_int_equal(report.n_energy, 1);
        double watts = (double)report.energy[0].energy_uj * 1e3 / (double)report.energy[0].dt_ns;
        double ratio = watts / power_w, wanted = is_amd ? 1 : 2;
        if (ratio < wanted * 0.9 || ratio > wanted * 1.1)
            fail_msg("%.3f times the power", ratio);
        source_perf.close(source);
        source = NULL;
    }
    put_topology("3\n");
    open_source();
    pass_ms(20);
    tick();
    assert_int_equal(report.n_energy, 2);
    assert_true(sample_of(DOMAIN_PACKAGE, 0)->valid);
    assert_true(sample_of(DOMAIN_PACKAGE, 3)->valid);
}

static double watts_of(enum domain domain, int32_t package)
{
    const struct energy_sample *sample = sample_of(domain, package);
    assert_non_null(sample);
    assert_true(sample->valid);
    return (double)sample->energy_uj * 1e3 / (double)sample->dt_ns;
}

/* Both dies of a package count the machine: it is not there twice. */
static void psys_counts_once(void **state)
{
    (void)state;
    double power_w = true_power_w();
    made_tree_write(&tree, PMU "cpumask", "0-1\n");
    put_event("energy-psys", "event=0x00\n");
    open_source();
    pass_ms(50);
    tick();
    assert_int_equal(report.n_energy, 2);
    double ratio = watts_of(DOMAIN_PSYS, PACKAGE_NONE) / power_w;
    if (ratio < 0.9 || ratio > 1.1)
        fail_msg("%.3f times the power", ratio);
}

static void put_core_pmu(const char *cpumask)
{
    char type[32];
    assert_true(
        host_read_text(type, sizeof(type), "%s/bus/event_source/devices/power/type", sysfs) > 0);
    made_tree_write(&tree, CORE_PMU "type", type);
    made_tree_write(&tree, CORE_PMU "cpumask", cpumask);
    put_event_of(CORE_PMU, "energy-core", "event=0x00\n");
}

/* Hardware trap 8: AMD's core domain is all cores of the package, each read once. */
static void cores_add_up_to_their_package(void **state)
{
    (void)state;
    struct host_record record;
    double power_w = true_power_w();
    (void)snprintf(topology.vendor, sizeof(topology.vendor), "AuthenticAMD");
    made_tree_write(&tree, PMU "cpumask", "0-1\n");
    put_core_pmu("0-1\n");
    struct source_probe probe;
    source_perf.probe(&host, &topology, NULL, &probe);
    assert_int_equal(probe.domains, DOMAIN_BIT(DOMAIN_PACKAGE) | DOMAIN_BIT(DOMAIN_CORE));
    assert_true(probe.is_energy_counter);
    open_source();
    pass_ms(50);
    tick();
    assert_int_equal(report.n_energy, 2);
    double package_ratio = watts_of(DOMAIN_PACKAGE, 0) / power_w;
    double core_ratio = watts_of(DOMAIN_CORE, 0) / power_w;
    if (package_ratio < 0.9 || package_ratio > 1.1 || core_ratio < 1.8 || core_ratio > 2.2)
        fail_msg("package %.3f, cores %.3f times the power", package_ratio, core_ratio);
    host_record_init(&record);
    assert_int_equal(source_perf.describe(source, &record), 0);
    assert_int_equal(record.n_sources, 2);
    assert_int_equal(record.sources[1].domain, DOMAIN_CORE);
    assert_true(record.sources[1].peak_w == record.sources[0].peak_w);
    host_record_deinit(&record);
}

/* What counts cores alone is a measurement, and one that makes no sense takes nothing from the
 * packages. */
static void cores_are_beside_the_packages(void **state)
{
    (void)state;
    struct source_probe probe;
    put_core_pmu("nonsense\n");
    open_source();
    pass_ms(15);
    tick();
    assert_int_equal(report.n_energy, 1);
    assert_true(report.energy[0].valid);
    source_perf.close(source);
    put_core_pmu("0-1\n");
    made_tree_remove(&tree, PMU);
    source_perf.probe(&host, &topology, NULL, &probe);
    assert_int_equal(probe.availability, SOURCE_USABLE);
    assert_int_equal(probe.domains, DOMAIN_BIT(DOMAIN_CORE));
    assert_false(probe.is_energy_counter);
    open_source();
    pass_ms(15);
    tick();
    assert_int_equal(report.n_energy, 1);
    assert_int_equal(report.energy[0].domain, DOMAIN_CORE);
}

static void a_cpu_that_leaves_the_list_is_replaced(void **state)
{
    (void)state;
    open_source();
    pass_ms(15);
    tick();
    assert_true(report.energy[0].valid);
    made_tree_write(&tree, PMU "cpumask", "\xff nonsense"); /* is not believed */
    pass_ms(15);
    tick();
    assert_true(report.energy[0].valid);
    made_tree_write(&tree, PMU "cpumask", "1\n");
    pass_ms(15);
    tick();
    assert_int_equal(report.n_energy, 1);
    assert_false(report.energy[0].valid);
    assert_string_equal(report.energy[0].reason, "cpu_offline");
    pass_ms(20);
    tick();
    assert_true(report.energy[0].valid);
    assert_true(report.energy[0].dt_ns >= 20 * (int64_t)NS_PER_MS);
    assert_true(report.energy[0].dt_ns < (int64_t)NS_PER_S);
    topology.is_online[1] = false; /* and nobody takes its place */
    tick();
    assert_string_equal(report.energy[0].reason, "cpu_offline");
    topology.is_online[1] = true;
    tick();
    assert_false(report.energy[0].valid); /* the new baseline */
    pass_ms(15);
    tick();
    assert_true(report.energy[0].valid);
}

static uint64_t leap_ns;

static uint64_t leaping_ns(void *context)
{
    (void)context;
    return clock_monotonic_ns(&clock_system) + leap_ns;
}

/* The kernel takes half of the hardware's range and more as negative (hardware trap 12): where so
 * much may have been used, what it says is not known. */
static void a_long_span_is_not_known(void **state)
{
    (void)state;
    const struct clock leaping = {.monotonic_ns = leaping_ns};
    struct host_record record;
    host_record_init(&record);
    host.clock = &leaping;
    open_source();
    assert_int_equal(source_perf.describe(source, &record), 0);
    leap_ns += (uint64_t)((double)record.sources[0].range_uj / record.sources[0].peak_w * 1e3);
    pass_ms(15);
    tick();
    assert_string_equal(report.energy[0].reason, "span_too_long");
    pass_ms(15);
    tick();
    assert_true(report.energy[0].valid);
    host_record_deinit(&record);
    host.clock = &clock_system;
}

static unsigned domains_of_probe(enum source_availability availability)
{
    struct source_probe probe;
    source_perf.probe(&host, &topology, NULL, &probe);
    assert_int_equal(probe.availability, availability);
    return probe.domains;
}

/* Hardware trap 11: psys alone is no counter to attribute, and one that stands still is no energy.
 */
static void psys_alone_is_not_attributed(void **state)
{
    (void)state;
    struct source_probe probe;
    made_tree_remove(&tree, PMU "events");
    put_event("energy-psys", "event=0x04\n"); /* system management interrupts: none, one hopes */
    source_perf.probe(&host, &topology, NULL, &probe);
    if (probe.availability == SOURCE_ABSENT)
        skip();
    assert_int_equal(probe.domains, DOMAIN_BIT(DOMAIN_PSYS));
    assert_false(probe.is_energy_counter);
    open_source();
    pass_ms(15);
    tick();
    assert_int_equal(report.n_energy, 0);
}

static void put_zone(const char *zone, const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "sys/class/powercap/%s/name", zone);
    made_tree_write(&tree, path, name);
    (void)snprintf(path, sizeof(path), "sys/class/powercap/%s/max_energy_range_uj", zone);
    made_tree_write(&tree, path, "262143328850\n");
    (void)snprintf(path, sizeof(path), "sys/class/powercap/%s/energy_uj", zone);
    made_tree_write(&tree, path, "1000\n");
}

static void expect_choice(const char *const *names, size_t n_names)
{
    const struct ladder_settings settings = {.energy = "auto"};
    struct ladder ladder;
    struct error err = {0};
    if (ladder_open(&ladder, &settings, &host, &topology, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(ladder.n_sources, n_names);
    for (size_t i = 0; i < n_names; i++)
        assert_string_equal(ladder.sources[i]->ops->name, names[i]);
    ladder_close(&ladder);
}

/* Memory from powercap where the PMU has none; psys alone is measured, and leaves the rest to
 * others. */
static void the_ladder_is_climbed_per_domain(void **state)
{
    (void)state;
    expect_choice((const char *const[]){"perf"}, 1);
    put_zone("intel-rapl:0", "package-0\n");
    expect_choice((const char *const[]){"perf"}, 1);
    put_zone("intel-rapl:0:0", "dram\n");
    expect_choice((const char *const[]){"perf", "powercap"}, 2);
    made_tree_remove(&tree, PMU "events");
    put_event("energy-psys", "event=0x00\n");
    expect_choice((const char *const[]){"perf", "powercap"}, 2);
    made_tree_remove(&tree, "sys/class");
    made_tree_write(&tree, "proc/stat", "cpu 1 1 1 1 1 1 1 1 1 1\ncpu0 1 1 1 1 1 1 1 1 1 1\n");
    expect_choice((const char *const[]){"perf", "curve"}, 2);
}

static void what_does_not_open_is_absent(void **state)
{
    (void)state;
    put_event("energy-ram", "event=0xee\n"); /* the msr PMU has no such counter */
    assert_int_equal(domains_of_probe(SOURCE_USABLE), DOMAIN_BIT(DOMAIN_PACKAGE));
    open_source();
    pass_ms(15);
    tick();
    assert_int_equal(report.n_energy, 1);
    put_event("energy-pkg", "event=0xee\n");
    assert_int_equal(domains_of_probe(SOURCE_ABSENT), 0);
    made_tree_remove(&tree, PMU "type");
    assert_int_equal(domains_of_probe(SOURCE_ABSENT), 0);
}

/* In a child that gave its rights away. 0: as wanted, CANNOT_RUN: this machine lets everybody. */
static int probe_as_nobody(const char *wanted_advice)
{
    struct source_probe probe;
    if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
        return CANNOT_RUN;
    source_perf.probe(&host, &topology, NULL, &probe);
    if (probe.availability == SOURCE_USABLE)
        return CANNOT_RUN;
    return probe.availability == SOURCE_UNREADABLE && probe.is_energy_counter &&
                   probe.domains == DOMAIN_BIT(DOMAIN_PACKAGE) &&
                   strstr(probe.advice, wanted_advice)
               ? 0
               : 1;
}

static void who_may_not_is_told_what_to_type(void **state)
{
    (void)state;
    static const struct {
        const char *paranoid, *advice;
    } cases[] = {{"2\n", "cap_perfmon"}, {"3\n", "CAP_SYS_ADMIN"}};
    if (geteuid() != 0)
        skip();
    made_tree_mkdir(&tree, "proc/sys/kernel");
    for (size_t i = 0; i < 2; i++) {
        int status;
        char command[160];
        made_tree_write(&tree, "proc/sys/kernel/perf_event_paranoid", cases[i].paranoid);
        (void)snprintf(command, sizeof(command), "chmod -R a+rX %s", tree.root);
        assert_int_equal(system(command), 0);
        pid_t child = fork();
        if (child == 0)
            _exit(probe_as_nobody(cases[i].advice));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == CANNOT_RUN)
            skip();
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

/* The kernel's dummy event stands at 0 for ever. */
static void a_counter_that_stands_still_is_stuck(void **state)
{
    (void)state;
    made_tree_write(&tree, PMU "type", "1\n");
    put_event("energy-pkg", "event=0x09\n");
    open_source();
    for (int i = 0; i < 3; i++) {
        pass_ms(150);
        tick();
        assert_int_equal(report.n_energy, 1);
        assert_false(report.energy[0].valid);
        assert_string_equal(report.energy[0].reason, i == 0 ? "no_update" : "stuck");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_counter_that_stands_still_is_stuck, set_up, tear_down),
        cmocka_unit_test_setup_teardown(energy_is_that_of_the_counter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_package_counts_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(psys_counts_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cores_add_up_to_their_package, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cores_are_beside_the_packages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cpu_that_leaves_the_list_is_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_span_is_not_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(psys_alone_is_not_attributed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_ladder_is_climbed_per_domain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_does_not_open_is_absent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_may_not_is_told_what_to_type, set_up, tear_down),
    };
    if (!can_open())
        return CANNOT_RUN;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
