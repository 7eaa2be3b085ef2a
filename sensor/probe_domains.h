/* SPDX-License-Identifier: BSD-3-Clause */
/* The part of --probe that says what is measured, domain by domain (docs/records.md, "Probe": domains[]). */
#pragma once

#include <bson/bson.h>

#include "sensor/ladder.h"

/* Looks at an open ladder for a short time (counter_look.h) and appends the array. -ENOMEM. */
int probe_append_domains(bson_t *object, struct ladder *ladder, const struct topology *topology);
