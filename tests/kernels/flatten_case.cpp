#include "tests/kernels/flatten_case.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "tests/kernels/images.h"

namespace pagejit::tests {
namespace {

constexpr std::int64_t garbage_page = 2147480000;
constexpr std::size_t guard = 64;  // bytes on both sides of everything

std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

template <class E>
std::string_view name(E e) {
  for (const auto& [value, text] : enum_names(e))
    if (value == e) return text;
  return "?";
}

}  // namespace

std::int64_t FlattenCase::total() const {
  return std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
}

std::string FlattenCase::text() const {
  return fmt::format(
      "kv={} to={} quant={} meta={} heads={} dim_k={} dim_v={} page={} {} {} joint={} tail={} gaps={} table={} "
      "lengths={} starts={} "
      "[{}] from [{}] "
      "out_rows={} layers={} shift={} seed={}",
      name(kv), name(to), name(quant), name(meta), heads, dim_k, dim_v, page,
      layout == FlattenArgs::Layout::nhd ? "nhd" : "hnd", out == FlattenArgs::Out::shd ? "shd" : "hsd", joint,
      name(tail), zero_gaps, name(table), name(lengths_elem), starts.empty() ? "computed" : name(starts_elem),
      fmt::join(lengths, ","), fmt::join(starts, ","), out_rows, layers, shift, seed);
}

FlattenRun::FlattenRun(Context& context, const FlattenCase& c, const PoisonFunction& poison)
    : context_(context), c_(c) {
  std::mt19937_64 random(c.seed);
  k_.dim = c.dim_k, k_.quant = c.quant;
  v_.dim = c.dim_v, v_.quant = c.quant == Quant::turbo4 ? Quant::turbo2 : c.quant;
  choose_pages(random);
  for (Side* side : {&k_, &v_}) {
    if (c.joint && side == &v_) continue;
    make_cache(*side, random);
    make_scales(*side, random);
    make_out(*side);
    side->cache.upload(context, side == &k_ ? "k_cache" : "v_cache");
    if (!side->scales.bytes.empty()) side->scales.upload(context, side == &k_ ? "k_scales" : "v_scales");
    side->few_buffer = DeviceBuffer(context, side->few_scales, side == &k_ ? "k_scales" : "v_scales");
    side->out_buffer = DeviceBuffer(context, side->out, side == &k_ ? "k_out" : "v_out");
  }
  make_lists();
  make_args();
  if (poison) poison_dead(poison);
}

void FlattenRun::choose_pages(std::mt19937_64& random) {
  for (std::int64_t length : c_.lengths) page_count_ += ceil_div(length, c_.page);
  page_count_ += 2;  // two that nobody owns
  std::vector<std::int64_t> ids(static_cast<std::size_t>(page_count_));
  std::iota(ids.begin(), ids.end(), 0);
  std::shuffle(ids.begin(), ids.end(), random);
  auto next = ids.begin();
  for (std::int64_t length : c_.lengths) {
    auto count = ceil_div(length, c_.page);
    columns_ = std::max(columns_, count);
    pages_.emplace_back(next, next + count);
    next += count;
  }
  columns_ += 3;
}

void FlattenRun::fill_live_rows(PagedImage& image, const std::function<void(std::byte*)>& f) const {
  for (std::size_t b = 0; b < c_.lengths.size(); ++b)
    for (std::int64_t t = 0; t < c_.lengths[b]; ++t)
      for (std::int64_t h = 0; h < c_.heads; ++h)
        f(image.live_row(pages_[b][static_cast<std::size_t>(t / c_.page)], t % c_.page, h));
}

void FlattenRun::make_cache(Side& s, std::mt19937_64& random) {
  bool fp8 = s.quant == Quant::fp8 && bytes(c_.kv) == 1;
  s.stored = s.quant == Quant::none ? c_.kv : fp8 ? c_.kv : s.quant <= Quant::fp8_group ? Elem::e4m3 : Elem::u8;
  std::int64_t width = s.dim / per_code(s.quant);
  s.cache = PagedImage(
      s.stored, {page_count_, c_.page, c_.heads, width, c_.layout == FlattenArgs::Layout::nhd, c_.layers, c_.shift});
  fill_live_rows(s.cache, [&](std::byte* at) {
    random_row(at, width, s.stored, s.quant != Quant::none || c_.kv == c_.to, random);
  });
}

void FlattenRun::make_scales(Side& s, std::mt19937_64& random) {
  if (s.quant == Quant::none) return;
  if (s.quant == Quant::fp8) {
    s.few_scales.resize(4 * (c_.seed % 2 ? static_cast<std::size_t>(c_.heads) : 1));
    random_metadata(s.few_scales.data(), static_cast<std::int64_t>(s.few_scales.size() / 4), Elem::f32, random);
    return;
  }
  int count = metadata(s.quant, static_cast<int>(s.dim));
  s.scales = PagedImage(model_metadata(s.quant) ? c_.meta : Elem::f32,
                        {page_count_, c_.page, c_.heads, count, c_.layout == FlattenArgs::Layout::nhd, c_.layers,
                         static_cast<int>(c_.seed % 3 == 0 ? c_.seed % 4 : 0)});
  fill_live_rows(s.scales, [&](std::byte* at) { random_metadata(at, count, s.scales.elem, random); });
}

void FlattenRun::make_out(Side& s) {
  std::mt19937_64 random(c_.seed + 1);  // its own: what the caches hold must not depend on the outputs' strides
  bool shd = c_.out == FlattenArgs::Out::shd;
  std::int64_t cell = s.dim + c_.shift, inner = cell * (shd ? c_.heads : c_.out_rows) + c_.shift;
  s.out_row_stride = shd ? inner : cell;
  s.out_head_stride = shd ? cell : inner;
  s.out_offset = static_cast<std::int64_t>(guard) / bytes(c_.to) + c_.shift;
  std::int64_t elements = s.out_offset + inner * (shd ? c_.out_rows : c_.heads);
  s.out.resize(static_cast<std::size_t>(elements * bytes(c_.to)) + guard);
  for (std::byte& b : s.out) b = static_cast<std::byte>(random());
  s.expected = s.out;
  reference::flatten(reference_for(s, s.expected));
}

std::vector<std::int64_t> FlattenRun::starts() const {
  if (!c_.starts.empty()) return c_.starts;
  std::vector<std::int64_t> all(c_.lengths.size());
  std::exclusive_scan(c_.lengths.begin(), c_.lengths.end(), all.begin(), std::int64_t{0});
  return all;
}

reference::Flatten FlattenRun::reference_for(const Side& s, Image& out) const {
  reference::Flatten f;
  f.from = s.stored, f.to = c_.to, f.quant = s.quant;
  f.heads = c_.heads, f.dim = s.dim, f.page = c_.page;
  f.cache = s.cache.origin();
  f.page_stride = s.cache.page_stride, f.row_stride = s.cache.row_stride, f.head_stride = s.cache.head_stride;
  if (!s.few_scales.empty())
    f.scales = {s.few_scales.data(), Elem::f32, 1, 0, 0, s.few_scales.size() > 4 ? 1 : 0};
  else if (s.quant != Quant::none)
    f.scales = {s.scales.origin(),    s.scales.elem,       s.scales.shape.width,
                s.scales.page_stride, s.scales.row_stride, s.scales.head_stride};
  f.out = out.data() + s.out_offset * bytes(c_.to);
  f.out_rows = c_.out_rows, f.out_row_stride = s.out_row_stride, f.out_head_stride = s.out_head_stride;
  f.lengths = c_.lengths, f.starts = starts(), f.pages = pages_;
  f.zero_tail = c_.tail == flatten::Tail::zero, f.zero_gaps = c_.zero_gaps;
  return f;
}

void FlattenRun::make_lists() {
  std::vector<std::int64_t> entries(c_.lengths.size() * static_cast<std::size_t>(columns_), garbage_page);
  for (std::size_t b = 0; b < pages_.size(); ++b)
    std::copy(pages_[b].begin(), pages_[b].end(), entries.begin() + static_cast<std::ptrdiff_t>(b) * columns_);
  table_ = integers(c_.table, entries);
  lengths_ = integers(c_.lengths_elem, c_.lengths);
  starts_image_ = integers(c_.starts_elem, c_.starts);
  table_buffer_ = DeviceBuffer(context_, table_, "block_table");
  lengths_buffer_ = DeviceBuffer(context_, lengths_, "lengths");
  starts_buffer_ = DeviceBuffer(context_, starts_image_, "start_loc");
}

Tensor FlattenRun::scales_tensor(const Side& s) const {
  if (s.quant == Quant::none) return {};
  if (s.quant != Quant::fp8) return s.scales.tensor();
  return {s.few_buffer.data(), Elem::f32, {static_cast<std::int64_t>(s.few_scales.size() / 4)}};
}

Tensor FlattenRun::out_tensor(const Side& s) const {
  const std::byte* at = s.out_buffer.data() + s.out_offset * bytes(c_.to);
  if (c_.out == FlattenArgs::Out::shd)
    return {at, c_.to, {c_.out_rows, c_.heads, s.dim}, {s.out_row_stride, s.out_head_stride, 1}};
  return {at, c_.to, {c_.heads, c_.out_rows, s.dim}, {s.out_head_stride, s.out_row_stride, 1}};
}

void FlattenRun::make_args() {
  auto batch = static_cast<std::int64_t>(c_.lengths.size());
  args_.quant = c_.quant;
  args_.k_cache = k_.cache.tensor();
  args_.k_scales = scales_tensor(k_);
  args_.k_out = out_tensor(k_);
  if (!c_.joint) {
    args_.v_cache = v_.cache.tensor();
    args_.v_scales = scales_tensor(v_);
    args_.v_out = out_tensor(v_);
  } else if (c_.seed % 2 == 0) {  // the other way to say it
    args_.v_cache = args_.k_cache;
    args_.v_out = args_.k_out;
    args_.v_cache.shape[3] = c_.dim_v / per_code(c_.quant), args_.v_out.shape[2] = c_.dim_v;
  }
  args_.block_table = Tensor(table_buffer_.data(), c_.table, {batch, columns_});
  args_.lengths = Tensor(lengths_buffer_.data(), c_.lengths_elem, {batch});
  if (!c_.starts.empty()) args_.start_loc = Tensor(starts_buffer_.data(), c_.starts_elem, {batch});
  args_.layout = c_.layout;
  args_.out = c_.out;
  args_.tail = c_.tail;
  args_.zero_gaps = c_.zero_gaps;
  args_.settled = c_.seed % 3 == 0;
}

void FlattenRun::poison_dead(const PoisonFunction& poison) {
  for (Side* side : {&k_, &v_}) {
    side->cache.poison_dead(poison);
    side->scales.poison_dead(poison);
  }
  std::vector<bool> live(table_.size());
  for (std::size_t b = 0; b < pages_.size(); ++b)
    std::fill_n(live.begin() + static_cast<std::ptrdiff_t>(b) * columns_ * bytes(c_.table),
                static_cast<std::ptrdiff_t>(pages_[b].size()) * bytes(c_.table), true);
  poison_runs(table_buffer_, live, poison);
}

void FlattenRun::reset_outputs() {
  k_.out_buffer.write(k_.out);
  if (!c_.joint) v_.out_buffer.write(v_.out);
  context_.synchronise();  // a stream of the caller's own does not wait for these copies
}

std::string FlattenRun::check(Stream stream) {
  reset_outputs();
  context_.flatten(args_, stream);
  context_.synchronise(stream);
  return compare();
}

std::string FlattenRun::compare_side(const Side& s, const char* name) const {
  std::string out = first_difference(s.out_buffer.read(), s.expected, c_.to, c_.quant != Quant::none || c_.kv != c_.to);
  if (!out.empty()) {
    return fmt::format("{}_out: {} (row stride {}, head stride {}, offset {})", name, out, s.out_row_stride,
                       s.out_head_stride, s.out_offset);
  }
  if (!s.cache.unchanged()) return fmt::format("{}_cache was written to", name);
  return "";
}

std::string FlattenRun::compare() const {
  std::string k = compare_side(k_, "k");
  return !k.empty() || c_.joint ? k : compare_side(v_, "v");
}

Image FlattenRun::rows(bool of_v) const {
  const Side& s = of_v && !c_.joint ? v_ : k_;
  Image all = s.out_buffer.read(), rows;
  for (std::int64_t r = 0; r < c_.out_rows; ++r)
    for (std::int64_t h = 0; h < c_.heads; ++h) {
      auto at = all.begin() + (s.out_offset + r * s.out_row_stride + h * s.out_head_stride) * bytes(c_.to);
      rows.insert(rows.end(), at, at + (of_v ? c_.dim_v : c_.dim_k) * bytes(c_.to));
    }
  return rows;
}

std::string run_flatten(Context& context, const FlattenCase& c, const PoisonFunction& poison) {
  std::string problem = FlattenRun(context, c, poison).check();
  return problem.empty() ? "" : problem + "\n  case: " + c.text();
}

}  // namespace pagejit::tests
