# Install rules, the CMake package and the pkg-config file.
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/sluice")
# Not in the top of the build: with its bin/ in PATH, find_package would look there.
set(generated_dir "${PROJECT_BINARY_DIR}/generated/package")

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

if(SLUICE_BUILD_TLS)
  install(
    TARGETS sluice_tls_library
    EXPORT sluiceTlsTargets
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT tls
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT tls
    FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT tls)
  install(
    EXPORT sluiceTlsTargets
    NAMESPACE sluice::
    DESTINATION "${package_dir}"
    COMPONENT tls)
endif()

configure_package_config_file(
  "${CMAKE_CURRENT_LIST_DIR}/sluiceConfig.cmake.in" "${generated_dir}/sluiceConfig.cmake"
  INSTALL_DESTINATION "${package_dir}"
  NO_SET_AND_CHECK_MACRO)
# Before 1.0 a minor release may break callers.
write_basic_package_version_file(
  "${generated_dir}/sluiceConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(
  FILES "${generated_dir}/sluiceConfig.cmake" "${generated_dir}/sluiceConfigVersion.cmake"
  DESTINATION "${package_dir}"
  COMPONENT library)

# The prefix is taken from where the file lies, so an installed tree can be moved.
file(RELATIVE_PATH pc_prefix "/p/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/p")
configure_file("${CMAKE_CURRENT_LIST_DIR}/sluice.pc.in" "${PROJECT_BINARY_DIR}/sluice.pc" @ONLY)
install(
  FILES "${PROJECT_BINARY_DIR}/sluice.pc"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig"
  COMPONENT library)
if(SLUICE_BUILD_TLS)
  # Whoever links a static library links what it needs, too.
  if(BUILD_SHARED_LIBS)
    set(tls_requires "Requires: sluice = ${PROJECT_VERSION}\nRequires.private: libssl >= 3.0, libcrypto >= 3.0")
  else()
    set(tls_requires "Requires: sluice = ${PROJECT_VERSION}, libssl >= 3.0, libcrypto >= 3.0")
  endif()
  configure_file("${CMAKE_CURRENT_LIST_DIR}/sluice-tls.pc.in" "${PROJECT_BINARY_DIR}/sluice-tls.pc"
                 @ONLY)
  install(
    FILES "${PROJECT_BINARY_DIR}/sluice-tls.pc"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig"
    COMPONENT tls)
endif()

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
