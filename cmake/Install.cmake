# What `cmake --install` lays down, besides the commands (their folders install those):
#
#   include/cbpfc/, lib/libcbpfc.a        the compiler library
#   lib/cmake/cbpfc/                      find_package(cbpfc) -> cbpfc::cbpfc
#   lib/pkgconfig/cbpfc.pc                pkg-config cbpfc
#   include/xdpcap/hook.h                 the header for XDP programs
#   share/doc/xdpcap/                     examples, licence
include(CMakePackageConfigHelpers)

# xdpcap_warnings comes along because cbpfc links it, privately: a static library's private links are
# part of its export, for linking only.  No warning option reaches a user.
install(
  TARGETS cbpfc xdpcap_warnings
  EXPORT cbpfc
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT cbpfc NAMESPACE cbpfc:: FILE cbpfcTargets.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/cbpfc)

# Whoever links the archive needs what it was built with: fmt, and libpcap by the name used here.
file(
  WRITE ${CMAKE_CURRENT_BINARY_DIR}/cbpfcConfig.cmake
  [[
include(CMakeFindDependencyMacro)
find_dependency(fmt)
find_dependency(PkgConfig)
pkg_check_modules(LIBPCAP REQUIRED QUIET IMPORTED_TARGET libpcap)
include(${CMAKE_CURRENT_LIST_DIR}/cbpfcTargets.cmake)
]])
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/cbpfcConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/cbpfcConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/cbpfcConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/cbpfc)

# The prefix is found from where the file lies, so that an installation can be moved, or staged.
file(RELATIVE_PATH CBPFC_PC_TO_PREFIX "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
# Requires, not Requires.private: the library is an archive, so its users always link these too.
file(
  CONFIGURE
  OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/cbpfc.pc
  CONTENT
    [[
prefix=${pcfiledir}/@CBPFC_PC_TO_PREFIX@
libdir=${prefix}/@CMAKE_INSTALL_LIBDIR@
includedir=${prefix}/@CMAKE_INSTALL_INCLUDEDIR@

Name: cbpfc
Description: Compiles classic BPF filters to eBPF
Version: @PROJECT_VERSION@
Requires: fmt libpcap
Libs: -L${libdir} -lcbpfc
Cflags: -I${includedir}
]]
  @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/cbpfc.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(FILES xdpcap/include/xdpcap/hook.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/xdpcap)
install(FILES LICENSE LICENSES/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(
  DIRECTORY examples/
  DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples
  FILES_MATCHING
  PATTERN "*.bpf.c")
