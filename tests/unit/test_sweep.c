/* SPDX-License-Identifier: BSD-3-Clause */
/* Tens of thousands of processes come and go, numbers are used again, ends are told late, and who is
 * left behind works on: sums are as if nobody had been dropped, and what is kept stays small. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/measurement.h"
#include "cli/process_tree.h"
#include "common/error.h"
#include "common/report.h"
#include "common/target_record.h"

#define BORN 2000     /* in a tick */
#define STRANGERS 500 /* of them */
#define N_TICKS 30
#define NUMBERS 3001     /* are used in turn: by a process of the next tick already */
#define FIRST_MS 1000000 /* end of the tick before the first */
#define TICK_MS 1000
#define FAKE 5000000 /* above all numbers that the kernel gives */

struct made {
    int64_t pid, start_ticks;
    bool belongs;
};

struct bench {
    struct measurement measurement;
    struct process_tree tree;
    struct power_record power;
    struct report report;
    char names[2 * BORN + 10][64]; /* of this tick */
    size_t n_names;
    struct made before[BORN]; /* of the tick before, ended in this one */
    struct target_sum truth;
    pid_t child, stranger; /* they live */
    int gate;              /* until this is closed */
    size_t n_max;          /* identities there were at most */
};

static pid_t make_child(int gate, int other_end)
{
    pid_t child = fork();
    if (child == 0) {
        char word;
        (void)close(other_end);
        _exit(read(gate, &word, 1) != 0);
    }
    assert_true(child > 0);
    return child;
}

static int begin(void **state)
{
    struct bench *bench = test_calloc(1, sizeof(*bench));
    struct live *live = &bench->measurement.live;
    struct error err = {0};
    int gate[2];
    assert_int_equal(pipe(gate), 0);
    bench->child = make_child(gate[0], gate[1]);
    bench->stranger = make_child(gate[0], gate[1]);
    (void)close(gate[0]);
    bench->gate = gate[1];
    bench->measurement.is_following = true;
    bench->measurement.ended.static_uj = bench->truth.static_uj = NAN;
    assert_int_equal(identities_new(&live->identities), 0);
    assert_int_equal(energy_sum_new(&live->targets, ENERGY_BY_TARGET, live->identities), 0);
    assert_int_equal(energy_sum_new(&live->units, ENERGY_BY_UNIT, live->identities), 0);
    power_record_init(&bench->power);
    report_init(&bench->report);
    assert_int_equal(process_tree_add_pid(&bench->tree, getpid(), &err), 0);
    live->shown_ms = FIRST_MS;
    *state = bench;
    return 0;
}

static int end(void **state)
{
    struct bench *bench = *state;
    (void)close(bench->gate);
    assert_int_equal(waitpid(bench->child, NULL, 0), bench->child);
    assert_int_equal(waitpid(bench->stranger, NULL, 0), bench->stranger);
    process_tree_deinit(&bench->tree);
    power_record_deinit(&bench->power);
    report_deinit(&bench->report);
    energy_sum_free(bench->measurement.live.units);
    energy_sum_free(bench->measurement.live.targets);
    identities_free(bench->measurement.live.identities);
    test_free(bench);
    return 0;
}

/* When a process that lives was born. */
static int64_t start_of(pid_t pid)
{
    struct process_tree tree = {0};
    struct error err = {0};
    assert_int_equal(process_tree_add_pid(&tree, pid, &err), 0);
    int64_t start_ticks = tree.roots[0].key.start_ticks;
    process_tree_deinit(&tree);
    return start_ticks;
}

static void tell(struct bench *bench, const struct made *made, int64_t parent_pid)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "/u:%" PRId64 "@%" PRId64, made->pid, made->start_ticks);
    const struct target_record record = {.key = {.sensor = "s"},
                                         .target = name,
                                         .target_kind = "process",
                                         .name = "x",
                                         .cgroup = "/u",
                                         .pid = made->pid,
                                         .start_ticks = made->start_ticks,
                                         .parent_pid = parent_pid};
    assert_int_equal(identities_add(bench->measurement.live.identities, &record), 0);
}

