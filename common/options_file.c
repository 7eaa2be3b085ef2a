/* SPDX-License-Identifier: BSD-3-Clause */
/* Configuration files and the environment. inih splits the lines; they are handed to it one by one,
 * to count them and to refuse what it would cut silently: long lines and NUL bytes. */
#include "common/option.h"

#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/name_escape.h"
#include "common/scope.h"

#define LINE_MAX_SIZE 65536 /* a URI of a large cluster is long */

struct file {
    struct options *options;
    enum option_origin origin;
    const char *path;
    FILE *stream;
    char *line; /* getline's */
    size_t line_capacity;
    unsigned n_lines;
    struct error *err;
    int result; /* of the first failure */
};

static char *next_line(char *text, int text_size, void *context)
{
    struct file *file = context;
    if (file->result < 0)
        return NULL;
    ssize_t length = getline(&file->line, &file->line_capacity, file->stream);
    if (length < 0)
        return NULL;
    file->n_lines++;
    if (memchr(file->line, '\0', (size_t)length))
        file->result = error_set(file->err, -EDOM, "%s:%u: holds a NUL byte: not a text file",
                                 file->path, file->n_lines);
    else if (length >= text_size)
        file->result = error_set(file->err, -EDOM, "%s:%u: line longer than %d bytes", file->path,
                                 file->n_lines, text_size - 1);
    if (file->result < 0)
        return NULL;
    memcpy(text, file->line, (size_t)length + 1);
    return text;
}

static int say_unknown(struct file *file, const char *section, const char *key)
{
    char shown[64], hint[96];
    (void)name_escape(key, strlen(key), shown, sizeof(shown));
    if (*section == '\0')
        return error_set(
            file->err, -EDOM,
            "%s:%u: %s: stands before any [section]; write the section's line above it", file->path,
            file->n_lines, shown);
    if (!options_have_section(file->options, section)) {
        char shown_section[64];
        (void)name_escape(section, strlen(section), shown_section, sizeof(shown_section));
        return error_set(file->err, -EDOM,
                         "%s:%u: [%s]: %s has no such section; --print-config shows them all",
                         file->path, file->n_lines, shown_section, file->options->program);
    }
    return error_set(file->err, -EDOM, "%s:%u: %s: unknown key in [%s]%s", file->path,
                     file->n_lines, shown, section,
                     options_suggest(file->options, section, key, hint, sizeof(hint)));
}

static int set_from_file(struct file *file, const char *section, const char *key, const char *text)
{
    struct option *option = options_find(file->options, section, key);
    if (!option)
        return say_unknown(file, section, key);
    if (!option_is_configurable(option))
        return error_set(file->err, -EDOM, "%s:%u: %s: can only be given on the command line",
                         file->path, file->n_lines, key);
    if (option->origin == file->origin && option->spec->type != OPTION_LIST)
        return error_set(file->err, -EDOM, "%s:%u: %s: already set at %s", file->path,
                         file->n_lines, key, option->where);
    char where[4200];
    (void)snprintf(where, sizeof(where), "%s:%u", file->path, file->n_lines);
    int r = option_assign(option, text, file->origin, where, file->err);
    return r < 0 ? error_wrap(file->err, r == -ENOMEM ? r : -EDOM, "%s: %s", where, key) : 0;
}

static int take_pair(void *context, const char *section, const char *key, const char *text)
{
    struct file *file = context;
    if (file->result == 0)
        file->result = set_from_file(file, section, key, text);
    return file->result == 0;
}

