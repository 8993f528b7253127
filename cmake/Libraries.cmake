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

# What shared caches need. A static build leaves it off: those libraries would bring a dozen more, and a portable program
# takes its kernels from a folder or a bundle.
# pagejit_optional(OPTION what-it-is-for NAME header.h library what-to-install)
add_library(pagejit_remote INTERFACE)
if(PAGEJIT_STATIC_LLVM)
  set(shared_caches OFF)
else()
  set(shared_caches ON)
endif()
macro(pagejit_optional option meaning name)
  option(${option} "${meaning}" ${shared_caches})
  if(${option})
    pagejit_find(${name} ${ARGN})
    target_link_libraries(pagejit_remote INTERFACE pagejit_${name})
    target_compile_definitions(pagejit_remote INTERFACE ${option})
  endif()
endmacro()
pagejit_optional(PAGEJIT_WITH_HTTP "Remote caches on web servers and object stores (needs libcurl)" curl curl/curl.h curl
                 libcurl4-openssl-dev)
pagejit_optional(PAGEJIT_WITH_REDIS "Remote caches in Redis (needs hiredis)" hiredis hiredis/hiredis.h hiredis
                 libhiredis-dev)
pagejit_optional(PAGEJIT_WITH_SIGNATURES "Signed cache entries (needs OpenSSL's libcrypto)" crypto openssl/hmac.h crypto
                 libssl-dev)

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
