# libpagejit.so: the C interface and the C++ interface, and nothing else to be seen.
add_library(pagejit SHARED)
set_target_properties(pagejit PROPERTIES LINKER_LANGUAGE CXX SOVERSION 0 VERSION ${PROJECT_VERSION})
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/empty.cpp CONTENT "")
target_sources(pagejit PRIVATE ${CMAKE_BINARY_DIR}/generated/empty.cpp)
target_link_libraries(pagejit PRIVATE $<LINK_LIBRARY:WHOLE_ARCHIVE,pagejit_api>)
target_include_directories(pagejit INTERFACE ${CMAKE_SOURCE_DIR}/kernels/api ${CMAKE_SOURCE_DIR})
# A version script, not -fvisibility: exceptions must keep one identity on both sides of the library's edge.
target_link_options(pagejit PRIVATE -Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/exports.map)
set_target_properties(pagejit PROPERTIES LINK_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/exports.map)
if(PAGEJIT_STATIC_LLVM)
  target_link_options(pagejit PRIVATE -s)
endif()
