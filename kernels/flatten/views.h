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
/// Checks the tensor alone: its rank, its element, its sizes one by one.
CacheView view_cache(const Tensor& t, const Expected& names, FlattenArgs::Layout layout, Quant quant);

struct OutView {
  const Tensor& t;
  const Expected& names;
  std::int64_t rows, heads, dim, row_step, head_step;
};
OutView view_out(const Tensor& t, const Expected& names, FlattenArgs::Out out);

/// Scales and zeros of a quantised cache; empty of any other.
struct ScalesView {
  const Tensor* t = nullptr;
  std::int64_t page_step = 0, row_step = 0, head_step = 0;
};
/// Throws Error(argument) unless `t` is what a cache quantised so needs beside it.
ScalesView view_scales(const Tensor& t, const Names& names, Quant quant, const CacheView& cache,
                       FlattenArgs::Layout layout);

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
