/* SPDX-License-Identifier: BSD-3-Clause */
/* What hwmon and power supplies say of a simulated machine, over ten minutes of scripted time per
 * fault: integrated power and counters are what was true over the spans that they name, and where a
 * device fails, comes and goes, or says nothing, there is a reason and no value.
 *
 * How far integrated power may be off: between readings h apart a trapezoid misses at most h^3 / 12
 * times the largest second derivative of the power, and over a run h^2 / 12 times the change of its
 * first (Euler-Maclaurin); a reading that is the mean of the last w seconds is w / 2 late. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "common/scope.h"
#include "tests/hwsim/harness_fixture.h"

#define SECONDS 600
#define TICK_NS UINT64_C(1000000000)

/* A load that swings: 20 W x (1 + sin(2 pi t / 17 s)) above 7 W. */
#define SWING_W 20.0
#define SWING_PERIOD_S 17.0
#define WINDOW_S 0.05
#define CARD "0000:03:00.0"

static const char board_text[] =
    "[machine]\nvendor = intel\nfamily = 6\nmodel = 0x9e\npackages = 2\ncpus = 4\nclock = file\n"
    "domains = package\n"
    "[package 1]\nidle_w = 7\n"
    "[user first]\nload = 1\nwatts = 30\n"
    "[user second]\nload = 2\nperiod_s = 17\nwatts = 20\npackage = 1\n"
    "[sys bus/pci/devices/" CARD "/class]\ntext = 0x030000\n"
    "[sys bus/pci/devices/" CARD "/vendor]\ntext = 0x1002\n"
    "[sys class/hwmon/hwmon3]\nuntil_s = 300\n" /* pulled, and back in another slot of the list */
    "[sys class/hwmon/hwmon3/name]\ntext = amdgpu\n"
    "[sys class/hwmon/hwmon3/device]\nlink = ../../../devices/" CARD "\n"
    "[sys class/hwmon/hwmon3/power1_cap_max]\ntext = 300000000\n"
    "[sys class/hwmon/hwmon3/power1_average]\nshows = package-1\nas = power_uw\nwindow_us = 50000\n"
    "[sys class/hwmon/hwmon8]\nfrom_s = 330\n"
    "[sys class/hwmon/hwmon8/name]\ntext = amdgpu\n"
    "[sys class/hwmon/hwmon8/device]\nlink = ../../../devices/" CARD "\n"
    "[sys class/hwmon/hwmon8/power1_cap_max]\ntext = 300000000\n"
    "[sys class/hwmon/hwmon8/power1_average]\nshows = package-1\nas = power_uw\nwindow_us = 50000\n"
    "[sys class/hwmon/hwmon0/name]\ntext = amd_energy\n"
    "[sys class/hwmon/hwmon0/energy1_label]\ntext = Esocket0\n"
    "[sys class/hwmon/hwmon0/energy1_input]\nshows = package-0\nas = energy_uj\n";

/* A laptop: everything it uses comes from two batteries, the second of which its driver writes as a
 * negative current. Slow swings: readings are ten seconds apart. */
#define SLOW_SWING_W 10.0
#define SLOW_PERIOD_S 100.0

#define LAPTOP_TEXT                                                                               \
    "[machine]\nvendor = intel\nfamily = 6\nmodel = 0x9e\npackages = 1\ncpus = 4\nclock = file\n" \
    "domains = package psys\n[psys]\nidle_w = 8\n[package 0]\nidle_w = 4\ndram_idle_w = 1\n"      \
    "[user all]\nload = 2\nperiod_s = 100\nwatts = 10\n"                                          \
    "[sys class/power_supply/AC/type]\ntext = Mains\n"                                            \
    "[sys class/power_supply/BAT0/type]\ntext = Battery\n"                                        \
    "[sys class/power_supply/BAT0/power_now]\nshows = psys\nas = power_uw\nfactor = 0.625\n"      \
    "[sys class/power_supply/BAT0/energy_now]\nshows = psys\nas = energy_uwh\nfactor = 0.625\n"   \
    "[sys class/power_supply/BAT1/type]\ntext = Battery\n"                                        \
    "[sys class/power_supply/BAT1/status]\ntext = Discharging\n"                                  \
    "[sys class/power_supply/BAT1/voltage_now]\ntext = 12000000\n"                                \
    "[sys class/power_supply/BAT1/current_now]\nshows = psys\nas = current_ua\nfactor = -0.375\n" \
    "[sys class/power_supply/BAT1/charge_now]\nshows = psys\nas = charge_uah\nfactor = 0.375\n"

