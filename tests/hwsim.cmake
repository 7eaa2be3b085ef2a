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
  hwsim/tree.c
  hwsim/truth.c
  hwsim/usage.c)
target_link_libraries(watt-hwsim PRIVATE watt_common PkgConfig::FUSE3 PkgConfig::INIH m)
set_target_properties(watt-hwsim PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
