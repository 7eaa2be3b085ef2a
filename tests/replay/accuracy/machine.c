/* SPDX-License-Identifier: BSD-3-Clause */
/* The truth of a target is what its own activity switches, plus its part of what is shared: the
 * clock of a core is split evenly between two siblings, the cost of an awake package by what its
 * programs cost anyway, the cost of moving lines by misses. Figures are of the order of a server
 * core of today: 2 to 6 W a thread, 20 nJ a line. */
#include "tests/replay/accuracy/machine.h"

#include <math.h>
#include <string.h>

#define LATENCY_S 80e-9
#define FULL_MISSES_PER_S 3e8 /* where the memory of a package is full */
#define SIBLING_PACE 0.64     /* of a thread whose sibling works */
#define MISS_PACKAGE_J 9e-9
#define MISS_DRAM_J 21e-9
#define MESH_W 7.0 /* the path to memory when it is full */

const struct kind kinds[] = {
    {"integer", 2.4, 0.22, 0.50, 2e-5, 2, 0.2},  {"vector", 1.8, 0.68, 0.62, 2e-4, 4, 0.3},
    {"branchy", 1.1, 0.28, 0.48, 4e-4, 2, 0.2},  {"service", 1.3, 0.32, 0.50, 1.5e-3, 2.5, 0.3},
    {"spinning", 0.6, 0.18, 0.26, 1e-6, 1, 0.1}, {"stream", 1.6, 0.30, 0.42, 2e-2, 8, 0.5},
    {"chase", 0.9, 0.25, 0.36, 1.2e-2, 1.5, 0.1}};
const unsigned n_kinds = sizeof(kinds) / sizeof(*kinds);

void machine_init(struct machine *machine, unsigned n_packages, enum clock_regime regime,
                  struct chance *chance)
{
    *machine = (struct machine){
        .n_packages = n_packages,
        .regime = regime,
        .sibling_pressure = 0.1,
        .idle_w = chance_between(chance, 14, 26),
        .awake_w = chance_between(chance, 3, 7),
        .dram_idle_w = chance_between(chance, 2, 5),
    };
    for (unsigned p = 0; p < n_packages; p++)
        machine->packages[p].clock_hz = 2.8e9;
}

void runner_init(struct runner *runner, const struct kind *kind, struct chance *chance)
{
    memset(runner, 0, sizeof(*runner));
    runner->kind = *kind;
    runner->kind.instructions_per_cycle *= chance_between(chance, 0.85, 1.15);
    runner->kind.instruction_nj *= chance_between(chance, 0.85, 1.15);
    runner->kind.cycle_nj *= chance_between(chance, 0.95, 1.05);
    runner->kind.misses_per_instruction *= chance_between(chance, 0.7, 1.4);
    runner->kind.writes_per_miss *= chance_between(chance, 0.8, 1.2);
    runner->pace = runner->heat = 1;
}

static double busy_threads(struct runner *const *runners, unsigned n_runners, unsigned package)
{
    double sum = 0;
    for (unsigned i = 0; i < n_runners; i++)
        sum += runners[i]->threads[package];
    return sum;
}

static void move_clock(struct machine *machine, struct package *package, double busy,
                       struct chance *chance)
{
    package->wander = 0.97 * package->wander + 0.24 * chance_normal(chance);
    double clock_hz = 2.8e9;
    if (machine->regime == CLOCK_TURBO) /* fewer busy cores run faster; heat takes some back */
        clock_hz = 3.75e9 - 0.085e9 * fmin(busy, 2 * CORES) + 0.05e9 * package->wander;
    else if (machine->regime == CLOCK_WANDER) /* as governors do */
        clock_hz = 2.5e9 + 0.8e9 * package->wander;
    package->clock_hz = fmin(fmax(clock_hz, 1.0e9), MAX_HZ);
}

static double squared_volts(const struct machine *machine, double clock_hz)
{
    double x = clock_hz / MAX_HZ;
    double volts = machine->is_curved ? 0.62 + 0.06 * x + 0.42 * x * x * x : 0.60 + 0.45 * x;
    return volts * volts;
}

/* The part of a thread's time in which its core's other thread works too. */
static double sibling_share(const struct machine *machine, double busy)
{
    double forced = busy > CORES ? 2 * (busy - CORES) / busy : 0;
    double chosen = machine->sibling_pressure * fmin(busy / CORES, 1);
    return fmin(fmax(forced, chosen), 1);
}

