/* SPDX-License-Identifier: BSD-3-Clause */
/* The filter is only on or off where the processor says that it has one and what it does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "sensor/energy_filter.h"

struct registers {
    int open_error, capabilities_error, controls_error;
    uint64_t capabilities, controls;
    int n_open;
};

static int open_registers(void *context, int cpu)
{
    struct registers *registers = context;
    assert_int_equal(cpu, 0);
    if (registers->open_error)
        return registers->open_error;
    registers->n_open++;
    return 7;
}

static int read_register(void *context, int fd, uint32_t address, uint64_t *ret_value)
{
    const struct registers *registers = context;
    assert_int_equal(fd, 7);
    assert_true(address == 0x10a || address == 0xbc);
    int r = address == 0xbc ? registers->controls_error : registers->capabilities_error;
    if (r == 0)
        *ret_value = address == 0xbc ? registers->controls : registers->capabilities;
    return r;
}

static void close_registers(void *context, int fd)
{
    struct registers *registers = context;
    assert_int_equal(fd, 7);
    registers->n_open--;
}

/* Field bug 4.20. */
static void the_filter_is_known_where_it_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *vendor;
        struct registers registers;
        enum energy_filter filter;
    } cases[] = {
        {"GenuineIntel", {.capabilities = 0xc00, .controls = 1}, ENERGY_FILTER_ON},
        {"GenuineIntel", {.capabilities = UINT64_MAX, .controls = 3}, ENERGY_FILTER_ON},
        {"GenuineIntel", {.capabilities = 0xc00, .controls = 2}, ENERGY_FILTER_OFF},
        {"GenuineIntel", {.capabilities = 0x800, .controls = 1}, ENERGY_FILTER_UNKNOWN},
        {"GenuineIntel", {.capabilities = 0x400, .controls = 1}, ENERGY_FILTER_UNKNOWN},
        {"GenuineIntel", {.capabilities = 0xc00, .controls_error = -EIO}, ENERGY_FILTER_UNKNOWN},
        {"GenuineIntel", {.capabilities_error = -EIO, .controls = 1}, ENERGY_FILTER_UNKNOWN},
        {"GenuineIntel", {.open_error = -EACCES}, ENERGY_FILTER_UNKNOWN},
        {"AuthenticAMD", {.capabilities = 0xc00, .controls = 1}, ENERGY_FILTER_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct registers registers = cases[i].registers;
        struct topology topology = {0};
        (void)snprintf(topology.vendor, sizeof(topology.vendor), "%s", cases[i].vendor);
        const struct msr_io io = {open_registers, read_register, close_registers, &registers};
        assert_int_equal(energy_filter_read(&io, &topology), cases[i].filter);
        assert_int_equal(registers.n_open, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_filter_is_known_where_it_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
