/* SPDX-License-Identifier: BSD-3-Clause */
/* The source belongs to the thread from the question to the answer, and to the tick otherwise, so
 * that it needs no lock of its own; the topology that it is shown is a copy, since the sensor may
 * replace its own meanwhile.
 *
 * A thread that does not come back cannot be ended. It is left behind with all that it may touch,
 * and the process can end without it. */
#include "sensor/slow_source.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/error.h"
#include "common/log.h"
#include "sensor/ladder.h"

#define CLOSE_NS NS_PER_S

enum slow_state { SLOW_IDLE, SLOW_ASKED, SLOW_ANSWERED };

struct slow_source {
    struct source source;  /* what others see, with: */
    struct source_ops ops; /* those of the real one, and our functions */
    struct source *real;
    const struct host *host;
    struct host_record known; /* sources and events: what the real one last said */
    bool has_thread;
    bool is_prompt;  /* the last answer came within the patience */
    bool has_answer; /* in this tick */
    uint64_t patience_ns, asked_ns;
    pthread_t thread;
    pthread_mutex_t lock; /* of state and ends */
    pthread_cond_t asked, answered;
    enum slow_state state;
    bool ends;
    /* Of the reading: the thread's while SLOW_ASKED. */
    struct topology topology;
    struct report report;
    uint64_t took_ns;
    int outcome;
};

/* ---- the thread ---- */

static uint64_t now_ns(void)
{
    return clock_monotonic_ns(&clock_system);
}

static void take_reading(struct slow_source *slow)
{
    uint64_t began_ns = now_ns();
    report_clear(&slow->report);
    slow->outcome = ladder_read_source(slow->real, slow->host, &slow->topology, &slow->report);
    slow->took_ns = now_ns() - began_ns;
}

static void *run(void *context)
{
    struct slow_source *slow = context;
    (void)pthread_mutex_lock(&slow->lock);
    while (!slow->ends) {
        if (slow->state != SLOW_ASKED) {
            (void)pthread_cond_wait(&slow->asked, &slow->lock);
            continue;
        }
        (void)pthread_mutex_unlock(&slow->lock);
        take_reading(slow);
        (void)pthread_mutex_lock(&slow->lock);
        slow->state = SLOW_ANSWERED;
        (void)pthread_cond_signal(&slow->answered);
    }
    (void)pthread_mutex_unlock(&slow->lock);
    return NULL;
}

/* To be called with the lock; real time, whatever the sensor's clock shows. */
static void wait_for_answer(struct slow_source *slow, uint64_t patience_ns)
{
    uint64_t until_ns = now_ns() + patience_ns;
    const struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_S),
                                   .tv_nsec = (long)(until_ns % NS_PER_S)};
    while (slow->state == SLOW_ASKED &&
           pthread_cond_timedwait(&slow->answered, &slow->lock, &until) == 0)
        continue;
}

/* ---- what it says of itself ---- */

static int learn(struct slow_source *slow)
{
    host_record_clear(&slow->known);
    return slow->real->ops->describe(slow->real, &slow->known);
}

static int slow_describe(const struct source *source, struct host_record *host_record)
{
    const struct host_record *known = &((const struct slow_source *)source)->known;
    for (size_t i = 0; i < known->n_sources; i++) {
        struct host_source *row;
        if (host_record_add_source(host_record, &row) < 0)
            return -ENOMEM;
        *row = known->sources[i];
    }
    for (size_t i = 0; i < known->n_events; i++) {
        struct host_event *event;
        if (host_record_add_event(host_record, &event) < 0)
            return -ENOMEM;
        *event = known->events[i];
    }
    return 0;
}

/* ---- reading ---- */

static int miss_all(const struct slow_source *slow, struct report *report)
{
    for (size_t i = 0; i < slow->known.n_sources; i++) {
        const struct host_source *row = &slow->known.sources[i];
        struct energy_sample *sample;
        int r = report_add_energy(report, &sample);
        if (r < 0)
            return r;
        sample->domain = row->domain;
        sample->package = row->package;
        sample->valid = false;
        (void)snprintf(sample->source, sizeof(sample->source), "%s", row->source);
        (void)snprintf(sample->reason, sizeof(sample->reason), "no_answer");
    }
    return 0;
}

/* After each reading, whoever took it. */
static int note_reading(struct slow_source *slow)
{
    bool has_changed = slow->real->has_changed;
    slow->has_answer = true;
    slow->source.due_ns = slow->real->due_ns;
    slow->source.has_changed |= has_changed;
    slow->real->has_changed = false;
    return has_changed ? learn(slow) : 0;
}

static int take_answer(struct slow_source *slow, struct report *report)
{
    slow->is_prompt = slow->took_ns <= slow->patience_ns;
    if (slow->outcome < 0)
        return slow->outcome;
    for (size_t i = 0; i < slow->report.n_energy; i++) {
        struct energy_sample *sample;
        int r = report_add_energy(report, &sample);
        if (r < 0)
            return r;
        *sample = slow->report.energy[i];
    }
    return note_reading(slow);
}

