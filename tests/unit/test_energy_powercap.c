/* SPDX-License-Identifier: BSD-3-Clause */
/* Every joule of a powercap tree, and none that is not in it. The tree is made of plain files; time
 * is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "sensor/powercap_zones.h"
#include "sensor/source.h"
#include "tests/unit/made_clock.h"

#define RANGE_UJ INT64_C(262143328850) /* 2^32 - 1 counts of 61035 nJ */

extern const struct source_ops source_powercap;

static uint64_t now_ns;

static const struct clock clock_test = MADE_CLOCK(now_ns);

struct fixture {
    char root[64];
    struct host host;
    struct topology topology;
    struct source *source;
    struct report report;
};

static void make_folders(char *path)
{
    for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        (void)mkdir(path, 0755);
        *slash = '/';
    }
}

/* Writes in place: the source keeps the file open. */
static void put(const struct fixture *fixture, const char *zone, const char *file, const char *text)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/class/powercap/%s/%s", fixture->root, zone, file);
    make_folders(path);
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    assert_true(fputs(text, stream) >= 0);
    assert_int_equal(fclose(stream), 0);
}

static void put_energy(const struct fixture *fixture, const char *zone, int64_t energy_uj)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%" PRId64 "\n", energy_uj);
    put(fixture, zone, "energy_uj", text);
}

