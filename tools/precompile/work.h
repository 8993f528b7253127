// What pagejit-precompile makes: a kernel for each spec line and target.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "runtime/base/artifact.h"
#include "runtime/engine.h"

namespace pagejit::precompile {

struct Wish {
  std::vector<std::string> specs, models, targets, emit;  // as given; comma lists still whole
  std::vector<int> pages = {16, 64};
  std::vector<std::string> quants = {"none"};
  std::string cache, out;
};

struct Variant {
  Request request;
  bool from_cache = false;
  KernelFacts facts;
  std::size_t ptx_bytes = 0;
};

/// The targets that this build compiles for; none without the compiler.
std::vector<std::string> target_names();

/// Every (target, spec line) that is wished for, once each, sorted. Throws Error(argument).
std::vector<Request> requests_of(const Wish& wish);

/// Compiles what the cache lacks, and writes what is to be emitted. Throws where one of them cannot be made.
std::vector<Variant> make_all(const Wish& wish, const std::vector<Request>& requests);

std::string as_text(const std::vector<Variant>& variants);
std::string as_json(const std::vector<Variant>& variants);

}  // namespace pagejit::precompile
