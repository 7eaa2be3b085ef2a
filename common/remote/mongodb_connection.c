/* SPDX-License-Identifier: BSD-3-Clause */
/* A pool rather than a single client, because only the pool watches the servers in the background:
 * a single client blocks its caller for that. The driver's default time-outs are minutes; ours are
 * seconds, as whoever waits here holds up a spool or a person. */
#include "common/remote/mongodb_connection.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <mongoc/mongoc.h>
#include <sys/stat.h>

#include "common/error.h"
#include "common/remote/mongodb_outcome.h"
#include "common/scope.h"
#include "common/uri.h"

#define CREDENTIALS_SIZE 4096
#define POOL_SIZE 2

static const struct {
    const char *option;
    int32_t value_ms;
} timeouts[] = {
    {MONGOC_URI_SERVERSELECTIONTIMEOUTMS, 2000},
    {MONGOC_URI_CONNECTTIMEOUTMS, 2000},
    {MONGOC_URI_SOCKETTIMEOUTMS, 10000},
};

static void scope_uri(mongoc_uri_t **uri)
{
    mongoc_uri_destroy(*uri);
}

static int credentials_read(const char *path, char text[static CREDENTIALS_SIZE], struct error *err)
{
    SCOPED(scope_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0)
        return error_set(err, -EDOM, "credentials-file %s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return error_set(err, -EDOM, "credentials-file %s: not a regular file", path);
    if (status.st_mode & S_IRWXO)
        return error_set(
            err, -EDOM,
            "credentials-file %s: every user may read or change it; type: chmod o-rwx '%s'", path,
            path);
    ssize_t size = read(fd, text, CREDENTIALS_SIZE);
    if (size < 0)
        return error_set(err, -EDOM, "credentials-file %s: %s", path, strerror(errno));
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r'))
        size--;
    if (size == 0 || size == CREDENTIALS_SIZE || memchr(text, '\n', (size_t)size) ||
        memchr(text, '\0', (size_t)size))
        return error_set(err, -EDOM,
                         "credentials-file %s: must hold one line, user:password or a mongodb:// "
                         "URI",
                         path);
    text[size] = '\0';
    return 0;
}

/* The driver's reason may repeat a piece of the password, so with a user in the URI it is ours. */
static const char *uri_complaint(const char *text, const bson_error_t *cause)
{
    return strchr(text, '@') ? "check it piece by piece; in user and password write @ as %40, : as "
                               "%3A, / as %2F, % as %25"
                             : cause->message;
}

static int credentials_replace_uri(const char *path, const char *text, mongoc_uri_t **uri,
                                   struct error *err)
{
    bson_error_t cause;
    SCOPED(scope_uri) mongoc_uri_t *whole = mongoc_uri_new_with_error(text, &cause);
    if (!whole)
        return error_set(err, -EDOM, "credentials-file %s: not a MongoDB URI: %s", path,
                         uri_complaint(text, &cause));
    const char *database = mongoc_uri_get_database(*uri);
    if (!mongoc_uri_get_database(whole) && database && !mongoc_uri_set_database(whole, database))
        return -ENOMEM;
    mongoc_uri_destroy(*uri);
    *uri = STEAL(whole);
    return 0;
}

int mongodb_credentials_apply(const char *path, mongoc_uri_t **uri, struct error *err)
{
    char text[CREDENTIALS_SIZE];
    int r = credentials_read(path, text, err);
    if (r < 0)
        return r;
    if (!strncmp(text, "mongodb://", strlen("mongodb://"))) {
        r = credentials_replace_uri(path, text, uri, err);
    } else {
        char *colon = strchr(text, ':');
        if (colon)
            *colon = '\0';
        if (!colon || colon == text || !colon[1] || !mongoc_uri_set_username(*uri, text) ||
            !mongoc_uri_set_password(*uri, colon + 1))
            r = error_set(err, -EDOM,
                          "credentials-file %s: must hold one line, user:password (UTF-8) or a "
                          "mongodb:// URI",
                          path);
    }
    explicit_bzero(text, sizeof(text));
    return r;
}

static int uri_complete(mongoc_uri_t *uri, struct error *err)
{
    const char *database = mongoc_uri_get_database(uri);
    if (!database || !*database)
        return error_set(err, -EINVAL, "the database is missing: write mongodb://HOST/DATABASE");
    const mongoc_write_concern_t *concern = mongoc_uri_get_write_concern(uri);
    if (concern && !mongoc_write_concern_is_acknowledged(concern))
        return error_set(err, -EINVAL,
                         "w=0 would lose records unnoticed: leave it out or write w=majority");
    for (size_t i = 0; i < ARRAY_SIZE(timeouts); i++)
        if (!mongoc_uri_has_option(uri, timeouts[i].option) &&
            !mongoc_uri_set_option_as_int32(uri, timeouts[i].option, timeouts[i].value_ms))
            return -ENOMEM;
    if (!mongoc_uri_has_option(uri, MONGOC_URI_MAXPOOLSIZE) &&
        !mongoc_uri_set_option_as_int32(uri, MONGOC_URI_MAXPOOLSIZE, POOL_SIZE))
        return -ENOMEM;
    if (!mongoc_uri_get_appname(uri) && !mongoc_uri_set_appname(uri, "wattribute/" WATT_VERSION))
        return -ENOMEM;
    return 0;
}

static char *hosts_text(const mongoc_uri_t *uri)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    if (!stream)
        return NULL;
    for (const mongoc_host_list_t *host = mongoc_uri_get_hosts(uri); host; host = host->next)
        (void)fprintf(stream, "%s%s", host->host_and_port, host->next ? "," : "");
    if (fclose(stream) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static int uri_parse_text(const struct uri *uri, mongoc_uri_t **ret_uri, struct error *err)
{
    char *text = NULL;
    if (asprintf(&text, "%s:%s", uri->scheme, uri->rest) < 0)
        return -ENOMEM;
    bson_error_t cause;
    mongoc_uri_t *read = mongoc_uri_new_with_error(text, &cause);
    int r = 0;
    if (read)
        *ret_uri = read;
    else
        r = error_set(err, -EINVAL, "not a MongoDB URI (mongodb://HOST[:PORT]/DATABASE): %s",
                      uri_complaint(text, &cause));
    explicit_bzero(text, strlen(text));
    free(text);
    return r;
}

static int uri_read(const struct uri *uri, const char *credentials_file, mongoc_uri_t **ret_uri,
                    struct error *err)
{
    SCOPED(scope_uri) mongoc_uri_t *read = NULL;
    int r = uri_parse_text(uri, &read, err);
    if (r < 0)
        return r;
    r = credentials_file ? mongodb_credentials_apply(credentials_file, &read, err) : 0;
    if (r == 0)
        r = uri_complete(read, err);
    if (r == 0)
        *ret_uri = STEAL(read);
    return r;
}

int mongodb_check_uri(const struct uri *uri, struct error *err)
{
    SCOPED(scope_uri) mongoc_uri_t *unused = NULL;
    mongoc_log_set_handler(NULL, NULL); /* remote_init() comes later, and err says it all */
    return uri_parse_text(uri, &unused, err);
}

int mongodb_connection_init(struct mongodb_connection *connection, const struct uri *uri,
                            const char *credentials_file, struct error *err)
{
    SCOPED(scope_uri) mongoc_uri_t *whole = NULL;
    int r = uri_read(uri, credentials_file, &whole, err);
    if (r < 0)
        return r;
    bson_error_t cause;
    struct mongodb_connection made = {
        .database = strdup(mongoc_uri_get_database(whole)),
        .hosts = hosts_text(whole),
        .pool = mongoc_client_pool_new_with_error(whole, &cause),
    };
    if (!made.pool) {
        r = error_set(err, -EINVAL, "the driver does not accept the URI: %s", cause.message);
    } else if (!made.database || !made.hosts ||
               !mongoc_client_pool_set_error_api(made.pool, MONGOC_ERROR_API_VERSION_2)) {
        r = -ENOMEM;
    } else {
        *connection = made;
        return 0;
    }
    mongodb_connection_deinit(&made);
    return r;
}

void mongodb_connection_deinit(struct mongodb_connection *connection)
{
    if (connection->pool)
        mongoc_client_pool_destroy(connection->pool);
    free(connection->database);
    free(connection->hosts);
    *connection = (struct mongodb_connection){0};
}

int mongodb_ping(const struct mongodb_connection *connection, mongoc_client_t *client,
                 struct error *err)
{
    bson_t ping = BSON_INITIALIZER;
    (void)BSON_APPEND_INT32(&ping, "ping", 1);
    bson_error_t cause = {0};
    bool is_answered =
        mongoc_client_command_simple(client, connection->database, &ping, NULL, NULL, &cause);
    bson_destroy(&ping);
    return is_answered ? 0 : mongodb_failure(connection, &cause, err);
}

int mongodb_failure(const struct mongodb_connection *connection, const bson_error_t *cause,
                    struct error *err)
{
    const char *hosts = connection->hosts;
    if (mongodb_outcome(cause->domain, cause->code) == MONGODB_ACCESS)
        return error_set(err, -EACCES,
                         "MongoDB at %s refuses us: %s; check user, password and authSource, and "
                         "the user's role in database \"%s\"",
                         hosts, cause->message, connection->database);
    if (cause->domain == MONGOC_ERROR_SERVER_SELECTION)
        return error_set(err, -EHOSTUNREACH,
                         "no MongoDB server answers at %s: %s; check that it runs, the host and "
                         "port in the URI, and tls=true if it demands TLS",
                         hosts, cause->message);
    return error_set(err, -EIO, "MongoDB at %s: %s (error %u/%u)", hosts, cause->message,
                     cause->domain, cause->code);
}
