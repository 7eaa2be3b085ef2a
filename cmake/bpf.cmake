# SPDX-License-Identifier: BSD-3-Clause
# watt_bpf(TARGET NAME): compiles NAME.bpf.c of this room with clang and makes its skeleton ROOM/NAME.skel.h. The object is relocated
# against the running kernel's BTF when it is loaded; the build needs none. -mcpu=v3: atomics that return a value.
find_program(CLANG clang REQUIRED)
find_program(BPFTOOL bpftool PATHS /usr/sbin REQUIRED)
execute_process(COMMAND ${CMAKE_C_COMPILER} -print-multiarch OUTPUT_VARIABLE WATT_MULTIARCH OUTPUT_STRIP_TRAILING_WHITESPACE)

function(watt_bpf target name)
  set(source ${CMAKE_CURRENT_SOURCE_DIR}/${name}.bpf.c)
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
  set(skeleton ${CMAKE_CURRENT_BINARY_DIR}/${name}.skel.h)
  add_custom_command(OUTPUT ${skeleton}
    COMMAND ${CLANG} -O2 -g -target bpf -mcpu=v3 -ffreestanding -Wall -Werror -MD -MT ${skeleton} -MF ${object}.d
            -I${CMAKE_SOURCE_DIR} -isystem /usr/include/${WATT_MULTIARCH} -c ${source} -o ${object}
    COMMAND ${BPFTOOL} gen skeleton ${object} name ${name} > ${skeleton}
    DEPENDS ${source} DEPFILE ${object}.d VERBATIM)
  target_sources(${target} PRIVATE ${skeleton})
  target_include_directories(${target} SYSTEM PRIVATE ${CMAKE_BINARY_DIR})
endfunction()
