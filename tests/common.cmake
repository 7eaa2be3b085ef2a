# SPDX-License-Identifier: BSD-3-Clause
if(NOT WATT_SANITIZE) # it reads the sources and runs no program of ours
  watt_script_test(layering layering.sh)
endif()
# Seeded records, comparisons and copies, for round trips through codecs and stores.
add_library(watt_random_records STATIC
  unit/compare_records.c
  unit/decode_anything.c
  unit/kept_documents.c
  unit/random_records.c
)
target_link_libraries(watt_random_records PUBLIC watt_common)

watt_unit_test(test_error watt_common)
watt_unit_test(test_events watt_common)
watt_unit_test(test_name_escape watt_common)
watt_unit_test(test_options watt_common)
watt_unit_test(test_timestamp watt_common)
watt_unit_test(test_uri watt_common)
watt_unit_test(test_json_text watt_random_records)
watt_unit_test(test_powerapi watt_random_records)
watt_unit_test(test_record watt_common)
watt_unit_test(test_record_mutation watt_random_records)
watt_unit_test(test_record_round_trip watt_random_records)
watt_unit_test(test_report watt_random_records)