static const char laptop_text[] =
    LAPTOP_TEXT "[sys class/power_supply/BAT0/status]\ntext = Discharging\n"
                "[sys class/power_supply/AC/online]\ntext = 0\n";

/* Plugged in from 200 s to 400 s, full from 300 s; the second battery is swapped at 505 s. */
static const char busy_laptop_text[] =
    LAPTOP_TEXT "[sys class/power_supply/BAT0/status]\ntext = Discharging\nthen = 200 Charging\n"
                "then = 300 Full\nthen = 400 Discharging\n"
                "[sys class/power_supply/AC/online]\ntext = 0\nthen = 200 1\nthen = 400 0\n"
                "[sys class/power_supply/BAT1/serial_number]\ntext = 1\nthen = 505 2\n";

static struct counter_truth *truth_of(enum domain domain, int32_t package)
{
    for (size_t i = 0; i < harness.n_truths; i++) {
        if (harness.truths[i].domain == domain && harness.truths[i].package == package)
            return &harness.truths[i];
    }
    fail_msg("no truth of %s %d", domain_name(domain), package);
    return NULL;
}

/* The truth of a counter is that of the domain in which a source gives it. */
static struct counter_truth *truth_as(enum domain domain, int32_t package, enum domain as,
                                      int32_t number)
{
    struct counter_truth *truth = truth_of(domain, package);
    truth->domain = as;
    truth->package = number;
    return truth;
}

struct wanted {
    const char *reason;
    size_t n;
};

/* Sums within total_j, each sample within worst_j, and the invalid ones are those wanted. */
static void check(const char *what, const struct counter_truth *truth, size_t n_valid,
                  const struct wanted *wanted, size_t n_wanted, double total_j, double worst_j)
{
    struct counter_sum sum = harness_sum(&harness, truth);
    double off_j = fabs(sum.valid_uj - sum.true_uj) / 1e6;
    print_message("%s: %zu valid, %zu invalid, %.3f J of %.3f J (%.4f %%), worst %.4f J\n", what,
                  sum.n_valid, sum.n_invalid, sum.valid_uj / 1e6, sum.true_uj / 1e6,
                  1e8 * off_j / sum.true_uj, sum.worst_uj / 1e6);
    size_t n_invalid = 0;
    for (size_t i = 0; i < n_wanted; i++) {
        size_t n = harness_count(&harness, truth, wanted[i].reason);
        if (n != wanted[i].n)
            fail_msg("%s: %zu times %s", what, n, wanted[i].reason);
        n_invalid += n;
    }
    assert_int_equal(sum.n_invalid, n_invalid);
    assert_int_equal(sum.n_valid, n_valid);
    assert_true(off_j <= 1e-3 * sum.true_uj / 1e6);
    assert_true(off_j <= total_j);
    assert_true(sum.worst_uj / 1e6 <= worst_j);
}

static void run(const char *machine_text, const char *script, const char *source)
{
    harness_start(&harness, machine_text, script);
    harness_run(&harness, harness_source(source), SECONDS, TICK_NS);
    harness_stop(&harness);
}

static double largest_miss_j(double swing_w, double period_s, double h)
{
    double omega = 2 * M_PI / period_s;
    return swing_w * omega * omega * h * h * h / 12 + WINDOW_S / 2 * swing_w * omega * h;
}

/* Per unbroken run. */
static double whole_miss_j(double swing_w, double period_s, double h)
{
    return swing_w * 2 * M_PI / period_s * 2 * h * h / 12 + WINDOW_S / 2 * 2 * swing_w;
}

static const double card_worst_j = 0.42, card_total_j = 2.3;

static void test_bounds(void **state)
{
    (void)state;
    assert_true(largest_miss_j(SWING_W, SWING_PERIOD_S, 1) < card_worst_j);
    assert_true(whole_miss_j(SWING_W, SWING_PERIOD_S, 1) < card_total_j);
}

