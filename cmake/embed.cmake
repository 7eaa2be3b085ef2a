# SPDX-License-Identifier: BSD-3-Clause
# watt_embed(TARGET SYMBOL FILE): puts the bytes of FILE into TARGET as
#   extern const char SYMBOL[];  NUL-terminated;  extern const size_t SYMBOL_size;  without the NUL
# so that a program finds its data wherever it was built or installed.
function(watt_embed target symbol file)
  get_filename_component(source ${file} ABSOLUTE BASE_DIR ${CMAKE_SOURCE_DIR})
  set(output ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.S)
  file(WRITE ${output}.tmp
".section .rodata
.global ${symbol}
.global ${symbol}_size
${symbol}: .incbin \"${source}\"
${symbol}_end: .byte 0
.balign 8
${symbol}_size: .quad ${symbol}_end - ${symbol}
.section .note.GNU-stack,\"\",@progbits
")
  file(COPY_FILE ${output}.tmp ${output} ONLY_IF_DIFFERENT)
  set_source_files_properties(${output} PROPERTIES OBJECT_DEPENDS ${source} LANGUAGE ASM)
  target_sources(${target} PRIVATE ${output})
endfunction()
