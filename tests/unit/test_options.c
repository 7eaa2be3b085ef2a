/* SPDX-License-Identifier: BSD-3-Clause */
/* Options from every place, their precedence, and what is said when one is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "common/log.h"
#include "common/options.h"
#include "common/scope.h"

struct settings {
    uint64_t interval_ns, size_bytes, count;
    int64_t from_ms;
    char *store, *engine;
    struct option_list targets;
    bool fast, probe;
};

static int check_store(const char *text, struct error *err)
{
    return strchr(text, ':') ? 0 : error_set(err, -EINVAL, "\"%s\" has no scheme", text);
}

static const char *const engines[] = {"auto", "perf", "proc", NULL};

static const struct option_spec specs[] = {
    {.key = "interval",
     .letter = 'i',
     .type = OPTION_DURATION,
     .fallback = "1s",
     .offset = offsetof(struct settings, interval_ns),
     .argument = "DURATION",
     .help = "time between two samples; what is shorter than the counters' update period only "
             "adds noise"},
    {.key = "store",
     .type = OPTION_STRING,
     .offset = offsetof(struct settings, store),
     .argument = "URI",
     .check = check_store,
     .help = "where records go"},
    {.key = "engine",
     .type = OPTION_CHOICE,
     .fallback = "auto",
     .choices = engines,
     .offset = offsetof(struct settings, engine),
     .argument = "NAME",
     .help = "how to count"},
    {.key = "target",
     .letter = 't',
     .type = OPTION_LIST,
     .argument = "RULE",
     .fallback = "cgroup:/**\n!comm:idle",
     .offset = offsetof(struct settings, targets),
     .help = "who is charged"},
    {.key = "fast",
     .type = OPTION_FLAG,
     .offset = offsetof(struct settings, fast),
     .help = "hurry"},
    {.key = "probe",
     .type = OPTION_FLAG,
     .flag_only = true,
     .offset = offsetof(struct settings, probe),
     .help = "look and exit"},
};

static const struct option_spec spool_specs[] = {
    {.key = "spool-size",
     .type = OPTION_SIZE,
     .fallback = "64M",
     .offset = offsetof(struct settings, size_bytes),
     .argument = "SIZE",
     .help = "at most"},
    {.key = "keep",
     .type = OPTION_COUNT,
     .offset = offsetof(struct settings, count),
     .argument = "N",
     .help = "how many"},
    {.key = "from",
     .type = OPTION_TIME,
     .offset = offsetof(struct settings, from_ms),
     .argument = "TIME",
     .help = "first"},
};

/* A folder for PROGRAM.conf and other files, and one program's options. */
struct fixture {
    char etc[64], file[128], config[128];
    struct options *options;
    struct settings settings;
    struct error err;
    int operands;
};

static int check_haste(const void *values, struct error *err)
{
    const struct settings *settings = values;
    if (settings->fast && settings->interval_ns >= 60000000000)
        return error_set(err, -EINVAL, "--fast with an --interval of a minute or more is no haste");
    return 0;
}

static int check_room(const void *values, struct error *err)
{
    const struct settings *settings = values;
    if (settings->count > settings->size_bytes)
        return error_set(err, -EINVAL, "--keep is more than --spool-size holds");
    return 0;
}

static struct option_group groups[2] = {
    {.section = "sensor", .specs = specs, .n_specs = ARRAY_SIZE(specs), .check = check_haste},
    {.section = "spool-file",
     .specs = spool_specs,
     .n_specs = ARRAY_SIZE(spool_specs),
     .check = check_room},
};

