/* SPDX-License-Identifier: BSD-3-Clause */
/* Machines of registers: each CPU's are a table here, time is the test's, and every joule in the
 * samples has to be one that the registers counted. One test reads a sparse file, as a device. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "common/error.h"
#include "common/scope.h"
#include "sensor/msr_device.h"
#include "sensor/source.h"
#include "tests/unit/made_clock.h"
#include "tests/unit/made_tree.h"

#define N_CPUS 8
#define UNIT_INTEL 0xa0e03 /* 61.03515625 uJ, 1/8 W */
#define UNIT_AMD 0xa1003   /* 15.2587890625 uJ */

extern const struct source_ops source_msr;

static const uint32_t addresses[] = {0x606, 0x611, 0x614,      0x619,      0x639,
                                     0x641, 0x64d, 0xc0010299, 0xc001029a, 0xc001029b};
#define N_REGISTERS ARRAY_SIZE(addresses)

static struct {
    uint64_t values[N_CPUS][N_REGISTERS];
    int errors[N_CPUS][N_REGISTERS], open_errors[N_CPUS];
    int n_open;
} machine;

static uint64_t now_ns;

static const struct clock clock_test = MADE_CLOCK(now_ns);
static struct made_tree tree;
static char procfs[96], sysfs[96];
static struct host host = {.sysfs = sysfs, .procfs = procfs, .clock = &clock_test};
static struct topology topology;
static struct source *source;
static struct report report;

static size_t register_of(uint32_t address)
{
    for (size_t i = 0; i < N_REGISTERS; i++) {
        if (addresses[i] == address)
            return i;
    }
    fail_msg("register %x is not of this machine", address);
    return 0;
}

static int machine_open(void *context, int cpu)
{
    (void)context;
    assert_in_range(cpu, 0, N_CPUS - 1);
    if (machine.open_errors[cpu])
        return -machine.open_errors[cpu];
    machine.n_open++;
    return 100 + cpu;
}

static int machine_read(void *context, int fd, uint32_t address, uint64_t *ret_value)
{
    (void)context;
    size_t i = register_of(address);
    if (machine.errors[fd - 100][i])
        return -machine.errors[fd - 100][i];
    *ret_value = machine.values[fd - 100][i];
    return 0;
}

static void machine_close(void *context, int fd)
{
    (void)context;
    assert_in_range(fd, 100, 100 + N_CPUS - 1);
    machine.n_open--;
}

static const struct msr_io machine_io = {machine_open, machine_read, machine_close, NULL};
static struct msr_settings settings;

/* The registers of CPUs first to last are one. */
static void put(int first, int last, uint32_t address, uint64_t value)
{
    for (int cpu = first; cpu <= last; cpu++)
        machine.values[cpu][register_of(address)] = value;
}

static void fault(int first, int last, uint32_t address, int error)
{
    for (int cpu = first; cpu <= last; cpu++)
        machine.errors[cpu][register_of(address)] = error;
}

static int set_up(void **state)
{
    (void)state;
    memset(&machine, 0, sizeof(machine));
    fault(0, N_CPUS - 1, 0x614, EIO);
    settings = (struct msr_settings){.io = &machine_io};
    now_ns = 1000 * NS_PER_S;
    made_tree_new(&tree);
    (void)snprintf(sysfs, sizeof(sysfs), "%s/sys", tree.root);
    (void)snprintf(procfs, sizeof(procfs), "%s/proc", tree.root);
    host.devfs = tree.root;
    report_init(&report);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    source_msr.close(source);
    source = NULL;
    assert_int_equal(machine.n_open, 0);
    topology_deinit(&topology);
    report_deinit(&report);
    made_tree_remove(&tree, "");
    return 0;
}

static void put_id(int cpu, const char *name, int id)
{
    char path[96], text[16];
    (void)snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%d/topology/%s", cpu, name);
    (void)snprintf(text, sizeof(text), "%d\n", id);
    made_tree_write(&tree, path, text);
}

static void read_topology(void)
{
    topology_deinit(&topology);
    assert_int_equal(topology_read(&topology, &host, NULL), 0);
}

static void put_online(const char *list)
{
    made_tree_write(&tree, "sys/devices/system/cpu/online", list);
    read_topology();
}

