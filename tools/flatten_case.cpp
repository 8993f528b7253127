#include "tools/flatten_case.h"

#include <algorithm>
#include <numeric>
#include <random>

namespace pagejit {
namespace {

std::int64_t columns(const FlattenShape& s) {
  return (s.length + s.page - 1) / s.page;
}
std::int64_t row_elements(const FlattenShape& s, int dim) {
  return static_cast<std::int64_t>(s.heads) * dim;
}

/// A view of this layer's pages in a pool of `page_stride_layers` layers; ours is in the middle.
Tensor cache_view(const FlattenShape& s, const std::byte* pool, std::int64_t pages, int dim) {
  std::int64_t page_elements = s.page * row_elements(s, dim), stride = page_elements * s.page_stride_layers;
  const std::byte* at = pool + s.page_stride_layers / 2 * page_elements * bytes(s.elem);
  if (s.layout == FlattenArgs::Layout::nhd)
    return Tensor(at, s.elem, {pages, s.page, s.heads, dim}, {stride, row_elements(s, dim), dim, 1});
  return Tensor(at, s.elem, {pages, s.heads, s.page, dim}, {stride, static_cast<std::int64_t>(s.page) * dim, dim, 1});
}

Tensor output_view(const FlattenShape& s, const std::byte* out, std::int64_t rows, int dim) {
  Tensor t = s.out == FlattenArgs::Out::shd ? Tensor(out, s.elem, {rows, s.heads, dim})
                                            : Tensor(out, s.elem, {s.heads, rows, dim});
  t.stride[0] *= s.out_spread;
  return t;
}

std::vector<std::int32_t> random_lengths(const FlattenShape& s, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  if (s.exact) return std::vector<std::int32_t>(static_cast<std::size_t>(s.batch), s.length);
  std::vector<std::int32_t> lengths;
  for (int b = 0; b < s.batch; ++b)
    lengths.push_back(s.length - static_cast<int>(random() % static_cast<std::uint64_t>(std::min(s.page, s.length))));
  return lengths;
}

/// Noise in this layer's pages; the other layers' hold one value.
void fill_pages(Context& context, const FlattenShape& s, std::byte* pool, std::int64_t pages, int dim,
                std::uint64_t seed) {
  auto page_bytes = static_cast<std::size_t>(s.page * row_elements(s, dim) * ::pagejit::bytes(s.elem));
  auto layers = static_cast<std::size_t>(s.page_stride_layers), count = static_cast<std::size_t>(pages);
  if (layers == 1) return fill_with_noise(context, pool, count * page_bytes, seed);
  context.fill(pool, 0x3C, count * layers * page_bytes);
  std::mt19937_64 random(seed);
  std::vector<std::uint64_t> noise(page_bytes / 8 + 513);
  for (std::uint64_t& n : noise) n = random();
  for (std::size_t p = 0; p < count; ++p)
    context.copy_in(pool + (p * layers + layers / 2) * page_bytes, noise.data() + p % 512, page_bytes);
}

std::vector<std::int32_t> random_table(std::int64_t pages, std::uint64_t seed) {
  std::vector<std::int32_t> table(static_cast<std::size_t>(pages));
  std::iota(table.begin(), table.end(), 0);
  std::mt19937_64 random(seed);
  std::shuffle(table.begin(), table.end(), random);
  return table;
}

}  // namespace

std::uint64_t footprint(const FlattenShape& s) {
  std::int64_t dims = s.dim_k + (s.joint ? 0 : s.dim_v);
  std::int64_t rows = s.batch * columns(s) * s.page;
  return static_cast<std::uint64_t>(rows * s.heads * dims * bytes(s.elem)) *
         static_cast<std::uint64_t>(s.out_spread + s.page_stride_layers);
}

FlattenCase::FlattenCase(Context& context, const FlattenShape& shape, int copies, std::uint64_t seed) {
  std::vector<std::int32_t> lengths = random_lengths(shape, seed);
  std::int64_t rows = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
  std::int64_t dims = shape.dim_k + (shape.joint ? 0 : shape.dim_v);
  payload_ = static_cast<std::uint64_t>(rows * shape.heads * dims * ::pagejit::bytes(shape.elem));
  bytes_ = 2 * payload_ + static_cast<std::uint64_t>(shape.batch * (1 + columns(shape)) * 4);
  for (int i = 0; i < copies; ++i) add_copy(context, shape, lengths, seed + static_cast<std::uint64_t>(i));
}

void FlattenCase::add_copy(Context& context, const FlattenShape& s, const std::vector<std::int32_t>& lengths,
                           std::uint64_t seed) {
  std::int64_t pages = s.batch * columns(s), rows = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
  auto memory = [&](std::int64_t size, const char* label) {
    memory_.emplace_back(context, static_cast<std::size_t>(std::max<std::int64_t>(size, 1)), label);
    return memory_.back().get();
  };
  auto cache_bytes = [&](int dim) {
    return pages * s.page_stride_layers * s.page * row_elements(s, dim) * ::pagejit::bytes(s.elem);
  };
  auto cache = [&](int dim, const char* label) {
    std::byte* at = memory(cache_bytes(dim), label);
    fill_pages(context, s, at, pages, dim, seed);
    return at;
  };
  auto out_bytes = [&](int dim) { return rows * row_elements(s, dim) * s.out_spread * ::pagejit::bytes(s.elem); };

  FlattenArgs a;
  a.layout = s.layout;
  a.out = s.out;
  a.settled = s.settled;
  a.tuning = s.tuning;
  a.k_cache = cache_view(s, cache(s.dim_k, "k_cache"), pages, s.dim_k);
  a.k_out = output_view(s, memory(out_bytes(s.dim_k), "k_out"), rows, s.dim_k);
  if (!s.joint) {
    a.v_cache = cache_view(s, cache(s.dim_v, "v_cache"), pages, s.dim_v);
    a.v_out = output_view(s, memory(out_bytes(s.dim_v), "v_out"), rows, s.dim_v);
  }
  std::vector<std::int32_t> table = random_table(pages, seed);
  std::byte* table_at = memory(pages * 4, "block_table");
  std::byte* lengths_at = memory(s.batch * 4, "lengths");
  context.copy_in(table_at, table.data(), table.size() * 4);
  context.copy_in(lengths_at, lengths.data(), lengths.size() * 4);
  a.block_table = Tensor(table_at, Elem::i32, {s.batch, columns(s)});
  a.lengths = Tensor(lengths_at, Elem::i32, {s.batch});
  args_.push_back(a);
}

}  // namespace pagejit
