# The build-time hash of all that decides what the generator emits: part of every key, so that an edited template or
# tile language never meets kernels of its former self. One hash a family: editing one keeps the others' entries.
# It depends on contents and relative paths only, never on options: a runtime-only build computes the same keys.
file(GLOB_RECURSE generator_sources RELATIVE ${CMAKE_SOURCE_DIR} CONFIGURE_DEPENDS
     compiler/*.h compiler/*.cpp compiler/*.def kernels/*.h kernels/*.cpp)
list(FILTER generator_sources EXCLUDE REGEX "^kernels/(api/|[a-z_.]+$)")
list(SORT generator_sources)

set(generator_header ${CMAKE_BINARY_DIR}/generated/pagejit_generator.h)
set(generator_list ${CMAKE_BINARY_DIR}/generated/generator_sources.txt)
string(REPLACE ";" "\n" generator_lines "${generator_sources}")
file(CONFIGURE OUTPUT ${generator_list} CONTENT "@generator_lines@\n" @ONLY)
list(TRANSFORM generator_sources PREPEND ${CMAKE_SOURCE_DIR}/ OUTPUT_VARIABLE generator_paths)

add_custom_command(
  OUTPUT ${generator_header}.stamp
  BYPRODUCTS ${generator_header}
  COMMAND ${CMAKE_COMMAND} -DSOURCE_DIR=${CMAKE_SOURCE_DIR} -DLIST=${generator_list} -DHEADER=${generator_header}
          -P ${CMAKE_SOURCE_DIR}/cmake/write_generator_hash.cmake
  COMMAND ${CMAKE_COMMAND} -E touch ${generator_header}.stamp
  DEPENDS ${generator_paths} ${generator_list} kernels/families.def cmake/write_generator_hash.cmake
  COMMENT "Hashing the generator's sources")
add_custom_target(pagejit_generator_hash DEPENDS ${generator_header}.stamp)

add_library(pagejit_generator INTERFACE)
target_include_directories(pagejit_generator INTERFACE ${CMAKE_BINARY_DIR}/generated)
add_dependencies(pagejit_generator pagejit_generator_hash)
