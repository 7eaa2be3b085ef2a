/* SPDX-License-Identifier: BSD-3-Clause */
/* The default model on machines of known truth: how much of the dynamic energy goes to the wrong
 * target, how far the prediction is off, and whether the stated doubt holds the truth. Beside it
 * the share by CPU time on the same ticks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "formula/balance.h"
#include "formula/model.h"

#define TARGETS_MAX 40
#define TICKS 600

enum { NS, CYCLES, INSTRUCTIONS, MISSES, EVENTS };
static const char *const event_names[EVENTS] = {"cpu_ns", "cycles", "instructions", "llc_misses"};

/* One program: what it does per CPU second, and what that costs beyond the machine's prices. */
struct program {
    double ipc, misses, factor; /* misses per instruction; factor of its watts */
    double busy, on;            /* CPUs; how likely it runs */
};

struct scenario {
    const char *name;
    enum domain domain;
    size_t n_targets;
    double turbo; /* how far the clock moves */
    double noise_w;
    double churn;  /* P(a target is another program now) per tick */
    unsigned mask; /* events that are counted */
    double curve;  /* exponent of the whole machine's dynamic watts */
};

static const struct scenario scenarios[] = {
    {"pairs", DOMAIN_PACKAGE, 3, 0, 0.5, 0, 0xf, 1},
    {"steady", DOMAIN_PACKAGE, 12, 0, 0.5, 0, 0xf, 1},
    {"many", DOMAIN_PACKAGE, 40, 0, 0.5, 0, 0xf, 1},
    {"turbo", DOMAIN_PACKAGE, 12, 0.5, 0.5, 0, 0xf, 1},
    {"churn", DOMAIN_PACKAGE, 12, 0.2, 0.5, 0.01, 0xf, 1},
    {"concave", DOMAIN_PACKAGE, 12, 0, 0.5, 0, 0xf, 0.8},
    {"software", DOMAIN_PACKAGE, 12, 0, 0.5, 0, 0x1, 1},
    {"two events", DOMAIN_PACKAGE, 12, 0.3, 0.5, 0, 0x6, 1},
    {"dram", DOMAIN_DRAM, 12, 0.3, 0.2, 0, 0xf, 1},
};

struct scores {
    double wrong_w, true_w, absolute_w, miss_w, unattributed_w, within1, within2;
    double n_sigma, n_ticks, n_predicted;
};

static double uniform(unsigned *seed, double low, double high)
{
    return low + (high - low) * rand_r(seed) / (double)RAND_MAX;
}

static double normal(unsigned *seed)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += uniform(seed, 0, 1);
    return sum;
}

static struct program draw(unsigned *seed)
{
    return (struct program){
        .ipc = exp(uniform(seed, log(0.4), log(3))),
        .misses = exp(uniform(seed, log(1e-4), log(2e-2))),
        .factor = exp(0.25 * normal(seed)),
        .busy = exp(uniform(seed, log(0.1), log(3))),
        .on = uniform(seed, 0.3, 1),
    };
}

struct machine {
    const struct scenario *scenario;
    struct program programs[TARGETS_MAX];
    bool is_on[TARGETS_MAX];
    double rates[TARGETS_MAX][EVENTS], totals[EVENTS], truth_w[TARGETS_MAX];
    char names[TARGETS_MAX][32];
    struct activity activities[TARGETS_MAX];
    unsigned seed, life[TARGETS_MAX];
    double clock;
    size_t n_events;
    const char *events[EVENTS];
};

static void start(struct machine *machine, const struct scenario *scenario, unsigned seed)
{
    *machine = (struct machine){.scenario = scenario, .seed = seed * 7919 + 13, .clock = 1};
    for (size_t i = 0; i < scenario->n_targets; i++)
        machine->programs[i] = draw(&machine->seed);
    for (size_t e = 0; e < EVENTS; e++)
        if (scenario->mask >> e & 1)
            machine->events[machine->n_events++] = event_names[e];
}

static double watts_of(struct machine *machine, const struct program *program, double busy,
                       double *counts)
{
    double f = machine->clock;
    counts[NS] = busy * 1e9;
    counts[CYCLES] = busy * 2e9 * f;
    double stall = 1 / (1 + 30 * program->misses * f);
    counts[INSTRUCTIONS] = counts[CYCLES] * program->ipc * stall;
    counts[MISSES] = counts[INSTRUCTIONS] * program->misses;
    if (machine->scenario->domain == DOMAIN_DRAM)
        return counts[MISSES] * 4e-8 * (0.7 + 0.3 * program->factor) + counts[INSTRUCTIONS] * 1e-10;
    double v2 = (0.7 + 0.3 * f) * (0.7 + 0.3 * f) * (0.6 + 0.4 * f);
    return program->factor * v2 * (counts[CYCLES] * 1.5e-9 + counts[INSTRUCTIONS] * 0.8e-9) +
           counts[MISSES] * 3e-8;
}

