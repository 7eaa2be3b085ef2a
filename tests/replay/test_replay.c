/* SPDX-License-Identifier: BSD-3-Clause */
/* Recorded and generated streams through the whole formula: every tick's balance closes,
 * predictions do not know the energy they predict, the order of arrival leaves no trace, and
 * nothing a file can say makes an impossible watt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <math.h>

#include "tests/replay/fixture.h"

static const char *const traces[] = {
    "tests/fixtures/smartwatts-timeline/smartwatts_timeline.jsonl",
    "tests/fixtures/kepler-nx12-head/reports.jsonl",
};
static const size_t trace_ticks[] = {10, 700};
static const char *const models[] = {"auto", "share", "smartwatts"};
#define N_MODELS (sizeof(models) / sizeof(*models))
#define N_PROMPT 2 /* the first ones speak and learn at every tick; the others may be silent */

static double model_error_w;
static size_t n_predicted, n_balanced;

static void check_row(const struct power_record *power, const struct balance_row *row)
{
    if (isnan(row->measured_w)) {
        assert_true(isnan(row->idle_w) && isnan(row->dynamic_w) && isnan(row->unattributed_w));
        assert_false(power->valid);
        return;
    }
    n_balanced++;
    assert_true(isfinite(row->measured_w) && row->measured_w >= 0);
    assert_true(row->idle_w >= 0 && row->dynamic_w >= 0 && row->unattributed_w >= 0);
    double closure_w = fabs(row->idle_w + row->dynamic_w + row->unattributed_w - row->measured_w);
    assert_true(closure_w <= 1e-6);
    double sum_w = 0, static_w = 0, seconds = (double)row->dt_ns * 1e-9;
    int64_t sum_uj = 0;
    for (size_t i = 0; i < power->n_targets; i++) {
        const struct power_row *target = &power->targets[i];
        if (target->domain != row->domain || target->package != row->package)
            continue;
        assert_true(target->dynamic_w >= 0 && target->dynamic_w <= row->measured_w);
        assert_true(target->static_w >= 0 && target->dynamic_uj >= 0);
        assert_true(target->share >= 0 && target->share <= 1);
        assert_true(fabs((double)target->dynamic_uj - target->dynamic_w * seconds * 1e6) <= 1.01);
        sum_w += target->dynamic_w;
        static_w += target->static_w;
        sum_uj += target->dynamic_uj;
    }
    assert_true(fabs(sum_w - row->dynamic_w) <= 1e-6);
    assert_true(static_w <= row->idle_w + 1e-6);
    assert_true(fabs((double)sum_uj - row->dynamic_w * seconds * 1e6) <= 1);
    assert_true(sum_uj <= row->measured_uj);
    if (isnan(row->predicted_w))
        return;
    assert_true(isfinite(row->predicted_w) && row->predicted_w >= 0);
    if (row->domain == DOMAIN_PACKAGE) {
        model_error_w += fabs(row->predicted_w - row->measured_w);
        n_predicted++;
    }
}

static void check_power(const struct power_record *power)
{
    for (size_t i = 0; i < power->n_balance; i++)
        check_row(power, &power->balance[i]);
}

static void check_recorded(const struct power_record *power)
{
    check_power(power);
    assert_true(power->valid && power->n_balance > 0);
    assert_true(power->n_targets > 0 || strcmp(power->model, "smartwatts") == 0);
}

static void recorded_traces_balance_every_tick(void **state)
{
    (void)state;
    for (size_t t = 0; t < 2; t++) {
        struct recording recording;
        recording_load(&recording, traces[t]);
        for (size_t m = 0; m < N_MODELS; m++) {
            struct outcome outcome;
            outcome_init(&outcome, check_recorded);
            model_error_w = 0;
            n_predicted = n_balanced = 0;
            struct formula *formula = formula_of(models[m], 2, &outcome);
            for (size_t i = 0; i < recording.n; i++)
                formula_feed(formula, recording.bsons[i]);
            assert_int_equal(formula_finish(formula, NULL), 0);
            assert_int_equal(outcome.n_records, trace_ticks[t]);
            assert_true(n_balanced >= trace_ticks[t]);
            if (m < N_PROMPT)
                assert_true(n_predicted >= trace_ticks[t] - 1);
            if (n_predicted > 0)
                print_message("%s %s: mean |predicted - measured| of the package %.2f W\n",
                              traces[t], models[m], model_error_w / (double)n_predicted);
            formula_free(formula);
            outcome_free(&outcome);
        }
        recording_free(&recording);
    }
}

