# Every target of ours links xdpcap_warnings privately; no flag reaches a user of the library.
add_library(xdpcap_warnings INTERFACE)
target_compile_options(
  xdpcap_warnings
  INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
            -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough)
# LIBBPF_OPTS of libbpf is a GNU expression that names some fields of many, in a header of the system for g++ only.
if(CMAKE_CXX_COMPILER_ID STREQUAL Clang)
  target_compile_options(
    xdpcap_warnings INTERFACE -Wno-c99-extensions -Wno-gnu-statement-expression-from-macro-expansion
                              -Wno-missing-designated-field-initializers)
endif()
