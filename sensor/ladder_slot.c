/* SPDX-License-Identifier: BSD-3-Clause */
#include "sensor/ladder_slot.h"

#include <string.h>

#include "common/scope.h"

#define PAUSE_MAX_NS INT64_C(600000000000)

bool ladder_slot_refuses(const struct ladder_slot *slot, const struct energy_sample *sample)
{
    if (!sample->valid || !slot->source[0] || strcmp(slot->source, sample->source) == 0)
        return false;
    int64_t from_ns = sample->skew_ns - sample->dt_ns;
    return from_ns < slot->until_ns - (sample->skew_ns - slot->until_ns) / 2;
}

static bool is_failure(const struct energy_sample *sample)
{
    static const char *const failures[] = {
        "permission",  "read_error", "vanished",       "cpu_offline",
        "no_answer",   "no_range",   "implausible",    "stuck",
        "counter_reset", "reset_required",
    };
    for (size_t i = 0; i < ARRAY_SIZE(failures) && !sample->valid; i++) {
        if (strcmp(sample->reason, failures[i]) == 0)
            return true;
    }
    return false;
}

static bool settle(struct ladder_slot *slot, const struct energy_sample *sample)
{
    if (!slot->settled[0])
        word_copy(slot->settled, sample->source);
    if (strcmp(slot->settled, sample->source) == 0) {
        slot->other_since_ns = 0;
        return false;
    }
    if (!slot->other_since_ns)
        slot->other_since_ns = sample->skew_ns;
    if (sample->skew_ns - slot->other_since_ns < LADDER_SLOT_PATIENCE_NS)
        return false;
    word_copy(slot->settled, sample->source);
    slot->other_since_ns = 0;
    return true;
}

bool ladder_slot_note(struct ladder_slot *slot, const struct energy_sample *sample)
{
    if (sample->valid) {
        word_copy(slot->source, sample->source);
        slot->until_ns = sample->skew_ns;
        slot->failing_since_ns = 0;
        return settle(slot, sample);
    }
    if (!slot->failing_since_ns && is_failure(sample)) {
        slot->failing_since_ns = sample->skew_ns;
        slot->pause_ns = LADDER_SLOT_PATIENCE_NS;
        slot->retry_ns = sample->skew_ns + slot->pause_ns;
    }
    return false;
}

bool ladder_slot_wants_another(const struct ladder_slot *slot, int64_t now_ns)
{
    return slot->failing_since_ns && now_ns >= slot->retry_ns;
}

void ladder_slot_note_try(struct ladder_slot *slot, int64_t now_ns)
{
    slot->pause_ns = slot->pause_ns < PAUSE_MAX_NS / 2 ? 2 * slot->pause_ns : PAUSE_MAX_NS;
    slot->retry_ns = now_ns + slot->pause_ns;
}