static void begin(struct fixture *f, const char *operands)
{
    options_free(f->options);
    f->options = NULL;
    memset(&f->settings, 0, sizeof(f->settings));
    memset(&f->err, 0, sizeof(f->err));
    assert_int_equal(options_new(&f->options, "watt-sensor", "Samples energy.", operands), 0);
    for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
        groups[i].values = &f->settings;
        assert_int_equal(options_add(f->options, &groups[i]), 0);
    }
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    if (!f)
        return -1;
    (void)snprintf(f->etc, sizeof(f->etc), "/tmp/test_options.XXXXXX");
    if (!mkdtemp(f->etc))
        return -1;
    (void)snprintf(f->file, sizeof(f->file), "%s/sensor.conf", f->etc);
    (void)snprintf(f->config, sizeof(f->config), "%s/own.conf", f->etc);
    begin(f, NULL);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    options_free(f->options);
    (void)unlink(f->file);
    (void)unlink(f->config);
    (void)rmdir(f->etc);
    free(f);
    return 0;
}

static void write_file(const char *path, const char *text, size_t size)
{
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    assert_int_equal(fwrite(text, 1, size, stream), size);
    assert_int_equal(fclose(stream), 0);
}

/* Parses with these arguments behind the program's name, NULL at the end. */
static int parse(struct fixture *f, ...)
{
    char *argv[16] = {(char *)"watt-sensor"};
    int argc = 1;
    va_list arguments;
    va_start(arguments, f);
    while ((argv[argc] = va_arg(arguments, char *)))
        argc++;
    va_end(arguments);
    return options_parse(f->options, argc, argv, f->etc, NULL, &f->operands, &f->err);
}

/* The same, with what it writes to standard output in text. */
#define PARSE_AND_READ(f, text, ...)                 \
    ({                                               \
        FILE *caught_ = catch_stdout();              \
        int saved_ = dup(STDOUT_FILENO);             \
        (void)dup2(fileno(caught_), STDOUT_FILENO);  \
        int result_ = parse((f), __VA_ARGS__, NULL); \
        (void)dup2(saved_, STDOUT_FILENO);           \
        (void)close(saved_);                         \
        read_caught(caught_, (text), sizeof(text));  \
        result_;                                     \
    })

static FILE *catch_stdout(void)
{
    FILE *stream = tmpfile();
    assert_non_null(stream);
    (void)fflush(stdout);
    return stream;
}

static void read_caught(FILE *stream, char *text, size_t text_size)
{
    rewind(stream);
    text[fread(text, 1, text_size - 1, stream)] = '\0';
    (void)fclose(stream);
}

/* Expects a failure whose sentence holds both parts. */
static void fails(struct fixture *f, int result, int code, const char *part, const char *other)
{
    if (result != code || !strstr(f->err.text, part) || !strstr(f->err.text, other))
        fail_msg("%d: %s", result, f->err.text);
}

static void defaults_hold(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(parse(f, NULL), 0);
    assert_int_equal(f->operands, 1);
    assert_int_equal(f->settings.interval_ns, 1000000000);
    assert_int_equal(f->settings.size_bytes, 64 << 20);
    assert_int_equal(f->settings.count, 0);
    assert_true(f->settings.from_ms == INT64_MIN);
    assert_null(f->settings.store);
    assert_string_equal(f->settings.engine, "auto");
    assert_int_equal(f->settings.targets.n_values, 2);
    assert_string_equal(f->settings.targets.values[1], "!comm:idle");
    assert_false(f->settings.fast);
}

static void flags_are_read(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(parse(f, "-i", "250ms", "--store=sqlite:/a=b", "--engine", "proc", "--target",
                           "a", "-t", "!b", "--fast", "--keep", "7", NULL),
                     0);
    assert_int_equal(f->settings.interval_ns, 250000000);
    assert_string_equal(f->settings.store, "sqlite:/a=b");
    assert_string_equal(f->settings.engine, "proc");
    assert_int_equal(f->settings.targets.n_values, 2);
    assert_string_equal(f->settings.targets.values[0], "a");
    assert_string_equal(f->settings.targets.values[1], "!b");
    assert_true(f->settings.fast);
    assert_int_equal(f->settings.count, 7);
}