/* Of the card's 600 ticks 31 have no card: from 300 s to 330 s, and then a first reading. Counters
 * are in whole units of 61 uJ, twice, and in whole microjoules. */
static void test_hwmon(void **state)
{
    (void)state;
    static const struct wanted gone[] = {{"vanished", 30}, {"reopened", 1}};
    run(board_text, "", "hwmon");
    check("card", truth_as(DOMAIN_PACKAGE, 1, DOMAIN_GPU, 0), SECONDS - 31, gone, ARRAY_SIZE(gone),
          2 * card_total_j, card_worst_j);
    check("socket", truth_of(DOMAIN_PACKAGE, 0), SECONDS, NULL, 0, 2e-4, 2e-4);
}

/* Power needs two good readings; a counter that failed shows all of it at the next. */
static void test_hwmon_with_faults(void **state)
{
    (void)state;
    static const struct wanted card[] = {{"read_error", 3}, {"vanished", 35}, {"reopened", 3}};
    static const struct wanted socket[] = {
        {"read_error", 2}, {"stuck", 3}, {"counter_reset", 1}, {"vanished", 4}, {"reopened", 1}};
    run(board_text,
        "time 100 package-1 eio for 3\ntime 200 package-1 enodev for 5\n"
        "time 100 package-0 eio for 2\ntime 200 package-0 stuck for 3\n"
        "time 400 package-0 reset\ntime 500 package-0 enodev for 4\n",
        "hwmon");
    check("card", truth_as(DOMAIN_PACKAGE, 1, DOMAIN_GPU, 0), SECONDS - 41, card, ARRAY_SIZE(card),
          4 * card_total_j, card_worst_j);
    check("socket", truth_of(DOMAIN_PACKAGE, 0), SECONDS - 11, socket, ARRAY_SIZE(socket), 1e-3,
          2e-4);
}

static double battery_worst_j(void)
{
    return largest_miss_j(SLOW_SWING_W, SLOW_PERIOD_S, 10) + 1e-4; /* whole microwatts, twice */
}

static double battery_total_j(void)
{
    return whole_miss_j(SLOW_SWING_W, SLOW_PERIOD_S, 10) + SECONDS / 10 * 1e-4;
}

/* Two batteries, one sample in ten ticks. */
static void test_supply(void **state)
{
    (void)state;
    run(laptop_text, "", "supply");
    check("laptop", truth_as(DOMAIN_PSYS, PACKAGE_NONE, DOMAIN_WALL, PACKAGE_NONE), SECONDS / 10,
          NULL, 0, battery_total_j(), battery_worst_j());
    for (size_t i = 0; i < harness.n_ticks; i++)
        assert_int_equal(harness.ticks[i].n_samples, i % 10 == 9);
}

/* Looks are at 11 s, 21 s, ...: of the 60, those from 201 s to 391 s see the adapter; the battery
 * is another one at 511 s, and at 561 s neither power nor level is said: two spans lack an end. */
static void test_supply_with_faults(void **state)
{
    (void)state;
    static const struct wanted wanted[] = {
        {"unmetered", 20}, {"supply_changed", 1}, {"no_reading", 2}, {"reopened", 1}};
    run(busy_laptop_text, "time 555 psys eio for 10\n", "supply");
    check("laptop", truth_as(DOMAIN_PSYS, PACKAGE_NONE, DOMAIN_WALL, PACKAGE_NONE), 60 - 24, wanted,
          ARRAY_SIZE(wanted), 4 * battery_total_j(), battery_worst_j());
}

int main(void)
{
    if (!harness_can_run())
        return CANNOT_RUN;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds),
        cmocka_unit_test_teardown(test_hwmon, harness_end_machine),
        cmocka_unit_test_teardown(test_hwmon_with_faults, harness_end_machine),
        cmocka_unit_test_teardown(test_supply, harness_end_machine),
        cmocka_unit_test_teardown(test_supply_with_faults, harness_end_machine),
    };
    return cmocka_run_group_tests(tests, harness_set_up, harness_tear_down);
}
