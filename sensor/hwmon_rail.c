/* SPDX-License-Identifier: BSD-3-Clause */
/* A file stays open and is read again. What cannot be is never taken for a reading: less than
 * nothing, more than the device can draw, or a processor without any power. */
#include "sensor/hwmon_rail.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/scope.h"
#include "sensor/host.h"

/* A card may pass its power cap for milliseconds, and an averaging driver shows some of it. */
#define CAP_FACTOR 2.0

static void close_files(struct hwmon_rail *rail)
{
    scope_close(&rail->fd);
    scope_close(&rail->voltage_fd);
    scope_close(&rail->asleep_fd);
    rail->fd = rail->voltage_fd = rail->asleep_fd = -1;
}

void hwmon_rail_close(struct hwmon_rail *rail)
{
    close_files(rail);
    rail->has_last = false;
}

static int rail_open(struct hwmon_rail *rail)
{
    rail->fd = open(rail->what.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (rail->fd < 0)
        return -errno;
    if (rail->what.voltage[0])
        rail->voltage_fd = open(rail->what.voltage, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (rail->what.voltage[0] && rail->voltage_fd < 0)
        return -errno;
    if (rail->what.asleep[0])
        rail->asleep_fd = open(rail->what.asleep, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return 0;
}

static bool is_asleep(const struct hwmon_rail *rail)
{
    char status[32];
    return rail->asleep_fd >= 0 && host_reread(rail->asleep_fd, status, sizeof(status)) > 0 &&
           strcmp(status, "active") != 0 && strcmp(status, "unsupported") != 0;
}

/* Digits, with a sign perhaps, and not a byte more. */
static int read_value(int fd, int64_t *ret_value)
{
    char text[32], *end;
    ssize_t length = host_reread(fd, text, sizeof(text));
    if (length < 0)
        return (int)length;
    const char *digits = text + (*text == '-');
    if (*digits < '0' || *digits > '9')
        return -EBADMSG;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end != text + length)
        return -EBADMSG;
    *ret_value = value;
    return 0;
}

/* A power, or milliamperes times millivolts: what is out of range makes no product. */
static int read_rail(struct hwmon_rail *rail)
{
    int64_t voltage_mv, product;
    int r = read_value(rail->fd, &rail->now);
    if (r < 0 || rail->voltage_fd < 0)
        return r;
    r = read_value(rail->voltage_fd, &voltage_mv);
    if (r < 0)
        return r;
    if (__builtin_mul_overflow(rail->now, voltage_mv, &product))
        return -EBADMSG;
    rail->now = product;
    return 0;
}

/* A processor always draws something. */
static bool is_possible(const struct hwmon_rail *rail)
{
    if (rail->what.is_energy)
        return rail->now >= 0;
    int64_t least_uw = rail->domain == DOMAIN_PACKAGE ? 1 : 0;
    return rail->now >= least_uw && (double)rail->now <= rail->bound_w * 1e6;
}

const char *hwmon_rail_look(struct hwmon_rail *rail)
{
    int r = rail->fd < 0 ? rail_open(rail) : 0;
    if (r == 0 && is_asleep(rail)) {
        rail->has_last = false;
        return "asleep";
    }
    if (r == 0)
        r = read_rail(rail);
    if (r < 0) {
        const char *reason = host_reason(r);
        close_files(rail);
        rail->has_last = rail->has_last && strcmp(reason, "read_error") == 0;
        return reason;
    }
    return is_possible(rail) ? NULL : "implausible";
}

const char *hwmon_rail_increase(const struct hwmon_rail *rail, uint64_t span_ns, uint64_t gap_ns,
                                double *ret_increase_uj)
{
    if (!rail->has_now)
        return rail->reason;
    if (!rail->has_last)
        return "reopened";
    if (rail->what.is_energy) {
        *ret_increase_uj = (double)(rail->now - rail->last);
        return rail->now < rail->last ? "counter_reset" : NULL;
    }
    double mean_uw = ((double)rail->last + (double)rail->now) / 2;
    *ret_increase_uj = mean_uw * (double)span_ns / 1e9;
    return span_ns > gap_ns ? "gap" : NULL;
}

double hwmon_bound_w(enum domain domain)
{
    bool is_whole = domain == DOMAIN_MACHINE || domain == DOMAIN_PSYS || domain == DOMAIN_WALL;
    return is_whole ? HWMON_MACHINE_BOUND_W : HWMON_PART_BOUND_W;
}

void hwmon_rail_init(struct hwmon_rail *rail, const struct hwmon_channel *channel,
                     enum domain domain, int32_t package)
{
    bool has_limit = !isnan(channel->limit_w);
    *rail = (struct hwmon_rail){
        .what = *channel,
        .domain = domain,
        .package = package,
        .bound_w = has_limit ? channel->limit_w * CAP_FACTOR : hwmon_bound_w(domain),
        .fd = -1,
        .voltage_fd = -1,
        .asleep_fd = -1,
    };
}
