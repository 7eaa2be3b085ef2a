/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of encoded documents, for tests that decode or store them later. */
#pragma once

#include "common/record.h"

struct kept_documents {
    struct document *documents; /* their bytes are owned copies */
    size_t n_documents, capacity;
};

/* An emit function: context is a struct kept_documents, zeroed at first. */
int keep_document(const struct document *document, void *context);
/* Writes each document as JSON, parses it and describes the result in its place. Returns 0 or a negative errno with err. */
int kept_documents_through_json(struct kept_documents *kept, struct error *err);
/* Describes each from its bytes alone, as a store does. */
int kept_documents_describe(struct kept_documents *kept, struct error *err);
void kept_documents_deinit(struct kept_documents *kept);