/* Ids: one digit per CPU. */
static void make_machine(const char *vendor, int family, int model, const char *packages,
                         const char *dies, const char *cores)
{
    char text[200];
    int n_cpus = (int)strlen(packages);
    (void)snprintf(text, sizeof(text),
                   "processor : 0\nvendor_id : %s\ncpu family : %d\nmodel : %d\n", vendor, family,
                   model);
    made_tree_write(&tree, "proc/cpuinfo", text);
    for (int cpu = 0; cpu < n_cpus; cpu++) {
        put_id(cpu, "physical_package_id", packages[cpu] - '0');
        put_id(cpu, "die_id", dies[cpu] - '0');
        put_id(cpu, "core_id", cores[cpu] - '0');
    }
    (void)snprintf(text, sizeof(text), "0-%d\n", n_cpus - 1);
    made_tree_write(&tree, "sys/devices/system/cpu/possible", text);
    put_online(text);
}

static void make_intel(int model)
{
    make_machine("GenuineIntel", 6, model, "0000", "0000", "0011");
    put(0, 3, 0x606, UNIT_INTEL);
    put(0, 3, 0x611, 1000);
}

static void open_source(void)
{
    struct error err = {0};
    if (source_msr.open(&source, &host, &topology, &settings, &err) < 0)
        fail_msg("%s", err.text);
}

static void tick_after(uint64_t ns)
{
    now_ns += ns;
    report_clear(&report);
    assert_int_equal(source_msr.read(source, &topology, &report), 0);
}

static void tick(void)
{
    tick_after(NS_PER_S);
}

static const struct energy_sample *sample_of(enum domain domain, int32_t package)
{
    const struct energy_sample *found = NULL;
    for (size_t i = 0; i < report.n_energy; i++) {
        const struct energy_sample *sample = &report.energy[i];
        if (sample->domain != domain || sample->package != package)
            continue;
        assert_null(found);
        found = sample;
    }
    assert_non_null(found);
    return found;
}

static void expect_energy(enum domain domain, int32_t package, int64_t energy_uj, uint64_t span_ns)
{
    const struct energy_sample *sample = sample_of(domain, package);
    if (!sample->valid)
        fail_msg("not valid: %s", sample->reason);
    assert_int_equal(sample->energy_uj, energy_uj);
    assert_int_equal(sample->dt_ns, (int64_t)span_ns);
    assert_string_equal(sample->source, "msr");
}

static void expect_reason(enum domain domain, int32_t package, const char *reason)
{
    const struct energy_sample *sample = sample_of(domain, package);
    assert_false(sample->valid);
    assert_string_equal(sample->reason, reason);
    assert_int_equal(sample->energy_uj, VALUE_ABSENT);
}

/* A register that faults or reads 0 is not there; the upper half of one is no energy. */
static void what_the_registers_count_is_what_is_said(void **state)
{
    (void)state;
    make_intel(0x8f);
    put(0, 3, 0x611, UINT64_C(0xdeadbeef00000000) + 1000);
    put(0, 3, 0x619, 5);
    fault(0, 3, 0x639, EIO);
    put(0, 3, 0x64d, 70); /* psys, in joules */
    open_source();
    assert_int_equal(machine.n_open, 1);
    put(0, 3, 0x611, UINT64_C(0x1234567800000000) + 1000 + 16384);
    put(0, 3, 0x619, 5 + 32768);
    tick();
    assert_int_equal(report.n_energy, 2); /* psys has not moved */
    expect_energy(DOMAIN_PACKAGE, 0, 1000000, NS_PER_S);
    expect_energy(DOMAIN_DRAM, 0, 2000000, NS_PER_S);
    put(0, 3, 0x64d, 77);
    source->has_changed = false;
    tick_after(NS_PER_S / 2);
    assert_true(source->has_changed);
    expect_energy(DOMAIN_PSYS, PACKAGE_NONE, 7000000, NS_PER_S / 2);
    expect_reason(DOMAIN_PACKAGE, 0, "stuck"); /* no package rests */
    expect_energy(DOMAIN_DRAM, 0, 0, NS_PER_S / 2);

    struct host_record record;
    host_record_init(&record);
    assert_int_equal(source_msr.describe(source, &record), 0);
    assert_int_equal(record.n_sources, 3);
    assert_true(record.sources[0].unit_uj == 61.03515625);
    assert_int_equal(record.sources[0].range_uj, INT64_C(262143999938));
    assert_true(record.sources[0].peak_w >= 500 && record.sources[0].peak_w <= 2000);
    host_record_deinit(&record);
}