static void make_zone(const struct fixture *fixture, const char *zone, const char *name,
                      int64_t energy_uj)
{
    char text[80];
    (void)snprintf(text, sizeof(text), "%s\n", name);
    put(fixture, zone, "name", text);
    (void)snprintf(text, sizeof(text), "%" PRId64 "\n", RANGE_UJ);
    put(fixture, zone, "max_energy_range_uj", text);
    put_energy(fixture, zone, energy_uj);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (!fixture)
        return -1;
    (void)snprintf(fixture->root, sizeof(fixture->root), "/tmp/test_powercap_XXXXXX");
    if (!mkdtemp(fixture->root) || chmod(fixture->root, 0755) < 0)
        return -1;
    now_ns = 1000 * NS_PER_S;
    fixture->host = (struct host){.sysfs = fixture->root, .clock = &clock_test};
    (void)snprintf(fixture->topology.vendor, sizeof(fixture->topology.vendor), "GenuineIntel");
    report_init(&fixture->report);
    *state = fixture;
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static void remove_zone(const struct fixture *fixture, const char *zone)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/class/powercap/%s/energy_uj", fixture->root, zone);
    assert_int_equal(truncate(path, 0), 0); /* a plain file outlives its name, a zone's does not */
    (void)snprintf(path, sizeof(path), "%s/class/powercap/%s", fixture->root, zone);
    assert_int_equal(nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    if (fixture->source)
        source_powercap.close(fixture->source);
    report_deinit(&fixture->report);
    (void)nftw(fixture->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(fixture);
    return 0;
}

static void open_source(struct fixture *fixture)
{
    struct error err = {0};
    int r = source_powercap.open(&fixture->source, &fixture->host, &fixture->topology, NULL, &err);
    if (r < 0)
        fail_msg("%s", err.text);
}

/* A second passes and the source is read. */
static void tick(struct fixture *fixture)
{
    now_ns += NS_PER_S;
    report_clear(&fixture->report);
    assert_int_equal(source_powercap.read(fixture->source, &fixture->topology, &fixture->report),
                     0);
}

static const struct energy_sample *sample_of(const struct fixture *fixture, enum domain domain,
                                             int32_t package)
{
    const struct energy_sample *found = NULL;
    for (size_t i = 0; i < fixture->report.n_energy; i++) {
        const struct energy_sample *sample = &fixture->report.energy[i];
        if (sample->domain == domain && sample->package == package) {
            assert_null(found); /* one sample, not two */
            found = sample;
        }
    }
    assert_non_null(found);
    return found;
}

static void expect_energy(const struct fixture *fixture, enum domain domain, int32_t package,
                          int64_t energy_uj)
{
    const struct energy_sample *sample = sample_of(fixture, domain, package);
    if (!sample->valid)
        fail_msg("not valid: %s", sample->reason);
    assert_int_equal(sample->energy_uj, energy_uj);
    assert_string_equal(sample->source, "powercap");
    assert_false(sample->estimate);
}

static void expect_reason(const struct fixture *fixture, enum domain domain, int32_t package,
                          const char *reason)
{
    const struct energy_sample *sample = sample_of(fixture, domain, package);
    assert_false(sample->valid);
    assert_string_equal(sample->reason, reason);
    assert_int_equal(sample->energy_uj, VALUE_ABSENT);
    assert_int_equal(sample->dt_ns, VALUE_ABSENT);
}

/* Hardware trap 9, field bug 4.4. The numbers are the kernel's whim: package 1 is zone 0 and zone 1
 * is the platform. */
static void zones_are_known_by_name(void **state)
{
    struct fixture *fixture = *state;
    make_zone(fixture, "intel-rapl:0", "package-1", 100);
    make_zone(fixture, "intel-rapl:0:0", "dram", 200);
    make_zone(fixture, "intel-rapl:0:1", "core", 300);
    make_zone(fixture, "intel-rapl:1", "psys", 400);
    make_zone(fixture, "intel-rapl:2", "package-0", 500);
    make_zone(fixture, "intel-rapl:2/intel-rapl:2:0", "dram", 600); /* only inside its package */
    make_zone(fixture, "intel-rapl:3", "package-zero", 700);
    make_zone(fixture, "dtpm:0", "package-7", 800);
    open_source(fixture);
    put_energy(fixture, "intel-rapl:0", 100 + 1000000);
    put_energy(fixture, "intel-rapl:0:0", 200 + 2000000);
    put_energy(fixture, "intel-rapl:0:1", 300 + 3000000);
    put_energy(fixture, "intel-rapl:1", 400 + 4000000);
    put_energy(fixture, "intel-rapl:2", 500 + 5000000);
    put_energy(fixture, "intel-rapl:2/intel-rapl:2:0", 600 + 6000000);
    tick(fixture);
    assert_int_equal(fixture->report.n_energy, 6);
    expect_energy(fixture, DOMAIN_PACKAGE, 1, 1000000);
    expect_energy(fixture, DOMAIN_DRAM, 1, 2000000);
    expect_energy(fixture, DOMAIN_CORE, 1, 3000000);
    expect_energy(fixture, DOMAIN_PSYS, PACKAGE_NONE, 4000000);
    expect_energy(fixture, DOMAIN_PACKAGE, 0, 5000000);
    expect_energy(fixture, DOMAIN_DRAM, 0, 6000000);
    assert_int_equal(sample_of(fixture, DOMAIN_DRAM, 0)->dt_ns, (int64_t)NS_PER_S);
    tick(fixture); /* nothing moved: memory can rest, a package cannot */
    expect_energy(fixture, DOMAIN_DRAM, 1, 0);
    expect_reason(fixture, DOMAIN_PACKAGE, 1, "stuck");
}

/* Where the second package counts the platform, the kernel writes its number behind. */
static void psys_may_have_a_number(void **state)
{
    struct fixture *fixture = *state;
    make_zone(fixture, "intel-rapl:0", "psys-1", 100);
    make_zone(fixture, "intel-rapl:1", "psys-", 200);
    make_zone(fixture, "intel-rapl:2", "psys-1x", 300);
    open_source(fixture);
    put_energy(fixture, "intel-rapl:0", 100 + 1000000);
    tick(fixture);
    assert_int_equal(fixture->report.n_energy, 1);
    expect_energy(fixture, DOMAIN_PSYS, PACKAGE_NONE, 1000000);
}

static void modulus_is_exact(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        int64_t range_uj, modulus_uj;
        double unit_uj;
    } cases[] = {
        {INT64_C(262143328850), INT64_C(262143328911), 61.035},
        {INT64_C(65532610987), INT64_C(65532611002), 15.258},
        {INT64_C(65712999613), INT64_C(65712999628), 15.3},
        {INT64_C(4294967295000000), INT64_C(4294967296000000), 1e6},
        {1000000, 1000000, NAN}, /* no unit explains it */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct powercap_zone *zones;
        char text[32];
        make_zone(fixture, "intel-rapl:0", "package-0", 1);
        (void)snprintf(text, sizeof(text), "%" PRId64 "\n", cases[i].range_uj);
        put(fixture, "intel-rapl:0", "max_energy_range_uj", text);
        assert_int_equal(powercap_zones_find(&fixture->host, "GenuineIntel", &zones), 1);
        assert_int_equal(zones[0].modulus_uj, cases[i].modulus_uj);
        if (isnan(cases[i].unit_uj))
            assert_true(isnan(zones[0].unit_uj));
        else
            assert_float_equal(zones[0].unit_uj, cases[i].unit_uj, 1e-9);
        free(zones);
    }
}

static void a_wrap_is_corrected_exactly(void **state)
{
    struct fixture *fixture = *state;
    const int64_t modulus_uj = INT64_C(262143328911);
    make_zone(fixture, "intel-rapl:0", "package-0", modulus_uj - 30000000);
    open_source(fixture);
    put_energy(fixture, "intel-rapl:0", 12345678);
    tick(fixture);
    expect_energy(fixture, DOMAIN_PACKAGE, 0, 42345678);
    put_energy(fixture, "intel-rapl:0", 12345679);
    tick(fixture);
    expect_energy(fixture, DOMAIN_PACKAGE, 0, 1);
}

/* Hardware trap 2. */
static void a_wrap_without_range_is_no_energy(void **state)
{
    struct fixture *fixture = *state;
    make_zone(fixture, "intel-rapl:0", "package-0", 5000000);
    make_zone(fixture, "intel-rapl:1", "package-1", 5000000);
    put(fixture, "intel-rapl:0", "max_energy_range_uj", "0\n");
    put(fixture, "intel-rapl:1", "max_energy_range_uj", "-7 and text\n");
    make_zone(fixture, "intel-rapl:2", "package-2", 5000000);
    put(fixture, "intel-rapl:2", "max_energy_range_uj",
        "9223372036854775807\n"); /* no record holds it */
    open_source(fixture);
    put_energy(fixture, "intel-rapl:2", 4000000);
    put_energy(fixture, "intel-rapl:0", 4000000);
    put_energy(fixture, "intel-rapl:1", 4000000);
    tick(fixture);
    expect_reason(fixture, DOMAIN_PACKAGE, 0, "no_range");
    expect_reason(fixture, DOMAIN_PACKAGE, 1, "no_range");
    expect_reason(fixture, DOMAIN_PACKAGE, 2, "no_range");
    put_energy(fixture, "intel-rapl:0", 4700000);
    tick(fixture);
    expect_energy(fixture, DOMAIN_PACKAGE, 0, 700000);
}

static void a_reset_is_no_wrap(void **state)
{
    struct fixture *fixture = *state;
    make_zone(fixture, "intel-rapl:0", "package-0", INT64_C(200000000000));
    make_zone(fixture, "intel-rapl:1", "package-1", INT64_C(200000000000));
    open_source(fixture);
    put_energy(fixture, "intel-rapl:0", 1000000); /* as a wrap: 62 kJ in a second */
    put_energy(fixture, "intel-rapl:1", INT64_C(200001000000));
    tick(fixture);
    expect_reason(fixture, DOMAIN_PACKAGE, 0, "counter_reset");
    expect_energy(fixture, DOMAIN_PACKAGE, 1, 1000000);
    put_energy(fixture, "intel-rapl:0", 3000000);
    tick(fixture);
    expect_energy(fixture, DOMAIN_PACKAGE, 0, 2000000);
    put_energy(fixture, "intel-rapl:0", INT64_C(190000000000)); /* 190 kW: no package does that */
    tick(fixture);
    expect_reason(fixture, DOMAIN_PACKAGE, 0, "implausible");
}

/* With constraints, three times the highest of them decides. */
static void constraints_bound_a_wrap(void **state)
{
    struct fixture *fixture = *state;
    const int64_t modulus_uj = INT64_C(262143328911);
    make_zone(fixture, "intel-rapl:0", "package-0", modulus_uj - 1400000000);
    make_zone(fixture, "intel-rapl:1", "package-1", modulus_uj - 1400000000);
    put(fixture, "intel-rapl:0", "constraint_0_max_power_uw", "500000000\n");
    put(fixture, "intel-rapl:1", "constraint_0_max_power_uw", "15000000\n");
    put(fixture, "intel-rapl:1", "constraint_1_power_limit_uw", "64000000\n");
    open_source(fixture);
    put_energy(fixture, "intel-rapl:0", 0);
    put_energy(fixture, "intel-rapl:1", 0);
    tick(fixture);
    expect_energy(fixture, DOMAIN_PACKAGE, 0, 1400000000);
    expect_reason(fixture, DOMAIN_PACKAGE, 1, "counter_reset");
    struct host_record record;
    host_record_init(&record);
    struct host_package *package;
    assert_int_equal(host_record_add_package(&record, &package), 0);
    package->package = 1;
    package->max_w = NAN;
    assert_int_equal(source_powercap.describe(fixture->source, &record), 0);
    assert_float_equal(record.packages[0].max_w, 64, 1e-9);
    assert_int_equal(record.n_sources, 2);
    assert_int_equal(record.sources[0].range_uj, RANGE_UJ);
    assert_float_equal(record.sources[0].unit_uj, 61.035, 1e-9);
    assert_true(record.sources[0].peak_w >= 64);
    host_record_deinit(&record);
}

/* Hardware trap 5: after three minutes at up to 3 kW, one wrap more would be as plausible. */
static void two_wraps_cannot_be_told_apart(void **state)
{
    struct fixture *fixture = *state;
    make_zone(fixture, "intel-rapl:0", "package-0", 1000000);
    open_source(fixture);
    now_ns += 180 * NS_PER_S;
    put_energy(fixture, "intel-rapl:0", 2000000);
    tick(fixture);
    expect_reason(fixture, DOMAIN_PACKAGE, 0, "span_too_long");
    put_energy(fixture, "intel-rapl:0", 2000007);
    tick(fixture);
    expect_energy(fixture, DOMAIN_PACKAGE, 0, 7);
}

static void damage_is_missing_and_not_zero(void **state)
{
    struct fixture *fixture = *state;
    static const char *const texts[] = {
        "",
        "\n",
        "-5\n",
        "x\n",
        "12 34\n",
        "99999999999999999999\n",
        "12345678901234567890123456789012345\n",
        "\xff\xfe\n",
        "0x10\n",
        " 5\n",
    };
    make_zone(fixture, "intel-rapl:0", "package-0", 1000000);
    make_zone(fixture, "intel-rapl:1", "package-1", 1000000);
    open_source(fixture);
    int64_t other_uj = 1000000;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        put(fixture, "intel-rapl:0", "energy_uj", texts[i]);
        put_energy(fixture, "intel-rapl:1", other_uj += 5);
        tick(fixture);
        expect_reason(fixture, DOMAIN_PACKAGE, 0, "read_error");
        expect_energy(fixture, DOMAIN_PACKAGE, 1, 5); /* the rest goes on */
        put_energy(fixture, "intel-rapl:0", 3000000);
        put_energy(fixture, "intel-rapl:1", other_uj += 5);
        tick(fixture);
        expect_energy(fixture, DOMAIN_PACKAGE, 0, 2000000); /* nothing is lost */
        assert_int_equal(sample_of(fixture, DOMAIN_PACKAGE, 0)->dt_ns, 2 * (int64_t)NS_PER_S);
        put_energy(fixture, "intel-rapl:0", 1000000);
        tick(fixture);
        expect_reason(fixture, DOMAIN_PACKAGE, 0, "counter_reset");
    }
}

