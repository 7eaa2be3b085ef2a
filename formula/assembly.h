/* SPDX-License-Identifier: BSD-3-Clause */
/* From reports as they arrive to whole ticks in order, one assembly per sensor. A native record without parts is a tick; parts are joined; PowerAPI's
 * reports, one target each, are joined by their timestamp. A tick that is not known to be complete, that comes after a gap, or with which a run begins at another seq than 0, waits until wait_ticks later ticks of the
 * same sensor have been seen, never for seconds, so that replay equals live; end of input closes the rest. The join does not depend on the order of arrival
 * within the wait: targets come out sorted by name. A report for a tick already closed is counted and left out. */
#pragma once

#include "common/report.h"

struct assembly;

/* leaves_last: PowerAPI's ticks that still wait at the end of the input are never released. */
int assembly_new(struct assembly **ret_assembly, unsigned wait_ticks, bool leaves_last);
void assembly_free(struct assembly *assembly);

/* Takes one decoded report (copied where it must be kept: its document may go). is_powerapi: joined by timestamp. A whole native report that waits for nothing is not
 * copied: it is what the next assembly_next gives, so call that until it gives 0 before the report goes. Returns 0 or -ENOMEM. */
int assembly_add(struct assembly *assembly, const struct report *report, bool is_powerapi, struct error *err);
/* No more input will come: everything held (but what leaves_last keeps back) is released by assembly_next, oldest first. goes_on: another run will; then a PowerAPI tick that is the first and only one is kept,
 * because its interval is told by the next. */
void assembly_finish(struct assembly *assembly, bool goes_on);
bool assembly_is_waiting(const struct assembly *assembly); /* ticks are held */
/* The next tick that is complete or too late to wait for: 1 and *ret_tick (borrowed until the next call on the assembly), 0, or -ENOMEM. A joined PowerAPI tick
 * gets run "", seq counted from 0, and dt_ns from the rapl group's time_enabled, or from the distance of the timestamps where time_enabled is more than half
 * longer (old sensors wrote cumulative times) or missing; reason "missing_all" where no "all" report came. A gap in seq or
 * incomplete parts are reasons too: "gap", "missing_part" (the tick is then not valid). */
int assembly_next(struct assembly *assembly, const struct report **ret_tick, struct error *err);
uint64_t assembly_late(const struct assembly *assembly); /* reports left out as too late, or double */

struct state_io;
/* What later ticks depend on; reports still held are not in it: they come again. */
void assembly_visit(struct assembly *assembly, struct state_io *io);
const struct record_key *assembly_last(const struct assembly *assembly); /* the tick released last, NULL: none */
void assembly_resume(struct assembly *assembly, const struct record_key *last);
