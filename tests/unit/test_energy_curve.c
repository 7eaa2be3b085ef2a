/* SPDX-License-Identifier: BSD-3-Clause */
/* The estimate follows the busy share of a made PROCFS/stat exactly and the running kernel's as far
 * as that tells, says that it is one, and breaks loudly on a bad table and quietly on a bad /proc. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/magic.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/error.h"
#include "sensor/source.h"
#include "tests/unit/made_clock.h"

extern const struct source_ops source_curve;

#define HEADER \
    "vendor,family,models,idle_w_per_vcpu,full_w_per_vcpu,low_factor,high_factor,source\n"

#define ROUNDS_PER_TICK 50

static uint64_t now_ns;

static const struct clock clock_test = MADE_CLOCK(now_ns);

struct fixture {
    char root[64], table[96];
    struct host host;
    struct topology topology;
    bool is_online[2];
    struct source *source;
    struct report report;
    char *settings[1]; /* the one option of the source: curve-file */
};

static void put(const struct fixture *fixture, const char *file, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", fixture->root, file);
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    assert_true(fputs(text, stream) >= 0);
    assert_int_equal(fclose(stream), 0);
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (!fixture)
        return -1;
    (void)snprintf(fixture->root, sizeof(fixture->root), "/tmp/test_curve_XXXXXX");
    if (!mkdtemp(fixture->root))
        return -1;
    now_ns = 1000 * NS_PER_S;
    fixture->is_online[0] = fixture->is_online[1] = true;
    fixture->host = (struct host){.procfs = fixture->root, .clock = &clock_test};
    fixture->topology = (struct topology){.n_cpus = 2,
                                          .is_online = fixture->is_online,
                                          .vendor = "TestVendor",
                                          .family = 1,
                                          .model = 2};
    (void)snprintf(fixture->table, sizeof(fixture->table), "%s/table.csv", fixture->root);
    fixture->settings[0] = fixture->table;
    assert_int_equal(source_curve.options[0].offset, 0);
    put(fixture, "table.csv", HEADER "TestVendor,1,2,2,10,0.5,3,a test\n*,*,*,1,1,0.5,2,any\n");
    put(fixture, "stat", "cpu  1000 0 0 1000 0 0 0 0 0 0\ncpu0 1 2 3 4\ncpu1 1 2 3 4\nintr 5\n");
    report_init(&fixture->report);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    static const char *const files[] = {"table.csv", "stat"};
    struct fixture *fixture = *state;
    char path[128];
    if (fixture->source)
        source_curve.close(fixture->source);
    report_deinit(&fixture->report);
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", fixture->root, files[i]);
        (void)unlink(path);
    }
    (void)rmdir(fixture->root);
    free(fixture);
    return 0;
}

static void open_source(struct fixture *fixture)
{
    struct error err = {0};
    if (source_curve.open(&fixture->source, &fixture->host, &fixture->topology, fixture->settings,
                          &err) < 0)
        fail_msg("%s", err.text);
}

static const struct energy_sample *tick(struct fixture *fixture, uint64_t dt_ns)
{
    now_ns += dt_ns;
    report_clear(&fixture->report);
    assert_int_equal(source_curve.read(fixture->source, &fixture->topology, &fixture->report), 0);
    assert_int_equal(fixture->report.n_energy, 1);
    const struct energy_sample *sample = &fixture->report.energy[0];
    assert_int_equal(sample->domain, DOMAIN_MACHINE);
    assert_int_equal(sample->package, PACKAGE_NONE);
    assert_true(sample->estimate);
    assert_string_equal(sample->source, "curve");
    return sample;
}

/* idle 2 W, full 10 W, two CPUs. */
static void energy_follows_the_busy_share(void **state)
{
    struct fixture *fixture = *state;
    open_source(fixture);
    /* 25 busy of 200: user 5, nice 4, system 6, irq 7, softirq 3; idle 100, iowait 55, steal 20 */
    put(fixture, "stat", "cpu  1005 4 6 1100 55 7 3 20 999 999\ncpu0 1 2 3 4\ncpu1 1 2 3 4\n");
    const struct energy_sample *sample = tick(fixture, NS_PER_S);
    assert_true(sample->valid);
    assert_int_equal(sample->energy_uj, 6000000); /* 2 x (2 + 8 x 25/200) W */
    assert_int_equal(sample->low_uj, 3000000);
    assert_int_equal(sample->high_uj, 18000000);
    assert_int_equal(sample->dt_ns, (int64_t)NS_PER_S);
    assert_string_equal(sample->reason, "");
    put(fixture, "stat", "cpu  1205 4 6 1100 55 7 3 20 999 999\ncpu0 1 2 3 4\ncpu1 1 2 3 4\n");
    assert_int_equal(tick(fixture, NS_PER_S)->energy_uj, 20000000); /* full */
    fixture->is_online[1] = false;
    put(fixture, "stat", "cpu  1205 4 6 1200 55 7 3 20 999 999\ncpu0 1 2 3 4\n");
    assert_int_equal(tick(fixture, NS_PER_S)->energy_uj, 2000000); /* one CPU, idle */
}

