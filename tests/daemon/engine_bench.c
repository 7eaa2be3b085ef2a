/* SPDX-License-Identifier: BSD-3-Clause */
/* Processes know what they burnt by their own clock, the kernel knows it by cpu.stat: an engine is
 * held against both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/daemon/engine_bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/error.h"

struct engine_bench bench;

void bench_make_path(char *path, const char *cgroup, const char *file)
{
    (void)snprintf(path, PATH_MAX, "%s%s%s%s", bench.cgroupfs, bench.name, cgroup, file);
}

void bench_make_cgroup(const char *cgroup)
{
    char path[PATH_MAX];
    bench_make_path(path, cgroup, "");
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        fail_msg("%s: %s", path, strerror(errno));
}

/* The kernel lets a cgroup go when its last process has been reaped; rmdir is tried until then. */
void bench_remove_cgroup(const char *cgroup)
{
    char path[PATH_MAX];
    bench_make_path(path, cgroup, "");
    for (int attempt = 0; rmdir(path) < 0 && errno == EBUSY && attempt < 100000; attempt++) {
        (void)waitpid(-1, NULL, WNOHANG);
        (void)sched_yield();
    }
}

void burn_ms(long ms)
{
    struct timespec start, now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    do
        (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    while ((now.tv_sec - start.tv_sec) * 1000000000 + now.tv_nsec - start.tv_nsec < ms * 1000000);
}

void bench_move(const char *cgroup, pid_t pid)
{
    char path[PATH_MAX], text[16];
    bench_make_path(path, cgroup, "/cgroup.procs");
    int length = snprintf(text, sizeof(text), "%d", (int)pid);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, (size_t)length) != length)
        fail_msg("%s: %s", path, strerror(errno));
    (void)close(fd);
}

void bench_enter(const char *cgroup)
{
    char path[PATH_MAX];
    bench_make_path(path, cgroup, "/cgroup.procs");
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1)
        _exit(1);
    (void)close(fd);
}

/* A process in the cgroup, stopped; each SIGCONT lets it burn once more, until it stops again. */
pid_t start_burner(const char *cgroup, long ms)
{
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
        bench_enter(cgroup);
        for (;;) {
            (void)raise(SIGSTOP);
            burn_ms(ms);
        }
    }
    int status;
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    return pid;
}

pid_t start_toucher(const char *cgroup, int cpu)
{
    pid_t pid = fork();
    if (pid == 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET((size_t)cpu, &set);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)sched_setaffinity(0, sizeof(set), &set);
        bench_enter(cgroup);
        for (;;) {
            (void)raise(SIGSTOP);
            size_t size = TOUCHED_PAGES * 4096;
            char *pages =
                mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            (void)madvise(pages, size, MADV_NOHUGEPAGE);
            for (size_t i = 0; i < size; i += 4096)
                pages[i] = 1;
            (void)munmap(pages, size);
        }
    }
    int status;
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    return pid;
}

void let_burn(pid_t pid)
{
    int status;
    assert_int_equal(kill(pid, SIGCONT), 0);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
}

void end_process(pid_t pid)
{
    int status;
    (void)kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

long bench_usage_us(const char *cgroup)
{
    char path[PATH_MAX], text[4096];
    bench_make_path(path, cgroup, "/cpu.stat");
    assert_true(host_read_text(text, sizeof(text), "%s", path) > 0);
    return strtol(text + strlen("usage_usec "), NULL, 10);
}

long bench_usage_ms(const char *cgroup)
{
    return bench_usage_us(cgroup) / 1000;
}

int64_t bench_machine_busy_ns(void)
{
    char text[65536];
    unsigned long long t[8] = {0};
    struct timespec now;
    assert_true(host_read_text(text, sizeof(text), "/proc/stat") > 0);
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    assert_int_equal(sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1],
                            &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]),
                     8);
    int64_t wall_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    int64_t ns_per_tick = 1000000000 / sysconf(_SC_CLK_TCK);
    return wall_ns * sysconf(_SC_NPROCESSORS_ONLN) - (int64_t)(t[3] + t[4] + t[7]) * ns_per_tick;
}

static void release(struct target *target, void *context)
{
    (void)context;
    bench.engine->ops->release_target(bench.engine, target);
}

void bench_look(void)
{
    struct error err = {0};
    if (targets_refresh(bench.targets, &err) < 0 ||
        bench.engine->ops->set_targets(bench.engine, bench.targets, &bench.topology, &err) < 0)
        fail_msg("%s", err.text);
}

void bench_read(void)
{
    report_clear(&bench.report);
    assert_int_equal(
        bench.engine->ops->read(bench.engine, bench.targets, &bench.topology, &bench.report), 0);
}

void bench_tick(void)
{
    bench_look();
    bench_read();
}

void bench_sweep(void)
{
    targets_sweep(bench.targets, release, NULL);
}

