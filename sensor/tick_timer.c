/* SPDX-License-Identifier: BSD-3-Clause */
/* Set anew for every tick, which costs no more than reading a periodic timer would. */
#include "sensor/tick_timer.h"

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/scope.h"

static int set(struct tick_timer *timer, struct error *err)
{
    struct itimerspec times = {.it_value = {.tv_sec = (time_t)(timer->due_ns / NS_PER_S),
                                            .tv_nsec = (long)(timer->due_ns % NS_PER_S)}};
    if (timerfd_settime(timer->fd, TFD_TIMER_ABSTIME, &times, NULL) < 0)
        return error_set(err, -errno, "timer: %s", strerror(errno));
    return 0;
}

int tick_timer_open(struct tick_timer *timer, const struct clock *clock, uint64_t interval_ns,
                    struct error *err)
{
    uint64_t wait_ns = interval_ns - clock_realtime_ns(clock) % interval_ns;
    if (wait_ns < interval_ns / 2)
        wait_ns += interval_ns;
    *timer = (struct tick_timer){.clock = clock,
                                 .fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
                                 .interval_ns = interval_ns,
                                 .first_ns = clock_monotonic_ns(clock) + wait_ns};
    if (timer->fd < 0)
        return error_set(err, -errno, "timer: %s", strerror(errno));
    timer->due_ns = timer->first_ns;
    return set(timer, err);
}

void tick_timer_close(struct tick_timer *timer)
{
    scope_close(&timer->fd);
    timer->fd = -1;
}

/* Asked of the clock: the timer need not be read, since setting it anew empties it. */
uint64_t tick_timer_take(struct tick_timer *timer)
{
    uint64_t now_ns = clock_monotonic_ns(timer->clock);
    if (now_ns < timer->due_ns)
        return 0;
    uint64_t n_ended =
        1 + (now_ns - timer->first_ns - (uint64_t)timer->offset_ns) / timer->interval_ns;
    uint64_t n_periods = n_ended - timer->n_passed;
    timer->n_passed = n_ended;
    return n_periods;
}

int tick_timer_set(struct tick_timer *timer, int64_t offset_ns, struct error *err)
{
    uint64_t due_ns = timer->first_ns + timer->n_passed * timer->interval_ns + (uint64_t)offset_ns;
    if (due_ns < timer->due_ns + timer->interval_ns / 2)
        due_ns += timer->interval_ns;
    timer->due_ns = due_ns;
    timer->offset_ns = offset_ns;
    return set(timer, err);
}
