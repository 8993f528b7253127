// Writers of K and V: fill_kv_cache, append, reshape_and_cache.
#include "kernels/append/host.h"

#include <fmt/format.h>

#include "kernels/append/call.h"
#include "runtime/base/error.h"

namespace pagejit::append {
namespace {

/// The names of one side's arguments, for either order of a cache's axes.
struct Names {
  Expected in, cache_nhd, cache_hnd, scales_nhd, scales_hnd, scale;
};
constexpr unsigned f32 = elem_set(Elem::f32);
constexpr Names k_names{{"k", "[tokens, heads, dim]", 3, copied},
                        {"k_cache", "[pages, page, heads, dim]", 4, copied},
                        {"k_cache", "[pages, heads, page, dim]", 4, copied},
                        {"k_scales", "[pages, page, heads, numbers]", 4, model_floats},
                        {"k_scales", "[pages, heads, page, numbers]", 4, model_floats},
                        {"k_scales", "[1 or heads]", 1, f32}};
constexpr Names v_names{{"v", "[tokens, heads, dim]", 3, copied},
                        {"v_cache", "[pages, page, heads, dim]", 4, copied},
                        {"v_cache", "[pages, heads, page, dim]", 4, copied},
                        {"v_scales", "[pages, page, heads, numbers]", 4, model_floats},
                        {"v_scales", "[pages, heads, page, numbers]", 4, model_floats},
                        {"v_scales", "[1 or heads]", 1, f32}};

/// Reads one side's tensors; those of the other side that must agree with it are compared afterwards.
class SideReader {
 public:
  SideReader(const Names& names, const Tensor& in, const Tensor& cache, const Tensor& scales, Quant quant,
             CacheLayout layout)
      : in_(in), cache_(cache), scales_(scales), names_(names), quant_(quant), nhd_(layout == CacheLayout::nhd) {}

  SideCall read() const {
    check_tensor<3>(in_, names_.in);
    check_tensor<4>(cache_, names());
    check_no_overlap(cache_, names());
    check_range(names_.in, in_, "tokens", in_.shape[0], 0, max_tokens);
    check_range(names_.in, in_, "heads", heads(), 0, max_heads);
    check_range(names_.in, in_, "elements a head", dim(), 1, by_row(quant_) ? max_row_dim : max_dim);
    check_range(names(), cache_, "rows a page", cache_.shape[row_axis()], 1, 1 << 20);
    if (quant_ != Quant::none && !(model_floats & elem_set(in_.elem))) [[unlikely]]
      bad_argument(names_.in, in_, "cannot be quantised", "f16, bf16 or f32");
    check_stored(names(), cache_, quant_, in_.elem);
    check_size(names(), "heads", cache_.shape[head_axis()], names_.in, heads());
    check_dim();
    SideCall side{quant_, cache_.elem, dim(), {in_.data, 0, in_.step(0), in_.step(1)}, walk(cache_), {}};
    read_scales(side);
    return side;
  }

  const Expected& names() const { return nhd_ ? names_.cache_nhd : names_.cache_hnd; }
  std::int64_t page() const { return cache_.shape[row_axis()]; }
  std::int64_t dim() const { return in_.shape[2]; }
  std::int64_t heads() const { return in_.shape[1]; }

 private:
  int row_axis() const { return nhd_ ? 1 : 2; }
  int head_axis() const { return nhd_ ? 2 : 1; }
  Walk walk(const Tensor& t) const { return {t.data, t.step(0), t.step(row_axis()), t.step(head_axis())}; }

  void check_dim() const {
    auto d = static_cast<int>(dim());
    bool power = (d & (d - 1)) == 0, turbo = quant_ >= Quant::turbo4;
    if (d % per_code(quant_) != 0 || (turbo && (!power || d > 512))) [[unlikely]]
      bad_argument(names_.in, in_, fmt::format("has {} elements a head", d),
                   turbo ? "a power of two, at most 512 (turbo)" : "an even number (two codes to a byte)");
    if (cache_.shape[3] != codes(quant_, d)) [[unlikely]]
      bad_argument(names(), cache_, fmt::format("has {} elements a head", cache_.shape[3]),
                   fmt::format("{}, for the {} of {}", codes(quant_, d), d, names_.in.name));
  }

