/* SPDX-License-Identifier: BSD-3-Clause */
/* A host record: what machine a sensor runs on and how it measures, from key.seq on. Written at start and whenever any of it
 * changes; counts of invalid samples are renewed once a minute. */
#pragma once

#include "common/record.h"

struct host_package {
    int32_t package;
    int64_t cpus, base_hz, max_hz; /* VALUE_ABSENT: not known */
    double max_w;                  /* plausible maximum, NAN: not known */
};

struct host_source {
    enum domain domain;
    int32_t package;
    char source[WORD_SIZE];
    double unit_uj;                /* one count of the hardware, NAN: not known */
    int64_t range_uj;              /* where it wraps, VALUE_ABSENT: does not */
    double peak_w;                 /* the most the domain can plausibly draw: more in a span is refused; NAN: not known */
    double floor_w;                /* what the domain draws when nothing runs, where the source knows (a curve), else NAN */
};

/* Energy samples that were not valid, since the start of the run. */
struct host_invalid {
    enum domain domain;
    int32_t package;
    char source[WORD_SIZE], reason[WORD_SIZE];
    int64_t count;
};

struct host_event {
    char name[64];                 /* canonical */
    char event[128];               /* as libpfm4 was asked; "" for what the kernel counts by itself */
    char pmu[32];
};

struct host_record {
    struct record_key key;
    char boot_id[40];
    char version[32];              /* of the sensor */
    char cpu_vendor[32], cpu_name[64];
    int64_t cpu_family, cpu_model; /* VALUE_ABSENT: not known */
    char engine[WORD_SIZE];
    char granularity[WORD_SIZE];   /* "process" or "cgroup" */
    int64_t interval_ns;
    struct host_package *packages;
    size_t n_packages, packages_capacity;
    struct host_source *sources;
    size_t n_sources, sources_capacity;
    struct host_event *events;
    size_t n_events, events_capacity;
    struct host_invalid *invalid;
    size_t n_invalid, invalid_capacity;
};

void host_record_init(struct host_record *host);
void host_record_deinit(struct host_record *host);
void host_record_clear(struct host_record *host);
int host_record_add_package(struct host_record *host, struct host_package **ret_package);
int host_record_add_source(struct host_record *host, struct host_source **ret_source);
int host_record_add_event(struct host_record *host, struct host_event **ret_event);
int host_record_add_invalid(struct host_record *host, struct host_invalid **ret_invalid);

/* Encodes into scratch (reinitialised) and points *ret_document at it. The id is "sensor:run:seq:host". */
int host_record_encode(const struct host_record *host, bson_t *scratch, struct document *ret_document, struct error *err);
int host_record_decode(const struct document *document, struct host_record *ret_host, struct error *err);
