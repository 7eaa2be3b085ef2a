/* SPDX-License-Identifier: BSD-3-Clause */
/* The maps are arrays of the kernel's that are mapped into this process: reading a target costs no
 * system call, and one flush per CPU is all that a tick asks of the kernel. Sums only grow while a
 * slot lives; what was seen last time is kept here. */
#include "sensor/bpf_slots.h"

#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/error.h"

#include <sensor/counters.skel.h> /* made by cmake/bpf.cmake */

#define WORD_SLOTS 64 /* slots in a word of the map of used ones */
#define WORDS_MAX (sizeof(struct bpf_sums) / sizeof(uint64_t))
#define WORDS_PLAIN (offsetof(struct bpf_sums, enabled_ns) / sizeof(uint64_t))
#define WORDS_EXTRA (offsetof(struct bpf_sums, extra) / sizeof(uint64_t)) /* before the columns */

struct bpf_slots {
    struct counters *kernel;
    bool *has_run; /* [n_cpus] since it was last flushed as offline */
    bool is_process;
    uint32_t n_slots, n_cpus;
    size_t n_packages;
    size_t n_words; /* of a sum: WORDS_PLAIN without extra events, else WORDS_EXTRA and columns */
    size_t sums_size, slots_size, used_size, free_size;
    uint64_t *sums; /* [n_slots * n_packages * n_words], the beginning of struct bpf_sums */
    uint64_t *last; /* the same, as last seen */
    struct bpf_slot *slots; /* [n_slots] */
    uint64_t *used;         /* [n_slots / WORD_SLOTS] */
    uint64_t *free;         /* ring of n_slots */
};

static int be_silent(enum libbpf_print_level level, const char *format, va_list arguments)
{
    (void)level;
    (void)format;
    (void)arguments;
    return 0; /* what failed is said in our own words */
}

static size_t whole_pages(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (size + page - 1) / page * page;
}

static void *map_array(const struct bpf_map *map, size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void set_constants(const struct bpf_slots *slots, const struct bpf_slots_counts *counts)
{
    struct counters__rodata *constants = slots->kernel->rodata;
    constants->is_process = slots->is_process;
    constants->n_packages = (uint32_t)slots->n_packages;
    constants->n_cpus = slots->n_cpus;
    constants->n_extra = (uint32_t)counts->n_extra;
    constants->n_columns = (uint32_t)counts->n_columns;
    constants->n_clock = (uint32_t)counts->n_clock;
    constants->free_mask = slots->n_slots - 1;
}

static int size_maps(const struct bpf_slots *slots, const struct bpf_slots_counts *counts)
{
    uint32_t n_extra = (uint32_t)counts->n_extra, n_clock = (uint32_t)counts->n_clock;
    const struct {
        struct bpf_map *map;
        uint32_t n_entries;
    } sizes[] = {
        {slots->kernel->maps.sums, slots->n_slots * (uint32_t)slots->n_packages},
        {slots->kernel->maps.slots, slots->n_slots},
        {slots->kernel->maps.used_slots, slots->n_slots / WORD_SLOTS},
        {slots->kernel->maps.free_slots, slots->n_slots},
        {slots->kernel->maps.cpus, slots->n_cpus},
        {slots->kernel->maps.held_extra, n_extra ? slots->n_cpus * (BPF_HELD_MAX + 2) : 1},
        {slots->kernel->maps.slot_of_cgroup, slots->is_process ? 1 : slots->n_slots},
        {slots->kernel->maps.extra_events, n_extra ? n_extra * slots->n_cpus : 1},
        {slots->kernel->maps.clock_events, n_clock ? n_clock * slots->n_cpus : 1},
    };
    int r = bpf_map__set_value_size(slots->kernel->maps.sums,
                                    (uint32_t)(slots->n_words * sizeof(uint64_t)));
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) && r == 0; i++)
        r = bpf_map__set_max_entries(sizes[i].map, sizes[i].n_entries);
    return r;
}

