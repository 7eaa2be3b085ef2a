/* SPDX-License-Identifier: BSD-3-Clause */
/* An update happens every update_ns, each late by up to jitter_ns (from the seed and its number),
 * and is seen lag_ns later. psys contains packages and memory, core is within its package. */
#include "tests/hwsim/energy.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/array.h"

#define KEPT_MAX 50000 /* reads of one counter */

static uint64_t monotonic_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t energy_now_ns(const struct energy *energy)
{
    return energy->machine->clock == SIM_CLOCK_SYSTEM ? monotonic_ns() - energy->start_ns
                                                      : energy->clock_ns;
}

/* splitmix64: the same for the same seed, whoever asks how often. */
static uint64_t random_of(uint64_t seed, uint64_t number)
{
    uint64_t x = seed + (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint64_t update_at_ns(const struct machine *machine, uint64_t number)
{
    uint64_t late_ns =
        machine->jitter_ns ? random_of(machine->seed, number) % machine->jitter_ns : 0;
    return number * machine->update_ns + late_ns;
}

/* The last update that is seen at a moment. */
static uint64_t as_of_ns(const struct machine *machine, uint64_t now_ns)
{
    if (now_ns < machine->lag_ns)
        return 0;
    uint64_t number = (now_ns - machine->lag_ns) / machine->update_ns;
    uint64_t at_ns = update_at_ns(machine, number);
    if (at_ns <= now_ns - machine->lag_ns)
        return at_ns;
    return number > 0 ? update_at_ns(machine, number - 1) : 0;
}

static double idle_w(const struct machine *machine, const struct counter *counter)
{
    if (counter->domain != SIM_PSYS)
        return counter->share * machine->packages[counter->package].idle_w[counter->domain];
    double sum_w = machine->psys_idle_w;
    for (int i = 0; i < machine->n_packages; i++)
        sum_w += machine->packages[i].idle_w[SIM_PACKAGE] + machine->packages[i].idle_w[SIM_DRAM];
    return sum_w;
}

static double user_w(const struct sim_user *user, const struct counter *counter)
{
    if (counter->domain == SIM_PSYS)
        return user->watts[SIM_PACKAGE] + user->watts[SIM_DRAM];
    return user->package == counter->package ? counter->share * user->watts[counter->domain] : 0;
}

double energy_idle_j(const struct energy *energy, const struct counter *counter, uint64_t at_ns)
{
    return idle_w(energy->machine, counter) * ((double)at_ns / 1e9);
}

double energy_user_j(const struct energy *energy, const struct counter *counter, int user,
                     uint64_t at_ns)
{
    double w = user_w(&energy->machine->users[user], counter);
    return w > 0 ? w * usage_cpu_s(&energy->usages[user], at_ns) : 0;
}

double energy_used_j(const struct energy *energy, const struct counter *counter, uint64_t at_ns)
{
    double sum_j = energy_idle_j(energy, counter, at_ns);
    for (int i = 0; i < energy->machine->n_users; i++)
        sum_j += energy_user_j(energy, counter, i, at_ns);
    return sum_j;
}

/* What is true as of the read's update, and at the read. */
static void compute(const struct energy *energy, const struct counter *counter,
                    struct counter_read *read)
{
    read->idle_j = energy_idle_j(energy, counter, read->as_of_ns);
    double sum_j = read->idle_j;
    for (int i = 0; i < energy->machine->n_users; i++) {
        read->users_j[i] = energy_user_j(energy, counter, i, read->as_of_ns);
        sum_j += read->users_j[i];
    }
    read->used_j = energy_used_j(energy, counter, read->at_ns);
    read->counts = (uint64_t)floor(sum_j * 1e9 / counter->unit_nj);
}

/* The fault happens at this read of the counter. */
static bool fault_is_met(const struct fault *fault, const struct counter *counter, uint64_t now_ns)
{
    return fault_is_about(fault, counter->domain, counter->package) &&
           fault_is_now(fault, counter->n_reads, now_ns);
}

static uint64_t late_by_ns(struct energy *energy, const struct counter *counter, uint64_t now_ns)
{
    uint64_t late_ns = 0;
    for (int i = 0; i < energy->script->n_faults; i++) {
        struct fault *fault = &energy->script->faults[i];
        if (fault->kind == FAULT_LATE && fault_is_met(fault, counter, now_ns))
            late_ns = FAULT_LATE_NS < now_ns ? FAULT_LATE_NS : now_ns;
    }
    return late_ns;
}

/* Faults of the read under way: an error, a value that stays, a new beginning. */
static int apply_faults(struct energy *energy, struct counter *counter, uint64_t now_ns,
                        uint64_t *counts)
{
    int error = 0;
    for (int i = 0; i < energy->script->n_faults; i++) {
        struct fault *fault = &energy->script->faults[i];
        if (!fault_is_met(fault, counter, now_ns))
            continue;
        if (fault->kind == FAULT_RESET && fault->n_hits == 0) {
            counter->base = *counts;
            counter->start = 0;
        }
        if (fault->kind == FAULT_STUCK)
            *counts = counter->shown;
        if (fault->kind == FAULT_ERROR)
            error = fault->error;
        fault->n_hits++;
    }
    return error;
}

static void keep(struct counter *counter, const struct counter_read *read)
{
    if (counter->n_kept < KEPT_MAX &&
        array_reserve(&counter->reads, &counter->capacity, counter->n_kept + 1, sizeof(*read)) == 0)
        counter->reads[counter->n_kept++] = *read;
}

int energy_read(struct energy *energy, struct counter *counter, uint32_t *ret_raw)
{
    if (energy->machine->clock == SIM_CLOCK_READS && counter == energy->counters)
        energy->clock_ns += energy->machine->step_ns;
    uint64_t now_ns = energy_now_ns(energy);
    usages_observe(energy->usages, energy->machine->n_users, now_ns);
    counter->n_reads++;
    uint64_t seen_ns = now_ns - late_by_ns(energy, counter, now_ns);
    struct counter_read read = {.at_ns = now_ns, .as_of_ns = as_of_ns(energy->machine, seen_ns)};
    compute(energy, counter, &read);
    uint64_t shown = read.counts;
    read.error = apply_faults(energy, counter, now_ns, &shown);
    if (shown > counter->shown)
        counter->shown = shown;
    read.raw = counter->start + (uint32_t)(counter->shown - counter->base);
    keep(counter, &read);
    *ret_raw = read.raw;
    return -read.error;
}

bool energy_is_gone(const struct energy *energy, int package)
{
    for (int i = 0; i < energy->script->n_faults; i++) {
        const struct fault *fault = &energy->script->faults[i];
        if (fault->kind == FAULT_VANISH && fault_is_about(fault, SIM_PACKAGE, package) &&
            fault_is_now(fault, 0, energy_now_ns(energy)))
            return true;
    }
    return false;
}

bool energy_cpu_is_gone(const struct energy *energy, int cpu)
{
    for (int i = 0; i < energy->script->n_faults; i++) {
        const struct fault *fault = &energy->script->faults[i];
        if (fault->kind == FAULT_OFFLINE && fault->cpu == cpu &&
            fault_is_now(fault, 0, energy_now_ns(energy)))
            return true;
    }
    return energy_is_gone(energy, machine_package_of(energy->machine, cpu));
}

static int part_of(const struct machine *machine, enum sim_domain domain, int cpu)
{
    if (!machine->is_amd)
        return machine_die_of(machine, cpu);
    return domain == SIM_CORE ? machine_core_of(machine, cpu) : 0;
}

struct counter *energy_counter(struct energy *energy, enum sim_domain domain, int cpu)
{
    int package = machine_package_of(energy->machine, cpu);
    int part = part_of(energy->machine, domain, cpu);
    for (int i = 0; i < energy->n_counters; i++) {
        struct counter *counter = &energy->counters[i];
        if (counter->domain == domain &&
            (domain == SIM_PSYS || (counter->package == package && counter->part == part)))
            return counter;
    }
    return NULL;
}

/* Where the counter has to start to run over at the moment of a scripted wrap. */
static void aim_wrap(const struct energy *energy, struct counter *counter)
{
    for (int i = 0; i < energy->script->n_faults; i++) {
        struct fault *fault = &energy->script->faults[i];
        if (fault->kind != FAULT_WRAP || !fault_is_about(fault, counter->domain, counter->package))
            continue;
        double idle_j = energy_idle_j(energy, counter, fault->from);
        counter->start = (uint32_t) - (uint64_t)(idle_j * 1e9 / counter->unit_nj);
        fault->n_hits++;
    }
}

static double unit_nj(const struct machine *machine, enum sim_domain domain)
{
    if (domain == SIM_DRAM && machine->dram_unit_nj > 0)
        return machine->dram_unit_nj;
    if (domain == SIM_PSYS && machine->psys_unit_nj > 0)
        return machine->psys_unit_nj;
    return machine->unit_is_uj ? ldexp(1e3, machine->energy_unit)
                               : ldexp(1e9, -machine->energy_unit);
}

/* Parts are uneven, so that taking one for another shows. */
static void add_counter(struct energy *energy, enum sim_domain domain, int package, int part,
                        int n_parts)
{
    const struct machine *machine = energy->machine;
    if (!machine->has_domain[domain])
        return;
    struct counter *counter = &energy->counters[energy->n_counters++];
    *counter = (struct counter){.domain = domain, .package = package, .part = part};
    counter->share = (part + 1) / (n_parts * (n_parts + 1) / 2.0);
    counter->unit_nj = unit_nj(machine, domain);
    counter->zone_unit_nj = (uint64_t)(counter->unit_nj * machine->zone_factor);
    counter->start =
        package < 0 ? machine->psys_start_counts : machine->packages[package].start_counts;
    aim_wrap(energy, counter);
}

static void add_die(struct energy *energy, int package, int die)
{
    const struct machine *machine = energy->machine;
    int n_cores = machine_cores_per_package(machine);
    for (int domain = 0; domain < SIM_PSYS; domain++) {
        bool is_per_core = machine->is_amd && domain == SIM_CORE;
        for (int core = 0; core < n_cores && is_per_core; core++)
            add_counter(energy, SIM_CORE, package, core, n_cores);
        if (!is_per_core)
            add_counter(energy, (enum sim_domain)domain, package, die, machine->n_dies);
    }
}

void energy_init(struct energy *energy, const struct machine *machine, struct script *script)
{
    memset(energy, 0, sizeof(*energy));
    energy->machine = machine;
    energy->script = script;
    energy->start_ns = monotonic_ns();
    for (int package = 0; package < machine->n_packages; package++) {
        for (int die = 0; die < machine->n_dies; die++)
            add_die(energy, package, die);
    }
    add_counter(energy, SIM_PSYS, -1, 0, 1);
    for (int i = 0; i < machine->n_users; i++)
        usage_init(&energy->usages[i], machine, i);
}

void energy_deinit(struct energy *energy)
{
    for (int i = 0; i < energy->n_counters; i++)
        free(energy->counters[i].reads);
    for (int i = 0; i < energy->machine->n_users; i++)
        usage_deinit(&energy->usages[i]);
}