struct conditions {
    double clock_hz, squared_volts, siblings, latency_s, seconds;
};

static void run(struct runner *runner, unsigned package, const struct conditions *now)
{
    const struct kind *kind = &runner->kind;
    struct work *work = &runner->work[package];
    double cpu_s = runner->threads[package] * now->seconds;
    double cycles = cpu_s * now->clock_hz;
    double pace = kind->instructions_per_cycle * runner->pace *
                  (1 - now->siblings + SIBLING_PACE * now->siblings);
    double stall =
        kind->misses_per_instruction * now->latency_s * now->clock_hz / kind->parallel_misses;
    double instructions = cycles / (1 / pace + stall);
    double misses = instructions * kind->misses_per_instruction;
    double clocked = cycles * (1 - 0.5 * now->siblings);
    double core_j = now->squared_volts * 1e-9 *
                    (kind->instruction_nj * runner->heat * instructions + kind->cycle_nj * clocked);
    work->cpu_s += cpu_s;
    work->cycles += cycles;
    work->ref_cycles += cpu_s * BASE_HZ;
    work->instructions += instructions;
    work->misses += misses;
    work->package_j += core_j + MISS_PACKAGE_J * misses;
    work->dram_j += MISS_DRAM_J * misses * (1 + kind->writes_per_miss);
    runner->direct_j = core_j + MISS_PACKAGE_J * misses;
    runner->misses = misses;
}

static double expected_misses(struct runner *const *runners, unsigned n_runners, unsigned package,
                              double clock_hz)
{
    double sum = 0;
    for (unsigned i = 0; i < n_runners; i++) {
        const struct kind *kind = &runners[i]->kind;
        double stall = kind->misses_per_instruction * LATENCY_S * clock_hz / kind->parallel_misses;
        sum += runners[i]->threads[package] * clock_hz /
               (1 / kind->instructions_per_cycle + stall) * kind->misses_per_instruction;
    }
    return sum;
}

/* What programs of a package pay together. */
static void share_out(const struct machine *machine, struct runner *const *runners,
                      unsigned n_runners, unsigned package, double busy, double load,
                      double seconds)
{
    double awake_j = machine->awake_w * (1 - exp(-busy / 1.5)) * seconds;
    double mesh_j = MESH_W * pow(fmin(load, 1), 0.75) * seconds;
    double direct_j = 0, misses = 0;
    for (unsigned i = 0; i < n_runners; i++) {
        direct_j += runners[i]->direct_j;
        misses += runners[i]->misses;
    }
    for (unsigned i = 0; i < n_runners; i++) {
        struct work *work = &runners[i]->work[package];
        if (direct_j > 0)
            work->package_j += awake_j * runners[i]->direct_j / direct_j;
        if (misses > 0)
            work->package_j += mesh_j * runners[i]->misses / misses;
    }
}

static void step_package(struct machine *machine, struct runner *const *runners, unsigned n_runners,
                         unsigned index, double seconds, struct chance *chance)
{
    struct package *package = &machine->packages[index];
    double busy = busy_threads(runners, n_runners, index);
    move_clock(machine, package, busy, chance);
    double load = expected_misses(runners, n_runners, index, package->clock_hz) / FULL_MISSES_PER_S;
    const struct conditions now = {
        .clock_hz = package->clock_hz,
        .squared_volts = squared_volts(machine, package->clock_hz),
        .siblings = sibling_share(machine, busy),
        .latency_s = LATENCY_S * (1 + load * load),
        .seconds = seconds,
    };
    for (unsigned i = 0; i < n_runners; i++)
        run(runners[i], index, &now);
    share_out(machine, runners, n_runners, index, busy, load, seconds);
    package->idle_j += machine->idle_w * seconds;
    package->dram_idle_j += machine->dram_idle_w * seconds;
    package->aperf += busy * now.clock_hz * seconds;
    package->mperf += busy * BASE_HZ * seconds;
}

void machine_step(struct machine *machine, struct runner *const *runners, unsigned n_runners,
                  double seconds, struct chance *chance)
{
    for (unsigned i = 0; i < n_runners; i++) {
        struct runner *runner = runners[i];
        runner->pace += 0.1 * (1 - runner->pace) + 0.012 * chance_normal(chance);
        runner->heat += 0.1 * (1 - runner->heat) + 0.008 * chance_normal(chance);
    }
    for (unsigned p = 0; p < machine->n_packages; p++)
        step_package(machine, runners, n_runners, p, seconds, chance);
}
