/* SPDX-License-Identifier: BSD-3-Clause */
/* A look sees what changes, says nothing of what does not, and ends. */
#include "tests/unit/scripted_sources.h"

#include "common/scope.h"
#include "sensor/counter_look.h"

static const struct host real_host = {.clock = &clock_system};

static struct counter_look *look(int n_wanted)
{
    const struct ladder_settings settings = {.energy = "auto"};
    struct counter_look *looks;
    assert_int_equal(ladder_open(&ladder, &settings, &real_host, &topology, NULL), 0);
    assert_int_equal(counter_look(&ladder, &topology, &looks), n_wanted);
    return looks;
}

static void what_changes_has_a_period_and_a_power(void **state)
{
    (void)state;
    struct script *script = make_script(0, PKG | PSYS, 2);
    for (size_t i = 0; i < script->n_rows; i++) {
        script->rows[i].energy_uj = 3000;
        script->rows[i].dt_ns = (int64_t)NS_PER_MS;
    }
    script->rows[1].energy_uj = 0;
    SCOPED(scope_free) struct counter_look *looks = look(3);
    assert_int_equal(looks[0].what.package, 0);
    assert_false(looks[0].is_estimate);
    assert_true(looks[0].power_w == 3);
    assert_true(looks[0].n_readings >= 3);
    assert_true(looks[0].update_ns > 0 && looks[0].update_ns == looks[0].reading_ns);
    assert_true(looks[1].power_w == 0); /* a true zero, and no period */
    assert_int_equal(looks[1].update_ns, VALUE_ABSENT);
    assert_int_equal(looks[2].what.domain, DOMAIN_PSYS);
}

static void what_cannot_be_read_says_why(void **state)
{
    (void)state;
    make_script(0, PKG, 1)->rows[0].reason = "permission";
    SCOPED(scope_free) struct counter_look *looks = look(1);
    assert_string_equal(looks[0].reason, "permission");
    assert_true(isnan(looks[0].power_w));
    assert_int_equal(looks[0].update_ns, VALUE_ABSENT);
}

static void silence_is_not_seen(void **state)
{
    (void)state;
    make_script(0, WALL, 1)->rows[0].is_silent = true;
    make_script(3, DOMAIN_BIT(DOMAIN_MACHINE), 1);
    SCOPED(scope_free) struct counter_look *looks = look(2);
    assert_int_equal(looks[0].n_readings, 0);
    assert_true(isnan(looks[0].power_w));
    assert_int_equal(looks[0].reading_ns, VALUE_ABSENT);
    assert_true(looks[1].is_estimate);
}

/* A machine that is busy at every reading is asked again. */
static void a_comparison_comes_to_its_end(void **state)
{
    (void)state;
    struct script *first = make_script(0, PKG, 1), *second = make_script(1, PKG, 1);
    first->rows[0].power_w = 200;
    second->rows[0].power_w = 200.5;
    for (int i = 0; i < 10; i++) {
        free(look(1));
        assert_int_equal(ladder.check.n_pairs, 1);
        assert_int_equal(second->n_open, 0);
        enum check_state state_now = ladder.check.pairs[0].state;
        ladder_close(&ladder);
        if (state_now == CHECK_AGREES)
            return;
        assert_int_equal(state_now, CHECK_UNDECIDED);
    }
    fail();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SOURCES(what_changes_has_a_period_and_a_power),
        WITH_SOURCES(what_cannot_be_read_says_why),
        WITH_SOURCES(silence_is_not_seen),
        WITH_SOURCES(a_comparison_comes_to_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
