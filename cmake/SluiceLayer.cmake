# sluice_layer(<name> [DEPENDS <layer>...])
#
# One folder src/<name> is one layer. It makes two targets:
#   sluice_<name>        OBJECT library of the folder's sources
#   sluice_<name>_layer  what a test links: this layer's objects and those of the layers below, no more
# A program for a lower layer that needs a symbol from a higher one therefore does not link.
# A folder with no source yet is a layer with no objects.
function(sluice_layer name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEPENDS")

  add_library(sluice_${name}_layer INTERFACE)
  target_compile_features(sluice_${name}_layer INTERFACE cxx_std_20)
  target_include_directories(
    sluice_${name}_layer INTERFACE "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/src")
  target_link_libraries(sluice_${name}_layer INTERFACE Threads::Threads)
  foreach(below IN LISTS arg_DEPENDS)
    target_link_libraries(sluice_${name}_layer INTERFACE sluice_${below}_layer)
  endforeach()

  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/${name}/*.cpp")
  if(sources)
    add_library(sluice_${name} OBJECT ${sources})
    target_compile_features(sluice_${name} PRIVATE cxx_std_20)
    target_include_directories(
      sluice_${name} PRIVATE "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/src")
    target_link_libraries(sluice_${name} PRIVATE sluice_flags Threads::Threads)
    set_target_properties(
      sluice_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_EXTENSIONS OFF)
    # Nobody replaces our functions one by one; without this GCC may not even inline them.
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      target_compile_options(sluice_${name} PRIVATE -fno-semantic-interposition)
    endif()
    target_sources(sluice_${name}_layer INTERFACE $<TARGET_OBJECTS:sluice_${name}>)
    set_property(GLOBAL APPEND PROPERTY SLUICE_OBJECTS $<TARGET_OBJECTS:sluice_${name}>)
  endif()
endfunction()