static void the_last_flag_wins(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(parse(f, "--interval", "2s", "--interval=3s", "--fast", "--fast=no", NULL), 0);
    assert_int_equal(f->settings.interval_ns, 3000000000);
    assert_false(f->settings.fast);
}

static void values_may_begin_with_one_dash(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(parse(f, "--from", "-15m", "--store", "-:", NULL), 0);
    assert_true(f->settings.from_ms > 0);
    assert_string_equal(f->settings.store, "-:");
}

static void an_empty_value_is_none_where_none_is_an_answer(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(parse(f, "--target=", "--store=", "--from=", NULL), 0);
    assert_int_equal(f->settings.targets.n_values, 0);
    assert_null(f->settings.store);
    assert_true(f->settings.from_ms == INT64_MIN);
    fails(f, parse(f, "--interval=", NULL), -EINVAL, "--interval", "missing");
    fails(f, parse(f, "--engine=", NULL), -EINVAL, "--engine", "missing"); /* has a default */
}

#define WRITE(path, text) write_file((path), (text), strlen(text))

static void every_place_wins_over_the_one_before(void **state)
{
    struct fixture *f = *state;
    WRITE(f->file, "# ours\n[sensor]\ninterval = 2s\nengine = perf\ntarget = a\ntarget = b\n"
                   "store = sqlite:/etc ; a comment\n\n[spool-file]\nspool-size: 1K\nkeep = 1\n");
    WRITE(f->config, "[sensor]\r\nengine = proc\r\ntarget =\r\n   c\r\n   d\r\n   e\r\n"
                     "[spool-file]\r\nkeep = 2\r\n");
    (void)setenv("WATT_SPOOL_FILE_KEEP", "3", 1);
    (void)setenv("WATT_SENSOR_STORE", "null:", 1);
    int r = parse(f, "--config", f->config, "--keep", "4", NULL);
    (void)unsetenv("WATT_SPOOL_FILE_KEEP");
    (void)unsetenv("WATT_SENSOR_STORE");
    assert_int_equal(r, 0);
    assert_int_equal(f->settings.interval_ns, 2000000000);
    assert_int_equal(f->settings.size_bytes, 1024);
    assert_string_equal(f->settings.engine, "proc");
    assert_string_equal(f->settings.store, "null:");
    assert_int_equal(f->settings.targets.n_values, 3);
    assert_string_equal(f->settings.targets.values[2], "e");
    assert_int_equal(f->settings.count, 4);
}

static void a_variable_holds_a_list_by_lines(void **state)
{
    struct fixture *f = *state;
    (void)setenv("WATT_SENSOR_TARGET", "a\n\nb c\n", 1);
    (void)setenv("WATT_SENSOR_INTERVAL", "", 1);
    (void)setenv("WATT_OTHERPROGRAM_KEY", "x", 1);
    int r = parse(f, NULL);
    (void)unsetenv("WATT_SENSOR_TARGET");
    (void)unsetenv("WATT_SENSOR_INTERVAL");
    (void)unsetenv("WATT_OTHERPROGRAM_KEY");
    assert_int_equal(r, 0);
    assert_int_equal(f->settings.targets.n_values, 2);
    assert_string_equal(f->settings.targets.values[1], "b c");
    assert_int_equal(f->settings.interval_ns, 1000000000);
}