size_t bench_event(const char *event)
{
    size_t i = 0;
    while (i < bench.report.n_events && strcmp(bench.report.events[i], event) != 0)
        i++;
    assert_true(i < bench.report.n_events);
    return i;
}

/* CPU time of a cgroup over all packages in ms, -1 without any row. */
long bench_row_ms(const char *cgroup)
{
    char name[128];
    (void)snprintf(name, sizeof(name), "%s%s", bench.name, cgroup);
    int64_t cpu_ns = -1;
    size_t event = bench_event("cpu_ns");
    for (size_t i = 0; i < bench.report.n_targets; i++) {
        const struct count_row *row = &bench.report.targets[i];
        if (strcmp(row->target, name) != 0)
            continue;
        assert_true(row->has_counts);
        int64_t count = report_counts(&bench.report, row)[event];
        assert_true(count >= 0);
        cpu_ns = (cpu_ns < 0 ? 0 : cpu_ns) + count;
    }
    return cpu_ns < 0 ? -1 : (long)(cpu_ns / 1000000);
}

void bench_open(const struct engine_ops *ops, enum granularity granularity,
                const char *const *events, size_t n_events, const void *settings)
{
    static char rule[128];
    const char *const rules[] = {rule};
    struct error err = {0};
    (void)snprintf(rule, sizeof(rule), "cgroup:%s/**", bench.name);
    assert_int_equal(target_rules_parse(&bench.rules, rules, 1, &err), 0);
    assert_int_equal(topology_read(&bench.topology, &bench.host, &err), 0);
    assert_int_equal(targets_new(&bench.targets, &bench.host, granularity, bench.rules), 0);
    if (ops->open(&bench.engine, &bench.host, &bench.topology, granularity, events, n_events,
                  settings, &err) < 0)
        fail_msg("%s", err.text);
    report_init(&bench.report);
}

void bench_close(void)
{
    for (size_t i = 0; i < targets_count(bench.targets); i++)
        release(targets_at(bench.targets, i), NULL);
    bench.engine->ops->close(bench.engine);
    targets_free(bench.targets);
    target_rules_free(bench.rules);
    topology_deinit(&bench.topology);
    report_deinit(&bench.report);
}

/* What signals and bookkeeping take is less than a millisecond. */
void did_nothing(const char *cgroup)
{
    if (bench_row_ms(cgroup) > 1)
        fail_msg("%s: %ld ms, expected none", cgroup, bench_row_ms(cgroup));
}

void is_near_ms(long value, long expected, const char *what)
{
    /* Perf counts time that a hypervisor took away while the task was on the CPU; the task's own
     * clock does not. */
    if (value < expected - 5 || value > expected * 2 + 20)
        fail_msg("%s: %ld ms, expected about %ld", what, value, expected);
}

/* Depth first: a cgroup goes when those in it are gone. */
static void remove_tree(int parent_fd, const char *name)
{
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    if (!directory)
        return;
    const struct dirent *entry;
    while ((entry = readdir(directory)))
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
            remove_tree(dirfd(directory), entry->d_name);
    (void)closedir(directory);
    for (int attempt = 0;
         unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 && errno == EBUSY && attempt < 100000;
         attempt++) {
        (void)waitpid(-1, NULL, WNOHANG);
        (void)sched_yield();
    }
}

int bench_remove_all(void **state)
{
    (void)state;
    char path[PATH_MAX];
    bench_make_path(path, "", "/cgroup.kill");
    FILE *file = fopen(path, "w");
    if (file) {
        (void)fputs("1", file);
        (void)fclose(file);
    }
    bench_make_path(path, "", "");
    remove_tree(AT_FDCWD, path);
    return 0;
}

static int cannot_run(const char *reason)
{
    (void)fprintf(stderr, "cannot run: %s\n", reason);
    return BENCH_CANNOT_RUN;
}

int bench_find_machine(const struct engine_ops *ops, enum granularity granularity)
{
    char mounts[65536];
    struct topology topology;
    struct engine_probe probe;
    if (geteuid() != 0)
        return cannot_run("needs root to make cgroups");
    if (host_read_text(mounts, sizeof(mounts), "/proc/self/mounts") < 0 ||
        host_find_cgroupfs(mounts, NULL, NULL, bench.cgroupfs, sizeof(bench.cgroupfs)) < 0)
        return cannot_run("no cgroup2 mount");
    (void)snprintf(bench.name, sizeof(bench.name), "/watt-test-engines-%d", (int)getpid());
    bench.host = (struct host){.sysfs = "/sys",
                               .procfs = "/proc",
                               .devfs = "/dev",
                               .cgroupfs = bench.cgroupfs,
                               .clock = &clock_system};
    if (topology_read(&topology, &bench.host, NULL) < 0)
        return 1;
    ops->probe(&bench.host, &topology, granularity, &probe);
    topology_deinit(&topology);
    return probe.is_usable ? 0 : cannot_run(probe.reason);
}
