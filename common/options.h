/* SPDX-License-Identifier: BSD-3-Clause */
/* One table per part of a program says everything about its options: the flag, the key in a configuration file, the
 * environment variable, the default, the help text. From the table come parsing, --help, --print-config and the sample files
 * under config/. Precedence: flag > WATT_SECTION_KEY in the environment > --config FILE > /etc/wattribute/PROGRAM.conf >
 * built-in. PROGRAM.conf is the program's name without "watt-": sensor.conf. Every program also has --help (-h), --version,
 * --config FILE, --check-config, --print-config, --verbose (-v), --quiet (-q). What --print-config prints when nothing is configured
 * is the sample file. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct log;

enum option_type {
    OPTION_FLAG,     /* bool; --key alone, or key = yes|no|true|false|on|off|1|0 */
    OPTION_STRING,   /* char *, owned by the options */
    OPTION_LIST,     /* struct option_list; --key may be repeated, a line or variable holds one value per line */
    OPTION_COUNT,    /* uint64_t, decimal */
    OPTION_NUMBER,   /* double, "2.5"; not negative */
    OPTION_DURATION, /* uint64_t nanoseconds, "1s", "250ms" (timestamp.h) */
    OPTION_SIZE,     /* uint64_t bytes, "512M", "1G", "100000" */
    OPTION_TIME,     /* int64_t milliseconds since 1970 (timestamp.h), INT64_MIN when not given */
    OPTION_CHOICE,   /* char * to one of choices */
};

struct option_list {
    char **values; /* owned by the options */
    size_t n_values;
};

struct option_spec {
    const char *key;      /* "interval": --interval, interval = in the file, WATT_<SECTION>_INTERVAL ('-' becomes '_') */
    char letter;          /* short form, 0 for none */
    enum option_type type;
    size_t offset;        /* of the value in the group's values */
    const char *fallback; /* default as text, parsed like any other value; NULL: absent (NULL, 0, empty list) */
    const char *argument; /* for --help: "DURATION", "URI", NULL for a flag */
    const char *const *choices; /* NULL-terminated, for OPTION_CHOICE */
    int (*check)(const char *text, struct error *err); /* NULL, or refuses a value (each of a list) beyond its type: -EINVAL, err says why */
    bool flag_only;       /* makes no sense in a file: --ticks, --probe */
    const char *help;     /* what it does, unit and meaning; wrapped by --help */
};

/* The options of one noun: the program itself, or a source, engine, store or model. */
struct option_group {
    const char *section; /* "sensor" */
    const struct option_spec *specs;
    size_t n_specs;
    void *values;        /* where the offsets point into; borrowed, zeroed by the caller before parsing */
    int (*check)(const void *values, struct error *err); /* NULL, or refuses values that do not go together: -EINVAL, err names the flags */
};

struct options; /* holds the groups and every string a value points to */

enum { OPTIONS_EXIT = 1 }; /* --help, --version, --check-config or --print-config was answered: exit 0 */

/* program: "watt-sensor"; about: for --help, wrapped line by line; operands: what may follow the options in --help, NULL: nothing may.
 * Operands may stand before options, too, and are moved behind them in argv, unless operands begins with "--": a command has options of its own. */
int options_new(struct options **ret_options, const char *program, const char *about, const char *operands);
/* Borrows the tables and values the group points to until options_free; the group itself is copied. */
int options_add(struct options *options, const struct option_group *group);

/* Reads files, environment and argv (argv[0] is skipped; its words may be put into another order). Flags of all groups share one name space: a key that two groups
 * use is an assertion. etc_dir: the folder of PROGRAM.conf ("/etc/wattribute"), NULL: none.
 * An unknown key or bad value is an error that names "file:line: key", the variable or the flag, and what is allowed.
 * What the groups' checks refuse, after all values are read, is refused before --check-config and --print-config are answered.
 * A mongodb URI with a password is refused in argv, where everybody can read it. An empty value empties a list, is no value for text, choices
 * and times that have no default, and an error for all others; an empty variable counts as not set. log->level follows --verbose and --quiet.
 * Returns 0 (ret_operands: index in argv of the first operand), OPTIONS_EXIT, -EINVAL for the command line and for values that do not go
 * together, wherever they come from (exit 64), -EDOM for a file or the environment (exit 78), -EIO for a standard output that cannot be written, -ENOMEM. */
int options_parse(struct options *options, int argc, char **argv, const char *etc_dir, struct log *log,
                  int *ret_operands, struct error *err);
void options_free(struct options *options);
