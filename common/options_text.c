/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tables say to people: --help, and --print-config, whose output with nothing configured
 * is the sample file. */
#include "common/option.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/scope.h"
#include "common/uri.h"

#define WIDTH 80
#define HELP_COLUMN 27

/* Characters, not bytes. */
static size_t columns_of(const char *text, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

static void write_spaces(FILE *stream, size_t n)
{
    (void)fprintf(stream, "%*s", (int)n, "");
}

/* Writes words up to WIDTH columns a line and ends the line. The first line begins at column; the
 * others with indent spaces and prefix, which the column includes. */
static void write_wrapped(FILE *stream, const char *text, size_t column, size_t indent,
                          const char *prefix)
{
    size_t start = indent + strlen(prefix);
    size_t at = column;
    while (*text) {
        size_t size = strcspn(text, " ");
        size_t columns = columns_of(text, size);
        if (at > start && at + (at > column) + columns > WIDTH) {
            (void)fputc('\n', stream);
            write_spaces(stream, indent);
            (void)fputs(prefix, stream);
            at = column = start;
        }
        if (at > column) {
            (void)fputc(' ', stream);
            at++;
        }
        (void)fwrite(text, 1, size, stream);
        at += columns;
        text += size + strspn(text + size, " ");
    }
    (void)fputc('\n', stream);
}

static void write_lines(FILE *stream, const char *text)
{
    for (const char *end; *text; text = end + (*end == '\n')) {
        end = text + strcspn(text, "\n");
        SCOPED(scope_free) char *line = strndup(text, (size_t)(end - text));
        if (line)
            write_wrapped(stream, line, 0, 0, "");
    }
}

static void append(char *text, size_t text_size, const char *more)
{
    size_t length = strlen(text);
    (void)snprintf(text + length, text_size - length, "%s", more);
}

/* The help text with what the type adds to it: the choices. */
static void describe(const struct option_spec *spec, char *text, size_t text_size)
{
    (void)snprintf(text, text_size, "%s", spec->help ? spec->help : "");
    for (size_t i = 0; spec->type == OPTION_CHOICE && spec->choices[i]; i++) {
        append(text, text_size, i ? ", " : "; one of ");
        append(text, text_size, spec->choices[i]);
    }
    if (spec->type == OPTION_LIST)
        append(text, text_size, "; may be repeated");
}

static void write_help_option(FILE *stream, const struct option_spec *spec)
{
    char text[1024], flag[96];
    int length = snprintf(flag, sizeof(flag), "  %c%c%s --%s%s%s", spec->letter ? '-' : ' ',
                          spec->letter ? spec->letter : ' ', spec->letter ? "," : " ", spec->key,
                          spec->type == OPTION_FLAG ? "" : " ",
                          spec->type == OPTION_FLAG ? ""
                          : spec->argument          ? spec->argument
                                                    : "VALUE");
    (void)fputs(flag, stream);
    if (length + 1 >= HELP_COLUMN) {
        (void)fputc('\n', stream);
        length = 0;
    }
    write_spaces(stream, (size_t)(HELP_COLUMN - length));
    describe(spec, text, sizeof(text));
    bool is_default_news = spec->fallback && *spec->fallback && spec->type != OPTION_FLAG;
    if (is_default_news) {
        append(text, sizeof(text), " (default: ");
        append(text, sizeof(text), spec->fallback);
        append(text, sizeof(text), ")");
    }
    for (char *c = text; *c; c++)
        *c = *c == '\n' ? ' ' : *c;
    write_wrapped(stream, text, HELP_COLUMN, HELP_COLUMN, "");
}

/* Writes the options of one section (NULL: those every program has), in the order they were added.
 */
static void write_help_section(const struct options *options, FILE *stream, const char *section)
{
    if (section)
        (void)fprintf(stream, "\n[%s]\n", section);
    else
        (void)fputs("\nCommon options:\n", stream);
    for (size_t i = 0; i < options->n_options; i++) {
        const char *own = options->all[i].group.section;
        if (section ? own && strcmp(own, section) == 0 : !own)
            write_help_option(stream, options->all[i].spec);
    }
}

/* True if option is the first of its section. */
static bool begins_section(const struct options *options, size_t index)
{
    const char *section = options->all[index].group.section;
    for (size_t i = 0; section && i < index; i++) {
        const char *earlier = options->all[i].group.section;
        if (earlier && strcmp(earlier, section) == 0)
            return false;
    }
    return section != NULL;
}

const char *options_file_name(const struct options *options, char *text, size_t text_size)
{
    const char *name = options->program;
    if (strncmp(name, "watt-", 5) == 0)
        name += 5;
    (void)snprintf(text, text_size, "%s.conf", name);
    return text;
}

/* Explains the other places with an option of the program's own as the example. */
static void write_help_places(const struct options *options, FILE *stream)
{
    const struct option *example = NULL;
    for (size_t i = 0; i < options->n_options && !example; i++)
        if (option_is_configurable(&options->all[i]))
            example = &options->all[i];
    if (!example)
        return;
    char text[1024], variable[96], file[64], etc[256] = "";
    if (options->etc_dir)
        (void)snprintf(etc, sizeof(etc), ", and in %s/%s", options->etc_dir,
                       options_file_name(options, file, sizeof(file)));
    (void)snprintf(text, sizeof(text),
                   "Options under a [section] can also be set in the environment (--%s is %s), in "
                   "the file of --config%s (\"%s = ...\" under [%s]); the command line "
                   "wins over these in this order. --print-config shows the result.",
                   example->spec->key, option_variable(example, variable, sizeof(variable)), etc,
                   example->spec->key, example->group.section);
    (void)fputc('\n', stream);
    write_wrapped(stream, text, 0, 0, "");
}

void options_write_help(const struct options *options, FILE *stream)
{
    (void)fprintf(stream, "Usage: %s [OPTION]...%s%s\n", options->program,
                  options->operands ? " " : "", options->operands ? options->operands : "");
    write_lines(stream, options->about);
    for (size_t i = 0; i < options->n_options; i++)
        if (begins_section(options, i))
            write_help_section(options, stream, options->all[i].group.section);
    write_help_section(options, stream, NULL);
    write_help_places(options, stream);
}

/* URIs lose their passwords, everything else is shown as it was written. */
static void write_assignment(FILE *stream, const char *key, const char *text, bool is_comment)
{
    char shown[8192];
    if (strstr(text, "://"))
        text = uri_redact(text, shown, sizeof(shown));
    (void)fprintf(stream, "%s%s =%s%s\n", is_comment ? "#" : "", key, *text ? " " : "", text);
}

static void write_config_option(const struct option *option, FILE *stream)
{
    char text[1024];
    bool is_default = option->origin == ORIGIN_BUILT_IN;
    bool is_comment = is_default || !option_is_configurable(option);
    describe(option->spec, text, sizeof(text));
    (void)fputs("\n# ", stream);
    write_wrapped(stream, text, 2, 0, "# ");
    if (!is_default)
        (void)fprintf(stream, "# from %s\n", option->where);
    for (size_t i = 0; i < option->n_texts; i++)
        write_assignment(stream, option->spec->key, option->texts[i], is_comment);
    if (option->n_texts == 0)
        write_assignment(stream, option->spec->key, option->spec->type == OPTION_FLAG ? "no" : "",
                         is_comment);
}

static void write_config_section(const struct options *options, FILE *stream, const char *section)
{
    (void)fprintf(stream, "\n[%s]\n", section);
    for (size_t i = 0; i < options->n_options; i++) {
        const struct option *option = &options->all[i];
        const char *own = option->group.section;
        bool is_shown = option_is_configurable(option) || option->origin != ORIGIN_BUILT_IN;
        if (own && strcmp(own, section) == 0 && is_shown)
            write_config_option(option, stream);
    }
}

void options_write_config(const struct options *options, FILE *stream)
{
    char text[512], file[64], etc[256] = "";
    if (options->etc_dir)
        (void)snprintf(etc, sizeof(etc), " (/etc/wattribute/%s)",
                       options_file_name(options, file, sizeof(file)));
    (void)snprintf(text, sizeof(text),
                   "Configuration of %s%s. A line that is commented out shows "
                   "the built-in default. Durations are written 250ms, 1s, 5m, 2h or 7d; sizes in "
                   "bytes or 512K, 100M, 1G; flags yes or no. A list takes one line per value.",
                   options->program, etc);
    (void)fputs("# ", stream);
    write_wrapped(stream, text, 2, 0, "# ");
    for (size_t i = 0; i < options->n_options; i++)
        if (begins_section(options, i))
            write_config_section(options, stream, options->all[i].group.section);
}
