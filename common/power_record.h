/* SPDX-License-Identifier: BSD-3-Clause */
/* A power record (kind "power"): the balance of every attributed domain of one tick, and what each target costs. */
#pragma once

#include "common/record.h"

/* measured_w = idle_w + dynamic_w + unattributed_w within 1 uW; all NAN in a row that could not be balanced (reason says why). */
struct balance_row {
    enum domain domain;
    int32_t package;       /* PACKAGE_NONE where the counts cannot tell packages, or for the machine */
    int64_t dt_ns;         /* span of the energy */
    int64_t measured_uj;   /* the energy itself, exact */
    double measured_w;     /* measured_uj over dt_ns */
    double measured_low_w, measured_high_w; /* bounds of an estimate, else NAN */
    double predicted_w;    /* said before this tick's energy was seen; NAN while nothing is known */
    double idle_w;
    double dynamic_w;      /* sum over targets */
    double unattributed_w;
    double sigma_w;        /* doubt of the prediction, one standard deviation; NAN: not known */
    bool estimate;
    char reason[WORD_SIZE];
};

struct power_row {
    const char *target;    /* borrowed */
    enum domain domain;
    int32_t package;
    double dynamic_w;      /* what the target's activity costs */
    double static_w;       /* idle_w x share: published beside, never mixed in */
    int64_t dynamic_uj;    /* dynamic_w over the domain's dt_ns */
    double share;          /* dynamic_w over the balance's dynamic_w; 0 where that is 0 */
    double sigma_w;        /* NAN: not known */
};

struct power_record {
    struct record_key key;
    int64_t dt_ns;
    char label[LABEL_SIZE];
    char model[WORD_SIZE];
    bool valid;            /* every attributed domain of the report was balanced */
    struct reasons reasons;
    int32_t part, parts;   /* as in struct report */
    struct balance_row *balance;
    size_t n_balance, balance_capacity;
    struct power_row *targets;
    size_t n_targets, targets_capacity;
};

void power_record_init(struct power_record *power);
void power_record_deinit(struct power_record *power);
void power_record_clear(struct power_record *power);
int power_record_add_balance(struct power_record *power, struct balance_row **ret_row);
int power_record_add_target(struct power_record *power, struct power_row **ret_row);

/* As report_encode and report_decode. The id is "sensor:run:seq:label". -ERANGE: a value is infinite. */
int power_record_encode(const struct power_record *power, bson_t *scratch,
                        int (*emit)(const struct document *document, void *context), void *context, struct error *err);
int power_record_decode(const struct document *document, struct power_record *ret_power, struct error *err);
