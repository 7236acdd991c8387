# Servers on other libraries, each of which may be absent. They use no part of Sluice.

# bench_peer(<name> PACKAGES <package of Debian>... HEADER <file> [LIBRARIES <name>...]
#            [LINKS <target>...])
#
# The program bench_<name> from the sources of this folder, if all that it needs is there.
function(bench_peer name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "HEADER" "PACKAGES;LIBRARIES;LINKS")
  find_path(BENCH_${name}_HEADERS "${arg_HEADER}")
  mark_as_advanced(BENCH_${name}_HEADERS)
  set(needed "${BENCH_${name}_HEADERS}")
  foreach(library IN LISTS arg_LIBRARIES)
    find_library(BENCH_${library}_LIBRARY "${library}")
    mark_as_advanced(BENCH_${library}_LIBRARY)
    list(APPEND needed "${BENCH_${library}_LIBRARY}")
    list(APPEND arg_LINKS "${BENCH_${library}_LIBRARY}")
  endforeach()
  if(needed MATCHES "NOTFOUND" OR (arg_LINKS MATCHES "OpenSSL" AND NOT OpenSSL_FOUND))
    string(REPLACE ";" " " packages "${arg_PACKAGES}")
    set_property(GLOBAL APPEND PROPERTY bench_peers_absent "${name} (Debian: ${packages})")
    return()
  endif()

  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  sluice_program(bench_${name} SOURCES ${sources} LINKS bench_common ${arg_LINKS})
  target_include_directories(bench_${name} SYSTEM PRIVATE "${BENCH_${name}_HEADERS}")
  set_property(GLOBAL APPEND PROPERTY bench_peers_found "${name}")
endfunction()

# Says in one line which are there and how to get those that are not.
function(bench_report_peers)
  foreach(kind IN ITEMS found absent)
    get_property(names GLOBAL PROPERTY bench_peers_${kind})
    string(REPLACE ";" ", " ${kind} "${names}")
    if(NOT ${kind})
      set(${kind} "none")
    endif()
  endforeach()
  message(STATUS "Peers for the benchmarks: found: ${found}; absent: ${absent}")
endfunction()
