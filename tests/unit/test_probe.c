/* SPDX-License-Identifier: BSD-3-Clause */
/* The ladder: measured before estimated, and no estimate where a counter is only locked. What is
 * chosen is what
 * --probe says. */
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
#include "common/json_text.h"
#include "sensor/engine_choice.h"
#include "sensor/ladder.h"
#include "sensor/probe.h"

struct fixture {
    char root[64], zone[128], stat[96];
    struct host host;
    struct topology topology;
};

static void put(const char *folder, const char *file, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, file);
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    assert_true(fputs(text, stream) >= 0);
    assert_int_equal(fclose(stream), 0);
}

static void make_zone(struct fixture *fixture, const char *name)
{
    char path[128];
    static const char *const folders[] = {"class", "class/powercap", "class/powercap/intel-rapl:0"};
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", fixture->root, folders[i]);
        assert_int_equal(mkdir(path, 0755), 0);
    }
    (void)snprintf(fixture->zone, sizeof(fixture->zone), "%s", path);
    put(path, "name", name);
    put(path, "max_energy_range_uj", "262143328850\n");
    put(path, "energy_uj", "5\n");
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (!fixture)
        return -1;
    (void)snprintf(fixture->root, sizeof(fixture->root), "/tmp/test_probe_XXXXXX");
    if (!mkdtemp(fixture->root) || chmod(fixture->root, 0755) < 0)
        return -1;
    fixture->host = (struct host){.sysfs = fixture->root,
                                  .procfs = fixture->root,
                                  .devfs = fixture->root,
                                  .clock = &clock_system};
    put(fixture->root, "stat", "cpu  1 2 3 4\n");
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", fixture->root);
    int status = system(command);
    free(fixture);
    return status;
}

/* The names of the sources in use, and why in why[256]. */
static const char *choose(const struct fixture *fixture, const char *energy, char *why)
{
    static char names[64];
    const struct ladder_settings settings = {.energy = energy};
    struct ladder ladder;
    struct error err = {0};
    if (ladder_open(&ladder, &settings, &fixture->host, &fixture->topology, &err) < 0) {
        (void)snprintf(why, 256, "%s", err.text);
        return "failed";
    }
    names[0] = '\0';
    for (size_t i = 0; i < ladder.n_sources; i++) {
        size_t length = strlen(names);
        (void)snprintf(names + length, sizeof(names) - length, "%s%s", i ? " " : "",
                       ladder.sources[i]->ops->name);
    }
    (void)snprintf(why, 256, "%s", ladder.why);
    ladder_close(&ladder);
    return names;
}

static void a_counter_goes_before_the_curve(void **state)
{
    struct fixture *fixture = *state;
    char why[256];
    assert_string_equal(choose(fixture, "auto", why), "curve");
    assert_non_null(strstr(why, "no energy counter"));
    make_zone(fixture, "package-0\n");
    assert_string_equal(choose(fixture, "auto", why), "powercap");
    assert_string_equal(why, "");
}

static void psys_alone_is_no_counter(void **state)
{
    struct fixture *fixture = *state;
    char why[256];
    make_zone(fixture, "psys\n");
    assert_string_equal(choose(fixture, "auto", why), "powercap curve");
}

static void a_locked_counter_keeps_the_curve_away(void **state)
{
    struct fixture *fixture = *state;
    char path[160], why[256], insisted[64], unused[256];
    make_zone(fixture, "package-0\n");
    (void)snprintf(path, sizeof(path), "%s/energy_uj", fixture->zone);
    assert_int_equal(chmod(path, 0), 0);
    bool is_root = geteuid() == 0;
    if (is_root)
        assert_int_equal(seteuid(65534), 0);
    (void)snprintf(insisted, sizeof(insisted), "%s", choose(fixture, "curve", unused));
    const char *chosen = choose(fixture, "auto", why);
    if (is_root)
        assert_int_equal(seteuid(0), 0);
    assert_string_equal(chosen, "");
    assert_non_null(strstr(why, "setcap"));
    assert_string_equal(insisted, "curve");
}

static void a_bad_table_is_refused_by_auto_too(void **state)
{
    struct fixture *fixture = *state;
    char table[96];
    char *own[] = {table};
    const void *settings[8] = {0};
    struct ladder ladder;
    struct error err = {0};
    (void)snprintf(table, sizeof(table), "%s/table.csv", fixture->root);
    put(fixture->root, "table.csv", "no table\n");
    for (size_t i = 0; source_table[i]; i++) {
        if (strcmp(source_table[i]->name, "curve") == 0)
            settings[i] = own;
    }
    const struct ladder_settings wanted = {.energy = "auto", .source_settings = settings};
    assert_int_equal(ladder_open(&ladder, &wanted, &fixture->host, &fixture->topology, &err),
                     -EDOM);
    assert_non_null(strstr(err.text, "table.csv:1"));
}

