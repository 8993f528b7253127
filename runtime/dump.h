// Writes what a compile made into a folder, for people to read. Never changes what is made.
#pragma once
#include <string>
#include <string_view>

#include "runtime/base/artifact.h"

namespace pagejit {

/// KEY.ir, KEY.ptx and KEY.cubin in `folder`, as far as `stages` (a comma list) names them and they are there. The
/// texts are headed by the command that makes them again. A failure is one warning.
void dump_artifact(const Artifact& artifact, const Request& request, std::string_view stages, const std::string& folder,
                   std::string_view command);

}  // namespace pagejit
