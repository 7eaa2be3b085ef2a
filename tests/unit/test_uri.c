/* SPDX-License-Identifier: BSD-3-Clause */
/* URIs are split as written, refused with the known forms, and shown without their secrets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "common/error.h"
#include "common/remote_scheme.h"
#include "common/scope.h"
#include "common/uri.h"

static void is_split(const char *text, const char *scheme, const char *rest)
{
    struct error err = {0};
    struct uri uri;
    assert_int_equal(uri_parse(text, &uri, &err), 0);
    assert_string_equal(uri.scheme, scheme);
    assert_string_equal(uri.rest, rest);
    uri_deinit(&uri);
    uri_deinit(&uri);
}

static void splits_at_the_first_colon(void **state)
{
    (void)state;
    is_split("sqlite:/var/lib/a:b", "sqlite", "/var/lib/a:b");
    is_split("jsonl:-", "jsonl", "-");
    is_split("null:", "null", "");
    is_split("MongoDB+SRV://u:p@h/db?x=1", "mongodb+srv", "//u:p@h/db?x=1");
    is_split("tcp://[::1]:9080", "tcp", "//[::1]:9080");
    is_split("csv:dir with spaces/%41", "csv", "dir with spaces/%41");
}

static void refuses_what_has_no_scheme(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "/var/lib/wattribute",
        ":x",
        "1a:x",
        "a b:x",
        "no-colon",
        "\xff:x",
        "averyveryverylongschemename:x",
        "sqlite:/a\nb",
        "sqlite:\x7f",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct error err = {0};
        struct uri uri = {.scheme = "kept"};
        assert_int_equal(uri_parse(bad[i], &uri, &err), -EINVAL);
        assert_string_equal(uri.scheme, "kept");
        assert_non_null(strstr(err.text, "sqlite:DIR"));
        assert_null(strchr(err.text, '\n'));
    }
}

static void a_refusal_shows_no_password(void **state)
{
    (void)state;
    struct error err = {0};
    struct uri uri;
    assert_int_equal(uri_parse("/user:hunter2@host/db", &uri, &err), -EINVAL);
    assert_null(strstr(err.text, "hunter2"));
}

static const struct {
    const char *uri, *shown;
} redactions[] = {
    {"mongodb://u:p@h:27017/db?replicaSet=a", "mongodb://***@h:27017/db?replicaSet=a"},
    {"mongodb+srv://u@h/db", "mongodb+srv://***@h/db"},
    {"mongodb://h1,h2/db", "mongodb://h1,h2/db"},
    {"mongodb://u:p@ss@h/db", "mongodb://***@h/db"},
    {"mongodb://u:p/w@h/db", "mongodb://***@h/db"},
    {"mongodb://u:p?w@h/db", "mongodb://***@h/db"},
    {"mongodb://u:p@s?w@h/db", "mongodb://***@h/db"},
    {"mongodb://u:p/s?w@h/db?tls=true", "mongodb://***@h/db?tls=true"},
    {"mongodb://h:1/db?appName=a@b", "mongodb://h:1/db?appName=a@b"},
    {"mongodb://h/db?tlsCertificateKeyFilePassword=s3&tls=true",
     "mongodb://h/db?tlsCertificateKeyFilePassword=***&tls=true"},
    {"mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:s3",
     "mongodb://h/?authMechanismProperties=***"},
    {"user:p@h/db", "***@h/db"},
    {"mongodb:u:p@h", "***@h"},
    {"mongo db://u:p@h", "***@h"},
    {"tcp://h:1", "tcp://h:1"},
    {"sqlite:/a@b:c@d", "sqlite:/a@b:c@d"},
    {"jsonl:///x@y", "jsonl:///x@y"},
    {"", ""},
};

static void secrets_are_hidden(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(redactions); i++) {
        char text[200];
        assert_ptr_equal(uri_redact(redactions[i].uri, text, sizeof(text)), text);
        assert_string_equal(text, redactions[i].shown);
    }
}

static void a_short_buffer_cuts(void **state)
{
    (void)state;
    const char *uri = "mongodb://u:p@h/db?password=x";
    char full[100], text[100];
    (void)uri_redact(uri, full, sizeof(full));
    for (size_t size = 1; size < sizeof(text); size++) {
        memset(text, 'x', sizeof(text));
        (void)uri_redact(uri, text, size);
        size_t length = strlen(full) < size ? strlen(full) : size - 1;
        assert_int_equal(strlen(text), length);
        assert_memory_equal(text, full, length);
    }
    text[0] = 'x';
    (void)uri_redact(uri, text, 0);
    assert_int_equal(text[0], 'x');
}

static void passwords_are_seen(void **state)
{
    (void)state;
    assert_true(uri_has_password("mongodb://u:p@h/db"));
    assert_true(uri_has_password("mongodb://u:p@ss?w@h"));
    assert_true(uri_has_password("mongodb+srv://u:@h"));
    assert_true(uri_has_password("mongodb://h/db?tls=true&tlsCertificateKeyFilePassword=x"));
    assert_false(uri_has_password("mongodb://u@h:27017/db"));
    assert_false(uri_has_password("mongodb://h:27017/db?appName=a@b"));
    assert_false(uri_has_password("sqlite:/a:b@c"));
    assert_false(uri_has_password("-"));
}

static void remote_is_told_by_scheme(void **state)
{
    (void)state;
    assert_true(uri_is_remote("mongodb://h"));
    assert_true(uri_is_remote("MONGODB+SRV://h"));
    assert_false(uri_is_remote("mongodb:h"));
    assert_false(uri_is_remote("sqlite:mongodb://h"));
    assert_false(uri_is_remote(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_at_the_first_colon),   cmocka_unit_test(refuses_what_has_no_scheme),
        cmocka_unit_test(a_refusal_shows_no_password), cmocka_unit_test(secrets_are_hidden),
        cmocka_unit_test(a_short_buffer_cuts),         cmocka_unit_test(passwords_are_seen),
        cmocka_unit_test(remote_is_told_by_scheme),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
