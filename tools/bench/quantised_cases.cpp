// flatten and gather out of quantised caches.
#include <fmt/format.h>

#include <algorithm>

#include "kernels/api/pagejit/pagejit.h"
#include "tools/bench/paging.h"
#include "tools/bench/workload.h"

namespace pagejit::bench {
namespace {

struct Shape {
  int batch = 32, length = 8192, page = 64, heads = 8, dim = 128;
  Quant quant = Quant::none;
  FlattenArgs::Out out = FlattenArgs::Out::shd;
  Tuning tuning = {};

  std::int64_t tokens() const { return std::int64_t{batch} * length; }
};

flatten::Tuning tuning_of(const Tuning& t) {
  return {t.threads, t.unroll, t.group, t.tiles};
}

/// Codes and metadata of one side, and its output.
void add_side(const Maker& make, const Shape& s, Quant q, Tensor& cache, Tensor& scales, Tensor& out,
              std::uint64_t& count) {
  std::int64_t pages = s.batch * ((s.length + s.page - 1) / s.page), width = codes(q, s.dim), meta = metadata(q, s.dim);
  Elem e = q == Quant::fp8 || q == Quant::fp8_group ? Elem::e4m3 : Elem::u8;
  std::int64_t moved = width + s.dim * 2;
  cache = make.numbers(e, {pages, s.page, s.heads, width}, "cache", 1);
  if (q == Quant::fp8) scales = Tensor(scalar(make.context, make.memory, 0.02f, "scale"), Elem::f32, {1});
  if (meta > 0) {
    Elem type = model_metadata(q) ? Elem::f16 : Elem::f32;
    scales = make.numbers(type, {pages, s.page, s.heads, meta}, "scales", 2);
    moved += meta * bytes(type);
  }
  out = s.out == FlattenArgs::Out::shd ? make.room(Elem::bf16, {s.tokens(), s.heads, s.dim}, "out")
                                       : make.room(Elem::bf16, {s.heads, s.tokens(), s.dim}, "out");
  count += static_cast<std::uint64_t>(s.tokens() * s.heads * moved);
}

std::unique_ptr<Workload> make_flatten(Context& context, const Shape& s, int sets) {
  auto work = std::make_unique<CallWorkload<FlattenArgs>>(&Context::flatten);
  for (int i = 0; i < sets; ++i) {
    Paging paging(s.batch, s.length, s.page, static_cast<std::uint64_t>(i));
    Buffers& m = work->memory;
    FlattenArgs a;
    std::uint64_t count = 0;
    Maker make{context, m, s.tuning.spread};
    add_side(make, s, s.quant, a.k_cache, a.k_scales, a.k_out, count);
    add_side(make, s, s.quant == Quant::turbo4 ? Quant::turbo2 : s.quant, a.v_cache, a.v_scales, a.v_out, count);
    a.block_table = Tensor(m.list(context, paging.table, "block_table"), Elem::i32, {s.batch, paging.columns});
    a.lengths =
        Tensor(m.list(context, std::vector<std::int32_t>(static_cast<std::size_t>(s.batch), s.length), "lengths"),
               Elem::i32, {s.batch});
    a.quant = s.quant;
    a.out = s.out;
    a.tuning = tuning_of(s.tuning);
    work->args.push_back(a);
    work->counted = count + static_cast<std::uint64_t>(paging.pages + s.batch) * 4;
  }
  return work;
}

std::unique_ptr<Workload> make_mla(Context& context, const Shape& s, int sets) {
  auto work = std::make_unique<CallWorkload<FlattenMlaArgs>>(&Context::flatten_mla);
  for (int i = 0; i < sets; ++i) {
    Paging paging(s.batch, s.length, s.page, static_cast<std::uint64_t>(i));
    Buffers& m = work->memory;
    FlattenMlaArgs a;
    Maker make{context, m, s.tuning.spread};
    a.cache = make.numbers(Elem::u8, {paging.pages, s.page, 1, 656}, "cache", 1);
    a.out = make.room(Elem::bf16, {s.tokens(), 1, 576}, "out");
    a.block_table = Tensor(m.list(context, paging.table, "block_table"), Elem::i32, {s.batch, paging.columns});
    a.lengths =
        Tensor(m.list(context, std::vector<std::int32_t>(static_cast<std::size_t>(s.batch), s.length), "lengths"),
               Elem::i32, {s.batch});
    a.tuning = tuning_of(s.tuning);
    work->args.push_back(a);
    work->counted = static_cast<std::uint64_t>(s.tokens() * (656 + 576 * 2) + (paging.pages + s.batch) * 4);
  }
  return work;
}

std::unique_ptr<Workload> make_gather(Context& context, const Shape& s, int sets) {
  auto work = std::make_unique<CallWorkload<GatherArgs>>(&Context::gather_cache);
  bool fp8 = s.quant == Quant::fp8;
  Elem e = fp8 ? Elem::e4m3 : Elem::bf16;
  for (int i = 0; i < sets; ++i) {
    Paging paging(s.batch, s.length, s.page, static_cast<std::uint64_t>(i));
    Buffers& m = work->memory;
    GatherArgs a;
    Maker make{context, m, s.tuning.spread};
    a.src = make.numbers(e, {paging.pages, s.page, s.dim}, "src", 1);
    a.dst = make.room(Elem::bf16, {s.tokens(), s.dim}, "dst");
    if (fp8) a.scale = Tensor(scalar(context, m, 0.02f, "scale"), Elem::f32, {1});
    a.block_table = Tensor(m.list(context, paging.table, "block_table"), Elem::i32, {s.batch, paging.columns});
    a.cu_seq_lens = Tensor(m.list(context, paging.starts(), "cu_seq_lens"), Elem::i32, {s.batch + 1});
    a.tuning = tuning_of(s.tuning);
    work->args.push_back(a);
    work->counted = static_cast<std::uint64_t>(s.tokens() * s.dim * (bytes(e) + 2) + (paging.pages + s.batch + 1) * 4);
  }
  return work;
}

}  // namespace

std::vector<Case> quantised_cases(const Tuning& tuning, bool emulated) {
  std::vector<Case> all;
  auto add = [&](std::string name, Shape s, double bar, auto make) {
    s.tuning = tuning;
    if (emulated) s.batch = 2, s.length = 40, s.heads = std::min(s.heads, 2);
    auto set_bytes = static_cast<std::uint64_t>(s.tokens() * s.heads * s.dim * 8);
    all.push_back({std::move(name), false, bar, 0, set_bytes,
                   [s, make](Context& context, int sets) { return make(context, s, sets); }});
  };
  using Out = FlattenArgs::Out;
  for (Out out : {Out::shd, Out::hsd}) {
    const char* axes = out == Out::shd ? "shd" : "hsd";
    add(fmt::format("flatten-int8-b32-l8192-p64-{}", axes), {.quant = Quant::int8, .out = out}, 0.95, make_flatten);
    add(fmt::format("flatten-int4-b32-l8192-p64-{}", axes), {.quant = Quant::int4, .out = out}, 0.93, make_flatten);
    add(fmt::format("flatten-fp8-b32-l8192-p64-{}", axes), {.quant = Quant::fp8, .out = out}, 0.95, make_flatten);
    add(fmt::format("flatten-turbo-b32-l8192-p64-{}", axes), {.quant = Quant::turbo4, .out = out}, 0, make_flatten);
  }
  Shape latent{.batch = 64, .heads = 1, .dim = 576};
  add("flatten-mla656-b64-l8192-p64", latent, 0.95, make_mla);
  add("gather-bf16-b64-l8192-d576", latent, 0, make_gather);
  latent.quant = Quant::fp8;
  add("gather-fp8-b64-l8192-d576", latent, 0.95, make_gather);
  return all;
}

}  // namespace pagejit::bench
