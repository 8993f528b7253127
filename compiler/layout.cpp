#include "compiler/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "runtime/base/error.h"

namespace pagejit {
namespace {

bool power_of_two(int n) {
  return n > 0 && (n & (n - 1)) == 0;
}
int log2(int n) {
  return std::countr_zero(static_cast<unsigned>(n));
}

Coords& operator^=(Coords& a, const Coords& b) {
  for (std::size_t d = 0; d < a.size(); ++d) a[d] ^= b[d];
  return a;
}

std::string list(std::span<const int> values) {
  return fmt::format("[{}]", fmt::join(values, ", "));
}

void check_dims(const char* what, const Layout::Dims& dims, std::size_t rank) {
  bool ok = dims.size() == rank && rank >= 1 && rank <= std::tuple_size_v<Coords>;
  for (int n : dims) ok &= power_of_two(n);
  if (!ok)
    fail(Code::internal, fmt::format("a layout's {} is {}; expected {} powers of two", what, list(dims), rank),
         {{"most dimensions", fmt::format("{}", std::tuple_size_v<Coords>)}});
}

int product(const Layout::Dims& dims) {
  int n = 1;
  for (int d : dims) n *= d;
  return n;
}

/// Hands out bases: the next bit along a dim stands twice as far on as the one before, and nowhere past the tile's end.
class Filler {
 public:
  explicit Filler(const Layout::Dims& shape) : shape_(shape), next_(shape.size(), 1) {}

  bool full(int dim) const { return next_[index(dim)] >= shape_[index(dim)]; }
  Coords take(int dim) {
    Coords basis{};
    if (full(dim)) return basis;
    basis[index(dim)] = next_[index(dim)];
    next_[index(dim)] *= 2;
    return basis;
  }
  /// Bits for `count` slots along `dim`; those past the end make copies, or are left out.
  void spread(std::vector<Coords>& bases, int dim, int count, bool copies) {
    for (int i = 0; i < log2(count); ++i)
      if (copies || !full(dim)) bases.push_back(take(dim));
  }

