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

static struct source_choice choose(const struct fixture *fixture)
{
    struct source_choice choice = {0};
    struct error err = {0};
    if (source_choose("auto", &fixture->host, &fixture->topology, NULL, &choice, &err) < 0)
        fail_msg("%s", err.text);
    return choice;
}

static const char *chosen(const struct source_choice *choice)
{
    return choice->n_sources == 1 ? source_table[choice->index[0]]->name : "";
}

static void a_counter_goes_before_the_curve(void **state)
{
    struct fixture *fixture = *state;
    struct source_choice choice = choose(fixture);
    assert_string_equal(chosen(&choice), "curve");
    assert_non_null(strstr(choice.why, "no energy counter"));
    make_zone(fixture, "package-0\n");
    choice = choose(fixture);
    assert_string_equal(chosen(&choice), "powercap");
    assert_string_equal(choice.why, "");
}

static void psys_alone_is_no_counter(void **state)
{
    struct fixture *fixture = *state;
    make_zone(fixture, "psys\n");
    struct source_choice choice = choose(fixture);
    assert_string_equal(chosen(&choice), "curve");
}

static void a_locked_counter_keeps_the_curve_away(void **state)
{
    struct fixture *fixture = *state;
    char path[160];
    make_zone(fixture, "package-0\n");
    (void)snprintf(path, sizeof(path), "%s/energy_uj", fixture->zone);
    assert_int_equal(chmod(path, 0), 0);
    bool is_root = geteuid() == 0;
    if (is_root)
        assert_int_equal(seteuid(65534), 0);
    struct source_choice choice = choose(fixture), insisted = {0};
    int r = source_choose("curve", &fixture->host, &fixture->topology, NULL, &insisted, NULL);
    if (is_root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(choice.n_sources, 0);
    assert_non_null(strstr(choice.why, "setcap"));
    assert_int_equal(r, 0);
    assert_string_equal(chosen(&insisted), "curve");
}

static void a_bad_table_is_refused_by_auto_too(void **state)
{
    struct fixture *fixture = *state;
    char table[96];
    char *own[] = {table};
    const void *settings[8] = {0};
    struct source_choice choice;
    struct error err = {0};
    (void)snprintf(table, sizeof(table), "%s/table.csv", fixture->root);
    put(fixture->root, "table.csv", "no table\n");
    for (size_t i = 0; source_table[i]; i++) {
        if (strcmp(source_table[i]->name, "curve") == 0)
            settings[i] = own;
    }
    assert_int_equal(
        source_choose("auto", &fixture->host, &fixture->topology, settings, &choice, &err), -EDOM);
    assert_non_null(strstr(err.text, "table.csv:1"));
}

static void unknown_names_name_the_known(void **state)
{
    struct fixture *fixture = *state;
    struct source_choice choice;
    struct error err = {0};
    assert_int_equal(
        source_choose("nonsense", &fixture->host, &fixture->topology, NULL, &choice, &err),
        -EINVAL);
    assert_non_null(strstr(err.text, "auto, perf, powercap, "));
    assert_int_equal(
        engine_choose("nonsense", GRANULARITY_PROCESS, &fixture->host, &fixture->topology, &err),
        -EINVAL);
    assert_non_null(strstr(err.text, "proc"));
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
    bson_destroy(&object);
    free(text);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
