/* SPDX-License-Identifier: BSD-3-Clause */
/* The groups of a program and its command line. argv is walked twice: first to see that it is well
 * formed and where --config points, and, after files and environment have spoken, again to have the
 * last word. */
#include "common/options.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/array.h"
#include "common/error.h"
#include "common/log.h"
#include "common/option.h"
#include "common/remote_scheme.h"
#include "common/scope.h"
#include "common/uri.h"

#define COMMON_OFFSET(field) offsetof(struct common_settings, field)

static const struct option_spec common_specs[] = {
    {.key = "help",
     .letter = 'h',
     .type = OPTION_FLAG,
     .offset = COMMON_OFFSET(help),
     .flag_only = true,
     .help = "show this and exit"},
    {.key = "version",
     .type = OPTION_FLAG,
     .offset = COMMON_OFFSET(version),
     .flag_only = true,
     .help = "show the version and exit"},
    {.key = "config",
     .type = OPTION_STRING,
     .offset = COMMON_OFFSET(config),
     .argument = "FILE",
     .flag_only = true,
     .help = "read this configuration file too; it overrides the one under /etc"},
    {.key = "check-config",
     .type = OPTION_FLAG,
     .offset = COMMON_OFFSET(check_config),
     .flag_only = true,
     .help = "check files, environment and options, then exit: 0 if all is well, else 64 or 78"},
    {.key = "print-config",
     .type = OPTION_FLAG,
     .offset = COMMON_OFFSET(print_config),
     .flag_only = true,
     .help = "print every value and where it comes from, in the form of a configuration file, "
             "and exit"},
    {.key = "verbose",
     .letter = 'v',
     .type = OPTION_FLAG,
     .offset = COMMON_OFFSET(verbose),
     .flag_only = true,
     .help = "say more on standard error"},
    {.key = "quiet",
     .letter = 'q',
     .type = OPTION_FLAG,
     .offset = COMMON_OFFSET(quiet),
     .flag_only = true,
     .help = "say nothing but warnings and errors"},
};

int options_new(struct options **ret_options, const char *program, const char *about,
                const char *operands)
{
    struct options *options = calloc(1, sizeof(*options));
    if (!options)
        return -ENOMEM;
    options->program = program;
    options->about = about;
    options->operands = operands;
    const struct option_group common = {
        .specs = common_specs,
        .n_specs = ARRAY_SIZE(common_specs),
        .values = &options->common,
    };
    int r = options_add(options, &common);
    if (r < 0) {
        options_free(options);
        return r;
    }
    *ret_options = options;
    return 0;
}

void options_free(struct options *options)
{
    if (!options)
        return;
    for (size_t i = 0; i < options->n_options; i++)
        option_deinit(&options->all[i]);
    free(options->all);
    free(options);
}

static struct option *find_letter(struct options *options, char letter)
{
    for (size_t i = 0; letter && i < options->n_options; i++)
        if (options->all[i].spec->letter == letter)
            return &options->all[i];
    return NULL;
}

int options_add(struct options *options, const struct option_group *group)
{
    if (array_reserve(&options->all, &options->options_capacity,
                      options->n_options + group->n_specs, sizeof(options->all[0])) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < group->n_specs; i++) {
        const struct option_spec *spec = &group->specs[i];
        assert(!options_find(options, NULL, spec->key));
        assert(!find_letter(options, spec->letter));
        assert(spec->type != OPTION_CHOICE || spec->choices);
        struct option *option = &options->all[options->n_options++];
        *option = (struct option){.spec = spec, .group = *group};
        int r = option_reset(option);
        if (r < 0)
            return r;
    }
    return 0;
}

struct option *options_find(struct options *options, const char *section, const char *key)
{
    for (size_t i = 0; i < options->n_options; i++) {
        struct option *option = &options->all[i];
        const char *own = option->group.section;
        if (strcmp(option->spec->key, key) == 0 && (!section || (own && strcmp(own, section) == 0)))
            return option;
    }
    return NULL;
}

bool options_have_section(const struct options *options, const char *section)
{
    for (size_t i = 0; i < options->n_options; i++) {
        const char *own = options->all[i].group.section;
        if (own && strcmp(own, section) == 0)
            return true;
    }
    return false;
}

#define KEY_MAX 40

