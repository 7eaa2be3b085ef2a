# SPDX-License-Identifier: BSD-3-Clause
# A simulated machine with energy counters (FUSE), and the real programs on it. Needs root and /dev/fuse.
pkg_check_modules(FUSE3 REQUIRED IMPORTED_TARGET fuse3>=3.14)
add_executable(watt-hwsim
  hwsim/energy.c
  hwsim/machine.c
  hwsim/main.c
  hwsim/msr.c
  hwsim/script.c
  hwsim/serve.c
  hwsim/sys_file.c
  hwsim/tree.c
  hwsim/truth.c
  hwsim/usage.c)
target_link_libraries(watt-hwsim PRIVATE watt_common PkgConfig::FUSE3 PkgConfig::INIH m)
set_target_properties(watt-hwsim PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)

watt_unit_test(test_hwsim watt_common PkgConfig::INIH m)
target_sources(test_hwsim PRIVATE hwsim/energy.c hwsim/machine.c hwsim/script.c hwsim/sys_file.c hwsim/usage.c)

# watt_hwsim_test(NAME): tests/hwsim/NAME.c, which runs sources on simulated machines in scripted time.
add_library(watt_hwsim_harness STATIC hwsim/counter_truth.c hwsim/harness.c hwsim/recorded.c)
target_link_libraries(watt_hwsim_harness PUBLIC watt_sensor PkgConfig::CMOCKA m)
function(watt_hwsim_test name)
  add_executable(test_hwsim_${name} hwsim/${name}.c)
  target_link_libraries(test_hwsim_${name} PRIVATE watt_hwsim_harness)
  add_dependencies(test_hwsim_${name} watt-hwsim)
  set_target_properties(test_hwsim_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME hwsim/${name} COMMAND test_hwsim_${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(hwsim/${name} PROPERTIES TIMEOUT 300
    ENVIRONMENT "WATT_BUILD=${CMAKE_BINARY_DIR}")
endfunction()
watt_hwsim_test(machines)
watt_hwsim_test(perf)
# Without the kernel's msr PMU there is no counter to read.
set_tests_properties(hwsim/perf PROPERTIES SKIP_RETURN_CODE 77)
watt_hwsim_test(readings)

add_library(watt_broken_machine STATIC hwsim/breakable_tree.c hwsim/broken_machine.c)
target_link_libraries(watt_broken_machine PUBLIC watt_hwsim_harness watt_random_records)
watt_unit_test(test_broken_machine watt_broken_machine)
watt_unit_test(test_cpu_types watt_hwsim_harness)
watt_hwsim_test(scripted)
watt_hwsim_test(time_faults)
add_dependencies(test_hwsim_time_faults watt-formula)

watt_script_test(hwsim/disagree hwsim/disagree.py)
watt_script_test(hwsim/gpu hwsim/gpu.py)
watt_script_test(hwsim/killed hwsim/killed.py)
watt_script_test(hwsim/live hwsim/live.py)
watt_script_test(hwsim/stopped hwsim/stopped.py)
# Their loops take whole CPUs.
set_tests_properties(hwsim/live hwsim/killed PROPERTIES RUN_SERIAL ON)
