# Run at build time: reads LIST (paths relative to SOURCE_DIR, one a line), writes HEADER if it would change.
file(STRINGS ${LIST} sources)
file(STRINGS ${SOURCE_DIR}/kernels/families.def rows REGEX "^PJ_FAMILY\\(")

function(hash_of result regex)
  set(text "")
  foreach(source IN LISTS sources)
    if(source MATCHES "${regex}")
      file(SHA256 ${SOURCE_DIR}/${source} hash)
      string(APPEND text "${source} ${hash}\n")
    endif()
  endforeach()
  string(SHA256 hash "${text}")
  string(SUBSTRING ${hash} 0 32 hash)
  set(${result} ${hash} PARENT_SCOPE)
endfunction()

set(lines "")
foreach(row IN LISTS rows)
  string(REGEX REPLACE "^PJ_FAMILY\\(([a-z0-9_]+).*" "\\1" family "${row}")
  hash_of(hash "^(compiler|kernels/common|kernels/${family})/")
  string(APPEND lines "  if (family == \"${family}\") return \"${hash}\";\n")
endforeach()
hash_of(hash "^(compiler|kernels/common)/")
list(TRANSFORM sources REPLACE "(.+)" "    \"\\1\",")
list(JOIN sources "\n" source_lines)

file(CONFIGURE OUTPUT ${HEADER} @ONLY CONTENT [=[// Made by cmake/write_generator_hash.cmake.
#pragma once
#include <string_view>

namespace pagejit {

/// Hash of the contents of compiler/, kernels/common/ and the family's folder; what is no family gets the first two.
inline std::string_view generator_hash([[maybe_unused]] std::string_view family) {
@lines@  return "@hash@";
}

/// The files behind the hashes, relative to the project's root.
inline constexpr std::string_view generator_sources[] = {
@source_lines@
};

}  // namespace pagejit
]=])
