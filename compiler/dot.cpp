#include "compiler/dot.h"

#include <fmt/format.h>

#include "compiler/across.h"
#include "compiler/builder.h"
#include "compiler/convert.h"
#include "runtime/base/error.h"

namespace pagejit {
namespace {

/// Registers first and first + 1 as one word.
Value word(Kernel& k, const Tile& t, int first) {
  Kernel::Builder& b = k.builder();
  auto* pair = llvm::FixedVectorType::get(b.type(t.type()), 2);
  const Reg &low = t.reg(first), &high = t.reg(first + 1);
  llvm::Value* two = low.base;
  if (low.lane != 0 || high.lane != 1 || low.base != high.base || two->getType() != pair) {
    two = llvm::PoisonValue::get(pair);
    two = b.ir.CreateInsertElement(two, b.value(low, t.type()), std::uint64_t{0});
    two = b.ir.CreateInsertElement(two, b.value(high, t.type()), std::uint64_t{1});
  }
  return Value(k, Type::i32, plain(b.ir.CreateBitCast(two, b.ir.getInt32Ty()), Facts::of_bits(32)));
}

std::vector<Value> words(Kernel& k, const Tile& t, int first, int count) {
  std::vector<Value> all;
  for (int i = 0; i < count; ++i) all.push_back(word(k, t, first + 2 * i));
  return all;
}

/// The grid of warps that gives `c` its layout.
std::array<int, 2> grid_of(const Tile& acc, int m, int n) {
  const Layout& c = *acc.layout();
  for (int down = 1; down <= c.warps() && 16 * down <= m; down *= 2) {
    std::array<int, 2> grid{down, c.warps() / down};
    if (8 * grid[1] <= n && Layout::mma_c(m, n, grid) == c) return grid;
  }
  fail(Code::internal, "the sum of a product is not in a fragment's layout; make it with dot_layouts(…).c",
       {{"layout", c.text()}});
}

void check(const Tile& a, const Tile& b, const Tile& acc) {
  bool halves = (a.type() == Type::f16 || a.type() == Type::bf16) && a.type() == b.type();
  if (!halves || acc.type() != Type::f32)
    fail(Code::internal,
         "a product of other types than f16 · f16 + f32 and bf16 · bf16 + f32; cast its operands first");
  for (const Tile* t : {&a, &b, &acc})
    if (t->scalar() || t->layout()->rank() != 2) fail(Code::internal, "a product of tiles that are not matrices");
  auto sa = a.layout()->shape(), sb = b.layout()->shape(), sc = acc.layout()->shape();
  if (sa[0] != sc[0] || sb[1] != sc[1] || sa[1] != sb[0])
    fail(Code::internal,
         fmt::format("a product [{}, {}] · [{}, {}] + [{}, {}]", sa[0], sa[1], sb[0], sb[1], sc[0], sc[1]));
}

}  // namespace

DotLayouts dot_layouts(int m, int n, int k, std::array<int, 2> warps) {
  return {Layout::mma_a(m, k, warps), Layout::mma_b(k, n, warps), Layout::mma_c(m, n, warps)};
}

Tile dot(Kernel& k, const Tile& a, const Tile& b, const Tile& acc) {
  check(a, b, acc);
  int m = acc.layout()->shape()[0], n = acc.layout()->shape()[1], depth = a.layout()->shape()[1];
  std::array<int, 2> grid = grid_of(acc, m, n);
  DotLayouts layouts = dot_layouts(m, n, depth, grid);
  Tile left = convert(k, a, layouts.a), right = convert(k, b, layouts.b);
  MachineOp op = a.type() == Type::f16 ? MachineOp::mma_m16n8k16_f16 : MachineOp::mma_m16n8k16_bf16;

  // Registers stand as the fragments do: of a along k, then m; of b along k, then n; of the sums along n, then m.
  int down = m / (16 * grid[0]), across = n / (8 * grid[1]), deep = depth / 16;
  std::vector<Reg> sums;
  for (int i = 0; i < layouts.c.registers(); ++i) sums.push_back(acc.reg(i));
  for (int z = 0; z < deep; ++z)
    for (int y = 0; y < down; ++y) {
      std::vector<Value> rows = words(k, left, 8 * (z + deep * y), 4);
      for (int x = 0; x < across; ++x) {
        std::vector<Value> operands = rows;
        for (const Value& v : words(k, right, 4 * (z + deep * x), 2)) operands.push_back(v);
        auto first = static_cast<std::size_t>(4 * (x + across * y));
        for (std::size_t i = 0; i < 4; ++i) operands.emplace_back(k, Type::f32, sums[first + i]);
        std::vector<Value> result = k.machine(op, operands);
        for (std::size_t i = 0; i < 4; ++i) sums[first + i] = result[i].reg(0);
      }
    }
  return Tile(k, Type::f32, acc.layout(), std::move(sums));
}

Tile as_second_operand(Kernel& k, const Tile& c) {
  const Layout& l = *c.layout();
  int m = l.shape()[0], n = l.shape()[1], warps = l.warps();
  if (Layout::mma_c(m, n, {1, warps}) != l)
    fail(Code::internal, "rows to sum over that are not in the layout of a product's sums", {{"layout", l.text()}});
  // What stepped along a row now steps down: lanes 4g + t had (g, 2t) and (g, 2t + 1), and have (2t, g), (2t + 1, g).
  std::vector<Coords> reg(l.reg_bases().begin(), l.reg_bases().end());
  std::vector<Coords> lane{l.lane_basis(3), l.lane_basis(4), reg[0], l.lane_basis(0), l.lane_basis(1)};
  reg[0] = l.lane_basis(2);
  Layout turned = Layout::of({m, n}, reg, lane, {l.warp_bases().begin(), l.warp_bases().end()});
  Kernel::Builder& b = k.builder();
  auto* pair = llvm::FixedVectorType::get(b.type(c.type()), 2);
  std::vector<Reg> regs;
  for (int i = 0; i < l.registers(); i += 2) {
    Value got = k.machine(MachineOp::movmatrix_trans, {word(k, c, i)})[0];
    llvm::Value* two = b.ir.CreateBitCast(b.value(got.reg(0), Type::i32), pair);
    for (int half : {0, 1}) regs.push_back({two, 0, half, {}});
  }
  Tile whole(k, c.type(), std::make_shared<const Layout>(turned), std::move(regs));
  return convert(k, whole, Layout::mma_b(m, n, {1, warps}));
}

}  // namespace pagejit
