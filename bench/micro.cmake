# Single functions, by Google Benchmark: one program for each micro_<topic>.cpp, with the counterparts of
# libuv in micro_<topic>_libuv.cpp, so that one run compares them. Left out where the benchmark library is
# missing; without libuv, Sluice is alone.
find_package(benchmark QUIET)
if(NOT TARGET benchmark::benchmark_main)
  message(STATUS "Micro benchmarks: left out, no Google Benchmark (Debian: libbenchmark-dev)")
  return()
endif()
find_path(BENCH_libuv_HEADERS uv.h)
find_library(BENCH_uv_LIBRARY uv)
mark_as_advanced(BENCH_libuv_HEADERS BENCH_uv_LIBRARY)

file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/micro_*.cpp")
list(FILTER sources EXCLUDE REGEX "_libuv\\.cpp$")
foreach(source IN LISTS sources)
  get_filename_component(name "${source}" NAME_WE)
  sluice_program(
    bench_${name} SOURCES "${source}" LINKS sluice::sluice benchmark::benchmark_main)
  set(counterparts "${CMAKE_CURRENT_SOURCE_DIR}/${name}_libuv.cpp")
  if(BENCH_libuv_HEADERS AND BENCH_uv_LIBRARY AND EXISTS "${counterparts}")
    target_sources(bench_${name} PRIVATE "${counterparts}")
    target_include_directories(bench_${name} SYSTEM PRIVATE "${BENCH_libuv_HEADERS}")
    target_link_libraries(bench_${name} PRIVATE "${BENCH_uv_LIBRARY}")
  endif()
  # With tiny parameters, so that they cannot rot.
  if(SLUICE_BUILD_TESTS)
    add_test(NAME bench.${name} COMMAND bench_${name} --benchmark_min_time=0.001)
    set_tests_properties(bench.${name} PROPERTIES TIMEOUT 120 LABELS bench)
  endif()
endforeach()
