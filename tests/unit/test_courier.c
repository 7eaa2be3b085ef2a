/* SPDX-License-Identifier: BSD-3-Clause */
/* The courier carries everything once and in order, from one embedded store to another: the store's
 * interface is the same wherever the records go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/scope.h"
#include "common/store/position_file.h"
#include "courier/courier.h"
#include "tests/unit/store_fixture.h"

#define PATH_SIZE 512

struct route {
    char spool[PATH_SIZE], remote[PATH_SIZE], position[PATH_SIZE], from[PATH_SIZE], to[PATH_SIZE];
};

static struct courier_settings route_make(struct route *route, const char *folder)
{
    (void)snprintf(route->spool, PATH_SIZE, "sqlite:%s/spool", folder);
    (void)snprintf(route->remote, PATH_SIZE, "sqlite:%s/remote", folder);
    (void)snprintf(route->position, PATH_SIZE, "%s/courier.position", folder);
    (void)snprintf(route->from, PATH_SIZE, "%s/spool", folder);
    (void)snprintf(route->to, PATH_SIZE, "%s/remote", folder);
    return (struct courier_settings){
        .spool = route->spool,
        .remote = route->remote,
        .stores = fixture_tables,
        .position_file = route->position,
        .batch_documents = 3,
        .batch_bytes = 1 << 20,
    };
}

static struct courier *make(const struct courier_settings *settings)
{
    struct courier *courier = NULL;
    struct error err = {0};
    if (courier_new(&courier, settings, NULL, NULL, &err) < 0)
        fail_msg("%s", err.text);
    return courier;
}

static int step(struct courier *courier, uint64_t *wait_ns)
{
    struct error err = {0};
    int outcome = courier_step(courier, wait_ns, &err);
    if (outcome < 0)
        fail_msg("%s", err.text);
    return outcome;
}

static void write_spool(const struct route *route, uint64_t first, uint64_t n)
{
    struct store *store = fixture_open("sqlite", route->from, STORE_WRITE);
    for (uint64_t seq = first; seq < first + n; seq++)
        fixture_append(store, RECORD_RAW, seq, "");
    store_close(store);
}

static void assert_remote(const struct route *route, const char *expected)
{
    char text[1000];
    struct store *store = fixture_open("sqlite", route->to, STORE_READ);
    assert_string_equal(fixture_query_list(store, &fixture_all, text, sizeof(text)), expected);
    store_close(store);
}

static void everything_is_carried_in_batches(void **state)
{
    struct route route;
    const struct courier_settings settings = route_make(&route, *state);
    uint64_t wait_ns = 1;
    write_spool(&route, 0, 7);
    struct courier *courier = make(&settings);
    for (int i = 0; i < 3; i++)
        assert_int_equal(step(courier, &wait_ns), COURIER_MOVED);
    assert_int_equal(step(courier, &wait_ns), COURIER_IDLE);
    assert_int_equal(wait_ns, 0);
    assert_remote(&route, "raw0 raw1 raw2 raw3 raw4 raw5 raw6");
    write_spool(&route, 7, 1);
    assert_int_equal(step(courier, &wait_ns), COURIER_MOVED);
    assert_int_equal(step(courier, &wait_ns), COURIER_IDLE);
    courier_free(courier);
    assert_remote(&route, "raw0 raw1 raw2 raw3 raw4 raw5 raw6 raw7");
}

static void the_next_courier_goes_on_where_it_ended(void **state)
{
    struct route route;
    const struct courier_settings settings = route_make(&route, *state);
    char position[POSITION_SIZE], later[POSITION_SIZE];
    uint64_t wait_ns;
    write_spool(&route, 0, 5);
    struct courier *courier = make(&settings);
    assert_int_equal(step(courier, &wait_ns), COURIER_MOVED);
    courier_free(courier);
    assert_int_equal(position_file_load(route.position, position, NULL), 0);
    assert_remote(&route, "raw0 raw1 raw2");

    courier = make(&settings);
    assert_int_equal(step(courier, &wait_ns), COURIER_MOVED);
    assert_int_equal(step(courier, &wait_ns), COURIER_IDLE);
    courier_free(courier);
    assert_int_equal(position_file_load(route.position, later, NULL), 0);
    assert_string_not_equal(position, later);
    assert_remote(&route, "raw0 raw1 raw2 raw3 raw4");
}

/* A position that was never saved costs a batch sent twice, and the remote knows the ids. */
static void a_lost_position_doubles_nothing(void **state)
{
    struct route route;
    const struct courier_settings settings = route_make(&route, *state);
    uint64_t wait_ns;
    write_spool(&route, 0, 4);
    for (int i = 0; i < 2; i++) {
        struct courier *courier = make(&settings);
        assert_int_equal(step(courier, &wait_ns), COURIER_MOVED);
        assert_int_equal(step(courier, &wait_ns), COURIER_MOVED);
        courier_free(courier);
        assert_int_equal(unlink(route.position), 0);
    }
    assert_remote(&route, "raw0 raw1 raw2 raw3");
}

