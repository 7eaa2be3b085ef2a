/* SPDX-License-Identifier: BSD-3-Clause */
/* The sensor's hand on counters.bpf.c: loads it, shares its maps, and gives the increases of each slot. A slot is a process' or a cgroup's
 * place in the sums; slot 0 (BPF_SLOT_OTHER) is everything else but the idle task. Nothing here knows targets. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sensor/counters_bpf.h"
#include "sensor/topology.h"

struct error;

struct bpf_slots;

/* What is counted beside CPU time, switches and faults. */
struct bpf_slots_counts {
    size_t n_extra;   /* perf events that a CPU reads at a change of target, at most BPF_EXTRA_MAX */
    size_t n_columns; /* of them in the sums, at most BPF_EXTRA_COLUMNS_MAX: more where CPUs differ */
    size_t n_clock;   /* perf events that a CPU reads at a flush, at most BPF_CLOCK_MAX */
};

/* n_slots: a power of two, at least 64; who finds no slot is charged to slot 0 and counted. Attaches at once: counting begins. Errors say what is
 * missing: -EPERM capabilities, -EMFILE descriptors, else BTF, program types or running the program on request (Linux 5.10). */
int bpf_slots_open(struct bpf_slots **ret_slots, bool is_process, uint32_t n_slots, const struct bpf_slots_counts *counts,
                   const struct topology *topology, struct error *err);
void bpf_slots_close(struct bpf_slots *slots);

enum bpf_event_kind { BPF_EVENT_EXTRA, BPF_EVENT_CLOCK };

/* Event `index` of a kind and a CPU; fd -1: none any more. A negative errno of the kernel. */
int bpf_slots_put_event(struct bpf_slots *slots, enum bpf_event_kind kind, int cpu, size_t index, int fd);
/* Which of the packages, as they were at the opening, a CPU counts for; the first at first. */
void bpf_slots_put_package(struct bpf_slots *slots, int cpu, size_t package);
/* In which column of the sums extra event `index` of a CPU is added; 0 at first. Call before the event is put. */
void bpf_slots_put_column(struct bpf_slots *slots, int cpu, size_t index, size_t column);
/* What clock event `index` of a CPU stood at when it was last flushed; 0: never read. */
uint64_t bpf_slots_clock(const struct bpf_slots *slots, int cpu, size_t index);

/* Makes every online CPU hand in what it has gathered, running slices included (these as of the scheduler's last tick: what is missing comes
 * with the next flush); for a CPU that went offline since the last call it is done elsewhere. Call before bpf_slots_take. A negative errno: the kernel
 * refused it to a CPU that is online, whose counts are late. */
int bpf_slots_flush(struct bpf_slots *slots, const struct topology *topology);

/* Gives a slot to a cgroup that has none, and counts it from now on. 0, or -ENOSPC. */
int bpf_slots_add_cgroup(struct bpf_slots *slots, uint64_t cgroup_id);

/* The slots in use, slot 0 first, in order of number: start with number 0, go on with the number returned before + 1. Returns the capacity at
 * the end. */
uint32_t bpf_slots_next(const struct bpf_slots *slots, uint32_t number);
uint32_t bpf_slots_capacity(const struct bpf_slots *slots);
const struct bpf_slot *bpf_slots_at(const struct bpf_slots *slots, uint32_t number);
/* The increases in one package since the last look. False: there are none, and ret_gained is left alone. */
bool bpf_slots_take(struct bpf_slots *slots, uint32_t number, size_t package, struct bpf_sums *ret_gained);
/* Frees a slot that has ended and gains no more: it may be given out again at once. */
void bpf_slots_release(struct bpf_slots *slots, uint32_t number);

/* Since the start: times that somebody found no free slot; cgroups made and removed, tasks moved or born in another cgroup than their parent's. */
uint64_t bpf_slots_missing(const struct bpf_slots *slots);
uint64_t bpf_slots_tree_changes(const struct bpf_slots *slots);
