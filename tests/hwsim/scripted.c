/* SPDX-License-Identifier: BSD-3-Clause */
/* Ten minutes of scripted time per fault, through the real sources: watt-hwsim serves the counters,
 * a clock that this test moves is the sources' and, through DIR/clock, the simulator's. Every valid
 * sample must be what was true over the span it names, every other one must have the fault's
 * reason, and nothing impossible may be published. Needs root and /dev/fuse; fails without. */
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
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/error.h"
#include "common/scope.h"
#include "sensor/source.h"
#include "tests/unit/made_tree.h"

#define CANNOT_RUN 77
#define TICKS 600
#define READS_MAX 2000
#define HIGHEST_W 120.0 /* both users at full load, and a stuck second made good */

struct counter_truth {
    enum domain domain;
    int32_t package;
    double unit_uj, zone_part; /* what a zone's whole nanojoules cut off, of 1 */
    size_t n_reads, n_back;    /* reads below the one before */
    double last_raw;
    int64_t at_ns[READS_MAX];
    double true_j[READS_MAX];
};

struct counter_sum {
    double valid_uj, true_uj, worst_uj, highest_w;
    size_t n_valid, n_invalid, n_wanted; /* n_wanted: invalid with the wanted reason */
};

#define AROUND_VENDOR(vendor)                                                                    \
    "[machine]\n" vendor "packages = 2\ncpus = 4\nclock = file\njitter_us = 200\nlag_us = 300\n" \
    "[package 1]\nidle_w = 7\n"                                                                  \
    "[user first]\nload = 1\nwatts = 30\ndram_watts = 3\ncore_watts = 25\n"                      \
    "[user second]\nload = 2\nperiod_s = 17\nwatts = 20\npackage = 1\n"

static const char intel_text[] = AROUND_VENDOR("vendor = intel\nfamily = 6\nmodel = 0x9e\n"
                                               "domains = package dram\nhigh_bits = 0xabcd\n");
static const char amd_text[] = AROUND_VENDOR("vendor = amd\nfamily = 0x19\nmodel = 0x11\n"
                                             "domains = package core\nenergy_unit = 16\n");
static const char *machine_text;

static struct made_tree tree;
static pid_t simulator;
static char machine_folder[96], sysfs[128], devfs[128], procfs[128], clock_path[128],
    truth_path[128];
static uint64_t now_ns;
static struct counter_truth truths[8];
static size_t n_truths;

static uint64_t fake_ns(void *context)
{
    (void)context;
    return UINT64_C(1000000000000) + now_ns;
}

static const struct clock fake_clock = {fake_ns, fake_ns, fake_ns, NULL};
static const struct host host = {
    .sysfs = sysfs, .procfs = procfs, .devfs = devfs, .clock = &fake_clock};

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

static void set_clock(uint64_t ns)
{
    char text[32];
    now_ns = ns;
    (void)snprintf(text, sizeof(text), "%" PRIu64 "\n", ns);
    write_file(clock_path, text);
}

static void run_simulator(const char *config, const char *script, int output)
{
    char program[512];
    const char *build = getenv("WATT_BUILD");
    (void)snprintf(program, sizeof(program), "%s/tests/watt-hwsim", build ? build : "build");
    (void)dup2(output, STDOUT_FILENO);
    (void)execl(program, program, "--with-parent", "--config", config, "--script", script,
                machine_folder, (char *)NULL);
    _exit(127);
}

static void start(const char *script_text)
{
    char config[128], script[128], said[8] = "";
    int ends[2];
    (void)snprintf(config, sizeof(config), "%s/config", tree.root);
    (void)snprintf(script, sizeof(script), "%s/script", tree.root);
    write_file(config, machine_text);
    write_file(script, script_text);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    simulator = fork();
    assert_true(simulator >= 0);
    if (simulator == 0)
        run_simulator(config, script, ends[1]);
    (void)close(ends[1]);
    assert_int_equal(read(ends[0], said, sizeof(said)), strlen("ready\n"));
    (void)close(ends[0]);
    set_clock(1000000000);
}

static int stop(void **state)
{
    (void)state;
    if (simulator > 0) {
        (void)kill(simulator, SIGTERM);
        (void)waitpid(simulator, NULL, 0);
        (void)umount2(machine_folder, MNT_DETACH); /* where it died instead */
    }
    simulator = 0;
    return 0;
}

