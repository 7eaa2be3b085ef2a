/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of the kernel about ended processes, whole and not: each lies in memory of its own size,
 * so that a step beyond it is seen by the sanitizers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/taskstats.h>
#include <stdlib.h>
#include <string.h>

#include "sensor/exit_records.h"

#define FAMILY 30
#define GROUP_IS_DEAD 0x20
#define US UINT64_C(1000)
#define MS (1000 * US)
#define S (1000 * MS)

struct message {
    _Alignas(8) char bytes[2048];
    size_t size;
};

static const struct taskstats burner = {.version = 12,
                                        .ac_flag = GROUP_IS_DEAD,
                                        .ac_tgid = 4711,
                                        .ac_ppid = 17,
                                        .ac_uid = 1000,
                                        .ac_comm = "burner",
                                        .ac_etime = 30000,
                                        .ac_tgetime = 30000,
                                        .cpu_run_virtual_total = 20 * MS,
                                        .nvcsw = 1};

/* Adds to the message and returns where the attribute begins. */
static size_t add_attribute(struct message *message, uint16_t type, const void *value, size_t size)
{
    const struct nlattr attribute = {.nla_len = (uint16_t)(NLA_HDRLEN + size), .nla_type = type};
    size_t start = message->size;
    assert_true(start + NLA_HDRLEN + NLA_ALIGN(size) <= sizeof(message->bytes));
    memcpy(message->bytes + start, &attribute, sizeof(attribute));
    if (value)
        memcpy(message->bytes + start + NLA_HDRLEN, value, size);
    message->size += NLA_HDRLEN + NLA_ALIGN(size);
    return start;
}

static void add_stats(struct message *message, uint16_t type, const struct taskstats *stats)
{
    size_t start = add_attribute(message, type, NULL, 0);
    uint32_t number = stats->ac_tgid;
    (void)add_attribute(message, TASKSTATS_TYPE_PID, &number, sizeof(number));
    (void)add_attribute(message, TASKSTATS_TYPE_STATS, stats, sizeof(*stats));
    uint16_t length = (uint16_t)(message->size - start);
    memcpy(message->bytes + start, &length, sizeof(length));
}

static void end_message(struct message *message)
{
    const struct nlmsghdr header = {.nlmsg_len = (uint32_t)message->size, .nlmsg_type = FAMILY};
    memcpy(message->bytes, &header, sizeof(header));
}

/* all: of the process' threads together, NULL: it had one. */
static struct message make_message(const struct taskstats *last, const struct taskstats *all)
{
    struct message message = {.size = NLMSG_HDRLEN + GENL_HDRLEN};
    add_stats(&message, TASKSTATS_TYPE_AGGR_PID, last);
    if (all)
        add_stats(&message, TASKSTATS_TYPE_AGGR_TGID, all);
    end_message(&message);
    return message;
}

static bool parse(struct exit_record *ret_record, const struct message *message, size_t size)
{
    void *bytes = malloc(size ? size : 1);
    assert_non_null(bytes);
    memcpy(bytes, message->bytes, size);
    bool is_record = exit_record_parse(ret_record, bytes, size, FAMILY);
    free(bytes);
    return is_record;
}

static uint64_t cpu_ns_of(const struct taskstats *last, const struct taskstats *all)
{
    struct exit_record record;
    struct message message = make_message(last, all);
    assert_true(parse(&record, &message, message.size));
    return record.cpu_ns;
}

static void a_record_is_read(void **state)
{
    (void)state;
    struct exit_record record;
    struct message message = make_message(&burner, NULL);
    assert_true(parse(&record, &message, message.size));
    assert_int_equal(record.pid, 4711);
    assert_int_equal(record.parent_pid, 17);
    assert_int_equal(record.uid, 1000);
    assert_string_equal(record.comm, "burner");
    assert_int_equal(record.cpu_ns, 20 * MS);
    assert_int_equal(record.lifetime_ns, 30 * MS);
    struct taskstats all = burner;
    all.cpu_run_virtual_total = 70 * MS;
    assert_int_equal(cpu_ns_of(&burner, &all), 70 * MS);
}

static void a_slice_that_was_not_booked_is_added_and_stolen_time_is_not(void **state)
{
    (void)state;
    struct taskstats stats = burner;
    stats.nvcsw = 0;
    stats.cpu_delay_total = 7 * MS;
    assert_int_equal(cpu_ns_of(&stats, NULL), 23 * MS);
    stats.cpu_delay_total = 15 * MS; /* as two clocks tell it */
    assert_int_equal(cpu_ns_of(&stats, NULL), 20 * MS);
    stats.cpu_delay_total = 40 * MS;
    assert_int_equal(cpu_ns_of(&stats, NULL), 20 * MS);
    /* Three of five seconds were taken by the hypervisor: at most a tick is not booked yet. */
    stats.cpu_delay_total = 0;
    stats.ac_etime = 5 * S / US;
    stats.cpu_run_virtual_total = 2 * S;
    assert_int_equal(cpu_ns_of(&stats, NULL), 2 * S + 10 * MS);
}

static void what_is_no_end_of_a_process_is_none(void **state)
{
    (void)state;
    struct exit_record record;
    struct taskstats stats = burner;
    stats.ac_flag = 0; /* a thread's */
    struct message message = make_message(&stats, NULL);
    assert_false(parse(&record, &message, message.size));
    stats = burner;
    stats.version = 11;
    message = make_message(&stats, NULL);
    assert_false(parse(&record, &message, message.size));
    message = make_message(&burner, NULL);
    ((struct nlmsghdr *)(void *)message.bytes)->nlmsg_type = FAMILY + 1;
    assert_false(parse(&record, &message, message.size));
}

static void a_message_that_was_cut_off_is_no_record(void **state)
{
    (void)state;
    struct message whole = make_message(&burner, &burner);
    for (size_t size = 0; size < whole.size; size++) {
        struct exit_record record = {.pid = 1};
        assert_false(parse(&record, &whole, size));
        assert_int_equal(record.pid, 1);
    }
    /* The same where the header knows: the kernel had no room for the rest. */
    struct message alone = make_message(&burner, NULL);
    for (size_t size = NLMSG_HDRLEN; size < alone.size; size++) {
        struct exit_record record;
        struct message cut = alone;
        cut.size = size;
        end_message(&cut);
        assert_false(parse(&record, &cut, size));
    }
}

/* Every length, one after another, says what it should not. */
static void a_length_that_lies_leads_nowhere(void **state)
{
    (void)state;
    static const uint16_t lies[] = {0, 1, 3, 4, 5, 8, 60, 1000, 0x7fff, 0xfffc, 0xffff};
    struct message whole = make_message(&burner, &burner);
    for (size_t at = 0; at + sizeof(uint16_t) <= whole.size; at += sizeof(uint16_t))
        for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
            struct exit_record record = {.comm = "?"};
            struct message message = whole;
            memcpy(message.bytes + at, &lies[i], sizeof(lies[i]));
            if (parse(&record, &message, message.size))
                assert_true(memchr(record.comm, '\0', sizeof(record.comm)) != NULL);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_read),
        cmocka_unit_test(a_slice_that_was_not_booked_is_added_and_stolen_time_is_not),
        cmocka_unit_test(what_is_no_end_of_a_process_is_none),
        cmocka_unit_test(a_message_that_was_cut_off_is_no_record),
        cmocka_unit_test(a_length_that_lies_leads_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