/* Field bug 4.24. The hypervisor's share is neither ours nor idle: half of the time taken is half
 * of full. */
static void stolen_time_is_used_by_others(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "stat", "cpu  1000 0 0 1000 0 0 0 0\n");
    open_source(fixture);
    put(fixture, "stat", "cpu  1100 0 0 1000 0 0 0 100\n");
    const struct energy_sample *sample = tick(fixture, NS_PER_S);
    assert_true(sample->valid);
    assert_int_equal(sample->energy_uj, 12000000); /* 2 x (2 + 8 / 2) W */
    assert_string_equal(sample->reason, "cpu_stolen");
    put(fixture, "stat", "cpu  1190 0 0 1000 0 0 0 110\n");
    assert_string_equal(tick(fixture, NS_PER_S)->reason, ""); /* a tenth is usual */
    put(fixture, "stat", "cpu  1200 0 0 1000 0 0 0 90\n");    /* it steps back */
    sample = tick(fixture, NS_PER_S);
    assert_true(sample->valid);
    assert_string_equal(sample->reason, "");
}

/* What is taken from a virtual machine and never shown is in no figure, but within the bounds. */
static void time_may_be_stolen_unseen(void **state)
{
    struct fixture *fixture = *state;
    fixture->topology.is_virtual = true;
    put(fixture, "stat", "cpu  1000 0 0 1000 0 0 0 0\n");
    open_source(fixture);
    put(fixture, "stat", "cpu  1100 0 0 1000 0 0 0 0\n");
    const struct energy_sample *sample = tick(fixture, NS_PER_S);
    assert_int_equal(sample->energy_uj, 20000000); /* 2 x 10 W */
    assert_int_equal(sample->low_uj, 2000000);     /* half of idle's */
    put(fixture, "stat", "cpu  1190 0 0 1000 0 0 0 10\n");
    (void)tick(fixture, NS_PER_S);
    put(fixture, "stat", "cpu  1290 0 0 1000 0 0 0 10\n"); /* it shows what it takes */
    sample = tick(fixture, NS_PER_S);
    assert_int_equal(sample->energy_uj, 20000000);
    assert_int_equal(sample->low_uj, 10000000);
}

/* What the kernel says was neither idle nor stolen since boot, and what was not idle: what it books
 * as stolen of a CPU that slept is in both columns. */
struct known {
    int64_t least_ns, most_ns;
};

static struct known look(void)
{
    unsigned long long t[8] = {0};
    FILE *stat = fopen("/proc/stat", "re");
    assert_non_null(stat);
    assert_int_equal(fscanf(stat, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1],
                            &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]),
                     8);
    int64_t wall_ns = (int64_t)clock_monotonic_ns(&clock_system) * sysconf(_SC_NPROCESSORS_ONLN);
    int64_t ns_per_tick = 1000000000 / sysconf(_SC_CLK_TCK);
    assert_int_equal(fclose(stat), 0);
    int64_t most_ns = wall_ns - (int64_t)(t[3] + t[4]) * ns_per_tick;
    return (struct known){.least_ns = most_ns - (int64_t)t[7] * ns_per_tick, .most_ns = most_ns};
}

/* Two that wake each other across CPUs, so that the timer tick hardly ever meets them. */
static pid_t start_player(size_t cpu, int from_fd, int to_fd, int told_fd)
{
    pid_t pid = fork();
    if (pid == 0) {
        cpu_set_t set;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        (void)sched_setaffinity(0, sizeof(set), &set);
        char byte = 'x';
        for (long i = 1; read(from_fd, &byte, 1) == 1 && write(to_fd, &byte, 1) == 1; i++)
            if (i % ROUNDS_PER_TICK == 0 && write(told_fd, &byte, 1) != 1)
                break;
        _exit(1);
    }
    assert_true(pid > 0);
    return pid;
}

