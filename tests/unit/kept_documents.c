/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of encoded documents. */
#include "tests/unit/kept_documents.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"
#include "common/error.h"
#include "common/json_text.h"

int keep_document(const struct document *document, void *context)
{
    struct kept_documents *kept = context;
    uint8_t *bytes = malloc(document->size_bytes);
    if (!bytes || array_reserve(&kept->documents, &kept->capacity, kept->n_documents + 1,
                                sizeof(*kept->documents)) < 0) {
        free(bytes);
        return -ENOMEM;
    }
    memcpy(bytes, document->bytes, document->size_bytes);
    struct document *copy = &kept->documents[kept->n_documents++];
    *copy = *document;
    copy->bytes = bytes;
    return 0;
}

static int replace(struct document *document, const uint8_t *bytes, size_t size, struct error *err)
{
    uint8_t *copy = malloc(size);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, bytes, size);
    struct document described;
    int r = document_describe(copy, size, &described, err);
    if (r < 0) {
        free(copy);
        return r;
    }
    free((void *)(uintptr_t)document->bytes);
    *document = described;
    return 0;
}

static int through_json(struct document *document, struct error *err)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    bson_t bson;
    if (!stream)
        return -ENOMEM;
    int r = bson_init_static(&bson, document->bytes, document->size_bytes)
                ? json_write(stream, &bson, err)
                : error_set(err, -EBADMSG, "no BSON");
    if (fclose(stream) != 0 && r == 0)
        r = -ENOMEM;
    if (r == 0)
        r = json_parse(text, size, &bson, err);
    free(text);
    if (r < 0)
        return r;
    r = replace(document, bson_get_data(&bson), bson.len, err);
    bson_destroy(&bson);
    return r;
}

int kept_documents_through_json(struct kept_documents *kept, struct error *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < kept->n_documents; i++)
        r = through_json(&kept->documents[i], err);
    return r;
}

int kept_documents_describe(struct kept_documents *kept, struct error *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < kept->n_documents; i++) {
        struct document *document = &kept->documents[i];
        r = replace(document, document->bytes, document->size_bytes, err);
    }
    return r;
}

void kept_documents_deinit(struct kept_documents *kept)
{
    for (size_t i = 0; i < kept->n_documents; i++)
        free((void *)(uintptr_t)kept->documents[i].bytes);
    free(kept->documents);
    *kept = (struct kept_documents){0};
}
