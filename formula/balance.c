/* SPDX-License-Identifier: BSD-3-Clause */
/* The models may say anything; what is published adds up. Weights are divided by the largest first,
 * so that neither a sum of huge ones overflows nor a division by a tiny one does. A rest that is
 * only rounding goes to idle instead of standing in the record as 1e-15 unattributed watts. */
#include "formula/balance.h"

#include <math.h>

/* Below this a rest is rounding, not energy: a thousandth of what the balance promises. */
#define ROUNDING_W 1e-9

static double largest_weight(struct model_output *output, size_t n)
{
    double largest = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(output->dynamic_w[i]) || output->dynamic_w[i] < 0)
            output->dynamic_w[i] = 0;
        largest = fmax(largest, output->dynamic_w[i]);
    }
    return largest;
}

static double sum(const double *values, size_t n)
{
    double total = 0;
    for (size_t i = 0; i < n; i++)
        total += values[i];
    return total;
}

/* Scales the watts to add up to room, or to the nearest that is not above it. */
static double scale_to(double *dynamic_w, size_t n, double largest, double room)
{
    for (size_t i = 0; i < n; i++)
        dynamic_w[i] /= largest;
    double factor = room / sum(dynamic_w, n);
    for (size_t i = 0; i < n; i++)
        dynamic_w[i] *= factor;
    double total = sum(dynamic_w, n);
    for (double shrink = 0x1p-52; total > room; shrink *= 2) {
        for (size_t i = 0; i < n; i++)
            dynamic_w[i] *= 1 - shrink;
        total = sum(dynamic_w, n);
    }
    return total;
}

static bool is_explained(double rest, const struct model_output *output)
{
    return output->scale_to_measured || (isfinite(output->sigma_w) && rest <= 2 * output->sigma_w);
}

static void publish_prediction(const struct model_output *output, struct balance_row *row)
{
    row->predicted_w = isfinite(output->predicted_w) ? fmax(output->predicted_w, 0) : NAN;
    row->sigma_w = isfinite(output->sigma_w) && output->sigma_w >= 0 ? output->sigma_w : NAN;
}

void balance_close(const struct scope_tick *tick, struct model_output *output,
                   struct balance_row *row)
{
    size_t n = tick->n_activities;
    publish_prediction(output, row);
    if (!isfinite(tick->measured_w) || tick->measured_w < 0) {
        row->idle_w = row->dynamic_w = row->unattributed_w = NAN;
        return;
    }
    double measured = tick->measured_w;
    double idle = isfinite(output->idle_w) ? fmin(fmax(output->idle_w, 0), measured) : 0;
    double room = measured - idle;
    double largest = output->is_silent ? 0 : largest_weight(output, n);
    /* May be infinite: then it is above room. */
    double dynamic = output->is_silent ? 0 : sum(output->dynamic_w, n);
    if (largest > 0 && (dynamic > room || is_explained(room - dynamic, output)))
        dynamic = scale_to(output->dynamic_w, n, largest, room);
    double rest = room - dynamic;
    if (rest < ROUNDING_W && dynamic > 0) {
        idle = measured - dynamic;
        rest = 0;
    }
    row->idle_w = idle;
    row->dynamic_w = dynamic;
    row->unattributed_w = rest;
}

bool balance_leave_open(const struct scope_tick *tick, struct model_output *output,
                        struct balance_row *row)
{
    size_t n = tick->n_activities;
    publish_prediction(output, row);
    row->idle_w = row->dynamic_w = row->unattributed_w = NAN;
    if (output->is_silent || (output->scale_to_measured && isnan(row->predicted_w)))
        return false;
    double idle = isfinite(output->idle_w) ? fmax(output->idle_w, 0) : 0;
    double largest = largest_weight(output, n);
    double dynamic = sum(output->dynamic_w, n);
    if (largest > 0 && output->scale_to_measured)
        dynamic = scale_to(output->dynamic_w, n, largest, fmax(row->predicted_w - idle, 0));
    if (!isfinite(dynamic))
        return false;
    row->idle_w = idle;
    row->dynamic_w = dynamic;
    return true;
}
