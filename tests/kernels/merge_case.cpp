#include "tests/kernels/merge_case.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "tests/kernels/images.h"
#include "tests/reference/numbers.h"

namespace pagejit::tests {
namespace {

constexpr std::int64_t guard = 64;  // bytes
constexpr double infinity = std::numeric_limits<double>::infinity();

std::size_t size(std::int64_t n) {
  return static_cast<std::size_t>(n);
}

Image one_float(float value) {
  Image image(4);
  std::memcpy(image.data(), &value, 4);
  return image;
}

/// How far a result may be from the exact one: a rounding of its own, and what f32 loses.
double allowed(Elem e, double exact) {
  if (e == Elem::e4m3) return std::max(std::abs(exact) / 15, 0.001);
  if (e == Elem::e5m2) return std::max(std::abs(exact) / 7, 0.00001);
  double own = e == Elem::bf16 ? 1.0 / 250 : e == Elem::f16 ? 1.0 / 2000 : 0;
  return own * std::abs(exact) + 2e-5;
}

}  // namespace

std::string MergeCase::text() const {
  return fmt::format(
      "in={} to={} tokens={} heads={} dim={} lse={} scale={} context={} on_device={} axes={} into={} gap={} shift={} "
      "seed={}",
      static_cast<int>(in), static_cast<int>(to), tokens, heads, dim, lse, scale, context, on_device,
      static_cast<int>(axes), static_cast<int>(into), gap, shift, seed);
}

std::size_t MergeRun::Rows::at(std::int64_t t, std::int64_t h) const {
  return size((offset + t * token + h * head) * bytes(elem));
}
std::size_t MergeRun::Rows::row_bytes() const {
  return size(dim * bytes(elem));
}

MergeRun::MergeRun(Context& context, const MergeCase& c, const PoisonFunction& poison) : context_(context), c_(c) {
  prefix_ = make_rows(c.in, c.dim), suffix_ = make_rows(c.in, c.dim), out_ = make_rows(c.to, c.dim);
  prefix_lse_ = make_lse(), suffix_lse_ = make_lse(), out_lse_ = make_lse();
  std::mt19937_64 random(c.seed);
  for (std::int64_t t = 0; t < c.tokens; ++t)
    for (std::int64_t h = 0; h < c.heads; ++h) fill_row(t, h, random);
  upload(poison);
  make_args();
}

MergeRun::Rows MergeRun::make_rows(Elem elem, std::int64_t dim) const {
  Rows r;
  r.elem = elem, r.dim = dim;
  r.head = dim + c_.gap + c_.shift;
  r.token = r.head * c_.heads + 2 * c_.gap + c_.shift;
  r.offset = guard + c_.shift;
  r.image.assign(size((r.offset + c_.tokens * r.token + guard) * bytes(elem)), std::byte{0xff});
  r.live.assign(r.image.size(), false);
  return r;
}

MergeRun::Rows MergeRun::make_lse() const {
  Rows r = make_rows(Elem::f32, 1);
  std::int64_t inner = 1 + c_.gap + c_.shift;
  bool by_head = c_.axes == LseAxes::heads_tokens;
  r.head = by_head ? inner * c_.tokens + c_.gap : inner;
  r.token = by_head ? inner : inner * c_.heads + c_.gap;
  std::int64_t end = (c_.tokens - 1) * r.token + (c_.heads - 1) * r.head + 1;
  r.image.assign(size((r.offset + std::max<std::int64_t>(end, 0) + guard) * 4), std::byte{0xff});
  r.live.assign(r.image.size(), false);
  return r;
}

void MergeRun::fill_row(std::int64_t t, std::int64_t h, std::mt19937_64& random) {
  auto fill = [&](Rows& rows, Rows& lses, std::vector<reference::AttentionState>& values, bool read) {
    // One row in eight saw no key; some lse are so far apart that one side's weight is nothing.
    double lse = random() % 8 == 0 ? (random() % 2 ? infinity : -infinity)
                                   : std::normal_distribution<double>(0, random() % 4 == 0 ? 200 : 2)(random);
    auto& state = values.emplace_back();
    std::byte* at = &rows.image[rows.at(t, h)];
    for (std::int64_t d = 0; d < c_.dim; ++d) {
      double value = std::normal_distribution<double>(0, 1)(random);
      // A row that counts nothing keeps its NaN.
      if (!std::isinf(lse)) reference::encode(c_.in, value, at + d * bytes(c_.in));
      state.out.push_back(reference::decode(c_.in, at + d * bytes(c_.in)));
    }
    std::byte* number = &lses.image[lses.at(t, h)];
    reference::encode(Elem::f32, lse, number);
    state.lse = reference::decode(Elem::f32, number);
    if (!read) return;
    std::fill_n(rows.live.begin() + static_cast<std::ptrdiff_t>(rows.at(t, h)), rows.row_bytes(), true);
    std::fill_n(lses.live.begin() + static_cast<std::ptrdiff_t>(lses.at(t, h)), 4, true);
  };
  fill(prefix_, prefix_lse_, prefix_values_, with_prefix(t));
  fill(suffix_, suffix_lse_, suffix_values_, true);
}

void MergeRun::upload(const PoisonFunction& poison) {
  auto place = [&](Rows& r, const char* label) { r.buffer = DeviceBuffer(context_, r.image, label); };
  place(prefix_, "prefix_out"), place(suffix_, "suffix_out"), place(out_, "out");
  place(prefix_lse_, "prefix_lse"), place(suffix_lse_, "suffix_lse"), place(out_lse_, "out_lse");
  scale_ = DeviceBuffer(context_, one_float(c_.scale), "out_scale");
  tokens_with_prefix_ = DeviceBuffer(context_, integers(Elem::i32, {c_.context}), "context_tokens_device");
  if (!poison) return;
  for (const Rows* r : {&prefix_, &suffix_, &prefix_lse_, &suffix_lse_})
    if (r != &out_rows()) poison_runs(r->buffer, r->live, poison);
}

const MergeRun::Rows& MergeRun::out_rows() const {
  return c_.into == MergeCase::Into::own ? out_ : c_.into == MergeCase::Into::prefix ? prefix_ : suffix_;
}

Tensor MergeRun::tensor(const Rows& r) const {
  return {r.buffer.data() + r.offset * bytes(r.elem), r.elem, {c_.tokens, c_.heads, r.dim}, {r.token, r.head, 1}};
}

Tensor MergeRun::lse_tensor(const Rows& r) const {
  void* at = r.buffer.data() + r.offset * 4;
  if (c_.axes == LseAxes::heads_tokens) return {at, Elem::f32, {c_.heads, c_.tokens}, {r.head, r.token}};
  return {at, Elem::f32, {c_.tokens, c_.heads}, {r.token, r.head}};
}

void MergeRun::make_args() {
  args_.prefix_out = tensor(prefix_), args_.suffix_out = tensor(suffix_), args_.out = tensor(out_rows());
  args_.prefix_lse = lse_tensor(prefix_lse_), args_.suffix_lse = lse_tensor(suffix_lse_);
  if (c_.lse) args_.out_lse = lse_tensor(out_lse_);
  if (c_.scale != 0) args_.out_scale = Tensor(scale_.data(), Elem::f32, {1});
  args_.lse_axes = c_.axes;
  if (c_.on_device)
    args_.context_tokens_device = Tensor(tokens_with_prefix_.data(), Elem::i32, {1});
  else
    args_.context_tokens = c_.context;
}

void MergeRun::set_context(std::int64_t context) {
  c_.context = context;
  tokens_with_prefix_.write(integers(Elem::i32, {context}));
}

void MergeRun::reset() {
  out_rows().buffer.write(out_rows().image);
  out_lse_.buffer.write(out_lse_.image);
  context_.synchronise();
}

std::string MergeRun::check(Stream stream) {
  reset();
  launch(stream);
  context_.synchronise(stream);
  return compare();
}

Image MergeRun::results() const {
  Image out = out_rows().buffer.read(), lse = out_lse_.buffer.read(), all;
  const Rows& r = out_rows();
  for (std::int64_t t = 0; t < c_.tokens; ++t)
    for (std::int64_t h = 0; h < c_.heads; ++h) {
      all.insert(all.end(), &out[r.at(t, h)], &out[r.at(t, h)] + r.row_bytes());
      all.insert(all.end(), &lse[out_lse_.at(t, h)], &lse[out_lse_.at(t, h)] + 4);
    }
  return all;
}

std::string MergeRun::compare_row(std::int64_t t, std::int64_t h, const Image& out, const Image& lse) const {
  auto i = size(t * c_.heads + h);
  bool as_it_is = !with_prefix(t);
  const std::byte* at = &out[out_rows().at(t, h)];
  reference::AttentionState exact =
      as_it_is ? suffix_values_[i] : reference::merge(prefix_values_[i], suffix_values_[i]);
  for (std::int64_t d = 0; d < c_.dim; ++d) {
    double should = multiplied(exact.out[size(d)]), is = reference::decode(c_.to, at + d * bytes(c_.to));
    std::byte same[4];
    reference::encode(c_.to, should, same);
    bool right = as_it_is ? std::memcmp(at + d * bytes(c_.to), same, size(bytes(c_.to))) == 0
                          : std::abs(is - should) <= allowed(c_.to, should) || is == reference::decode(c_.to, same);
    if (as_it_is && c_.to == c_.in) right = std::memcmp(at, &suffix_.image[suffix_.at(t, h)], suffix_.row_bytes()) == 0;
    if (!right) return fmt::format("out[{}, {}, {}] is {}; expected {}", t, h, d, is, should);
  }
  double is = reference::decode(Elem::f32, &lse[out_lse_.at(t, h)]);
  bool close = std::isinf(exact.lse) ? is == exact.lse : std::abs(is - exact.lse) <= 1e-5 + 1e-6 * std::abs(exact.lse);
  if (c_.lse && !close) return fmt::format("lse[{}, {}] is {}; expected {}", t, h, is, exact.lse);
  return "";
}

double MergeRun::multiplied(double exact) const {
  if (c_.scale == 0) return exact;
  return static_cast<float>(exact) * (1.f / c_.scale);  // as f32 gives it
}

std::string MergeRun::compare() const {
  Image out = out_rows().buffer.read(), lse = out_lse_.buffer.read();
  Image gaps = out_rows().image, lse_gaps = out_lse_.image;
  for (std::int64_t t = 0; t < c_.tokens; ++t)
    for (std::int64_t h = 0; h < c_.heads; ++h) {
      std::string problem = compare_row(t, h, out, lse);
      if (!problem.empty()) return problem;
      std::size_t row = out_rows().at(t, h), number = out_lse_.at(t, h);
      std::memcpy(&gaps[row], &out[row], out_rows().row_bytes());
      if (c_.lse) std::memcpy(&lse_gaps[number], &lse[number], 4);
    }
  if (out != gaps) return "something was written between the rows of out";
  return lse == lse_gaps ? "" : c_.lse ? "something was written between the numbers of out_lse" : "lse was written";
}

std::string run_merge(Context& context, const MergeCase& c, const PoisonFunction& poison) {
  std::string problem = MergeRun(context, c, poison).check();
  return problem.empty() ? "" : problem + "\n  case: " + c.text();
}

}  // namespace pagejit::tests
