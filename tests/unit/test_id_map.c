/* SPDX-License-Identifier: BSD-3-Clause */
/* The map agrees with a plain array through many additions and removals, also when everything
 * collides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sensor/id_map.h"

#define N 3000

static void empty_map_knows_nothing(void **state)
{
    (void)state;
    struct id_map map = {0};
    assert_null(id_map_get(&map, 0));
    id_map_remove(&map, 7);
    id_map_deinit(&map);
}

static void agrees_with_an_array(void **state)
{
    (void)state;
    static char values[N];
    static char *model[N];
    struct id_map map = {0};
    uint64_t random = 1;
    for (int step = 0; step < 60000; step++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        size_t i = (size_t)(random >> 33) % N;
        uint64_t id = i % 2 ? i : (uint64_t)i << 40;
        assert_ptr_equal(id_map_get(&map, id), model[i]);
        if (random >> 63) {
            assert_int_equal(id_map_put(&map, id, &values[i]), 0);
            model[i] = &values[i];
        } else {
            id_map_remove(&map, id);
            model[i] = NULL;
        }
    }
    size_t n_used = 0;
    for (size_t i = 0; i < N; i++) {
        n_used += model[i] != NULL;
        assert_ptr_equal(id_map_get(&map, i % 2 ? i : (uint64_t)i << 40), model[i]);
    }
    assert_int_equal(map.n_used, n_used);
    id_map_deinit(&map);
    id_map_deinit(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_map_knows_nothing),
        cmocka_unit_test(agrees_with_an_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
