# SPDX-License-Identifier: BSD-3-Clause
watt_unit_test(test_assembly watt_formula)
watt_unit_test(test_balance watt_formula)
watt_unit_test(test_gate watt_formula)
watt_unit_test(test_lowest watt_formula)
watt_unit_test(test_names watt_formula)
watt_unit_test(test_nnls watt_formula)
watt_unit_test(test_regression watt_formula)
watt_unit_test(test_scope watt_formula)
