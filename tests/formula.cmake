# SPDX-License-Identifier: BSD-3-Clause
watt_unit_test(test_assembly watt_formula)
watt_unit_test(test_balance watt_formula)
watt_unit_test(test_cholesky watt_formula)
watt_unit_test(test_elastic_net watt_formula)
watt_unit_test(test_experts watt_formula)
watt_unit_test(test_features watt_formula)
watt_unit_test(test_free_fit watt_formula)
watt_unit_test(test_gate watt_formula)
watt_unit_test(test_held_counts watt_formula)
watt_unit_test(test_kin watt_formula)
watt_unit_test(test_lowest watt_formula)
watt_unit_test(test_mixed watt_formula)
watt_unit_test(test_model_auto watt_formula)
watt_unit_test(test_model_gpu watt_formula)
watt_unit_test(test_model_share watt_formula)
watt_unit_test(test_model_smartwatts watt_formula)
watt_unit_test(test_names watt_formula)
watt_unit_test(test_nnls watt_formula)
watt_unit_test(test_noise watt_formula)
watt_unit_test(test_notices watt_formula)
watt_unit_test(test_origin watt_formula)
watt_unit_test(test_recent watt_formula)
watt_unit_test(test_robust watt_formula)
watt_unit_test(test_scope watt_formula)
watt_unit_test(test_state_file watt_formula)
watt_unit_test(test_state_io watt_formula)
watt_unit_test(test_training watt_formula)

# Recorded and generated streams through the whole formula: tests/replay/NAME.c.
function(watt_replay_test name)
  add_executable(${name} ${CMAKE_SOURCE_DIR}/tests/replay/${name}.c)
  target_link_libraries(${name} PRIVATE watt_formula PkgConfig::CMOCKA)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME replay/${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(replay/${name} PROPERTIES TIMEOUT 300)
endfunction()
watt_replay_test(test_hostile)
watt_replay_test(test_replay)
watt_replay_test(test_stream)
watt_script_test(replay/formula_program replay/formula_program.sh)
watt_script_test(replay/formula_state replay/formula_state.sh)
set_tests_properties(replay/formula_state PROPERTIES TIMEOUT 900)
watt_script_test(replay/smartwatts replay/smartwatts.sh)
set_tests_properties(replay/smartwatts PROPERTIES TIMEOUT 900 PROCESSORS 2) # the first run installs SmartWatts; two streams at a time

if(NOT WATT_SANITIZE) # it compares what two compilers' optimisers made of the formula; replay/accuracy and replay/formula_state run it sanitized
  watt_script_test(replay/compilers replay/compilers.sh)
  set_tests_properties(replay/compilers PROPERTIES PROCESSORS 2) # it builds
endif()
if(NOT WATT_SANITIZE) # a sanitizer keeps what was freed: its memory says nothing of ours
  watt_script_test(replay/memory replay/memory.py)
  add_executable(peak_memory replay/peak_memory.c)
  set_target_properties(peak_memory PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
endif()

# Streams of known truth, and how near the models come to it: tests/replay/accuracy/.
add_executable(generator
  replay/accuracy/generator.c
  replay/accuracy/machine.c
  replay/accuracy/recorder.c
  replay/accuracy/scenario.c
)
target_compile_options(generator PRIVATE -ffp-contract=off) # the same bytes from every compiler
target_link_libraries(generator PRIVATE watt_common m)
set_target_properties(generator PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)

add_test(NAME replay/accuracy COMMAND ${CMAKE_SOURCE_DIR}/tests/replay/accuracy/suite.py --check)
set_tests_properties(replay/accuracy PROPERTIES TIMEOUT 300 ENVIRONMENT "WATT_BUILD=${CMAKE_BINARY_DIR}")

# What tests/bench/formula_bench.py needs beside the programs.
add_executable(copy_store bench/copy_store.c)
target_link_libraries(copy_store PRIVATE watt_common)
set_target_properties(copy_store PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
