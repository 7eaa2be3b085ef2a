/* SPDX-License-Identifier: BSD-3-Clause */
/* A made file below DIR/sys, from a section [sys PATH] of the machine's description: what drivers beside RAPL show. It is one of
 *   text TEXT, and `then SECONDS TEXT` for what it says from that moment on
 *   link TARGET
 *   shows COUNTER (`package-0`, `psys`) and as QUANTITY: what the counter's true energy is in that quantity, at the moment of the read:
 *     energy_uj (what the counter counted), power_uw (the mean of the last window_us), current_ua (that at `volts`),
 *     energy_uwh and charge_uah (what is left of full_wh, in whole steps of 10 mWh); `factor` of it (negative: with a sign)
 *   neither: a folder
 * and is there, with all below it, between from_s and until_s. Reads of a shown counter are reads of that counter: faults are its own. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define SYS_FILES_MAX 64
#define SYS_TEXTS_MAX 8

struct energy;

enum sys_quantity { SYS_ENERGY_UJ, SYS_POWER_UW, SYS_CURRENT_UA, SYS_ENERGY_UWH, SYS_CHARGE_UAH, SYS_QUANTITIES };

struct sys_file {
    char path[48]; /* below sys/ */
    char link[96]; /* "": none */
    struct sys_text {
        double from_s;
        char text[64];
    } texts[SYS_TEXTS_MAX];
    int n_texts;
    char shows[24]; /* "": nothing */
    enum sys_quantity quantity;
    double factor, volts, full_wh, window_us, from_s, until_s;
};

/* Takes one key of the section of a path, adding the file if it is new. False: no such key, or a value that it cannot have. */
bool sys_file_take(struct sys_file *files, int *n_files, const char *path, const char *name, const char *text);
bool sys_file_is_there(const struct sys_file *file, uint64_t now_ns);
/* Writes what it says now. 0, or the errno of a scripted fault, negative; -ENXIO: the machine has no such counter. */
int sys_file_write(struct energy *energy, const struct sys_file *file, FILE *stream);
