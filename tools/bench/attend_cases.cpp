// Attention: bytes of K and V, and operations of the products.
#include <algorithm>
#include <cmath>
#include <random>

#include "kernels/api/pagejit/pagejit.h"
#include "tools/bench/paging.h"
#include "tools/bench/workload.h"

namespace pagejit::bench {
namespace {

struct Shape {
  int batch = 32, length = 8192, page = 64, heads = 32, kv_heads = 8, dim_k = 128, dim_v = 128;
  bool joint = false, mixed = false;  // mixed: lengths drawn log-uniformly from 16 to 131,072
  Quant quant = Quant::none;
  int queries = 1;
  CacheLayout layout = CacheLayout::nhd;
  bool settled = false;
};

struct Row {
  const char* name;
  Shape shape;
  double of_read = 0, us = 0, tflops = 0;
};

const std::vector<Row>& rows() {
  static const Shape mla{.batch = 128, .heads = 16, .kv_heads = 1, .dim_k = 576, .dim_v = 512, .joint = true};
  static const std::vector<Row> all = [] {
    Shape mla128 = mla;
    mla128.heads = 128, mla128.length = 4096;
    Shape mla64 = mla128;
    mla64.heads = 64;
    std::vector<Row> r{
        {"b32-l8192-p64-h32/8", {}, 0.95},
        {"b32-l8192-p64-h32/8-hnd", {.layout = CacheLayout::hnd}, 0.95},
        {"b32-l8192-p16-h32/8", {.page = 16}, 0.93},
        {"b32-l8192-p1-h32/8", {.page = 1}, 0.85},
        {"b128-l4096-p64-h64/8", {.batch = 128, .length = 4096, .heads = 64}, 0.95},
        {"b1-l8192-p64-h32/8", {.batch = 1}, 0, 14},
        {"b8-l2048-p64-h32/8", {.batch = 8, .length = 2048}, 0, 20},
        {"b1-l8192-p64-h32/8-settled", {.batch = 1, .settled = true}, 0, 14},
        {"b8-l2048-p64-h32/8-settled", {.batch = 8, .length = 2048, .settled = true}, 0, 20},
        {"b64-mixed-p64-h32/8", {.batch = 64, .mixed = true}, 0.88},
        {"b128-l8192-p64-mla16", mla, 0.90},
        {"b128-l4096-p64-mla128", mla128, 0, 0, 350},
        {"b128-l4096-p64-mla64", mla64},
        {"b32-l8192-p64-h32/8-fp8", {.quant = Quant::fp8}, 0.90},
        {"b32-l8192-p64-h32/8-int8", {.quant = Quant::int8}, 0.88},
        {"b32-l8192-p64-h32/8-int4", {.quant = Quant::int4}, 0.80},
        {"b32-l8192-p64-h32/8-fp8-hnd", {.quant = Quant::fp8, .layout = CacheLayout::hnd}, 0.90},
        {"b32-l8192-p64-h32/8-int4-hnd", {.quant = Quant::int4, .layout = CacheLayout::hnd}, 0.80},
        {"b32-l4096-p64-h32/32", {.length = 4096, .heads = 32, .kv_heads = 32}},
    };
    return r;
  }();
  return all;
}

Shape shrunk(Shape s) {
  s.batch = std::min(s.batch, 2), s.length = 70, s.mixed = false;
  s.heads = std::min(s.heads, 4 * s.kv_heads), s.page = std::min(s.page, 16);
  return s;
}

/// The same for every set: what is timed is one shape.
std::vector<std::int32_t> lengths_of(const Shape& s) {
  std::vector<std::int32_t> all(static_cast<std::size_t>(s.batch), s.length);
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> log_length(std::log(16.0), std::log(131072.0));
  for (auto& length : all)
    if (s.mixed) length = static_cast<std::int32_t>(std::exp(log_length(random)));
  return all;
}

/// Sequences of any lengths, their pages in random order.
struct Pages {
  Pages(const std::vector<std::int32_t>& lengths, int page, std::uint64_t seed) {
    for (std::int32_t length : lengths) columns = std::max<std::int64_t>(columns, (length + page - 1) / page);
    std::vector<std::int32_t> ids;
    for (std::int32_t length : lengths)
      for (int i = 0; i < (length + page - 1) / page; ++i) ids.push_back(static_cast<std::int32_t>(count++));
    std::mt19937_64 random(seed);
    std::shuffle(ids.begin(), ids.end(), random);
    auto id = ids.begin();
    for (std::int32_t length : lengths)
      for (std::int64_t i = 0; i < columns; ++i) table.push_back(i * page < length ? *id++ : 0);
  }
  std::int64_t columns = 0, count = 0;
  std::vector<std::int32_t> table;
};

Elem stored(Quant q) {
  return q == Quant::none ? Elem::bf16 : q == Quant::fp8 ? Elem::e4m3 : Elem::u8;
}

/// Bytes of one key in one head, of K or V, with what stands beside it.
std::int64_t row_bytes(const Shape& s, int dim) {
  return codes(s.quant, dim) * bytes(stored(s.quant)) + (model_metadata(s.quant) ? 4 : 0);
}

Tensor paged(const Maker& make, const Shape& s, Elem e, std::int64_t pages, int width, std::uint64_t seed) {
  if (s.layout == CacheLayout::nhd) return make.numbers(e, {pages, s.page, s.kv_heads, width}, "cache", seed);
  return make.numbers(e, {pages, s.kv_heads, s.page, width}, "cache", seed);
}

/// K or V, and its scales.
void add_side(Context& context, Buffers& m, const Maker& make, const Shape& s, std::int64_t pages, int dim,
              std::uint64_t seed, Tensor& cache, Tensor& scales) {
  cache = paged(make, s, stored(s.quant), pages, codes(s.quant, dim), seed);
  if (s.quant == Quant::fp8) scales = Tensor(scalar(context, m, 0.02f, "scale"), Elem::f32, {1});
  if (model_metadata(s.quant)) scales = paged(make, s, Elem::f16, pages, 2, seed + 1);
}

std::unique_ptr<Workload> make(Context& context, const Shape& s, const Tuning& tuning, int sets) {
  auto work = std::make_unique<CallWorkload<DecodeArgs>>(&Context::decode_attention);
  Buffers& m = work->memory;
  Maker maker{context, m, tuning.spread};
  std::vector<std::int32_t> lengths = lengths_of(s);
  std::int64_t keys = 0;
  for (std::int32_t length : lengths) keys += length;
  for (int i = 0; i < sets; ++i) {
    auto seed = static_cast<std::uint64_t>(i);
    Pages pages(lengths, s.page, seed);
    DecodeArgs a;
    std::int64_t tokens = std::int64_t{s.batch} * s.queries;
    a.q = maker.numbers(Elem::bf16, {tokens, s.heads, s.dim_k}, "q", seed);
    a.out = maker.room(Elem::bf16, {tokens, s.heads, s.dim_v}, "out");
    a.quant = s.quant;
    add_side(context, m, maker, s, pages.count, s.dim_k, seed, a.k_cache, a.k_scales);
    if (!s.joint) add_side(context, m, maker, s, pages.count, s.dim_v, seed + 1000, a.v_cache, a.v_scales);
    a.block_table = Tensor(m.list(context, pages.table, "block_table"), Elem::i32, {s.batch, pages.columns});
    a.lengths = Tensor(m.list(context, lengths, "lengths"), Elem::i32, {s.batch});
    a.layout = s.layout, a.settled = s.settled;
    a.tuning = tuning.attend;
    auto bytes = static_cast<std::int64_t>(context.decode_workspace(a));
    a.workspace = Tensor(m.room(context, static_cast<std::size_t>(bytes), "workspace"), Elem::u8, {bytes});
    work->args.push_back(a);
  }
  std::int64_t row = s.kv_heads * (row_bytes(s, s.dim_k) + (s.joint ? 0 : row_bytes(s, s.dim_v)));
  work->counted = static_cast<std::uint64_t>(keys * row);
  work->operations = 2.0 * static_cast<double>(keys) * s.queries * s.heads * (s.dim_k + s.dim_v);
  return work;
}

}  // namespace

std::vector<Case> attend_cases(const Tuning& tuning, bool emulated) {
  std::vector<Case> all;
  for (const Row& row : rows()) {
    Shape s = emulated ? shrunk(row.shape) : row.shape;
    std::int64_t keys = 0;
    for (std::int32_t length : lengths_of(s)) keys += length + s.page;
    std::int64_t bytes = keys * s.kv_heads * (s.dim_k + (s.joint ? 0 : s.dim_v)) * 2;
    Case c{std::string("attend-") + row.name,
           row.us > 0,
           0,
           row.us,
           static_cast<std::uint64_t>(bytes),
           [s, t = tuning](Context& context, int sets) { return make(context, s, t, sets); }};
    c.least_of_read = row.of_read, c.least_tflops = row.tflops;
    all.push_back(std::move(c));
  }
  return all;
}

}  // namespace pagejit::bench