static void find_cpus(size_t *ret_first, size_t *ret_last)
{
    cpu_set_t allowed;
    assert_int_equal(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
    *ret_first = CPU_SETSIZE;
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed)) {
            *ret_first = *ret_first < cpu ? *ret_first : cpu;
            *ret_last = cpu;
        }
}

static bool is_the_kernels(const char *path)
{
    struct statfs status;
    return statfs(path, &status) == 0 && status.f_type == PROC_SUPER_MAGIC;
}

/* In ticks shorter than the steps of the file, which would be taken for full or idle one by one. */
static void sleepers_are_busy_for_all_of_their_time(void **state)
{
    struct fixture *fixture = *state;
    if (!is_the_kernels("/proc/stat"))
        skip(); /* a container's own file */
    put(fixture, "table.csv", HEADER "*,*,*,1,2,1,1,any\n");
    fixture->host = (struct host){.procfs = "/proc", .clock = &clock_system};
    fixture->topology.n_cpus = 0; /* as many as the file says */
    int there[2], back[2], told[2];
    char byte = 'x';
    size_t first_cpu, last_cpu = 0;
    find_cpus(&first_cpu, &last_cpu);
    assert_true(pipe(there) == 0 && pipe(back) == 0 && pipe(told) == 0);
    pid_t players[] = {start_player(first_cpu, there[0], back[1], told[1]),
                       start_player(last_cpu, back[0], there[1], told[1])};
    assert_int_equal(write(there[1], &byte, 1), 1);
    int64_t n_cpus = sysconf(_SC_NPROCESSORS_ONLN), busy_ns = 0;
    struct known first[2], last[2];
    first[0] = look();
    open_source(fixture);
    first[1] = look();
    uint64_t end_ns = clock_monotonic_ns(&clock_system) + 2 * NS_PER_S;
    do {
        struct pollfd poll_told = {.fd = told[0], .events = POLLIN};
        assert_int_equal(poll(&poll_told, 1, 10000), 1);
        assert_int_equal(read(told[0], &byte, 1), 1);
        last[0] = look();
        const struct energy_sample *sample = tick(fixture, 0);
        last[1] = look();
        assert_true(sample->valid);
        busy_ns += sample->energy_uj * 1000 - n_cpus * sample->dt_ns; /* beyond 1 W per CPU */
    } while (clock_monotonic_ns(&clock_system) < end_ns);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(kill(players[i], SIGKILL), 0);
        assert_int_equal(waitpid(players[i], NULL, 0), players[i]);
        (void)close(there[i]);
        (void)close(back[i]);
        (void)close(told[i]);
    }
    int64_t rounding_ns = 3 * n_cpus * (1000000000 / sysconf(_SC_CLK_TCK));
    int64_t least_ns = last[0].least_ns - first[1].least_ns - rounding_ns,
            most_ns = last[1].most_ns - first[0].most_ns + rounding_ns;
    if (busy_ns < least_ns || busy_ns > most_ns)
        fail_msg("%ld us, not from %ld to %ld us", (long)(busy_ns / 1000), (long)(least_ns / 1000),
                 (long)(most_ns / 1000));
}

static void fractions_are_carried(void **state)
{
    struct fixture *fixture = *state;
    put(fixture, "table.csv", HEADER "*,*,*,1,1,1,1,any\n");
    fixture->is_online[1] = false;
    put(fixture, "stat", "cpu  0 0 0 1000\n");
    open_source(fixture);
    int64_t sum_uj = 0;
    for (int i = 0; i < 300; i++) {
        const struct energy_sample *sample = tick(fixture, 3333333); /* 3333.333 uJ */
        assert_true(sample->valid);
        assert_true(sample->low_uj <= sample->energy_uj && sample->energy_uj <= sample->high_uj);
        assert_string_equal(sample->reason, "unknown_cpu");
        sum_uj += sample->energy_uj;
    }
    assert_in_range(sum_uj, 999999, 1000000);
}

