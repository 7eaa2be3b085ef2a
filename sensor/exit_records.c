/* SPDX-License-Identifier: BSD-3-Clause */
/* Generic netlink by hand: two requests and one kind of answer, and this program links no network
 * library. The layout of the record has been changed in its middle once (and back), so a record of
 * ourselves is asked for first and held against what we know. */
#include "sensor/exit_records.h"

#include <assert.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/taskstats.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "common/array.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/scope.h"
#include "sensor/host.h"

#define VERSION_MIN 12
#define TICK_MAX_NS (10 * NS_PER_MS) /* of the scheduler, CONFIG_HZ=100 */
#define GROUP_IS_DEAD 0x20 /* AGROUP, missing in older headers */

static_assert(sizeof(((struct exit_record *)0)->comm) == TS_COMM_LEN, "names fit");

/* A generic netlink message with one attribute goes out, any number of them comes in. */
union message {
    struct nlmsghdr header;
    char bytes[8192];
};

struct exit_records {
    int fd;
    uint16_t family;
    uint32_t sequence;
    char cpus[256]; /* for which records are asked */
    struct exit_record *records;
    size_t n_records, capacity;
};

/* ---- netlink ---- */

/* The attribute of that type among bytes; NULL. *ret_size: of what it holds. */
static const char *find_attribute(const char *bytes, size_t size, uint16_t type, size_t *ret_size)
{
    struct nlattr attribute;
    while (size >= sizeof(attribute)) {
        memcpy(&attribute, bytes, sizeof(attribute));
        if (attribute.nla_len < NLA_HDRLEN || attribute.nla_len > size)
            return NULL;
        if ((attribute.nla_type & NLA_TYPE_MASK) == type) {
            *ret_size = attribute.nla_len - (size_t)NLA_HDRLEN;
            return bytes + NLA_HDRLEN;
        }
        size_t step = NLA_ALIGN(attribute.nla_len);
        if (step > size)
            return NULL;
        bytes += step;
        size -= step;
    }
    return NULL;
}

/* The attributes of a message of that type: NULL if it is another. */
static const char *attributes_of(const union message *message, size_t size, uint16_t type,
                                 size_t *ret_size)
{
    size_t start = NLMSG_HDRLEN + GENL_HDRLEN;
    if (size < start || message->header.nlmsg_len > size || message->header.nlmsg_len < start ||
        message->header.nlmsg_type != type)
        return NULL;
    *ret_size = message->header.nlmsg_len - start;
    return message->bytes + start;
}

static int send_request(struct exit_records *exits, uint16_t type, uint8_t command,
                        uint16_t attribute_type, const void *value, size_t size)
{
    union message message = {0};
    struct genlmsghdr *command_header = NLMSG_DATA(&message.header);
    struct nlattr *attribute = (void *)((char *)command_header + GENL_HDRLEN);
    command_header->cmd = command;
    command_header->version = 1;
    attribute->nla_type = attribute_type;
    attribute->nla_len = (uint16_t)(NLA_HDRLEN + size);
    memcpy((char *)attribute + NLA_HDRLEN, value, size);
    message.header = (struct nlmsghdr){
        .nlmsg_len = (uint32_t)(NLMSG_HDRLEN + GENL_HDRLEN + NLA_ALIGN(attribute->nla_len)),
        .nlmsg_type = type,
        .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
        .nlmsg_seq = ++exits->sequence,
    };
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    ssize_t sent = sendto(exits->fd, &message, message.header.nlmsg_len, 0,
                          (const struct sockaddr *)&kernel, sizeof(kernel));
    return sent < 0 ? -errno : 0;
}

/* The next message, from nobody but the kernel. */
static ssize_t receive(const struct exit_records *exits, union message *message, int flags)
{
    for (;;) {
        struct sockaddr_nl from = {0};
        socklen_t length = sizeof(from);
        ssize_t size = recvfrom(exits->fd, message, sizeof(*message), flags,
                                (struct sockaddr *)&from, &length);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return -errno;
        if (from.nl_pid == 0)
            return size;
    }
}

/* Sends and waits until the kernel has answered; what came before its acknowledgement, if anything,
 * is in answer. 0 or what the kernel says is wrong. */
