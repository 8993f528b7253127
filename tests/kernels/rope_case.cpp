#include "tests/kernels/rope_case.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "tests/reference/numbers.h"

namespace pagejit::tests {
namespace {

std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

template <class E>
std::string_view name(E e) {
  for (const auto& [value, text] : enum_names(e))
    if (value == e) return text;
  return "?";
}

/// Numbers of all sizes that a head may hold: mostly near one, some far out, some exactly 0.
double some_number(std::mt19937_64& random) {
  double near = std::normal_distribution<double>()(random);
  switch (random() % 16) {
    case 0:
      return std::ldexp(near, static_cast<int>(random() % 40) - 20);
    case 1:
      return near < 0 ? -0.0 : 0.0;
    default:
      return near;
  }
}

Image integers(Elem e, const std::vector<std::int64_t>& values) {
  auto size = static_cast<std::size_t>(bytes(e));
  Image image(values.size() * size);
  for (std::size_t i = 0; i < values.size(); ++i) std::memcpy(&image[i * size], &values[i], size);
  return image;
}

std::string hex(const std::byte* at, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += fmt::format("{:02x}", static_cast<unsigned>(at[i]));
  return text;
}

}  // namespace

std::string RopeCase::text() const {
  constexpr const char* calls[] = {"quantize", "append", "append_mla"};
  return fmt::format(
      "{} in={} q={} kv={} {} heads={}/{} R={} N={} D={} page={} {} {} list={} pos={} padding={} scales={}/{}{} "
      "settled={} tokens={} padded=[{}] valid={} one_row={} layers={} shift={} seed={}",
      calls[static_cast<int>(call)], name(in), name(q), name(kv), name(style), query_heads, kv_heads, rope_dim,
      nope_dim, dim_v, page, layout == RopeAppendArgs::Layout::nhd ? "nhd" : "hnd", by_slot ? "slots" : "batch_pos",
      name(list), name(pos), name(padding), scale_q, scale_kv, scales_in_memory ? " in memory" : "", settled, tokens,
      fmt::join(padded, ","), valid, one_row, layers, shift, seed);
}

RopeRun::RopeRun(Context& context, const RopeCase& c, const ForbidFunction& forbid)
    : context_(context), c_(c), random_(c.seed) {
  make_places();
  make_table();
  make_inputs();
  make_outputs();
  make_args();
  expect();
  for (const auto& m : memories_) m->buffer = DeviceBuffer(context, m->image, m->name.c_str());
  // Addresses are known only now: tensors were made with offsets in place of them.
  make_args();
  if (forbid) forbid_rest(forbid);
}

bool RopeRun::is_padding(std::int64_t token) const {
  if (c_.call == RopeCase::Call::quantize) return false;
  return std::count(c_.padded.begin(), c_.padded.end(), token) != 0 || (c_.valid >= 0 && token >= c_.valid);
}

// ---- places

void RopeRun::make_places() {
  page_count_ = ceil_div(std::max<std::int64_t>(c_.tokens, 1), c_.page) + 3;
  std::vector<std::int64_t> cells(static_cast<std::size_t>(page_count_ * c_.page));
  std::iota(cells.begin(), cells.end(), 0);
  std::shuffle(cells.begin(), cells.end(), random_);
  for (std::int64_t t = 0; t < c_.tokens; ++t) {
    std::int64_t cell = c_.call == RopeCase::Call::quantize ? t : cells[static_cast<std::size_t>(t)];
    std::int64_t page = c_.call == RopeCase::Call::quantize ? t : cell / c_.page;
    places_.push_back({is_padding(t), page, c_.call == RopeCase::Call::quantize ? 0 : cell % c_.page});
    positions_.push_back(static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(table_rows_)));
  }
  if (c_.tokens > 0) positions_[0] = table_rows_ - 1;  // nothing may be read past the last row
}