static void a_wrong_variable_is_named(void **state)
{
    static const struct {
        const char *name, *value, *part;
    } bad[] = {
        {"WATT_SENSOR_INTERVALL", "1s", "did you mean interval?"},
        {"WATT_SPOOL_FILE_KEPT", "1", "did you mean keep?"},
        {"WATT_SENSOR_", "1", "unknown key"},
        {"WATT_SENSOR_INTERVAL", "1", "needs a unit"},
        {"WATT_SENSOR_FAST", "maybe", "neither yes nor no"},
        {"WATT_SENSOR_PROBE", "yes", "only be given on the command line"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        begin(f, NULL);
        (void)setenv(bad[i].name, bad[i].value, 1);
        int r = parse(f, NULL);
        (void)unsetenv(bad[i].name);
        fails(f, r, -EDOM, bad[i].name, bad[i].part);
    }
}

static void a_wrong_file_is_named_with_its_line(void **state)
{
    static const struct {
        const char *text, *where, *part;
    } bad[] = {
        {"[sensor]\n\nintervall = 1s\n", "sensor.conf:3: intervall", "did you mean interval?"},
        {"[sensor]\nzzz = 1\n", "sensor.conf:2: zzz", "unknown key in [sensor]"},
        {"[sensors]\ninterval = 1s\n", "sensor.conf:2", "no such section"},
        {"interval = 1s\n", "sensor.conf:1: interval", "before any [section]"},
        {"[sensor]\nkeep = 1\n", "sensor.conf:2: keep", "unknown key in [sensor]"},
        {"[sensor]\ninterval = 1\n", "sensor.conf:2: interval", "needs a unit"},
        {"[sensor]\ninterval =\n", "sensor.conf:2: interval", "missing"},
        {"[sensor]\ninterval\n", "sensor.conf:2", "neither"},
        {"[sensor\ninterval = 1s\n", "sensor.conf:1", "neither"},
        {"[sensor]\ninterval = 1s\n[sensor]\ninterval = 2s\n", "sensor.conf:4: interval",
         "sensor.conf:2"},
        {"[sensor]\ninterval = 1s\n  2s\n", "sensor.conf:3: interval", "already set"},
        {"[sensor]\nprobe = yes\n", "sensor.conf:2: probe", "only be given on the command line"},
        {"[sensor]\nengine = turbo\n", "sensor.conf:2: engine", "auto, perf, proc"},
        {"[sensor]\nstore = here\n", "sensor.conf:2: store", "has no scheme"},
        {"[spool-file]\nspool-size = 1X\n", "sensor.conf:2: spool-size", "is no size"},
        {"[spool-file]\nspool-size = 9999999T\n", "sensor.conf:2: spool-size", "too large"},
        {"[spool-file]\nkeep = -1\n", "sensor.conf:2: keep", "no whole number"},
        {"[spool-file]\nkeep = 99999999999999999999999\n", "sensor.conf:2: keep", "too large"},
        {"[spool-file]\nfrom = soon\n", "sensor.conf:2: from", "is no time"},
        {"[sensor]\n\xff\x01 = 1\n", "sensor.conf:2: %FF%01", "unknown key"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        begin(f, NULL);
        WRITE(f->file, bad[i].text);
        fails(f, parse(f, NULL), -EDOM, bad[i].where, bad[i].part);
    }
}

static void binary_and_endless_lines_are_refused(void **state)
{
    struct fixture *f = *state;
    write_file(f->file, "[sensor]\nfa\0st = 1\n", 19);
    fails(f, parse(f, NULL), -EDOM, "sensor.conf:2", "NUL");
    static char line[200000];
    memset(line, 'x', sizeof(line));
    memcpy(line, "[sensor]\nstore = a:", 19);
    write_file(f->file, line, sizeof(line));
    begin(f, NULL);
    fails(f, parse(f, NULL), -EDOM, "sensor.conf:2", "longer than");
}

static void a_long_uri_is_read_whole(void **state)
{
    struct fixture *f = *state;
    char text[2000], uri[1000];
    memset(uri, 'h', sizeof(uri) - 1);
    uri[sizeof(uri) - 1] = '\0';
    memcpy(uri, "mongodb://", 10);
    (void)snprintf(text, sizeof(text), "[sensor]\nstore = %s\n", uri);
    WRITE(f->file, text);
    assert_int_equal(parse(f, NULL), 0);
    assert_string_equal(f->settings.store, uri);
}

static void a_file_that_is_asked_for_must_be_there(void **state)
{
    struct fixture *f = *state;
    fails(f, parse(f, "--config", f->config, NULL), -EDOM, f->config, "no such file");
    begin(f, NULL);
    fails(f, parse(f, "--config", f->etc, NULL), -EDOM, f->etc, "");
}

static void a_wrong_flag_is_named(void **state)
{
    static const struct {
        const char *first, *second, *part, *other;
    } bad[] = {
        {"--intervall", "1s", "--intervall", "did you mean --interval?"},
        {"--zzzzzz", NULL, "--zzzzzz", "unknown option"},
        {"-z", NULL, "-z", "unknown option"},
        {"-interval", "1s", "-interval", "did you mean --interval?"},
        {"--interval", NULL, "--interval", "DURATION"},
        {"--interval", "--fast", "--interval", "DURATION"},
        {"--interval", "soon", "--interval", "no duration"},
        {"--fast=perhaps", NULL, "--fast", "neither yes nor no"},
        {"--engine", "turbo", "--engine", "auto, perf, proc"},
        {"--store", "here", "--store", "has no scheme"},
        {"operand", NULL, "operand", "unexpected"},
        {"-", NULL, "\"-\"", "unexpected"},
        {"--", "x", "\"x\"", "unexpected"},
        {"--=", NULL, "--", "unknown option"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        begin(f, NULL);
        fails(f, parse(f, bad[i].first, bad[i].second, NULL), -EINVAL, bad[i].part, bad[i].other);
    }
}

static void a_password_in_argv_is_refused(void **state)
{
    struct fixture *f = *state;
    fails(f, parse(f, "--store", "mongodb://u:hunter2@h/db", NULL), -EINVAL, "WATT_SENSOR_STORE",
          "[sensor] store =");
    assert_null(strstr(f->err.text, "hunter2"));
    begin(f, NULL);
    assert_int_equal(parse(f, "--store=MongoDB+srv://u:hunter2@h/db", NULL), -EINVAL);
    begin(f, NULL);
    assert_int_equal(parse(f, "--target", "mongodb://u:hunter2@h/db", NULL), -EINVAL);
    begin(f, NULL);
    assert_int_equal(parse(f, "--store", "mongodb://u@h:27017/db", NULL), 0);
    begin(f, NULL);
    WRITE(f->file, "[sensor]\nstore = mongodb://u:hunter2@h/db\n");
    assert_int_equal(parse(f, NULL), 0);
    assert_string_equal(f->settings.store, "mongodb://u:hunter2@h/db");
}

static void operands_follow_the_options(void **state)
{
    struct fixture *f = *state;
    begin(f, "-- COMMAND...");
    assert_int_equal(parse(f, "--fast", "a", "--fast=no", NULL), 0);
    assert_int_equal(f->operands, 2);
    assert_true(f->settings.fast);
    begin(f, "FILE...");
    assert_int_equal(parse(f, "--fast", "--", "-i", NULL), 0);
    assert_int_equal(f->operands, 3);
    begin(f, "FILE...");
    assert_int_equal(parse(f, "-", NULL), 0);
    assert_int_equal(f->operands, 1);
}

static void operands_may_stand_before_options(void **state)
{
    static const struct {
        const char *words[8];
        const char *operands[4];
    } cases[] = {
        {{"a", "--fast"}, {"a"}},
        {{"a", "-i", "3s", "b", "--fast", "c"}, {"a", "b", "c"}},
        {{"a", "--fast", "--", "--fast=no", "b"}, {"a", "--fast=no", "b"}},
        {{"--fast", "a", "b"}, {"a", "b"}},
        {{"a", "b", "--fast", "--"}, {"a", "b"}},
        {{"--fast", "--", "a", "--fast=no"}, {"a", "--fast=no"}},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *argv[10] = {"watt-sensor"};
        int argc = 1;
        for (; cases[i].words[argc - 1]; argc++)
            argv[argc] = (char *)cases[i].words[argc - 1];
        begin(f, "FILE...");
        assert_int_equal(
            options_parse(f->options, argc, argv, f->etc, NULL, &f->operands, &f->err), 0);
        assert_true(f->settings.fast);
        for (int j = 0; j < argc - f->operands; j++)
            assert_string_equal(argv[f->operands + j], cases[i].operands[j]);
        assert_null(cases[i].operands[argc - f->operands]);
    }
}

static void help_says_what_the_tables_say(void **state)
{
    struct fixture *f = *state;
    char text[8192];
    assert_int_equal(PARSE_AND_READ(f, text, "--help"), OPTIONS_EXIT);
    static const char *const parts[] = {
        "Usage: watt-sensor [OPTION]...\nSamples energy.\n",
        "\n[sensor]\n  -i, --interval DURATION  time between",
        "(default: 1s)",
        "\n      --fast               hurry\n",
        "one of auto, perf, proc",
        "\n[spool-file]\n",
        "\nCommon options:\n  -h, --help ",
        "WATT_SENSOR_INTERVAL",
        "/sensor.conf",
    };
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        if (!strstr(text, parts[i]))
            fail_msg("no \"%s\" in:\n%s", parts[i], text);
}

static void help_lines_are_short(void **state)
{
    struct fixture *f = *state;
    char text[8192];
    assert_int_equal(PARSE_AND_READ(f, text, "-h"), OPTIONS_EXIT);
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        if (strcspn(line, "\n") > 80)
            fail_msg("%.*s", (int)strcspn(line, "\n"), line);
}

static void version_is_one_line(void **state)
{
    struct fixture *f = *state;
    char text[256];
    assert_int_equal(PARSE_AND_READ(f, text, "--version"), OPTIONS_EXIT);
    assert_string_equal(text, "watt-sensor " WATT_VERSION "\n");
}

static void check_config_checks_everything(void **state)
{
    struct fixture *f = *state;
    char text[256];
    assert_int_equal(PARSE_AND_READ(f, text, "--check-config"), OPTIONS_EXIT);
    assert_string_equal(text, "");
    begin(f, NULL);
    WRITE(f->file, "[sensor]\nengine = turbo\n");
    assert_int_equal(PARSE_AND_READ(f, text, "--check-config", "--engine", "auto"), -EDOM);
}

static void print_config_shows_origins_and_no_password(void **state)
{
    struct fixture *f = *state;
    char text[8192];
    WRITE(f->file, "[sensor]\nstore = mongodb://u:hunter2@h/db\ntarget = a\ntarget = user@1:b\n");
    (void)setenv("WATT_SPOOL_FILE_SPOOL_SIZE", "1G", 1);
    int r = PARSE_AND_READ(f, text, "--print-config", "-i", "5s");
    (void)unsetenv("WATT_SPOOL_FILE_SPOOL_SIZE");
    assert_int_equal(r, OPTIONS_EXIT);
    static const char *const parts[] = {
        "# from --interval\ninterval = 5s\n",
        "sensor.conf:2\nstore = mongodb://***@h/db\n",
        "\ntarget = a\ntarget = user@1:b\n",
        "\n# how to count; one of auto, perf, proc\n#engine = auto\n",
        "\n[spool-file]\n",
        "# from WATT_SPOOL_FILE_SPOOL_SIZE\nspool-size = 1G\n",
        "\n#keep =\n",
        "\n#fast = no\n",
    };
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        if (!strstr(text, parts[i]))
            fail_msg("no \"%s\" in:\n%s", parts[i], text);
    assert_null(strstr(text, "hunter2"));
    assert_null(strstr(text, "probe"));
}

/* What is printed can be read again and says the same; with every line uncommented too, where there
 * is a value. */
static void the_sample_reads_back(void **state)
{
    struct fixture *f = *state;
    char text[8192], again[8192], live[8192];
    assert_int_equal(PARSE_AND_READ(f, text, "--print-config"), OPTIONS_EXIT);
    WRITE(f->file, text);
    begin(f, NULL);
    assert_int_equal(PARSE_AND_READ(f, again, "--print-config"), OPTIONS_EXIT);
    assert_string_equal(text, again);
    size_t n = 0;
    for (const char *c = text; *c; c++)
        if (!(c[0] == '#' && c[1] != ' ' && strncmp(c, "#keep =\n", 8) != 0))
            live[n++] = *c;
    live[n] = '\0';
    WRITE(f->file, live);
    begin(f, NULL);
    if (parse(f, NULL) != 0)
        fail_msg("%s", f->err.text);
    assert_int_equal(f->settings.targets.n_values, 2);
    assert_int_equal(f->settings.size_bytes, 64 << 20);
}

static void verbose_and_quiet_set_the_level(void **state)
{
    struct fixture *f = *state;
    struct log log;
    log_init(&log, "watt-sensor");
    char *verbose[] = {(char *)"x", (char *)"-v", NULL};
    assert_int_equal(options_parse(f->options, 2, verbose, NULL, &log, &f->operands, &f->err), 0);
    assert_int_equal(log.level, LOG_LEVEL_DEBUG);
    begin(f, NULL);
    char *quiet[] = {(char *)"x", (char *)"--quiet", NULL};
    assert_int_equal(options_parse(f->options, 2, quiet, NULL, &log, &f->operands, &f->err), 0);
    assert_int_equal(log.level, LOG_LEVEL_WARNING);
}

/* Whatever they come from, once everything has been read, and before anything is answered. */
static void values_that_do_not_go_together_are_refused(void **state)
{
    static const char *const questions[] = {NULL, "--check-config", "--print-config"};
    struct fixture *f = *state;
    char text[8192];
    WRITE(f->file, "[sensor]\ninterval = 1h\n");
    for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
        begin(f, NULL);
        int r = PARSE_AND_READ(f, text, "--fast", questions[i]);
        fails(f, r, -EINVAL, "--fast", "no haste");
        assert_string_equal(text, "");
        begin(f, NULL);
        r = PARSE_AND_READ(f, text, "--keep=5", "--spool-size=4", questions[i]);
        fails(f, r, -EINVAL, "--keep", "--spool-size");
        assert_string_equal(text, "");
    }
    begin(f, NULL);
    assert_int_equal(PARSE_AND_READ(f, text, "--fast", "--help"), OPTIONS_EXIT);
    begin(f, NULL);
    assert_int_equal(parse(f, "--fast", "--interval=1s", "--check-config", NULL), OPTIONS_EXIT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults_hold),
        TEST(flags_are_read),
        TEST(the_last_flag_wins),
        TEST(values_may_begin_with_one_dash),
        TEST(an_empty_value_is_none_where_none_is_an_answer),
        TEST(every_place_wins_over_the_one_before),
        TEST(a_variable_holds_a_list_by_lines),
        TEST(a_wrong_variable_is_named),
        TEST(a_wrong_file_is_named_with_its_line),
        TEST(binary_and_endless_lines_are_refused),
        TEST(a_long_uri_is_read_whole),
        TEST(a_file_that_is_asked_for_must_be_there),
        TEST(a_wrong_flag_is_named),
        TEST(a_password_in_argv_is_refused),
        TEST(operands_follow_the_options),
        TEST(operands_may_stand_before_options),
        TEST(help_says_what_the_tables_say),
        TEST(help_lines_are_short),
        TEST(version_is_one_line),
        TEST(check_config_checks_everything),
        TEST(print_config_shows_origins_and_no_password),
        TEST(the_sample_reads_back),
        TEST(verbose_and_quiet_set_the_level),
        TEST(values_that_do_not_go_together_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
