/* SPDX-License-Identifier: BSD-3-Clause */
/* Which events of an energy PMU may be opened here, and what to say where none may. */
#pragma once

struct error;
struct event_set;
struct host;
struct power_pmu;
struct source_probe;

/* Keeps in pmu and set the events that open on some listed CPU. Returns 0, or why the last one did not if none does. */
int power_pmu_choose(struct power_pmu *pmu, struct event_set *set);
/* Says in err what power_pmu_choose returned and what to type; returns r. */
int power_pmu_refuse(const struct power_pmu *pmu, const struct host *host, int r, struct error *err);
/* A source's probe, of one PMU. */
void power_pmu_probe(const char *name, const struct host *host, struct source_probe *ret_probe);
