/* SPDX-License-Identifier: BSD-3-Clause */
/* A probe that never comes back, or ends who asks, keeps nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/scope.h"
#include "sensor/probe_apart.h"
#include "tests/unit/made_tree.h"

#define LONG_NS (60 * NS_PER_S) /* for what comes at once, on a busy machine */
#define SHORT_NS (100 * NS_PER_MS)

extern const struct source_ops source_nvml;

static pid_t asked;

static void answer(const struct host *host, const struct topology *topology, const void *settings,
                   struct source_probe *ret_probe)
{
    (void)topology;
    asked = getpid();
    *ret_probe = (struct source_probe){.availability = SOURCE_USABLE, .domains = 5};
    (void)snprintf(ret_probe->reason, sizeof(ret_probe->reason), "%s %s", host->sysfs,
                   (const char *)settings);
    memset(ret_probe->advice, 'x', sizeof(ret_probe->advice) - 1);
}

static void hang(const struct host *host, const struct topology *topology, const void *settings,
                 struct source_probe *ret_probe)
{
    answer(host, topology, settings, ret_probe);
    for (;;)
        (void)pause();
}

static void die(const struct host *host, const struct topology *topology, const void *settings,
                struct source_probe *ret_probe)
{
    answer(host, topology, settings, ret_probe);
    _exit(0);
}

static bool probe_by(void (*probe)(const struct host *, const struct topology *, const void *,
                                   struct source_probe *),
                     bool is_slow, uint64_t limit_ns, struct source_probe *ret_probe)
{
    const struct source_ops ops = {.name = "made", .is_slow = is_slow, .probe = probe};
    const struct host host = {.sysfs = "here"};
    asked = 0;
    bool is_known = probe_apart(&ops, &host, NULL, "and there", limit_ns, ret_probe);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left */
    assert_int_equal(errno, ECHILD);
    return is_known;
}

static void the_answer_is_the_sources(void **state)
{
    (void)state;
    struct source_probe direct, apart;
    memset(&direct, 0, sizeof(direct));
    assert_true(probe_by(answer, false, SHORT_NS, &direct));
    assert_int_equal(asked, getpid());
    assert_true(probe_by(answer, true, LONG_NS, &apart));
    assert_int_equal(asked, 0); /* another process was */
    assert_int_equal(apart.availability, SOURCE_USABLE);
    assert_int_equal(apart.domains, 5);
    assert_string_equal(apart.reason, "here and there");
    assert_string_equal(apart.advice, direct.advice);
}

static void silence_is_no_answer(void **state)
{
    (void)state;
    struct source_probe probe;
    assert_false(probe_by(hang, true, SHORT_NS, &probe));
    assert_int_equal(probe.availability, SOURCE_UNREADABLE);
    assert_int_equal(probe.domains, 0);
    assert_string_equal(probe.reason, "its driver did not answer for 0.1 s");
    assert_false(probe_by(die, true, LONG_NS, &probe));
    assert_int_equal(probe.availability, SOURCE_UNREADABLE);
    assert_non_null(strstr(probe.reason, "broken"));
}

/* What its descriptors are. */
static void list_descriptors(const struct host *host, const struct topology *topology,
                             const void *settings, struct source_probe *ret_probe)
{
    (void)host, (void)topology, (void)settings;
    *ret_probe = (struct source_probe){.availability = SOURCE_USABLE};
    for (int i = 0; i < 256; i++) {
        char path[32], target[64];
        size_t length = strlen(ret_probe->reason);
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", i);
        ssize_t n = readlink(path, target, sizeof(target) - 1);
        if (n < 0)
            continue;
        target[n] = '\0';
        target[strcspn(target, "[")] = '\0'; /* "pipe:[123]" */
        (void)snprintf(ret_probe->reason + length, sizeof(ret_probe->reason) - length, "%d %s ", i,
                       target);
    }
}

/* One that is left behind for good holds nothing of the caller's: no lock, no pipe. */
static void a_child_has_no_descriptors_of_ours(void **state)
{
    (void)state;
    struct source_probe probe;
    int low = open("/proc/self/stat", O_RDONLY);
    assert_true(low >= 0);
    SCOPED(scope_close) int high = fcntl(low, F_DUPFD, 200);
    assert_int_equal(high, 200);
    assert_true(probe_by(list_descriptors, true, LONG_NS, &probe));
    assert_string_equal(probe.reason, "0 /dev/null 1 /dev/null 2 /dev/null 3 pipe: ");
    assert_int_equal(close(low), 0);
}