/* Levenshtein's distance; KEY_MAX for words that are too long to be a slip of ours. */
static size_t distance(const char *a, const char *b)
{
    size_t row[KEY_MAX + 1];
    size_t a_length = strlen(a), b_length = strlen(b);
    if (a_length > KEY_MAX || b_length > KEY_MAX)
        return KEY_MAX;
    for (size_t j = 0; j <= b_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            best = best < row[j] + 1 ? best : row[j] + 1;
            best = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[b_length];
}

const char *options_suggest(const struct options *options, const char *section, const char *key,
                            char *text, size_t text_size)
{
    const char *nearest = NULL;
    size_t limit = strlen(key) / 3 + 2; /* longer words take more slips */
    for (size_t i = 0; i < options->n_options; i++) {
        const struct option *option = &options->all[i];
        if (section &&
            (!option_is_configurable(option) || strcmp(option->group.section, section) != 0))
            continue;
        size_t slips = distance(key, option->spec->key);
        if (slips < limit) {
            nearest = option->spec->key;
            limit = slips;
        }
    }
    text[0] = '\0';
    if (nearest)
        (void)snprintf(text, text_size, "; did you mean %s%s?", section ? "" : "--", nearest);
    return text;
}

/* One argument: which option, and its value. */
struct argument {
    struct option *option;
    char name[KEY_MAX + 8]; /* as it was written, for messages */
    const char *text;       /* NULL: it needs none, or none was given */
};

static int find_argument(struct options *options, const char *written,
                         struct argument *ret_argument, struct error *err)
{
    struct argument argument = {.option = NULL};
    size_t length = strcspn(written, "=");
    bool is_long = written[1] == '-';
    (void)snprintf(argument.name, sizeof(argument.name), "%.*s", (int)length, written);
    argument.text = is_long && written[length] ? written + length + 1 : NULL;
    if (is_long)
        argument.option = options_find(options, NULL, argument.name + 2);
    else if (written[2] == '\0')
        argument.option = find_letter(options, written[1]);
    if (!argument.option) {
        char hint[96];
        return error_set(err, -EINVAL, "%s: unknown option%s", argument.name,
                         options_suggest(options, NULL, argument.name + strspn(argument.name, "-"),
                                         hint, sizeof(hint))[0]
                             ? hint
                             : "; --help lists them all");
    }
    *ret_argument = argument;
    return 0;
}

/* What stands in argv can be read by every user of the machine. */
static int refuse_password(const struct argument *argument, struct error *err)
{
    const struct option *option = argument->option;
    char variable[96];
    if (!uri_is_remote(argument->text) || !uri_has_password(argument->text))
        return 0;
    if (!option_is_configurable(option))
        return error_set(err, -EINVAL,
                         "%s: a password on the command line is visible to every "
                         "user of this machine; leave it out",
                         argument->name);
    return error_set(err, -EINVAL,
                     "%s: a password on the command line is visible to every user of this machine; "
                     "put the URI into a configuration file (--config FILE: [%s] %s = ...) or into "
                     "the environment variable %s",
                     argument->name, option->group.section, option->spec->key,
                     option_variable(option, variable, sizeof(variable)));
}

/* The argument at argv[*index], which moves behind it. */
static int read_argument(struct options *options, int argc, char **argv, int *index,
                         struct argument *ret_argument, struct error *err)
{
    int r = find_argument(options, argv[*index], ret_argument, err);
    if (r < 0)
        return r;
    (*index)++;
    const struct option_spec *spec = ret_argument->option->spec;
    if (spec->type == OPTION_FLAG) {
        if (!ret_argument->text)
            ret_argument->text = "yes";
        return 0;
    }
    if (!ret_argument->text) {
        /* A value that looks like an option is most likely a forgotten one. */
        if (*index >= argc || strncmp(argv[*index], "--", 2) == 0)
            return error_set(err, -EINVAL, "%s needs a value: %s", ret_argument->name,
                             spec->argument ? spec->argument : spec->help);
        ret_argument->text = argv[(*index)++];
    }
    return spec->type == OPTION_STRING || spec->type == OPTION_LIST
               ? refuse_password(ret_argument, err)
               : 0;
}

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0';
}

/* Where the command is not somebody else's words, its operands may stand before options. */
static bool is_mixed(const struct options *options)
{
    return options->operands && strncmp(options->operands, "--", 2) != 0;
}

/* Puts the words [begin, end) of argv before the n_passed ones that stand ahead of them. */
static void move_ahead(char **argv, int n_passed, int begin, int end)
{
    for (; n_passed > 0 && begin < end; begin++) {
        char *word = argv[begin];
        memmove(&argv[begin - n_passed + 1], &argv[begin - n_passed],
                (size_t)n_passed * sizeof(*argv));
        argv[begin - n_passed] = word;
    }
}

