// Rotary embedding, fp8 and append in one launch.
#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "kernels/api/pagejit/pagejit.h"
#include "tools/bench/paging.h"
#include "tools/bench/workload.h"

namespace pagejit::bench {
namespace {

struct Shape {
  bool mla = false;
  int query_heads, kv_heads, rope_dim, nope_dim, page;
  int batch, length;  // new tokens of each sequence
  bool settled = false;
  Tuning tuning = {};

  int tokens() const { return batch * length; }
  int dim() const { return rope_dim + nope_dim; }
};

constexpr int max_position = 8192;

/// Of one launch: bf16 in, fp8 out, and the lists. The rows of the table are left out: tokens may share them.
std::uint64_t counted(const Shape& s) {
  std::int64_t elements = s.query_heads * s.dim() + s.kv_heads * s.dim() * (s.mla ? 1 : 2);
  return static_cast<std::uint64_t>(s.tokens() * (elements * 3 + 3 * 4));
}

/// Buffers of one set, and what both calls are told.
template <class Args>
Args common(Context& context, Buffers& m, const Shape& s, std::uint64_t seed) {
  std::int64_t t = s.tokens();
  Paging paging(s.batch, s.length, s.page, seed);
  std::mt19937_64 random(seed);
  std::vector<std::int32_t> batch, position, angle;
  for (int b = 0; b < s.batch; ++b) {
    auto past = static_cast<std::int32_t>(random() % static_cast<unsigned>(std::max(1, max_position - s.length)));
    for (int i = 0; i < s.length; ++i) batch.push_back(b), position.push_back(i), angle.push_back(past + i);
  }
  std::vector<std::int32_t> indptr;
  for (int b = 0; b <= s.batch; ++b) indptr.push_back(b * static_cast<std::int32_t>(paging.columns));

  Args a;
  Maker make{context, m, s.tuning.spread};
  auto in = [&](std::int64_t heads, int dim, const char* name) {
    return make.numbers(Elem::bf16, {t, heads, dim}, name, seed++);
  };
  a.q_rope = in(s.query_heads, s.rope_dim, "q_rope");
  a.q_nope = in(s.query_heads, s.nope_dim, "q_nope");
  a.k_rope = in(s.kv_heads, s.rope_dim, "k_rope");
  a.k_nope = in(s.kv_heads, s.nope_dim, "k_nope");
  a.q_rope_out = a.q_nope_out = make.room(Elem::e4m3, {t, s.query_heads, s.dim()}, "q_out");
  a.q_rope_out.shape[2] = s.rope_dim, a.q_nope_out.shape[2] = s.nope_dim;
  a.q_nope_out.data = static_cast<std::byte*>(a.q_nope_out.data) + s.rope_dim;
  a.cos_sin_cache = Maker{context, m}.numbers(Elem::f32, {max_position, s.rope_dim}, "cos_sin_cache", seed++);
  a.pos_ids = Tensor(m.list(context, angle, "pos_ids"), Elem::i32, {t});
  a.batch_indices = Tensor(m.list(context, batch, "batch_indices"), Elem::i32, {t});
  a.positions = Tensor(m.list(context, position, "positions"), Elem::i32, {t});
  a.kv_indptr = Tensor(m.list(context, indptr, "kv_indptr"), Elem::i32, {s.batch + 1});
  a.kv_indices = Tensor(m.list(context, paging.table, "kv_indices"), Elem::i32, {paging.pages});
  a.settled = s.settled;
  a.tuning = {s.tuning.threads, s.tuning.unroll, s.tuning.group, s.tuning.tiles};
  return a;
}

Tensor cache(Context& context, Buffers& m, const Shape& s, int heads, int dim, const char* name) {
  std::int64_t pages = Paging(s.batch, s.length, s.page, 1).pages;
  Maker make{context, m, s.tuning.spread};
  if (s.mla) return make.room(Elem::e4m3, {pages, s.page, dim}, name);
  return make.room(Elem::e4m3, {pages, s.page, heads, dim}, name);
}

std::unique_ptr<Workload> make_gqa(Context& context, const Shape& s, int sets) {
  auto work = std::make_unique<CallWorkload<RopeAppendArgs>>(&Context::rope_append);
  for (int i = 0; i < sets; ++i) {
    auto seed = static_cast<std::uint64_t>(10 * i + 1);
    auto a = common<RopeAppendArgs>(context, work->memory, s, seed);
    Maker make{context, work->memory, s.tuning.spread};
    a.v = make.numbers(Elem::bf16, {s.tokens(), s.kv_heads, s.dim()}, "v", seed + 9);
    a.k_cache = cache(context, work->memory, s, s.kv_heads, s.dim(), "k_cache");
    a.v_cache = cache(context, work->memory, s, s.kv_heads, s.dim(), "v_cache");
    work->args.push_back(a);
  }
  work->counted = counted(s);
  return work;
}

std::unique_ptr<Workload> make_mla(Context& context, const Shape& s, int sets) {
  auto work = std::make_unique<CallWorkload<RopeAppendMlaArgs>>(&Context::rope_append_mla);
  for (int i = 0; i < sets; ++i) {
    auto a = common<RopeAppendMlaArgs>(context, work->memory, s, static_cast<std::uint64_t>(10 * i + 1));
    a.ckv_cache = cache(context, work->memory, s, 1, s.nope_dim, "ckv_cache");
    a.kpe_cache = cache(context, work->memory, s, 1, s.rope_dim, "kpe_cache");
    work->args.push_back(a);
  }
  work->counted = counted(s);
  return work;
}

struct Row {
  int batch, length;
  double gqa_of_copy, gqa_us, mla_of_copy, mla_us;
};
constexpr Row rows[] = {{4, 4096, 0.92, 0, 0.92, 0}, {4, 1024, 0.90, 0, 0.90, 0}, {768, 1, 0, 0, 0, 0},
                        {128, 1, 0, 2.8, 0, 7.0},    {32, 1, 0, 0, 0, 0},         {1, 1, 0, 2.2, 0, 2.3}};

}  // namespace

std::vector<Case> rope_cases(const Tuning& tuning, bool emulated) {
  std::vector<Case> all;
  for (bool mla : {false, true})
    for (const Row& row : rows)
      for (bool settled : {false, true}) {
        if (settled && row.length > 1) continue;  // what it hides is nothing there
        Shape s = mla ? Shape{true, 128, 1, 64, 512, 64, row.batch, row.length}
                      : Shape{false, 64, 8, 64, 64, 16, row.batch, row.length};
        std::string name = fmt::format("rope-{}-t{}{}", mla ? "mla" : "gqa", s.tokens(), settled ? "-settled" : "");
        s.settled = settled, s.tuning = tuning;
        if (emulated) s.batch = std::min(s.batch, 2), s.length = std::min(s.length, 3), s.query_heads = 4;
        std::uint64_t table = std::uint64_t{max_position} * 4 * static_cast<unsigned>(s.rope_dim);
        double bytes_us = static_cast<double>(counted(s)) / 4.2e6 * 1e0;  // at about the copy's speed
        auto make = [s](Context& context, int sets) {
          return s.mla ? make_mla(context, s, sets) : make_gqa(context, s, sets);
        };
        all.push_back({name, bytes_us < 100, mla ? row.mla_of_copy : row.gqa_of_copy, mla ? row.mla_us : row.gqa_us,
                       counted(s) + table, make});
      }
  return all;
}

}  // namespace pagejit::bench
