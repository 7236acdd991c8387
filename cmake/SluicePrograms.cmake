# sluice_program(<target> SOURCES <file>... [NAME <file name>] LINKS <target>...)
#
# An executable in <build>/bin with our flags.
function(sluice_program target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "NAME" "SOURCES;LINKS")
  add_executable(${target} ${arg_SOURCES})
  target_compile_features(${target} PRIVATE cxx_std_20)
  target_link_libraries(${target} PRIVATE sluice_flags ${arg_LINKS})
  set_target_properties(
    ${target} PROPERTIES CXX_EXTENSIONS OFF RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
  if(arg_NAME)
    set_target_properties(${target} PROPERTIES OUTPUT_NAME ${arg_NAME})
  endif()
endfunction()

# sluice_precompile(<target> PRIVATE <header>... | REUSE_FROM <target>)
#
# Like target_precompile_headers, if tests are to be compiled quickly. A file that leaves an #include
# out is then told so by `make tidy` alone.
function(sluice_precompile target)
  if(NOT SLUICE_BATCH_TESTS)
    return()
  endif()
  target_precompile_headers(${target} ${ARGN})
  # By the sloppiness ccache keeps what is compiled this way at all. It must look at the headers
  # themselves: GCC finds the same code with other comments in them to be other headers.
  if(CMAKE_CXX_COMPILER_LAUNCHER)
    set_target_properties(
      ${target}
      PROPERTIES
        CXX_COMPILER_LAUNCHER
        "${CMAKE_COMMAND};-E;env;CCACHE_DEPEND=1;CCACHE_SLOPPINESS=pch_defines,time_macros;${CMAKE_CXX_COMPILER_LAUNCHER}"
    )
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    target_compile_options(${target} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
  endif()
endfunction()

# sluice_test_speed(<target>)
#
# Makes a program of tests quick to compile: several files at a time and headers read once, for
# reading them is most of the work; and not optimised, for tests wait for the library and the kernel.
function(sluice_test_speed target)
  set_target_properties(
    ${target} PROPERTIES UNITY_BUILD ${SLUICE_BATCH_TESTS} UNITY_BUILD_BATCH_SIZE 12)
  # Types of an unnamed namespace are seen to come from an included file then.
  if(SLUICE_BATCH_TESTS AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
  endif()
  # The core's tests compute: they walk millions of sequences.
  if(NOT target STREQUAL "core_tests")
    target_compile_options(${target} PRIVATE -O0)
    sluice_precompile(${target} REUSE_FROM sluice_testing)
  endif()
endfunction()

# sluice_gtest(<target> FOLDER <folder> [TIMEOUT <seconds>] LINKS <target>...)
#
# One GoogleTest program from the sources of a folder, each of its tests known to ctest and labelled
# with the folder's name. A folder with no source yet makes no target.
function(sluice_gtest target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "FOLDER;TIMEOUT" "LINKS")
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 60)
  endif()
  file(GLOB sources CONFIGURE_DEPENDS "${arg_FOLDER}/*.cpp")
  if(NOT sources)
    return()
  endif()
  sluice_program(${target} SOURCES ${sources} LINKS ${arg_LINKS} sluice_testing sluice_test_main)
  if(TARGET rapidcheck)
    target_link_libraries(${target} PRIVATE rapidcheck)
  endif()
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/tests")
  sluice_test_speed(${target})
  get_filename_component(label "${arg_FOLDER}" NAME)
  # Found when ctest runs, not when the program is linked: so a build runs nothing.
  gtest_discover_tests(
    ${target}
    TEST_PREFIX "${label}."
    DISCOVERY_MODE PRE_TEST
    DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS ${label})
endfunction()
