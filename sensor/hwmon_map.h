/* SPDX-License-Identifier: BSD-3-Clause */
/* Which part of the machine an hwmon channel measures. What a rail supplies differs from board to board and no file says it: known is only
 * what a driver's documentation says, and what the operator's rules (option hwmon-rail) say. The rest is not measured. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/record.h"

struct error;
struct host;
struct hwmon_channel;
struct option_list;
struct topology;

struct hwmon_rule {
    char chip[32], device[64]; /* device "": any */
    char label[64];
    bool is_none;              /* "=none": not measured, whatever the documentation says */
    enum domain domain;
    int32_t package;           /* PACKAGE_NONE: not said */
};

/* "CHIP/LABEL=DOMAIN[:PACKAGE]", "CHIP@DEVICE/LABEL=...", "...=none". -EINVAL: err says what is wrong. */
int hwmon_rule_parse(const char *text, struct hwmon_rule *ret_rule, struct error *err);
/* The check of the option: the same without a result. */
int hwmon_rule_check(const char *text, struct error *err);
bool hwmon_rule_matches(const struct hwmon_rule *rule, const struct hwmon_channel *channel);

enum { HWMON_UNKNOWN = 0, HWMON_KNOWN = 1 };

/* HWMON_KNOWN with the domain and package, or HWMON_UNKNOWN. rules (may be NULL) are well-formed; the last one that matches holds, before the
 * table. A package that a rule does not name is 0, or the GPU's own number.
 * Source of the table: kernel documentation, gpu/amdgpu/thermal.rst, hwmon/amd_energy.rst, hwmon/fam15h_power.rst, hwmon/xgene-hwmon.rst,
 * ABI/testing/sysfs-driver-intel-xe-hwmon and -i915-hwmon; NVIDIA Grace Performance Tuning Guide, "Power and Thermals"; NVIDIA Jetson Linux Developer Guide,
 * "Software-Based Power Consumption Modeling", and the kernel's tegra234-p3701.dtsi and -p3767.dtsi for the labels. */
int hwmon_map(const struct hwmon_channel *channel, const struct option_list *rules, const struct host *host, const struct topology *topology,
              enum domain *ret_domain, int32_t *ret_package);