/* One tick: returns the measured watts. */
static double advance(struct machine *machine, struct scope_tick *tick, uint64_t seq)
{
    const struct scenario *scenario = machine->scenario;
    unsigned *seed = &machine->seed;
    double dynamic_w = 0, all[EVENTS] = {0};
    size_t n = 0;
    double load = 0;
    for (size_t i = 0; i < scenario->n_targets; i++) {
        if (uniform(seed, 0, 1) < scenario->churn) {
            machine->programs[i] = draw(seed);
            machine->life[i]++;
        }
        if (uniform(seed, 0, 1) < 0.1)
            machine->is_on[i] = uniform(seed, 0, 1) < machine->programs[i].on;
        load += machine->is_on[i] ? machine->programs[i].busy : 0;
    }
    machine->clock =
        1 + scenario->turbo * (1 - fmin(load / 12, 1)) + 0.1 * scenario->turbo * normal(seed);
    for (size_t i = 0; i < scenario->n_targets; i++) {
        double busy = machine->is_on[i] ? machine->programs[i].busy * uniform(seed, 0.7, 1.1) : 0;
        double counts[EVENTS];
        if (busy <= 0)
            continue;
        machine->truth_w[n] = watts_of(machine, &machine->programs[i], busy, counts);
        dynamic_w += machine->truth_w[n];
        size_t column = 0;
        for (size_t e = 0; e < EVENTS; e++) {
            all[e] += counts[e];
            if (scenario->mask >> e & 1)
                machine->rates[n][column++] = counts[e];
        }
        (void)snprintf(machine->names[n], sizeof(machine->names[n]), "/t%02zu.%u", i,
                       machine->life[i]);
        machine->activities[n] = (struct activity){
            .target = (uint32_t)i,
            .name = machine->names[n],
            .kin = (uint64_t)i * 1000 + machine->life[i] + 1,
            .rates = machine->rates[n],
        };
        n++;
    }
    double bent_w = 60 * pow(dynamic_w / 60, scenario->curve);
    for (size_t i = 0; i < n; i++)
        machine->truth_w[i] *= bent_w / dynamic_w;
    for (size_t e = 0, column = 0; e < EVENTS; e++)
        if (scenario->mask >> e & 1)
            machine->totals[column++] = all[e];
    double idle_w = scenario->domain == DOMAIN_DRAM ? 4 : 25;
    *tick = (struct scope_tick){
        .seq = seq,
        .dt_s = 1,
        .measured_w =
            fmax(idle_w + (dynamic_w > 0 ? bent_w : 0) + scenario->noise_w * normal(seed), 1),
        .low_w = NAN,
        .high_w = NAN,
        .learn = true,
        .learn_idle = true,
        .max_w = NAN,
        .floor_w = NAN,
        .n_events = machine->n_events,
        .events = machine->events,
        .n_activities = n,
        .activities = machine->activities,
        .total_rates = machine->totals,
        .clock_ratio = scenario->mask == 1 ? NAN : machine->clock,
    };
    return tick->measured_w;
}

static void score(const struct machine *machine, const struct scope_tick *tick,
                  const struct model_output *output, const struct balance_row *row,
                  struct scores *scores)
{
    double true_w = 0, said_w = 0, wrong_w = 0;
    for (size_t i = 0; i < tick->n_activities; i++) {
        true_w += machine->truth_w[i];
        said_w += output->dynamic_w[i];
        scores->absolute_w += fabs(output->dynamic_w[i] - machine->truth_w[i]);
    }
    for (size_t i = 0; i < tick->n_activities; i++)
        wrong_w +=
            fabs(output->dynamic_w[i] * (said_w > 0 ? true_w / said_w : 0) - machine->truth_w[i]) /
            2;
    scores->wrong_w += wrong_w;
    scores->true_w += true_w;
    scores->unattributed_w += row->unattributed_w;
    scores->n_ticks++;
    if (!isnan(output->predicted_w)) {
        scores->miss_w += fabs(output->predicted_w - tick->measured_w);
        scores->n_predicted++;
    }
    for (size_t i = 0; i < tick->n_activities; i++) {
        double miss = fabs(output->dynamic_w[i] - machine->truth_w[i]);
        if (isnan(output->target_sigma_w[i]))
            continue;
        scores->n_sigma++;
        scores->within1 += miss <= output->target_sigma_w[i];
        scores->within2 += miss <= 2 * output->target_sigma_w[i];
    }
}

static void run(const struct scenario *scenario, unsigned seed, const struct model_ops *ops,
                struct scores *scores)
{
    static struct machine machine;
    struct model *model;
    double dynamic_w[TARGETS_MAX], sigma_w[TARGETS_MAX];
    start(&machine, scenario, seed);
    assert_int_equal(ops->new (&model, scenario->domain, NULL, NULL), 0);
    for (uint64_t seq = 0; seq < TICKS; seq++) {
        struct scope_tick tick;
        struct balance_row row = {0};
        (void)advance(&machine, &tick, seq);
        struct model_output output = {.predicted_w = NAN,
                                      .sigma_w = NAN,
                                      .idle_w = NAN,
                                      .dynamic_w = dynamic_w,
                                      .target_sigma_w = sigma_w};
        assert_int_equal(ops->step(model, &tick, &output), 0);
        balance_close(&tick, &output, &row);
        score(&machine, &tick, &output, &row, scores);
    }
    ops->free(model);
}