static void begin_tick(struct bench *bench, int64_t number)
{
    struct balance_row *row;
    power_record_clear(&bench->power);
    report_clear(&bench->report);
    struct record_key *key = &bench->power.key;
    (void)snprintf(key->sensor, sizeof(key->sensor), "s");
    (void)snprintf(key->run, sizeof(key->run), "0199d2f4c1a0");
    key->seq = (uint64_t)number;
    key->timestamp_ms = FIRST_MS + number * TICK_MS;
    bench->power.dt_ns = bench->report.dt_ns = TICK_MS * INT64_C(1000000);
    bench->power.valid = true;
    bench->report.key = *key;
    assert_int_equal(report_add_event(&bench->report, "cpu_ns"), 0);
    assert_int_equal(power_record_add_balance(&bench->power, &row), 0);
    row->domain = DOMAIN_PACKAGE;
    row->package = 0;
    row->dt_ns = bench->power.dt_ns;
    row->measured_w = row->dynamic_w = 10;
    bench->n_names = 0;
}

static void use(struct bench *bench, const struct made *made, int64_t uj)
{
    struct power_row *power;
    struct count_row *count;
    char *name = bench->names[bench->n_names++];
    (void)snprintf(name, 64, "/u:%" PRId64 "@%" PRId64, made->pid, made->start_ticks);
    assert_int_equal(power_record_add_target(&bench->power, &power), 0);
    power->target = name;
    power->domain = DOMAIN_PACKAGE;
    power->package = 0;
    power->dynamic_uj = uj;
    power->dynamic_w = (double)uj / 1e6;
    power->static_w = 0.25;
    assert_int_equal(report_add_target(&bench->report, &count), 0);
    count->target = name;
    count->has_counts = true;
    report_counts(&bench->report, count)[0] = 1000 * uj;
    if (!made->belongs)
        return;
    bench->truth.dynamic_uj += uj;
    bench->truth.cpu_ns += 1000 * uj;
    bench->truth.static_uj = (isnan(bench->truth.static_uj) ? 0 : bench->truth.static_uj) + 250000;
}

static bool is_chosen(const struct identity *identity, void *context)
{
    return process_tree_has(context, identity);
}

/* What watt attach does at a tick. */
static bool end_tick(struct bench *bench)
{
    struct live *live = &bench->measurement.live;
    struct error err = {0};
    size_t n;
    assert_int_equal(energy_sum_add(live->targets, &bench->power, &err), 0);
    assert_int_equal(energy_sum_add_counts(live->targets, &bench->report, &err), 0);
    assert_int_equal(energy_sum_add(live->units, &bench->power, &err), 0);
    live->before_ms = live->shown_ms;
    live->shown_ms = bench->power.key.timestamp_ms;
    live->n_ticks++;
    int64_t now_ms = live->shown_ms + 100;
    (void)identities_all(live->identities, &n);
    bench->n_max = n > bench->n_max ? n : bench->n_max;
    assert_int_equal(process_tree_grow(&bench->tree, live->identities), 0);
    if (!measurement_sweep(&bench->measurement, now_ms, is_chosen, &bench->tree))
        return false;
    assert_int_equal(process_tree_sweep(&bench->tree, live->identities, now_ms, live->before_ms),
                     0);
    return true;
}

/* A tick's processes: children of the root and of each other, the first one of the last of the tick
 * before; and strangers. They end in the next tick. */
static void pass(struct bench *bench, int64_t number, int64_t root_start)
{
    int64_t last_member = number > 0 ? bench->before[BORN - 1].pid : getpid();
    int64_t last_stranger = 1;
    for (size_t i = 0; number > 0 && i < BORN; i++)
        use(bench, &bench->before[i], 1);
    for (size_t i = 0; i < BORN; i++) {
        int64_t serial = number * BORN + (int64_t)i;
        struct made made = {FAKE + serial % NUMBERS, root_start + 1000 + serial, i >= STRANGERS};
        int64_t *last = made.belongs ? &last_member : &last_stranger;
        tell(bench, &made, serial % 2 == 0 && made.belongs ? getpid() : *last);
        *last = made.pid;
        use(bench, &made, serial % 7 + 1);
        bench->before[i] = made;
    }
}

static void assert_same_sum(struct bench *bench)
{
    struct usage usage;
    measurement_add_up(&bench->measurement, is_chosen, &bench->tree, &usage);
    assert_true(usage.cpu_s == (double)bench->truth.cpu_ns / 1e9);
    assert_true(usage.energy_j == (double)bench->truth.dynamic_uj / 1e6);
    assert_true(fabs(usage.static_j - bench->truth.static_uj / 1e6) < 1e-6);
}

