// flatten and the gathers.
#include <algorithm>

#include "tools/bench/workload.h"
#include "tools/flatten_case.h"

namespace pagejit::bench {
namespace {

using Out = FlattenArgs::Out;
using Layout = FlattenArgs::Layout;

class FlattenWorkload : public Workload {
 public:
  FlattenWorkload(Context& context, const FlattenShape& shape, int sets) : case_(context, shape, sets, 1) {}
  void launch(Context& context, std::size_t set, Stream stream) override {
    context.flatten(case_.args(static_cast<int>(set)), stream);
  }
  std::string spec(const Context& context) const override { return context.spec_line(case_.args(0)); }
  std::uint64_t bytes() const override { return case_.bytes(); }

 private:
  FlattenCase case_;
};

struct Row {
  const char* name;
  FlattenShape shape;
  bool replay = false;
  double least_of_copy = 0, most_us = 0;
};

const std::vector<Row>& rows() {
  static const std::vector<Row> all = {
      {"b32-l8192-p64-shd", {.out = Out::shd}, false, 0.96, 0},
      {"b32-l8192-p64-hsd", {.out = Out::hsd}, false, 0.96, 0},
      {"b32-l8192-p16-shd", {.page = 16, .out = Out::shd}, false, 0.95, 0},
      {"b32-l8192-p16-hsd", {.page = 16, .out = Out::hsd}, false, 0.95, 0},
      {"b32-l8192-p64-shd-of32layers", {.out = Out::shd, .page_stride_layers = 32}, false, 0.95, 0},
      {"b32-l8192-p64-hsd-of32layers", {.out = Out::hsd, .page_stride_layers = 32}, false, 0.95, 0},
      {"b32-l8192-p64-hnd-hsd", {.layout = Layout::hnd, .out = Out::hsd}},
      {"b64-l2048-h32-p64-hsd", {.batch = 64, .length = 2048, .heads = 32, .out = Out::hsd}},
      {"b64-l8192-mla576-p64-shd", {.batch = 64, .heads = 1, .dim_k = 576, .dim_v = 512, .joint = true}},
      {"b64-l8192-joint128-p64-shd", {.batch = 64, .joint = true}},
      {"b16-l8192-f32-p64-shd", {.batch = 16, .elem = Elem::f32}},
      {"b32-l8192-d80-p64-shd", {.dim_k = 80, .dim_v = 80}},
      {"b8-l1024-p64-shd", {.batch = 8, .length = 1024, .exact = true}, true, 0, 18},
      {"b8-l1024-p64-shd-settled", {.batch = 8, .length = 1024, .exact = true, .settled = true}, true, 0, 18},
      {"b1-l4096-h1-p64-shd", {.batch = 1, .length = 4096, .heads = 1, .exact = true}, true, 0, 3.5},
      {"b1-l4096-h1-p64-shd-settled",
       {.batch = 1, .length = 4096, .heads = 1, .exact = true, .settled = true},
       true,
       0,
       3.5},
      {"b1000-l512-p64-shd", {.batch = 1000, .length = 512}},
      {"b64-l128-p64-shd", {.batch = 64, .length = 128}, true},
  };
  return all;
}

FlattenShape shrunk(FlattenShape s) {
  s.batch = std::min(s.batch, 2);
  s.length = std::min(s.length, 40);
  s.heads = std::min(s.heads, 2);
  s.page_stride_layers = std::min(s.page_stride_layers, 2);
  return s;
}

}  // namespace

std::vector<Case> flatten_cases(const Tuning& tuning, bool emulated) {
  std::vector<Case> all;
  for (const Row& row : rows()) {
    FlattenShape shape = emulated ? shrunk(row.shape) : row.shape;
    if (tuning.spread > 1) {
      if (shape.page_stride_layers > 1) continue;  // a view already
      shape.page_stride_layers = shape.out_spread = tuning.spread;
    }
    shape.tuning = {tuning.threads, tuning.unroll, tuning.group, tuning.tiles};
    auto make = [shape](Context& context, int sets) { return std::make_unique<FlattenWorkload>(context, shape, sets); };
    all.push_back(
        {std::string("flatten-") + row.name, row.replay, row.least_of_copy, row.most_us, footprint(shape), make});
  }
  return all;
}

}  // namespace pagejit::bench
