#include "kernels/attend/template_rows.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "compiler/convert.h"

namespace pagejit::attend {
namespace {

/// The layout of one dim that holds f(row) where `l` holds a row: f is linear over GF(2).
template <class F>
Layout of_rows(const Layout& l, int size, F f) {
  auto mapped = [&](std::span<const Coords> bases) {
    std::vector<Coords> all;
    for (const Coords& c : bases) all.push_back({f(c[0])});
    return all;
  };
  return Layout::of({size}, mapped(l.reg_bases()), mapped(l.lane_bases()), mapped(l.warp_bases()));
}

/// The first row of each box, for every thread.
Layout first_rows(const Spec& s, int warps) {
  std::vector<Coords> rows, lanes(5), others;
  for (int row = box_rows(s); row < s.keys; row *= 2) rows.push_back({row});
  for (int w = 1; w < warps; w *= 2) others.push_back({});
  return Layout::of({s.keys, 1}, std::move(rows), std::move(lanes), std::move(others));
}

/// What is copied at once: rows are no longer than the copy engine swizzles.
std::vector<Piece> boxes(const std::vector<Piece>& pieces, Elem elem) {
  std::vector<Piece> all;
  for (const Piece& p : pieces)
    for (int at = 0, size = std::min(p.size, 128 / bytes(elem)); at < p.size; at += size)
      all.push_back({p.first + at, size});
  return all;
}

/// Where each element lies, in bytes: origin + page · S.page + row · S.row + column. Rows of a page that a thread steps
/// through are sums, each of the one before: one step is kept, and no product is made anew.
Tile addresses(const Value& origin, const Tile& page, const Tile& row, const Tile& column,
               const std::array<Value, 2>& strides) {
  Kernel& k = row.kernel();
  struct Known {
    Reg page, row, column;
    Value bytes;
  };
  std::vector<Known> known;
  std::vector<Reg> regs;
  for (int i = 0; i < row.layout()->registers(); ++i) {
    const Reg &p = page.reg(i), &r = row.reg(i), &c = column.reg(i);
    const Known* below = nullptr;  // the nearest row of that page and column
    for (const Known& one : known)
      if (one.page.same(p) && one.row.base == r.base && one.column.base == c.base && one.row.offset <= r.offset &&
          (!below || one.row.offset > below->row.offset))
        below = &one;
    if (!below) {
      Value column_base(k, Type::i32, {c.base, 0, -1, c.facts});
      Value start = origin + Value(k, Type::i64, p) * strides[0] + Value(wide(Value(k, Type::i32, r))) * strides[1];
      known.push_back({p, r, c, start + Value(wide(column_base))});
      below = &known.back();
    } else if (below->row.offset < r.offset) {
      known.push_back({p, r, c, below->bytes + strides[1] * (r.offset - below->row.offset)});
      below = &known.back();
    }
    regs.push_back((below->bytes + c.offset).reg(0));
  }
  return Tile(k, Type::i64, row.layout(), std::move(regs));
}

/// t < limit, where registers are constants apart: one sum for all of them.
Tile below(const Tile& t, const Value& limit) {
  Kernel& k = t.kernel();
  std::vector<Reg> regs;
  for (const Reg& r : t.regs()) {
    Value left = limit - Value(k, Type::i32, {r.base, 0, r.lane, r.facts});
    regs.push_back(Value(left > r.offset).reg(0));
  }
  return Tile(k, Type::i1, t.layout(), std::move(regs));
}

}  // namespace

Layout along_rows(int rows, int size, int vec, int warps, int all) {
  int across = std::min(32, size / vec);
  Layout l = Layout::blocked({rows, size}, {1, vec}, {32 / across, across}, {warps, 1}, {1, 0});
  if (all <= warps) return l;
  auto copy = [](std::span<const Coords> bases) { return std::vector<Coords>(bases.begin(), bases.end()); };
  std::vector<Coords> of_warps = copy(l.warp_bases());
  for (int n = warps; n < all; n *= 2) of_warps.emplace_back();
  return Layout::of({rows, size}, copy(l.reg_bases()), copy(l.lane_bases()), std::move(of_warps));
}

PageIds::PageIds(Kernel& k, const Spec& s, const Layout& rows)
    : k_(k), s_(s), layout_(rows), span_(std::gcd(s.page, s.keys)) {
  high_ = relabelled(k.arange(of_rows(rows, s.keys / span_, [&](int r) { return r / span_; })), rows);
  low_ = relabelled(k.arange(of_rows(rows, span_, [&](int r) { return r % span_; })), rows);
  for (int r = 0; r < high_.registers(); ++r) {
    auto known = std::find_if(first_.begin(), first_.end(), [&](int f) { return high_.reg(f).same(high_.reg(r)); });
    source_.push_back(static_cast<int>(known - first_.begin()));
    if (known == first_.end()) first_.push_back(r);
  }
}

Tile PageIds::units(const Value& tile, const Tile& high) const {
  return tile * (s_.keys / span_) + high;
}

std::vector<Tile> PageIds::look_up(const Pages& pages, const Value& tile) const {
  std::vector<Tile> ids;
  for (int r : first_) {
    Value high(k_, Type::i32, high_.reg(r));
    Value unit(units(tile, high)), entry = unit / (s_.page / span_);
    ids.push_back(k_.load(pages.table + entry, unit * span_ < pages.limit, "page"));
  }
  return ids;
}

Tile PageIds::page(const std::vector<Tile>& ids) const {
  std::vector<Reg> regs;
  std::vector<Tile> wide_ids;
  for (const Tile& id : ids) wide_ids.push_back(wide(id));
  for (int from : source_) regs.push_back(wide_ids[static_cast<std::size_t>(from)].reg(0));
  return Tile(k_, Type::i64, std::make_shared<const Layout>(layout_), std::move(regs));
}

Tile PageIds::row(const Value& tile) const {
  return units(tile, high_) % (s_.page / span_) * span_ + low_;
}

CacheRows::CacheRows(Kernel& k, const Spec& s, const std::string& name, const Source& source,
                     const std::vector<Piece>& pieces, int width, bool bulk)
    : k_(k),
      s_(s),
      source_(source),
      pieces_(bulk ? boxes(pieces, source.at.elem()) : pieces),
      width_(width),
      bulk_(bulk) {
  Elem elem = source.at.elem();
  if (bulk) tiles_ = SharedTile::boxes(k, name, elem, s.keys, pieces_[0].size, s.stages, this->pieces());
  for (const Piece& piece : pieces_) {
    if (!bulk) tiles_.emplace_back(k, name, elem, s.keys, piece.size, s.stages);
    int vec = std::min(piece.size, source.aligned / bytes(elem));
    PageIds ids(k, s, bulk ? first_rows(s, k.warps()) : along_rows(s.keys, piece.size, vec, k.warps()));
    auto known = std::find(ids_.begin(), ids_.end(), ids);
    ids_of_.push_back(static_cast<int>(known - ids_.begin()));
    if (known == ids_.end()) ids_.push_back(ids);
  }
}

void CacheRows::copy(const Value& tile, const Value& stage, const Value& limit,
                     const std::vector<std::vector<Tile>>& ids) const {
  for (int i = 0; i < pieces(); ++i) {
    auto which = static_cast<std::size_t>(ids_of_[static_cast<std::size_t>(i)]);
    const PageIds& lookup = ids_[which];
    const Layout& layout = lookup.layout();
    Tile column = k_.arange(layout, 1) + piece(i).first;
    Tile live = below(k_.arange(layout, 0), limit - tile * s_.keys);
    if (piece(i).first + piece(i).size > width_) live = live & (column < width_);
    Elem elem = source_.at.elem();
    int size = bytes(elem);
    const Pointer& at = source_.at;
    Tile all = addresses(Value(at.address()), lookup.page(ids[which]), lookup.row(tile), column * size,
                         {source_.page * size, source_.row * size});
    Pointer from(elem, at.site(), at.space(), all, {});
    if (source_.aligned >= 4) {
      this->tile(i).copy_async(layout, stage, from, live);
      continue;
    }
    // Narrower than the machine copies: through registers.
    this->tile(i).store(k_.load(from, live, "row"), stage);
  }
}

}  // namespace pagejit::attend
