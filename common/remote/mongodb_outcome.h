/* SPDX-License-Identifier: BSD-3-Clause */
/* What an error of the MongoDB driver or server means for documents on their way: success, poison, or send again. */
#pragma once

#include <stdint.h>

enum mongodb_outcome {
    MONGODB_DUPLICATE, /* the id is there already: success */
    MONGODB_POISON,    /* the server will never take this document */
    MONGODB_AGAIN,     /* not now: send the same bytes again, as often as it takes */
    MONGODB_DOUBTFUL,  /* nobody knows: send again, but not for ever, the document itself may be the cause */
    MONGODB_ACCESS,    /* who we are, or what we may do: a person must act */
};

/* domain and code as bson_error_t holds them (error api 2). */
enum mongodb_outcome mongodb_outcome(uint32_t domain, uint32_t code);

/* The same for a code of the server itself, as writeErrors list it. */
enum mongodb_outcome mongodb_server_outcome(uint32_t code);
