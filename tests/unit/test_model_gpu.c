/* SPDX-License-Identifier: BSD-3-Clause */
/* A GPU of known truth: 50 W idle, one process at 250 W per busy second and one at 100 W. `share`
 * splits by GPU time, `auto` learns what each costs; without GPU time neither charges anybody;
 * `smartwatts` knows no GPU. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "common/events.h"
#include "common/power_record.h"
#include "formula/balance.h"
#include "formula/model.h"

#define IDLE_W 50.0
#define TICKS 200
#define LEARNED 40 /* ticks that are not judged */

static const double watts[2] = {250, 100};
static const char *const events[] = {EVENT_GPU_NS};

static double pseudo_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 40) / (double)(1 << 24);
}

/* What each is busy, for five ticks; together at most all of the time, at times nothing. */
static void choose(uint64_t tick, uint64_t *random, double *busy)
{
    if (tick % 5 != 0)
        return;
    busy[0] = pseudo_random(random);
    busy[1] = pseudo_random(random) * (1 - busy[0]);
    if (tick % 20 < 5)
        busy[0] = busy[1] = 0;
}

struct outcome {
    double wrong, idle_off_w; /* of the dynamic energy; mean */
};

static struct outcome run(const struct model_ops *ops)
{
    struct model *model;
    assert_int_equal(ops->new (&model, DOMAIN_GPU, NULL, NULL), 0);
    uint64_t random = 7;
    double busy[2] = {0}, wrong_w = 0, true_w = 0, idle_off_w = 0;
    for (uint64_t t = 0; t < TICKS; t++) {
        choose(t, &random, busy);
        double rates[2] = {busy[0] * 1e9, busy[1] * 1e9}, total = rates[0] + rates[1];
        struct activity activities[2] = {
            {.target = 1, .name = "/a", .kin = 11, .rates = &rates[0]},
            {.target = 2, .name = "/b", .kin = 22, .rates = &rates[1]}};
        double cost[2] = {busy[0] * watts[0], busy[1] * watts[1]}, dynamic[2], sigma[2];
        struct scope_tick tick = {
            .seq = t,
            .is_first = t == 0,
            .dt_s = 1,
            .measured_w = IDLE_W + cost[0] + cost[1] + (pseudo_random(&random) - 0.5) * 4,
            .low_w = NAN,
            .high_w = NAN,
            .learn = true,
            .learn_idle = true,
            .max_w = NAN,
            .floor_w = NAN,
            .n_events = 1,
            .events = events,
            .n_activities = total > 0 ? 2 : 0,
            .activities = activities,
            .total_rates = &total,
            .aperf = NAN,
            .mperf = NAN,
            .clock_ratio = NAN,
        };
        struct model_output output = {.predicted_w = NAN,
                                      .sigma_w = NAN,
                                      .idle_w = NAN,
                                      .dynamic_w = dynamic,
                                      .target_sigma_w = sigma};
        struct balance_row row = {.idle_w = NAN};
        assert_int_equal(model->ops->step(model, &tick, &output), 0);
        balance_close(&tick, &output, &row);
        assert_true(fabs(row.idle_w + row.dynamic_w + row.unattributed_w - tick.measured_w) < 1e-6);
        idle_off_w += fabs(row.idle_w - IDLE_W) / TICKS;
        for (size_t i = 0; i < tick.n_activities && t >= LEARNED; i++) {
            wrong_w += fabs(dynamic[i] - cost[i]);
            true_w += cost[i];
        }
    }
    ops->free(model);
    return (struct outcome){wrong_w / true_w, idle_off_w};
}

static void share_splits_by_gpu_time(void **state)
{
    (void)state;
    struct outcome outcome = run(&model_share);
    assert_true(outcome.wrong < 0.5);
    assert_true(outcome.idle_off_w < 4);
}

static void auto_learns_what_each_costs(void **state)
{
    (void)state;
    struct outcome outcome = run(&model_auto);
    assert_true(outcome.wrong < 0.04);
    assert_true(outcome.idle_off_w < 4);
}

/* MIG, or a GPU that is too old: energy, and nothing that says whose. */
static void without_gpu_time_nobody_is_charged(void **state)
{
    (void)state;
    const struct model_ops *const all[] = {&model_share, &model_auto};
    for (size_t m = 0; m < 2; m++) {
        struct model *model;
        assert_int_equal(all[m]->new (&model, DOMAIN_GPU, NULL, NULL), 0);
        for (uint64_t t = 0; t < 20; t++) {
            struct scope_tick tick = {.seq = t,
                                      .is_first = t == 0,
                                      .dt_s = 1,
                                      .measured_w = t % 4 < 2 ? IDLE_W : 300,
                                      .low_w = NAN,
                                      .high_w = NAN,
                                      .learn = true,
                                      .learn_idle = true,
                                      .max_w = NAN,
                                      .floor_w = NAN,
                                      .aperf = NAN,
                                      .mperf = NAN,
                                      .clock_ratio = NAN};
            double none;
            struct model_output output = {.predicted_w = NAN,
                                          .sigma_w = NAN,
                                          .idle_w = NAN,
                                          .dynamic_w = &none,
                                          .target_sigma_w = &none};
            struct balance_row row = {.idle_w = NAN};
            assert_int_equal(model->ops->step(model, &tick, &output), 0);
            balance_close(&tick, &output, &row);
            assert_true(row.dynamic_w == 0);
            assert_true(fabs(row.idle_w - IDLE_W) < 1e-9);
            assert_true(fabs(row.unattributed_w - (tick.measured_w - IDLE_W)) < 1e-9);
        }
        all[m]->free(model);
    }
}

static void smartwatts_knows_no_gpu(void **state)
{
    (void)state;
    struct model *model = NULL;
    assert_int_equal(model_smartwatts.new(&model, DOMAIN_GPU, NULL, NULL), MODEL_DISABLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(share_splits_by_gpu_time),
        cmocka_unit_test(auto_learns_what_each_costs),
        cmocka_unit_test(without_gpu_time_nobody_is_charged),
        cmocka_unit_test(smartwatts_knows_no_gpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
