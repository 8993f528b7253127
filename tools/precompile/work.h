// Makes every kernel that is asked for, several at a time.
#pragma once
#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/artifact.h"
#include "runtime/base/error.h"
#include "tools/precompile/wish.h"
#include "tools/ptxas.h"

namespace pagejit::precompile {

/// One kernel, and what became of it.
struct Variant {
  Request request;
  enum class State { waiting, done, failed } state = State::waiting;
  bool from_cache = false;
  std::string producer;
  KernelFacts facts;
  std::size_t ptx_bytes = 0, cubin_bytes = 0;
  std::string cubin_sha256;  // empty without a cubin
  double ms = 0;             // that it took here
  std::optional<Error> failure;
};

struct Made {
  std::vector<Variant> variants;  // in the order of the requests
  bool interrupted = false;
  std::string assembler;  // "ptxas 13.0.88"; empty: PTX only
};

/// `stop`, once set, ends what is running; what is done stays. A failed kernel ends the run unless wish.keep_going.
/// Throws what makes all of it impossible; what a single kernel met is in its Variant.
Made make_all(const Wish& wish, const std::vector<Request>& requests, const std::atomic<bool>& stop);

}  // namespace pagejit::precompile
