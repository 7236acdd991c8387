# Install rules, the CMake package and the pkg-config file.
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/sluice")

install(
  TARGETS sluice
  EXPORT sluiceTargets
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT library
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT library
  FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT library)
install(
  EXPORT sluiceTargets
  NAMESPACE sluice::
  DESTINATION "${package_dir}"
  COMPONENT library)

configure_package_config_file(
  "${CMAKE_CURRENT_LIST_DIR}/sluiceConfig.cmake.in" "${PROJECT_BINARY_DIR}/sluiceConfig.cmake"
  INSTALL_DESTINATION "${package_dir}"
  NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor release may break callers.
write_basic_package_version_file(
  "${PROJECT_BINARY_DIR}/sluiceConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(
  FILES "${PROJECT_BINARY_DIR}/sluiceConfig.cmake" "${PROJECT_BINARY_DIR}/sluiceConfigVersion.cmake"
  DESTINATION "${package_dir}"
  COMPONENT library)

# The prefix is taken from where the file lies, so an installed tree can be moved.
file(RELATIVE_PATH pc_prefix "/p/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/p")
configure_file("${CMAKE_CURRENT_LIST_DIR}/sluice.pc.in" "${PROJECT_BINARY_DIR}/sluice.pc" @ONLY)
install(
  FILES "${PROJECT_BINARY_DIR}/sluice.pc"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig"
  COMPONENT library)

if(EXISTS "${PROJECT_SOURCE_DIR}/LICENSE")
  install(
    FILES "${PROJECT_SOURCE_DIR}/LICENSE"
    DESTINATION "${CMAKE_INSTALL_DOCDIR}"
    COMPONENT library)
endif()
file(GLOB man_pages "${PROJECT_SOURCE_DIR}/docs/*.1" "${PROJECT_SOURCE_DIR}/docs/man/*.1"
     "${PROJECT_SOURCE_DIR}/tools/sluice/*.1")
if(man_pages AND TARGET sluice_cli)
  install(
    FILES ${man_pages}
    DESTINATION "${CMAKE_INSTALL_MANDIR}/man1"
    COMPONENT tools)
endif()
