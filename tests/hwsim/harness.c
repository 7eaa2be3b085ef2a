/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/hwsim/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/array.h"
#include "common/error.h"
#include "common/scope.h"

#define AHEAD_NS UINT64_C(1000000000000) /* of the sources' clocks: no machine's are at 0 */

bool harness_can_run(void)
{
    if (geteuid() == 0 && access("/dev/fuse", W_OK) == 0)
        return true;
    print_message("cannot run: needs root and /dev/fuse\n");
    return false;
}

static uint64_t clock_ns(void *context)
{
    const struct harness *harness = context;
    return AHEAD_NS + harness->now_ns;
}

void harness_init(struct harness *harness)
{
    *harness = (struct harness){.clock = {clock_ns, clock_ns, clock_ns, harness},
                                .clock_fd = -1,
                                .online_fd = -1};
    made_tree_new(&harness->tree);
    const char *root = harness->tree.root;
    (void)snprintf(harness->folder, sizeof(harness->folder), "%s/machine", root);
    (void)snprintf(harness->sysfs, sizeof(harness->sysfs), "%s/machine/sys", root);
    (void)snprintf(harness->devfs, sizeof(harness->devfs), "%s/machine/dev", root);
    (void)snprintf(harness->procfs, sizeof(harness->procfs), "%s/machine/proc", root);
    (void)snprintf(harness->clock_path, sizeof(harness->clock_path), "%s/machine/clock", root);
    (void)snprintf(harness->truth_path, sizeof(harness->truth_path), "%s/machine/truth", root);
    harness->host = (struct host){.sysfs = harness->sysfs,
                                  .procfs = harness->procfs,
                                  .devfs = harness->devfs,
                                  .clock = &harness->clock};
    made_tree_mkdir(&harness->tree, "machine");
    report_init(&harness->report);
}

/* ---- the simulator ---- */

static void run_simulator(const struct harness *harness, int output)
{
    char program[512], config[128], script[128];
    const char *build = getenv("WATT_BUILD");
    (void)snprintf(program, sizeof(program), "%s/tests/watt-hwsim", build ? build : "build");
    (void)snprintf(config, sizeof(config), "%s/config", harness->tree.root);
    (void)snprintf(script, sizeof(script), "%s/script", harness->tree.root);
    (void)dup2(output, STDOUT_FILENO);
    (void)execl(program, program, "--with-parent", "--config", config, "--script", script,
                harness->folder, (char *)NULL);
    _exit(127);
}

void harness_start(struct harness *harness, const char *machine_text, const char *script_text)
{
    char said[8] = "";
    int ends[2];
    assert_int_equal(harness->simulator, 0);
    made_tree_write(&harness->tree, "config", machine_text);
    made_tree_write(&harness->tree, "script", script_text);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    harness->simulator = fork();
    assert_true(harness->simulator >= 0);
    if (harness->simulator == 0)
        run_simulator(harness, ends[1]);
    (void)close(ends[1]);
    assert_int_equal(read(ends[0], said, sizeof(said)), strlen("ready\n"));
    (void)close(ends[0]);
    harness->clock_fd = open(harness->clock_path, O_WRONLY | O_CLOEXEC);
    assert_true(harness->clock_fd >= 0);
    harness_set_clock(harness, HARNESS_START_NS);
}

void harness_stop(struct harness *harness)
{
    scope_close(&harness->clock_fd);
    harness->clock_fd = -1;
    scope_close(&harness->online_fd);
    harness->online_fd = -1;
    if (harness->simulator > 0) {
        (void)kill(harness->simulator, SIGTERM);
        (void)waitpid(harness->simulator, NULL, 0);
        (void)umount2(harness->folder, MNT_DETACH); /* where it died instead */
    }
    harness->simulator = 0;
}

void harness_set_clock(struct harness *harness, uint64_t now_ns)
{
    char text[32];
    int length = snprintf(text, sizeof(text), "%" PRIu64 "\n", now_ns);
    assert_int_equal(pwrite(harness->clock_fd, text, (size_t)length, 0), length);
    harness->now_ns = now_ns;
}

/* ---- the source ---- */

static void forget_run(struct harness *harness)
{
    for (size_t i = 0; i < harness->n_ticks; i++)
        free(harness->ticks[i].samples);
    harness->n_ticks = 0;
    counter_truths_free(harness->truths, harness->n_truths);
    harness->truths = NULL;
    harness->n_truths = 0;
}

void harness_open(struct harness *harness, const struct source_ops *ops)
{
    struct error err = {0};
    forget_run(harness);
    harness->ops = ops;
    harness->settings = calloc(1, ops->settings_size + 1);
    assert_non_null(harness->settings);
    assert_int_equal(topology_read(&harness->topology, &harness->host, NULL), 0);
    if (ops->open(&harness->source, &harness->host, &harness->topology, harness->settings, &err) <
        0)
        fail_msg("%s: %s", ops->name, err.text);
}

static void refresh(struct harness *harness)
{
    if (topology_is_unchanged(&harness->topology, &harness->host, &harness->online_fd) ||
        topology_has_changed(&harness->topology, &harness->host) != 1)
        return;
    topology_deinit(&harness->topology);
    assert_int_equal(topology_read(&harness->topology, &harness->host, NULL), 0);
}