static void sums_are_as_if_nobody_was_dropped(void **state)
{
    struct bench *bench = *state;
    int64_t root_start = bench->tree.roots[0].key.start_ticks;
    const struct made child = {bench->child, start_of(bench->child), true};
    const struct made stranger = {bench->stranger, start_of(bench->stranger), false};
    const struct made parent = {FAKE - 1, root_start, true}, other = {FAKE - 2, root_start, false};
    uint64_t n_sweeps = 0;
    for (int64_t number = 0; number < N_TICKS; number++) {
        begin_tick(bench, number + 1);
        if (number == 0) { /* those who made them are dead soon */
            tell(bench, &parent, getpid());
            tell(bench, &other, 1);
            tell(bench, &child, parent.pid);
            tell(bench, &stranger, other.pid);
            use(bench, &parent, 3);
            use(bench, &other, 3);
        }
        pass(bench, number, root_start);
        use(bench, &child, 5);
        use(bench, &stranger, 5);
        const struct made reused = {other.pid, root_start + 1000 + (number + 1) * BORN, true};
        tell(bench, &reused, child.pid); /* what the living make belongs, whoever had the number */
        use(bench, &reused, 2);
        n_sweeps += end_tick(bench);
        assert_same_sum(bench);
    }
    const struct process_key key = {child.pid, child.start_ticks};
    assert_in_range(n_sweeps, 3, N_TICKS);
    assert_in_range(bench->n_max, SWEEP_MIN, 8 * BORN);
    assert_in_range(bench->tree.n_roots, 2, 8 * BORN);
    assert_true(process_key_lives(&key));
    assert_true(process_tree_lives(&bench->tree));
}

/* Whoever lives stays, and so does whoever is named, though no such process lives here. */
static void who_is_named_stays(void **state)
{
    struct bench *bench = *state;
    struct live *live = &bench->measurement.live;
    const struct made elsewhere = {FAKE - 1, 7, false};
    struct sweep sweep = {.keep_ms = 2 * TICK_MS};
    struct identity *identity;
    for (int64_t number = 0; number < 6; number++) {
        begin_tick(bench, number + 1);
        for (int64_t i = 0; i < SWEEP_MIN; i++)
            tell(bench, &(struct made){FAKE + i, number, false}, 1);
        if (number == 0)
            tell(bench, &elsewhere, 1);
        use(bench, &elsewhere, 1);
        (void)energy_sum_add(live->targets, &bench->power, NULL);
        live->before_ms = live->shown_ms;
        live->shown_ms = bench->power.key.timestamp_ms;
        live->n_ticks++;
        (void)sweep_processes(&sweep, live, live->shown_ms + 100, NULL, NULL);
    }
    size_t n;
    (void)identities_all(live->identities, &n);
    assert_in_range(n, 1, 4 * SWEEP_MIN);
    assert_int_equal(identities_find(live->identities, "s", "/u:4999999@7", &identity), 0);
    assert_false(identity->is_derived);
    assert_int_equal(identities_find(live->identities, "s", "/u:5000000@0", &identity), 0);
    assert_true(identity->is_derived); /* dropped */
}

/* Two hundred used energy; a hundred of them, those who used most, stay when all have ended. */
static void the_largest_stay(void **state)
{
    struct bench *bench = *state;
    struct live *live = &bench->measurement.live;
    struct sweep sweep = {.n_kept_lines = 100};
    struct energy_entry *const *entries;
    size_t n;
    for (int64_t number = 0; number < 4; number++) {
        begin_tick(bench, number + 1);
        for (int64_t i = 0; i < SWEEP_MIN; i++)
            tell(bench, &(struct made){FAKE + i, number, false}, 1);
        for (int64_t i = 0; number == 0 && i < 200; i++)
            use(bench, &(struct made){FAKE + i, number, false}, 1000 - i);
        (void)energy_sum_add(live->targets, &bench->power, NULL);
        (void)energy_sum_add(live->units, &bench->power, NULL);
        live->before_ms = live->shown_ms;
        live->shown_ms = bench->power.key.timestamp_ms;
        live->n_ticks++;
        (void)sweep_processes(&sweep, live, live->shown_ms + 100, NULL, NULL);
    }
    energy_sum_sort(live->targets, ENERGY_BY_JOULES, &entries, &n);
    assert_int_equal(n, 100);
    assert_int_equal(entries[0]->dynamic_uj, 1000);
    assert_int_equal(entries[99]->dynamic_uj, 901);
    energy_sum_sort(live->units, ENERGY_BY_JOULES, &entries, &n);
    assert_int_equal(n, 1);
    assert_int_equal(entries[0]->dynamic_uj, 200 * 1000 - 199 * 100);
    assert_null(entries[0]->identity);
    assert_string_equal(entries[0]->key, "u");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sums_are_as_if_nobody_was_dropped, begin, end),
        cmocka_unit_test_setup_teardown(who_is_named_stays, begin, end),
        cmocka_unit_test_setup_teardown(the_largest_stay, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
