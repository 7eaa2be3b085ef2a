/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs hold a level of load for half a minute or so and then choose another, tremble around it,
 * sleep now and then, and sometimes the whole machine rests: what a model can learn idle from. */
#include "tests/replay/accuracy/scenario.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/array.h"

#define STEP_S 0.25
#define FIRST_PID 1000

const struct scenario scenarios[] = {
    {"steady", "fixed clock, a dozen programs of different kinds", 1, 12, CLOCK_FIXED, .load = 5},
    {"turbo", "the clock moves with the busy cores", 1, 12, CLOCK_TURBO, .load = 5},
    {"hyper_threads", "more threads than cores: siblings share a core's cost", 1, 12, CLOCK_FIXED,
     .load = 9, .siblings = 0.7},
    {"nonlinear", "a wandering clock whose voltage rises steeply", 1, 12, CLOCK_WANDER,
     .is_curved = true},
    {"churn", "programs restart and are replaced", 1, 16, CLOCK_TURBO, .restarts_per_s = 0.15},
    {"short_lived", "half the load lives for one to eight seconds", 1, 8, CLOCK_TURBO, .load = 3,
     .jobs_per_s = 0.6},
    {"memory", "half of the programs wait for memory", 1, 12, CLOCK_TURBO, .is_memory_bound = true},
    {"sockets", "two packages with clocks of their own, programs move", 2, 24, CLOCK_TURBO,
     .load = 5},
    {"multiplexed", "counters that run for a part of the time", 1, 12, CLOCK_TURBO,
     .is_multiplexed = true},
    {"missed", "one tick in eight is late by one to four periods", 1, 12, CLOCK_TURBO,
     .missed_share = 0.125},
    {"unmonitored", "a third of the programs have no target", 1, 15, CLOCK_TURBO,
     .unmonitored_share = 0.34},
    {"never_idle", "the machine never rests", 1, 12, CLOCK_TURBO, .load = 7, .is_never_idle = true},
    {"pairs", "two heavy programs of unlike kinds at a time", 1, 6, CLOCK_FIXED, .load = 8,
     .is_pairs = true},
    {"outliers", "energies that cannot be right", 1, 12, CLOCK_TURBO, .outlier_share = 0.015},
};
const size_t n_scenarios = sizeof(scenarios) / sizeof(*scenarios);

const struct scenario *scenario_find(const char *name)
{
    for (size_t i = 0; i < n_scenarios; i++)
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    return NULL;
}

static void name_process(struct world *world, struct program *program)
{
    program->pid = world->next_pid;
    world->next_pid += 1 + chance_below(&world->chance, 7);
    program->start_ticks = 100000 + (int64_t)(world->now_s * 100);
    program->is_announced = false;
    (void)snprintf(program->target, sizeof(program->target), "%s:%lld@%lld", program->cgroup,
                   (long long)program->pid, (long long)program->start_ticks);
}

static const struct kind *choose_kind(struct world *world, unsigned number)
{
    static const char *const unlike[] = {"vector",   "stream", "integer",
                                         "spinning", "chase",  "branchy"};
    if (world->scenario->is_pairs) {
        for (unsigned i = 0; i < n_kinds; i++)
            if (strcmp(kinds[i].name, unlike[number % 6]) == 0)
                return &kinds[i];
    }
    if (world->scenario->is_memory_bound && number % 2 == 0)
        return &kinds[n_kinds - 1 - number / 2 % 2]; /* the last two */
    if (number < n_kinds)
        return &kinds[number];
    return &kinds[chance_below(&world->chance, n_kinds)];
}

static void choose_level(struct world *world, struct program *program)
{
    const struct scenario *scenario = world->scenario;
    double load = (scenario->load > 0 ? scenario->load : 5) * scenario->n_packages;
    double mean = load / world->n_wanted;
    if (chance_is(&world->chance, 0.2))
        program->level = 0.01 * mean;
    else
        program->level = mean * chance_between(&world->chance, 0.1, 2.4);
}

