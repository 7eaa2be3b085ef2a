/* SPDX-License-Identifier: BSD-3-Clause */
/* What a stranger reads: everything that is known, in lines that fit, and nothing that drives the
 * terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/doctor_view.h"

static struct machine_domain measured = {
    .name = "package 0",
    .source = "powercap",
    .is_attributed = true,
    .is_filtered = true,
    .unit_uj = 61.035,
    .range_j = 262143.3,
    .peak_w = 810,
    .wrap_s = 323.6,
    .longest_interval_s = 307.4,
    .update_ms = 1.004,
    .reading_ms = 0.3,
    .power_w = 20.5,
    .includes = "the processor: cores, caches, memory controller, integrated graphics",
    .leaves_out = "memory modules, graphics cards, drives, fans, losses of the power supply",
    .checks = {{"msr", "differs", 0.048}, {"perf", "agrees", 0.0001}, {"x", "undecided", NAN}},
    .n_checks = 3,
};

static struct machine_domain unknown = {
    .name = "gpu 3",
    .source = "nvml",
    .unit_uj = NAN,
    .range_j = NAN,
    .peak_w = NAN,
    .wrap_s = NAN,
    .longest_interval_s = NAN,
    .update_ms = NAN,
    .reading_ms = NAN,
    .power_w = NAN,
    .reason = "vanished",
};

static const struct doctor_line lines[] = {
    {"energy", "powercap", "used", "package, dram; packages: 1", NULL},
    {"energy", "msr", "locked", "/dev/cpu/0/msr: Permission denied",
     "run it as root, or: sudo setcap cap_sys_rawio,cap_dac_read_search+ep /usr/bin/watt-sensor   "
     "(in "
     "a container: this, that and quite a few other things besides, to be given to each of them)"},
    {"engine", "proc", "used", "", ""},
    {"store", "sqlite:/a/very/long/name/that/does/not/fit/beside/anything/raw.db", "empty", NULL,
     "watt top"},
};

static char *text;

static void view(unsigned width, struct machine_domain *domains, size_t n_domains, const char *cpu)
{
    size_t size = 0;
    struct machine machine = {.domains = domains, .n_domains = n_domains, .granularity = "cgroup"};
    (void)snprintf(machine.cpu, sizeof(machine.cpu), "%s", cpu);
    free(text);
    FILE *stream = open_memstream(&text, &size);
    assert_non_null(stream);
    assert_int_equal(doctor_view_write(stream, width, &machine, lines, 4, "A note of words."), 0);
    assert_int_equal(fclose(stream), 0);
}

static void expect(const char *words)
{
    if (!strstr(text, words))
        fail_msg("\"%s\" is not in:\n%s", words, text);
}

static int tear_down(void **state)
{
    (void)state;
    free(text);
    text = NULL;
    return 0;
}

static void everything_known_is_said(void **state)
{
    (void)state;
    struct machine_domain domains[] = {measured, unknown};
    view(200, domains, 2, "A CPU");
    expect("What is measured here (A CPU)\n");
    expect("  package 0    source      powercap\n");
    expect("power       20.50 W just now\n");
    expect("61.03 uJ a count; full at 262143 J, that is after 5 min at 810 W; --interval may be up "
           "to 307 s\n");
    expect("updated     every 1.00 ms, as seen\n");
    expect("msr DIFFERS by 4.8 %; perf says the same, within 0.1 %; too little energy so far to "
           "compare with x\n");
    expect("filtered    the processor adds noise");
    expect("includes    the processor");
    expect("leaves out  memory modules");
    expect("  gpu 3        source      nvml, a measurement beside the others\n"
           "               power       no reading: vanished\n\n");
    expect("Where energy can come from\n  powercap     used: package, dram; packages: 1\n");
    expect("  msr          locked: /dev/cpu/0/msr: Permission denied\n"
           "               -> run it as root\n"
           "               -> sudo setcap cap_sys_rawio,cap_dac_read_search+ep "
           "/usr/bin/watt-sensor\n"
           "                  (in a container: this,");
    expect("What counts who used it, per cgroup\n  proc         used\n");
    expect("Where it is kept\n  sqlite:/a/very");
    expect("\nA note of words.\n");
    assert_null(strstr(text, "nan"));
}

static void lines_fit_the_terminal(void **state)
{
    (void)state;
    static const unsigned widths[] = {40, 60, 80, 100, 133};
    struct machine_domain domains[] = {measured, unknown};
    for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
        view(widths[i], domains, 2, "");
        for (const char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
            size_t length = (size_t)(end - line);
            /* A word that is longer than the line may stick out, alone. */
            const char *word = memrchr(line, ' ', length);
            bool is_long_word = word && (size_t)(end - word) + 16 > widths[i];
            bool is_typed = memmem(line, length, "-> ", 3) != NULL;
            bool is_name = length > 0 && strncmp(line, "  sqlite:", 9) == 0;
            if (length > widths[i] && !is_long_word && !is_typed && !is_name)
                fail_msg("%zu characters in a line of %u: %.*s", length, widths[i], (int)length,
                         line);
        }
    }
}

static void a_terminal_is_not_driven(void **state)
{
    (void)state;
    struct machine_domain domain = measured;
    (void)snprintf(domain.source, sizeof(domain.source),
                   "a\033[2Jb\177c\xc2\x9b"
                   "d\xc3\xa9");
    view(100, &domain, 1, "CPU\033]0;x\007");
    assert_null(strchr(text, '\033'));
    assert_null(strchr(text, '\177'));
    assert_null(strchr(text, '\007'));
    assert_null(strstr(text, "\xc2\x9b"));
    expect("a?[2Jb?c?d\xc3\xa9");
}

static void updates_are_told_as_seen(void **state)
{
    (void)state;
    char update[160];
    struct machine_domain domain = measured;
    domain.reading_ms = 0.9;
    doctor_update_text(&domain, update, sizeof(update));
    assert_string_equal(update, "every 1.00 ms or more often: at every look");
    domain.update_ms = NAN;
    doctor_update_text(&domain, update, sizeof(update));
    assert_string_equal(update, "not seen: it did not change while it was looked at");
    domain.is_estimate = true;
    doctor_update_text(&domain, update, sizeof(update));
    assert_string_equal(update, "");
}

static void a_full_disk_is_an_error(void **state)
{
    (void)state;
    struct machine machine = {.domains = &measured, .n_domains = 1};
    FILE *stream = fopen("/dev/full", "w");
    assert_non_null(stream);
    assert_int_equal(doctor_view_write(stream, 80, &machine, lines, 4, NULL), -EIO);
    (void)fclose(stream);
}

#define WITH_TEXT(test) cmocka_unit_test_teardown(test, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TEXT(everything_known_is_said), WITH_TEXT(lines_fit_the_terminal),
        WITH_TEXT(a_terminal_is_not_driven), WITH_TEXT(updates_are_told_as_seen),
        WITH_TEXT(a_full_disk_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
