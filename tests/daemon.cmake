# SPDX-License-Identifier: BSD-3-Clause
# Tests that need the real machine: root, cgroup2, perf events. What is missing makes them skip (77).
add_executable(test_daemon_counters_perf daemon/counters_perf.c)
target_link_libraries(test_daemon_counters_perf PRIVATE watt_sensor PkgConfig::CMOCKA)
set_target_properties(test_daemon_counters_perf PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
add_test(NAME daemon/counters_perf COMMAND test_daemon_counters_perf)
set_tests_properties(daemon/counters_perf PROPERTIES TIMEOUT 120 SKIP_RETURN_CODE 77)
add_executable(test_daemon_energy_perf daemon/energy_perf.c)
target_link_libraries(test_daemon_energy_perf PRIVATE watt_sensor PkgConfig::CMOCKA)
set_target_properties(test_daemon_energy_perf PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
add_test(NAME daemon/energy_perf COMMAND test_daemon_energy_perf)
set_tests_properties(daemon/energy_perf PROPERTIES TIMEOUT 120 SKIP_RETURN_CODE 77)
watt_script_test(daemon/sensor_ends daemon/sensor_ends.py)
watt_script_test(daemon/sensor_links daemon/sensor_links.sh)
watt_script_test(daemon/sensor_powercap daemon/sensor_powercap.py)
watt_script_test(daemon/sensor_refuses daemon/sensor_refuses.sh)
watt_script_test(daemon/sensor_roots daemon/sensor_roots.sh)

watt_script_test(daemon/attribution daemon/attribution.sh)
watt_script_test(daemon/live_equals_replay daemon/live_equals_replay.sh)
watt_script_test(daemon/watt_top daemon/watt_top.sh)
# They look at the machine's own watts: one at a time.
set_tests_properties(daemon/attribution daemon/live_equals_replay daemon/watt_top PROPERTIES RUN_SERIAL ON)

# The whole suite once more; not within itself.
if(NOT WATT_SANITIZE)
  watt_script_test(sanitizers sanitizers.sh)
  set_tests_properties(sanitizers PROPERTIES TIMEOUT 1500 RUN_SERIAL ON)
endif()
watt_script_test(daemon/sensor_courier daemon/sensor_courier.py)
watt_script_test(daemon/sensor_config daemon/sensor_config.sh)
