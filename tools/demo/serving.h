// The serving loop of one model: steps of random shape, each verified, and what they cost in compilations.
#pragma once
#include <pagejit/pagejit.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "tools/demo/sequences.h"
#include "tools/model_config.h"

namespace pagejit::demo {

struct Workload {
  ModelConfig model;
  int page = 64;
  FlattenArgs::Layout layout = FlattenArgs::Layout::nhd;
  Limits limits;
  int steps = 0;
  std::uint64_t seed = 0;
};

struct Served {
  int steps = 0, verified = 0;
  std::uint64_t launches = 0, tokens = 0;
  std::uint64_t compiled_first = 0;  // by the first step
  std::uint64_t compiled_later = 0;  // by all others: must be 0
  int least_batch = 0, greatest_batch = 0;
  std::map<std::string, double> specs;  // the spec lines that were launched; host milliseconds of each one's first call
  std::string mismatch;                 // the first one in words; the loop ends there
};

TokenShape token_shape(const ModelConfig& model);

/// `progress` is called before each step with its number. Without `verify` no result is looked at.
Served serve(Context& context, const Workload& work, bool verify, const std::function<void(int)>& progress);

}  // namespace pagejit::demo
