#include "tests/kernels/append_case.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "tests/reference/numbers.h"

namespace pagejit::tests {
namespace {

using Call = AppendCase::Call;
constexpr std::int64_t guard = 64;  // bytes on both sides of everything

std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

template <class E>
std::string_view name(E e) {
  for (const auto& [value, text] : enum_names(e))
    if (value == e) return text;
  return "?";
}

Image noise(std::int64_t bytes, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Image image(static_cast<std::size_t>(bytes));
  for (std::byte& b : image) b = static_cast<std::byte>(random());
  return image;
}

/// Metadata may differ where they hang on the order of a sum, or in a NaN's bits.
bool same_number(Elem e, const std::byte* is, const std::byte* expected, bool exact) {
  double a = reference::decode(e, is), b = reference::decode(e, expected);
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  double step = e == Elem::f32 ? 1e-6 : e == Elem::f16 ? std::ldexp(1, -10) : std::ldexp(1, -7);
  // Turbo's second number is a norm of small differences of numbers up to 1, which round at 1e-7.
  return a == b ? std::signbit(a) == std::signbit(b) : !exact && std::fabs(a - b) <= step * std::fabs(b) + 1e-7;
}

Image scale_image(const std::vector<float>& scales) {
  Image image(scales.size() * sizeof(float));
  std::memcpy(image.data(), scales.data(), image.size());
  return image;
}

}  // namespace

std::string AppendCase::text() const {
  static constexpr const char* calls[] = {"fill",      "append", "reshape", "fill656", "mla_split",
                                          "mla_joint", "concat", "row656",  "indexer"};
  std::string batch;
  for (const Sequence& s : sequences) batch += fmt::format(" {}+{}", s.history, s.length);
  return fmt::format(
      "{} quant={} in={} stored={} meta={} heads={} dim_k={} dim_v={} page={} {} rule={} pow2={} a_head={} table={} "
      "lengths={} starts={} skip={} spare={} valid={} awkward={} layers={} shift={} seed={} [{}]",
      calls[static_cast<int>(call)], name(quant), name(in), name(stored), name(meta), heads, dim_k, dim_v, page,
      layout == CacheLayout::nhd ? "nhd" : "hnd", name(rule), power_of_two, scale_a_head, name(table), name(lengths),
      name(starts), skip_each, spare, valid, numbers == Numbers::awkward, layers, shift, seed, batch);
}

AppendRun::AppendRun(Context& context, const AppendCase& c, const PoisonFunction& poison) : context_(context), c_(c) {
  std::mt19937_64 random(c.seed);
  if (c.call >= Call::mla_split) c_.heads = 1;
  if (c.call == Call::indexer) c_.dim_v = 0, c_.quant = Quant::fp8_group;
  if (rows_656()) c_.dim_k = 512, c_.dim_v = 64, c_.quant = Quant::fp8_group;
  side_k_.dim = c_.dim_k, side_v_.dim = c_.dim_v;
  side_k_.quant = c_.quant;
  side_v_.quant = c_.quant == Quant::turbo4 ? Quant::turbo2 : rows_656() ? Quant::none : c_.quant;
  for (Side* side : {&side_k_, &side_v_})
    side->stored = side->quant == Quant::none        ? (rows_656() ? c_.in : c_.stored)
                   : side->quant == Quant::fp8       ? c_.stored
                   : side->quant == Quant::fp8_group ? Elem::e4m3
                                                     : Elem::u8;
  place_tokens(random);
  make_input(side_k_, random);
  if (two_sides()) make_input(side_v_, random);
  make_caches();
  make_expected();
  make_args();
  if (poison) poison_inputs(poison);
}

void AppendRun::place_tokens(std::mt19937_64& random) {
  for (const auto& s : c_.sequences) page_count_ += ceil_div(std::max<std::int64_t>(0, s.history + s.length), c_.page);
  page_count_ += 2;  // two that nobody owns
  std::vector<std::int64_t> ids(static_cast<std::size_t>(page_count_));
  std::iota(ids.begin(), ids.end(), 0);
  std::shuffle(ids.begin(), ids.end(), random);
  auto next = ids.begin();
  for (const auto& s : c_.sequences) {
    auto count = ceil_div(std::max<std::int64_t>(0, s.history + s.length), c_.page);
    columns_ = std::max(columns_, count);
    pages_.emplace_back(next, next + count);
    next += count;
  }
  columns_ += 3;
  place_ragged(random);
}

void AppendRun::place_ragged(std::mt19937_64& random) {
  std::vector<std::size_t> turn(c_.sequences.size());
  std::iota(turn.begin(), turn.end(), std::size_t{0});
  bool free_order = ragged() && c_.starts == append::Starts::given;
  if (free_order) std::shuffle(turn.begin(), turn.end(), random);
  starts_.resize(turn.size());
  for (std::size_t b : turn) {
    if (free_order) tokens_ += static_cast<std::int64_t>(random() % 3);  // rows that nobody owns
    starts_[b] = tokens_;
    tokens_ += c_.sequences[b].length;
  }
  places_.resize(static_cast<std::size_t>(tokens_ + c_.spare));
  input_rows_ = tokens_ + c_.spare;
  owner_.assign(static_cast<std::size_t>(tokens_), -1), position_.assign(static_cast<std::size_t>(tokens_), -7);
  for (std::size_t b = 0; b < starts_.size(); ++b)
    for (std::int64_t i = 0; i < c_.sequences[b].length; ++i) {
      std::int64_t token = starts_[b] + i, position = c_.sequences[b].history + i;
      auto t = static_cast<std::size_t>(token);
      owner_[t] = static_cast<std::int64_t>(b), position_[t] = position;
      if (!ragged() && c_.skip_each > 0 && token % c_.skip_each == 0)
        (random() % 2 ? owner_ : position_)[t] = -static_cast<std::int64_t>(1 + random() % 9);
      bool counts = c_.valid < 0 || token < c_.valid;
      if (owner_[t] < 0 || position_[t] < 0 || !counts) continue;
      places_[t] = {pages_[b][static_cast<std::size_t>(position / c_.page)], position % c_.page};
    }
}

void AppendRun::fill_row(std::byte* at, std::int64_t dim, std::mt19937_64& random) const {
  int kind = c_.numbers == AppendCase::Numbers::usual ? 0 : static_cast<int>(random() % 10);
  bool halves = c_.quant >= Quant::turbo4 && c_.in != Elem::f32;  // sums of these are exact, whatever their order
  double inf = std::numeric_limits<double>::infinity(), constant = std::ldexp(static_cast<double>(random() % 100), -3);
  double offset = kind == 3 ? 1000 : 0, size = std::ldexp(1, kind == 4 ? -140 : kind == 5 ? 100 : kind == 6 ? 8 : 0);
  bool raw = c_.quant == Quant::none && c_.stored == c_.in;  // any bits at all are copied
  for (std::int64_t i = 0; i < dim; ++i, at += bytes(c_.in)) {
    double u = static_cast<double>(random() >> 11) * 0x1p-53 * 2 - 1;
    double x = halves ? std::nearbyint(u * 64) / 64 : (u + (kind == 6 ? 0 : u * u * u)) * size + offset;
    if (raw) {
      std::uint64_t bits = random();
      std::memcpy(at, &bits, static_cast<std::size_t>(bytes(c_.in)));
      continue;
    }
    if (kind == 1) x = constant;
    if (kind == 2) x = random() % 2 ? 0.0 : -0.0;
    if (kind == 7 && random() % 8 == 0) x = random() % 2 ? inf : -inf;
    if (kind == 8 && random() % 8 == 0) x = std::nan("");
    if (kind == 9 && random() % 4 == 0) x = 0;
    reference::encode(c_.in, x, at);
  }
}

void AppendRun::make_input(Side& s, std::mt19937_64& random) {
  std::int64_t cell = s.dim + c_.shift, size = bytes(c_.in);
  s.in_head = cell * size, s.in_token = (cell * c_.heads + c_.shift) * size;
  s.in_offset = guard + c_.shift * size;
  s.in = noise(s.in_offset + s.in_token * input_rows_ + guard, random());
  for (std::int64_t t = 0; t < input_rows_; ++t)
    for (std::int64_t h = 0; h < c_.heads; ++h)
      fill_row(s.in.data() + s.in_offset + t * s.in_token + h * s.in_head, s.dim, random);
  s.in_buffer = DeviceBuffer(context_, s.in, &s == &side_k_ ? "k" : "v");
  if (s.quant != Quant::fp8) return;
  if (c_.call == Call::concat && &s == &side_v_) {
    s.scales = side_k_.scales;
    return;
  }
  bool one = !c_.scale_a_head || c_.call == Call::concat;
  s.scales.resize(one ? 1 : static_cast<std::size_t>(c_.heads));
  for (float& scale : s.scales) scale = static_cast<float>(0.01 + static_cast<double>(random() % 1000) / 300);
  s.scale_buffer = DeviceBuffer(context_, scale_image(s.scales), "scale");
}

/// A cache of its own: `row_elements` of each head, pages of all layers behind one another.
AppendRun::Place AppendRun::make_cache(const char* name, std::int64_t row_elements, Elem elem, int must_align) {
  bool nhd = c_.layout == CacheLayout::nhd;
  std::int64_t shift = c_.shift * must_align, cell = row_elements + shift;
  std::int64_t inner = cell * (nhd ? c_.heads : c_.page) + shift, page = inner * (nhd ? c_.page : c_.heads) + shift;
  std::int64_t size = bytes(elem), offset = guard + (shift + page * (c_.layers / 2)) * size;
  Place p{static_cast<int>(stores_.size()), offset,      page * c_.layers * size, (nhd ? inner : cell) * size,
          (nhd ? cell : inner) * size,      row_elements};
  Store s;
  s.name = name;
  s.before = noise(offset + page_count_ * p.page + guard, c_.seed + stores_.size() + 1);
  s.loose.resize(s.before.size());
  stores_.push_back(std::move(s));
  return p;
}

void AppendRun::make_mla_caches() {
  auto part = [](Place whole, std::int64_t bytes_on) {
    whole.offset += bytes_on;
    return whole;
  };
  std::int64_t groups = metadata(Quant::fp8_group, c_.dim_k);
  switch (c_.call) {
    case Call::mla_split:
      side_k_.codes = make_cache("ckv_cache", c_.dim_k, c_.stored, 1);
      side_v_.codes = make_cache("kpe_cache", c_.dim_v, c_.stored, 1);
      break;
    case Call::fill656:
    case Call::row656:
      side_k_.codes = make_cache("kv_cache", 656, Elem::u8, 4);
      side_k_.metadata = part(side_k_.codes, 512);
      side_v_.codes = part(side_k_.codes, 528);
      break;
    case Call::indexer:
      side_k_.codes = make_cache("cache", c_.dim_k + 4 * groups, Elem::u8, 4);
      side_k_.codes.row = c_.dim_k;
      side_k_.metadata = part(side_k_.codes, c_.page * c_.dim_k);
      side_k_.metadata.row = 4 * groups;
      break;
    default:
      side_k_.codes = make_cache("kv_cache", c_.dim_k + c_.dim_v, c_.stored, 1);
      side_v_.codes = part(side_k_.codes, c_.dim_k * bytes(c_.stored));
  }
}

void AppendRun::make_caches() {
  // The indexer's pages are contiguous inside.
  if (c_.call == Call::indexer) c_.layout = CacheLayout::nhd;
  if (c_.call > Call::reshape) return make_mla_caches();
  for (Side* side : {&side_k_, &side_v_}) {
    if (side->dim == 0) continue;
    bool k = side == &side_k_;
    auto dim = static_cast<int>(side->dim);
    side->codes = make_cache(k ? "k_cache" : "v_cache", codes(side->quant, dim), side->stored, 1);
    if (metadata(side->quant, dim) > 0)
      side->metadata = make_cache(k ? "k_scales" : "v_scales", metadata(side->quant, dim),
                                  model_metadata(side->quant) ? c_.meta : Elem::f32, 1);
  }
}

reference::Append AppendRun::reference_for(Side& s) {
  reference::Append a;
  a.encode = {s.quant, c_.in, s.stored, c_.meta, c_.rule, c_.power_of_two, 1};
  a.heads = c_.heads, a.dim = s.dim;
  a.in = s.in.data() + s.in_offset, a.in_token = s.in_token, a.in_head = s.in_head;
  Store& codes = stores_[static_cast<std::size_t>(s.codes.store)];
  a.codes = codes.after.data() + s.codes.offset, a.loose = codes.loose.data() + s.codes.offset;
  a.page = s.codes.page, a.row = s.codes.row, a.head = s.codes.head;
  if (s.metadata.store >= 0) {
    a.metadata = stores_[static_cast<std::size_t>(s.metadata.store)].after.data() + s.metadata.offset;
    a.meta_page = s.metadata.page, a.meta_row = s.metadata.row, a.meta_head = s.metadata.head;
  }
  a.scales.assign(s.scales.begin(), s.scales.end());
  return a;
}

void AppendRun::make_expected() {
  for (Store& s : stores_) s.after = s.before;
  for (Side* side : {&side_k_, &side_v_}) {
    if (side->dim == 0) continue;
    reference::append(reference_for(*side), places_, [&](std::byte* at, Elem elem) {
      for (Store& s : stores_)
        if (at >= s.after.data() && at < s.after.data() + s.after.size())
          s.numbers[static_cast<std::size_t>(at - s.after.data())] = elem;
    });
  }
  for (Store& s : stores_) s.buffer = DeviceBuffer(context_, s.before, s.name.c_str());
}

void AppendRun::poison_inputs(const PoisonFunction& poison) {
  // Between the rows of the inputs, before and behind them. Rows of tokens without a place may be read; a ragged
  // batch has as many tokens as the inputs have rows, the others as many as their lists.
  for (Side* s : {&side_k_, &side_v_}) {
    if (s->dim == 0) continue;
    std::vector<bool> live(s->in.size());
    for (std::int64_t t = 0; t < (ragged() ? input_rows_ : tokens_); ++t)
      for (std::int64_t h = 0; h < c_.heads; ++h)
        std::fill_n(live.begin() + s->in_offset + t * s->in_token + h * s->in_head, s->dim * bytes(c_.in), true);
    for (std::size_t i = 0, end; i < live.size(); i = end) {
      for (end = i + 1; end < live.size() && live[end] == live[i];) ++end;
      if (!live[i]) poison(s->in_buffer.data() + i, end - i);
    }
  }
}

void AppendRun::launch(Stream stream) {
  std::visit(
      [&](const auto& a) {
        using A = std::decay_t<decltype(a)>;
        if constexpr (std::is_same_v<A, FillArgs>) context_.fill_kv_cache(a, stream);
        if constexpr (std::is_same_v<A, AppendArgs>) context_.append(a, stream);
        if constexpr (std::is_same_v<A, ReshapeAndCacheArgs>) context_.reshape_and_cache(a, stream);
        if constexpr (std::is_same_v<A, AppendMlaArgs>) context_.append_mla(a, stream);
        if constexpr (std::is_same_v<A, ConcatMlaArgs>) context_.concat_and_cache_mla(a, stream);
        if constexpr (std::is_same_v<A, IndexerArgs>) context_.indexer_quant_and_cache(a, stream);
      },
      args_);
}

void AppendRun::prepare() {
  std::visit([&](const auto& a) { context_.prepare(a); }, args_);
}
std::string AppendRun::spec_line() {
  return std::visit([&](const auto& a) { return context_.spec_line(a); }, args_);
}

void AppendRun::reset_caches() {
  for (Store& s : stores_) s.buffer.write(s.before);
  context_.synchronise();  // a stream of the caller's own does not wait for these copies
}

std::string AppendRun::check(Stream stream) {
  reset_caches();
  launch(stream);
  context_.synchronise(stream);
  return compare();
}

std::string AppendRun::compare() const {
  bool exact = c_.quant < Quant::turbo4;
  for (const Store& s : stores_) {
    Image is = s.buffer.read();
    for (std::size_t i = 0; i < is.size(); ++i) {
      auto number = s.numbers.find(i);
      if (number != s.numbers.end()) {
        Elem e = number->second;
        if (!same_number(e, &is[i], &s.after[i], exact))
          return fmt::format("{}: the number at byte {} is {}, expected {} (before: {})", s.name, i,
                             reference::decode(e, &is[i]), reference::decode(e, &s.after[i]),
                             reference::decode(e, &s.before[i]));
        i += static_cast<std::size_t>(bytes(e)) - 1;
      } else if (((is[i] ^ s.after[i]) & ~s.loose[i]) != std::byte{0}) {
        return fmt::format("{}: byte {} is {:02x}, expected {:02x} (before: {:02x})", s.name, i,
                           std::to_integer<int>(is[i]), std::to_integer<int>(s.after[i]),
                           std::to_integer<int>(s.before[i]));
      }
    }
  }
  for (const Side* side : {&side_k_, &side_v_})
    if (side->dim > 0 && side->in_buffer.read() != side->in) return "an input was written to";
  return "";
}

Image AppendRun::rows() const {
  Image all;
  for (const Side* side : {&side_k_, &side_v_}) {
    if (side->dim == 0) continue;
    auto take = [&](const Place& p, std::int64_t size) {
      if (p.store < 0) return;
      Image image = stores_[static_cast<std::size_t>(p.store)].buffer.read();
      for (const reference::Place& t : places_)
        for (std::int64_t h = 0; t.page >= 0 && h < c_.heads; ++h) {
          auto at = image.begin() + p.offset + t.page * p.page + t.row * p.row + h * p.head;
          all.insert(all.end(), at, at + size);
        }
    };
    auto dim = static_cast<int>(side->dim);
    take(side->codes, codes(side->quant, dim) * bytes(side->stored));
    take(side->metadata, metadata(side->quant, dim) * bytes(model_metadata(side->quant) ? c_.meta : Elem::f32));
  }
  return all;
}

void AppendRun::move_to(AppendRun& other) const {
  auto move_side = [](const Side& from, Side& to) {
    to.in = from.in;
    to.in_buffer.write(to.in);
    to.scales = from.scales;
    if (from.scale_buffer.size() > 0) to.scale_buffer.write(scale_image(from.scales));
  };
  move_side(side_k_, other.side_k_);
  if (two_sides()) move_side(side_v_, other.side_v_);
  for (const auto& [name, l] : lists_) other.lists_.at(name).buffer.write(l.image);
  for (std::size_t i = 0; i < stores_.size(); ++i) {
    Store& to = other.stores_[i];
    to.before = stores_[i].before, to.after = stores_[i].after;
    to.loose = stores_[i].loose, to.numbers = stores_[i].numbers;
  }
}

std::string run_append(Context& context, const AppendCase& c, const PoisonFunction& poison) {
  std::string problem = AppendRun(context, c, poison).check();
  return problem.empty() ? "" : problem + "\n  case: " + c.text();
}

}  // namespace pagejit::tests
