/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's variables are mapped into this process: fetching costs no system call. It writes
 * round a ring and never waits, so that a reading which is being fetched may be written over: it
 * counts only if the ring has not come round by then. */
#include "sensor/perf_recording.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "common/array.h"
#include "common/scope.h"

#include <sensor/perf_recorder.skel.h> /* made by cmake/bpf.cmake */

#define RING_MASK (RECORDED_READINGS_MAX - 1)

static int add_events(struct perf_recorder *kernel, const struct perf_group *group)
{
    int r = 0;
    for (uint32_t i = 0; i < group->n_events && r >= 0; i++)
        r = bpf_map__update_elem(kernel->maps.events, &i, sizeof(i), &group->fds[i],
                                 sizeof(group->fds[i]), BPF_ANY);
    return r;
}

/* Runs the program once, on the CPU that this thread is on. */
static int run_start(struct perf_recorder *kernel)
{
    union bpf_iter_link_info info = {.task.tid = (__u32)gettid()};
    LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &info, .link_info_len = sizeof(info));
    SCOPED(scope_close) int iterator = -1;
    char nothing[1];
    kernel->links.start = bpf_program__attach_iter(kernel->progs.start, &options);
    if (!kernel->links.start)
        return -errno;
    iterator = bpf_iter_create(bpf_link__fd(kernel->links.start));
    if (iterator < 0)
        return -errno;
    if (read(iterator, nothing, sizeof(nothing)) < 0)
        return -errno;
    return kernel->bss->n_starts == 0 ? -ENOENT : (int)kernel->bss->start_error;
}

/* What the thread may run on afterwards is what it could before: a CPU that comes later is not among
 * it. */
static int start_on(struct perf_recorder *kernel, int cpu)
{
    cpu_set_t before, there;
    if (cpu < 0 || cpu >= CPU_SETSIZE)
        return -ENODEV;
    if (sched_getaffinity(0, sizeof(before), &before) < 0)
        return -errno;
    CPU_ZERO(&there);
    CPU_SET(cpu, &there);
    if (sched_setaffinity(0, sizeof(there), &there) < 0)
        return -errno;
    int r = run_start(kernel);
    (void)sched_setaffinity(0, sizeof(before), &before);
    return r;
}

int perf_recording_open(struct perf_recording *recording, const struct perf_group *group, int cpu,
                        size_t lead, const struct recording_plan *plan)
{
    assert(group->n_events <= RECORDED_EVENTS_MAX);
    libbpf_print_fn_t print_before = libbpf_set_print(NULL);
    struct perf_recorder *kernel = perf_recorder__open();
    int r = kernel ? 0 : -errno;
    if (r == 0) {
        kernel->rodata->interval_ns = plan->interval_ns;
        kernel->rodata->first_ns = plan->first_ns;
        kernel->rodata->n_events = (uint32_t)group->n_events;
        kernel->rodata->lead = (uint32_t)lead;
        kernel->rodata->is_aligned = plan->is_aligned;
        r = perf_recorder__load(kernel);
    }
    if (r == 0)
        r = add_events(kernel, group);
    if (r == 0)
        r = start_on(kernel, cpu);
    (void)libbpf_set_print(print_before);
    if (r < 0) {
        perf_recorder__destroy(kernel);
        return r;
    }
    *recording = (struct perf_recording){.kernel = kernel};
    return 0;
}

bool perf_recording_next(struct perf_recording *recording, uint64_t until_ns)
{
    const struct perf_recorder *kernel = recording->kernel;
    while (kernel) {
        uint64_t n = __atomic_load_n(&kernel->bss->n_readings, __ATOMIC_ACQUIRE);
        if (recording->n_fetched + RECORDED_READINGS_MAX <= n)
            recording->n_fetched = n - RECORDED_READINGS_MAX / 2;
        if (recording->n_fetched >= n)
            return false;
        struct recorded_reading reading = kernel->bss->readings[recording->n_fetched & RING_MASK];
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        n = __atomic_load_n(&kernel->bss->n_readings, __ATOMIC_RELAXED);
        if (recording->n_fetched + RECORDED_READINGS_MAX <= n)
            continue;
        if (reading.at_ns > until_ns)
            return false;
        recording->n_fetched++;
        recording->reading = reading;
        return true;
    }
    return false;
}

void perf_recording_close(struct perf_recording *recording)
{
    perf_recorder__destroy(recording->kernel);
    *recording = (struct perf_recording){0};
}