/* ---- predictions ---- */

static double predictions[2][800];
static size_t prediction_index, prediction_run;

static void note_prediction(const struct power_record *power)
{
    check_power(power);
    for (size_t i = 0; i < power->n_balance; i++)
        if (power->balance[i].domain == DOMAIN_PACKAGE)
            predictions[prediction_run][prediction_index++] = power->balance[i].predicted_w;
}

/* "RAPL_ENERGY_PKG" of a document times factor. */
static void scale_energy(bson_t *bson, double factor)
{
    bson_iter_t iter, value;
    assert_true(bson_iter_init(&iter, bson));
    assert_true(bson_iter_find_descendant(&iter, "groups.rapl.0.0.RAPL_ENERGY_PKG", &value));
    if (BSON_ITER_HOLDS_INT64(&value))
        bson_iter_overwrite_int64(&value, (int64_t)((double)bson_iter_int64(&value) * factor));
    else if (BSON_ITER_HOLDS_INT32(&value))
        bson_iter_overwrite_int32(&value, (int32_t)(bson_iter_int32(&value) * factor));
    else
        bson_iter_overwrite_double(&value, bson_iter_double(&value) * factor);
}

static void a_prediction_does_not_know_its_energy(void **state)
{
    (void)state;
    const size_t changed = 300;
    struct recording recording;
    recording_load(&recording, traces[1]);
    for (size_t m = 0; m < N_MODELS; m++) {
        for (prediction_run = 0; prediction_run < 2; prediction_run++) {
            struct outcome outcome;
            outcome_init(&outcome, note_prediction);
            prediction_index = 0;
            struct formula *formula = formula_of(models[m], 2, &outcome);
            for (size_t i = 0; i < recording.n; i++)
                formula_feed(formula, recording.bsons[i]);
            assert_int_equal(formula_finish(formula, NULL), 0);
            formula_free(formula);
            outcome_free(&outcome);
            scale_energy(recording.bsons[2 * changed], prediction_run == 0 ? 1.25 : 0.8);
        }
        for (size_t i = 0; i <= changed; i++)
            assert_true(isnan(predictions[0][i]) ? isnan(predictions[1][i])
                                                 : predictions[0][i] == predictions[1][i]);
        if (m < N_PROMPT)
            assert_true(predictions[0][changed + 1] != predictions[1][changed + 1]);
    }
    recording_free(&recording);
}

/* ---- order of arrival ---- */

static void replay(const struct recording *recording, const size_t *order, const char *model,
                   struct outcome *outcome)
{
    outcome_init(outcome, check_power);
    struct formula *formula = formula_of(model, 4, outcome);
    for (size_t i = 0; i < recording->n; i++)
        formula_feed(formula, recording->bsons[order[i]]);
    assert_int_equal(formula_finish(formula, NULL), 0);
    struct formula_health health;
    formula_health(formula, &health);
    assert_int_equal(health.n_late, 0);
    formula_free(formula);
}

/* Within lots of n documents, which hold at most four ticks, any order of arrival. */
static void shuffle_and_replay(const struct recording *recording, size_t n, const char *model)
{
    struct outcome straight, shuffled;
    size_t *order = calloc(recording->n, sizeof(*order));
    unsigned seed = 42;
    assert_non_null(order);
    for (size_t i = 0; i < recording->n; i++)
        order[i] = i;
    replay(recording, order, model, &straight);
    for (int round = 0; round < 50; round++) {
        for (size_t first = 0; first < recording->n; first += n)
            for (size_t i = n - 1; i > 0; i--) {
                if (first + i >= recording->n)
                    continue;
                size_t j = first + (size_t)rand_r(&seed) % (i + 1), swap = order[first + i];
                order[first + i] = order[j];
                order[j] = swap;
            }
        replay(recording, order, model, &shuffled);
        assert_int_equal(shuffled.size, straight.size);
        assert_memory_equal(shuffled.bytes, straight.bytes, straight.size);
        outcome_free(&shuffled);
    }
    outcome_free(&straight);
    free(order);
}

