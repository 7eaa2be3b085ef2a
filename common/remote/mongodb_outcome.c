/* SPDX-License-Identifier: BSD-3-Clause */
/* One table from codes to meanings. Servers that only speak MongoDB's protocol announce versions
 * they do not keep, so nothing here depends on a version: codes alone decide, and one that is not
 * listed is doubtful. */
#include "common/remote/mongodb_outcome.h"

#include <stdbool.h>
#include <stddef.h>
#include <mongoc/mongoc.h>

#include "common/scope.h"

/* Source: MongoDB's error_codes.yml; 8000 is Atlas's authentication failure, 11000 the duplicate
 * key. */
static const struct {
    uint32_t code;
    enum mongodb_outcome outcome;
} server_codes[] = {
    {2, MONGODB_POISON},                                /* BadValue */
    {6, MONGODB_AGAIN},                                 /* HostUnreachable */
    {7, MONGODB_AGAIN},                                 /* HostNotFound */
    {13, MONGODB_ACCESS},                               /* Unauthorized */
    {18, MONGODB_ACCESS},                               /* AuthenticationFailed */
    {22, MONGODB_POISON},                               /* InvalidBSON */
    {89, MONGODB_AGAIN},                                /* NetworkTimeout */
    {91, MONGODB_AGAIN},                                /* ShutdownInProgress */
    {121, MONGODB_POISON},                              /* DocumentValidationFailure */
    {189, MONGODB_AGAIN},                               /* PrimarySteppedDown */
    {262, MONGODB_AGAIN},                               /* ExceededTimeLimit */
    {8000, MONGODB_ACCESS},                             /* AtlasError */
    {9001, MONGODB_AGAIN},                              /* SocketException */
    {10107, MONGODB_AGAIN},                             /* NotWritablePrimary */
    {10334, MONGODB_POISON},                            /* BSONObjectTooLarge */
    {11000, MONGODB_DUPLICATE}, {11600, MONGODB_AGAIN}, /* InterruptedAtShutdown */
    {11602, MONGODB_AGAIN},                             /* InterruptedDueToReplStateChange */
    {13435, MONGODB_AGAIN},                             /* NotPrimaryNoSecondaryOk */
    {13436, MONGODB_AGAIN},                             /* NotPrimaryOrSecondary */
    {14031, MONGODB_AGAIN},                             /* OutOfDiskSpace */
    {17280, MONGODB_POISON},                            /* KeyTooLong */
};

enum mongodb_outcome mongodb_server_outcome(uint32_t code)
{
    for (size_t i = 0; i < ARRAY_SIZE(server_codes); i++)
        if (server_codes[i].code == code)
            return server_codes[i].outcome;
    return MONGODB_DOUBTFUL;
}

/* The driver's own errors. A connection that ends in mid-command is doubtful because a server may
 * have ended it over a document it cannot digest. */
static enum mongodb_outcome driver_outcome(uint32_t domain, uint32_t code)
{
    if (domain == MONGOC_ERROR_CLIENT && code == MONGOC_ERROR_CLIENT_AUTHENTICATE)
        return MONGODB_ACCESS;
    if (domain == MONGOC_ERROR_SASL || domain == MONGOC_ERROR_SCRAM)
        return MONGODB_ACCESS;
    if (domain == MONGOC_ERROR_BSON)
        return MONGODB_POISON;
    if (domain == MONGOC_ERROR_SERVER_SELECTION)
        return MONGODB_AGAIN;
    return MONGODB_DOUBTFUL;
}

enum mongodb_outcome mongodb_outcome(uint32_t domain, uint32_t code)
{
    bool is_from_server = domain == MONGOC_ERROR_SERVER || domain == MONGOC_ERROR_WRITE_CONCERN;
    return is_from_server ? mongodb_server_outcome(code) : driver_outcome(domain, code);
}
