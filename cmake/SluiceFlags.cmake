# sluice_flags: what our own targets are compiled with. Users of the library never see it.
add_library(sluice_flags INTERFACE)

target_compile_options(
  sluice_flags
  INTERFACE
    -Wall
    -Wextra
    -Wpedantic
    -Wshadow
    -Wconversion
    -Wsign-conversion
    -Wnon-virtual-dtor
    -Woverloaded-virtual
    -Wold-style-cast
    -Wcast-align
    -Wcast-qual
    -Wformat=2
    -Wundef
    -Wunused
    -Wextra-semi
    -Wimplicit-fallthrough
    -Wdouble-promotion
    # It also names the members that are left to their default on purpose.
    -Wno-missing-field-initializers
    $<$<BOOL:${SLUICE_WERROR}>:-Werror>)

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(
    sluice_flags INTERFACE -Wduplicated-cond -Wduplicated-branches -Wlogical-op -Wsuggest-override)
  # GCC 12 warns of std::string's own operator+ when it inlines it (its bug 105651).
  if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(sluice_flags INTERFACE -Wno-restrict)
  endif()
  # In a unity build types of an unnamed namespace are seen to come from an included file.
  if(CMAKE_UNITY_BUILD)
    target_compile_options(sluice_flags INTERFACE -Wno-subobject-linkage)
  endif()
  # The sanitizers hide the values that GCC 12 needs to see that a variable is set.
  if(CMAKE_CXX_FLAGS MATCHES "-fsanitize")
    target_compile_options(sluice_flags INTERFACE -Wno-maybe-uninitialized)
  endif()
endif()

# Headers of src/ hold inline functions, so every target that sees them must agree on this.
target_compile_definitions(
  sluice_flags INTERFACE $<$<BOOL:${SLUICE_DEBUG_CHECKS}>:SLUICE_DEBUG_CHECKS=1>)
