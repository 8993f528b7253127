# The libraries of others, under names of our own, so that a static build changes this file only.
find_package(Threads REQUIRED)

# pagejit_find(NAME header.h library what-to-install)
function(pagejit_find name header library package)
  if(PAGEJIT_STATIC_LLVM)
    set(file lib${library}.a)
  else()
    set(file ${library})
  endif()
  find_path(PAGEJIT_${name}_INCLUDE ${header})
  find_library(PAGEJIT_${name}_LIBRARY NAMES ${file})
  if(NOT PAGEJIT_${name}_INCLUDE OR NOT PAGEJIT_${name}_LIBRARY)
    message(FATAL_ERROR "pagejit needs ${header} and lib${library}: install ${package} (tools/install_deps.sh does)")
  endif()
  add_library(pagejit_${name} INTERFACE)
  target_include_directories(pagejit_${name} SYSTEM INTERFACE ${PAGEJIT_${name}_INCLUDE})
  target_link_libraries(pagejit_${name} INTERFACE ${PAGEJIT_${name}_LIBRARY})
endfunction()

pagejit_find(xxhash xxhash.h xxhash libxxhash-dev)
pagejit_find(zstd zstd.h zstd libzstd-dev)

find_package(fmt REQUIRED)
add_library(pagejit_fmt INTERFACE)
if(PAGEJIT_STATIC_LLVM)
  target_link_libraries(pagejit_fmt INTERFACE fmt::fmt-header-only)  # Debian has no libfmt.a
else()
  target_link_libraries(pagejit_fmt INTERFACE fmt::fmt)
endif()

find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)

if(PAGEJIT_WITH_COMPILER)
  include(Llvm)
  pagejit_find(boost_context boost/context/fiber.hpp boost_context libboost-context-dev)
endif()