static void an_absent_remote_is_waited_for(void **state)
{
    struct route route;
    const struct courier_settings settings = route_make(&route, *state);
    uint64_t wait_ns = 0;
    char position[POSITION_SIZE];
    write_spool(&route, 0, 2);
    /* A file where the folder should be. */
    FILE *file = fopen(route.to, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    struct courier *courier = make(&settings);
    const uint64_t expected_s[] = {1, 2, 4, 8, 16, 32, 60, 60};
    for (size_t i = 0; i < ARRAY_SIZE(expected_s); i++) {
        assert_int_equal(step(courier, &wait_ns), COURIER_AWAY);
        assert_int_equal(wait_ns, expected_s[i] * NS_PER_S);
    }
    assert_int_equal(position_file_load(route.position, position, NULL), 0);
    assert_string_equal(position, "");
    assert_int_equal(unlink(route.to), 0);
    assert_int_equal(step(courier, &wait_ns), COURIER_MOVED);
    assert_int_equal(step(courier, &wait_ns), COURIER_IDLE);
    courier_free(courier);
    assert_remote(&route, "raw0 raw1");
}

static void an_absent_spool_may_appear(void **state)
{
    struct route route;
    const struct courier_settings settings = route_make(&route, *state);
    uint64_t wait_ns = 0;
    struct courier *courier = make(&settings);
    assert_int_equal(step(courier, &wait_ns), COURIER_AWAY);
    assert_int_equal(wait_ns, NS_PER_S);
    write_spool(&route, 0, 1);
    assert_int_equal(step(courier, &wait_ns), COURIER_MOVED);
    courier_free(courier);
    assert_remote(&route, "raw0");
}

static void only_what_a_sensor_writes_is_carried(void **state)
{
    struct route route;
    const struct courier_settings settings = route_make(&route, *state);
    uint64_t wait_ns;
    write_spool(&route, 0, 1);
    struct store *store = fixture_open("sqlite", route.from, STORE_WRITE);
    fixture_append(store, RECORD_POWER, 0, "auto");
    fixture_append(store, RECORD_HOST, 1, "");
    fixture_append(store, RECORD_TARGET, 1, "");
    store_close(store);
    struct courier *courier = make(&settings);
    assert_int_equal(step(courier, &wait_ns), COURIER_MOVED);
    assert_int_equal(step(courier, &wait_ns), COURIER_IDLE);
    courier_free(courier);
    assert_remote(&route, "raw0 host1 target1");
}

static void what_can_never_work_is_refused(void **state)
{
    struct route route;
    struct courier_settings settings = route_make(&route, *state);
    struct courier *courier = NULL;
    struct error err = {0};
    settings.remote = "nowhere:x";
    assert_int_equal(courier_new(&courier, &settings, NULL, NULL, &err), -EINVAL);
    assert_non_null(strstr(err.text, "nowhere"));
    settings = route_make(&route, *state);
    settings.spool = "x";
    assert_int_equal(courier_new(&courier, &settings, NULL, NULL, &err), -EINVAL);
    settings = route_make(&route, *state);
    FILE *file = fopen(route.position, "w");
    assert_non_null(file);
    assert_true(fputs("one\ntwo\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    err = (struct error){0};
    assert_int_equal(courier_new(&courier, &settings, NULL, NULL, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "courier.position"));
    assert_null(courier);
}

#define IN_FOLDER(test) \
    cmocka_unit_test_setup_teardown(test, fixture_make_folder, fixture_remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(everything_is_carried_in_batches),
        IN_FOLDER(the_next_courier_goes_on_where_it_ended),
        IN_FOLDER(a_lost_position_doubles_nothing),
        IN_FOLDER(an_absent_remote_is_waited_for),
        IN_FOLDER(an_absent_spool_may_appear),
        IN_FOLDER(only_what_a_sensor_writes_is_carried),
        IN_FOLDER(what_can_never_work_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
