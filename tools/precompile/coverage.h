// What a cache has of a list of kernels. Needs no compiler.
#pragma once
#include <string>
#include <vector>

#include "runtime/base/request.h"
#include "runtime/engine_options.h"

namespace pagejit::precompile {

struct Covered {
  Request request;
  bool present = false;
  bool machine_code = false;  // else PTX only
  std::string layer;
};

/// In the order of the requests. Writes nothing; a folder that does not exist has nothing.
std::vector<Covered> look_for(const std::vector<Request>& requests, EngineOptions options);

/// A line for each kernel: "missing   sm_90a  flatten …".
std::string as_text(const std::vector<Covered>& all, bool only_missing);
std::string as_json(const std::vector<Covered>& all);

}  // namespace pagejit::precompile
