/* SPDX-License-Identifier: BSD-3-Clause */
/* A process found ended at some moment is in no tick that began after it; once such a tick has come
 * its line is complete. Whoever is named nevertheless lives elsewhere, or records lag. Sweeping when
 * as many have come as live costs each of them a fixed number of looks. */
#include "cli/sweep.h"

#include "cli/process_tree.h"
#include "common/record.h"

static bool is_over(struct identity *identity, const struct sweep *sweep, int64_t now_ms,
                    int64_t before_ms)
{
    const struct process_key key = {identity->pid, identity->start_ticks};
    if (identity->pid == VALUE_ABSENT)
        return false;
    if (identity->gone_ms == VALUE_ABSENT && !process_key_lives(&key))
        identity->gone_ms = now_ms;
    return identity->gone_ms != VALUE_ABSENT && identity->gone_ms < before_ms &&
           (identity->named_ms == VALUE_ABSENT ||
            identity->named_ms < before_ms - sweep->keep_ms);
}

static void keep_largest(const struct sweep *sweep, struct live *live)
{
    struct energy_entry *const *entries;
    size_t n_entries;
    if (sweep->n_kept_lines == 0)
        return;
    energy_sum_sort(live->targets, ENERGY_BY_JOULES, &entries, &n_entries);
    for (size_t i = 0; i < n_entries && i < sweep->n_kept_lines && entries[i]->dynamic_uj > 0; i++)
        entries[i]->identity->is_dropped = false;
}

bool sweep_processes(struct sweep *sweep, struct live *live, int64_t now_ms,
                     void (*fold)(const struct energy_entry *entry, void *context), void *context)
{
    size_t n, n_alive = 0;
    struct identity *const *all = identities_all(live->identities, &n);
    if (n < (sweep->n_next ? sweep->n_next : SWEEP_MIN) || live->n_ticks < 2)
        return false;
    for (size_t i = 0; i < n; i++) {
        all[i]->is_dropped = is_over(all[i], sweep, now_ms, live->before_ms);
        n_alive += all[i]->gone_ms == VALUE_ABSENT;
    }
    keep_largest(sweep, live);
    energy_sum_drop(live->targets, fold, context);
    if (live->units)
        energy_sum_drop(live->units, NULL, NULL);
    n = identities_drop(live->identities);
    sweep->n_next = n + (n_alive > SWEEP_MIN ? n_alive : SWEEP_MIN);
    return true;
}
