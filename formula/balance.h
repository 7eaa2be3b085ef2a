/* SPDX-License-Identifier: BSD-3-Clause */
/* Closes the balance of one scope: measured = idle + sum of dynamic + unattributed, exactly as doubles add up in row order, nothing negative, nothing above what was
 * measured, no NAN in a row that says it is balanced. */
#pragma once

#include "common/power_record.h"
#include "formula/model.h"

/* Adjusts output->dynamic_w in place to what is published and fills the balance row's idle_w, dynamic_w, unattributed_w, predicted_w, sigma_w from the
 * tick and the model's output; domain, package, dt_ns, measured_* are the caller's. Rules: idle = clamp(model's idle, 0, measured); room = measured - idle; dynamic
 * above room is scaled down to it; dynamic below it is scaled up to it if the model says scale_to_measured or the rest is within 2 sigma, else the rest is
 * unattributed; with no dynamic at all the rest is unattributed. Negative, infinite or NAN weights count as 0. A tick without measured_w gets a row of NANs with
 * predicted_w alone. Deterministic: sums in row order. */
void balance_close(const struct scope_tick *tick, struct model_output *output, struct balance_row *row);

/* Publishes what the model says instead: idle as it is, weights scaled to its own prediction, watts untouched, no unattributed. What is not finite or negative counts
 * as 0. Returns false, with NANs in the row but predicted_w and sigma_w, where the model says nothing. */
bool balance_leave_open(const struct scope_tick *tick, struct model_output *output, struct balance_row *row);