static void unknown_names_name_the_known(void **state)
{
    struct fixture *fixture = *state;
    struct error err = {0};
    char why[256];
    assert_string_equal(choose(fixture, "nonsense", why), "failed");
    assert_non_null(strstr(why, "auto, perf, powercap, "));
    struct engine *engine;
    struct sensor_settings settings = {.engine = "nonsense", .granularity = GRANULARITY_PROCESS};
    assert_int_equal(
        engine_open(&engine, &settings, 0, &fixture->host, &fixture->topology, &err), -EINVAL);
    assert_non_null(strstr(err.text, "proc"));
    assert_non_null(strstr(err.text, "none"));
    settings.engine = "none";
    assert_int_equal(
        engine_open(&engine, &settings, 0, &fixture->host, &fixture->topology, &err), ENGINE_NONE);
    assert_null(engine);
}

static void the_probe_says_what_would_be_chosen(void **state)
{
    struct fixture *fixture = *state;
    struct sensor_settings settings = {
        .name = "node", .energy = "auto", .engine = "auto", .granularity = GRANULARITY_PROCESS};
    char *text = NULL;
    size_t size = 0;
    struct error err = {0};
    make_zone(fixture, "package-0\n");
    FILE *stream = open_memstream(&text, &size);
    assert_non_null(stream);
    if (probe_write(stream, &settings, &fixture->host, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(fclose(stream), 0);
    assert_int_equal(text[size - 1], '\n');
    bson_t object;
    bson_iter_t field, found;
    assert_int_equal(json_parse(text, size - 1, &object, &err), 0);
    for (size_t i = 0; source_table[i]; i++) {
        char path[48];
        (void)snprintf(path, sizeof(path), "sources.%zu.name", i);
        assert_true(bson_iter_init(&field, &object) &&
                    bson_iter_find_descendant(&field, path, &found));
        assert_string_equal(bson_iter_utf8(&found, NULL), source_table[i]->name);
        (void)snprintf(path, sizeof(path), "sources.%zu.chosen", i);
        assert_true(bson_iter_init(&field, &object) &&
                    bson_iter_find_descendant(&field, path, &found));
        assert_int_equal(bson_iter_bool(&found), strcmp(source_table[i]->name, "powercap") == 0);
    }
    assert_true(bson_iter_init_find(&field, &object, "energy") && bson_iter_bool(&field));
    static const char *const said[] = {
        "source",   "range_uj",   "peak_w", "wrap_s", "longest_interval_ns",
        "includes", "leaves_out", "checks"};
    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
        char path[48];
        (void)snprintf(path, sizeof(path), "domains.0.%s", said[i]);
        if (!bson_iter_init(&field, &object) || !bson_iter_find_descendant(&field, path, &found))
            fail_msg("the probe does not say %s", path);
    }
    assert_true(bson_iter_init(&field, &object) &&
                bson_iter_find_descendant(&field, "events.0", &found));
    assert_string_equal(bson_iter_utf8(&found, NULL), "cpu_ns");
    assert_false(bson_has_field(&object, "events.1") || bson_has_field(&object, "events_why"));
    bson_destroy(&object);
    free(text);
}

/* A driver that hangs is waited for once. */
static void a_source_is_probed_once(void **state)
{
    struct fixture *fixture = *state;
    char path[160], world[160], starts[160], text[8] = "";
    char *own[] = {(char *)NVML_STUB};
    const void *of_sources[LADDER_SOURCES_MAX] = {0};
    static const char *const folders[] = {"bus", "bus/pci", "bus/pci/devices",
                                          "bus/pci/devices/0000:41:00.0"};
    struct error err = {0};
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", fixture->root, folders[i]);
        assert_int_equal(mkdir(path, 0755), 0);
    }
    put(path, "class", "0x030200\n");
    put(path, "vendor", "0x10de\n");
    put(fixture->root, "world", "init 9\n"); /* the driver is not loaded */
    (void)snprintf(world, sizeof(world), "%s/world", fixture->root);
    (void)snprintf(starts, sizeof(starts), "%s/starts", fixture->root);
    assert_int_equal(setenv("NVML_STUB_WORLD", world, 1), 0);
    assert_int_equal(setenv("NVML_STUB_STARTS", starts, 1), 0);
    for (size_t i = 0; source_table[i]; i++)
        of_sources[i] = strcmp(source_table[i]->name, "nvml") == 0 ? own : NULL;
    struct sensor_settings settings = {.name = "node",
                                       .energy = "auto",
                                       .engine = "auto",
                                       .granularity = GRANULARITY_PROCESS,
                                       .source_settings = of_sources};
    FILE *stream = fopen("/dev/null", "w");
    assert_non_null(stream);
    if (probe_write(stream, &settings, &fixture->host, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(fclose(stream), 0);
    stream = fopen(starts, "r");
    assert_non_null(stream);
    assert_int_equal(fread(text, 1, sizeof(text) - 1, stream), 2);
    assert_string_equal(text, "9\n");
    assert_int_equal(fclose(stream), 0);
}

#define WITH_MACHINE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_MACHINE(a_counter_goes_before_the_curve),
        WITH_MACHINE(psys_alone_is_no_counter),
        WITH_MACHINE(a_locked_counter_keeps_the_curve_away),
        WITH_MACHINE(a_bad_table_is_refused_by_auto_too),
        WITH_MACHINE(unknown_names_name_the_known),
        WITH_MACHINE(the_probe_says_what_would_be_chosen),
        WITH_MACHINE(a_source_is_probed_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
