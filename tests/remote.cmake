# SPDX-License-Identifier: BSD-3-Clause
watt_unit_test(test_courier watt_courier watt_store_fixture)

if(WATT_MONGODB)
  watt_unit_test(test_mongodb_connection watt_remote)
  watt_unit_test(test_mongodb_outcome watt_remote)
  watt_unit_test(test_mongodb_position watt_remote)

  # Building the server takes minutes the first time and nothing afterwards.
  watt_script_test(store/server store/build-server.sh)
  set_tests_properties(store/server PROPERTIES TIMEOUT 1200 FIXTURES_SETUP mongodb_server)

  add_executable(test_mongodb store/test_mongodb.c)
  target_link_libraries(test_mongodb PRIVATE watt_remote watt_store_fixture watt_random_records)
  set_target_properties(test_mongodb PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME store/mongodb COMMAND ${CMAKE_SOURCE_DIR}/tests/store/server.sh run $<TARGET_FILE:test_mongodb>)
  set_tests_properties(store/mongodb PROPERTIES TIMEOUT 300 FIXTURES_REQUIRED mongodb_server)

  add_executable(store_tool store/store_tool.c)
  target_link_libraries(store_tool PRIVATE watt_remote)
  set_target_properties(store_tool PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  watt_script_test(store/courier store/courier.sh)
  set_tests_properties(store/courier PROPERTIES FIXTURES_REQUIRED mongodb_server)
endif()
