# Headers of other people, compiled once: two thirds of the time a file takes to compile are those of the standard
# library, fmt and GoogleTest.
#
# xdpcap_precompile_headers(): to be called when all targets are known; does nothing unless XDPCAP_PRECOMPILED_HEADERS is on.
#
# Off unless a preset says otherwise: a file that forgot an #include compiles with them.  The release preset does without, so
# what is installed names what it uses.
option(XDPCAP_PRECOMPILED_HEADERS "Compile the headers of the standard library, fmt and GoogleTest once" OFF)

set(XDPCAP_PRECOMPILED_LIBRARY
    <algorithm> <array> <atomic> <bit> <charconv> <chrono> <filesystem> <fstream> <functional> <iterator> <map> <memory>
    <optional> <random> <ranges> <set> <span> <string> <string_view> <thread> <tuple> <unordered_map> <utility> <variant>
    <vector> <fmt/format.h> <fmt/ranges.h>)

# What libraries define for who links them changes their headers, so everybody has to agree.
set(XDPCAP_PRECOMPILED_DEFINITIONS FMT_SHARED GTEST_HAS_PTHREAD=1)

function(xdpcap_precompile_headers)
  if(NOT XDPCAP_PRECOMPILED_HEADERS)
    return()
  endif()
  file(WRITE ${PROJECT_BINARY_DIR}/nothing.cc "")
  xdpcap_compile_headers(precompiled_library_headers ${XDPCAP_PRECOMPILED_LIBRARY})
  if(BUILD_TESTING)
    xdpcap_compile_headers(precompiled_test_headers ${XDPCAP_PRECOMPILED_LIBRARY} <gmock/gmock.h> <gtest/gtest.h>)
    xdpcap_compile_headers(precompiled_waiting_test_headers ${XDPCAP_PRECOMPILED_LIBRARY} <gmock/gmock.h> <gtest/gtest.h>)
    target_compile_options(precompiled_waiting_test_headers PRIVATE -O0)
  endif()
  get_property(directories DIRECTORY PROPERTY SUBDIRECTORIES)
  foreach(directory ${directories})
    xdpcap_reuse_headers(${directory})
  endforeach()
endfunction()

function(xdpcap_compile_headers name)
  add_library(${name} OBJECT ${PROJECT_BINARY_DIR}/nothing.cc)
  target_compile_definitions(${name} PRIVATE ${XDPCAP_PRECOMPILED_DEFINITIONS})
  target_link_libraries(${name} PRIVATE xdpcap_warnings)
  target_precompile_headers(${name} PRIVATE ${ARGN})
endfunction()

# Everything made in a directory and those below; tests have GoogleTest's, too.  Those of xdpcap wait more than they work,
# so they are not optimised: clang with sanitizers then takes two fifths of the time, g++ seven tenths.
function(xdpcap_reuse_headers directory)
  if(directory MATCHES "/xdpcap/tests")
    set(from precompiled_waiting_test_headers)
  elseif(directory MATCHES "/tests|/differential|/fuzz")
    set(from precompiled_test_headers)
  else()
    set(from precompiled_library_headers)
  endif()
  get_property(targets DIRECTORY ${directory} PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target ${targets})
    get_target_property(type ${target} TYPE)
    if(type MATCHES "^(STATIC_LIBRARY|OBJECT_LIBRARY|EXECUTABLE)$")
      target_compile_definitions(${target} PRIVATE ${XDPCAP_PRECOMPILED_DEFINITIONS})
      target_precompile_headers(${target} REUSE_FROM ${from})
      if(from STREQUAL precompiled_waiting_test_headers)
        target_compile_options(${target} PRIVATE -O0)
      endif()
    endif()
  endforeach()
  get_property(directories DIRECTORY ${directory} PROPERTY SUBDIRECTORIES)
  foreach(below ${directories})
    xdpcap_reuse_headers(${below})
  endforeach()
endfunction()
