# SPDX-License-Identifier: BSD-3-Clause
watt_unit_test(test_counters_proc watt_sensor)
watt_unit_test(test_cpu_power_table watt_sensor)
watt_unit_test(test_host watt_sensor)
watt_unit_test(test_id_map watt_sensor)
watt_unit_test(test_proc_stat watt_sensor)
watt_unit_test(test_target_rules watt_sensor)
watt_unit_test(test_tick_clock watt_sensor)
watt_unit_test(test_topology watt_sensor)
