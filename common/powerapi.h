/* SPDX-License-Identifier: BSD-3-Clause */
/* PowerAPI's records, as its sensor writes and its formula reads them: HWPCReport and PowerReport. Field names, nesting and types are
 * those of hwpc-sensor 1.7.0 and powerapi 2.10.0 (source: their code, storage_mongodb.c and report/). One HWPCReport speaks of one
 * target of one tick; values are increases as doubles; RAPL_* are counts of 2^-32 J. */
#pragma once

#include "common/power_record.h"
#include "common/report.h"

/* One value of groups.GROUP.PACKAGE.CPU.EVENT. */
struct hwpc_value {
    const char *group, *package, *cpu, *event; /* borrowed; event may be "time_enabled" or "time_running" */
    double value;
};

struct hwpc_report {
    int64_t timestamp_ms;
    char sensor[SENSOR_NAME_SIZE];
    const char *target;           /* borrowed: "all" or a cgroup path */
    struct hwpc_value *values;    /* in document order */
    size_t n_values, values_capacity;
};

void hwpc_report_init(struct hwpc_report *hwpc);
void hwpc_report_deinit(struct hwpc_report *hwpc);
/* Appends one value; *ret_value points to it until the next addition, zeroed. -ENOMEM. */
int hwpc_report_add(struct hwpc_report *hwpc, struct hwpc_value **ret_value);
/* Values of one group, package and CPU stand together, as decoding gives them. -EINVAL: something that decoding would refuse. */
int hwpc_report_encode(const struct hwpc_report *hwpc, bson_t *scratch, struct document *ret_document, struct error *err);
/* Replaces what *ret_hwpc held. -EBADMSG names what is missing or wrong; negative or absurd (above 2^62) values are refused. Unknown
 * top-level fields are ignored. */
int hwpc_report_decode(const struct document *document, struct hwpc_report *ret_hwpc, struct error *err);

/* What one HWPCReport says, as part of a report of ours: target "all" gives energy (group "rapl"; 2^-32 J to uJ; a domain per event:
 * RAPL_ENERGY_PKG, _DRAM, _CORES, _UNCORE/_GPU, _PSYS), clock (group "msr") and totals (group "core"); another target gives one count
 * row per package from group "core". Events get canonical names where known (events.h), else keep their own. Values of a package's CPUs are
 * scaled by each CPU's own enabled/running before they are summed (ratios may differ between CPUs), and the row says
 * enabled = running; a CPU with enabled > 0 and running = 0 was not counted, and makes that package's sum absent with reason
 * "not_counted". An event tells by its name what it is, whatever its group is called; SmartWatts' rule holds for energy: the first CPU
 * listed in a package speaks for it. Old sensors wrote cumulative times, so an energy's dt_ns (absent without time_enabled) is only as
 * good as the file. key.run is "", seq 0, dt_ns the rapl (else msr) group's time_enabled where present.
 * -EBADMSG: a target without any counter, a package that is no number, sums beyond 2^62.
 * as_counted: counts are summed unscaled and events keep their own names, for who must repeat what another reader made of them.
 * The report must be cleared; names are borrowed from the HWPCReport's document. */
int hwpc_to_report(const struct hwpc_report *hwpc, bool as_counted, struct report *ret_report, struct error *err);

/* The reverse: calls emit once for "all" and once per target in order of name (a pseudo-CPU per package, which SmartWatts accepts),
 * each document borrowed for the call. What PowerAPI has no name for is ENERGY_MACHINE, ENERGY_GPU, ENERGY_WALL in group "rapl", estimates
 * end in _ESTIMATE (their bounds are lost), so that nobody takes them for RAPL. What was not counted is left out; a target without counts
 * makes no document; rows without package stand under "0". */
int report_encode_powerapi(const struct report *report, bson_t *scratch,
                           int (*emit)(const struct document *document, void *context), void *context,
                           struct error *err);

/* The _id of a PowerAPI document: the stamp's seconds and a hash of the rest, so that encoding the same tick twice gives the same id. */
void powerapi_id(int64_t timestamp_ms, const char *const *parts, size_t n_parts, bson_oid_t *ret_id);
/* PowerAPI's name of an energy: "RAPL_ENERGY_PKG". */
const char *powerapi_energy_event(enum domain domain, bool is_estimate);

/* One PowerReport: a target's watts in one scope and socket. */
struct power_report {
    int64_t timestamp_ms;
    char sensor[SENSOR_NAME_SIZE];
    const char *target;     /* "rapl" (measured), "global" (predicted), "unattributed", or a target; borrowed */
    double power_w;
    const char *scope;      /* "cpu", "dram", "gpu", "machine" */
    const char *socket;     /* text: "0"; NULL where there is none */
    const char *formula;    /* model name; for "rapl" the reference event */
    double ratio;           /* share of the dynamic power; 1 for rapl and global */
};

int power_report_encode(const struct power_report *report, bson_t *scratch, struct document *ret_document,
                        struct error *err);
int power_report_decode(const struct document *document, struct power_report *ret_report, struct error *err);

/* A power record as PowerReports, one emit per document. static_share: each target's power is dynamic_w + static_w, so that targets +
 * unattributed = rapl (PowerAPI's convention; idle that no target bears, for want of activity, is unattributed then); else
 * dynamic_w alone and a target "idle". */
int power_record_encode_powerapi(const struct power_record *power, bool static_share, bson_t *scratch,
                                 int (*emit)(const struct document *document, void *context), void *context,
                                 struct error *err);
