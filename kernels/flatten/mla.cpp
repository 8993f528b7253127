// MLA's rows of 656 bytes: one side in fp8 with a scale for each 128 elements, one of plain 16-bit elements.
#include <fmt/format.h>

#include "kernels/flatten/views.h"

namespace pagejit::flatten {
namespace {

constexpr int latent = 512, rope = 64, row_bytes = 656;
constexpr int scales_at = latent, rope_at = latent + latent / group_size * 4;
static_assert(rope_at + 2 * rope == row_bytes);

constexpr unsigned halves = elem_set(Elem::f16, Elem::bf16);
constexpr Expected cache_expected{"cache", "[pages, page, heads, 656]", 4, elem_set(Elem::u8)};
constexpr Expected out_shd{"out", "[out_rows, heads, 576]", 3, halves};
constexpr Expected out_hsd{"out", "[heads, out_rows, 576]", 3, halves};

/// Of each row, `count` elements of `e` from byte `first` on.
Tensor part(const Tensor& rows, Elem e, int first, int count) {
  Tensor t = rows;
  if (t.data != nullptr) t.data = static_cast<std::byte*>(t.data) + first;
  t.elem = e;
  t.shape[t.rank - 1] = count;
  for (int d = 0; d + 1 < t.rank; ++d) t.stride[d] = rows.stride[d] * bytes(rows.elem) / bytes(e);
  return t;
}

void check_row(const Tensor& t, const Expected& names) {
  check_exactly(names, t, "bytes a row", t.shape[3], row_bytes);
  auto odd = reinterpret_cast<std::uintptr_t>(t.data);
  for (int d = 0; d < 3; ++d) odd |= static_cast<std::uintptr_t>(t.step(d));
  if (odd % 4 != 0) [[unlikely]]
    bad_argument(names, t, "has rows whose scales are not 4-byte aligned",
                 "an address and strides that are multiples of 4");
}

}  // namespace

bool plan_mla(const Tensor& cache, const Expected& cache_names, const Tensor& out, const Expected& out_names,
              FlattenArgs::Out layout, const Lists& lists, int multiprocessors, Plan& plan) {
  CacheView rows = view_cache(cache, cache_names, FlattenArgs::Layout::nhd, Quant::none);
  check_row(cache, cache_names);
  OutView whole = view_out(out, out_names, layout);
  check_size(out_names, "heads", whole.heads, cache_names, rows.heads);
  check_exactly(out_names, out, "elements a head", whole.dim, latent + rope);

  Tensor codes = part(cache, Elem::e4m3, 0, latent), scales = part(cache, Elem::f32, scales_at, latent / group_size),
         rotated = part(cache, out.elem, rope_at, rope);
  Tensor latent_out = part(out, out.elem, 0, latent), rotated_out = part(out, out.elem, latent * bytes(out.elem), rope);
  auto side = [&](const Tensor& from, const Tensor& to, Quant quant) {
    std::int64_t width = from.shape[3];
    CacheView c{from, cache_names, rows.page, rows.heads, width, from.step(0), from.step(1), from.step(2)};
    OutView o{to, out_names, whole.rows, whole.heads, width, whole.row_step, whole.head_step};
    return SideView{c, {}, o, {from.elem, quant, static_cast<int>(width)}};
  };
  SideView k = side(codes, latent_out, Quant::fp8_group), v = side(rotated, rotated_out, Quant::none);
  k.scales = {&scales, scales.step(0), scales.step(1), scales.step(2)};
  return pagejit::flatten::plan(k, &v, lists, multiprocessors, plan);
}

bool plan(const FlattenMlaArgs& a, int multiprocessors, Plan& out) {
  Lists lists = check_lists(a.block_table, a.lengths, a.start_loc, a.tail, a.zero_gaps);
  lists.settled = a.settled, lists.tuning = a.tuning;
  return plan_mla(a.cache, cache_expected, a.out, a.out_layout == FlattenArgs::Out::shd ? out_shd : out_hsd,
                  a.out_layout, lists, multiprocessors, out);
}

}  // namespace pagejit::flatten
