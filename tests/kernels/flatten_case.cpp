#include "tests/kernels/flatten_case.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "tests/reference/numbers.h"

namespace pagejit::tests {
namespace {

constexpr std::int64_t garbage_page = 2147480000;
constexpr std::size_t guard = 64;  // bytes on both sides of everything

Image integers(Elem e, const std::vector<std::int64_t>& values) {
  Image image(values.size() * static_cast<std::size_t>(bytes(e)));
  for (std::size_t i = 0; i < values.size(); ++i)
    std::memcpy(image.data() + i * static_cast<std::size_t>(bytes(e)), &values[i], static_cast<std::size_t>(bytes(e)));
  return image;
}

std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

std::string first_difference(const Image& is, const Image& expected, Elem e, bool nan_is_nan) {
  auto size = static_cast<std::size_t>(bytes(e));
  for (std::size_t i = 0; i + size <= is.size(); i += size) {
    if (std::memcmp(&is[i], &expected[i], size) == 0) continue;
    if (nan_is_nan && reference::is_nan(e, &is[i]) && reference::is_nan(e, &expected[i])) continue;
    return fmt::format("element {} is {} ({:02x}), expected {} ({:02x})", static_cast<std::ptrdiff_t>(i / size),
                       reference::decode(e, &is[i]),
                       fmt::join(reinterpret_cast<const std::uint8_t*>(&is[i]),
                                 reinterpret_cast<const std::uint8_t*>(&is[i]) + size, ""),
                       reference::decode(e, &expected[i]),
                       fmt::join(reinterpret_cast<const std::uint8_t*>(&expected[i]),
                                 reinterpret_cast<const std::uint8_t*>(&expected[i]) + size, ""));
  }
  return "";
}

template <class E>
std::string_view name(E e) {
  for (const auto& [value, text] : enum_names(e))
    if (value == e) return text;
  return "?";
}

/// Random bits, all kinds of numbers among them; no NaN where a conversion would have to choose one.
void random_row(std::byte* at, std::int64_t elements, Elem e, bool may_be_nan, std::mt19937_64& random) {
  for (std::int64_t i = 0; i < elements; ++i) {
    std::byte* element = at + i * bytes(e);
    do {
      std::uint64_t bits = random();
      std::memcpy(element, &bits, static_cast<std::size_t>(bytes(e)));
    } while (!may_be_nan && reference::is_nan(e, element));
  }
}

}  // namespace

std::int64_t FlattenCase::total() const {
  return std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
}

std::string FlattenCase::text() const {
  return fmt::format(
      "kv={} to={} heads={} dim_k={} dim_v={} page={} {} {} joint={} tail={} gaps={} table={} lengths={} starts={} "
      "[{}] from [{}] "
      "out_rows={} layers={} shift={} seed={}",
      name(kv), name(to), heads, dim_k, dim_v, page, layout == FlattenArgs::Layout::nhd ? "nhd" : "hnd",
      out == FlattenArgs::Out::shd ? "shd" : "hsd", joint, name(tail), zero_gaps, name(table), name(lengths_elem),
      starts.empty() ? "computed" : name(starts_elem), fmt::join(lengths, ","), fmt::join(starts, ","), out_rows,
      layers, shift, seed);
}

FlattenRun::FlattenRun(Context& context, const FlattenCase& c, const PoisonFunction& poison)
    : context_(context), c_(c) {
  std::mt19937_64 random(c.seed);
  k_.dim = c.dim_k;
  v_.dim = c.dim_v;
  choose_pages(random);
  for (Side* side : {&k_, &v_}) {
    if (c.joint && side == &v_) continue;
    make_cache(*side, random);
    make_out(*side);
    side->cache_buffer = DeviceBuffer(context, side->cache, side == &k_ ? "k_cache" : "v_cache");
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

template <class F>
void FlattenRun::each_live_row(const Side& side, F f) const {
  for (std::size_t b = 0; b < c_.lengths.size(); ++b)
    for (std::int64_t t = 0; t < c_.lengths[b]; ++t)
      for (std::int64_t h = 0; h < c_.heads; ++h) {
        std::int64_t page = pages_[b][static_cast<std::size_t>(t / c_.page)];
        f(side.cache_offset + page * side.page_stride + t % c_.page * side.row_stride + h * side.head_stride);
      }
}

void FlattenRun::make_cache(Side& s, std::mt19937_64& random) {
  bool nhd = c_.layout == FlattenArgs::Layout::nhd;
  std::int64_t cell = s.dim + c_.shift;
  std::int64_t inner = cell * (nhd ? c_.heads : c_.page) + c_.shift,
               one_page = inner * (nhd ? c_.page : c_.heads) + c_.shift;
  s.row_stride = nhd ? inner : cell;
  s.head_stride = nhd ? cell : inner;
  s.page_stride = one_page * c_.layers;
  s.cache_offset = static_cast<std::int64_t>(guard) / bytes(c_.kv) + c_.shift + one_page * (c_.layers / 2);
  std::int64_t elements = s.cache_offset + page_count_ * s.page_stride;
  s.cache.assign(static_cast<std::size_t>(elements * bytes(c_.kv)) + guard,
                 std::byte{0xff});  // NaN in every float type
  each_live_row(s, [&](std::int64_t at) {
    random_row(s.cache.data() + at * bytes(c_.kv), s.dim, c_.kv, c_.kv == c_.to, random);
  });
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
  f.from = c_.kv, f.to = c_.to;
  f.heads = c_.heads, f.dim = s.dim, f.page = c_.page;
  f.cache = s.cache.data() + s.cache_offset * bytes(c_.kv);
  f.page_stride = s.page_stride, f.row_stride = s.row_stride, f.head_stride = s.head_stride;
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

Tensor FlattenRun::cache_tensor(const Side& s) const {
  const std::byte* at = s.cache_buffer.data() + s.cache_offset * bytes(c_.kv);
  if (c_.layout == FlattenArgs::Layout::nhd)
    return {at, c_.kv, {page_count_, c_.page, c_.heads, s.dim}, {s.page_stride, s.row_stride, s.head_stride, 1}};
  return {at, c_.kv, {page_count_, c_.heads, c_.page, s.dim}, {s.page_stride, s.head_stride, s.row_stride, 1}};
}

Tensor FlattenRun::out_tensor(const Side& s) const {
  const std::byte* at = s.out_buffer.data() + s.out_offset * bytes(c_.to);
  if (c_.out == FlattenArgs::Out::shd)
    return {at, c_.to, {c_.out_rows, c_.heads, s.dim}, {s.out_row_stride, s.out_head_stride, 1}};
  return {at, c_.to, {c_.heads, c_.out_rows, s.dim}, {s.out_head_stride, s.out_row_stride, 1}};
}

void FlattenRun::make_args() {
  auto batch = static_cast<std::int64_t>(c_.lengths.size());
  args_.k_cache = cache_tensor(k_);
  args_.k_out = out_tensor(k_);
  if (!c_.joint) {
    args_.v_cache = cache_tensor(v_);
    args_.v_out = out_tensor(v_);
  } else if (c_.seed % 2 == 0) {  // the other way to say it
    args_.v_cache = args_.k_cache;
    args_.v_out = args_.k_out;
    args_.v_cache.shape[3] = args_.v_out.shape[2] = c_.dim_v;
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
  auto runs = [&](const DeviceBuffer& buffer, const std::vector<bool>& live) {
    for (std::size_t i = 0; i < live.size();) {
      std::size_t end = i + 1;
      while (end < live.size() && live[end] == live[i]) ++end;
      if (!live[i]) poison(buffer.data() + i, end - i);
      i = end;
    }
  };
  for (Side* side : {&k_, &v_}) {
    std::vector<bool> live(side->cache.size());
    each_live_row(*side, [&](std::int64_t at) {
      if (live.empty()) return;
      std::fill_n(live.begin() + at * bytes(c_.kv), side->dim * bytes(c_.kv), true);
    });
    runs(side->cache_buffer, live);
  }
  std::vector<bool> live(table_.size());
  for (std::size_t b = 0; b < pages_.size(); ++b)
    std::fill_n(live.begin() + static_cast<std::ptrdiff_t>(b) * columns_ * bytes(c_.table),
                static_cast<std::ptrdiff_t>(pages_[b].size()) * bytes(c_.table), true);
  runs(table_buffer_, live);
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
  std::string out = first_difference(s.out_buffer.read(), s.expected, c_.to, c_.kv != c_.to);
  if (!out.empty()) {
    return fmt::format("{}_out: {} (row stride {}, head stride {}, offset {})", name, out, s.out_row_stride,
                       s.out_head_stride, s.out_offset);
  }
  if (s.cache_buffer.read() != s.cache) return fmt::format("{}_cache was written to", name);
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
