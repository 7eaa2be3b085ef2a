/* SPDX-License-Identifier: BSD-3-Clause */
/* One part of the machine that has energy registers of its own (a package, a die, a core), and the CPU that reads them: kept open, and moved
 * to another CPU of the same part when its own goes offline. That one reads the same registers, so a baseline holds. */
#pragma once

#include "sensor/host.h"
#include "sensor/msr_device.h"
#include "sensor/msr_registers.h"
#include "sensor/topology.h"

#define MSR_COUNTERS_MAX 5

struct msr_access {
    const struct host *host;
    struct msr_io io;
    const struct msr_model *model;
};

struct msr_counter {
    enum domain domain;
    uint32_t address;
    double unit_uj, bound_w;
    bool has_last, has_now; /* last is the caller's to set */
    uint32_t last, now;
};

struct msr_reader {
    enum msr_scope scope;
    int32_t package;
    int64_t part;       /* die, or die and core */
    int cpu;
    int fd;
    struct msr_counter counters[MSR_COUNTERS_MAX];
    size_t n_counters;
    bool is_set_up;
    bool is_offline;    /* none of its CPUs is online */
    bool is_dormant;    /* a core that was switched off before this reading: it uses nothing and is left out */
    const char *reason; /* why fd is -1, or the last reading failed */
};

/* The number of the part that a CPU belongs to, -1: not known. */
int64_t msr_part_of(const struct host *host, enum msr_scope scope, int cpu);

/* Opens the part's device, or another one where its CPU is offline. has_changed: the set of online CPUs is not that of the last call. */
void msr_reader_follow(struct msr_reader *reader, const struct msr_access *access, const struct topology *topology,
                       bool has_changed);
/* Finds out what the part counts, once its device is open. As in the kernel's drivers, a register that faults or reads 0 is not there. True if
 * counters were found just now. */
bool msr_reader_set_up(struct msr_reader *reader, const struct msr_access *access);
/* Fills now of each counter, or leaves has_now false. */
void msr_reader_read(struct msr_reader *reader, const struct msr_access *access);
void msr_reader_close(struct msr_reader *reader, const struct msr_access *access);