Tensor RopeRun::list(const char* name, Elem e, const std::vector<std::int64_t>& values, const std::vector<bool>& read) {
  auto m = add(name, values.size() * static_cast<std::size_t>(bytes(e)), false);
  Image image = integers(e, values);
  std::copy(image.begin(), image.end(), m->image.begin() + rope_guard);
  for (std::size_t i = 0; i < values.size(); ++i)
    if (read.empty() || read[i])
      std::fill_n(m->read.begin() + static_cast<std::ptrdiff_t>(rope_guard + i * static_cast<std::size_t>(bytes(e))),
                  bytes(e), true);
  std::byte* at = m->buffer.data() == nullptr ? nullptr : m->buffer.data() + rope_guard;
  return Tensor(at, e, {static_cast<std::int64_t>(values.size())});
}

// ---- memories

std::shared_ptr<RopeRun::Memory> RopeRun::add(std::string name, std::size_t bytes, bool output) {
  for (const auto& m : memories_)
    if (m->name == name) return m;
  auto m = std::make_shared<Memory>();
  m->name = std::move(name), m->output = output;
  m->image.resize(bytes + 2 * rope_guard);
  m->read.assign(m->image.size(), output);
  for (std::byte& b : m->image) b = output ? static_cast<std::byte>(random_()) : std::byte{0xff};
  memories_.push_back(m);
  return m;
}

RopeRun::Walk RopeRun::Walk::part(std::int64_t first, std::int64_t count) const {
  Walk w = *this;
  w.offset += first, w.dim = count;
  return w;
}

RopeRun::Walk RopeRun::dense(const char* name, Elem e, std::int64_t heads, std::int64_t dim, bool output) {
  Walk w;
  w.elem = e, w.pages = c_.tokens, w.heads = heads, w.dim = dim;
  w.head_step = dim + c_.shift;
  w.page_step = w.head_step * heads + c_.shift;
  w.offset = static_cast<std::int64_t>(rope_guard) / bytes(e) + c_.shift;
  std::int64_t elements = c_.shift + w.page_step * c_.tokens;
  w.memory = add(name, static_cast<std::size_t>(elements * bytes(e)), output);
  w.memory->elem = e;
  return w;
}

/// `gap`: elements between two rows, of this cache alone.
RopeRun::Walk RopeRun::paged(const char* name, std::int64_t heads, std::int64_t dim, int gap) {
  bool nhd = c_.layout == RopeAppendArgs::Layout::nhd || c_.call == RopeCase::Call::append_mla;
  Walk w;
  w.elem = c_.kv, w.pages = page_count_, w.rows = c_.page, w.heads = heads, w.dim = dim;
  std::int64_t cell = dim + c_.shift + gap, inner = cell * (nhd ? heads : c_.page) + c_.shift,
               one_page = inner * (nhd ? c_.page : heads) + c_.shift;
  w.row_step = nhd ? inner : cell, w.head_step = nhd ? cell : inner;
  w.page_step = one_page * c_.layers;
  w.offset = static_cast<std::int64_t>(rope_guard) / bytes(c_.kv) + c_.shift + one_page * (c_.layers / 2);
  std::int64_t elements = c_.shift + page_count_ * w.page_step;
  w.memory = add(name, static_cast<std::size_t>(elements * bytes(c_.kv)), true);
  w.memory->elem = c_.kv;
  return w;
}

void RopeRun::make_inputs() {
  std::int64_t r = c_.rope_dim, n = c_.nope_dim;
  if (c_.one_row) {
    Walk q = dense("q", c_.in, c_.query_heads, r + n, false), k = dense("k", c_.in, c_.kv_heads, r + n, false);
    q_rope_.in = q.part(0, r), q_nope_.in = q.part(r, n);
    k_rope_.in = k.part(n, r), k_nope_.in = k.part(0, n);
  } else {
    q_rope_.in = dense("q_rope", c_.in, c_.query_heads, r, false);
    q_nope_.in = dense("q_nope", c_.in, c_.query_heads, n, false);
    k_rope_.in = dense("k_rope", c_.in, c_.kv_heads, r, false);
    k_nope_.in = dense("k_nope", c_.in, c_.kv_heads, n, false);
  }
  if (c_.dim_v > 0) v_.in = dense("v", c_.in, c_.kv_heads, c_.dim_v, false);
  fill_inputs();
}

