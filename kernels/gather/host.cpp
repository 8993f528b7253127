#include "kernels/gather/host.h"

#include <fmt/format.h>

#include "kernels/flatten/views.h"

namespace pagejit::flatten {
namespace {

using Layout = FlattenArgs::Layout;
using Out = FlattenArgs::Out;

constexpr unsigned one_byte = elem_set(Elem::e4m3, Elem::e5m2, Elem::i8, Elem::u8);
constexpr unsigned halves = elem_set(Elem::f16, Elem::bf16);

constexpr Expected table_names{"block_table", "[batch, columns]", 2, integers};
constexpr Expected ranges_names{"cu_seq_lens", "[batch + 1]", 1, elem_set(Elem::i32)};
constexpr Expected offsets_names{"seq_starts", "[batch]", 1, elem_set(Elem::i32)};
constexpr Expected lengths_names{"lengths", "[batch]", 1, integers};
constexpr Expected starts_names{"workspace_starts", "[batch]", 1, integers};
constexpr Expected src_rows{"src", "[pages, page, dim]", 3, floats | one_byte};
constexpr Expected src_heads{"src", "[pages, page, heads, dim]", 4, floats | one_byte};
constexpr Expected dst_rows{"dst", "[rows, dim]", 2, floats | one_byte};
constexpr Expected dst_heads{"dst", "[rows, heads, dim]", 3, floats | one_byte};
constexpr Names scale_names{{"scale", "[1 or heads]", 1, elem_set(Elem::f32)},
                            {"scale", "[1 or heads]", 1, elem_set(Elem::f32)}};
constexpr Expected mla_src{"src", "[pages, page, 656]", 3, elem_set(Elem::u8)};
constexpr Expected mla_dst{"dst", "[rows, 576]", 2, halves};
constexpr Expected planar_src{"src", "[pages, page, dim + scales]", 3, elem_set(Elem::u8)};
constexpr Expected planar_k{"dst_k", "[rows, dim]", 2, one_byte};
constexpr Expected planar_scale{"dst_scale", "[rows, scales]", 2, elem_set(Elem::u8, Elem::f32)};

/// The same tensor with one head more in its shape: an axis of size 1 before the last.
Tensor with_head(const Tensor& t) {
  Tensor r = t;
  r.shape[t.rank] = t.shape[t.rank - 1], r.stride[t.rank] = t.stride[t.rank - 1];
  r.shape[t.rank - 1] = 1, r.stride[t.rank - 1] = 0;
  ++r.rank;
  return r;
}

/// The same bytes, called u8: what they mean does not matter to a copy.
Tensor as_bytes(const Tensor& t) {
  Tensor r = t;
  for (int d = 0; d + 1 < t.rank; ++d) r.stride[d] *= bytes(t.elem);
  r.shape[t.rank - 1] *= bytes(t.elem);
  r.elem = Elem::u8;
  return r;
}

/// What GatherArgs and GatherIndexerArgs say of sequences; `a`'s tensors must outlive the result.
template <class Args>
Lists check_common(const Args& a) {
  check_tensor<2>(a.block_table, table_names);
  check_range(table_names, a.block_table, "rows", a.block_table.shape[0], 0, max_batch);
  Lists lists{a.block_table};
  if (!a.seq_starts.omitted()) {
    check_tensor<1>(a.seq_starts, offsets_names);
    check_size(offsets_names, "elements", a.seq_starts.shape[0], table_names, a.block_table.shape[0]);
    lists.offsets = &a.seq_starts;
  }
  lists.tail = a.tail, lists.settled = a.settled, lists.tuning = a.tuning;
  return lists;
}

template <class Args>
Lists check_ranges(const Args& a) {
  Lists lists = check_common(a);
  check_tensor<1>(a.cu_seq_lens, ranges_names);
  std::int64_t expected = a.block_table.shape[0] + 1;
  check_exactly(ranges_names, a.cu_seq_lens, "elements", a.cu_seq_lens.shape[0], expected);
  lists.starts = &a.cu_seq_lens;
  return lists;
}

/// A one-byte element is copied to itself, and a number comes out of fp8 by a scale only.
void check_elems(const GatherArgs& a, const Expected& src, const Expected& dst) {
  auto is_byte = [](const Tensor& t) { return bytes(t.elem) == 1; };
  if (!a.scale.omitted()) {
    Expected codes = src, numbers = dst;
    codes.elems = stored_elems(Quant::fp8), numbers.elems = floats;
    if ((codes.elems & elem_set(a.src.elem)) == 0) detail::refuse(a.src, codes);
    if ((numbers.elems & elem_set(a.dst.elem)) == 0) detail::refuse(a.dst, numbers);
  } else if (is_byte(a.src) || is_byte(a.dst)) {
    check_elem(dst, a.dst, src, a.src.elem);
  }
}

}  // namespace

bool plan(const GatherArgs& a, int multiprocessors, Plan& out) {
  bool heads = a.src.rank == 4;
  const Expected &src_names = heads ? src_heads : src_rows, &dst_names = heads ? dst_heads : dst_rows;
  heads ? check_tensor<4>(a.src, src_names) : check_tensor<3>(a.src, src_names);
  heads ? check_tensor<3>(a.dst, dst_names) : check_tensor<2>(a.dst, dst_names);
  check_elems(a, src_names, dst_names);
  Quant quant = a.scale.omitted() ? Quant::none : Quant::fp8;
  Tensor src = heads ? a.src : with_head(a.src), dst = heads ? a.dst : with_head(a.dst);
  if (quant == Quant::none && bytes(src.elem) == 1) src.elem = dst.elem = Elem::u8;

  Expected four = src_names, three = dst_names;
  four.rank = 4, three.rank = 3;
  CacheView from = view_cache(src, four, Layout::nhd, quant);
  ScalesView scales = view_scales(a.scale, scale_names, quant, from, Layout::nhd);
  OutView to = view_out(dst, three, Out::shd);
  check_size(dst_names, "heads", to.heads, src_names, from.heads);
  check_size(dst_names, "elements a row", to.dim, src_names, from.width);
  Lists lists = check_ranges(a);
  return plan({from, scales, to, {src.elem, quant, static_cast<int>(from.width)}}, nullptr, lists, multiprocessors,
              out);
}

bool plan(const GatherMlaArgs& a, int multiprocessors, Plan& out) {
  check_tensor<3>(a.src, mla_src);
  check_tensor<2>(a.dst, mla_dst);
  Lists lists = check_common(a);
  check_tensor<1>(a.lengths, lengths_names);
  check_size(lengths_names, "elements", a.lengths.shape[0], table_names, a.block_table.shape[0]);
  lists.lengths = &a.lengths;
  if (!a.workspace_starts.omitted()) {
    check_tensor<1>(a.workspace_starts, starts_names);
    check_size(starts_names, "elements", a.workspace_starts.shape[0], table_names, a.block_table.shape[0]);
    lists.starts = &a.workspace_starts;
  }
  Tensor src = with_head(a.src), dst = with_head(a.dst);
  Expected four = mla_src, three = mla_dst;
  four.rank = 4, three.rank = 3;
  return plan_mla(src, four, dst, three, Out::shd, lists, multiprocessors, out);
}

bool plan(const GatherIndexerArgs& a, int multiprocessors, Plan& out) {
  check_tensor<3>(a.src, planar_src);
  check_tensor<2>(a.dst_k, planar_k);
  check_tensor<2>(a.dst_scale, planar_scale);
  std::int64_t pages = a.src.shape[0], page = a.src.shape[1], width = a.src.shape[2], dim = a.dst_k.shape[1];
  check_range(planar_src, a.src, "rows a page", page, 1, 1 << 20);
  check_range(planar_k, a.dst_k, "elements a row", dim, 1, max_dim);
  std::int64_t scale_bytes = 4 * metadata(Quant::fp8_group, static_cast<int>(dim));
  check_exactly(planar_src, a.src, "bytes a row", width, dim + scale_bytes);
  if (page > 1 && a.src.stride[1] != width)
    bad_argument(planar_src, a.src, fmt::format("has the stride {} along page", a.src.stride[1]),
                 fmt::format("{}: a page has no gaps", width));

  Tensor k_out = with_head(as_bytes(a.dst_k)), scale_out = with_head(as_bytes(a.dst_scale));
  check_exactly(planar_scale, a.dst_scale, "bytes a row", scale_out.shape[2], scale_bytes);
  check_size(planar_scale, "rows", scale_out.shape[0], planar_k, k_out.shape[0]);
  std::int64_t step = a.src.stride[0];
  auto* codes_at = static_cast<std::byte*>(a.src.data);
  auto* scales_at = codes_at == nullptr ? nullptr : codes_at + page * dim;
  Tensor codes(codes_at, Elem::u8, {pages, page, 1, dim}, {step, dim, dim, 1});
  Tensor scales(scales_at, Elem::u8, {pages, page, 1, scale_bytes}, {step, scale_bytes, scale_bytes, 1});
  auto side = [](const Tensor& from, const Expected& from_names, const Tensor& to, Expected to_names) {
    to_names.rank = 3, to_names.elems |= elem_set(Elem::u8);
    Expected names = from_names;
    names.rank = 4;
    CacheView c = view_cache(from, names, Layout::nhd, Quant::none);
    return SideView{c, {}, view_out(to, to_names, Out::shd), {Elem::u8, Quant::none, static_cast<int>(c.width)}};
  };
  SideView k = side(codes, planar_src, k_out, planar_k), s = side(scales, planar_src, scale_out, planar_scale);
  Lists lists = check_ranges(a);
  return plan(k, &s, lists, multiprocessors, out);
}

}  // namespace pagejit::flatten
