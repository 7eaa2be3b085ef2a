# SPDX-License-Identifier: BSD-3-Clause
watt_unit_test(test_child watt_cli)
watt_unit_test(test_energy_sum watt_cli)
watt_unit_test(test_identity watt_cli)
watt_unit_test(test_machine watt_cli)
watt_unit_test(test_run_report watt_cli)
watt_unit_test(test_score watt_cli)
watt_unit_test(test_screen watt_cli)
watt_unit_test(test_writer watt_cli)