static pid_t *tracer; /* shared with those who are asked */

/* Who is traced does not go away before its tracer has looked. */
static void die_traced(const struct host *host, const struct topology *topology,
                       const void *settings, struct source_probe *ret_probe)
{
    int ready[2];
    char byte = 0;
    pid_t traced = getpid();
    (void)prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    pid_t pid = pipe(ready) < 0 ? -1 : fork();
    if (pid < 0)
        return;
    if (pid == 0) {
        (void)dup2(ready[1], STDIN_FILENO);
        closefrom(STDIN_FILENO + 1);
        byte = ptrace(PTRACE_SEIZE, traced, 0, 0) == 0;
        (void)alarm(20); /* the test has failed by then */
        (void)!write(STDIN_FILENO, &byte, 1);
        for (;;)
            (void)pause();
    }
    *tracer = pid;
    if (read(ready[0], &byte, 1) == 1 && byte)
        die(host, topology, settings, ret_probe);
}

static void a_child_that_stays_is_not_waited_for(void **state)
{
    (void)state;
    struct source_probe probe;
    const struct source_ops ops = {.name = "made", .is_slow = true, .probe = die_traced};
    const struct host host = {.sysfs = "here"};
    tracer = mmap(NULL, sizeof(*tracer), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(tracer != MAP_FAILED);
    bool is_known = probe_apart(&ops, &host, NULL, "and there", LONG_NS, &probe);
    assert_true(*tracer > 0);
    bool is_there = kill(*tracer, 0) == 0;
    (void)kill(*tracer, SIGKILL);
    assert_int_equal(munmap(tracer, sizeof(*tracer)), 0);
    if (is_known)
        skip(); /* nobody may trace here */
    assert_true(is_there);
    assert_true(wait(NULL) > 0);
}

static void the_end_is_not_waited_for(void **state)
{
    (void)state;
    struct source_probe probe;
    sigset_t signals, before;
    double waited_s = LONG_NS;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    assert_int_equal(sigprocmask(SIG_BLOCK, &signals, &before), 0);
    assert_int_equal(raise(SIGTERM), 0);
    bool is_known = probe_by(hang, true, LONG_NS, &probe);
    assert_int_equal(sigwaitinfo(&signals, NULL), SIGTERM); /* it is still the caller's */
    assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
    assert_false(is_known);
    assert_int_equal(sscanf(probe.reason, "its driver did not answer for %lf s", &waited_s), 1);
    assert_true(waited_s < 30);
}

/* As NVIDIA's library may: in its start. */
static void a_library_that_hangs_is_left_out(void **state)
{
    (void)state;
    struct made_tree tree;
    char world[PATH_MAX];
    struct topology topology = {0};
    struct source_probe probe;
    const struct {
        const char *library;
    } settings = {NVML_STUB};
    made_tree_new(&tree);
    made_tree_path(&tree, "world", world);
    const struct host host = {.sysfs = tree.root};
    made_tree_write(&tree, "bus/pci/devices/0000:41:00.0/class", "0x030200\n");
    made_tree_write(&tree, "bus/pci/devices/0000:41:00.0/vendor", "0x10de\n");
    made_tree_write(&tree, "world", "gpu 00000000:41:00.0 300\nat 0 0\nidle 50\n");
    assert_int_equal(setenv("NVML_STUB_WORLD", world, 1), 0);
    assert_true(probe_apart(&source_nvml, &host, &topology, &settings, LONG_NS, &probe));
    assert_int_equal(probe.availability, SOURCE_USABLE);
    made_tree_write(&tree, "world", "gpu 00000000:41:00.0 300\ninit hang\n");
    assert_false(probe_apart(&source_nvml, &host, &topology, &settings, SHORT_NS, &probe));
    assert_int_equal(probe.availability, SOURCE_UNREADABLE);
    made_tree_remove(&tree, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_answer_is_the_sources),
        cmocka_unit_test(silence_is_no_answer),
        cmocka_unit_test(a_child_has_no_descriptors_of_ours),
        cmocka_unit_test(a_child_that_stays_is_not_waited_for),
        cmocka_unit_test(the_end_is_not_waited_for),
        cmocka_unit_test(a_library_that_hangs_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
