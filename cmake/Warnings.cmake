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
# g++ 12 sees overlapping copies in std::string that are not there, at -O3 (https://gcc.gnu.org/bugzilla/show_bug.cgi?id=105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(xdpcap_warnings INTERFACE -Wno-restrict)
endif()