static void arrival_within_the_wait_leaves_no_trace(void **state)
{
    (void)state;
    struct recording recording;
    recording_load(&recording, traces[0]);
    for (size_t m = 0; m < N_MODELS; m++)
        shuffle_and_replay(&recording, 12, models[m]); /* three ticks */
    recording_free(&recording);
}

/* ---- hostile reports ---- */

static const char *const hostile[] = {
    "{}",
    "{\"timestamp\":1}",
    "{\"timestamp\":1690000000000,\"sensor\":\"s\",\"target\":\"all\"}",
    "{\"timestamp\":1690000000000,\"sensor\":\"s\",\"target\":\"all\",\"groups\":{}}",
    "{\"timestamp\":1690000000000,\"sensor\":\"s\",\"target\":\"all\",\"groups\":{\"rapl\":5}}",
    "{\"timestamp\":1690000001000,\"sensor\":\"s\",\"target\":\"all\",\"groups\":{\"rapl\":{\"0\":{"
    "\"0\":{\"RAPL_ENERGY_PKG\":-5,\"time_enabled\":1000000000,\"time_running\":1000000000}}}}}",
    "{\"timestamp\":1690000002000,\"sensor\":\"s\",\"target\":\"all\",\"groups\":{\"rapl\":{\"0\":{"
    "\"0\":{\"RAPL_ENERGY_PKG\":4611686018427387904,\"time_enabled\":1,\"time_running\":1}}}}}",
    "{\"timestamp\":1690000003000,\"sensor\":\"s\",\"target\":\"/a\",\"groups\":{\"core\":{\"0\":{"
    "\"0\":{\"CYCLES\":4611686018427387900,\"time_enabled\":9,\"time_running\":0}}}}}",
    "{\"timestamp\":1690000003000,\"sensor\":\"s\",\"target\":\"all\",\"groups\":{\"rapl\":{\"0\":{"
    "\"0\":{\"RAPL_ENERGY_PKG\":42949672960,\"time_enabled\":0,\"time_running\":0}}}}}",
    "{\"timestamp\":1690000004000,\"sensor\":\"s\",\"target\":\"/a\",\"groups\":{\"core\":{\"0\":{"
    "\"0\":{\"CYCLES\":1e18,\"INSTRUCTIONS\":-1e300}}}}}",
    "{\"timestamp\":1690000004000,\"sensor\":\"s\",\"target\":\"all\",\"groups\":{\"rapl\":{\"9\":{"
    "\"0\":{\"RAPL_ENERGY_PKG\":42949672960,\"RAPL_ENERGY_DRAM\":0}}}}}",
    "{\"timestamp\":-5,\"sensor\":\"s\",\"target\":\"all\",\"groups\":{\"rapl\":{\"0\":{\"0\":{"
    "\"RAPL_ENERGY_PKG\":1}}}}}",
    "{\"kind\":\"raw\",\"v\":1,\"_id\":\"s:0199d2f4c1a0:000000000001\",\"sensor\":\"s\",\"run\":"
    "\"0199d2f4c1a0\",\"seq\":1,\"timestamp\":1690000005000,\"dt_ns\":1,\"valid\":true,\"energy\":["
    "{"
    "\"domain\":\"package\",\"package\":0,\"source\":\"x\",\"dt_ns\":1,\"energy_uj\":"
    "9000000000000000,"
    "\"valid\":true}],\"events\":[\"cycles\",\"cycles\"],\"targets\":[{\"target\":\"/"
    "a\",\"package\":0,"
    "\"counts\":[4000000000000000000,1]}]}",
    "{\"kind\":\"raw\",\"v\":1,\"_id\":\"s:0199d2f4c1a0:000000000002\",\"sensor\":\"s\",\"run\":"
    "\"0199d2f4c1a0\",\"seq\":2,\"timestamp\":1690000006000,\"dt_ns\":1000000000,\"valid\":true,"
    "\"energy\":[{\"domain\":\"package\",\"package\":0,\"source\":\"x\",\"dt_ns\":1000000000,"
    "\"energy_uj\":9000000,\"valid\":true}]}",
};

