/* SPDX-License-Identifier: BSD-3-Clause */
/* The engines there are, best first: "auto" takes the first that is usable for the granularity
 * asked for. */
#include <stddef.h>

#include "sensor/engine.h"

extern const struct engine_ops counters_bpf, counters_perf, counters_proc;

const struct engine_ops *const engine_table[] = {
#ifdef WATT_BPF
    &counters_bpf,
#endif
    &counters_perf,
    &counters_proc,
    NULL,
};
