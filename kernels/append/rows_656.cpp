// MLA's rows of 656 bytes: 512 elements in e4m3, the four f32 scales of their groups, 64 elements of 16 bits as they
// are.
#include "kernels/append/call.h"

namespace pagejit::append {
namespace {

constexpr int latent = 512, rope = 64, scales_at = latent, rope_at = latent + latent / group_size * 4;
constexpr int row_bytes = 656;
static_assert(rope_at + 2 * rope == row_bytes);

constexpr unsigned halves = elem_set(Elem::f16, Elem::bf16), bytes_only = elem_set(Elem::u8);
constexpr Expected k_names{"k", "[tokens, heads, 512]", 3, halves}, v_names{"v", "[tokens, heads, 64]", 3, halves};
constexpr Expected cache_nhd{"k_cache", "[pages, page, heads, 656]", 4, bytes_only},
    cache_hnd{"k_cache", "[pages, heads, page, 656]", 4, bytes_only};

void check_input(const Expected& what, const Tensor& t, int dim) {
  check_tensor<3>(t, what);
  check_range(what, t, "tokens", t.shape[0], 0, max_tokens);
  check_range(what, t, "heads", t.shape[1], 0, max_heads);
  check_exactly(what, t, "elements a head", t.shape[2], dim);
}

void check_left_out(const char* name, const Tensor& t) {
  if (!t.omitted()) [[unlikely]]
    bad_argument({name, "", 4, 0}, t, "is given though k_cache holds rows of 656 bytes",
                 "it left out: the row holds K, its scales and V");
}

}  // namespace

bool has_rows_656(const Tensor& cache) {
  return cache.elem == Elem::u8 && cache.rank > 0 && cache.rank <= Tensor::max_rank &&
         cache.shape[cache.rank - 1] == row_bytes;
}

void place_rows_656(const Expected& what, const Tensor& cache, const Walk& at, Call& c) {
  auto all = reinterpret_cast<std::uintptr_t>(at.data) | static_cast<std::uintptr_t>(at.page | at.row | at.head);
  if (all % 4 != 0) [[unlikely]]
    bad_argument(what, cache, "holds f32 numbers at addresses that are no multiples of 4",
                 "a pointer and strides that are multiples of 4 bytes");
  auto part = [&](int first, int size) {
    return Walk{static_cast<std::byte*>(at.data) + first, at.page / size, at.row / size, at.head / size};
  };
  c.k.quant = Quant::fp8_group, c.k.stored = Elem::e4m3, c.v.stored = c.in;
  c.k.dim = latent, c.v.dim = rope;
  c.k.cache = part(0, 1), c.k.meta = part(scales_at, 4), c.v.cache = part(rope_at, 2);
}

Call read_rows_656(const AppendRows& a) {
  bool nhd = a.layout == CacheLayout::nhd;
  const Expected& what = nhd ? cache_nhd : cache_hnd;
  int row = nhd ? 1 : 2, head = 3 - row;
  check_input(k_names, a.k, latent);
  check_input(v_names, a.v, rope);
  check_elem(v_names, a.v, k_names, a.k.elem);
  check_size(v_names, "tokens", a.v.shape[0], k_names, a.k.shape[0]);
  check_size(v_names, "heads", a.v.shape[1], k_names, a.k.shape[1]);
  check_tensor<4>(a.k_cache, what);
  check_no_overlap(a.k_cache, what);
  check_range(what, a.k_cache, "rows a page", a.k_cache.shape[row], 1, 1 << 20);
  check_size(what, "heads", a.k_cache.shape[head], k_names, a.k.shape[1]);
  check_left_out("v_cache", a.v_cache);
  check_left_out("k_scales", a.k_scales);
  check_left_out("v_scales", a.v_scales);

  Call c;
  c.in = a.k.elem, c.page = a.k_cache.shape[row], c.tokens = a.k.shape[0], c.heads = a.k.shape[1];
  c.k.in = {a.k.data, 0, a.k.step(0), a.k.step(1)}, c.v.in = {a.v.data, 0, a.v.step(0), a.v.step(1)};
  const Tensor& t = a.k_cache;
  place_rows_656(what, t, {t.data, t.step(0), t.step(row), t.step(head)}, c);
  c.scale_rule = a.scale_rule, c.power_of_two = a.power_of_two, c.tuning = a.tuning;
  read_valid(a.valid_tokens, c);
  return c;
}

}  // namespace pagejit::append