 private:
  static std::size_t index(int dim) { return static_cast<std::size_t>(dim); }
  Layout::Dims shape_, next_;
};

}  // namespace

Layout Layout::of(const Dims& shape, std::vector<Coords> reg, std::vector<Coords> lane, std::vector<Coords> warp) {
  check_dims("shape", shape, shape.size());
  if (lane.size() != 5) fail(Code::internal, fmt::format("a layout with {} lane bits; a warp has 5", lane.size()));
  Layout l;
  l.shape_ = shape;
  l.reg_ = std::move(reg), l.lane_ = std::move(lane), l.warp_ = std::move(warp);
  for (const auto* bases : {&l.reg_, &l.lane_, &l.warp_})
    for (const Coords& c : *bases)
      for (std::size_t d = 0; d < c.size(); ++d)
        if (c[d] < 0 || c[d] >= (d < shape.size() ? shape[d] : 1))
          fail(Code::internal, "a layout's basis lies outside its tile", {{"layout", l.text()}});
  return l;
}

Layout Layout::blocked(const Dims& shape, const Dims& vec, const Dims& lanes, const Dims& warps, const Dims& order) {
  check_dims("shape", shape, shape.size());
  check_dims("vec", vec, shape.size());
  check_dims("lanes", lanes, shape.size());
  check_dims("warps", warps, shape.size());
  std::vector<bool> seen(shape.size());
  for (int d : order)
    if (d >= 0 && d < static_cast<int>(shape.size())) seen[static_cast<std::size_t>(d)] = true;
  if (order.size() != shape.size() || std::count(seen.begin(), seen.end(), false) != 0)
    fail(Code::internal,
         fmt::format("a layout's order is {}; expected each of {} dims once", list(order), shape.size()));
  if (product(lanes) != 32)
    fail(Code::internal, fmt::format("a layout spreads lanes as {}; their product must be 32", list(lanes)));

  Filler fill(shape);
  std::vector<Coords> reg, lane, warp;
  for (int d : order) fill.spread(reg, d, vec[static_cast<std::size_t>(d)], false);
  for (int d : order) fill.spread(lane, d, lanes[static_cast<std::size_t>(d)], true);
  for (int d : order) fill.spread(warp, d, warps[static_cast<std::size_t>(d)], true);
  for (int d : order)
    while (!fill.full(d)) reg.push_back(fill.take(d));
  return of(shape, std::move(reg), std::move(lane), std::move(warp));
}

Layout Layout::linear(int elements, int vec, int warps) {
  return blocked({elements}, {vec}, {32}, {warps}, {0});
}

int Layout::elements() const {
  return product(shape_);
}

Coords Layout::apply(int reg, int lane, int warp) const {
  Coords at{};
  auto add = [&](const std::vector<Coords>& bases, int bits) {
    for (std::size_t i = 0; i < bases.size(); ++i)
      if (bits >> i & 1) at ^= bases[i];
  };
  add(reg_, reg);
  add(lane_, lane);
  add(warp_, warp);
  return at;
}

std::uint64_t Layout::flat(const Coords& at) const {
  std::uint64_t bits = 0;
  for (std::size_t d = 0; d < shape_.size(); ++d) bits = bits << log2(shape_[d]) | static_cast<std::uint64_t>(at[d]);
  return bits;
}

Coords Layout::unflat(std::uint64_t bits) const {
  Coords at{};
  for (std::size_t d = shape_.size(); d-- > 0; bits >>= log2(shape_[d]))
    at[d] = static_cast<int>(bits) & (shape_[d] - 1);
  return at;
}

Gf2Span Layout::span() const {
  Gf2Span s;
  for (const auto* bases : {&reg_, &lane_, &warp_})
    for (const Coords& c : *bases) s.add(flat(c));
  return s;
}

Slot Layout::slot(std::uint64_t sum) const {
  int reg = static_cast<int>(sum) & (registers() - 1);
  return {reg, static_cast<int>(sum >> reg_.size()) & 31, static_cast<int>(sum >> (reg_.size() + 5))};
}

std::optional<Slot> Layout::solve(const Coords& at) const {
  auto sum = span().solve(flat(at));
  return sum ? std::optional(slot(*sum)) : std::nullopt;
}

bool Layout::injective() const {
  return span().relations().empty();
}
bool Layout::surjective() const {
  return 1 << span().rank() == elements();
}

Slot Layout::free_bits() const {
  Gf2Span all = span();
  std::uint64_t free = 0;
  for (std::uint64_t relation : all.relations()) free |= std::bit_floor(relation);
  return slot(free);
}

int Layout::contiguous(int dim) const {
  int bit = 0;
  for (; bit < static_cast<int>(reg_.size()); ++bit) {
    Coords step{};
    step[static_cast<std::size_t>(dim)] = 1 << bit;
    if (reg_basis(bit) != step) break;
  }
  return 1 << bit;
}

Layout Layout::slice(int dim) const {
  Layout l = *this;
  std::size_t d = static_cast<std::size_t>(dim);
  l.shape_[d] = 1;
  for (auto* bases : {&l.reg_, &l.lane_, &l.warp_})
    for (Coords& c : *bases) c[d] = 0;
  return l;
}

Layout Layout::with_register_bits(std::span<const int> order) const {
  Layout l = *this;
  l.reg_.clear();
  for (int bit : order) l.reg_.push_back(reg_basis(bit));
  return l;
}

Layout Layout::permuted(std::span<const int> order) const {
  Layout l = *this;
  for (std::size_t i = 0; i < order.size(); ++i) l.shape_[i] = shape_[static_cast<std::size_t>(order[i])];
  auto permute = [&](std::vector<Coords>& bases, const std::vector<Coords>& old) {
    for (std::size_t b = 0; b < bases.size(); ++b)
      for (std::size_t i = 0; i < order.size(); ++i) bases[b][i] = old[b][static_cast<std::size_t>(order[i])];
  };
  permute(l.reg_, reg_);
  permute(l.lane_, lane_);
  permute(l.warp_, warp_);
  return l;
}

std::string Layout::text() const {
  std::string text = list(shape_);
  auto add = [&](const char* name, const std::vector<Coords>& bases) {
    text += fmt::format(" {}", name);
    for (const Coords& c : bases) text += fmt::format(" ({})", fmt::join(c.begin(), c.begin() + rank(), ","));
  };
  add("reg", reg_);
  add("lane", lane_);
  add("warp", warp_);
  return text;
}

}  // namespace pagejit