/* Hardware trap 3: server DRAM. Sums stay exact over many small ticks. */
static void small_increases_add_up(void **state)
{
    (void)state;
    make_intel(0x6a);
    put(0, 3, 0x619, 1);
    open_source();
    int64_t package_uj = 0, dram_uj = 0;
    for (uint32_t i = 1; i <= 10000; i++) {
        put(0, 3, 0x611, 1000 + i);
        put(0, 3, 0x619, 1 + i);
        tick_after(NS_PER_MS);
        if (i == 1) { /* so soon after the baseline, nobody knows what it is the energy of */
            expect_reason(DOMAIN_PACKAGE, 0, "no_update");
            continue;
        }
        package_uj += sample_of(DOMAIN_PACKAGE, 0)->energy_uj;
        dram_uj += sample_of(DOMAIN_DRAM, 0)->energy_uj;
    }
    assert_int_equal(package_uj, 610290); /* 610290.527 */
    assert_in_range(dram_uj, 152983, 152985);
}

static void wraps_are_worth_two_to_the_32_counts(void **state)
{
    (void)state;
    make_intel(0x9e);
    put(0, 3, 0x611, 0xffffff00);
    open_source();
    put(0, 3, 0x611, 0x3f00); /* 0x4000 counts later */
    tick();
    expect_energy(DOMAIN_PACKAGE, 0, 1000000, NS_PER_S);
}

/* Hardware trap 4, field bug 4.6. The bound is three times what 0x614 names. */
static void a_reset_is_no_wrap(void **state)
{
    (void)state;
    make_intel(0x6a);
    fault(0, 3, 0x614, 0);
    put(0, 3, 0x614, 270 * 8);
    put(0, 3, 0x611, 0x80000000);
    open_source();
    put(0, 3, 0x611, 1);
    tick();
    expect_reason(DOMAIN_PACKAGE, 0, "counter_reset");
    put(0, 3, 0x611, 1 + 16384);
    tick();
    expect_energy(DOMAIN_PACKAGE, 0, 1000000, NS_PER_S);
    put(0, 3, 0x611, 1 + 16384 + 820 * 16384); /* 820 J in a second, of 810 W */
    tick();
    expect_reason(DOMAIN_PACKAGE, 0, "implausible");
    put(0, 3, 0x611, 1 + 16384 + 821 * 16384);
    tick();
    expect_energy(DOMAIN_PACKAGE, 0, 1000000, NS_PER_S);
}

/* Hardware trap 5: at 500 W the counter wraps in 524 s. */
static void a_span_that_may_hide_a_wrap_says_so(void **state)
{
    (void)state;
    make_intel(0x9e);
    fault(0, 3, 0x614, 0);
    put(0, 3, 0x614, 65 * 8);
    open_source();
    put(0, 3, 0x611, 1000 + 16384);
    tick_after(500 * NS_PER_S);
    expect_energy(DOMAIN_PACKAGE, 0, 1000000, 500 * NS_PER_S);
    put(0, 3, 0x611, 1000 + 2 * 16384);
    tick_after(530 * NS_PER_S);
    expect_reason(DOMAIN_PACKAGE, 0, "span_too_long");
    put(0, 3, 0x611, 1000 + 3 * 16384);
    tick();
    expect_energy(DOMAIN_PACKAGE, 0, 1000000, NS_PER_S);
}

/* Field bug 4.17: an error is no zero, and what was used meanwhile is not lost. */
static void a_failed_reading_belongs_to_the_next_span(void **state)
{
    (void)state;
    make_intel(0x9e);
    put(0, 3, 0x639, 500);
    open_source();
    fault(0, 3, 0x611, EIO);
    put(0, 3, 0x611, 1000 + 16384);
    put(0, 3, 0x639, 500 + 16384);
    tick();
    expect_reason(DOMAIN_PACKAGE, 0, "read_error");
    expect_energy(DOMAIN_CORE, 0, 1000000, NS_PER_S); /* the rest goes on */
    fault(0, 3, 0x611, 0);
    put(0, 3, 0x611, 1000 + 3 * 16384);
    tick();
    expect_energy(DOMAIN_PACKAGE, 0, 3000000, 2 * NS_PER_S);
    expect_energy(DOMAIN_CORE, 0, 0, NS_PER_S);
}