static void the_split_is_near_the_truth(void **state)
{
    (void)state;
    double mean = 0;
    for (size_t s = 0; s < sizeof(scenarios) / sizeof(*scenarios); s++) {
        struct scores ours = {0}, share = {0};
        for (unsigned seed = 1; seed <= 3; seed++) {
            run(&scenarios[s], seed, &model_auto, &ours);
            run(&scenarios[s], seed, &model_share, &share);
        }
        mean += ours.wrong_w / ours.true_w;
        assert_true(ours.wrong_w < 0.6 * share.wrong_w);
        assert_true(ours.wrong_w < 0.05 * ours.true_w);
        assert_true(ours.miss_w < ours.n_predicted);
        assert_true(ours.n_predicted >= 0.9 * 3 * (TICKS - 1));
        print_message(
            "%-10s share error %5.2f %% (by CPU time %5.2f %%)  abs %5.1f %%  model %5.2f W  "
            "unattributed %.2f W  1s %.0f %%  2s %.0f %%\n",
            scenarios[s].name, 100 * ours.wrong_w / ours.true_w, 100 * share.wrong_w / share.true_w,
            100 * ours.absolute_w / ours.true_w, ours.miss_w / ours.n_predicted,
            ours.unattributed_w / ours.n_ticks, 100 * ours.within1 / ours.n_sigma,
            100 * ours.within2 / ours.n_sigma);
    }
    assert_true(mean < 0.03 * sizeof(scenarios) / sizeof(*scenarios));
}

static void the_first_ticks_give_every_target_watts(void **state)
{
    (void)state;
    for (size_t s = 0; s < sizeof(scenarios) / sizeof(*scenarios); s++) {
        static struct machine machine;
        struct model *model;
        double dynamic_w[TARGETS_MAX], sigma_w[TARGETS_MAX];
        unsigned n_learned = 0;
        start(&machine, &scenarios[s], 4);
        assert_int_equal(model_auto.new(&model, scenarios[s].domain, NULL, NULL), 0);
        for (uint64_t seq = 0; seq < 5; seq++) {
            struct scope_tick tick;
            struct balance_row row = {0};
            (void)advance(&machine, &tick, seq);
            struct model_output output = {.dynamic_w = dynamic_w, .target_sigma_w = sigma_w};
            assert_int_equal(model_auto.step(model, &tick, &output), 0);
            balance_close(&tick, &output, &row);
            for (size_t i = 0; i < tick.n_activities; i++)
                assert_true(dynamic_w[i] > 0 && isfinite(dynamic_w[i]) && sigma_w[i] > 0);
            n_learned += tick.n_activities > 0;
            assert_true(isnan(output.predicted_w) == (n_learned < 2 || tick.n_activities == 0));
        }
        model_auto.free(model);
    }
}

static void a_saved_model_goes_on_bit_for_bit(void **state)
{
    (void)state;
    static struct machine machine;
    struct model *straight, *restored;
    double dynamic_w[2][TARGETS_MAX], sigma_w[2][TARGETS_MAX];
    start(&machine, &scenarios[4], 2);
    assert_int_equal(model_auto.new(&straight, DOMAIN_PACKAGE, NULL, NULL), 0);
    for (uint64_t seq = 0; seq < 300; seq++) {
        struct scope_tick tick;
        struct error err = {0};
        (void)advance(&machine, &tick, seq);
        struct model_output output[2];
        bson_t saved = BSON_INITIALIZER;
        assert_int_equal(model_auto.save(straight, &saved), 0);
        assert_int_equal(model_auto.new(&restored, DOMAIN_PACKAGE, NULL, NULL), 0);
        assert_int_equal(model_auto.load(restored, &saved, &err), 0);
        bson_destroy(&saved);
        for (size_t k = 0; k < 2; k++) {
            output[k] =
                (struct model_output){.dynamic_w = dynamic_w[k], .target_sigma_w = sigma_w[k]};
            assert_int_equal(model_auto.step(k ? restored : straight, &tick, &output[k]), 0);
        }
        assert_memory_equal(dynamic_w[0], dynamic_w[1], tick.n_activities * sizeof(double));
        assert_memory_equal(sigma_w[0], sigma_w[1], tick.n_activities * sizeof(double));
        assert_memory_equal(&output[0].predicted_w, &output[1].predicted_w, sizeof(double));
        assert_memory_equal(&output[0].idle_w, &output[1].idle_w, sizeof(double));
        model_auto.free(straight);
        straight = restored;
    }
    bson_t damaged = BSON_INITIALIZER;
    struct error err = {0};
    assert_int_equal(model_auto.load(straight, &damaged, &err), -EBADMSG);
    bson_destroy(&damaged);
    model_auto.free(straight);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_split_is_near_the_truth),
        cmocka_unit_test(the_first_ticks_give_every_target_watts),
        cmocka_unit_test(a_saved_model_goes_on_bit_for_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
