#include "compiler/shared_tile.h"

#include "compiler/across.h"
#include "compiler/builder.h"

namespace pagejit {
namespace {

/// ldmatrix.x4 gives lane l the elements 2·(l mod 4) and one on of row l / 4 of four 8 × 8 matrices of 16-bit elements,
/// a register pair each; lane 8·m + r says where row r of matrix m begins. So a layout fits if its placed bases say the
/// same: register bit 0 and lane bits 0 and 1 walk a row of eight, and all others go from one row to another.
bool fits_matrices(const Layout& placed) {
  if (placed.registers() < 8 || placed.reg_basis(0)[0] != 1) return false;
  if (placed.lane_basis(0)[0] != 2 || placed.lane_basis(1)[0] != 4) return false;
  int others = 0;
  for (const Coords& c : placed.reg_bases().subspan(1)) others |= c[0];
  for (const Coords& c : placed.lane_bases().subspan(2)) others |= c[0];
  for (const Coords& c : placed.warp_bases()) others |= c[0];
  return others % 8 == 0;
}

/// Where the rows begin: lane bits 0 … 2 pick the row, 3 and 4 the matrix, registers the repetition.
Layout row_starts(const Layout& placed) {
  auto reg = placed.reg_bases(), lane = placed.lane_bases(), warp = placed.warp_bases();
  return Layout::of({placed.elements()}, {reg.begin() + 3, reg.end()}, {lane[2], lane[3], lane[4], reg[1], reg[2]},
                    {warp.begin(), warp.end()});
}

}  // namespace

SharedTile::SharedTile(Kernel& k, std::string_view name, Elem elem, int rows, int columns, int stages)
    : kernel_(k),
      placement_(Placement::swizzled(rows, columns, bytes(elem))),
      memory_(k.shared(name, elem, rows * columns * stages)) {}

Pointer SharedTile::at(const Layout& layout, const Value& stage) const {
  return memory_ + stage * placement_.elements() + offsets(kernel_, layout, placement_);
}

void SharedTile::store(const Tile& data, const Value& stage) const {
  kernel_.store(at(*data.layout(), stage), data, one_holder(kernel_, data.layout()->free_bits()));
}

void SharedTile::copy_async(const Layout& layout, const Value& stage, const Pointer& from, const Tile& mask) const {
  auto copy = [&] { kernel_.copy_async(at(layout, stage), from, mask); };
  // A false mask fills with zeros: threads that hold copies must stay away altogether.
  if (Value holder = one_holder(kernel_, layout.free_bits())) return kernel_.when(holder, copy);
  copy();
}

Tile SharedTile::load(const Layout& layout, const Value& stage) const {
  if (bytes(memory_.elem()) == 2 && fits_matrices(placement_.of(layout))) return by_matrices(layout, stage);
  return kernel_.load(at(layout, stage), "shared");
}

Tile SharedTile::load_transposed(const Layout& layout, const Value& stage) const {
  return relabelled(load(layout.permuted(std::vector{1, 0}), stage), std::make_shared<Layout>(layout));
}

Tile SharedTile::by_matrices(const Layout& layout, const Value& stage) const {
  Kernel::Builder& b = kernel_.builder();
  Type type = type_of(memory_.elem());
  Layout starts = row_starts(placement_.of(layout));
  Tile rows = (memory_ + stage * placement_.elements() + kernel_.arange(starts)).address();
  auto* pair = llvm::FixedVectorType::get(b.type(type), 2);
  std::vector<Reg> regs;
  for (int i = 0; i < starts.registers(); ++i) {
    Value row(kernel_, Type::i32, rows.reg(i));
    for (const Value& word : kernel_.machine(MachineOp::ldmatrix_x4, {row})) {
      llvm::Value* two = b.ir.CreateBitCast(b.value(word.reg(0), Type::i32), pair);
      for (int lane : {0, 1}) regs.push_back({two, 0, lane, {}});
    }
  }
  return Tile(kernel_, type, std::make_shared<Layout>(layout), std::move(regs));
}

}  // namespace pagejit
