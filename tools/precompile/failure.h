// What is left behind by a kernel that could not be made, and how it is tried again.
#pragma once
#include <string>

#include "runtime/base/artifact.h"
#include "runtime/base/error.h"

namespace pagejit::precompile {

/// Writes <folder>/<key>/ with the manifest, key text, IR, PTX, command and log, as far as they could be made. Gives
/// the error, which now says where. Never throws: then the error says why there is no folder.
Error keep_failure(const std::string& folder, Compiler& compiler, const Request& request, const Error& error);

/// Makes the kernel of such a folder again, and says what is different now. Throws what it still fails with.
std::string try_again(const std::string& folder);

}  // namespace pagejit::precompile
