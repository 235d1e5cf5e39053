find_package(GTest REQUIRED)
include(GoogleTest)

# xdpcap_test(NAME n [HALVES] SOURCES pattern... LIBRARIES target... LABELS label...): a test program; HALVES: its tests have a
# parameter, 0 or 1, and those of each run apart.
#
# Tests labelled `kernel` share the machine's BPF objects and network namespaces, so each program runs
# as one test, alone; those labelled `diff`, too, run programs over packets of their own and measure no time, so they run
# beside each other.  The others are registered case by case.
#
# The targets `unit_tests` and `fault_tests` build those labelled `unit` and `faults`, all that is run under the sanitizers.
# The target `threaded_tests` builds those of the parts with threads, for the thread sanitizer (preset tsan).
add_custom_target(unit_tests)
add_custom_target(fault_tests)
function(xdpcap_test)
  cmake_parse_arguments(PARSE_ARGV 0 T "HALVES" "NAME" "SOURCES;LIBRARIES;LABELS")
  xdpcap_sources(files ${T_SOURCES})
  add_executable(${T_NAME} ${files})
  set_target_properties(${T_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  target_link_libraries(${T_NAME} PRIVATE ${T_LIBRARIES} GTest::gtest_main fmt::fmt xdpcap_warnings)
  target_include_directories(${T_NAME} PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_definitions(
    ${T_NAME} PRIVATE XDPCAP_TEST_DATA="${PROJECT_SOURCE_DIR}/verify/data"
                      XDPCAP_BINARY_DIR="${PROJECT_BINARY_DIR}")
  if("unit" IN_LIST T_LABELS)
    add_dependencies(unit_tests ${T_NAME})
  elseif("faults" IN_LIST T_LABELS)
    add_dependencies(fault_tests ${T_NAME})
  endif()
  if("kernel" IN_LIST T_LABELS)
    if(T_HALVES)
      foreach(half 0 1)
        add_test(NAME ${T_NAME}_${half} COMMAND ${T_NAME} --gtest_filter=*/${half})
        list(APPEND tests ${T_NAME}_${half})
      endforeach()
    else()
      add_test(NAME ${T_NAME} COMMAND ${T_NAME})
      set(tests ${T_NAME})
    endif()
    # A capture may not make the system calls that looking for leaks takes.
    set_tests_properties(${tests} PROPERTIES LABELS "${T_LABELS}" TIMEOUT 600 ENVIRONMENT ASAN_OPTIONS=detect_leaks=0)
    if(NOT "diff" IN_LIST T_LABELS)
      set_tests_properties(${tests} PROPERTIES RUN_SERIAL ON)
    endif()
  else()
    gtest_discover_tests(${T_NAME} PROPERTIES LABELS "${T_LABELS}" TIMEOUT 300)
  endif()
endfunction()

# xdpcap_bats_tests(FILE...): command lines as users see them: exit codes, messages, and that nothing is left behind.
find_program(BATS bats REQUIRED)
function(xdpcap_bats_tests)
  foreach(file ${ARGN})
    cmake_path(GET file STEM name)
    add_test(NAME cli_${name} COMMAND ${BATS} ${CMAKE_CURRENT_SOURCE_DIR}/${file})
    # They make BPF maps, and look which ones are left.
    set_tests_properties(
      cli_${name}
      PROPERTIES LABELS "cli"
                 RUN_SERIAL ON
                 TIMEOUT 120
                 ENVIRONMENT "XDPCAP_TOOLS=${PROJECT_BINARY_DIR}/bin;XDPCAP_EXAMPLES=${PROJECT_BINARY_DIR}/examples;XDPCAP_SOURCE=${PROJECT_SOURCE_DIR};XDPCAP_VERSION=${PROJECT_VERSION}")
  endforeach()
endfunction()
