/* SPDX-License-Identifier: BSD-3-Clause */
/* Every error of driver and server leads to the one action that loses nothing and never goes on for
 * ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mongoc/mongoc.h>

#include "common/remote/mongodb_outcome.h"

static void duplicates_are_success(void **state)
{
    (void)state;
    assert_int_equal(mongodb_server_outcome(11000), MONGODB_DUPLICATE);
    assert_int_equal(mongodb_outcome(MONGOC_ERROR_SERVER, 11000), MONGODB_DUPLICATE);
}

static void what_never_fits_is_poison(void **state)
{
    (void)state;
    const uint32_t codes[] = {2, 22, 121, 10334, 17280};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        assert_int_equal(mongodb_server_outcome(codes[i]), MONGODB_POISON);
    assert_int_equal(mongodb_outcome(MONGOC_ERROR_BSON, MONGOC_ERROR_BSON_INVALID), MONGODB_POISON);
}

static void a_server_that_moves_is_tried_again(void **state)
{
    (void)state;
    const uint32_t codes[] = {6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        assert_int_equal(mongodb_outcome(MONGOC_ERROR_SERVER, codes[i]), MONGODB_AGAIN);
    assert_int_equal(
        mongodb_outcome(MONGOC_ERROR_SERVER_SELECTION, MONGOC_ERROR_SERVER_SELECTION_FAILURE),
        MONGODB_AGAIN);
}

static void credentials_are_a_persons_to_mend(void **state)
{
    (void)state;
    assert_int_equal(mongodb_outcome(MONGOC_ERROR_SERVER, 13), MONGODB_ACCESS);
    assert_int_equal(mongodb_outcome(MONGOC_ERROR_SERVER, 18), MONGODB_ACCESS);
    assert_int_equal(mongodb_outcome(MONGOC_ERROR_SERVER, 8000), MONGODB_ACCESS);
    assert_int_equal(mongodb_outcome(MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_AUTHENTICATE),
                     MONGODB_ACCESS);
}

/* The driver's numbers overlap the server's: 11000 of another domain is no duplicate. */
static void the_rest_is_doubtful(void **state)
{
    (void)state;
    assert_int_equal(mongodb_outcome(MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_SOCKET),
                     MONGODB_DOUBTFUL);
    assert_int_equal(mongodb_outcome(MONGOC_ERROR_STREAM, 11000), MONGODB_DOUBTFUL);
    assert_int_equal(mongodb_outcome(MONGOC_ERROR_SERVER, 4711), MONGODB_DOUBTFUL);
    assert_int_equal(mongodb_outcome(0, 0), MONGODB_DOUBTFUL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(duplicates_are_success),
        cmocka_unit_test(what_never_fits_is_poison),
        cmocka_unit_test(a_server_that_moves_is_tried_again),
        cmocka_unit_test(credentials_are_a_persons_to_mend),
        cmocka_unit_test(the_rest_is_doubtful),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