void harness_tick(struct harness *harness, uint64_t dt_ns)
{
    harness_set_clock(harness, harness->now_ns + dt_ns);
    refresh(harness);
    report_clear(&harness->report);
    assert_int_equal(harness->ops->read(harness->source, &harness->topology, &harness->report), 0);
    assert_int_equal(array_reserve(&harness->ticks, &harness->ticks_capacity, harness->n_ticks + 1,
                                   sizeof(*harness->ticks)),
                     0);
    size_t n = harness->report.n_energy;
    struct harness_tick *tick = &harness->ticks[harness->n_ticks++];
    *tick = (struct harness_tick){.end_ns = (int64_t)harness->now_ns,
                                  .samples = calloc(n + 1, sizeof(*tick->samples)),
                                  .n_samples = n};
    assert_non_null(tick->samples);
    if (n > 0)
        memcpy(tick->samples, harness->report.energy, n * sizeof(*tick->samples));
}

void harness_close(struct harness *harness)
{
    if (harness->source)
        harness->ops->close(harness->source);
    harness->source = NULL;
    free(harness->settings);
    harness->settings = NULL;
    topology_deinit(&harness->topology);
}

void harness_read_truth(struct harness *harness)
{
    counter_truths_free(harness->truths, harness->n_truths);
    counter_truths_read(harness->truth_path, &harness->truths, &harness->n_truths);
}

void harness_run(struct harness *harness, const struct source_ops *ops, size_t n_ticks,
                 uint64_t dt_ns)
{
    harness_open(harness, ops);
    for (size_t i = 0; i < n_ticks; i++)
        harness_tick(harness, dt_ns);
    harness_close(harness);
    harness_read_truth(harness);
}

void harness_deinit(struct harness *harness)
{
    harness_close(harness);
    harness_stop(harness);
    forget_run(harness);
    free(harness->ticks);
    report_deinit(&harness->report);
    made_tree_remove(&harness->tree, "");
}

/* ---- what it says, and what was true ---- */

static void add_sample(struct counter_sum *sum, const struct counter_truth *truth,
                       const struct energy_sample *sample, int64_t end_ns)
{
    if (!sample->valid) {
        assert_true(sample->energy_uj == VALUE_ABSENT);
        sum->n_invalid++;
        return;
    }
    assert_true(sample->energy_uj >= 0 && sample->dt_ns > 0);
    double true_uj =
        (counter_truth_j(truth, end_ns) - counter_truth_j(truth, end_ns - sample->dt_ns)) * 1e6;
    double off_uj = fabs((double)sample->energy_uj - true_uj) - truth->zone_part * true_uj;
    double used_uj = (counter_truth_used_j(truth, end_ns) -
                      counter_truth_used_j(truth, end_ns - sample->dt_ns)) *
                     1e6;
    double late_uj = fabs((double)sample->energy_uj - used_uj) - truth->zone_part * used_uj;
    double power_w = (double)sample->energy_uj * 1e3 / (double)sample->dt_ns;
    sum->n_valid++;
    sum->covered_ns += sample->dt_ns;
    sum->valid_uj += (double)sample->energy_uj;
    sum->true_uj += true_uj;
    sum->used_uj += used_uj;
    sum->worst_uj = fmax(sum->worst_uj, off_uj);
    sum->worst_late_uj = fmax(sum->worst_late_uj, late_uj);
    sum->highest_w = fmax(sum->highest_w, power_w);
}

static bool is_of(const struct energy_sample *sample, const struct counter_truth *truth)
{
    return sample->domain == truth->domain && sample->package == truth->package;
}

struct counter_sum harness_sum(const struct harness *harness, const struct counter_truth *truth)
{
    struct counter_sum sum = {0};
    for (size_t t = 0; t < harness->n_ticks; t++) {
        const struct harness_tick *tick = &harness->ticks[t];
        for (size_t i = 0; i < tick->n_samples; i++) {
            if (is_of(&tick->samples[i], truth))
                add_sample(&sum, truth, &tick->samples[i], tick->end_ns);
        }
    }
    return sum;
}

size_t harness_count_noted(const struct harness *harness, const struct counter_truth *truth,
                           const char *note)
{
    size_t n = 0;
    for (size_t t = 0; t < harness->n_ticks; t++) {
        const struct harness_tick *tick = &harness->ticks[t];
        for (size_t i = 0; i < tick->n_samples; i++)
            n += is_of(&tick->samples[i], truth) && tick->samples[i].valid &&
                 strcmp(tick->samples[i].reason, note) == 0;
    }
    return n;
}

size_t harness_count(const struct harness *harness, const struct counter_truth *truth,
                     const char *reason)
{
    size_t n = 0;
    for (size_t t = 0; t < harness->n_ticks; t++) {
        const struct harness_tick *tick = &harness->ticks[t];
        for (size_t i = 0; i < tick->n_samples; i++)
            n += is_of(&tick->samples[i], truth) && !tick->samples[i].valid &&
                 strcmp(tick->samples[i].reason, reason) == 0;
    }
    return n;
}

const struct source_ops *harness_source(const char *name)
{
    for (size_t i = 0; source_table[i]; i++) {
        if (strcmp(source_table[i]->name, name) == 0)
            return source_table[i];
    }
    return NULL;
}