/* The common options take effect when final is false, the others when it is true. */
static int take_argument(struct options *options, int argc, char **argv, int *index, bool final,
                         struct error *err)
{
    struct argument argument;
    int r = read_argument(options, argc, argv, index, &argument, err);
    if (r < 0)
        return r;
    bool is_common = argument.option->group.specs == common_specs;
    if (is_common == final)
        return 0;
    char where[KEY_MAX + 8];
    (void)snprintf(where, sizeof(where), "--%s", argument.option->spec->key);
    r = option_assign(argument.option, argument.text, ORIGIN_FLAG, where, err);
    return r < 0 ? error_wrap(err, r, "%s", argument.name) : 0;
}

/* Walks argv up to the operands; mixed ones are moved behind the options. */
static int read_arguments(struct options *options, int argc, char **argv, bool final,
                          int *ret_operands, struct error *err)
{
    int index = 1, n_passed = 0; /* operands, just ahead of index */
    bool is_end = false;
    while (index < argc && !is_end) {
        int begin = index;
        if (!is_option(argv[index])) {
            if (!is_mixed(options))
                break;
            index++;
            n_passed++;
            continue;
        }
        is_end = strcmp(argv[index], "--") == 0;
        int r = 0;
        if (is_end)
            index++;
        else
            r = take_argument(options, argc, argv, &index, final, err);
        if (r < 0)
            return r;
        move_ahead(argv, n_passed, begin, index);
        if (options->common.help || options->common.version)
            return 0;
    }
    index -= n_passed;
    if (index < argc && !options->operands)
        return error_set(err, -EINVAL, "unexpected argument \"%.64s\"; --help lists the options",
                         argv[index]);
    *ret_operands = index;
    return 0;
}

static int read_files(struct options *options, struct error *err)
{
    if (options->etc_dir) {
        char name[64], path[4096];
        (void)snprintf(path, sizeof(path), "%s/%s", options->etc_dir,
                       options_file_name(options, name, sizeof(name)));
        int r = options_read_file(options, path, ORIGIN_ETC_FILE, err);
        if (r < 0 && r != -ENOENT)
            return r;
    }
    const char *config = options->common.config;
    if (!config)
        return 0;
    int r = options_read_file(options, config, ORIGIN_CONFIG_FILE, err);
    return r == -ENOENT ? error_set(err, -EDOM, "%s: no such file (--config)", config) : r;
}

/* Once per group: at the first of its options. */
static int check_groups(const struct options *options, struct error *err)
{
    for (size_t i = 0; i < options->n_options; i++) {
        const struct option_group *group = &options->all[i].group;
        int r = group->check && options->all[i].spec == group->specs
                    ? group->check(group->values, err)
                    : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

static int answer(const struct options *options, struct error *err)
{
    if (options->common.help)
        options_write_help(options, stdout);
    else if (options->common.version)
        (void)printf("%s %s\n", options->program, WATT_VERSION);
    else if (options->common.print_config)
        options_write_config(options, stdout);
    else if (!options->common.check_config)
        return 0;
    if (fflush(stdout) != 0 || ferror(stdout))
        return error_set(err, -EIO, "standard output: cannot be written");
    return OPTIONS_EXIT;
}

static void set_level(const struct common_settings *common, struct log *log)
{
    if (log && common->quiet)
        log->level = LOG_LEVEL_WARNING;
    if (log && common->verbose)
        log->level = LOG_LEVEL_DEBUG;
}

int options_parse(struct options *options, int argc, char **argv, const char *etc_dir,
                  struct log *log, int *ret_operands, struct error *err)
{
    int operands = argc;
    options->etc_dir = etc_dir;
    int r = read_arguments(options, argc, argv, false, &operands, err);
    if (r < 0)
        return r;
    set_level(&options->common, log);
    if (options->common.help || options->common.version)
        return answer(options, err);
    r = read_files(options, err);
    if (r < 0)
        return r;
    r = options_read_environment(options, environ, err);
    if (r < 0)
        return r;
    r = read_arguments(options, argc, argv, true, &operands, err);
    if (r >= 0)
        r = check_groups(options, err);
    if (r < 0)
        return r;
    r = answer(options, err);
    if (r == 0)
        *ret_operands = operands;
    return r;
}