/* Hardware traps 6 and 7: Intel counts per die, AMD per package, whatever it calls a die. */
static void packages_count_once(void **state)
{
    (void)state;
    make_machine("GenuineIntel", 6, 0x55, "00001111", "00110011", "01010101");
    for (int part = 0; part < 4; part++) {
        put(2 * part, 2 * part + 1, 0x606, UNIT_INTEL);
        put(2 * part, 2 * part + 1, 0x611, 1000 * ((uint64_t)part + 1));
    }
    open_source();
    assert_int_equal(machine.n_open, 4);
    for (int part = 0; part < 4; part++)
        put(2 * part, 2 * part + 1, 0x611,
            1000 * ((uint64_t)part + 1) + 16384 * ((uint64_t)part + 1));
    tick();
    assert_int_equal(report.n_energy, 2);
    expect_energy(DOMAIN_PACKAGE, 0, 1000000 + 2000000, NS_PER_S);
    expect_energy(DOMAIN_PACKAGE, 1, 3000000 + 4000000, NS_PER_S);
    fault(2, 3, 0x611, EIO); /* one die of package 0: what the other counts waits for it */
    put(0, 1, 0x611, 1000 + 2 * 16384);
    tick();
    expect_reason(DOMAIN_PACKAGE, 0, "read_error");
    expect_reason(DOMAIN_PACKAGE, 1, "stuck");
    fault(2, 3, 0x611, 0);
    put(2, 3, 0x611, 2000 + 3 * 16384);
    tick();
    expect_energy(DOMAIN_PACKAGE, 0, 2000000, 2 * NS_PER_S);
    put(0, 1, 0x611, 1000 + (2 + 1100) * 16384); /* 1100 W in each die, of 1200 */
    put(2, 3, 0x611, 2000 + (3 + 1100) * 16384);
    tick();
    expect_energy(DOMAIN_PACKAGE, 0, INT64_C(2200000000), NS_PER_S);
}

/* psys is the machine's: the dies of the package that counts it show one counter. */
static void psys_counts_once(void **state)
{
    (void)state;
    make_machine("GenuineIntel", 6, 0x8f, "00001111", "00110011", "01010101");
    for (int part = 0; part < 4; part++) {
        put(2 * part, 2 * part + 1, 0x606, UNIT_INTEL);
        put(2 * part, 2 * part + 1, 0x611, 1000);
        put(2 * part, 2 * part + 1, 0x64d, part < 2 ? 0 : 70);
    }
    open_source();
    for (int part = 0; part < 4; part++) {
        put(2 * part, 2 * part + 1, 0x611, 1000 + 16384);
        put(2 * part, 2 * part + 1, 0x64d, part < 2 ? 0 : 77);
    }
    tick();
    expect_energy(DOMAIN_PSYS, PACKAGE_NONE, 7000000, NS_PER_S);
    expect_energy(DOMAIN_PACKAGE, 1, 2000000, NS_PER_S);

    struct host_record record;
    host_record_init(&record);
    assert_int_equal(source_msr.describe(source, &record), 0);
    for (size_t i = 0; i < record.n_sources; i++) {
        if (record.sources[i].domain == DOMAIN_PSYS)
            assert_true(record.sources[i].peak_w == 10e3);
    }
    host_record_deinit(&record);
}

/* Two packages of two dies with one core of two threads each. */
static void make_amd(void)
{
    make_machine("AuthenticAMD", 0x19, 0x11, "00001111", "00112233", "00110011");
    put(0, 7, 0xc0010299, UNIT_AMD);
    put(0, 3, 0xc001029b, 10);
    put(4, 7, 0xc001029b, 20);
    for (int core = 0; core < 4; core++)
        put(2 * core, 2 * core + 1, 0xc001029a, 100);
}