static int configure(const struct bpf_slots *slots, const struct bpf_slots_counts *counts,
                     const struct topology *topology)
{
    struct counters *kernel = slots->kernel;
    if (topology->n_cpus > BPF_CPUS_MAX || slots->n_packages > UINT8_MAX)
        return -E2BIG;
    set_constants(slots, counts);
    /* Each granularity attaches what it needs and nothing else. */
    (void)bpf_program__set_autoattach(kernel->progs.on_flush, false);
    (void)bpf_program__set_autoload(kernel->progs.on_exec, slots->is_process);
    (void)bpf_program__set_autoload(kernel->progs.on_exit, slots->is_process);
    (void)bpf_program__set_autoload(kernel->progs.on_mkdir, !slots->is_process);
    (void)bpf_program__set_autoload(kernel->progs.on_rmdir, !slots->is_process);
    return size_maps(slots, counts);
}

static int share_maps(struct bpf_slots *slots)
{
    size_t n_words = slots->n_slots * slots->n_packages * slots->n_words;
    slots->sums_size = whole_pages(n_words * sizeof(uint64_t));
    slots->slots_size = whole_pages(slots->n_slots * sizeof(struct bpf_slot));
    slots->used_size = whole_pages(slots->n_slots / WORD_SLOTS * sizeof(uint64_t));
    slots->free_size = whole_pages(slots->n_slots * sizeof(uint64_t));
    slots->sums = map_array(slots->kernel->maps.sums, slots->sums_size);
    slots->slots = map_array(slots->kernel->maps.slots, slots->slots_size);
    slots->used = map_array(slots->kernel->maps.used_slots, slots->used_size);
    slots->free = map_array(slots->kernel->maps.free_slots, slots->free_size);
    slots->last = calloc(n_words, sizeof(uint64_t));
    if (!slots->sums || !slots->slots || !slots->used || !slots->free || !slots->last)
        return -ENOMEM;
    for (uint32_t number = 1; number < slots->n_slots; number++)
        slots->free[number - 1] = number;
    slots->used[0] = 1u << BPF_SLOT_OTHER;
    __atomic_store_n(&slots->kernel->bss->free_given, slots->n_slots - 1, __ATOMIC_RELEASE);
    return 0;
}

static int explain(int r, const char *what, struct error *err)
{
    if (r == -EPERM || r == -EACCES)
        return error_set(err, -EPERM, "%s is not permitted: it needs CAP_BPF and CAP_PERFMON",
                         what);
    if (r == -EMFILE || r == -ENFILE || r == -ENOMEM)
        return error_set(err, r, "%s: %s", what, strerror(-r));
    return error_set(err, r, "%s: %s: this kernel lacks what it needs (BTF, tracing programs)",
                     what, strerror(-r));
}

static int load(struct bpf_slots *slots, const struct bpf_slots_counts *counts,
                const struct topology *topology, struct error *err)
{
    (void)libbpf_set_print(be_silent);
    slots->kernel = counters__open();
    int r = slots->kernel ? configure(slots, counts, topology) : -errno;
    if (r == 0)
        r = counters__load(slots->kernel);
    if (r < 0)
        return explain(r, "loading the counting program", err);
    r = share_maps(slots);
    if (r < 0)
        return error_set(err, r, "sharing the counting program's maps: %s", strerror(-r));
    r = counters__attach(slots->kernel);
    if (r < 0)
        return explain(r, "attaching the counting program", err);
    /* Kernels before 5.10 load and attach it, and never let it hand anything in. */
    r = bpf_slots_flush(slots, topology);
    return r < 0 ? explain(r, "running the counting program", err) : 0;
}

int bpf_slots_open(struct bpf_slots **ret_slots, bool is_process, uint32_t n_slots,
                   const struct bpf_slots_counts *counts, const struct topology *topology,
                   struct error *err)
{
    assert(n_slots >= WORD_SLOTS && (n_slots & (n_slots - 1)) == 0);
    assert(counts->n_extra <= BPF_EXTRA_MAX && counts->n_columns <= BPF_EXTRA_COLUMNS_MAX);
    assert(counts->n_clock <= BPF_CLOCK_MAX);
    struct bpf_slots *slots = calloc(1, sizeof(*slots));
    if (!slots)
        return error_set(err, -ENOMEM, "out of memory");
    slots->is_process = is_process;
    slots->n_slots = n_slots;
    slots->n_cpus = (uint32_t)topology->n_cpus;
    slots->n_packages = topology->n_packages ? topology->n_packages : 1;
    slots->n_words = counts->n_extra ? WORDS_EXTRA + counts->n_columns : WORDS_PLAIN;
    slots->has_run = calloc(slots->n_cpus, sizeof(*slots->has_run));
    int r = slots->has_run ? load(slots, counts, topology, err)
                           : error_set(err, -ENOMEM, "out of memory");
    if (r < 0) {
        bpf_slots_close(slots);
        return r;
    }
    *ret_slots = slots;
    return 0;
}