void RopeRun::fill_inputs() {
  std::mt19937_64 random(c_.seed + 1);  // its own: the data must not depend on strides
  for (Side* s : {&q_rope_, &q_nope_, &k_rope_, &k_nope_, &v_})
    for (std::int64_t t = 0; s->in.memory && t < c_.tokens; ++t)
      for (std::int64_t h = 0; h < s->in.heads; ++h) {
        std::int64_t at = s->in.at(t, 0, h);
        for (std::int64_t d = 0; d < s->in.dim; ++d)
          reference::encode(c_.in, some_number(random),
                            &s->in.memory->image[static_cast<std::size_t>(at + d * bytes(c_.in))]);
        std::fill_n(s->in.memory->read.begin() + at, s->in.dim * bytes(c_.in), true);
      }
}

void RopeRun::make_outputs() {
  std::int64_t r = c_.rope_dim, n = c_.nope_dim;
  if (c_.one_row) {
    Walk q = dense("q_out", c_.q, c_.query_heads, r + n, true);
    q_rope_.out = q.part(0, r), q_nope_.out = q.part(r, n);
  } else {
    q_rope_.out = dense("q_rope_out", c_.q, c_.query_heads, r, true);
    q_nope_.out = dense("q_nope_out", c_.q, c_.query_heads, n, true);
  }
  if (c_.call == RopeCase::Call::quantize) {
    k_rope_.out = dense("k_rope_out", c_.kv, c_.kv_heads, r, true);
    k_nope_.out = dense("k_nope_out", c_.kv, c_.kv_heads, n, true);
    if (c_.dim_v > 0) v_.out = dense("v_out", c_.kv, c_.kv_heads, c_.dim_v, true);
  } else if (c_.call == RopeCase::Call::append) {
    Walk k = paged("k_cache", c_.kv_heads, r + n, 0);
    k_rope_.out = k.part(0, r), k_nope_.out = k.part(r, n);
    v_.out = paged("v_cache", c_.kv_heads, c_.dim_v, 16);
  } else if (c_.one_row) {
    Walk row = paged("mla_cache", 1, r + n, 0);
    k_nope_.out = row.part(0, n), k_rope_.out = row.part(n, r);
  } else {
    k_nope_.out = paged("ckv_cache", 1, n, 0);
    k_rope_.out = paged("kpe_cache", 1, r, 16);
  }
}

void RopeRun::make_table() {
  for (std::int64_t i = 0; i < table_rows_ * c_.rope_dim; ++i)
    table_.push_back(static_cast<float>(std::uniform_real_distribution<double>(-1, 1)(random_)));
}

// ---- what must come out

void RopeRun::expect_part(const Side& side, bool rotated, bool query, float scale) {
  if (!side.in.memory || side.in.dim == 0) return;
  reference::Rope r;
  r.from = c_.in, r.to = side.out.elem;
  r.heads = side.in.heads, r.dim = side.in.dim;
  r.in = side.in.memory->image.data() + side.in.at(0, 0, 0);
  r.in_token = side.in.page_step, r.in_head = side.in.head_step;
  r.out = side.out.memory->expected.data() + side.out.at(0, 0, 0);
  r.out_page = side.out.page_step, r.out_row = side.out.row_step, r.out_head = side.out.head_step;
  r.places = places_;
  for (std::size_t t = 0; query && t < places_.size(); ++t)
    r.places[t].page = static_cast<std::int64_t>(t), r.places[t].row = 0;
  r.rotated = rotated, r.neox = c_.style == rope::Style::neox;
  r.table = table_.data(), r.table_row = c_.rope_dim, r.positions = positions_;
  r.scale = scale;
  r.zero_padding = query && c_.padding == rope::Padding::zero_row;
  reference::rope(r);
}