static void hostile_reports_make_no_impossible_watt(void **state)
{
    (void)state;
    for (size_t m = 0; m < N_MODELS; m++) {
        struct recording recording = {0};
        for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++)
            recording_add(&recording, hostile[i]);
        struct outcome outcome;
        outcome_init(&outcome, check_power);
        struct formula *formula = formula_of(models[m], 1, &outcome);
        for (size_t i = 0; i < recording.n; i++)
            formula_feed(formula, recording.bsons[i]);
        assert_int_equal(formula_finish(formula, NULL), 0);
        struct formula_health health;
        formula_health(formula, &health);
        assert_true(health.n_bad > 0 && health.n_ticks > 0);
        formula_free(formula);
        outcome_free(&outcome);
        recording_free(&recording);
    }
}

/* Random streams of every kind of damage: two packages, resets, wraps, missing counts, changing
 * events. */
static void add_random_tick(struct recording *recording, unsigned *seed, int tick)
{
    static char text[65536];
    int used = snprintf(text, sizeof(text),
                        "{\"kind\":\"raw\",\"v\":1,\"_id\":\"s:0199d2f4c1a0:%012x\",\"sensor\":"
                        "\"s\",\"run\":\"0199d2f4c1a0\",\"seq\":%d,\"timestamp\":%" PRId64
                        ",\"dt_ns\":%d,\"valid\":%s,\"energy\":[",
                        (unsigned)tick, tick, INT64_C(1690000000000) + tick * INT64_C(1000),
                        rand_r(seed) % 20 ? 1000000000 + rand_r(seed) % 1000000 : 1,
                        rand_r(seed) % 30 ? "true" : "false");
    static const char *const domains[] = {"package", "dram"};
    for (int i = 0; i < 4; i++) {
        bool valid = rand_r(seed) % 15 > 0;
        used += snprintf(text + used, sizeof(text) - (size_t)used,
                         "%s{\"domain\":\"%s\",\"package\":%d,\"source\":\"x\",\"valid\":%s",
                         i ? "," : "", domains[i / 2], i % 2, valid ? "true" : "false");
        if (valid)
            used += snprintf(text + used, sizeof(text) - (size_t)used,
                             ",\"dt_ns\":1000000000,\"energy_uj\":%" PRId64,
                             rand_r(seed) % 25 ? (int64_t)(rand_r(seed) % 90000000)
                                               : (int64_t)rand_r(seed) << 30);
        else
            used +=
                snprintf(text + used, sizeof(text) - (size_t)used, ",\"reason\":\"counter_reset\"");
        used += snprintf(text + used, sizeof(text) - (size_t)used, "}");
    }
    static const char *const event_lists[] = {"\"cycles\",\"instructions\",\"llc_misses\"",
                                              "\"instructions\",\"cycles\",\"odd_one\"",
                                              "\"cpu_ns\",\"cycles\",\"llc_misses\""};
    used += snprintf(text + used, sizeof(text) - (size_t)used, "],\"events\":[%s],\"targets\":[",
                     event_lists[rand_r(seed) % 3]);
    bool knows_packages = rand_r(seed) % 10 > 0;
    for (int i = 0; i < 20; i++) {
        used += snprintf(text + used, sizeof(text) - (size_t)used, "%s{\"target\":\"/t%d\"",
                         i ? "," : "", (i + tick / 10) % 40);
        if (knows_packages)
            used += snprintf(text + used, sizeof(text) - (size_t)used, ",\"package\":%d", i % 2);
        used += snprintf(text + used, sizeof(text) - (size_t)used, ",\"counts\":[");
        for (int e = 0; e < 3; e++) {
            int kind = rand_r(seed) % 60;
            if (kind == 0)
                used += snprintf(text + used, sizeof(text) - (size_t)used, "%snull", e ? "," : "");
            else
                used +=
                    snprintf(text + used, sizeof(text) - (size_t)used, "%s%" PRId64, e ? "," : "",
                             kind == 1 ? INT64_C(1) << 61 : (int64_t)rand_r(seed));
        }
        used += snprintf(text + used, sizeof(text) - (size_t)used,
                         "],\"enabled_ns\":1000,"
                         "\"running_ns\":%d}",
                         rand_r(seed) % 20 ? 700 : rand_r(seed) % 3);
    }
    (void)snprintf(text + used, sizeof(text) - (size_t)used, "]}");
    recording_add(recording, text);
}

static void native_ticks_may_arrive_out_of_order(void **state)
{
    (void)state;
    struct recording recording = {0};
    unsigned seed = 8;
    for (int tick = 0; tick < 40; tick++)
        add_random_tick(&recording, &seed, tick);
    for (size_t m = 0; m < N_MODELS; m++)
        shuffle_and_replay(&recording, 4, models[m]);
    recording_free(&recording);
}