static void unshare_map(void *memory, size_t size)
{
    if (memory)
        (void)munmap(memory, size);
}

void bpf_slots_close(struct bpf_slots *slots)
{
    if (!slots)
        return;
    unshare_map(slots->sums, slots->sums_size);
    unshare_map(slots->slots, slots->slots_size);
    unshare_map(slots->used, slots->used_size);
    unshare_map(slots->free, slots->free_size);
    counters__destroy(slots->kernel);
    free(slots->last);
    free(slots->has_run);
    free(slots);
}

int bpf_slots_put_event(struct bpf_slots *slots, enum bpf_event_kind kind, int cpu, size_t index,
                        int fd)
{
    uint32_t place = (uint32_t)index * slots->n_cpus + (uint32_t)cpu;
    const struct bpf_map *map = kind == BPF_EVENT_CLOCK ? slots->kernel->maps.clock_events
                                                        : slots->kernel->maps.extra_events;
    return fd < 0 ? bpf_map_delete_elem(bpf_map__fd(map), &place)
                  : bpf_map_update_elem(bpf_map__fd(map), &place, &fd, BPF_ANY);
}

void bpf_slots_put_package(struct bpf_slots *slots, int cpu, size_t package)
{
    assert((uint32_t)cpu < slots->n_cpus && package < slots->n_packages);
    slots->kernel->bss->package_of_cpu[cpu] = (unsigned char)package;
}

void bpf_slots_put_column(struct bpf_slots *slots, int cpu, size_t index, size_t column)
{
    assert(index < BPF_EXTRA_MAX && column < BPF_EXTRA_COLUMNS_MAX);
    slots->kernel->bss->extra_column[(size_t)cpu * BPF_EXTRA_MAX + index] = (unsigned char)column;
}

uint64_t bpf_slots_clock(const struct bpf_slots *slots, int cpu, size_t index)
{
    return __atomic_load_n(&slots->kernel->bss->clock_now[(size_t)cpu * BPF_CLOCK_MAX + index],
                           __ATOMIC_RELAXED);
}

static int flush_cpu(const struct bpf_slots *slots, int cpu, bool is_online)
{
    uint64_t arguments[] = {(uint64_t)cpu};
    LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = arguments, .ctx_size_in = sizeof(arguments),
                .flags = is_online ? BPF_F_TEST_RUN_ON_CPU : 0,
                .cpu = is_online ? (uint32_t)cpu : 0);
    return bpf_prog_test_run_opts(bpf_program__fd(slots->kernel->progs.on_flush), &options);
}

int bpf_slots_flush(struct bpf_slots *slots, const struct topology *topology)
{
    int refusal = 0;
    for (int cpu = 0; cpu < topology->n_cpus && cpu < (int)slots->n_cpus; cpu++) {
        int r = topology->is_online[cpu] ? flush_cpu(slots, cpu, true) : -ENXIO;
        if (r < 0 && slots->has_run[cpu])
            (void)flush_cpu(slots, cpu, false);
        slots->has_run[cpu] = r >= 0;
        if (r < 0 && r != -ENXIO) /* that is a CPU that has gone offline */
            refusal = r;
    }
    return refusal;
}