int options_read_file(struct options *options, const char *path, enum option_origin origin,
                      struct error *err)
{
    SCOPED(scope_fclose) FILE *stream = fopen(path, "re");
    if (!stream && errno == ENOENT)
        return -ENOENT;
    if (!stream)
        return error_set(err, -EDOM, "%s: %s", path, strerror(errno));
    struct file file = {
        .options = options, .origin = origin, .path = path, .stream = stream, .err = err};
#ifdef WATT_INIH_RUNTIME_LIMITS
    ini_use_stack = false;
    ini_initial_alloc = LINE_MAX_SIZE;
    ini_max_line = LINE_MAX_SIZE;
#endif
    int outcome = ini_parse_stream(next_line, &file, take_pair, &file);
    free(file.line);
    /* After a failure of ours nothing more is read, so that an earlier line is one that inih
     * refused. */
    bool is_syntax = outcome > 0 && (file.result == 0 || (unsigned)outcome < file.n_lines);
    if (file.result < 0 && !is_syntax)
        return file.result;
    if (ferror(stream))
        return error_set(err, -EDOM, "%s: cannot be read: is it a file?", path);
    if (outcome == -2)
        return error_set(err, -ENOMEM, "out of memory");
    if (is_syntax)
        return error_set(err, -EDOM, "%s:%d: is neither \"key = value\" nor \"[section]\"", path,
                         outcome);
    return 0;
}

/* One value, or one per line for a list. */
static int set_from_variable(struct option *option, const char *name, const char *text,
                             struct error *err)
{
    bool is_list = option->spec->type == OPTION_LIST;
    while (*text) {
        size_t length = is_list ? strcspn(text, "\n") : strlen(text);
        SCOPED(scope_free) char *value = strndup(text, length);
        if (!value)
            return error_set(err, -ENOMEM, "out of memory");
        int r = *value ? option_assign(option, value, ORIGIN_ENVIRONMENT, name, err) : 0;
        if (r < 0)
            return error_wrap(err, r == -ENOMEM ? r : -EDOM, "%s", name);
        text += length + (text[length] == '\n');
    }
    return 0;
}

static struct option *find_variable(struct options *options, const char *name)
{
    char own[128];
    for (size_t i = 0; i < options->n_options; i++)
        if (options->all[i].group.section &&
            strcmp(option_variable(&options->all[i], own, sizeof(own)), name) == 0)
            return &options->all[i];
    return NULL;
}

/* The section that a variable of ours with an unknown key names; NULL if it is another program's.
 */
static const char *section_of_variable(const struct options *options, const char *name)
{
    for (size_t i = 0; i < options->n_options; i++) {
        const struct option *option = &options->all[i];
        char own[128];
        if (!option->group.section)
            continue;
        size_t length = strlen(option_variable(option, own, sizeof(own)));
        size_t key_length = strlen(option->spec->key);
        if (key_length < length && strncmp(own, name, length - key_length) == 0)
            return option->group.section;
    }
    return NULL;
}

static int say_unknown_variable(const struct options *options, const char *section,
                                const char *name, struct error *err)
{
    char key[64], hint[96];
    (void)snprintf(key, sizeof(key), "%s", name + strlen("WATT__") + strlen(section));
    for (char *c = key; *c; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c == '_' ? '-' : *c;
    return error_set(err, -EDOM, "%s: unknown key in the environment for [%s]%s", name, section,
                     options_suggest(options, section, key, hint, sizeof(hint)));
}

static int take_variable(struct options *options, const char *variable, struct error *err)
{
    char name[128];
    size_t length = strcspn(variable, "=");
    if (length >= sizeof(name) || variable[length] == '\0')
        return 0;
    (void)snprintf(name, sizeof(name), "%.*s", (int)length, variable);
    struct option *option = find_variable(options, name);
    if (!option) {
        const char *section = section_of_variable(options, name);
        return section ? say_unknown_variable(options, section, name, err) : 0;
    }
    if (!option_is_configurable(option))
        return error_set(err, -EDOM, "%s: can only be given on the command line: --%s", name,
                         option->spec->key);
    return set_from_variable(option, name, variable + length + 1, err);
}

int options_read_environment(struct options *options, char *const *environment, struct error *err)
{
    for (; environment && *environment; environment++) {
        if (strncmp(*environment, "WATT_", 5) != 0)
            continue;
        int r = take_variable(options, *environment, err);
        if (r < 0)
            return r;
    }
    return 0;
}
