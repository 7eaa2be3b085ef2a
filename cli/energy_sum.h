/* SPDX-License-Identifier: BSD-3-Clause */
/* Adds up power records: joules per target, cgroup, command or unit, and the balance per domain beside them. Joules are sums of the records' integer
 * microjoules, so that nothing is lost in long spans.
 *
 * What is added: the machine domain where a tick has it, else package, dram and gpu; a tick's domains never overlap then. Only a machine that is
 * estimated (from its CPUs) does not stand for its GPUs. */
#pragma once

#include "cli/identity.h"
#include "common/power_record.h"

struct report;

enum energy_by { ENERGY_BY_TARGET, ENERGY_BY_CGROUP, ENERGY_BY_COMMAND, ENERGY_BY_UNIT };

/* One line of the result. */
struct energy_entry {
    char *sensor, *key;
    struct identity *identity; /* of the target seen last; its container and unit hold for all of a BY_UNIT or BY_CGROUP line. NULL: dropped, never BY_TARGET */
    int64_t dynamic_uj;
    double static_uj;      /* NAN: no record said */
    int64_t cpu_ns;        /* CPU time, of ticks whose counts were added */
    int64_t active_ns;     /* ticks in which it used energy or CPU time */
    uint64_t tick;         /* the sum's tick in which the rest was set */
    double tick_dynamic_w; /* NAN: no watts in that tick */
    double tick_cpus;      /* CPUs kept busy in that tick, NAN: not known */
};

/* Balance of one attributed domain. */
struct energy_balance {
    char sensor[SENSOR_NAME_SIZE];
    enum domain domain;
    int32_t package;
    bool is_counted;       /* part of the sums (see above) */
    int64_t covered_ns;    /* with watts */
    int64_t measured_ns;   /* of these, measured: elsewhere a model speaks without */
    int64_t measured_uj;
    double low_uj, high_uj;    /* of the estimated part, NAN: nothing was estimated */
    double idle_uj, dynamic_uj, unattributed_uj; /* watts times span, NAN: nothing known */
    struct balance_row latest;
    uint64_t tick;         /* in which latest was set */
};

struct energy_sensor {
    char sensor[SENSOR_NAME_SIZE];
    int64_t dynamic_uj;
    int64_t covered_ns;    /* span with watts */
    uint64_t n_ticks, n_invalid, n_estimated;
    struct record_key key; /* of the current tick */
    uint64_t tick;         /* number of the current tick over all sensors */
    bool has_watts;        /* a power record of the current tick was added */
    int64_t tick_ns;       /* span of the current tick's watts, VALUE_ABSENT: none */
    bool machine_counts;   /* the machine domain stands for the others in this tick */
    bool gpu_counts;       /* but not for GPUs: it is an estimate, which knows of none */
    struct reasons reasons; /* of the current tick */
    double total_cpus;     /* CPUs kept busy in the current tick by everything, NAN: not known */
};

struct energy_sum;

/* identities is borrowed and may grow. */
int energy_sum_new(struct energy_sum **ret_sum, enum energy_by by, struct identities *identities);
void energy_sum_free(struct energy_sum *sum);

/* Adds one power record (one part of one). Records of one sensor come in order; of one tick, all parts follow each other. -ENOMEM; -ERANGE
 * when a sum leaves int64. */
int energy_sum_add(struct energy_sum *sum, const struct power_record *power, struct error *err);
/* CPU time of the same tick, from its report; sets tick_cpus and total_cpus. */
int energy_sum_add_counts(struct energy_sum *sum, const struct report *report, struct error *err);

/* Lets go of the identities with is_dropped. BY_TARGET their lines are handed to fold (NULL: to nobody) and end; what was added up for the sensor stays. Else
 * lines stay, without an identity until the next of their targets is seen. */
void energy_sum_drop(struct energy_sum *sum, void (*fold)(const struct energy_entry *entry, void *context), void *context);

/* Sorted by dynamic_uj (then key), or by the current tick's watts, CPUs or the name. Pointers hold until the next add. */
enum energy_order { ENERGY_BY_JOULES, ENERGY_BY_WATTS, ENERGY_BY_CPU, ENERGY_BY_NAME };
void energy_sum_sort(struct energy_sum *sum, enum energy_order order, struct energy_entry *const **ret_entries, size_t *ret_n_entries);
const struct energy_balance *energy_sum_balances(const struct energy_sum *sum, size_t *ret_n_balances);
/* NULL: nothing of that sensor was added. */
const struct energy_sensor *energy_sum_sensor(const struct energy_sum *sum, const char *sensor);
const struct energy_sensor *energy_sum_sensors(const struct energy_sum *sum, size_t *ret_n_sensors);
