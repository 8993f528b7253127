#include "kernels/attend/views.h"

#include <fmt/format.h>

#include "kernels/attend/host.h"
#include "kernels/common/rules.h"

namespace pagejit::attend {
namespace {

constexpr unsigned halves = elem_set(Elem::f16, Elem::bf16), integers = elem_set(Elem::i32, Elem::i64),
                   f32 = elem_set(Elem::f32), floats = elem_set(Elem::f16, Elem::bf16, Elem::f32);
constexpr Expected lse_names{"lse", "[tokens, heads]", 2, f32};
constexpr Expected table_names{"block_table", "[batch, columns]", 2, integers};
constexpr Expected lengths_names{"lengths", "[batch]", 1, integers};
constexpr Expected indptr_names{"query_indptr", "[batch + 1]", 1, elem_set(Elem::i32)};
constexpr Expected sinks_names{"sinks", "[heads]", 1, f32};
constexpr Expected slopes_names{"alibi_slopes", "[heads]", 1, f32};

unsigned stored(Quant q) {
  if (q == Quant::none) return halves;
  return q == Quant::fp8 ? elem_set(Elem::e4m3, Elem::e5m2) : elem_set(Elem::u8);
}

/// The names of k_cache or v_cache, for the shape that it is given in.
Expected cache_names(const DecodeArgs& a, const Tensor& t, const char* name) {
  if (t.rank == 3) return {name, "[tokens, kv heads, dim]", 3, stored(a.quant)};
  bool nhd = a.layout == CacheLayout::nhd;
  return {name, nhd ? "[pages, page, kv heads, dim]" : "[pages, kv heads, page, dim]", 4, stored(a.quant)};
}

CacheView view(const DecodeArgs& a, const Tensor& t, const char* name) {
  CacheView c{&t, cache_names(a, t, name)};
  if (t.rank == 3) {
    check_tensor<3>(t, c.names);
    if (a.page < 1 || a.page > 1 << 20) [[unlikely]]
      fail(Code::argument,
           fmt::format("page is {}; expected 1 to {}, for {} says nothing of pages: it is 3-D", a.page, 1 << 20, name),
           {{"argument", "page"}});
    std::int64_t row = t.step(0), whole = 0;
    if (__builtin_mul_overflow(row, a.page, &whole)) [[unlikely]]
      bad_argument(c.names, t, "has pages past the end of the address space", "strides of memory that exists");
    c.pages = t.shape[0] / a.page, c.page = a.page, c.heads = t.shape[1], c.width = t.shape[2];
    c.page_step = whole, c.row_step = row, c.head_step = t.step(1);
  } else {
    check_tensor<4>(t, c.names);
    if (a.page != 0 && a.page != t.shape[a.layout == CacheLayout::nhd ? 1 : 2]) [[unlikely]]
      bad_argument(c.names, t, fmt::format("has other pages than of {} rows", a.page), "page left out, or the same");
    int row = a.layout == CacheLayout::nhd ? 1 : 2, head = 3 - row;
    c.pages = t.shape[0], c.page = t.shape[row], c.heads = t.shape[head], c.width = t.shape[3];
    c.page_step = t.step(0), c.row_step = t.step(row), c.head_step = t.step(head);
  }
  check_range(c.names, t, "rows a page", c.page, 1, 1 << 20);
  check_range(c.names, t, "heads", c.heads, 1, 65535);
  check_range(c.names, t, "elements a head", c.width, 1, max_dim / per_code(a.quant));
  return c;
}

void check_per_head(const Tensor& t, const Expected& names, std::int64_t heads) {
  if (t.omitted()) return;
  check_tensor<1>(t, names);
  check_size(names, "heads", t.shape[0], q_names, heads);
}

}  // namespace

bool is_joint(const DecodeArgs& a) {
  if (a.v_cache.omitted()) return true;
  if (a.v_cache.data != a.k_cache.data || a.v_cache.rank != a.k_cache.rank) return false;
  for (int d = 0; d + 1 < a.k_cache.rank; ++d)
    if (a.v_cache.step(d) != a.k_cache.step(d)) return false;
  return a.v_cache.shape[a.v_cache.rank - 1] <= a.k_cache.shape[a.k_cache.rank - 1];
}

CacheView view_keys(const DecodeArgs& a) {
  return view(a, a.k_cache, "k_cache");
}
CacheView view_values(const DecodeArgs& a) {
  return view(a, a.v_cache, "v_cache");
}

ScalesView view_scales(const DecodeArgs& a, const Tensor& t, const CacheView& cache) {
  bool keys = &t == &a.k_scales;
  const char* name = keys ? "k_scales" : "v_scales";
  if (a.quant == Quant::none) {
    if (!t.omitted()) [[unlikely]]
      bad_argument({name, "[…]", t.rank, floats}, t, "is given though nothing is quantised",
                   "it left out, or another quant");
    return {};
  }
  if (a.quant == Quant::fp8) {
    Expected names{name, "[1 or kv heads]", 1, f32};
    check_tensor<1>(t, names);
    if (t.shape[0] != 1) check_size(names, "elements", t.shape[0], cache.names, cache.heads);
    return {&t, 0, 0, t.step(0)};
  }
  bool nhd = a.layout == CacheLayout::nhd;
  Expected names{name, nhd ? "[pages, page, kv heads, 2]" : "[pages, kv heads, page, 2]", 4, floats};
  check_tensor<4>(t, names);
  int row = nhd ? 1 : 2, head = 3 - row;
  check_size(names, "pages", t.shape[0], cache.names, cache.pages);
  check_size(names, "rows a page", t.shape[row], cache.names, cache.page);
  check_size(names, "heads", t.shape[head], cache.names, cache.heads);
  check_exactly(names, t, "numbers a row", t.shape[3], 2);
  return {&t, t.step(0), t.step(row), t.step(head)};
}

void check_width(const DecodeArgs& a, const CacheView& k, const CacheView& v, bool joint) {
  std::int64_t width = a.out.shape[2], of_k = k.width * per_code(a.quant);
  if (!joint) return check_size(out_names, "elements a head", width, v.names, v.width * per_code(a.quant));
  if (!a.v_cache.omitted()) {
    std::int64_t of_v = a.v_cache.shape[a.v_cache.rank - 1] * per_code(a.quant);
    check_size(out_names, "elements a head", width, cache_names(a, a.v_cache, "v_cache"), of_v);
  }
  if (width < 1 || width > of_k || (width % 16 != 0 && width != of_k)) [[unlikely]]
    bad_argument(out_names, a.out, fmt::format("has {} elements a head", width),
                 fmt::format("a multiple of 16 of at most {}, or {}: V is a part of k_cache's rows", of_k, of_k));
}

void check_dense(const DecodeArgs& a, std::int64_t kv_heads) {
  check_tensor<3>(a.q, q_names);
  check_tensor<3>(a.out, out_names);
  check_no_overlap(a.out, out_names);
  check_elem(out_names, a.out, q_names, a.q.elem);
  std::int64_t tokens = a.q.shape[0], heads = a.q.shape[1];
  check_range(q_names, a.q, "tokens", tokens, 0, 0x7fffffff);
  check_range(q_names, a.q, "heads", heads, 1, 1 << 20);
  if (heads % kv_heads != 0 || heads / kv_heads > max_group) [[unlikely]]
    bad_argument(q_names, a.q, fmt::format("has {} heads", heads),
                 fmt::format("a multiple of the cache's {}, at most {} of each", kv_heads, max_group));
  check_size(out_names, "tokens", a.out.shape[0], q_names, tokens);
  check_size(out_names, "heads", a.out.shape[1], q_names, heads);
  if (!a.lse.omitted()) {
    // Any strides: [tokens, heads] or the other way round.
    Tensor t = a.lse;
    if (t.rank == 2 && t.shape[1] > 1 && t.stride[1] != 1)
      std::swap(t.shape[0], t.shape[1]), std::swap(t.stride[0], t.stride[1]);
    check_tensor<2>(t, lse_names);
    check_no_overlap(t, lse_names);
    check_size(lse_names, "tokens", a.lse.shape[0], q_names, tokens);
    check_size(lse_names, "heads", a.lse.shape[1], q_names, heads);
  }
  check_per_head(a.sinks, sinks_names, heads);
  check_per_head(a.alibi_slopes, slopes_names, heads);
  check_tensor<2>(a.block_table, table_names);
  check_tensor<1>(a.lengths, lengths_names);
  check_range(table_names, a.block_table, "sequences", a.block_table.shape[0], 0, (1ll << 31) - 65);
  check_size(lengths_names, "sequences", a.lengths.shape[0], table_names, a.block_table.shape[0]);
  if (!a.query_indptr.omitted()) {
    check_tensor<1>(a.query_indptr, indptr_names);
    check_exactly(indptr_names, a.query_indptr, "elements", a.query_indptr.shape[0], a.lengths.shape[0] + 1);
  }
}

}  // namespace pagejit::attend