static uint32_t take_free_slot(struct bpf_slots *slots)
{
    struct counters__bss *kernel = slots->kernel->bss;
    __u64 taken = __atomic_load_n(&kernel->free_taken, __ATOMIC_ACQUIRE);
    while (taken < kernel->free_given) { /* only we give */
        uint32_t number = (uint32_t)slots->free[taken & (slots->n_slots - 1)];
        if (__atomic_compare_exchange_n(&kernel->free_taken, &taken, taken + 1, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            return number;
    }
    (void)__atomic_fetch_add(&kernel->slots_missing, 1, __ATOMIC_RELAXED);
    return BPF_SLOT_OTHER;
}

static void give_back(struct bpf_slots *slots, uint32_t number)
{
    uint64_t given = slots->kernel->bss->free_given;
    slots->free[given & (slots->n_slots - 1)] = number;
    __atomic_store_n(&slots->kernel->bss->free_given, given + 1, __ATOMIC_RELEASE);
}

int bpf_slots_add_cgroup(struct bpf_slots *slots, uint64_t cgroup_id)
{
    struct bpf_map *map = slots->kernel->maps.slot_of_cgroup;
    uint32_t number;
    if (bpf_map__lookup_elem(map, &cgroup_id, sizeof(cgroup_id), &number, sizeof(number), 0) == 0)
        return 0;
    number = take_free_slot(slots);
    if (number == BPF_SLOT_OTHER)
        return -ENOSPC;
    slots->slots[number] = (struct bpf_slot){.life = cgroup_id, .cgroup_id = cgroup_id};
    int r = bpf_map__update_elem(map, &cgroup_id, sizeof(cgroup_id), &number, sizeof(number),
                                 BPF_NOEXIST);
    if (r < 0) {
        slots->slots[number] = (struct bpf_slot){0};
        give_back(slots, number);
        return r == -EEXIST ? 0 : -ENOSPC;
    }
    (void)__atomic_fetch_or(&slots->used[number / WORD_SLOTS], UINT64_C(1) << (number % WORD_SLOTS),
                            __ATOMIC_RELEASE);
    return 0;
}

uint32_t bpf_slots_capacity(const struct bpf_slots *slots)
{
    return slots->n_slots;
}

uint32_t bpf_slots_next(const struct bpf_slots *slots, uint32_t number)
{
    while (number < slots->n_slots) {
        uint64_t word = __atomic_load_n(&slots->used[number / WORD_SLOTS], __ATOMIC_ACQUIRE);
        word >>= number % WORD_SLOTS;
        if (word)
            return number + (uint32_t)__builtin_ctzll(word);
        number = (number / WORD_SLOTS + 1) * WORD_SLOTS;
    }
    return slots->n_slots;
}

const struct bpf_slot *bpf_slots_at(const struct bpf_slots *slots, uint32_t number)
{
    assert(number < slots->n_slots);
    return &slots->slots[number];
}

bool bpf_slots_take(struct bpf_slots *slots, uint32_t number, size_t package,
                    struct bpf_sums *ret_gained)
{
    size_t place = (number * slots->n_packages + package) * slots->n_words;
    const uint64_t *sums = &slots->sums[place];
    uint64_t *last = &slots->last[place];
    size_t at = 0;
    while (at < slots->n_words && __atomic_load_n(&sums[at], __ATOMIC_RELAXED) == last[at])
        at++;
    if (at == slots->n_words)
        return false;
    uint64_t gained[WORDS_MAX] = {0};
    for (; at < slots->n_words; at++) {
        uint64_t now = __atomic_load_n(&sums[at], __ATOMIC_RELAXED);
        gained[at] = now - last[at];
        last[at] = now;
    }
    memcpy(ret_gained, gained, sizeof(gained));
    return true;
}

void bpf_slots_release(struct bpf_slots *slots, uint32_t number)
{
    assert(number != BPF_SLOT_OTHER);
    struct bpf_slot *slot = &slots->slots[number];
    if (!slots->is_process)
        (void)bpf_map__delete_elem(slots->kernel->maps.slot_of_cgroup, &slot->cgroup_id,
                                   sizeof(slot->cgroup_id), 0);
    size_t place = number * slots->n_packages * slots->n_words;
    size_t size = slots->n_packages * slots->n_words * sizeof(uint64_t);
    memset(&slots->sums[place], 0, size);
    memset(&slots->last[place], 0, size);
    memset(slot, 0, sizeof(*slot));
    (void)__atomic_fetch_and(&slots->used[number / WORD_SLOTS],
                             ~(UINT64_C(1) << (number % WORD_SLOTS)), __ATOMIC_RELEASE);
    give_back(slots, number);
}

uint64_t bpf_slots_missing(const struct bpf_slots *slots)
{
    return __atomic_load_n(&slots->kernel->bss->slots_missing, __ATOMIC_RELAXED);
}

uint64_t bpf_slots_tree_changes(const struct bpf_slots *slots)
{
    return __atomic_load_n(&slots->kernel->bss->tree_changes, __ATOMIC_RELAXED);
}
