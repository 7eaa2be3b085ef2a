/* SPDX-License-Identifier: BSD-3-Clause */
/* What the power supplies under SYSFS/class/power_supply say at one moment: the batteries and adapters of the machine itself. A mouse's
 * battery (scope Device), an empty bay and a UPS, which feeds others too, are none.
 *
 * Signs differ among drivers: the kernel's rule is that a battery's current is negative while it discharges, but some write it positive, and
 * some write no sign at all. So the direction comes from `status` and only the size from the number.
 * Source: kernel documentation, ABI/testing/sysfs-class-power; linux commits 05f94eb98907 and 234f71555019. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct host;

enum power_supply_kind { SUPPLY_BATTERY, SUPPLY_ADAPTER };

enum power_supply_state {
    SUPPLY_RESTS, /* an adapter that is not plugged in; a full battery, or one that neither charges nor discharges */
    SUPPLY_GIVES, /* an adapter in use; a battery that discharges */
    SUPPLY_TAKES, /* a battery that charges */
};

struct power_supply {
    char name[64];          /* of its folder: "BAT0" */
    char identity[160];     /* model and serial number: another battery has another; "" not said */
    enum power_supply_kind kind;
    enum power_supply_state state;
    const char *reason;     /* static, NULL: state is known; else why not: "read_error", "permission", "vanished" */
    double power_w;         /* what flows through it, whichever way: not negative; NAN: it does not say */
    double energy_j;        /* what is left in the battery; NAN: it does not say */
    double charge_c, voltage_v; /* the same as charge; NAN: it does not say */
};

/* Reads them all, in order of name; free(*ret_supplies). A power of 0 through a supply that gives is no reading: such a driver has not yet looked.
 * What a USB-C port has agreed on (ucsi-source-psy-, tcpm-source-psy-) is a limit and no reading. Returns how many there are or -ENOMEM. */
int power_supplies_read(const struct host *host, struct power_supply **ret_supplies);

/* Joules that left a battery between two moments: its energy's, or its charge's at the mean voltage. NAN: it says neither. */
double power_supply_drop_j(const struct power_supply *before, const struct power_supply *after);