/* ---- the truth ---- */

static double number_of(const bson_t *document, const char *name)
{
    bson_iter_t field;
    return bson_iter_init_find(&field, document, name) ? bson_iter_as_double(&field) : -1;
}

static void take_read(const bson_t *read, struct counter_truth *truth)
{
    bson_iter_t field, users;
    double sum_j = number_of(read, "idle_j");
    assert_true(bson_iter_init_find(&field, read, "users_j") && bson_iter_recurse(&field, &users));
    while (bson_iter_next(&users))
        sum_j += bson_iter_as_double(&users);
    double raw = number_of(read, "raw");
    truth->n_back += truth->n_reads > 0 && raw < truth->last_raw;
    truth->last_raw = raw;
    assert_true(truth->n_reads < READS_MAX);
    truth->at_ns[truth->n_reads] = (int64_t)number_of(read, "at_ns");
    truth->true_j[truth->n_reads++] = sum_j;
}

static void enter(const bson_iter_t *element, bson_t *ret_document)
{
    const uint8_t *bytes;
    uint32_t size;
    bson_iter_document(element, &size, &bytes);
    assert_true(bson_init_static(ret_document, bytes, size));
}

static void take_counter(const bson_t *counter)
{
    bson_iter_t field, reads;
    struct counter_truth *truth = &truths[n_truths++];
    assert_true(n_truths <= ARRAY_SIZE(truths));
    assert_true(bson_iter_init_find(&field, counter, "domain"));
    assert_int_equal(domain_parse(bson_iter_utf8(&field, NULL), &truth->domain), 0);
    truth->package = (int32_t)number_of(counter, "package");
    truth->unit_uj = number_of(counter, "unit_nj") / 1e3;
    truth->zone_part = 1 - number_of(counter, "zone_unit_nj") / 1e3 / truth->unit_uj;
    truth->n_reads = truth->n_back = 0;
    assert_true(bson_iter_init_find(&field, counter, "reads") && bson_iter_recurse(&field, &reads));
    while (bson_iter_next(&reads)) {
        bson_t read;
        enter(&reads, &read);
        take_read(&read, truth);
    }
}

static void read_truth(void)
{
    static char text[4 << 20];
    bson_iter_t field, counters;
    ssize_t size = host_read_text(text, sizeof(text), "%s", truth_path);
    assert_true(size > 0);
    bson_error_t error;
    bson_t *truth = bson_new_from_json((const uint8_t *)text, size, &error);
    if (!truth)
        fail_msg("%s: %s", truth_path, error.message);
    n_truths = 0;
    assert_true(bson_iter_init_find(&field, truth, "counters") &&
                bson_iter_recurse(&field, &counters));
    while (bson_iter_next(&counters)) {
        bson_t counter;
        enter(&counters, &counter);
        take_counter(&counter);
    }
    bson_destroy(truth);
}

/* Joules up to the last read at a moment. */
static double true_j_at(const struct counter_truth *truth, int64_t at_ns)
{
    for (size_t i = truth->n_reads; i > 0; i--) {
        if (truth->at_ns[i - 1] == at_ns)
            return truth->true_j[i - 1];
    }
    fail_msg("no read at %" PRId64 " ns", at_ns);
    return 0;
}

struct fault_case {
    const char *name, *script;
    enum domain domain; /* the counters it is about: of this domain, or of all with any_domain */
    bool any_domain;
    int32_t package;
    const char *reason, *or_reason; /* "": none */
    size_t least, most;             /* invalid ticks */
    bool steps_back;                /* its 32 bits do, once */
    bool is_late;                   /* single samples may be off: what was withheld comes later */
};

/* ---- the run ---- */

static struct energy_sample samples[TICKS][8];
static size_t n_samples[TICKS];

static void refresh(struct topology *topology)
{
    if (topology_has_changed(topology, &host) != 1)
        return;
    topology_deinit(topology);
    assert_int_equal(topology_read(topology, &host, NULL), 0);
}