  void read_scales(SideCall& side) const {
    const Expected& what = quant_ == Quant::fp8 ? names_.scale : nhd_ ? names_.scales_nhd : names_.scales_hnd;
    if (quant_ == Quant::none) {
      if (!scales_.omitted()) [[unlikely]]
        bad_argument(what, scales_, "is given though nothing is quantised", "it left out, or another quant");
      return;
    }
    if (quant_ == Quant::fp8) {
      check_tensor<1>(scales_, what);
      if (scales_.shape[0] != 1 && scales_.shape[0] != heads()) [[unlikely]]
        bad_argument(what, scales_, fmt::format("has {} elements", scales_.shape[0]),
                     fmt::format("1, or {}: one a head", heads()));
      side.meta = {scales_.data, 0, 0, scales_.step(0)};
      return;
    }
    check_tensor<4>(scales_, what);
    check_no_overlap(scales_, what);
    if (quant_ == Quant::fp8_group && scales_.elem != Elem::f32) [[unlikely]]
      bad_argument(what, scales_, "has another element type", "f32 (quant = fp8_group)");
    check_size(what, "pages", scales_.shape[0], names(), cache_.shape[0]);
    check_size(what, "rows a page", scales_.shape[row_axis()], names(), page());
    check_size(what, "heads", scales_.shape[head_axis()], names(), heads());
    std::int64_t numbers = metadata(quant_, static_cast<int>(dim()));
    if (scales_.shape[3] != numbers) [[unlikely]]
      bad_argument(what, scales_, fmt::format("has {} numbers a row", scales_.shape[3]), std::to_string(numbers));
    side.meta = walk(scales_);
  }

  const Tensor &in_, &cache_, &scales_;
  const Names& names_;
  Quant quant_;
  bool nhd_;
};

/// K's and V's sides. `shared`: V at K's own memory is a prefix of K, and written with it.
Call read_rows(const AppendRows& a, bool shared) {
  Quant of_v = a.quant == Quant::turbo4 ? Quant::turbo2 : a.quant;
  if (a.quant == Quant::turbo2) [[unlikely]]
    fail(Code::argument, "quant is turbo2; expected turbo4, which gives V turbo2", {{"argument", "quant"}});
  if (a.quant == Quant::fp8_group && has_rows_656(a.k_cache)) return read_rows_656(a);
  SideReader k(k_names, a.k, a.k_cache, a.k_scales, a.quant, a.layout);
  Call c;
  c.k = k.read();
  c.in = a.k.elem, c.meta = a.k_scales.elem;
  c.scale_rule = a.scale_rule, c.power_of_two = a.power_of_two;
  c.page = k.page(), c.tokens = a.k.shape[0], c.heads = k.heads(), c.tuning = a.tuning;
  read_valid(a.valid_tokens, c);
  bool prefix = shared && of_v == a.quant && a.v_cache.data != nullptr && a.v_cache.data == a.k_cache.data &&
                a.v.rank == 3 && a.v.shape[2] <= k.dim();
  if (a.v.omitted() || prefix) return c;
  SideReader v(v_names, a.v, a.v_cache, a.v_scales, of_v, a.layout);
  c.v = v.read();
  check_elem(v_names.in, a.v, k_names.in, a.k.elem);
  check_elem(v.names(), a.v_cache, k.names(), a.k_cache.elem);
  check_size(v_names.in, "tokens", a.v.shape[0], k_names.in, a.k.shape[0]);
  check_size(v_names.in, "heads", v.heads(), k_names.in, k.heads());
  check_size(v.names(), "pages", a.v_cache.shape[0], k.names(), a.k_cache.shape[0]);
  check_size(v.names(), "rows a page", v.page(), k.names(), k.page());
  if (model_metadata(a.quant)) check_elem(v_names.scales_nhd, a.v_scales, k_names.scales_nhd, a.k_scales.elem);
  return c;
}

}  // namespace

bool plan(const FillArgs& a, int multiprocessors, Plan& out) {
  Call c = read_rows(a, true);
  read_sequences(a, c);
  return finish(c, multiprocessors, out);
}

bool plan(const AppendArgs& a, int multiprocessors, Plan& out) {
  Call c = read_rows(a, false);
  read_positions(a.batch_indices, a.positions, a.kv_indptr, a.kv_indices, k_names.in, a.k.shape[0], c);
  return finish(c, multiprocessors, out);
}

bool plan(const ReshapeAndCacheArgs& a, int multiprocessors, Plan& out) {
  Call c = read_rows(a, false);
  read_slots(a.slots, k_names.in, a.k.shape[0], c);
  return finish(c, multiprocessors, out);
}

}  // namespace pagejit::append