void RopeRun::expect() {
  for (const auto& m : memories_) m->expected = m->image;
  expect_part(q_rope_, true, true, c_.scale_q);
  expect_part(q_nope_, false, true, c_.scale_q);
  expect_part(k_rope_, true, false, c_.scale_kv);
  expect_part(k_nope_, false, false, c_.scale_kv);
  if (c_.dim_v > 0) expect_part(v_, false, false, c_.scale_kv);
}

void RopeRun::reset_outputs() {
  for (const auto& m : memories_)
    if (m->output) m->buffer.write(m->image);
  context_.synchronise();  // a stream of the caller's own does not wait for these copies
}

void RopeRun::launch(Stream stream) {
  if (c_.call == RopeCase::Call::quantize) return context_.rope_quantize(quantize_, stream);
  if (c_.call == RopeCase::Call::append) return context_.rope_append(append_, stream);
  context_.rope_append_mla(mla_, stream);
}

void RopeRun::prepare() {
  if (c_.call == RopeCase::Call::quantize) return context_.prepare(quantize_);
  if (c_.call == RopeCase::Call::append) return context_.prepare(append_);
  context_.prepare(mla_);
}

std::string RopeRun::check(Stream stream) {
  reset_outputs();
  launch(stream);
  context_.synchronise(stream);
  return compare();
}

std::string RopeRun::compare() const {
  for (const auto& m : memories_) {
    if (!m->output) continue;
    Image is = m->buffer.read();
    auto size = static_cast<std::size_t>(bytes(m->elem));
    for (std::size_t i = 0; i + size <= is.size(); i += size) {
      if (std::equal(&is[i], &is[i] + size, &m->expected[i])) continue;
      // A NaN that was calculated may have any payload; one that was left as it was may not.
      bool written = !std::equal(&m->image[i], &m->image[i] + size, &m->expected[i]);
      if (written && size > 1 && reference::is_nan(m->elem, &is[i]) && reference::is_nan(m->elem, &m->expected[i]))
        continue;
      return fmt::format("{}: byte {} is {}, expected {} (before: {})", m->name,
                         static_cast<std::ptrdiff_t>(i - rope_guard), hex(&is[i], size), hex(&m->expected[i], size),
                         hex(&m->image[i], size));
    }
  }
  return "";
}

Image RopeRun::rows() const {
  Image all;
  for (const Side* s : {&q_rope_, &q_nope_, &k_rope_, &k_nope_, &v_}) {
    if (!s->out.memory) continue;
    bool query = s == &q_rope_ || s == &q_nope_;
    Image is = s->out.memory->buffer.read();
    for (std::size_t t = 0; t < places_.size(); ++t)
      for (std::int64_t h = 0; h < s->out.heads && !places_[t].padding; ++h) {
        auto at = is.begin() + (query ? s->out.at(static_cast<std::int64_t>(t), 0, h)
                                      : s->out.at(places_[t].page, places_[t].row, h));
        all.insert(all.end(), at, at + s->out.dim * bytes(s->out.elem));
      }
  }
  return all;
}

void RopeRun::take_inputs(const RopeRun& other) {
  for (std::size_t i = 0; i < memories_.size(); ++i) {
    Memory& mine = *memories_[i];
    const Memory& theirs = *other.memories_[i];
    if (!mine.output) mine.buffer.write(theirs.image);
    mine.image = theirs.image, mine.expected = theirs.expected;
  }
}

std::string run_rope(Context& context, const RopeCase& c, const ForbidFunction& forbid) {
  std::string problem = RopeRun(context, c, forbid).check();
  return problem.empty() ? "" : problem + "\n  case: " + c.text();
}

}  // namespace pagejit::tests
