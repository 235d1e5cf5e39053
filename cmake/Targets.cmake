# The forms of our targets: folders are libraries, and commands and test programs are linked from them.
#
# Files are found by their names (CONFIGURE_DEPENDS: a new one is noticed by the next build).  Includes start at the root of the
# project, those of public headers at the `include` of their product; docs/architecture.md says who may include whom.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)

# xdpcap_sources(VARIABLE PATTERN...)
function(xdpcap_sources variable)
  file(GLOB files CONFIGURE_DEPENDS LIST_DIRECTORIES false RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} ${ARGN})
  set(${variable} ${files} PARENT_SCOPE)
endfunction()

# xdpcap_library(NAME [FOLDERS f...] [EXCEPT file...] [USES target...] [PRIVATE target...]): all files of some folders, of this one
# unless they are named.
function(xdpcap_library name)
  cmake_parse_arguments(PARSE_ARGV 1 L "" "" "FOLDERS;EXCEPT;USES;PRIVATE")
  if(NOT L_FOLDERS)
    set(L_FOLDERS .)
  endif()
  list(TRANSFORM L_FOLDERS APPEND "/*.cc")
  xdpcap_sources(files ${L_FOLDERS})
  list(REMOVE_ITEM files ${L_EXCEPT} "")
  add_library(${name} STATIC ${files})
  target_compile_features(${name} PUBLIC cxx_std_23)
  target_include_directories(${name} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
  target_link_libraries(${name} PUBLIC ${L_USES} PRIVATE xdpcap_warnings fmt::fmt ${L_PRIVATE})
endfunction()

# xdpcap_command(NAME TARGET SOURCE USES...): a program that is installed.
function(xdpcap_command name target source)
  add_executable(${target} ${source})
  set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name})
  target_link_libraries(${target} PRIVATE xdpcap_warnings fmt::fmt ${ARGN})
  target_compile_definitions(${target} PRIVATE XDPCAP_VERSION="${PROJECT_VERSION}")
endfunction()
