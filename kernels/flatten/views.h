// Caches, metadata and outputs as the kernel walks them, whatever the order of their axes, and the call made of them.
#pragma once
#include "kernels/common/check.h"
#include "kernels/flatten/args.h"
#include "kernels/flatten/host.h"

namespace pagejit::flatten {

constexpr unsigned floats = elem_set(Elem::f16, Elem::bf16, Elem::f32), integers = elem_set(Elem::i32, Elem::i64);
constexpr std::int64_t max_heads = 65535, max_batch = (1ll << 31) - 65;

/// An argument's names for either order of its axes.
struct Names {
  Expected nhd, hnd;
  const Expected& of(FlattenArgs::Layout layout) const { return layout == FlattenArgs::Layout::nhd ? nhd : hnd; }
};

/// The elements that a cache quantised so may have.
constexpr unsigned stored_elems(Quant q) {
  if (q == Quant::none) return floats;
  if (q == Quant::fp8) return elem_set(Elem::e4m3, Elem::e5m2);
  return elem_set(q == Quant::fp8_group ? Elem::e4m3 : Elem::u8);
}

struct CacheView {
  const Tensor& t;
  Expected names;
  std::int64_t page, heads, width, page_step, row_step, head_step;
};
[[noreturn]] void refuse_rotated(const Tensor& t, const Expected& names);
/// Checks the tensor alone: its rank, its element, its sizes one by one.
inline CacheView view_cache(const Tensor& t, const Expected& names, FlattenArgs::Layout layout, Quant quant) {
  check_tensor<4>(t, names);
  int row = layout == FlattenArgs::Layout::nhd ? 1 : 2, head = 3 - row;
  check_range(names, t, "rows a page", t.shape[row], 1, 1 << 20);
  check_range(names, t, "elements a head", t.shape[3], 1, max_dim >> code_shift(quant));
  check_range(names, t, "heads", t.shape[head], 0, max_heads);
  bool rotated = quant == Quant::turbo4 || quant == Quant::turbo2;
  if (rotated && (t.shape[3] & (t.shape[3] - 1)) != 0) [[unlikely]]
    refuse_rotated(t, names);
  return {t, names, t.shape[row], t.shape[head], t.shape[3], t.step(0), t.step(row), t.step(head)};
}

struct OutView {
  const Tensor& t;
  const Expected& names;
  std::int64_t rows, heads, dim, row_step, head_step;
};
inline OutView view_out(const Tensor& t, const Expected& names, FlattenArgs::Out out) {
  check_tensor<3>(t, names);
  check_no_overlap(t, names);
  int row = out == FlattenArgs::Out::shd ? 0 : 1, head = 1 - row;
  check_range(names, t, "rows", t.shape[row], 0, max_rows);
  return {t, names, t.shape[row], t.shape[head], t.shape[2], t.step(row), t.step(head)};
}

/// Scales and zeros of a quantised cache; empty of any other.
struct ScalesView {
  const Tensor* t = nullptr;
  std::int64_t page_step = 0, row_step = 0, head_step = 0;
};
/// The same of a cache that is quantised, or of scales that are given where none are expected.
ScalesView view_given_scales(const Tensor& t, const Names& names, Quant quant, const CacheView& cache,
                             FlattenArgs::Layout layout);
/// Throws Error(argument) unless `t` is what a cache quantised so needs beside it.
inline ScalesView view_scales(const Tensor& t, const Names& names, Quant quant, const CacheView& cache,
                              FlattenArgs::Layout layout) {
  if (quant == Quant::none && t.omitted()) [[likely]]
    return {};
  return view_given_scales(t, names, quant, cache, layout);
}

struct SideView {
  CacheView cache;
  ScalesView scales;
  OutView out;
  SideSpec spec;
};

/// Whose rows go where, and what becomes of the others.
struct Lists {
  const Tensor& table;
  const Tensor* lengths = nullptr;  // null: starts are indptr
  const Tensor* starts = nullptr;
  const Tensor* offsets = nullptr;
  Tail tail = Tail::zero;
  bool zero_gaps = false, settled = false;
  Tuning tuning = {};
};
/// The lists of FlattenArgs and FlattenMlaArgs. Throws Error(argument).
Lists check_lists(const Tensor& table, const Tensor& lengths, const Tensor& start_loc, Tail tail, bool zero_gaps);

/// A call whose tensors have been checked: what every plan() comes to. `v` is null where only K is copied.
bool plan(const SideView& k, const SideView* v, const Lists& lists, int multiprocessors, Plan& out);
/// The same for pages of 656-byte rows, each axis of `cache` [pages, page, heads, 656] and of `out` [.., 576] where
/// `layout` says. Checks both.
bool plan_mla(const Tensor& cache, const Expected& cache_names, const Tensor& out, const Expected& out_names,
              FlattenArgs::Out layout, const Lists& lists, int multiprocessors, Plan& plan);

}  // namespace pagejit::flatten
