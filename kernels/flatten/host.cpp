#include "kernels/flatten/host.h"

#include <fmt/format.h>

#include "kernels/common/check.h"
#include "runtime/base/error.h"

namespace pagejit::flatten {
namespace {

constexpr unsigned floats = elem_set(Elem::f16, Elem::bf16, Elem::f32), integers = elem_set(Elem::i32, Elem::i64);
constexpr std::int64_t max_heads = 65535, max_batch = (1ll << 31) - 65;

// Each argument's name and axes, for either order of the axes.
constexpr Expected k_cache_nhd{"k_cache", "[pages, page, heads, dim]", 4, floats};
constexpr Expected k_cache_hnd{"k_cache", "[pages, heads, page, dim]", 4, floats};
constexpr Expected v_cache_nhd{"v_cache", "[pages, page, heads, dim]", 4, floats};
constexpr Expected v_cache_hnd{"v_cache", "[pages, heads, page, dim]", 4, floats};
constexpr Expected k_out_shd{"k_out", "[out_rows, heads, dim]", 3, floats};
constexpr Expected k_out_hsd{"k_out", "[heads, out_rows, dim]", 3, floats};
constexpr Expected v_out_shd{"v_out", "[out_rows, heads, dim]", 3, floats};
constexpr Expected v_out_hsd{"v_out", "[heads, out_rows, dim]", 3, floats};
constexpr Expected table_names{"block_table", "[batch, columns]", 2, integers};
constexpr Expected lengths_names{"lengths", "[batch]", 1, integers};
constexpr Expected starts_names{"start_loc", "[batch]", 1, integers};

/// A cache, whatever the order of its axes.
struct CacheView {
  const Tensor& t;
  const Expected& names;
  std::int64_t page, heads, dim, page_step, row_step, head_step;
};

CacheView view_cache(const Tensor& t, const Expected& names, FlattenArgs::Layout layout) {
  check_tensor<4>(t, names);
  int row = layout == FlattenArgs::Layout::nhd ? 1 : 2, head = 3 - row;
  return {t, names, t.shape[row], t.shape[head], t.shape[3], t.step(0), t.step(row), t.step(head)};
}

/// An output, whatever the order of its axes.
struct OutView {
  const Tensor& t;
  const Expected& names;
  std::int64_t rows, heads, dim, row_step, head_step;
};

OutView view_out(const Tensor& t, const Expected& names, FlattenArgs::Out out) {
  check_tensor<3>(t, names);
  check_no_overlap(t, names);
  int row = out == FlattenArgs::Out::shd ? 0 : 1, head = 1 - row;
  return {t, names, t.shape[row], t.shape[head], t.shape[2], t.step(row), t.step(head)};
}

void check_range(const Expected& what, const Tensor& t, const char* axis, std::int64_t value, std::int64_t least,
                 std::int64_t most) {
  if (value < least || value > most) [[unlikely]]
    bad_argument(what, t, fmt::format("has {} {}", value, axis), fmt::format("{} to {}", least, most));
}

void check_elem(const Expected& what, const Tensor& t, const Expected& model, Elem elem) {
  if (t.elem != elem) [[unlikely]]
    bad_argument(what, t, "has another element type than " + std::string(model.name), "the same one");
}

bool same_memory(const Tensor& a, const Tensor& b) {
  bool same = a.data == b.data;
  for (int d = 0; d + 1 < a.rank; ++d) same = same && a.step(d) == b.step(d);
  return same;
}

/// All views of one call; V's are K's where V is a prefix of K.
struct Views {
  CacheView k, v;
  OutView k_out, v_out;
  bool joint;
};

bool is_joint(const FlattenArgs& a) {
  return a.v_out.omitted() || (a.v_out.data != nullptr && a.v_out.data == a.k_out.data);
}

void check_prefix(const Expected& v_names, const Tensor& v, const Expected& k_names, const Tensor& k, const char* why) {
  std::int64_t k_dim = k.shape[k.rank - 1], v_dim = v.shape[v.rank - 1];
  if (!same_memory(v, k) || v_dim > k_dim) [[unlikely]]
    bad_argument(v_names, v,
                 fmt::format("is not a prefix of {} (same memory and strides, no larger head dim)", k_names.name), why);
}

Views view_all(const FlattenArgs& a) {
  bool nhd = a.layout == FlattenArgs::Layout::nhd, shd = a.out == FlattenArgs::Out::shd, joint = is_joint(a);
  CacheView k = view_cache(a.k_cache, nhd ? k_cache_nhd : k_cache_hnd, a.layout);
  const Expected& v_names = nhd ? v_cache_nhd : v_cache_hnd;
  CacheView v = joint && a.v_cache.omitted() ? k : view_cache(a.v_cache, v_names, a.layout);
  OutView k_out = view_out(a.k_out, shd ? k_out_shd : k_out_hsd, a.out);
  OutView v_out = joint && a.v_out.omitted() ? k_out : view_out(a.v_out, shd ? v_out_shd : v_out_hsd, a.out);
  if (joint) {
    check_prefix(v.names, v.t, k.names, k.t, "that, or a v_out with memory of its own");
    check_prefix(v_out.names, v_out.t, k_out.names, k_out.t, "that, or memory of its own");
  }
  return {k, v, k_out, v_out, joint};
}

void check_sizes(const FlattenArgs& a, const Views& w) {
  check_range(w.k.names, w.k.t, "rows a page", w.k.page, 1, 1 << 20);
  check_range(w.k.names, w.k.t, "elements a head", w.k.dim, 1, max_dim);
  check_range(w.v.names, w.v.t, "elements a head", w.v.dim, 1, max_dim);
  check_range(w.k.names, w.k.t, "heads", w.k.heads, 0, max_heads);
  check_range(w.k_out.names, w.k_out.t, "rows", w.k_out.rows, 0, max_rows);
  check_elem(w.v.names, w.v.t, w.k.names, w.k.t.elem);
  check_elem(w.v_out.names, w.v_out.t, w.k_out.names, w.k_out.t.elem);
  check_size(w.v.names, "pages", w.v.t.shape[0], w.k.names, w.k.t.shape[0]);
  check_size(w.v.names, "rows a page", w.v.page, w.k.names, w.k.page);
  check_size(w.v.names, "heads", w.v.heads, w.k.names, w.k.heads);
  check_size(w.k_out.names, "heads", w.k_out.heads, w.k.names, w.k.heads);
  check_size(w.k_out.names, "elements a head", w.k_out.dim, w.k.names, w.k.dim);
  check_size(w.v_out.names, "heads", w.v_out.heads, w.k.names, w.k.heads);
  check_size(w.v_out.names, "rows", w.v_out.rows, w.k_out.names, w.k_out.rows);
  if (!w.joint || !a.v_out.omitted()) check_size(w.v_out.names, "elements a head", w.v_out.dim, w.v.names, w.v.dim);
}

void check_batch(const FlattenArgs& a) {
  check_tensor<1>(a.lengths, lengths_names);
  check_tensor<2>(a.block_table, table_names);
  check_range(lengths_names, a.lengths, "sequences", a.lengths.shape[0], 0, max_batch);
  check_size(table_names, "rows", a.block_table.shape[0], lengths_names, a.lengths.shape[0]);
  if (!a.start_loc.omitted()) {
    check_tensor<1>(a.start_loc, starts_names);
    check_size(starts_names, "elements", a.start_loc.shape[0], lengths_names, a.lengths.shape[0]);
  }
  if (a.zero_gaps && a.tail != Tail::zero)
    fail(Code::argument, "zero_gaps is set but the tail is left untouched; expected tail = zero, or zero_gaps off",
         {{"argument", "zero_gaps"}});
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

Spec choose_spec(const FlattenArgs& a, const Views& w) {
  AlignmentOf alignment;
  alignment.add(w.k.t);
  alignment.add(w.k_out.t);
  if (!w.joint) {
    alignment.add(w.v.t);
    alignment.add(w.v_out.t);
  }
  Spec s;
  s.kv = w.k.t.elem;
  s.to = w.k_out.t.elem;
  s.dim_k = static_cast<int>(w.k.dim);
  s.dim_v = static_cast<int>(w.joint ? w.k.dim : w.v.dim);
  s.page = static_cast<int>(w.k.page);
  s.joint = w.joint;
  s.tail = a.tail;
  s.table = a.block_table.elem;
  s.lengths = a.lengths.elem;
  s.starts = a.start_loc.omitted() ? Starts::computed : a.start_loc.elem == Elem::i64 ? Starts::i64 : Starts::i32;
  s.align = alignment.get();
  choose_block(s, a.tuning);
  return s;
}

void fill_params(const FlattenArgs& a, const Views& w, const LaunchShape& shape, Params& p) {
  p.k_cache = w.k.t.data, p.k_page = w.k.page_step, p.k_row = w.k.row_step, p.k_head = w.k.head_step;
  p.v_cache = w.v.t.data, p.v_page = w.v.page_step, p.v_row = w.v.row_step, p.v_head = w.v.head_step;
  p.k_out = w.k_out.t.data, p.k_out_row = w.k_out.row_step, p.k_out_head = w.k_out.head_step;
  p.v_out = w.v_out.t.data, p.v_out_row = w.v_out.row_step, p.v_out_head = w.v_out.head_step;
  p.table = a.block_table.data, p.table_row = a.block_table.step(0);
  p.lengths = a.lengths.data;
  p.starts = a.start_loc.data;
  p.out_rows = static_cast<std::int32_t>(w.k_out.rows);
  p.batch = static_cast<std::int32_t>(a.lengths.shape[0]);
  p.heads = static_cast<std::int32_t>(w.k.heads);
  p.zero_gaps = a.zero_gaps;
  p.settled = a.settled;
  p.rows = shape.rows, p.group = shape.group;
  p.magic = ((1ll << 32) + shape.group - 1) / shape.group;
}

}  // namespace

bool plan(const FlattenArgs& args, int multiprocessors, Plan& out) {
  Views views = view_all(args);
  check_sizes(args, views);
  check_batch(args);
  if (!args.host_lengths.empty()) check_host_lengths(args, views.k.page);
  out.spec = choose_spec(args, views);

  bool nothing_owned = args.lengths.shape[0] == 0 && args.tail == Tail::untouched;
  if (views.k_out.rows == 0 || views.k.heads == 0 || nothing_owned) return false;
  bool rows_adjacent = views.k_out.row_step < views.k_out.head_step && views.k.heads > 1;
  LaunchShape shape = launch_shape(out.spec, views.k.heads, views.k_out.rows, args.lengths.shape[0], rows_adjacent,
                                   multiprocessors, args.tuning);
  fill_params(args, views, shape, out.params);
  out.grid = {static_cast<std::uint32_t>(shape.row_blocks), static_cast<std::uint32_t>(shape.head_blocks), 1};
  return true;
}

}  // namespace pagejit::flatten
