#include <fmt/format.h>

#include "kernels/flatten/repeat.h"
#include "kernels/flatten/views.h"
#include "runtime/base/error.h"

namespace pagejit::flatten {
namespace {

// Each argument's name and axes, for either order of the axes.
constexpr Names k_cache_names{{"k_cache", "[pages, page, heads, dim]", 4, floats},
                              {"k_cache", "[pages, heads, page, dim]", 4, floats}};
constexpr Names v_cache_names{{"v_cache", "[pages, page, heads, dim]", 4, floats},
                              {"v_cache", "[pages, heads, page, dim]", 4, floats}};
constexpr Names k_scales_names{{"k_scales", "[pages, page, heads, numbers]", 4, floats},
                               {"k_scales", "[pages, heads, page, numbers]", 4, floats}};
constexpr Names v_scales_names{{"v_scales", "[pages, page, heads, numbers]", 4, floats},
                               {"v_scales", "[pages, heads, page, numbers]", 4, floats}};
constexpr Expected k_out_shd{"k_out", "[out_rows, heads, dim]", 3, floats};
constexpr Expected k_out_hsd{"k_out", "[heads, out_rows, dim]", 3, floats};
constexpr Expected v_out_shd{"v_out", "[out_rows, heads, dim]", 3, floats};
constexpr Expected v_out_hsd{"v_out", "[heads, out_rows, dim]", 3, floats};
bool same_memory(const Tensor& a, const Tensor& b) {
  bool same = a.data == b.data;
  for (int d = 0; d + 1 < a.rank; ++d) same = same && a.step(d) == b.step(d);
  return same;
}

bool is_joint(const FlattenArgs& a) {
  return a.v_out.omitted() || (a.v_out.data != nullptr && a.v_out.data == a.k_out.data);
}

void check_prefix(const Expected& v_names, const Tensor& v, const Expected& k_names, const Tensor& k, const char* why) {
  std::int64_t k_dim = k.shape[k.rank - 1], v_dim = v.shape[v.rank - 1];
  if (!same_memory(v, k) || v_dim > k_dim) [[unlikely]]
    bad_argument(v_names, v,
                 fmt::format("is not a prefix of {} (same memory and strides, no larger head dim)", k_names.name), why);
}

/// One side's three tensors, each checked by itself.
struct SideNames {
  const Names &cache, &scales;
  const Expected& out;
};
SideView view_side(const FlattenArgs& a, const Tensor& cache, const Tensor& scales, const Tensor& out,
                   const SideNames& names, Quant quant) {
  Expected cache_names = names.cache.of(a.layout);
  cache_names.elems = stored_elems(quant);
  SideView side{view_cache(cache, cache_names, a.layout, quant), {}, view_out(out, names.out, a.out), {}};
  side.scales = view_scales(scales, names.scales, quant, side.cache, a.layout);
  side.spec = {cache.elem, quant, static_cast<int>(side.cache.width) * per_code(quant)};
  return side;
}

/// V where it is a prefix of K: what is given of it must say so.
SideView view_prefix(const FlattenArgs& a, const SideView& k, const SideNames& names) {
  if (a.quant == Quant::turbo4)
    fail(Code::argument, "quant is turbo4 but v_out is left out; expected one: no part of K in turbo4 is a V in turbo2",
         {{"argument", "v_out"}});
  if (!a.v_scales.omitted())
    bad_argument(names.scales.of(a.layout), a.v_scales, "is given but only K is copied", "it to be left out");
  const Tensor &cache = a.v_cache.omitted() ? a.k_cache : a.v_cache, &out = a.v_out.omitted() ? a.k_out : a.v_out;
  Expected cache_names = names.cache.of(a.layout);
  cache_names.elems = stored_elems(a.quant);
  SideView v{view_cache(cache, cache_names, a.layout, a.quant), k.scales, view_out(out, names.out, a.out), k.spec};
  v.spec.dim = static_cast<int>(v.cache.width) * per_code(a.quant);
  check_prefix(v.cache.names, cache, k.cache.names, a.k_cache, "that, or a v_out with memory of its own");
  check_prefix(v.out.names, out, k.out.names, a.k_out, "that, or memory of its own");
  return v;
}

void check_sizes(const FlattenArgs& a, const SideView& k, const SideView& v, bool joint) {
  check_elem(v.cache.names, v.cache.t, k.cache.names, k.cache.t.elem);
  check_elem(v.out.names, v.out.t, k.out.names, k.out.t.elem);
  if (model_metadata(a.quant) && !joint)
    check_elem(v_scales_names.nhd, a.v_scales, k_scales_names.nhd, a.k_scales.elem);
  check_size(v.cache.names, "pages", v.cache.t.shape[0], k.cache.names, k.cache.t.shape[0]);
  check_size(v.cache.names, "rows a page", v.cache.page, k.cache.names, k.cache.page);
  check_size(v.cache.names, "heads", v.cache.heads, k.cache.names, k.cache.heads);
  check_size(k.out.names, "heads", k.out.heads, k.cache.names, k.cache.heads);
  check_size(k.out.names, "elements a head", k.out.dim, k.cache.names, k.spec.dim);
  check_size(v.out.names, "heads", v.out.heads, k.cache.names, k.cache.heads);
  check_size(v.out.names, "rows", v.out.rows, k.out.names, k.out.rows);
  if (!joint || !a.v_out.omitted()) check_size(v.out.names, "elements a head", v.out.dim, v.cache.names, v.spec.dim);
}

void check_host_lengths(const FlattenArgs& a, std::int64_t page) {
  auto count = static_cast<std::int64_t>(a.host_lengths.size());
  if (count != a.lengths.shape[0])
    fail(Code::argument,
         fmt::format("host_lengths has {} elements; expected {}, as lengths has", count, a.lengths.shape[0]),
         {{"argument", "host_lengths"}});
  for (std::size_t b = 0; b < a.host_lengths.size(); ++b) {
    std::int64_t columns = std::min(a.block_table.shape[1], std::int64_t{1} << 42);  // more would overflow
    std::int64_t length = a.host_lengths[b], room = columns * page;
    if (length < 0 || length > room)
      fail(Code::argument,
           fmt::format("host_lengths[{}] is {}; expected 0 to {}: {} columns of block_table, {} rows a page", b, length,
                       room, a.block_table.shape[1], page),
           {{"argument", "host_lengths"}});
  }
}

bool plan_anew(const FlattenArgs& a, int multiprocessors, Plan& out) {
  if (a.quant == Quant::turbo2)
    fail(Code::argument, "quant is turbo2; expected turbo4, which stands for K in turbo4 and V in turbo2",
         {{"argument", "quant"}});
  bool shd = a.out == FlattenArgs::Out::shd, joint = is_joint(a);
  SideNames k_names{k_cache_names, k_scales_names, shd ? k_out_shd : k_out_hsd};
  SideNames v_names{v_cache_names, v_scales_names, shd ? v_out_shd : v_out_hsd};
  SideView k = view_side(a, a.k_cache, a.k_scales, a.k_out, k_names, a.quant);
  Quant quant_v = a.quant == Quant::turbo4 ? Quant::turbo2 : a.quant;
  SideView v = joint ? view_prefix(a, k, v_names) : view_side(a, a.v_cache, a.v_scales, a.v_out, v_names, quant_v);
  check_sizes(a, k, v, joint);
  Lists lists = check_lists(a.block_table, a.lengths, a.start_loc, a.tail, a.zero_gaps);
  lists.settled = a.settled, lists.tuning = a.tuning;
  if (!a.host_lengths.empty()) check_host_lengths(a, k.cache.page);
  return plan(k, joint ? nullptr : &v, lists, multiprocessors, out);
}

}  // namespace

bool plan(const FlattenArgs& a, int multiprocessors, Plan& out) {
  if (out.instead != nullptr) return plan_anew(a, multiprocessors, out);
  if (plan_of_last_call(a, multiprocessors, out)) return true;
  if (!plan_anew(a, multiprocessors, out)) return false;
  keep_call(a, multiprocessors, out);
  return true;
}

}  // namespace pagejit::flatten