static void random_streams_balance(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 5; seed++) {
        struct recording recording = {0};
        unsigned drawn = seed;
        for (int tick = 0; tick < 300; tick++)
            add_random_tick(&recording, &drawn, tick);
        for (size_t m = 0; m < N_MODELS; m++) {
            struct outcome outcome;
            outcome_init(&outcome, check_power);
            n_balanced = 0;
            struct formula *formula = formula_of(models[m], 2, &outcome);
            for (size_t i = 0; i < recording.n; i++)
                formula_feed(formula, recording.bsons[i]);
            assert_int_equal(formula_finish(formula, NULL), 0);
            assert_int_equal(outcome.n_records, 300);
            assert_true(n_balanced > 600);
            formula_free(formula);
            outcome_free(&outcome);
        }
        recording_free(&recording);
    }
}

static void check_unknown(const struct power_record *power)
{
    check_power(power);
    assert_int_equal(power->n_targets, 1);
    assert_string_equal(power->targets[0].target, "/known");
    assert_true(reasons_have(&power->reasons, "not_counted"));
}

static void a_target_nobody_counted_has_no_watts_rather_than_none(void **state)
{
    (void)state;
    for (size_t m = 0; m < 2; m++) {
        struct recording recording = {0};
        struct outcome outcome;
        outcome_init(&outcome, check_unknown);
        struct formula *formula = formula_of(models[m], 2, &outcome);
        recording_add(&recording,
                      "{\"kind\":\"raw\",\"v\":1,\"_id\":\"n:0199d2f4c1a0:000000000000\","
                      "\"sensor\":\"n\",\"run\":\"0199d2f4c1a0\",\"seq\":0,"
                      "\"timestamp\":1700000000000,\"dt_ns\":1000000000,\"valid\":true,"
                      "\"energy\":[{\"domain\":\"package\",\"package\":0,\"source\":\"powercap\","
                      "\"dt_ns\":1000000000,\"energy_uj\":20000000,\"valid\":true}],\"events\":["
                      "\"cpu_ns\"],\"targets\":["
                      "{\"target\":\"/known\",\"package\":0,\"counts\":[600000000]},"
                      "{\"target\":\"/null\",\"package\":0,\"counts\":[null]},"
                      "{\"target\":\"/none\",\"package\":0,\"reason\":\"no_descriptors\"}]}");
        formula_feed(formula, recording.bsons[0]);
        assert_int_equal(formula_finish(formula, NULL), 0);
        assert_int_equal(outcome.n_records, 1);
        formula_free(formula);
        outcome_free(&outcome);
        recording_free(&recording);
    }
}

/* ---- energy that comes every second tick ---- */

#define LEARNED_TICKS 120 /* with energy of their own */
#define HELD_TICKS 240
#define IDLE_W 5
#define PRICE_W 10 /* per CPU */

static double worked_cpu_s[HELD_TICKS + LEARNED_TICKS];
static size_t n_held_split;

/* Odd ticks are the first of a pair. */
static void add_held_tick(struct recording *recording, unsigned *seed, int tick)
{
    char text[700], energy[160];
    double cpu_s = tick % 10 == 0 ? 0 : (1 + rand_r(seed) % 1000) * 1e-3;
    bool is_paired = tick > LEARNED_TICKS, is_first = is_paired && tick % 2 == 1;
    double energy_j = IDLE_W + PRICE_W * cpu_s;
    worked_cpu_s[tick] = cpu_s;
    if (is_paired && !is_first)
        energy_j += IDLE_W + PRICE_W * worked_cpu_s[tick - 1];
    (void)snprintf(energy, sizeof(energy),
                   "\"dt_ns\":%d000000000,\"energy_uj\":%.0f,\"valid\":true", is_paired ? 2 : 1,
                   energy_j * 1e6);
    (void)snprintf(text, sizeof(text),
                   "{\"kind\":\"raw\",\"v\":1,\"_id\":\"n:0199d2f4c1a0:%012x\",\"sensor\":\"n\","
                   "\"run\":\"0199d2f4c1a0\",\"seq\":%d,\"timestamp\":%" PRId64
                   ",\"dt_ns\":1000000000,\"valid\":true,\"energy\":[{\"domain\":\"package\","
                   "\"package\":0,\"source\":\"powercap\",%s}],\"events\":[\"cpu_ns\"],"
                   "\"total\":[{\"package\":0,\"counts\":[%.0f]}],\"targets\":["
                   "{\"target\":\"/%s\",\"package\":0,\"counts\":[%.0f]}]}",
                   (unsigned)tick, tick, INT64_C(1700000000000) + tick * 1000,
                   is_first ? "\"valid\":false,\"reason\":\"no_update\"" : energy, cpu_s * 1e9,
                   tick % 2 == 1 ? "first" : "second", cpu_s * 1e9);
    recording_add(recording, text);
}