/* Hardware trap 22, field bug 4.16. */
static void a_zone_comes_back_under_another_number(void **state)
{
    struct fixture *fixture = *state;
    make_zone(fixture, "intel-rapl:0", "package-0", 1000000);
    make_zone(fixture, "intel-rapl:1", "package-1", 2000000);
    make_zone(fixture, "intel-rapl:1:0", "dram", 3000000);
    open_source(fixture);
    remove_zone(fixture, "intel-rapl:1:0");
    remove_zone(fixture, "intel-rapl:1");
    put_energy(fixture, "intel-rapl:0", 1500000);
    tick(fixture);
    expect_energy(fixture, DOMAIN_PACKAGE, 0, 500000);
    expect_reason(fixture, DOMAIN_PACKAGE, 1, "read_error");
    tick(fixture);
    expect_reason(fixture, DOMAIN_PACKAGE, 1, "vanished");
    expect_reason(fixture, DOMAIN_DRAM, 1, "vanished");
    make_zone(fixture, "intel-rapl:5", "package-1", 10);
    make_zone(fixture, "intel-rapl:5:2", "dram", 20);
    tick(fixture);
    expect_reason(fixture, DOMAIN_PACKAGE, 1, "reopened");
    put_energy(fixture, "intel-rapl:5", 17);
    put_energy(fixture, "intel-rapl:5:2", 28);
    tick(fixture);
    expect_energy(fixture, DOMAIN_PACKAGE, 1, 7);
    expect_energy(fixture, DOMAIN_DRAM, 1, 8);
}

