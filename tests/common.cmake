# SPDX-License-Identifier: BSD-3-Clause
watt_unit_test(test_error watt_common)
watt_unit_test(test_events watt_common)
watt_unit_test(test_name_escape watt_common)
watt_unit_test(test_timestamp watt_common)
watt_unit_test(test_uri watt_common)