static void a_tick_shorter_than_the_clock_keeps_the_share(void **state)
{
    struct fixture *fixture = *state;
    open_source(fixture);
    put(fixture, "stat", "cpu  1100 0 0 1000\n");
    assert_int_equal(tick(fixture, NS_PER_S)->energy_uj, 20000000);
    assert_int_equal(tick(fixture, NS_PER_MS)->energy_uj, 20000); /* stat did not move */
    put(fixture, "stat", "cpu  1100 0 0 999\n");                  /* idle steps back */
    assert_int_equal(tick(fixture, NS_PER_MS)->energy_uj, 20000);
    put(fixture, "stat", "cpu  1100 0 0 1100\n");
    assert_int_equal(tick(fixture, NS_PER_S)->energy_uj, 4000000);
}

static void bad_stat_is_missing(void **state)
{
    static const char *const texts[] = {
        "", "cpu\n", "cpu  1 2 3\n", "intr 1 2 3 4 5\n", "\xff\xfe\x01", "cpu  x y z w\n"};
    struct fixture *fixture = *state;
    open_source(fixture);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        put(fixture, "stat", texts[i]);
        const struct energy_sample *sample = tick(fixture, NS_PER_S);
        assert_false(sample->valid);
        assert_string_equal(sample->reason, "read_error");
        assert_int_equal(sample->energy_uj, VALUE_ABSENT);
        put(fixture, "stat", "cpu  2000 0 0 2000\n");
        assert_string_equal(tick(fixture, NS_PER_S)->reason, "reopened");
        put(fixture, "stat", "cpu  2000 0 0 2100\n");
        assert_int_equal(tick(fixture, NS_PER_S)->energy_uj, 4000000);
    }
}

static void a_bad_table_is_a_clear_failure(void **state)
{
    struct fixture *fixture = *state;
    struct source_probe probe;
    struct error err = {0};
    put(fixture, "table.csv", HEADER "TestVendor,1,2,nan,10,0.5,3,a test\n");
    assert_int_equal(source_curve.open(&fixture->source, &fixture->host, &fixture->topology,
                                       fixture->settings, &err),
                     -EDOM);
    assert_non_null(strstr(err.text, "table.csv:2: idle_w_per_vcpu \"nan\""));
    source_curve.probe(&fixture->host, &fixture->topology, fixture->settings, &probe);
    assert_int_equal(probe.availability, SOURCE_MISCONFIGURED);
    put(fixture, "table.csv", HEADER "Another,1,2,1,10,0.5,3,a test\n");
    assert_int_equal(source_curve.open(&fixture->source, &fixture->host, &fixture->topology,
                                       fixture->settings, &err),
                     -EDOM);
    assert_non_null(strstr(err.text, "no row for this CPU"));
    (void)unlink(fixture->table);
    assert_int_equal(source_curve.open(&fixture->source, &fixture->host, &fixture->topology,
                                       fixture->settings, &err),
                     -ENOENT);
    assert_non_null(strstr(err.text, fixture->table));
}

static void without_stat_it_is_absent(void **state)
{
    struct fixture *fixture = *state;
    struct source_probe probe;
    char path[128];
    source_curve.probe(&fixture->host, &fixture->topology, fixture->settings, &probe);
    assert_int_equal(probe.availability, SOURCE_USABLE);
    assert_false(probe.is_energy_counter);
    assert_int_equal(probe.domains, DOMAIN_BIT(DOMAIN_MACHINE));
    (void)snprintf(path, sizeof(path), "%s/stat", fixture->root);
    (void)unlink(path);
    source_curve.probe(&fixture->host, &fixture->topology, fixture->settings, &probe);
    assert_int_equal(probe.availability, SOURCE_ABSENT);
    fixture->settings[0] = NULL; /* the built-in table */
    put(fixture, "stat", "cpu  1 2 3 4\n");
    source_curve.probe(&fixture->host, &fixture->topology, NULL, &probe);
    assert_int_equal(probe.availability, SOURCE_USABLE);
    assert_non_null(strstr(probe.reason, "unknown"));
    assert_non_null(strstr(probe.advice, "--curve-file"));
}

#define WITH_FILES(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FILES(energy_follows_the_busy_share),
        WITH_FILES(stolen_time_is_used_by_others),
        WITH_FILES(time_may_be_stolen_unseen),
        WITH_FILES(sleepers_are_busy_for_all_of_their_time),
        WITH_FILES(fractions_are_carried),
        WITH_FILES(a_tick_shorter_than_the_clock_keeps_the_share),
        WITH_FILES(bad_stat_is_missing),
        WITH_FILES(a_bad_table_is_a_clear_failure),
        WITH_FILES(without_stat_it_is_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