/* Hardware trap 9, field bug 4.3. */
static void the_mmio_view_is_used_alone_only(void **state)
{
    struct fixture *fixture = *state;
    struct powercap_zone *zones;
    make_zone(fixture, "intel-rapl-mmio:0", "package-0", 5);
    assert_int_equal(powercap_zones_find(&fixture->host, "GenuineIntel", &zones), 1);
    assert_non_null(strstr(zones[0].path, "mmio"));
    free(zones);
    make_zone(fixture, "intel-rapl-mmio:0:0", "dram", 5);
    make_zone(fixture, "intel-rapl:0", "package-0", 5);
    assert_int_equal(powercap_zones_find(&fixture->host, "GenuineIntel", &zones), 2);
    assert_null(strstr(zones[0].path, "mmio"));
    assert_int_equal(zones[1].domain, DOMAIN_DRAM); /* which only mmio shows */
    free(zones);
}

/* Field bug 4.3. */
static void dies_are_added_and_mirrors_are_not(void **state)
{
    struct fixture *fixture = *state;
    make_zone(fixture, "intel-rapl:0", "package-0-die-0", 1000000);
    make_zone(fixture, "intel-rapl:1", "package-0-die-1", 5000000);
    make_zone(fixture, "intel-rapl:2", "package-1-die-0", 7000000);
    make_zone(fixture, "intel-rapl:3", "package-1-die-1", 7000000); /* the same counter */
    open_source(fixture);
    put_energy(fixture, "intel-rapl:0", 1000010);
    put_energy(fixture, "intel-rapl:1", 5000005);
    put_energy(fixture, "intel-rapl:2", 7000100);
    put_energy(fixture, "intel-rapl:3", 7000100);
    tick(fixture);
    assert_int_equal(fixture->report.n_energy, 2);
    expect_energy(fixture, DOMAIN_PACKAGE, 0, 15);
    expect_energy(fixture, DOMAIN_PACKAGE, 1, 100);
    put(fixture, "intel-rapl:1", "energy_uj", "");
    tick(fixture);
    expect_reason(fixture, DOMAIN_PACKAGE, 0, "read_error"); /* half a package is no package */
}

