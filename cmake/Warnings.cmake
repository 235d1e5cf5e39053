# Every target of ours links xdpcap_warnings privately; no flag reaches a user of the library.
add_library(xdpcap_warnings INTERFACE)
target_compile_options(
  xdpcap_warnings
  INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
            -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough)
