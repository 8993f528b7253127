# Language, warnings, sanitizers, and the tools that make building faster where they are found.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)  # the static libraries go into libpagejit.so as well
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

find_program(PAGEJIT_CCACHE ccache)
if(PAGEJIT_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${PAGEJIT_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${PAGEJIT_CCACHE})
endif()

# What every target of the project is built with.
add_library(pagejit_options INTERFACE)
target_include_directories(pagejit_options INTERFACE ${CMAKE_CURRENT_SOURCE_DIR})
target_compile_options(pagejit_options INTERFACE -Wall -Wextra)
target_compile_definitions(pagejit_options INTERFACE PAGEJIT_WITH_COMPILER=$<BOOL:${PAGEJIT_WITH_COMPILER}>)

# -g1 keeps file and line in backtraces; -g would double the time that LLVM's headers cost.
string(REPLACE "-g " "-g1 " CMAKE_CXX_FLAGS_RELWITHDEBINFO "${CMAKE_CXX_FLAGS_RELWITHDEBINFO} ")
string(REPLACE "-DNDEBUG" "" CMAKE_CXX_FLAGS_RELWITHDEBINFO "${CMAKE_CXX_FLAGS_RELWITHDEBINFO}")

if(PAGEJIT_SANITIZE)
  target_compile_options(pagejit_options INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=undefined
                         -fno-omit-frame-pointer
                         # g++ 12 sees ghosts in <regex> when it instruments it.
                         $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  target_link_options(pagejit_options INTERFACE -fsanitize=address,undefined)
endif()

if(PAGEJIT_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL Clang)
    message(FATAL_ERROR "PAGEJIT_FUZZ needs clang, whose library libFuzzer is: cmake --preset fuzz chooses it")
  endif()
  target_compile_options(pagejit_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# mold, else lld: linking LLVM statically takes seconds instead of half a minute.
include(CheckLinkerFlag)
foreach(linker mold lld)
  check_linker_flag(CXX -fuse-ld=${linker} PAGEJIT_HAS_${linker})
  if(PAGEJIT_HAS_${linker})
    add_link_options(-fuse-ld=${linker})
    break()
  endif()
endforeach()

# A program that uses nothing of LLVM shall not load it: pagejit-cache starts in 2 ms.
add_link_options(-Wl,--as-needed)

if(PAGEJIT_STATIC_LLVM)
  target_compile_options(pagejit_options INTERFACE -ffunction-sections -fdata-sections)
  # libgcc_s stays shared, it comes with the C library: an exception that passes pthread_once meets that one's personality
  # routine, which aborts when another copy unwinds.
  add_link_options(-static-libstdc++ -Wl,--gc-sections)
endif()