/* Hardware traps 7 and 8. */
static void amd_dies_and_core_are_left_out(void **state)
{
    struct fixture *fixture = *state;
    struct powercap_zone *zones;
    make_zone(fixture, "intel-rapl:0", "package-0-die-0", 1000000);
    make_zone(fixture, "intel-rapl:0:0", "core", 10);
    make_zone(fixture, "intel-rapl:1", "package-0-die-1", 2000000);
    make_zone(fixture, "intel-rapl:10", "package-1", 3000000);
    assert_int_equal(powercap_zones_find(&fixture->host, "AuthenticAMD", &zones), 2);
    assert_int_equal(zones[0].package, 0);
    assert_int_equal(zones[0].die, 0);
    assert_int_equal(zones[1].package, 1);
    free(zones);
}

/* Field bug 4.19. */
static void what_may_not_be_read_says_how_to(void **state)
{
    struct fixture *fixture = *state;
    struct source_probe probe;
    struct error err = {0};
    char path[PATH_MAX];
    make_zone(fixture, "intel-rapl:0", "package-0", 1);
    (void)snprintf(path, sizeof(path), "%s/class/powercap/intel-rapl:0/energy_uj", fixture->root);
    assert_int_equal(chmod(path, 0), 0);
    bool is_root = geteuid() == 0;
    if (is_root)
        assert_int_equal(seteuid(65534), 0);
    source_powercap.probe(&fixture->host, &fixture->topology, NULL, &probe);
    int r = source_powercap.open(&fixture->source, &fixture->host, &fixture->topology, NULL, &err);
    if (is_root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(r, -EACCES);
    assert_non_null(strstr(err.text, "cap_dac_read_search"));
    assert_null(fixture->source);
    assert_int_equal(probe.availability, SOURCE_UNREADABLE);
    assert_true(probe.is_energy_counter);
    assert_int_equal(probe.domains, DOMAIN_BIT(DOMAIN_PACKAGE));
    assert_non_null(strstr(probe.advice, "setcap cap_dac_read_search"));
}

static void probe_tells_what_is_there(void **state)
{
    struct fixture *fixture = *state;
    struct source_probe probe;
    struct error err = {0};
    source_powercap.probe(&fixture->host, &fixture->topology, NULL, &probe);
    assert_int_equal(probe.availability, SOURCE_ABSENT);
    assert_false(probe.is_energy_counter);
    assert_int_equal(probe.domains, 0);
    assert_int_equal(
        source_powercap.open(&fixture->source, &fixture->host, &fixture->topology, NULL, &err),
        -ENODEV);
    make_zone(fixture, "intel-rapl:0", "psys", 1);
    source_powercap.probe(&fixture->host, &fixture->topology, NULL, &probe);
    assert_int_equal(probe.availability, SOURCE_USABLE);
    assert_false(probe.is_energy_counter); /* nothing that is attributed */
    make_zone(fixture, "intel-rapl:1", "package-0", 1);
    make_zone(fixture, "intel-rapl:1:0", "dram", 1);
    source_powercap.probe(&fixture->host, &fixture->topology, NULL, &probe);
    assert_true(probe.is_energy_counter);
    assert_int_equal(probe.domains, DOMAIN_BIT(DOMAIN_PACKAGE) | DOMAIN_BIT(DOMAIN_DRAM) |
                                        DOMAIN_BIT(DOMAIN_PSYS));
    assert_string_equal(probe.reason, "package, dram, psys; packages: 1");
}

#define WITH_TREE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TREE(zones_are_known_by_name),
        WITH_TREE(psys_may_have_a_number),
        WITH_TREE(modulus_is_exact),
        WITH_TREE(a_wrap_is_corrected_exactly),
        WITH_TREE(a_wrap_without_range_is_no_energy),
        WITH_TREE(a_reset_is_no_wrap),
        WITH_TREE(constraints_bound_a_wrap),
        WITH_TREE(two_wraps_cannot_be_told_apart),
        WITH_TREE(damage_is_missing_and_not_zero),
        WITH_TREE(a_zone_comes_back_under_another_number),
        WITH_TREE(the_mmio_view_is_used_alone_only),
        WITH_TREE(dies_are_added_and_mirrors_are_not),
        WITH_TREE(amd_dies_and_core_are_left_out),
        WITH_TREE(what_may_not_be_read_says_how_to),
        WITH_TREE(probe_tells_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