static int ask(struct exit_records *exits, uint16_t type, uint8_t command, uint16_t attribute_type,
               const void *value, size_t value_size, union message *answer, size_t *ret_size)
{
    union message message;
    int r = send_request(exits, type, command, attribute_type, value, value_size);
    *ret_size = 0;
    while (r == 0) {
        ssize_t size = receive(exits, &message, 0);
        if (size < 0)
            return (int)size;
        if ((size_t)size < NLMSG_LENGTH(sizeof(struct nlmsgerr)) ||
            message.header.nlmsg_seq != exits->sequence)
            continue; /* a record */
        if (message.header.nlmsg_type == NLMSG_ERROR)
            return ((const struct nlmsgerr *)NLMSG_DATA(&message.header))->error;
        *answer = message;
        *ret_size = (size_t)size;
    }
    return r;
}

/* ---- records ---- */

/* Who never slept ran whenever it did not wait for a CPU: that is exact, whereas the scheduler
 * books a slice only when it ends or at a tick, and a process may end before either. What a
 * hypervisor took is not told apart, so no more than a tick is believed not to be booked. */
static uint64_t cpu_ns_of(const struct taskstats *stats)
{
    uint64_t booked_ns = stats->cpu_run_virtual_total, alive_ns = stats->ac_etime * 1000;
    if (stats->nvcsw > 0 || alive_ns <= stats->cpu_delay_total)
        return booked_ns;
    uint64_t ran_ns = alive_ns - stats->cpu_delay_total;
    if (ran_ns <= booked_ns)
        return booked_ns;
    return ran_ns < booked_ns + TICK_MAX_NS ? ran_ns : booked_ns + TICK_MAX_NS;
}

static bool read_stats(const char *attributes, size_t size, uint16_t type,
                       struct taskstats *ret_stats)
{
    size_t stats_size;
    const char *stats = find_attribute(attributes, size, type, &size);
    if (stats)
        stats = find_attribute(stats, size, TASKSTATS_TYPE_STATS, &stats_size);
    if (!stats || stats_size < offsetof(struct taskstats, ac_exe_dev))
        return false;
    *ret_stats = (struct taskstats){0};
    memcpy(ret_stats, stats, stats_size < sizeof(*ret_stats) ? stats_size : sizeof(*ret_stats));
    return ret_stats->version >= VERSION_MIN;
}

bool exit_record_parse(struct exit_record *ret_record, const void *bytes, size_t size,
                       uint16_t family)
{
    struct taskstats last, all; /* the last thread; all of them, where there were several */
    const char *attributes = attributes_of(bytes, size, family, &size);
    if (!attributes || !read_stats(attributes, size, TASKSTATS_TYPE_AGGR_PID, &last) ||
        !(last.ac_flag & GROUP_IS_DEAD))
        return false;
    struct exit_record record = {.pid = (pid_t)last.ac_tgid,
                                 .parent_pid = (pid_t)last.ac_ppid,
                                 .uid = last.ac_uid,
                                 .cpu_ns = cpu_ns_of(&last),
                                 .lifetime_ns = last.ac_tgetime * 1000};
    memcpy(record.comm, last.ac_comm, sizeof(record.comm) - 1);
    if (read_stats(attributes, size, TASKSTATS_TYPE_AGGR_TGID, &all) &&
        all.cpu_run_virtual_total > last.cpu_run_virtual_total)
        record.cpu_ns = all.cpu_run_virtual_total;
    *ret_record = record;
    return true;
}

static int add_record(struct exit_records *exits, const union message *message, size_t size)
{
    int r = array_reserve(&exits->records, &exits->capacity, exits->n_records + 1,
                          sizeof(*exits->records));
    if (r == 0)
        exits->n_records += exit_record_parse(&exits->records[exits->n_records], message, size,
                                              exits->family);
    return r;
}

static int compare_pids(const void *a, const void *b)
{
    pid_t x = ((const struct exit_record *)a)->pid, y = ((const struct exit_record *)b)->pid;
    return (x > y) - (x < y);
}

int exit_records_take(struct exit_records *exits, const struct exit_record **ret_records,
                      size_t *ret_n, bool *ret_has_lost)
{
    union message message;
    int r = 0;
    exits->n_records = 0;
    *ret_has_lost = false;
    while (r == 0) {
        ssize_t size = receive(exits, &message, MSG_DONTWAIT);
        if (size == -ENOBUFS)
            *ret_has_lost = true;
        else if (size < 0)
            break;
        else
            r = add_record(exits, &message, (size_t)size);
    }
    if (exits->n_records > 1)
        qsort(exits->records, exits->n_records, sizeof(*exits->records), compare_pids);
    *ret_records = exits->records;
    *ret_n = exits->n_records;
    return r;
}