static void be_someone(struct world *world, struct program *program)
{
    unsigned number = world->n_born++;
    const struct kind *kind = choose_kind(world, number);
    runner_init(&program->runner, kind, &world->chance);
    (void)snprintf(program->command, sizeof(program->command), "%s%u", kind->name, number);
    (void)snprintf(program->cgroup, sizeof(program->cgroup), "/system.slice/%s.service",
                   program->command);
}

static int add_program(struct world *world, struct program **ret_program)
{
    int r = array_reserve(&world->programs, &world->programs_capacity, world->n_programs + 1,
                          sizeof(*world->programs));
    struct program *program = r < 0 ? NULL : calloc(1, sizeof(*program));
    if (!program)
        return -ENOMEM;
    program->is_monitored = true;
    program->ends_at_s = INFINITY;
    program->place = chance_between(&world->chance, 0, 1) < 0.5 ? 0.95 : 0.05;
    world->programs[world->n_programs++] = program;
    *ret_program = program;
    return 0;
}

int world_init(struct world *world, const struct scenario *scenario, unsigned n_programs,
               uint64_t seed)
{
    memset(world, 0, sizeof(*world));
    world->scenario = scenario;
    world->chance.state = seed * UINT64_C(1000003);
    for (const char *letter = scenario->name; *letter; letter++)
        world->chance.state = world->chance.state * 31 + (unsigned char)*letter;
    world->next_pid = FIRST_PID;
    machine_init(&world->machine, scenario->n_packages, scenario->regime, &world->chance);
    world->machine.is_curved = scenario->is_curved;
    if (scenario->siblings > 0)
        world->machine.sibling_pressure = scenario->siblings;
    if (n_programs == 0)
        n_programs = scenario->n_programs;
    world->n_wanted = n_programs;
    for (unsigned i = 0; i < n_programs; i++) {
        struct program *program;
        int r = add_program(world, &program);
        if (r < 0)
            return r;
        be_someone(world, program);
        name_process(world, program);
        choose_level(world, program);
        program->is_monitored = i >= scenario->unmonitored_share * n_programs;
    }
    return 0;
}

void world_deinit(struct world *world)
{
    for (size_t i = 0; i < world->n_programs; i++)
        free(world->programs[i]);
    free(world->programs);
}

static int begin_job(struct world *world)
{
    struct program *program;
    int r = add_program(world, &program);
    if (r < 0)
        return r;
    unsigned number = chance_below(&world->chance, 5); /* the same few commands again and again */
    runner_init(&program->runner, &kinds[number], &world->chance);
    (void)snprintf(program->command, sizeof(program->command), "job%u", number);
    (void)snprintf(program->cgroup, sizeof(program->cgroup), "/user.slice/job%u.scope", number);
    name_process(world, program);
    program->is_job = true;
    program->level = chance_between(&world->chance, 0.5, 2);
    program->ends_at_s = world->now_s + chance_between(&world->chance, 1, 8);
    return 0;
}

/* The old process stays for its counts of this tick. Half of the successors are of the same kind in
 * the same cgroup. */
static int restart(struct world *world, size_t index)
{
    struct program *program;
    int r = add_program(world, &program);
    if (r < 0)
        return r;
    struct program *old = world->programs[index];
    if (chance_is(&world->chance, 0.5)) {
        program->runner = old->runner;
        memset(program->runner.work, 0, sizeof(program->runner.work));
        memcpy(program->command, old->command, sizeof(program->command));
        memcpy(program->cgroup, old->cgroup, sizeof(program->cgroup));
    } else {
        be_someone(world, program);
    }
    name_process(world, program);
    program->is_monitored = old->is_monitored;
    program->level = old->level;
    old->ends_at_s = world->now_s;
    return 0;
}

