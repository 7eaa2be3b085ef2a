/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of watt-formula itself; models and stores bring their own. */
#pragma once

#include "common/store/store.h"

struct arguments {
    char *input, *output;
    bool post_mortem;
    int64_t from_ms, to_ms;
    struct option_list sensors;
    char *model, *label, *schema, *static_watts;
    uint64_t wait_ticks;
    bool no_close;
    char *state, *save_model, *model_file, *show_model;
};

/* The stores that the program was linked with: main.c's. */
extern const struct store_ops *const *const formula_store_tables[];

/* Adds them to a program's options; the values live as long as those, in arguments. -ENOMEM. */
int arguments_add(struct arguments *arguments, struct options *options);
bool arguments_write_powerapi(const struct arguments *arguments);