/* The tick that asks is late by its patience at most. Returns the state afterwards. */
static enum slow_state ask(struct slow_source *slow, bool is_new)
{
    (void)pthread_mutex_lock(&slow->lock);
    if (is_new) {
        slow->state = SLOW_ASKED;
        (void)pthread_cond_signal(&slow->asked);
        if (slow->is_prompt)
            wait_for_answer(slow, slow->patience_ns);
    }
    enum slow_state state = slow->state;
    if (state == SLOW_ANSWERED)
        slow->state = SLOW_IDLE;
    (void)pthread_mutex_unlock(&slow->lock);
    return state;
}

static int read_apart(struct slow_source *slow, uint64_t at_ns, const struct topology *topology,
                      struct report *report)
{
    bool is_new = slow->asked_ns == 0;
    if (is_new) {
        int r = topology_assign(&slow->topology, topology);
        if (r < 0)
            return r;
        slow->asked_ns = at_ns;
    }
    if (ask(slow, is_new) == SLOW_ANSWERED) {
        slow->asked_ns = 0;
        return take_answer(slow, report);
    }
    return at_ns - slow->asked_ns >= SLOW_SOURCE_ANSWER_NS ? miss_all(slow, report) : 0;
}

static int slow_read(struct source *source, const struct topology *topology, struct report *report)
{
    struct slow_source *slow = (struct slow_source *)source;
    uint64_t at_ns = clock_monotonic_ns(slow->host->clock);
    slow->has_answer = false;
    if (slow->asked_ns == 0 && at_ns < slow->source.due_ns)
        return 0;
    if (slow->has_thread)
        return read_apart(slow, at_ns, topology, report);
    int r = slow->real->ops->read(slow->real, topology, report);
    return r < 0 ? r : note_reading(slow);
}

static int slow_count(struct source *source, struct targets *targets, struct report *report)
{
    struct slow_source *slow = (struct slow_source *)source;
    return slow->has_answer ? slow->real->ops->count(slow->real, targets, report) : 0;
}

/* ---- opening and closing ---- */

/* True if the thread is gone. */
static bool end_thread(struct slow_source *slow)
{
    (void)pthread_mutex_lock(&slow->lock);
    slow->ends = true;
    (void)pthread_cond_signal(&slow->asked);
    wait_for_answer(slow, CLOSE_NS);
    bool is_stuck = slow->state == SLOW_ASKED;
    (void)pthread_mutex_unlock(&slow->lock);
    if (!is_stuck)
        return pthread_join(slow->thread, NULL) == 0;
    (void)pthread_detach(slow->thread);
    return false;
}

static void slow_close(struct source *source)
{
    struct slow_source *slow = (struct slow_source *)source;
    if (!slow)
        return;
    if (slow->has_thread && !end_thread(slow)) {
        log_warning(slow->host->log, "energy source %s does not answer: it is left as it is",
                    slow->ops.name);
        return;
    }
    slow->real->ops->close(slow->real);
    (void)pthread_mutex_destroy(&slow->lock);
    (void)pthread_cond_destroy(&slow->asked);
    (void)pthread_cond_destroy(&slow->answered);
    topology_deinit(&slow->topology);
    report_deinit(&slow->report);
    host_record_deinit(&slow->known);
    free(slow);
}

static void init_locks(struct slow_source *slow)
{
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&slow->lock, NULL);
    (void)pthread_cond_init(&slow->asked, NULL);
    (void)pthread_cond_init(&slow->answered, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
}

/* Takes the source, also when it fails. */
static int wrap(struct source *real, const struct host *host, struct source **ret_source)
{
    struct slow_source *slow = calloc(1, sizeof(*slow));
    if (!slow) {
        real->ops->close(real);
        return -ENOMEM;
    }
    slow->real = real;
    slow->host = host;
    slow->is_prompt = true;
    slow->ops = *real->ops;
    slow->ops.describe = slow_describe;
    slow->ops.read = slow_read;
    slow->ops.count = real->ops->count ? slow_count : NULL;
    slow->ops.close = slow_close;
    slow->source.ops = &slow->ops;
    host_record_init(&slow->known);
    report_init(&slow->report);
    init_locks(slow);
    int r = learn(slow);
    if (r < 0) {
        slow_close(&slow->source);
        return r;
    }
    *ret_source = &slow->source;
    return 0;
}

int slow_source_open(struct source **ret_source, const struct source_ops *ops,
                     const struct host *host, const struct topology *topology, const void *settings,
                     struct error *err)
{
    struct source *real;
    int r = ops->open(&real, host, topology, settings, err);
    if (r < 0)
        return r;
    if (ops->is_slow)
        return wrap(real, host, ret_source);
    *ret_source = real;
    return 0;
}

int slow_source_start(struct source *source, uint64_t patience_ns)
{
    struct slow_source *slow = (struct slow_source *)source;
    if (source->ops->read != slow_read || slow->has_thread)
        return 0;
    slow->patience_ns = patience_ns;
    int r = -pthread_create(&slow->thread, NULL, run, slow);
    slow->has_thread = r == 0;
    return r;
}