/* Hardware trap 8: the core register is one core's. */
static void amd_cores_are_summed(void **state)
{
    (void)state;
    make_amd();
    open_source();
    put(0, 3, 0xc001029b, 10 + 65536);
    put(4, 7, 0xc001029b, 20 + 2 * 65536);
    put(0, 1, 0xc001029a, 100 + 65536);
    put(2, 3, 0xc001029a, 100 + 2 * 65536);
    put(4, 5, 0xc001029a, 0xfffffff0); /* went far, through ... */
    tick();
    assert_int_equal(report.n_energy, 4);
    expect_energy(DOMAIN_PACKAGE, 0, 1000000, NS_PER_S);
    expect_energy(DOMAIN_PACKAGE, 1, 2000000, NS_PER_S);
    expect_energy(DOMAIN_CORE, 0, 3000000, NS_PER_S);
    expect_reason(DOMAIN_CORE, 1, "implausible");
    put(4, 5, 0xc001029a, 0xfff0); /* ... a wrap of one core's own counter */
    tick();
    expect_energy(DOMAIN_CORE, 1, 1000000, NS_PER_S);
}

/* Field bug 4.16. A sibling shows the same register; a core without a CPU uses nothing. */
static void offline_cpus_are_replaced(void **state)
{
    (void)state;
    make_amd();
    open_source();
    put_online("1-7\n");
    put(0, 3, 0xc001029b, 10 + 65536);
    put(0, 1, 0xc001029a, 100 + 65536);
    machine.open_errors[0] = ENXIO;
    tick();
    expect_energy(DOMAIN_PACKAGE, 0, 1000000, NS_PER_S); /* the same register, the same baseline */
    expect_energy(DOMAIN_CORE, 0, 1000000, NS_PER_S);
    put_online("2-7\n"); /* the first core is gone */
    put(0, 3, 0xc001029b, 10 + 2 * 65536);
    tick();
    expect_energy(DOMAIN_PACKAGE, 0, 1000000, NS_PER_S);
    expect_reason(DOMAIN_CORE, 0, "cpu_offline");
    tick();
    expect_energy(DOMAIN_CORE, 0, 0, NS_PER_S);
    put_online("4-7\n"); /* and now the package */
    tick();
    tick();
    expect_reason(DOMAIN_PACKAGE, 0, "cpu_offline");
    expect_reason(DOMAIN_CORE, 0, "cpu_offline");
    expect_energy(DOMAIN_CORE, 1, 0, NS_PER_S);
    machine.open_errors[0] = 0;
    put_online("0-7\n");
    put(0, 3, 0xc001029b, 5); /* who knows how often it wrapped */
    tick();
    expect_reason(DOMAIN_PACKAGE, 0, "reopened");
    put(0, 3, 0xc001029b, 5 + 65536);
    tick();
    expect_energy(DOMAIN_PACKAGE, 0, 1000000, NS_PER_S);
    expect_energy(DOMAIN_CORE, 0, 0, NS_PER_S);
}

/* The kernel says so before the list of online CPUs does. */
static void a_cpu_that_goes_under_the_read_is_replaced(void **state)
{
    (void)state;
    make_intel(0x9e);
    open_source();
    fault(0, 0, 0x611, ENXIO);
    put(0, 3, 0x611, 1000 + 16384);
    tick();
    expect_reason(DOMAIN_PACKAGE, 0, "cpu_offline");
    put_online("1-3\n");
    put(0, 3, 0x611, 1000 + 2 * 16384);
    tick();
    expect_energy(DOMAIN_PACKAGE, 0, 2000000, 2 * NS_PER_S);
}

static void a_new_package_is_read(void **state)
{
    (void)state;
    make_amd();
    put_online("0-3\n");
    open_source();
    tick();
    assert_int_equal(report.n_energy, 2);
    put_online("0-7\n");
    source->has_changed = false;
    put(0, 3, 0xc001029b, 10 + 65536);
    tick();
    assert_true(source->has_changed);
    expect_energy(DOMAIN_PACKAGE, 0, 1000000, 2 * NS_PER_S);
    expect_reason(DOMAIN_PACKAGE, 1, "reopened");
    put(4, 7, 0xc001029b, 20 + 65536);
    tick();
    expect_energy(DOMAIN_PACKAGE, 1, 1000000, NS_PER_S);
    expect_energy(DOMAIN_CORE, 1, 0, NS_PER_S);
}

static struct source_probe probe(enum source_availability availability)
{
    struct source_probe found;
    source_msr.probe(&host, &topology, &settings, &found);
    if (found.availability != availability)
        fail_msg("availability %d: %s", (int)found.availability, found.reason);
    return found;
}