static void check_pair(const struct power_record *power)
{
    check_power(power);
    size_t tick = power->key.seq;
    if (tick <= LEARNED_TICKS || tick % 2 == 1)
        return;
    for (size_t i = 0; i < power->n_targets; i++) {
        const struct power_row *target = &power->targets[i];
        bool is_first = strcmp(target->target, "/first") == 0;
        double true_j = PRICE_W * worked_cpu_s[is_first ? tick - 1 : tick];
        assert_true(fabs((double)target->dynamic_uj / 1e6 - true_j) <= 0.01 * true_j + 0.2);
        n_held_split += is_first;
    }
}

static void energy_of_two_ticks_is_split_by_both(void **state)
{
    (void)state;
    struct recording recording = {0};
    unsigned seed = 1;
    for (int tick = 0; tick < LEARNED_TICKS + HELD_TICKS; tick++)
        add_held_tick(&recording, &seed, tick);
    for (size_t m = 0; m < N_PROMPT; m++) {
        struct outcome outcome;
        n_held_split = 0;
        outcome_init(&outcome, check_pair);
        struct formula *formula = formula_of(models[m], 2, &outcome);
        for (size_t i = 0; i < recording.n; i++)
            formula_feed(formula, recording.bsons[i]);
        assert_int_equal(formula_finish(formula, NULL), 0);
        assert_int_equal(n_held_split, (HELD_TICKS - 2) / 2);
        formula_free(formula);
        outcome_free(&outcome);
    }
    recording_free(&recording);
}

static void a_hundred_thousand_targets_fit(void **state)
{
    (void)state;
    struct outcome outcome;
    outcome_init(&outcome, check_power);
    struct formula *formula = formula_of("auto", 2, &outcome);
    for (int tick = 0; tick < 2; tick++)
        for (int i = 0; i <= 100000; i++) {
            char text[400];
            int64_t stamp = INT64_C(1690000000000) + tick * 1000;
            if (i == 0)
                (void)snprintf(text, sizeof(text),
                               "{\"timestamp\":%" PRId64 ",\"sensor\":\"s\",\"target\":\"all\","
                               "\"groups\":{\"rapl\":{\"0\":{\"0\":{\"RAPL_ENERGY_PKG\":"
                               "85899345920,\"time_enabled\":1000000000}}}}}",
                               stamp);
            else
                (void)snprintf(text, sizeof(text),
                               "{\"timestamp\":%" PRId64 ",\"sensor\":\"s\",\"target\":\"/%d/%d\","
                               "\"groups\":{\"core\":{\"0\":{\"0\":{\"CYCLES\":%d,"
                               "\"time_enabled\":1000,\"time_running\":1000}}}}}",
                               stamp, tick, i, i);
            struct recording one = {0};
            recording_add(&one, text);
            formula_feed(formula, one.bsons[0]);
            recording_free(&one);
        }
    assert_int_equal(formula_finish(formula, NULL), 0);
    assert_int_equal(outcome.n_records, 2);
    formula_free(formula);
    outcome_free(&outcome);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_traces_balance_every_tick),
        cmocka_unit_test(a_prediction_does_not_know_its_energy),
        cmocka_unit_test(arrival_within_the_wait_leaves_no_trace),
        cmocka_unit_test(hostile_reports_make_no_impossible_watt),
        cmocka_unit_test(random_streams_balance),
        cmocka_unit_test(native_ticks_may_arrive_out_of_order),
        cmocka_unit_test(a_target_nobody_counted_has_no_watts_rather_than_none),
        cmocka_unit_test(energy_of_two_ticks_is_split_by_both),
        cmocka_unit_test(a_hundred_thousand_targets_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