static void run(const struct source_ops *ops)
{
    struct topology topology;
    struct source *source;
    struct report report;
    struct error err = {0};
    void *settings = calloc(1, ops->settings_size + 1);
    report_init(&report);
    assert_int_equal(topology_read(&topology, &host, NULL), 0);
    if (ops->open(&source, &host, &topology, settings, &err) < 0)
        fail_msg("%s: %s", ops->name, err.text);
    for (size_t tick = 0; tick < TICKS; tick++) {
        set_clock(now_ns + 1000000000);
        refresh(&topology);
        report_clear(&report);
        assert_int_equal(ops->read(source, &topology, &report), 0);
        n_samples[tick] = report.n_energy < 8 ? report.n_energy : 8;
        memcpy(samples[tick], report.energy, n_samples[tick] * sizeof(report.energy[0]));
    }
    ops->close(source);
    free(settings);
    report_deinit(&report);
    topology_deinit(&topology);
    read_truth();
}

static bool is_word(const char *reason, const struct energy_sample *sample)
{
    return reason && strcmp(sample->reason, reason) == 0;
}

static void judge(const struct counter_truth *truth, const struct energy_sample *sample,
                  int64_t end_ns, const struct fault_case *fault, struct counter_sum *sum)
{
    if (!sample->valid) {
        sum->n_invalid++;
        sum->n_wanted += is_word(fault->reason, sample) || is_word(fault->or_reason, sample) ||
                         is_word("reopened", sample);
        assert_true(sample->energy_uj == VALUE_ABSENT);
        return;
    }
    double true_uj = (true_j_at(truth, end_ns) - true_j_at(truth, end_ns - sample->dt_ns)) * 1e6;
    double off_uj = fabs((double)sample->energy_uj - true_uj) - truth->zone_part * true_uj;
    sum->worst_uj = off_uj > sum->worst_uj ? off_uj : sum->worst_uj;
    sum->valid_uj += (double)sample->energy_uj;
    sum->true_uj += true_uj;
    double power_w = (double)sample->energy_uj * 1e3 / (double)sample->dt_ns;
    sum->highest_w = power_w > sum->highest_w ? power_w : sum->highest_w;
    assert_true(sample->energy_uj >= 0);
    sum->n_valid++;
}

static struct counter_sum add_up(const struct counter_truth *truth, const struct fault_case *fault)
{
    struct counter_sum sum = {0};
    for (size_t tick = 0; tick < TICKS; tick++) {
        int64_t end_ns = (int64_t)(tick + 2) * 1000000000;
        for (size_t i = 0; i < n_samples[tick]; i++) {
            const struct energy_sample *sample = &samples[tick][i];
            if (sample->domain == truth->domain && sample->package == truth->package)
                judge(truth, sample, end_ns, fault, &sum);
        }
    }
    return sum;
}

static const struct fault_case cases[] = {
    {"nothing", "", .domain = DOMAIN_PACKAGE, .any_domain = true},
    {"wrap", "time 300 package-0 wrap\n", .domain = DOMAIN_PACKAGE, .steps_back = true},
    {"wrap of memory", "time 100 dram-1 wrap\n", .domain = DOMAIN_DRAM, .package = 1,
     .steps_back = true},
    {"reset", "time 200.5 package-0 reset\n", .domain = DOMAIN_PACKAGE, .reason = "counter_reset",
     .least = 1, .most = 1, .steps_back = true},
    {"eio", "time 100 package-0 eio for 3\n", .domain = DOMAIN_PACKAGE, .reason = "read_error",
     .least = 3, .most = 4},
    {"eio, by reads", "read 50 dram-1 eio for 2\n", .domain = DOMAIN_DRAM, .package = 1,
     .reason = "read_error", .least = 2, .most = 3},
    {"enodev", "time 100 dram-0 enodev for 5\n", .domain = DOMAIN_DRAM, .reason = "vanished",
     .least = 5, .most = 6},
    {"stuck", "time 100 package-1 stuck for 2\n", .domain = DOMAIN_PACKAGE, .package = 1,
     .reason = "stuck", .most = 3, .is_late = true},
    {"vanish", "time 100 package-1 vanish for 30\n", .domain = DOMAIN_PACKAGE, .any_domain = true,
     .package = 1, .reason = "vanished", .or_reason = "cpu_offline", .least = 30, .most = 31},
};

static bool concerns(const struct fault_case *fault, const struct counter_truth *truth)
{
    return fault->package == truth->package &&
           (fault->any_domain || fault->domain == truth->domain);
}

