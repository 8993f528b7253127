#include "kernels/append/template_rows.h"

namespace pagejit::append {
namespace {

Layout layout_of(int threads, int items, Quant quant, int dim) {
  RowLanes lanes = row_lanes(quant, dim);
  int fields = row_fields(quant, dim);
  return Layout::blocked({items, fields, row_columns(quant, dim)},
                         {1, quant == Quant::fp8_group ? 1 : fields, lanes.vec},
                         {lanes.items, lanes.fields, lanes.columns}, {threads / 32, 1, 1}, {2, 1, 0});
}

}  // namespace

Narrowed::Narrowed(const Layout& full, std::initializer_list<int> dims) {
  for (int bit = 0; (1 << bit) < full.registers(); ++bit) {
    bool moves = false;
    for (int d : dims) moves |= full.reg_basis(bit)[static_cast<std::size_t>(d)] != 0;
    if (!moves) kept_.push_back(bit);
  }
}

Tile Narrowed::operator()(const Tile& t) const {
  if (t.scalar()) return t;
  std::vector<Reg> regs;
  for (int r = 0; r < 1 << kept_.size(); ++r) {
    int from = 0;
    for (std::size_t i = 0; i < kept_.size(); ++i)
      if (r >> i & 1) from |= 1 << kept_[i];
    regs.push_back(t.reg(from));
  }
  return Tile(t.kernel(), t.type(), std::make_shared<const Layout>(t.layout()->with_register_bits(kept_)), regs);
}

Rows::Rows(int threads, int items, Quant quant, int dim)
    : quant_(quant), dim_(dim), width_(row_width(quant, dim)), layout_(layout_of(threads, items, quant, dim)) {}

Tile Rows::items(Kernel& k) const {
  return k.arange(layout_.slice(1).slice(2), 0);
}
Tile Rows::elements(Kernel& k) const {
  return k.arange(layout_, 1) * width_ + k.arange(layout_, 2);
}

Tile Rows::exist(Kernel& k) const {
  bool whole = width_ == layout_.shape()[2], all = width_ * layout_.shape()[1] == dim_;
  if (grouped()) return whole && all ? Tile() : elements(k) < dim_;
  return whole ? Tile() : k.arange(layout_, 2) < width_;
}

Narrowed Rows::of_codes() const {
  return grouped() ? Narrowed(layout_, {}) : Narrowed(layout_, {1});
}
Tile Rows::code_columns(Kernel& k) const {
  return grouped() ? elements(k) : of_codes()(k.arange(layout_.slice(1), 2));
}
Tile Rows::codes_exist(Kernel& k) const {
  if (grouped()) return exist(k);
  return width_ == layout_.shape()[2] ? Tile() : code_columns(k) < width_;
}

Narrowed Rows::of_metadata() const {
  return grouped() ? Narrowed(layout_, {2}) : Narrowed(layout_, {1, 2});
}
Tile Rows::metadata_columns(Kernel& k) const {
  return grouped() ? of_metadata()(k.arange(layout_.slice(2), 1)) : Tile(k.constant(Type::i32, 0));
}

int Rows::copies() const {
  Slot free = layout_.free_bits();
  return free.lane | free.warp << 5;
}

Tile Rows::stores(Kernel& k) const {
  int bits = copies();
  return bits == 0 ? Tile() : Tile((k.thread() & bits) == 0);
}

int Rows::lanes_of_row() const {
  int lanes = 0;
  for (int bit = 0; bit < 5; ++bit)
    if (layout_.lane_basis(bit)[2] != 0) lanes |= 1 << bit;
  return lanes;
}

Tile Rows::holds_metadata(Kernel& k, int numbers) const {
  int lanes = lanes_of_row(), others = copies() | (numbers == 2 ? lanes & (lanes - 1) : lanes);
  Tile first = (k.thread() & others) == 0;
  if (!grouped()) return first;
  return first & (metadata_columns(k) < metadata(quant_, dim_));
}

Value Rows::holds_second(Kernel& k) const {
  int lanes = lanes_of_row(), lowest = lanes & -lanes;
  return lowest == 0 ? Value() : (k.thread() & lowest) != 0;
}

}  // namespace pagejit::append
