/* SPDX-License-Identifier: BSD-3-Clause */
/* One option with its present value and where that came from: what the files options*.c share. Nobody else includes this. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "common/options.h"

/* In order of precedence. */
enum option_origin {
    ORIGIN_BUILT_IN,
    ORIGIN_ETC_FILE,
    ORIGIN_CONFIG_FILE,
    ORIGIN_ENVIRONMENT,
    ORIGIN_FLAG,
};

struct option {
    const struct option_spec *spec;
    struct option_group group; /* a copy: the tables and values it points to are borrowed */
    enum option_origin origin;
    char *where;  /* owned: "file:line", "WATT_SENSOR_INTERVAL", "--interval"; NULL for built-in */
    char **texts; /* owned: the value as it was written; one per value of a list */
    size_t n_texts, texts_capacity;
};

/* The options that every program has. */
struct common_settings {
    bool help, version, check_config, print_config, verbose, quiet;
    char *config;
};

struct options {
    const char *program, *about, *operands, *etc_dir;
    struct common_settings common;
    struct option *all;
    size_t n_options, options_capacity;
};

/* Gives the option a value from origin: validated, then written where the group wants it. A list grows by one value as long as the origin
 * stays the same. "" is no value for text, lists, choices and times, and an error for the rest. -EINVAL for a bad value, err says why
 * without naming the option. */
int option_assign(struct option *option, const char *text, enum option_origin origin, const char *where, struct error *err);
/* Writes the fallback. It must be valid: it is part of the program. -ENOMEM. */
int option_reset(struct option *option);
void option_deinit(struct option *option);

/* May the option stand in a file or the environment? */
bool option_is_configurable(const struct option *option);
/* "WATT_SENSOR_INTERVAL". Cut if it does not fit. */
const char *option_variable(const struct option *option, char *text, size_t text_size);

/* By key, among all groups or (section not NULL) in one section; NULL if there is none. */
struct option *options_find(struct options *options, const char *section, const char *key);
/* Writes "; did you mean interval?" if a configurable key of the section is close (section NULL: "--interval", any key), else "". */
const char *options_suggest(const struct options *options, const char *section, const char *key, char *text, size_t text_size);
bool options_have_section(const struct options *options, const char *section);

/* Reads one configuration file. Returns 0, -ENOENT if there is none (err untouched), -EDOM, -ENOMEM. */
int options_read_file(struct options *options, const char *path, enum option_origin origin, struct error *err);
/* Reads the variables of our sections. Returns 0, -EDOM, -ENOMEM. */
int options_read_environment(struct options *options, char *const *environment, struct error *err);

/* --help and --print-config. Stream errors are the caller's to look at. */
void options_write_help(const struct options *options, FILE *stream);
void options_write_config(const struct options *options, FILE *stream);
/* Where PROGRAM.conf is: the program's name without "watt-" in front. */
const char *options_file_name(const struct options *options, char *text, size_t text_size);
