#include "kernels/flatten/views.h"

#include <fmt/format.h>

#include "runtime/base/error.h"

namespace pagejit::flatten {
namespace {

constexpr Expected table_names{"block_table", "[batch, columns]", 2, integers};
constexpr Expected lengths_names{"lengths", "[batch]", 1, integers};
constexpr Expected starts_names{"start_loc", "[batch]", 1, integers};

/// fp8: one scale, or one for each head.
ScalesView view_few(const Tensor& t, const Expected& names, const CacheView& cache) {
  check_tensor<1>(t, names);
  if (t.shape[0] != 1) check_size(names, "elements", t.shape[0], cache.names, cache.heads);
  return {&t, 0, 0, t.step(0)};
}

ScalesView view_many(const Tensor& t, const Expected& names, Quant quant, const CacheView& cache,
                     FlattenArgs::Layout layout) {
  check_tensor<4>(t, names);
  int row = layout == FlattenArgs::Layout::nhd ? 1 : 2, head = 3 - row;
  check_size(names, "pages", t.shape[0], cache.names, cache.t.shape[0]);
  check_size(names, "rows a page", t.shape[row], cache.names, cache.page);
  check_size(names, "heads", t.shape[head], cache.names, cache.heads);
  std::int64_t expected = metadata(quant, static_cast<int>(cache.width) * per_code(quant));
  check_exactly(names, t, "numbers a row", t.shape[3], expected);
  return {&t, t.step(0), t.step(row), t.step(head)};
}

}  // namespace

void refuse_rotated(const Tensor& t, const Expected& names) {
  bad_argument(names, t, fmt::format("has {} elements a head", t.shape[3]),
               "a power of two: the rows are rotated by a Hadamard matrix");
}

ScalesView view_given_scales(const Tensor& t, const Names& names, Quant quant, const CacheView& cache,
                             FlattenArgs::Layout layout) {
  Expected expected = names.of(layout);
  if (quant == Quant::none)
    bad_argument(expected, t, "is given but the cache is not quantised", "it to be left out, or another quant");
  expected.elems = model_metadata(quant) ? floats : elem_set(Elem::f32);
  if (quant != Quant::fp8) return view_many(t, expected, quant, cache, layout);
  expected.axes = "[1 or heads]", expected.rank = 1;
  return view_few(t, expected, cache);
}

Lists check_lists(const Tensor& table, const Tensor& lengths, const Tensor& start_loc, Tail tail, bool zero_gaps) {
  check_tensor<1>(lengths, lengths_names);
  check_tensor<2>(table, table_names);
  check_range(lengths_names, lengths, "sequences", lengths.shape[0], 0, max_batch);
  check_size(table_names, "rows", table.shape[0], lengths_names, lengths.shape[0]);
  Lists lists{table, &lengths};
  if (!start_loc.omitted()) {
    check_tensor<1>(start_loc, starts_names);
    check_size(starts_names, "elements", start_loc.shape[0], lengths_names, lengths.shape[0]);
    lists.starts = &start_loc;
  }
  if (zero_gaps && tail != Tail::zero)
    fail(Code::argument, "zero_gaps is set but the tail is left untouched; expected tail = zero, or zero_gaps off",
         {{"argument", "zero_gaps"}});
  lists.tail = tail, lists.zero_gaps = zero_gaps;
  return lists;
}

}  // namespace pagejit::flatten
