#include "compiler/shared_tile.h"

#include <optional>

#include "compiler/across.h"
#include "compiler/builder.h"

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

SharedTile::SharedTile(Kernel& k, std::string_view name, Elem elem, int rows, int columns, int stages, bool boxes)
    : kernel_(k),
      placement_(Placement::swizzled(rows, columns, bytes(elem))),
      memory_(k.shared(name, elem, rows * columns * stages, boxes ? 1024 : 16)) {}

Value SharedTile::row(int row, const Value& stage) const {
  return Value((memory_ + (stage * placement_.elements() + row * columns())).address());
}

SharedTile SharedTile::as(Elem elem) const {
  int columns = placement_.shape()[1] * bytes(memory_.elem()) / bytes(elem);
  return SharedTile(kernel_, Placement::swizzled(placement_.shape()[0], columns, bytes(elem)),
                    Pointer(elem, memory_.site(), memory_.space(), memory_.base(), {}));
}

Pointer SharedTile::at(const Layout& layout, const Value& stage) const {
  return memory_ + stage * placement_.elements() + offsets(kernel_, layout, placement_);
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
  auto fragments = bytes(memory_.elem()) == 2 ? matrices(placement_.of(layout)) : std::nullopt;
  if (!fragments) return kernel_.load(at(layout, stage) + kernel_.constant(Type::i32, column), "shared");
  Kernel::Builder& b = kernel_.builder();
  Type type = type_of(memory_.elem());
  Tile rows = (memory_ + stage * placement_.elements() + (kernel_.arange(fragments->rows) + column)).address();
  auto* pair = llvm::FixedVectorType::get(b.type(type), 2);
  std::vector<Reg> regs;
  for (int i = 0; i < fragments->rows.registers(); ++i) {
    Value row(kernel_, Type::i32, rows.reg(i));
    for (const Value& word : kernel_.machine(fragments->op, {row})) {
      llvm::Value* two = b.ir.CreateBitCast(b.value(word.reg(0), Type::i32), pair);
      for (int lane : {0, 1}) regs.push_back({two, 0, lane, {}});
    }
  }
  return Tile(kernel_, type, std::make_shared<Layout>(layout), std::move(regs));
}

Tile SharedTile::load_transposed(const Layout& layout, const Value& stage, int column) const {
  return relabelled(load(layout.permuted(std::vector{1, 0}), stage, column), std::make_shared<Layout>(layout));
}

}  // namespace pagejit
