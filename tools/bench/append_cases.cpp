// Writers: new rows into pages, quantised on the way.
#include <fmt/format.h>

#include <algorithm>

#include "kernels/api/pagejit/pagejit.h"
#include "tools/bench/paging.h"
#include "tools/bench/workload.h"

namespace pagejit::bench {
namespace {

struct Shape {
  int batch = 4, length = 4096, page = 64, heads = 8, dim = 128;
  Quant quant = Quant::none;
  Tuning tuning = {};

  int tokens() const { return batch * length; }
};

Elem stored(Quant q) {
  if (q == Quant::none) return Elem::bf16;
  return q == Quant::fp8 || q == Quant::fp8_group ? Elem::e4m3 : Elem::u8;
}
Quant of_v(Quant q) {
  return q == Quant::turbo4 ? Quant::turbo2 : q;
}

/// A cache of one side with its metadata, in the axes of nhd.
void add_side(const Maker& make, const Shape& s, Quant q, std::int64_t pages, Tensor& cache, Tensor& scales,
              std::uint64_t& count) {
  Elem e = stored(q);
  std::int64_t width = codes(q, s.dim), numbers = metadata(q, s.dim);
  cache = make.room(e, {pages, s.page, s.heads, width}, "cache");
  std::int64_t written = width * bytes(e);
  if (q == Quant::fp8) scales = Tensor(scalar(make.context, make.memory, 0.02f, "scale"), Elem::f32, {1});
  if (numbers > 0) {
    Elem meta = model_metadata(q) ? Elem::f16 : Elem::f32;
    scales = make.room(meta, {pages, s.page, s.heads, numbers}, "scales");
    written += numbers * bytes(meta);
  }
  count += static_cast<std::uint64_t>(s.tokens()) * static_cast<std::uint64_t>(s.heads * (s.dim * 2 + written));
}

std::unique_ptr<Workload> make_fill(Context& context, const Shape& s, int sets) {
  auto work = std::make_unique<CallWorkload<FillArgs>>(&Context::fill_kv_cache);
  Buffers& m = work->memory;
  Maker make{context, m, s.tuning.spread};
  for (int i = 0; i < sets; ++i) {
    Paging paging(s.batch, s.length, s.page, static_cast<std::uint64_t>(i));
    FillArgs a;
    a.quant = s.quant;
    std::uint64_t count = 0;
    auto in = [&](const char* name) {
      return make.numbers(Elem::bf16, {s.tokens(), s.heads, s.dim}, name, static_cast<std::uint64_t>(i));
    };
    a.k = in("k");
    a.v = in("v");
    add_side(make, s, s.quant, paging.pages, a.k_cache, a.k_scales, count);
    add_side(make, s, of_v(s.quant), paging.pages, a.v_cache, a.v_scales, count);
    a.block_table = Tensor(m.list(context, paging.table, "block_table"), Elem::i32, {s.batch, paging.columns});
    std::vector<std::int32_t> lengths(static_cast<std::size_t>(s.batch), s.length);
    a.kv_lengths = Tensor(m.list(context, lengths, "kv_lengths"), Elem::i32, {s.batch});
    a.q_lengths = Tensor(m.list(context, lengths, "q_lengths"), Elem::i32, {s.batch});
    a.tuning = {s.tuning.threads, s.tuning.unroll};
    work->args.push_back(a);
    work->counted = count + static_cast<std::uint64_t>(paging.pages + 2 * s.batch) * 4;
  }
  return work;
}

constexpr int latent = 512, rotated = 64, packed_row = 656;

std::unique_ptr<Workload> make_concat(Context& context, const Shape& s, int sets, bool packed) {
  auto work = std::make_unique<CallWorkload<ConcatMlaArgs>>(&Context::concat_and_cache_mla);
  Buffers& m = work->memory;
  Maker make{context, m, s.tuning.spread};
  for (int i = 0; i < sets; ++i) {
    Paging paging(s.batch, s.length, s.page, static_cast<std::uint64_t>(i));
    ConcatMlaArgs a;
    auto in = [&](int dim, const char* name) {
      return make.numbers(Elem::bf16, {s.tokens(), dim}, name, static_cast<std::uint64_t>(i));
    };
    a.kv_c = in(latent, "kv_c");
    a.k_pe = in(rotated, "k_pe");
    int row = packed ? packed_row : (latent + rotated) * 2;
    a.kv_cache = packed ? make.room(Elem::u8, {paging.pages, s.page, packed_row}, "kv_cache")
                        : make.room(Elem::bf16, {paging.pages, s.page, latent + rotated}, "kv_cache");
    a.slots = Tensor(m.list(context, paging.slots(), "slots"), Elem::i64, {s.tokens()});
    a.tuning = {s.tuning.threads, s.tuning.unroll};
    work->args.push_back(a);
    work->counted = static_cast<std::uint64_t>(s.tokens()) * static_cast<unsigned>((latent + rotated) * 2 + row + 8);
  }
  return work;
}

}  // namespace

std::vector<Case> append_cases(const Tuning& tuning, bool emulated) {
  std::vector<Case> all;
  Shape s;
  s.tuning = tuning;
  if (emulated) s.batch = 2, s.length = 5, s.heads = 2;
  std::uint64_t rows = static_cast<std::uint64_t>(s.tokens());
  auto fill = [&](const char* name, Quant q, double bar) {
    s.quant = q;
    all.push_back({std::string("fill-") + name, true, bar, 0, rows * static_cast<unsigned>(s.heads * s.dim * 2 * 4),
                   [s](Context& context, int sets) { return make_fill(context, s, sets); }});
  };
  fill("bf16-t16384", Quant::none, 0.92);
  fill("int8-t16384", Quant::int8, 0.92);
  fill("int4-t16384", Quant::int4, 0);
  fill("fp8-t16384", Quant::fp8, 0);
  fill("fp8-group-t16384", Quant::fp8_group, 0);
  fill("turbo-t16384", Quant::turbo4, 0);
  for (bool packed : {false, true})
    all.push_back({std::string("concat-mla-") + (packed ? "656" : "bf16") + "-t16384", true, 0.92, 0,
                   rows * (latent + rotated) * 4,
                   [s, packed](Context& context, int sets) { return make_concat(context, s, sets, packed); }});
  return all;
}

}  // namespace pagejit::bench
