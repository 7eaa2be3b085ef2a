/* SPDX-License-Identifier: BSD-3-Clause */
/* Every power and energy reading under SYSFS/class/hwmon, whatever it measures (hwmon_map.h says that). A channel is known by its chip, its
 * device and its label; the number of its hwmon folder changes with every boot and hotplug and means nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct host;

struct hwmon_channel {
    char path[512];   /* the attribute: microwatts, or microjoules; milliamperes with: */
    char voltage[512]; /* millivolts of a rail whose driver multiplies nothing; "" where it does */
    char asleep[512]; /* the device's runtime_status; "" where it has none */
    char chip[32];    /* `name` of the driver: "amdgpu" */
    char device[64];  /* what it hangs on: "0000:03:00.0", "1-0040"; "" not known */
    char label[64];   /* its own, or what ACPI's meter says it is, or the chip's; else "power1", "energy2" */
    bool is_energy;   /* an energy counter; else power */
    bool with_cpu;    /* of amdgpu: of an APU, so that it counts the CPU's power too */
    double limit_w;   /* the highest power cap that can be set, or the rated maximum; NAN: it names none */
};

/* Finds the channels, sorted by chip, device, label, energy before power; free(*ret_channels). Of a power that has both an average and an
 * instantaneous reading the average is taken, if it can be read. A sleeping device is not read, since that would wake it. Names and labels
 * are printable ASCII: other bytes become '?'. Returns how many there are (0: none, or no hwmon at all) or -ENOMEM.
 * The ina3221 shows voltage and current of its rails (in1 and curr1 to in3 and curr3), and no power: a rail that has a label is a power here, their product.
 * Source: kernel documentation, hwmon/sysfs-interface.rst, hwmon/ina3221.rst, hwmon/acpi_power_meter.rst, gpu/amdgpu/thermal.rst. */
int hwmon_channels_find(const struct host *host, struct hwmon_channel **ret_channels);

/* Order by chip, device, label, kind: <0, 0, >0. */
int hwmon_channel_compare(const struct hwmon_channel *a, const struct hwmon_channel *b);

/* "chip/label", or "chip@device/label" as an option can name it. */
void hwmon_channel_name(const struct hwmon_channel *channel, char *text, size_t size);
