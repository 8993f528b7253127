// Two attentions put together: bytes of three tensors and their logs.
#include <fmt/format.h>

#include <algorithm>

#include "kernels/api/pagejit/pagejit.h"
#include "tools/bench/paging.h"
#include "tools/bench/workload.h"

namespace pagejit::bench {
namespace {

struct Shape {
  int tokens, heads, dim;
  bool fp8 = false;
  int spread = 1;

  std::int64_t rows() const { return std::int64_t{tokens} * heads; }
};

/// Of one launch, in bf16; three logs a row.
std::uint64_t counted(const Shape& s) {
  return static_cast<std::uint64_t>(s.rows() * (s.dim * (s.fp8 ? 5 : 6) + 3 * 4));
}

std::unique_ptr<Workload> make(Context& context, const Shape& s, int sets) {
  auto work = std::make_unique<CallWorkload<MergeArgs>>(&Context::merge_attn_states);
  Maker rows{context, work->memory, s.spread};
  for (int i = 0; i < sets; ++i) {
    auto seed = static_cast<std::uint64_t>(4 * i + 1);
    MergeArgs a;
    a.prefix_out = rows.numbers(Elem::bf16, {s.tokens, s.heads, s.dim}, "prefix_out", seed);
    a.suffix_out = rows.numbers(Elem::bf16, {s.tokens, s.heads, s.dim}, "suffix_out", seed + 1);
    a.prefix_lse = rows.numbers(Elem::f32, {s.heads, s.tokens}, "prefix_lse", seed + 2);
    a.suffix_lse = rows.numbers(Elem::f32, {s.heads, s.tokens}, "suffix_lse", seed + 3);
    a.out = rows.room(s.fp8 ? Elem::e4m3 : Elem::bf16, {s.tokens, s.heads, s.dim}, "out");
    a.out_lse = rows.room(Elem::f32, {s.heads, s.tokens}, "out_lse");
    if (s.fp8) a.out_scale = Tensor(scalar(context, work->memory, 0.5f, "out_scale"), Elem::f32, {1});
    a.lse_axes = LseAxes::heads_tokens;
    work->args.push_back(a);
  }
  work->counted = counted(s);
  return work;
}

}  // namespace

std::vector<Case> merge_cases(const Tuning& tuning, bool emulated) {
  std::vector<Case> all;
  for (Shape s : {Shape{4096, 64, 128}, Shape{4096, 64, 128, true}, Shape{512, 16, 512}, Shape{256, 32, 128}}) {
    std::string name = fmt::format("merge-t{}-h{}-d{}{}", s.tokens, s.heads, s.dim, s.fp8 ? "-fp8" : "");
    s.spread = tuning.spread;
    bool small = counted(s) < (64u << 20);
    if (emulated) s.tokens = std::min(s.tokens, 5), s.heads = std::min(s.heads, 4);
    all.push_back({name, small, small ? 0 : 0.9, 0, counted(s),
                   [s](Context& context, int sets) { return make(context, s, sets); }});
  }
  return all;
}

}  // namespace pagejit::bench
