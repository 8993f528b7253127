// Other forms of a kernel's bytes: its machine code, or its PTX (with a zero at its end) where there is none.
#pragma once
#include <string>
#include <vector>

#include "runtime/base/artifact.h"
#include "runtime/base/request.h"

namespace pagejit::precompile {

/// C text: `pagejit_KEY_image[]`, and what a launch must know as constants.
std::string c_header(const Request& request, const Artifact& artifact);

/// An object file for this machine's linker: `pagejit_KEY_image`, and its size as the 64-bit `pagejit_KEY_image_bytes`.
std::string elf_object(const Request& request, const Artifact& artifact);

/// All images of one spec line in one file, by the program `fatbinary`. Throws Error(compile) where it fails.
std::string fat_binary(std::vector<Artifact> images, const std::string& fatbinary, const std::string& path);

}  // namespace pagejit::precompile
