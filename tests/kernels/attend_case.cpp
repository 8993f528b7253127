#include "tests/kernels/attend_case.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "tests/kernels/images.h"
#include "tests/reference/decode.h"
#include "tests/reference/encode.h"
#include "tests/reference/numbers.h"

namespace pagejit::tests {
namespace {

constexpr std::int64_t garbage_page = 2147480000;
constexpr std::int64_t guard = 64;

std::size_t size(std::int64_t n) {
  return static_cast<std::size_t>(n);
}

double normal(std::mt19937_64& random) {
  return std::normal_distribution<double>(0, 1)(random);
}

Image floats(const std::vector<double>& values) {
  Image image(4 * values.size());
  for (std::size_t i = 0; i < values.size(); ++i) reference::encode(Elem::f32, values[i], &image[4 * i]);
  return image;
}

}  // namespace

std::string AttendCase::text() const {
  return fmt::format(
      "elem={} quant={} fp8={} meta={} heads={}/{} dims={}/{} page={} joint={} hnd={} flat={} table={} lengths={} [{}] "
      "queries=[{}] ragged={} causal={} window=({},{}) softcap={} sinks={} alibi={} lse={} inf={} layers={} shift={} "
      "rows={} keys={} stages={} down={} across={} teams={} parts={} least={} bulk={} seed={}",
      static_cast<int>(elem), static_cast<int>(quant), static_cast<int>(fp8), static_cast<int>(meta), heads, kv_heads,
      dim_k, dim_v, page, joint, layout == CacheLayout::hnd, flat, static_cast<int>(table),
      static_cast<int>(lengths_elem), fmt::join(lengths, ","), fmt::join(queries, ","), ragged, causal, left, right,
      softcap, sinks, alibi, lse, empty_lse_pos_inf, layers, shift, tuning.rows, tuning.keys, tuning.stages,
      tuning.down, tuning.across, tuning.teams, tuning.parts, tuning.least, tuning.bulk, seed);
}

AttendRun::AttendRun(Context& context, const AttendCase& c, const PoisonFunction& poison) : context_(context), c_(c) {
  if (c_.queries.empty()) c_.queries.assign(c_.lengths.size(), 1);
  tokens_ = std::accumulate(c_.queries.begin(), c_.queries.end(), std::int64_t{0});
  std::mt19937_64 random(c.seed);
  choose_pages(random);
  k_ = make_side(c_.dim_k, random);
  if (!c_.joint) v_ = make_side(c_.dim_v, random);
  make_queries(random);
  expect();
  make_lists(poison);
  make_args();
  if (!poison) return;
  for (Side* side : {&k_, &v_}) {
    if (side->dim == 0) continue;
    side->cache.poison_dead(poison);
    if (model_metadata(c_.quant)) side->scales.poison_dead(poison);
  }
}

void AttendRun::choose_pages(std::mt19937_64& random) {
  for (std::int64_t length : c_.lengths) {
    first_key_.push_back(first_key_.empty() ? 0 : first_key_.back() + c_.lengths[first_key_.size() - 1]);
    std::int64_t count = (length + c_.page - 1) / c_.page;
    columns_ = std::max(columns_, count);
    pages_.emplace_back(size(count));
    for (auto& page : pages_.back()) page = page_count_++;
  }
  columns_ += 2, page_count_ += 1;  // one that nobody owns
  std::vector<std::int64_t> ids(size(page_count_));
  std::iota(ids.begin(), ids.end(), 0);
  std::shuffle(ids.begin(), ids.end(), random);
  for (auto& of_sequence : pages_)
    for (auto& page : of_sequence) page = ids[size(page)];
}

AttendRun::Side AttendRun::make_side(std::int64_t dim, std::mt19937_64& random) {
  Side side;
  side.dim = dim;
  bool nhd = c_.flat || c_.layout == CacheLayout::nhd;
  PagedShape s{page_count_, c_.page, c_.kv_heads, codes(c_.quant, static_cast<int>(dim)), nhd, c_.layers, c_.shift};
  if (c_.flat) s.pages = 1, s.page = page_count_ * c_.page;
  side.cache = PagedImage(c_.quant == Quant::none ? c_.elem : c_.quant == Quant::fp8 ? c_.fp8 : Elem::u8, s);
  if (model_metadata(c_.quant)) {
    s.width = 2;
    side.scales = PagedImage(c_.meta, s);
  }
  if (c_.quant == Quant::fp8) {
    std::vector<double> scales(c_.seed % 2 ? size(c_.kv_heads) : 1);
    for (double& scale : scales) scale = std::exp(normal(random)) / 50;
    side.scale = floats(scales);
    side.scale_buffer = DeviceBuffer(context_, side.scale, "scales");
  }
  for (std::size_t b = 0; b < c_.lengths.size(); ++b)
    for (std::int64_t t = 0; t < c_.lengths[b]; ++t)
      for (std::int64_t h = 0; h < c_.kv_heads; ++h)
        fill_row(side, pages_[b][size(t / c_.page)], t % c_.page, h, random);
  side.cache.upload(context_, "cache");
  if (model_metadata(c_.quant)) side.scales.upload(context_, "cache_scales");
  return side;
}

void AttendRun::fill_row(Side& side, std::int64_t page, std::int64_t row, std::int64_t head, std::mt19937_64& random) {
  if (c_.flat) row += page * c_.page, page = 0;
  std::byte* at = side.cache.live_row(page, row, head);
  std::vector<double> values(size(side.dim));
  // A few elements stand out, as they do in keys.
  for (std::size_t d = 0; d < values.size(); ++d) values[d] = normal(random) * (d % 37 == 5 ? 3 : 1);
  if (c_.quant == Quant::none) {
    for (std::size_t d = 0; d < values.size(); ++d) {
      reference::encode(c_.elem, values[d], at + d * size(bytes(c_.elem)));
      side.numbers.push_back(static_cast<float>(reference::decode(c_.elem, at + d * size(bytes(c_.elem)))));
    }
    return;
  }
  std::size_t which = side.scale.size() > 4 ? size(head) : 0;
  double scale = side.scale.empty() ? 1 : reference::decode(Elem::f32, &side.scale[4 * which]);
  reference::Encode how{c_.quant, Elem::f32, side.cache.elem, c_.meta, {}, false, scale};
  reference::Encoded row_codes = reference::encode_row(how, floats(values).data(), side.dim);
  std::copy(row_codes.codes.begin(), row_codes.codes.end(), at);
  std::vector<float> numbers{static_cast<float>(scale)};
  if (model_metadata(c_.quant)) {
    std::byte* pair = side.scales.live_row(page, row, head);
    numbers.clear();
    for (std::size_t i = 0; i < 2; ++i) {
      reference::encode(c_.meta, row_codes.metadata[i], pair + i * size(bytes(c_.meta)));
      numbers.push_back(static_cast<float>(reference::decode(c_.meta, pair + i * size(bytes(c_.meta)))));
    }
  }
  auto decoded = reference::decode_row({c_.quant, side.cache.elem, static_cast<int>(side.dim), at, numbers});
  side.numbers.insert(side.numbers.end(), decoded.begin(), decoded.end());
}

AttendRun::Dense AttendRun::make_dense(std::int64_t dim) const {
  Dense d;
  d.dim = dim;
  d.head_stride = dim + c_.shift;
  d.token_stride = d.head_stride * c_.heads + c_.shift;
  d.offset = guard / bytes(c_.elem) + c_.shift;
  d.image.assign(size((d.offset + tokens_ * d.token_stride) * bytes(c_.elem) + guard), std::byte{0xff});
  return d;
}

void AttendRun::make_queries(std::mt19937_64& random) {
  q_ = make_dense(c_.dim_k);
  out_ = make_dense(c_.dim_v);
  for (std::int64_t t = 0; t < tokens_; ++t)
    for (std::int64_t h = 0; h < c_.heads; ++h)
      for (std::int64_t d = 0; d < c_.dim_k; ++d) {
        std::byte* at = &q_.image[size((q_.offset + t * q_.token_stride + h * q_.head_stride + d) * bytes(c_.elem))];
        reference::encode(c_.elem, normal(random), at);
        q_values_.push_back(reference::decode(c_.elem, at));
      }
  q_.buffer = DeviceBuffer(context_, q_.image, "q");
  out_.buffer = DeviceBuffer(context_, out_.image, "out");
  lse_image_.assign(size(4 * tokens_ * c_.heads), std::byte{0xff});
  lse_ = DeviceBuffer(context_, lse_image_, "lse");
  for (std::int64_t h = 0; h < c_.heads; ++h) {
    sink_values_.push_back(reference::decode(Elem::f32, floats({normal(random) * 2}).data()));
    slope_values_.push_back(std::exp2(-static_cast<double>(1 + h % 8)));
  }
  sinks_ = DeviceBuffer(context_, floats(sink_values_), "sinks");
  slopes_ = DeviceBuffer(context_, floats(slope_values_), "alibi_slopes");
}

void AttendRun::make_lists(const PoisonFunction& poison) {
  auto batch = c_.lengths.size();
  std::vector<std::int64_t> entries(batch * size(columns_), garbage_page), indptr{0};
  std::vector<bool> live(entries.size() * size(bytes(c_.table)));
  for (std::size_t b = 0; b < batch; ++b) {
    indptr.push_back(indptr.back() + c_.queries[b]);
    for (std::size_t i = 0; i < pages_[b].size(); ++i) {
      std::size_t at = b * size(columns_) + i;
      entries[at] = pages_[b][i];
      std::fill_n(live.begin() + static_cast<std::ptrdiff_t>(at) * bytes(c_.table), bytes(c_.table), true);
    }
  }
  table_ = DeviceBuffer(context_, integers(c_.table, entries), "block_table");
  if (poison) poison_runs(table_, live, poison);
  lengths_ = DeviceBuffer(context_, integers(c_.lengths_elem, c_.lengths), "lengths");
  indptr_ = DeviceBuffer(context_, integers(Elem::i32, indptr), "query_indptr");
}

Tensor AttendRun::dense_tensor(const Dense& d) const {
  return {d.buffer.data() + d.offset * bytes(c_.elem),
          c_.elem,
          {tokens_, c_.heads, d.dim},
          {d.token_stride, d.head_stride, 1}};
}

Tensor AttendRun::cache_tensor(const Side& side) const {
  Tensor t = side.cache.tensor();
  if (!c_.flat) return t;
  return {t.data, t.elem, {t.shape[1], t.shape[2], t.shape[3]}, {t.stride[1], t.stride[2], 1}};
}

Tensor AttendRun::scales_tensor(const Side& side) const {
  if (c_.quant == Quant::fp8)
    return {side.scale_buffer.data(), Elem::f32, {static_cast<std::int64_t>(side.scale.size() / 4)}};
  return model_metadata(c_.quant) ? side.scales.tensor() : Tensor();
}

void AttendRun::make_args() {
  auto batch = static_cast<std::int64_t>(c_.lengths.size());
  DecodeArgs& a = args_;
  a.q = dense_tensor(q_), a.out = dense_tensor(out_);
  a.k_cache = cache_tensor(k_), a.k_scales = scales_tensor(k_);
  if (!c_.joint) a.v_cache = cache_tensor(v_), a.v_scales = scales_tensor(v_);
  a.block_table = Tensor(table_.data(), c_.table, {batch, columns_});
  a.lengths = Tensor(lengths_.data(), c_.lengths_elem, {batch});
  bool uniform = std::adjacent_find(c_.queries.begin(), c_.queries.end(), std::not_equal_to<>()) == c_.queries.end();
  if (c_.ragged || !uniform) {
    a.query_indptr = Tensor(indptr_.data(), Elem::i32, {batch + 1});
    a.max_queries = std::max<std::int64_t>(1, *std::max_element(c_.queries.begin(), c_.queries.end()));
  }
  if (c_.lse) a.lse = Tensor(lse_.data(), Elem::f32, {tokens_, c_.heads});
  if (c_.sinks) a.sinks = Tensor(sinks_.data(), Elem::f32, {c_.heads});
  if (c_.alibi) a.alibi_slopes = Tensor(slopes_.data(), Elem::f32, {c_.heads});
  a.layout = c_.layout, a.quant = c_.quant;
  if (c_.flat) a.page = c_.page;
  a.causal = c_.causal, a.window_left = c_.left, a.window_right = c_.right;
  a.softcap = static_cast<float>(c_.softcap);
  a.empty_lse_pos_inf = c_.empty_lse_pos_inf;
  a.settled = c_.seed % 3 == 0;
  a.tuning = c_.tuning;
  auto bytes_needed = static_cast<std::int64_t>(context_.decode_workspace(a));
  workspace_ = DeviceBuffer(context_, Image(size(bytes_needed), std::byte{0xff}), "workspace");
  a.workspace = Tensor(workspace_.data(), Elem::u8, {bytes_needed});
}

void AttendRun::expect() {
  reference::Attend a;
  a.heads = c_.heads, a.kv_heads = c_.kv_heads, a.dim_k = c_.dim_k, a.dim_v = c_.dim_v;
  a.lengths = c_.lengths, a.queries = c_.queries;
  a.scale = 1 / std::sqrt(static_cast<double>(c_.dim_k));
  a.softcap = c_.softcap, a.causal = c_.causal, a.left = c_.left, a.right = c_.right;
  if (c_.sinks) a.sinks = sink_values_;
  if (c_.alibi) a.slopes = slope_values_;
  a.q = [&](std::int64_t token, std::int64_t head, std::int64_t d) {
    return q_values_[size((token * c_.heads + head) * c_.dim_k + d)];
  };
  auto element = [&](const Side& side) {
    return [&](std::int64_t b, std::int64_t n, std::int64_t head, std::int64_t d) -> double {
      return side.numbers[size(((first_key_[size(b)] + n) * c_.kv_heads + head) * side.dim + d)];
    };
  };
  a.k = element(k_), a.v = element(c_.joint ? k_ : v_);
  expected_ = reference::attend(a);
}

void AttendRun::shorten(const std::vector<std::int64_t>& lengths) {
  c_.lengths = lengths;
  overwrite_lengths(lengths);
  expect();
}

void AttendRun::overwrite_lengths(const std::vector<std::int64_t>& numbers) {
  lengths_.write(integers(c_.lengths_elem, numbers));
}

void AttendRun::reset_outputs() {
  out_.buffer.write(out_.image);
  lse_.write(lse_image_);
  workspace_.write(Image(workspace_.size(), std::byte{0xff}));
  context_.synchronise();
}

void AttendRun::launch(Stream stream) {
  context_.decode_attention(args_, stream);
}

std::string AttendRun::check(Stream stream) {
  reset_outputs();
  launch(stream);
  context_.synchronise(stream);
  return compare();
}

Image AttendRun::results() const {
  Image all = out_.buffer.read(), rows;
  for (std::int64_t t = 0; t < tokens_; ++t)
    for (std::int64_t h = 0; h < c_.heads; ++h) {
      auto at = all.begin() + (out_.offset + t * out_.token_stride + h * out_.head_stride) * bytes(c_.elem);
      rows.insert(rows.end(), at, at + c_.dim_v * bytes(c_.elem));
    }
  Image lse = lse_.read();
  rows.insert(rows.end(), lse.begin(), lse.end());
  return rows;
}

double AttendRun::error() const {
  Image rows = results();
  double off = 0, all = 0;
  for (std::size_t i = 0; i < expected_.out.size(); ++i) {
    double is = reference::decode(c_.elem, &rows[i * size(bytes(c_.elem))]), should = expected_.out[i];
    off += (is - should) * (is - should), all += should * should;
  }
  return all == 0 ? std::sqrt(off) : std::sqrt(off / all);
}

std::string AttendRun::compare() const {
  // int8 and int4 take a zero away from what is a few times as large as the difference.
  double of_f16 = 5e-4, most = c_.elem == Elem::bf16 ? 3e-3 : of_f16, is = error();
  // Each weight is rounded to the products' type before it is summed: by half of 2^-7 or 2^-10 of it at most.
  bool in_bf16 = c_.elem == Elem::bf16 && c_.quant == Quant::none;
  double of_lse = (in_bf16 ? std::ldexp(1, -8) : std::ldexp(1, -11)) + 1e-4;
  if (!(is <= most)) return fmt::format("|out - ref| / |ref| is {:.2e}; expected at most {:.0e}", is, most);
  Image rows = results(), all = out_.buffer.read(), expected = out_.image;
  auto row = size(c_.dim_v * bytes(c_.elem));
  for (std::int64_t t = 0; t < tokens_; ++t)
    for (std::int64_t h = 0; h < c_.heads; ++h) {
      std::size_t i = size(t * c_.heads + h);
      double should = expected_.lse[i],
             got = reference::decode(Elem::f32, &rows[expected_.out.size() * size(bytes(c_.elem)) + 4 * i]);
      bool empty = std::isinf(should);
      if (empty && c_.empty_lse_pos_inf) should = -should;
      if (c_.lse && !(empty ? got == should : std::abs(got - should) <= of_lse + 1e-5 * std::abs(should)))
        return fmt::format("lse[{}, {}] is {}; expected {}", t, h, got, should);
      for (std::size_t d = 0; empty && d < row; ++d)
        if (rows[i * row + d] != std::byte{0}) return fmt::format("out[{}, {}] sees no key and is not zero", t, h);
      std::memcpy(&expected[size((out_.offset + t * out_.token_stride + h * out_.head_stride) * bytes(c_.elem))],
                  &rows[i * row], row);
    }
  if (all != expected) return "something was written between the rows of out";
  if (!c_.lse && lse_.read() != lse_image_) return "lse was written though it is left out";
  return k_.cache.unchanged() && (c_.joint || v_.cache.unchanged()) ? "" : "a cache was written to";
}

std::string run_attend(Context& context, const AttendCase& c, const PoisonFunction& poison) {
  std::string problem = AttendRun(context, c, poison).check();
  return problem.empty() ? "" : problem + "\n  case: " + c.text();
}

}  // namespace pagejit::tests
