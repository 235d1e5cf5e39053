# bpf_object(NAME SOURCE [OPTION...]): compiles a BPF C file to ${CMAKE_CURRENT_BINARY_DIR}/NAME.o.
#
# clang does it, whatever the C++ compiler is.  Debian keeps asm/types.h in a directory of the
# host's architecture that clang does not search for the bpf target, hence -idirafter.
find_program(BPF_CLANG NAMES clang clang-14 REQUIRED)

function(bpf_object name source)
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.o)
  add_custom_command(
    OUTPUT ${object}
    COMMAND
      ${BPF_CLANG} -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror ${ARGN} -I${PROJECT_SOURCE_DIR}/xdpcap/include
      -idirafter /usr/include/${CMAKE_LIBRARY_ARCHITECTURE} -MD -MF ${object}.d -c
      ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${object}
    DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${source}
    DEPFILE ${object}.d
    COMMENT "BPF object ${name}.o")
  add_custom_target(${name}_bpf ALL DEPENDS ${object})
endfunction()
