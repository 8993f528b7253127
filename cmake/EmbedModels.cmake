# Puts tools/models/*.json into the programs, so that `--model llama-3-8b` works wherever a program is copied.
file(GLOB model_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tools/models/*.json)
set(model_rows "")
foreach(file IN LISTS model_files)
  get_filename_component(name ${file} NAME_WLE)
  file(READ ${file} text)
  string(APPEND model_rows "    {\"${name}\", R\"json(${text})json\"},\n")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
endforeach()
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/pagejit_models.h @ONLY CONTENT
"// Made by cmake/EmbedModels.cmake.
#pragma once
#include <string_view>
#include <utility>

namespace pagejit {

/// Name and text of each file in tools/models.
inline constexpr std::pair<std::string_view, std::string_view> embedded_models[] = {
@model_rows@};

}  // namespace pagejit
")
