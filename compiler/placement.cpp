#include "compiler/placement.h"

#include <algorithm>
#include <bit>

namespace pagejit {
namespace {

using Vectors = std::vector<std::uint64_t>;

int log2(int n) {
  return std::countr_zero(static_cast<unsigned>(n));
}

Gf2Span span_of(const Vectors& vectors) {
  Gf2Span s;
  for (std::uint64_t v : vectors) s.add(v);
  return s;
}

/// The vectors of `from` that stay independent when added to `base` one after the other.
Vectors extending(Gf2Span base, const Vectors& from) {
  Vectors kept;
  for (std::uint64_t v : from)
    if (base.add(v)) kept.push_back(v);
  return kept;
}

Vectors operator+(Vectors a, const Vectors& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// What lies both in the span of `a` and in that of `b`, but for `base`: independent vectors.
Vectors common(const Vectors& base, const Vectors& a, const Vectors& b) {
  Vectors all = base + a + b;
  Vectors sums;
  Gf2Span span = span_of(all);
  for (std::uint64_t relation : span.relations()) {
    std::uint64_t sum = 0;
    for (std::size_t i = base.size() + a.size(); i < all.size(); ++i)
      if (relation >> i & 1) sum ^= all[i];
    sums.push_back(sum);
  }
  return extending(span_of(base), sums);
}

Vectors units(int bits) {
  Vectors v;
  for (int i = 0; i < bits; ++i) v.push_back(std::uint64_t{1} << i);
  return v;
}

/// What the lanes of one pass over the banks add to the place of their vectors.
Vectors lanes_of_a_pass(const Layout& l, int vector_bytes) {
  int bits = std::min(5, log2(128 / std::max(4, vector_bytes)));
  Vectors v;
  for (int i = 0; i < bits; ++i) v.push_back(l.flat(l.lane_basis(i)));
  return v;
}

/// Splits all but `vector` into bits of the bank and the rest, so that no two lanes of a pass share a bank and differ
/// in the rest: the rest meets neither side's lanes. Writes w and reads u that differ on the two sides give w + u to
/// the rest.
struct Banks {
  Vectors bank, rest;
};

Banks split(const Vectors& vector, const Vectors& write, const Vectors& read, int all_bits, int bank_bits) {
  Gf2Span base = span_of(vector);
  Vectors both = common(vector, extending(base, write), extending(base, read));
  Gf2Span shared = span_of(vector + both);
  Vectors w = extending(shared, write), u = extending(shared, read);
  if (w.size() < u.size()) std::swap(w, u);
  Vectors pairs;
  for (std::size_t i = 0; i < u.size(); ++i) pairs.push_back(w[i] ^ u[i]);
  Vectors others = extending(span_of(vector + both + w + u), units(all_bits));
  Vectors ordered = both + w + others + pairs;
  auto end = ordered.begin() + std::min<std::ptrdiff_t>(bank_bits, std::ssize(ordered));
  return {Vectors(ordered.begin(), end), Vectors(end, ordered.end())};
}

/// Register bits that are in both layouts, as vectors; at most `most`.
Vectors common_registers(const Layout& a, const Layout& b, int most) {
  Vectors v;
  for (const Coords& c : a.reg_bases()) {
    bool in_both = a.flat(c) != 0 && std::find(b.reg_bases().begin(), b.reg_bases().end(), c) != b.reg_bases().end();
    if (in_both && static_cast<int>(v.size()) < most) v.push_back(a.flat(c));
  }
  return extending({}, v);
}

/// The register bits of `l`, those of `vector` first and in its order, without those that add nothing.
std::vector<int> ordered_bits(const Layout& l, const Vectors& vector, int free) {
  std::vector<int> first(vector.size()), others;
  std::vector<bool> found(vector.size());
  for (int i = 0; (1 << i) < l.registers(); ++i) {
    auto at =
        static_cast<std::size_t>(std::find(vector.begin(), vector.end(), l.flat(l.reg_basis(i))) - vector.begin());
    if (free >> i & 1) continue;
    if (at < vector.size() && !found[at])
      first[at] = i, found[at] = true;
    else
      others.push_back(i);
  }
  first.insert(first.end(), others.begin(), others.end());
  return first;
}

int zero_register_bits(const Layout& l) {
  int bits = 0;
  for (int i = 0; (1 << i) < l.registers(); ++i)
    if (l.reg_basis(i) == Coords{}) bits |= 1 << i;
  return bits;
}

}  // namespace

Placement Placement::row_major(const Layout::Dims& shape) {
  int elements = 1;
  for (int n : shape) elements *= n;
  return Placement(shape, units(log2(elements)));
}

Placement Placement::swizzled(int rows, int columns, int elem_bytes) {
  Placement p = row_major({rows, columns});
  int piece = std::max(1, 16 / elem_bytes), pieces = std::min(8, columns / piece);
  int rows_in_line = std::max(1, 128 / (columns * elem_bytes));  // rows that lie side by side in the banks
  for (int i = 0; (1 << i) < pieces; ++i) {
    std::size_t row_bit = static_cast<std::size_t>(log2(columns) + log2(rows_in_line) + i);
    if (row_bit < p.bits_.size()) p.bits_[row_bit] ^= static_cast<std::uint64_t>(piece) << i;
  }
  return p;
}

int Placement::offset(const Coords& at) const {
  std::uint64_t flat = 0, offset = 0;
  for (std::size_t d = 0; d < shape_.size(); ++d) flat = flat << log2(shape_[d]) | static_cast<std::uint64_t>(at[d]);
  for (std::size_t i = 0; i < bits_.size(); ++i)
    if (flat >> i & 1) offset ^= bits_[i];
  return static_cast<int>(offset);
}

Layout Placement::of(const Layout& layout) const {
  auto placed = [&](std::span<const Coords> bases) {
    std::vector<Coords> offsets;
    for (const Coords& c : bases) offsets.push_back({offset(c)});
    return offsets;
  };
  return Layout::of({elements()}, placed(layout.reg_bases()), placed(layout.lane_bases()), placed(layout.warp_bases()));
}

namespace {

/// The exchange with at most `most` bits in a vector.
Exchange exchange_with(const Layout& writer, const Layout& reader, int elem_bytes, int most) {
  Layout::Dims shape(writer.shape().begin(), writer.shape().end());
  int all_bits = log2(writer.elements());
  Vectors vector = common_registers(writer, reader, most);
  int bytes = elem_bytes << vector.size();
  Vectors write = lanes_of_a_pass(writer, bytes), read = lanes_of_a_pass(reader, bytes);
  Banks banks = split(vector, write, read, all_bits, std::min(5, log2(128 / std::max(4, bytes))));
  // Elements that share a 4-byte word never conflict: what meets no lane goes there first.
  auto word = banks.rest.begin() + std::min<std::ptrdiff_t>(log2(std::max(1, 4 / bytes)), std::ssize(banks.rest));
  Gf2Span basis = span_of(vector + Vectors(banks.rest.begin(), word) + banks.bank + Vectors(word, banks.rest.end()));
  Vectors bits;
  for (std::uint64_t unit : units(all_bits)) bits.push_back(basis.solve(unit).value());
  return {Placement(shape, std::move(bits)), ordered_bits(writer, vector, writer.free_bits().reg),
          ordered_bits(reader, vector, zero_register_bits(reader)), 1 << vector.size()};
}

/// Whether every vector of `l` begins at a multiple of its length.
bool aligned(const Exchange& x, const Layout& l, const std::vector<int>& bits) {
  Layout placed = x.placement.of(l.with_register_bits(bits));
  int others = 0;
  for (std::size_t i = 0; i < bits.size(); ++i)
    if (1 << i >= x.vector) others |= placed.reg_basis(static_cast<int>(i))[0];
  for (auto bases : {placed.lane_bases(), placed.warp_bases()})
    for (const Coords& c : bases) others |= c[0];
  return (others & (x.vector - 1)) == 0;
}

}  // namespace

Exchange plan_exchange(const Layout& writer, const Layout& reader, int elem_bytes) {
  for (int most = log2(std::max(1, 16 / elem_bytes));; --most) {
    Exchange x = exchange_with(writer, reader, elem_bytes, most);
    // Layouts that mix vectors with lanes can order a vector's elements otherwise in each lane: then shorter ones.
    if (most == 0 || (aligned(x, writer, x.write_bits) && aligned(x, reader, x.read_bits))) return x;
  }
}

}  // namespace pagejit
