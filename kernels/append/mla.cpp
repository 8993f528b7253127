// Writers of MLA's rows and of the sparse indexer's pages: append_mla, concat_and_cache_mla, indexer_quant_and_cache.
#include <fmt/format.h>

#include "kernels/append/call.h"
#include "runtime/base/error.h"

namespace pagejit::append {
namespace {

constexpr unsigned u8 = elem_set(Elem::u8), f32 = elem_set(Elem::f32);
constexpr Expected ckv_names{"ckv", "[tokens, dim]", 2, copied}, kpe_names{"kpe", "[tokens, dim]", 2, copied};
constexpr Expected kv_c_names{"kv_c", "[tokens, dim]", 2, copied}, k_pe_names{"k_pe", "[tokens, dim]", 2, copied};
constexpr Expected ckv_cache_names{"ckv_cache", "[pages, page, dim]", 3, copied};
constexpr Expected kpe_cache_names{"kpe_cache", "[pages, page, dim]", 3, copied};
constexpr Expected joint_names{"joint_cache", "[pages, page, dim]", 3, copied};
constexpr Expected kv_cache_names{"kv_cache", "[pages, page, dim]", 3, copied};
constexpr Expected scale_names{"scale", "[1]", 1, f32};
constexpr Expected indexer_k_names{"k", "[tokens, dim]", 2, model_floats};
constexpr Expected indexer_cache_names{"cache", "[pages, page, bytes]", 3, u8};

constexpr int latent_656 = 512, rope_656 = 64;

/// The two inputs, one head each.
struct Parts {
  const Expected &k_names, &v_names;
  const Tensor &k, &v;
};

Walk walk_in(const Tensor& t) {
  return {t.data, 0, t.step(0), 0};
}
/// A cache from its `first` element up.
Walk walk_cache(const Tensor& t, std::int64_t first = 0) {
  return {static_cast<std::byte*>(t.data) + first * bytes(t.elem), t.step(0), t.step(1), 0};
}

void check_input(const Expected& what, const Tensor& t) {
  check_tensor<2>(t, what);
  check_range(what, t, "tokens", t.shape[0], 0, max_tokens);
  check_range(what, t, "elements a row", t.shape[1], 1, max_dim);
}

void check_cache(const Expected& what, const Tensor& t) {
  check_tensor<3>(t, what);
  check_no_overlap(t, what);
  check_range(what, t, "rows a page", t.shape[1], 1, 1 << 20);
}

void check_width(const Expected& what, const Tensor& t, std::int64_t expected) {
  if (t.shape[2] != expected) [[unlikely]]
    bad_argument(what, t, fmt::format("has {} elements a row", t.shape[2]), std::to_string(expected));
}

Call read_parts(const Parts& p) {
  check_input(p.k_names, p.k);
  check_input(p.v_names, p.v);
  check_elem(p.v_names, p.v, p.k_names, p.k.elem);
  check_size(p.v_names, "tokens", p.v.shape[0], p.k_names, p.k.shape[0]);
  Call c;
  c.in = p.k.elem, c.heads = 1;
  c.k.dim = p.k.shape[1], c.v.dim = p.v.shape[1];
  c.k.in = walk_in(p.k), c.v.in = walk_in(p.v);
  return c;
}

void read_joint(const Expected& what, const Tensor& cache, Quant quant, Call& c) {
  check_stored(what, cache, quant, c.in);
  check_width(what, cache, c.k.dim + c.v.dim);
  c.k.quant = c.v.quant = quant;
  c.k.stored = c.v.stored = cache.elem;
  c.k.cache = walk_cache(cache), c.v.cache = walk_cache(cache, c.k.dim);
  c.page = cache.shape[1];
}

void read_split(const AppendMlaArgs& a, Call& c) {
  check_cache(ckv_cache_names, a.ckv_cache);
  check_cache(kpe_cache_names, a.kpe_cache);
  check_stored(ckv_cache_names, a.ckv_cache, Quant::none, c.in);
  check_elem(kpe_cache_names, a.kpe_cache, ckv_cache_names, a.ckv_cache.elem);
  check_size(kpe_cache_names, "pages", a.kpe_cache.shape[0], ckv_cache_names, a.ckv_cache.shape[0]);
  check_size(kpe_cache_names, "rows a page", a.kpe_cache.shape[1], ckv_cache_names, a.ckv_cache.shape[1]);
  check_width(ckv_cache_names, a.ckv_cache, c.k.dim);
  check_width(kpe_cache_names, a.kpe_cache, c.v.dim);
  c.k.stored = c.v.stored = a.ckv_cache.elem;
  c.k.cache = walk_cache(a.ckv_cache), c.v.cache = walk_cache(a.kpe_cache);
  c.page = a.ckv_cache.shape[1];
}

void read_656(const ConcatMlaArgs& a, Call& c) {
  auto check_dim = [](const Expected& what, const Tensor& t, std::int64_t dim) {
    check_range(what, t, "elements a row", t.shape[1], dim, dim);
  };
  check_dim(kv_c_names, a.kv_c, latent_656);
  check_dim(k_pe_names, a.k_pe, rope_656);
  place_rows_656(kv_cache_names, a.kv_cache, walk_cache(a.kv_cache), c);
  c.scale_rule = a.scale_rule, c.power_of_two = a.power_of_two;
  c.page = a.kv_cache.shape[1];
}

void read_scale(const Tensor& scale, bool needed, Call& c) {
  if (!needed) {
    if (!scale.omitted()) [[unlikely]]
      bad_argument(scale_names, scale, "is given though kv_cache is not of one fp8 scale",
                   "it left out, or a kv_cache of e4m3 or e5m2");
    return;
  }
  check_tensor<1>(scale, scale_names);
  check_range(scale_names, scale, "elements", scale.shape[0], 1, 1);
  c.k.meta.data = c.v.meta.data = scale.data;
}

}  // namespace

bool plan(const AppendMlaArgs& a, int multiprocessors, Plan& out) {
  Call c = read_parts({ckv_names, kpe_names, a.ckv, a.kpe});
  if (a.joint_cache.omitted()) {
    read_split(a, c);
  } else {
    if (!a.ckv_cache.omitted() || !a.kpe_cache.omitted()) [[unlikely]]
      bad_argument(joint_names, a.joint_cache, "is given beside ckv_cache or kpe_cache", "one or the other");
    check_cache(joint_names, a.joint_cache);
    read_joint(joint_names, a.joint_cache, Quant::none, c);
  }
  read_positions(a.batch_indices, a.positions, a.kv_indptr, a.kv_indices, ckv_names, a.ckv.shape[0], c);
  read_valid(a.valid_tokens, c);
  c.tuning = a.tuning;
  return finish(c, multiprocessors, out);
}

bool plan(const ConcatMlaArgs& a, int multiprocessors, Plan& out) {
  Call c = read_parts({kv_c_names, k_pe_names, a.kv_c, a.k_pe});
  check_cache(kv_cache_names, a.kv_cache);
  bool halves = a.kv_c.elem == Elem::f16 || a.kv_c.elem == Elem::bf16;
  bool fp8 = stored_elems(Quant::fp8, c.in) & elem_set(a.kv_cache.elem) && model_floats & elem_set(c.in);
  if (has_rows_656(a.kv_cache) && halves)
    read_656(a, c);
  else
    read_joint(kv_cache_names, a.kv_cache, fp8 ? Quant::fp8 : Quant::none, c);
  read_scale(a.scale, fp8, c);
  read_slots(a.slots, kv_c_names, a.kv_c.shape[0], c);
  read_valid(a.valid_tokens, c);
  c.tuning = a.tuning;
  return finish(c, multiprocessors, out);
}

bool plan(const IndexerArgs& a, int multiprocessors, Plan& out) {
  check_input(indexer_k_names, a.k);
  check_cache(indexer_cache_names, a.cache);
  std::int64_t dim = a.k.shape[1], page = a.cache.shape[1];
  check_range(indexer_k_names, a.k, "elements a row", dim, 1, max_row_dim);
  std::int64_t groups = metadata(Quant::fp8_group, static_cast<int>(dim)), row = dim + 4 * groups;
  check_width(indexer_cache_names, a.cache, row);
  if (page > 1 && a.cache.stride[1] != row) [[unlikely]]
    bad_argument(indexer_cache_names, a.cache, fmt::format("has rows {} bytes apart", a.cache.stride[1]),
                 fmt::format("{}: a page is contiguous, its codes before its scales", row));
  auto start = reinterpret_cast<std::uintptr_t>(a.cache.data) | static_cast<std::uintptr_t>(a.cache.step(0));
  if ((start | static_cast<std::uintptr_t>(page * dim)) % 4 != 0) [[unlikely]]
    bad_argument(indexer_cache_names, a.cache, "has f32 scales at addresses that are no multiples of 4",
                 "a pointer, a page stride and codes of a page that are multiples of 4 bytes");
  Call c;
  c.in = a.k.elem, c.heads = 1, c.page = page;
  c.k = {Quant::fp8_group, Elem::e4m3, dim, walk_in(a.k), {a.cache.data, a.cache.step(0), dim, 0}, {}};
  c.k.meta = {static_cast<std::byte*>(a.cache.data) + page * dim, a.cache.step(0) / 4, groups, 0};
  c.scale_rule = a.scale_rule, c.power_of_two = a.power_of_two, c.tuning = a.tuning;
  read_slots(a.slots, indexer_k_names, a.k.shape[0], c);
  read_valid(a.valid_tokens, c);
  return finish(c, multiprocessors, out);
}

}  // namespace pagejit::append