static void check_counter(const struct source_ops *ops, const struct fault_case *fault,
                          const struct counter_truth *truth)
{
    struct counter_sum sum = add_up(truth, fault);
    /* The zone of AMD's "core" shows one core only: it is no measure of them all. */
    if (truth->domain == DOMAIN_CORE && strcmp(ops->name, "powercap") == 0) {
        assert_int_equal(sum.n_valid + sum.n_invalid, 0);
        return;
    }
    char what[160];
    (void)snprintf(what, sizeof(what),
                   "%s, %s: %s-%d: %zu valid, %zu invalid (%zu as wanted), %.3f J of %.3f J, worst "
                   "%.0f uJ, at most %.1f W",
                   ops->name, fault->name, domain_name(truth->domain), truth->package, sum.n_valid,
                   sum.n_invalid, sum.n_wanted, sum.valid_uj / 1e6, sum.true_uj / 1e6, sum.worst_uj,
                   sum.highest_w);
    bool is_concerned = concerns(fault, truth);
    bool is_right = fabs(sum.valid_uj - sum.true_uj) <= 1e-3 * sum.true_uj &&
                    sum.highest_w < HIGHEST_W && sum.n_wanted == sum.n_invalid &&
                    sum.n_valid + sum.n_invalid <= TICKS &&
                    sum.n_valid >= TICKS - (is_concerned ? fault->most : 0) &&
                    sum.n_valid <= TICKS - (is_concerned ? fault->least : 0);
    is_right = is_right && truth->n_back == (is_concerned && fault->steps_back);
    /* Two readings in whole units each, of each core in AMD's core domain, and microjoules. */
    double n_registers = truth->domain == DOMAIN_CORE ? 2 : 1;
    is_right = is_right && (fault->is_late || sum.worst_uj <= 2 * n_registers * truth->unit_uj + 4);
    if (!is_right)
        fail_msg("%s", what);
    if (is_concerned)
        print_message("%s\n", what);
}

static bool has_counter(const struct fault_case *fault)
{
    return machine_text == intel_text || fault->domain != DOMAIN_DRAM;
}

static void check_faults(const struct source_ops *ops, const char *text)
{
    machine_text = text;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        if (!has_counter(&cases[i]))
            continue;
        start(cases[i].script);
        run(ops);
        for (size_t t = 0; t < n_truths; t++)
            check_counter(ops, &cases[i], &truths[t]);
        assert_int_equal(stop(NULL), 0);
    }
}

static const struct source_ops *source_named(const char *name)
{
    for (size_t i = 0; source_table[i]; i++) {
        if (strcmp(source_table[i]->name, name) == 0)
            return source_table[i];
    }
    return NULL;
}

static void test_powercap(void **state)
{
    (void)state;
    check_faults(source_named("powercap"), intel_text);
}

static void test_powercap_of_amd(void **state)
{
    (void)state;
    check_faults(source_named("powercap"), amd_text);
}

static void test_msr(void **state)
{
    (void)state;
    check_faults(source_named("msr"), intel_text);
}

static void test_msr_of_amd(void **state)
{
    (void)state;
    check_faults(source_named("msr"), amd_text);
}

static int set_up(void **state)
{
    (void)state;
    made_tree_new(&tree);
    (void)snprintf(machine_folder, sizeof(machine_folder), "%s/machine", tree.root);
    (void)snprintf(sysfs, sizeof(sysfs), "%s/sys", machine_folder);
    (void)snprintf(devfs, sizeof(devfs), "%s/dev", machine_folder);
    (void)snprintf(procfs, sizeof(procfs), "%s/proc", machine_folder);
    (void)snprintf(clock_path, sizeof(clock_path), "%s/clock", machine_folder);
    (void)snprintf(truth_path, sizeof(truth_path), "%s/truth", machine_folder);
    return mkdir(machine_folder, 0700);
}

static int tear_down(void **state)
{
    (void)stop(state);
    made_tree_remove(&tree, "");
    return 0;
}

int main(void)
{
    if (geteuid() != 0 || access("/dev/fuse", W_OK) != 0) {
        print_message("cannot run: needs root and /dev/fuse\n");
        return CANNOT_RUN;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_powercap, stop),
        cmocka_unit_test_teardown(test_powercap_of_amd, stop),
        cmocka_unit_test_teardown(test_msr, stop),
        cmocka_unit_test_teardown(test_msr_of_amd, stop),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
