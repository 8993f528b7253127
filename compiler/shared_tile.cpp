#include "compiler/shared_tile.h"

#include <optional>

#include "compiler/across.h"
#include "compiler/builder.h"
#include "runtime/base/error.h"

namespace pagejit {
namespace {

/// How ldmatrix.x4 serves a layout. Lane 8·m + r says where row r of matrix m begins, each 8 × 8 of 16-bit elements.
/// Lane l is given two neighbours of row l / 4 of each, or (trans) one element of each of two neighbouring rows, in
/// column l / 4. So three bits of (register bit 0, lane bits) walk along a row of eight, and three pick the row.
struct Matrices {
  MachineOp op;
  Layout rows;  // where they begin: lanes as above, registers the repetitions
};

std::optional<Matrices> matrices(const Layout& placed) {
  if (placed.registers() < 8) return std::nullopt;
  auto reg = placed.reg_bases(), lane = placed.lane_bases(), warp = placed.warp_bases();
  int rest = 0;
  for (auto bases : {reg.subspan(1), warp})
    for (const Coords& c : bases) rest |= c[0];
  auto fits = [&](std::array<Coords, 3> along, std::array<Coords, 3> down) {
    int steps = rest | down[0][0] | down[1][0] | down[2][0];
    return along[0][0] == 1 && along[1][0] == 2 && along[2][0] == 4 && steps % 8 == 0;
  };
  std::array<Coords, 3> pair{reg[0], lane[0], lane[1]}, group{lane[2], lane[3], lane[4]};
  bool plain = fits(pair, group);
  if (!plain && !fits(group, pair)) return std::nullopt;
  const auto& row = plain ? group : pair;
  return Matrices{plain ? MachineOp::ldmatrix_x4 : MachineOp::ldmatrix_x4_trans,
                  Layout::of({placed.elements()}, {reg.begin() + 3, reg.end()},
                             {row[0], row[1], row[2], reg[1], reg[2]}, {warp.begin(), warp.end()})};
}

}  // namespace

SharedTile::SharedTile(Kernel& k, std::string_view name, Elem elem, int rows, int columns, int stages)
    : kernel_(k),
      placement_(Placement::swizzled(rows, columns, bytes(elem))),
      memory_(k.shared(name, elem, rows * columns * stages)),
      pitch_(rows * columns) {}

std::vector<SharedTile> SharedTile::boxes(Kernel& k, std::string_view name, Elem elem, int rows, int columns,
                                          int stages, int count) {
  int size = rows * columns;
  Pointer memory = k.shared(name, elem, size * count * stages, 1024);
  std::vector<SharedTile> all;
  for (int i = 0; i < count; ++i)
    all.push_back(SharedTile(k, Placement::swizzled(rows, columns, bytes(elem)),
                             memory + k.constant(Type::i32, i * size), size * count));
  return all;
}

Value SharedTile::row(int row, const Value& stage) const {
  return Value((memory_ + (stage * pitch_ + row * columns())).address());
}

SharedTile SharedTile::as(Elem elem) const {
  int columns = placement_.shape()[1] * bytes(memory_.elem()) / bytes(elem);
  return SharedTile(kernel_, Placement::swizzled(placement_.shape()[0], columns, bytes(elem)),
                    Pointer(elem, memory_.site(), memory_.space(), memory_.base(), {}),
                    pitch_ * bytes(memory_.elem()) / bytes(elem));
}

Pointer SharedTile::at(const Layout& layout, const Value& stage) const {
  return memory_ + stage * pitch_ + offsets(kernel_, layout, placement_);
}

void SharedTile::store(const Tile& data, const Value& stage, const Tile& mask) const {
  Value holder = one_holder(kernel_, data.layout()->free_bits());
  Tile live = mask && holder ? mask & holder : mask ? mask : Tile(holder);
  kernel_.store(at(*data.layout(), stage), data, live);
}

void SharedTile::copy_async(const Layout& layout, const Value& stage, const Pointer& from, const Tile& mask) const {
  auto copy = [&] { kernel_.copy_async(at(layout, stage), from, mask); };
  // A false mask fills with zeros: threads that hold copies must stay away altogether.
  if (Value holder = one_holder(kernel_, layout.free_bits())) return kernel_.when(holder, copy);
  copy();
}

Tile SharedTile::load(const Layout& layout, const Value& stage, int column) const {
  bool whole = bytes(memory_.elem()) == 2 && matrices(placement_.of(layout));
  if (!whole) return kernel_.load(at(layout, stage) + kernel_.constant(Type::i32, column), "shared");
  Fragments pieces = fragments(layout, stage, column);
  std::vector<Reg> regs;
  for (int i = 0; i < pieces.count(); ++i)
    for (const Reg& r : pieces.load(i)) regs.push_back(r);
  return Tile(kernel_, type_of(memory_.elem()), std::make_shared<Layout>(layout), std::move(regs));
}

SharedTile::Fragments SharedTile::fragments(const Layout& layout, const Value& stage, int column) const {
  auto found = bytes(memory_.elem()) == 2 ? matrices(placement_.of(layout)) : std::nullopt;
  if (!found) fail(Code::internal, "a layout that ldmatrix does not serve", {{"layout", layout.text()}});
  Tile rows = (memory_ + stage * pitch_ + (kernel_.arange(found->rows) + column)).address();
  return Fragments(rows, found->op, type_of(memory_.elem()));
}

std::vector<Reg> SharedTile::Fragments::load(int i) const {
  Kernel& k = rows_.kernel();
  Kernel::Builder& b = k.builder();
  auto* pair = llvm::FixedVectorType::get(b.type(type_), 2);
  std::vector<Reg> regs;
  for (const Value& word : k.machine(op_, {Value(k, Type::i32, rows_.reg(i))})) {
    llvm::Value* two = b.ir.CreateBitCast(b.value(word.reg(0), Type::i32), pair);
    for (int lane : {0, 1}) regs.push_back({two, 0, lane, {}});
  }
  return regs;
}

Tile SharedTile::load_transposed(const Layout& layout, const Value& stage, int column) const {
  return relabelled(load(layout.permuted(std::vector{1, 0}), stage, column), layout);
}

}  // namespace pagejit
