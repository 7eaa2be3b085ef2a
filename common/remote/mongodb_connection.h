/* SPDX-License-Identifier: BSD-3-Clause */
/* The way to one database: the driver's client pool, made from a URI and perhaps a credentials file. */
#pragma once

#include <bson/bson.h>

struct error;
struct uri;

/* As the driver declares them, so that this compiles where it is not installed. */
typedef struct _mongoc_client_pool_t mongoc_client_pool_t;
typedef struct _mongoc_client_t mongoc_client_t;
typedef struct _mongoc_uri_t mongoc_uri_t;

struct mongodb_connection {
    mongoc_client_pool_t *pool;
    char *database;
    char *hosts; /* "host:port,host:port", for messages: never a user or password */
};

/* Checks the URI, reads credentials_file (NULL: none) and makes the pool; talks to nobody yet. Time-outs and the application's name are set
 * where the URI is silent. -EINVAL: the URI (malformed, no database, w=0); -EDOM: the credentials file; -ENOMEM. */
int mongodb_connection_init(struct mongodb_connection *connection, const struct uri *uri, const char *credentials_file,
                            struct error *err);
/* Whether the driver understands the URI; the database may come with the credentials. To be called before remote_init(). -EINVAL, -ENOMEM. */
int mongodb_check_uri(const struct uri *uri, struct error *err);
void mongodb_connection_deinit(struct mongodb_connection *connection); /* zeroed is fine */

/* 0 when the server answers and lets us in; else as mongodb_failure says. */
int mongodb_ping(const struct mongodb_connection *connection, mongoc_client_t *client, struct error *err);

/* Makes a sentence of a driver's error: which hosts, what happened, what to do. Returns -EACCES (who we are or what we may do),
 * -EHOSTUNREACH (no server found) or -EIO (anything else). */
int mongodb_failure(const struct mongodb_connection *connection, const bson_error_t *cause, struct error *err);

/* The credentials file: one line, "user:password" (as they are, nothing escaped) or a whole mongodb:// URI, which then takes the place of *uri
 * but for a missing database. A file that others may read is refused. -EDOM, -ENOMEM. */
int mongodb_credentials_apply(const char *path, mongoc_uri_t **uri, struct error *err);
