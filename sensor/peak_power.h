/* SPDX-License-Identifier: BSD-3-Clause */
/* The most that a domain can plausibly draw. An increase that means more is no energy; a wrap is taken for one only within it; and with the
 * counter's range it says how long an interval may be. One rule for every source that reads RAPL, so that they refuse the same. */
#pragma once

#include "common/record.h"
#include "sensor/topology.h"

struct msr_model;

/* Of one part of the machine that has counters of its own (package or die); the model may be NULL: not in the table. named_w: the highest power that
 * firmware names for the package (TDP, limits), NAN or 0: none. A package may draw three times that (laptops exceed what they name for seconds), at least
 * 500 W or the model's peak if that is less; the model's peak where nothing is named, or nonsense (4095 W: "no limit"); 3 kW of unknown models. Memory: 24 modules of 25 W. psys: what a
 * power supply for one desk gives; a server's, 10 kW. */
double peak_power_w(const struct msr_model *model, enum domain domain, double named_w);

/* The same, of the machine's own model. */
double peak_power_here_w(const struct topology *topology, enum domain domain, double named_w);
