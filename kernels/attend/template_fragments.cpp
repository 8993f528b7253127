#include "kernels/attend/template_fragments.h"

#include <algorithm>

#include "compiler/convert.h"

namespace pagejit::attend {
namespace {

std::vector<CodeFormat> codes_of(const Spec& s, Elem stored) {
  switch (s.quant) {
    case Quant::fp8:
      return {stored == Elem::e4m3 ? CodeFormat::e4m3 : CodeFormat::e5m2};
    case Quant::int8:
      return {CodeFormat::u8};
    case Quant::int4:
      return {CodeFormat::low4, CodeFormat::high4};
    default:
      return {};
  }
}

/// Stretches of stored rows that are loaded together: 128 bytes, so that a column of shared memory can be counted from.
std::vector<Piece> loads_of(const CacheRows& rows, int most, int width) {
  std::vector<Piece> all;
  for (int i = 0; i < rows.pieces(); ++i) {
    const Piece& p = rows.piece(i);
    for (int at = 0; at < p.size && p.first + at < width; at += most)
      all.push_back({p.first + at, std::min(p.size, most)});
  }
  return all;
}

struct Place {
  const SharedTile& tile;
  int column;
};
Place place_of(const CacheRows& rows, const Piece& load) {
  int i = 0;
  while (rows.piece(i).first + rows.piece(i).size <= load.first) ++i;
  return {rows.tile(i), load.first - rows.piece(i).first};
}

/// The code that a product's element stands for, of `size`: words of four, their bytes 0 and 2 before 1 and 3, four
/// words of one thread side by side, a thread's next ones half a row of banks further on.
int code_of(int slot, int size) {
  constexpr int in_thread[][2] = {{1, 2}, {8, 1}, {16, 4}, {32, 8}, {64, 16}};
  int code = (slot & 2 ? size / 4 : 0) | (slot & 4 ? size / 2 : 0);
  for (const auto& [from, to] : in_thread)
    if (slot & from) code |= to;
  return code;
}

}  // namespace

std::vector<Piece> code_pieces(const Spec& s, int dim) {
  return pieces(0, codes(s.quant, dim));
}

KeyFragments::KeyFragments(Kernel& k, const Spec& s, const Products& products, const CacheRows& rows)
    : k_(k), s_(s), products_(products), rows_(rows), codes_(codes_of(s, s.k)) {
  int width = codes(s.quant, s.dim_k);
  loads_ = loads_of(rows, codes_.empty() ? 64 : 128, width);
  for (const Piece& load : loads_) {
    chunks_.push_back(load);
    // The second half of each byte is an element half a row further on.
    if (codes_.size() == 2) chunks_.push_back({load.first + width, load.size});
  }
}

KeyFragments::Words KeyFragments::words(int size) const {
  Layout of_keys = products_.others(size, s_.keys);
  auto of = [&](const Coords& c) { return Coords{c[1], code_of(c[0], size) / 4}; };
  auto all = [&](std::span<const Coords> bases) {
    std::vector<Coords> out;
    for (const Coords& c : bases) out.push_back(of(c));
    return out;
  };
  // A register's bits are: which code of a pair; which pair of a word; which word, neighbours first; which key.
  std::vector<Coords> reg;
  std::array<std::vector<int>, 2> bits;
  int half = 0;
  for (int i = 1; 1 << i < of_keys.registers(); ++i) {
    const Coords& c = of_keys.reg_basis(i);
    if (c[0] == 8)
      half = i;
    else
      bits[c[0] == 0].push_back(i);
  }
  for (const auto& group : bits)
    for (int i : group) reg.push_back(of(of_keys.reg_basis(i)));
  std::vector<std::array<int, 2>> source;
  for (int r = 0; r < of_keys.registers(); r += 2) {
    int word = 0, at = 0;
    for (const auto& group : bits)
      for (int i : group) word |= (r >> i & 1) << at++;
    source.push_back({word, r >> half & 1});
  }
  return {Layout::of({s_.keys, size / 4}, reg, all(of_keys.lane_bases()), all(of_keys.warp_bases())), source};
}

void KeyFragments::each(const Value& stage, const std::function<void(std::size_t, const Tile&)>& f) const {
  std::size_t chunk = 0;
  for (const Piece& load : loads_) {
    Place at = place_of(rows_, load);
    Layout of_keys = products_.others(load.size, s_.keys);
    if (codes_.empty()) {
      f(chunk++, at.tile.load_transposed(of_keys, stage, at.column));
      continue;
    }
    Words order = words(load.size);
    Tile loaded = at.tile.as(Elem::i32).load(order.layout, stage, at.column / 4);
    for (CodeFormat code : codes_) {
      std::array<Tile, 2> halves = half_pairs(loaded, code);
      std::vector<Reg> regs;
      for (const auto& [word, half] : order.source)
        for (int i : {0, 1}) regs.push_back(halves[static_cast<std::size_t>(half)].reg(2 * word + i));
      f(chunk++, relabelled(Tile(k_, Type::f16, nullptr, std::move(regs)), of_keys));
    }
  }
}

KeyFragments::Columns KeyFragments::query_columns(const Layout& l, const Piece& chunk) const {
  int width = codes(s_.quant, s_.dim_k), first = chunk.first % width;
  if (codes_.empty()) {
    Tile column = k_.arange(l, 1) + chunk.first;
    return {column, column < width};
  }
  auto moved = [&](std::span<const Coords> bases) {
    std::vector<Coords> all;
    for (const Coords& c : bases) all.push_back({c[0], code_of(c[1], chunk.size)});
    return all;
  };
  Layout by_code =
      Layout::of({l.shape()[0], l.shape()[1]}, moved(l.reg_bases()), moved(l.lane_bases()), moved(l.warp_bases()));
  Tile code = relabelled(k_.arange(by_code, 1), l);
  return {code + chunk.first, code + first < width};
}

ValueFragments::ValueFragments(Kernel& k, const Spec& s, const Products& products, const CacheRows& rows)
    : k_(k), s_(s), products_(products), rows_(rows), codes_(codes_of(s, s.v)) {
  loads_ = loads_of(rows, codes_.empty() ? 64 : 128, codes(s.quant, s.dim_v));
  for (const Piece& load : loads_) {
    if (codes_.empty()) sums_.push_back(products.sums(load.size));
    for (std::size_t i = 0; i < 2 * codes_.size(); ++i) sums_.push_back(products.sums(load.size / 2));
  }
}

void ValueFragments::each(const Value& stage, const std::function<void(std::size_t, const Tile&)>& f) const {
  std::size_t sum = 0;
  for (const Piece& load : loads_) {
    Place at = place_of(rows_, load);
    if (codes_.empty()) {
      f(sum++, at.tile.load(products_.others(s_.keys, load.size), stage, at.column));
      continue;
    }
    Layout twos = products_.others(s_.keys, load.size / 2);
    Tile units = at.tile.as(Elem::f16).load(twos, stage, at.column / 2);
    for (CodeFormat code : codes_)
      for (const Tile& half : half_pairs(units, code)) f(sum++, relabelled(half, twos));
  }
}

std::vector<ValueFragments::Stretch> ValueFragments::stretches(const std::vector<Tile>& sums) const {
  std::vector<Stretch> all;
  std::size_t sum = 0;
  for (const Piece& load : loads_) {
    if (codes_.empty()) {
      all.push_back({load.first, std::min(load.size, s_.dim_v - load.first), sums[sum++], 1});
      continue;
    }
    for (std::size_t code = 0; code < codes_.size(); ++code, sum += 2) {
      // Even and odd elements side by side again.
      const Layout& half = *sums[sum].layout();
      auto doubled = [](std::span<const Coords> bases) {
        std::vector<Coords> wide;
        for (const Coords& c : bases) wide.push_back({c[0], 2 * c[1]});
        return wide;
      };
      std::vector<Coords> reg = doubled(half.reg_bases());
      reg.insert(reg.begin(), Coords{0, 1});
      Layout whole = Layout::of({s_.rows, load.size}, reg, doubled(half.lane_bases()), doubled(half.warp_bases()));
      std::vector<Reg> regs;
      for (int i = 0; i < half.registers(); ++i)
        for (std::size_t odd : {0, 1}) regs.push_back(sums[sum + odd].reg(i));
      int width = codes(s_.quant, s_.dim_v), first = load.first + static_cast<int>(code) * width;
      all.push_back({first, std::min(load.size, width - load.first),
                     relabelled(Tile(k_, Type::f32, nullptr, std::move(regs)), whole), code_unit(codes_[code])});
    }
  }
  return all;
}

}  // namespace pagejit::attend
