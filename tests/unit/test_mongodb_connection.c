/* SPDX-License-Identifier: BSD-3-Clause */
/* A URI or credentials file that cannot work is refused before anybody is asked, without a word of
 * the password. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <mongoc/mongoc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "common/remote/mongodb_connection.h"
#include "common/remote/remote.h"
#include "common/uri.h"

static int connect_to(const char *text, const char *credentials, struct error *err)
{
    struct uri uri = {0};
    struct mongodb_connection connection = {0};
    assert_int_equal(uri_parse(text, &uri, err), 0);
    int r = mongodb_connection_init(&connection, &uri, credentials, err);
    uri_deinit(&uri);
    mongodb_connection_deinit(&connection);
    return r;
}

static void uris_are_checked(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(connect_to("mongodb://127.0.0.1:1/power", NULL, &err), 0);
    assert_int_equal(connect_to("mongodb://127.0.0.1:1", NULL, &err), -EINVAL);
    assert_non_null(strstr(err.text, "mongodb://HOST/DATABASE"));
    assert_int_equal(connect_to("mongodb://127.0.0.1:1/?w=1", NULL, &err), -EINVAL);
    assert_int_equal(connect_to("mongodb://127.0.0.1:1/power?w=0", NULL, &err), -EINVAL);
    assert_non_null(strstr(err.text, "w=0"));
    assert_int_equal(connect_to("mongodb:nowhere", NULL, &err), -EINVAL);
    assert_int_equal(connect_to("mongodb://u:s3cr:et@h/power", NULL, &err), -EINVAL);
    assert_null(strstr(err.text, "s3cr"));
    assert_int_equal(connect_to("mongodb://h:99999/power", NULL, &err), -EINVAL);
    assert_int_equal(connect_to("mongodb://u:s3cret@h/power?tls=perhaps&tls=%zz", NULL, &err),
                     -EINVAL);
    assert_null(strstr(err.text, "s3cret"));
}

static void write_file(const char *path, const char *text, size_t size, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, size), (ssize_t)size);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

static int apply(const char *path, mongoc_uri_t **uri, struct error *err)
{
    *uri = mongoc_uri_new("mongodb://h:1/power");
    assert_non_null(*uri);
    return mongodb_credentials_apply(path, uri, err);
}

static void user_and_password_are_taken_as_they_are(void **state)
{
    const char *path = *state;
    mongoc_uri_t *uri;
    struct error err = {0};
    write_file(path, "anna:p@ss:w/rd%20\n", 18, 0640);
    assert_int_equal(apply(path, &uri, &err), 0);
    assert_string_equal(mongoc_uri_get_username(uri), "anna");
    assert_string_equal(mongoc_uri_get_password(uri), "p@ss:w/rd%20");
    assert_string_equal(mongoc_uri_get_database(uri), "power");
    mongoc_uri_destroy(uri);
}

static void a_whole_uri_takes_the_place(void **state)
{
    const char *path = *state;
    mongoc_uri_t *uri;
    struct error err = {0};
    const char text[] = "mongodb://u:p@db.example:27/?authSource=admin";
    write_file(path, text, sizeof(text) - 1, 0600);
    assert_int_equal(apply(path, &uri, &err), 0);
    assert_string_equal(mongoc_uri_get_hosts(uri)->host_and_port, "db.example:27");
    assert_string_equal(mongoc_uri_get_database(uri), "power");
    assert_string_equal(mongoc_uri_get_auth_source(uri), "admin");
    mongoc_uri_destroy(uri);
}

static void refused(const char *path, const char *text, size_t size, mode_t mode, const char *word)
{
    mongoc_uri_t *uri;
    struct error err = {0};
    write_file(path, text, size, mode);
    assert_int_equal(apply(path, &uri, &err), -EDOM);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, word));
    assert_null(strstr(err.text, "s3cret"));
    assert_string_equal(mongoc_uri_get_hosts(uri)->host_and_port, "h:1");
    mongoc_uri_destroy(uri);
}

static void bad_files_are_refused(void **state)
{
    const char *path = *state;
    char huge[8192];
    memset(huge, 'a', sizeof(huge));
    refused(path, "u:s3cret", 8, 0644, "chmod");
    refused(path, "u:s3cret", 8, 0602, "chmod");
    refused(path, "", 0, 0600, "one line");
    refused(path, "\n", 1, 0600, "one line");
    refused(path, "s3cret", 6, 0600, "user:password");
    refused(path, ":s3cret", 7, 0600, "user:password");
    refused(path, "u:", 2, 0600, "user:password");
    refused(path, "u:s3cret\nmore", 13, 0600, "one line");
    refused(path, "u:\0s3cret", 9, 0600, "one line");
    refused(path, "u:s3cret\xff", 9, 0600, "UTF-8");
    refused(path, huge, sizeof(huge), 0600, "one line");
    refused(path, "mongodb://u:s3cret@", 19, 0600, "URI");
    mongoc_uri_t *uri;
    struct error err = {0};
    assert_int_equal(apply("/nonexistent/file", &uri, &err), -EDOM);
    mongoc_uri_destroy(uri);
    assert_int_equal(apply("/", &uri, &err), -EDOM);
    mongoc_uri_destroy(uri);
}

static int set_up(void **state)
{
    static char path[] = "/tmp/watt-credentials-XXXXXX";
    int fd = mkstemp(path);
    *state = path;
    remote_init(NULL);
    return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state)
{
    remote_cleanup();
    return unlink(*state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uris_are_checked),
        cmocka_unit_test(user_and_password_are_taken_as_they_are),
        cmocka_unit_test(a_whole_uri_takes_the_place),
        cmocka_unit_test(bad_files_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