/* ---- open and close ---- */

static int find_family(struct exit_records *exits)
{
    union message answer;
    size_t size, value_size;
    int r = ask(exits, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, TASKSTATS_GENL_NAME,
                sizeof(TASKSTATS_GENL_NAME), &answer, &size);
    if (r < 0)
        return r == -ENOENT ? -EOPNOTSUPP : r;
    const char *attributes = attributes_of(&answer, size, GENL_ID_CTRL, &size);
    const char *value =
        attributes ? find_attribute(attributes, size, CTRL_ATTR_FAMILY_ID, &value_size) : NULL;
    if (!value || value_size < sizeof(exits->family))
        return -EOPNOTSUPP;
    memcpy(&exits->family, value, sizeof(exits->family));
    return 0;
}

static int check_layout(struct exit_records *exits)
{
    union message answer;
    struct taskstats stats;
    struct timespec used;
    size_t size;
    uint32_t tid = (uint32_t)gettid();
    int r = ask(exits, exits->family, TASKSTATS_CMD_GET, TASKSTATS_CMD_ATTR_PID, &tid, sizeof(tid),
                &answer, &size);
    if (r < 0)
        return r;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    const char *attributes = attributes_of(&answer, size, exits->family, &size);
    bool is_ours =
        attributes && read_stats(attributes, size, TASKSTATS_TYPE_AGGR_PID, &stats) &&
        stats.ac_pid == tid && stats.ac_tgid == (uint32_t)getpid() &&
        stats.ac_ppid == (uint32_t)getppid() && stats.ac_uid == getuid() &&
        stats.cpu_run_virtual_total <= (uint64_t)used.tv_sec * NS_PER_S + (uint64_t)used.tv_nsec;
    return is_ours ? 0 : -EOPNOTSUPP;
}

static int begin(struct exit_records *exits, int buffer_bytes)
{
    const struct timeval patience = {.tv_sec = 1};
    union message answer;
    size_t size;
    exits->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
    if (exits->fd < 0)
        return -errno;
    (void)setsockopt(exits->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    int r = find_family(exits);
    if (r == 0)
        r = check_layout(exits);
    if (r == 0 &&
        setsockopt(exits->fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof(buffer_bytes)) < 0)
        r = -errno;
    if (r == 0)
        r = host_read_text(exits->cpus, sizeof(exits->cpus), "/sys/devices/system/cpu/possible");
    if (r < 0)
        return r;
    exits->cpus[strcspn(exits->cpus, "\n")] = '\0';
    return ask(exits, exits->family, TASKSTATS_CMD_GET, TASKSTATS_CMD_ATTR_REGISTER_CPUMASK,
               exits->cpus, strlen(exits->cpus) + 1, &answer, &size);
}

int exit_records_open(struct exit_records **ret_exits, int buffer_bytes, struct error *err)
{
    struct exit_records *exits = calloc(1, sizeof(*exits));
    if (!exits)
        return error_set(err, -ENOMEM, "out of memory");
    int r = begin(exits, buffer_bytes);
    if (r == 0) {
        *ret_exits = exits;
        return 0;
    }
    exits->cpus[0] = '\0';
    exit_records_close(exits);
    if (r == -EPERM || r == -EACCES)
        return error_set(err, -EPERM, "records of ended processes need CAP_NET_ADMIN");
    if (r == -EOPNOTSUPP)
        return error_set(err, r, "this kernel has no usable records of ended processes");
    if (r == -EINVAL)
        return error_set(err, r,
                         "records of ended processes are told to the initial name spaces of users "
                         "and processes only");
    return error_set(err, r, "records of ended processes (taskstats): %s", strerror(-r));
}

/* Whoever has given up the right to end it leaves that to the kernel, which finds the socket gone.
 */
void exit_records_close(struct exit_records *exits)
{
    if (!exits)
        return;
    if (exits->cpus[0])
        (void)send_request(exits, exits->family, TASKSTATS_CMD_GET,
                           TASKSTATS_CMD_ATTR_DEREGISTER_CPUMASK, exits->cpus,
                           strlen(exits->cpus) + 1);
    if (exits->fd >= 0)
        (void)close(exits->fd);
    free(exits->records);
    free(exits);
}