static int try_open(const char *words)
{
    struct error err = {0};
    int r = source_msr.open(&source, &host, &topology, &settings, &err);
    assert_true(r < 0);
    if (!strstr(err.text, words))
        fail_msg("\"%s\" does not say \"%s\"", err.text, words);
    return r;
}

static void an_unknown_model_is_refused_by_name(void **state)
{
    (void)state;
    make_intel(0xad);
    assert_non_null(strstr(probe(SOURCE_ABSENT).reason, "GenuineIntel family 6 model 173"));
    assert_int_equal(try_open("model 173"), -ENODEV);
    settings.like = (char[]){"0x8f"};
    (void)probe(SOURCE_USABLE);
    open_source();
    settings.like = (char[]){"143x"};
    assert_non_null(strstr(probe(SOURCE_MISCONFIGURED).reason, "msr-like"));
}

static void what_may_not_be_read_says_what_to_type(void **state)
{
    (void)state;
    make_intel(0x9e);
    assert_int_equal(probe(SOURCE_USABLE).domains, DOMAIN_BIT(DOMAIN_PACKAGE));
    for (int cpu = 0; cpu < 4; cpu++)
        machine.open_errors[cpu] = EPERM;
    struct source_probe found = probe(SOURCE_UNREADABLE);
    assert_true(found.is_energy_counter);
    assert_non_null(strstr(found.advice, "cap_sys_rawio"));
    assert_int_equal(try_open("cap_sys_rawio"), -EACCES);
    for (int cpu = 0; cpu < 4; cpu++)
        machine.open_errors[cpu] = ENOENT;
    found = probe(SOURCE_UNREADABLE);
    assert_string_equal(found.advice, "sudo modprobe msr");
    assert_int_equal(try_open("modprobe msr"), -ENODEV);
    topology.is_virtual = true; /* a hypervisor hides them: the module would not help */
    found = probe(SOURCE_ABSENT);
    assert_false(found.is_energy_counter);
    memset(machine.open_errors, 0, sizeof(machine.open_errors));
    put(0, 3, 0x606, 0); /* or shows zeros */
    found = probe(SOURCE_ABSENT);
    assert_false(found.is_energy_counter);
    (void)try_open("no energy register");
    fault(0, 3, 0x606, EIO);
    (void)probe(SOURCE_ABSENT);
    (void)try_open("no energy register");
}

static void write_register(int fd, uint32_t address, uint64_t value)
{
    assert_int_equal(pwrite(fd, &value, sizeof(value), (off_t)address), sizeof(value));
}

/* Through DEVFS/cpu/N/msr: Intel's registers do not overlap in a file. */
static void devices_are_read_at_the_registers_number(void **state)
{
    (void)state;
    char path[PATH_MAX];
    settings.io = NULL;
    make_intel(0x9e);
    made_tree_write(&tree, "cpu/0/msr", "");
    made_tree_path(&tree, "cpu/0/msr", path);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    write_register(fd, 0x606, UNIT_INTEL);
    write_register(fd, 0x611, 1000);
    write_register(fd, 0x64d, 1000);
    open_source();
    write_register(fd, 0x611, 1000 + 16384);
    write_register(fd, 0x64d, 1000 + 32768);
    tick();
    expect_energy(DOMAIN_PACKAGE, 0, 1000000, NS_PER_S);
    expect_energy(DOMAIN_PSYS, PACKAGE_NONE, 2000000, NS_PER_S);
    assert_int_equal(ftruncate(fd, 0x612), 0); /* a short read is no reading */
    tick();
    expect_reason(DOMAIN_PACKAGE, 0, "read_error");
    assert_int_equal(close(fd), 0);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_the_registers_count_is_what_is_said),
        TEST(small_increases_add_up),
        TEST(wraps_are_worth_two_to_the_32_counts),
        TEST(a_reset_is_no_wrap),
        TEST(a_span_that_may_hide_a_wrap_says_so),
        TEST(a_failed_reading_belongs_to_the_next_span),
        TEST(packages_count_once),
        TEST(psys_counts_once),
        TEST(amd_cores_are_summed),
        TEST(offline_cpus_are_replaced),
        TEST(a_cpu_that_goes_under_the_read_is_replaced),
        TEST(a_new_package_is_read),
        TEST(an_unknown_model_is_refused_by_name),
        TEST(what_may_not_be_read_says_what_to_type),
        TEST(devices_are_read_at_the_registers_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
