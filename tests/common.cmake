# SPDX-License-Identifier: BSD-3-Clause
watt_unit_test(test_error watt_common)
