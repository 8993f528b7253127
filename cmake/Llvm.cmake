# LLVM 22: the distribution's one shared library, or just the components that we use, linked statically.
if(PAGEJIT_STATIC_LLVM)
  set(ZLIB_USE_STATIC_LIBS ON)
endif()
find_package(LLVM 22.1...<23 CONFIG HINTS /usr/lib/llvm-22)
if(NOT LLVM_FOUND)
  message(FATAL_ERROR "pagejit needs LLVM 22: install llvm-22-dev (tools/install_deps.sh does), "
                      "or build without the compiler: -DPAGEJIT_WITH_COMPILER=OFF")
endif()

add_library(pagejit_llvm INTERFACE)
target_include_directories(pagejit_llvm SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS})
separate_arguments(llvm_definitions UNIX_COMMAND "${LLVM_DEFINITIONS}")
target_compile_definitions(pagejit_llvm INTERFACE ${llvm_definitions})
if(NOT LLVM_ENABLE_RTTI)
  message(FATAL_ERROR "this LLVM was built without RTTI; pagejit needs one with it, as Debian's is")
endif()

if(PAGEJIT_STATIC_LLVM)
  llvm_map_components_to_libnames(llvm_libraries nvptxcodegen nvptxdesc nvptxinfo x86codegen x86desc x86info core
                                  analysis passes scalaropts instcombine transformutils target targetparser orcjit
                                  support)
  # LLVM names the shared zstd; a program that must run anywhere takes the static one.
  if(TARGET zstd::libzstd_shared)
    set_target_properties(zstd::libzstd_shared PROPERTIES IMPORTED_LOCATION_NONE ${PAGEJIT_zstd_LIBRARY}
                          IMPORTED_LOCATION ${PAGEJIT_zstd_LIBRARY})
  endif()
  target_link_libraries(pagejit_llvm INTERFACE ${llvm_libraries})
else()
  target_link_libraries(pagejit_llvm INTERFACE LLVM)
endif()
