// From what is wished for to the kernels that must be there.
#pragma once
#include <string>
#include <vector>

#include "runtime/base/request.h"
#include "runtime/engine_options.h"
#include "tools/precompile/wish.h"

namespace pagejit::precompile {

/// Every (target, spec line) that is wished for, once each, sorted. A manifest's lines are for its own targets unless
/// --target names others. Throws Error(argument).
std::vector<Request> requests_of(const Wish& wish);

/// The folders to look into and to fill. Where only files or a bundle are wanted nothing else is touched.
EngineOptions engine_options(const Wish& wish);

/// What --quant takes.
std::vector<std::string> quant_names();

/// Throws Error(argument) that says what the option takes instead.
void check_one_of(const std::string& option, const std::string& value, const std::vector<std::string>& known);

}  // namespace pagejit::precompile