/* Which two of the pairs' programs run, or one alone, for 40 s each. */
static bool is_paired(const struct world *world, size_t index)
{
    static const unsigned char turns[][2] = {{0, 1}, {2, 2}, {2, 3}, {0, 4}, {1, 1}, {1, 5},
                                             {0, 0}, {3, 4}, {0, 2}, {5, 5}, {1, 2}, {3, 5}};
    size_t turn = (size_t)(world->now_s / 40) % (sizeof(turns) / sizeof(*turns));
    return turns[turn][0] == index || turns[turn][1] == index;
}

static double wanted_threads(struct world *world, size_t index)
{
    struct program *program = world->programs[index];
    if (world->now_s >= program->ends_at_s)
        return 0;
    double tremble = fmax(1 + 0.1 * chance_normal(&world->chance), 0.2);
    if (world->scenario->is_pairs)
        return is_paired(world, index) ? 4 * tremble : 0.002 * tremble;
    bool is_quiet = world->now_s < world->quiet_until_s && !world->scenario->is_never_idle;
    double least = world->scenario->is_never_idle ? 0.15 : 0;
    return is_quiet ? 0.004 * tremble : fmax(program->level, least) * tremble;
}

static void set_threads(struct world *world)
{
    double sums[PACKAGES_MAX] = {0};
    for (size_t i = 0; i < world->n_programs; i++) {
        struct program *program = world->programs[i];
        double threads = wanted_threads(world, i);
        double place = world->machine.n_packages > 1 ? program->place : 1;
        program->runner.threads[0] = threads * place;
        program->runner.threads[1] = threads * (1 - place);
        sums[0] += threads * place;
        sums[1] += threads * (1 - place);
    }
    for (unsigned p = 0; p < world->machine.n_packages; p++)
        for (size_t i = 0; sums[p] > 2 * CORES && i < world->n_programs; i++)
            world->programs[i]->runner.threads[p] *= 2 * CORES / sums[p];
}

static int change(struct world *world, double seconds)
{
    const struct scenario *scenario = world->scenario;
    if (chance_is(&world->chance, seconds / 150))
        world->quiet_until_s = world->now_s + chance_between(&world->chance, 5, 15);
    for (size_t i = 0; i < world->n_programs; i++) {
        if (!world->programs[i]->is_job && chance_is(&world->chance, seconds / 30))
            choose_level(world, world->programs[i]);
        if (chance_is(&world->chance, seconds / 200))
            world->programs[i]->place = 1 - world->programs[i]->place;
    }
    int r = 0;
    if (chance_is(&world->chance, scenario->jobs_per_s * seconds))
        r = begin_job(world);
    size_t index = chance_below(&world->chance, (unsigned)world->n_programs);
    if (r >= 0 && chance_is(&world->chance, scenario->restarts_per_s * seconds) &&
        world->now_s < world->programs[index]->ends_at_s)
        r = restart(world, index);
    return r;
}

int world_run(struct world *world, double seconds)
{
    while (seconds > 1e-9) {
        double step_s = fmin(seconds, STEP_S);
        int r = change(world, step_s);
        struct runner **runners = r < 0 ? NULL : calloc(world->n_programs, sizeof(struct runner *));
        if (!runners)
            return -ENOMEM;
        set_threads(world);
        for (size_t i = 0; i < world->n_programs; i++)
            runners[i] = &world->programs[i]->runner;
        machine_step(&world->machine, runners, (unsigned)world->n_programs, step_s, &world->chance);
        free(runners);
        world->now_s += step_s;
        seconds -= step_s;
    }
    return 0;
}

void world_bury(struct world *world)
{
    size_t n = 0;
    for (size_t i = 0; i < world->n_programs; i++) {
        struct program *program = world->programs[i];
        memset(program->runner.work, 0, sizeof(program->runner.work));
        if (world->now_s >= program->ends_at_s)
            free(program);
        else
            world->programs[n++] = program;
    }
    world->n_programs = n;
    for (unsigned p = 0; p < world->machine.n_packages; p++) {
        struct package *package = &world->machine.packages[p];
        package->idle_j = package->dram_idle_j = package->aperf = package->mperf = 0;
    }
}
