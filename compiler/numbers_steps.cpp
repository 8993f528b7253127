// Rows counted in steps of their range: the scale, the zero and the quotients of integer codes, behind one test.
#include <map>

#include "compiler/across.h"
#include "compiler/numbers.h"
#include "compiler/numbers_quotient.h"

namespace pagejit {
namespace {

struct Row {
  llvm::Value *least, *most;
  std::vector<int> registers;
  Results result;  // scale, zero, and the quotients of its registers
};

class Stepper {
 public:
  Stepper(Kernel::Builder& b, int steps) : b_(b), steps_(number(steps)), each_(number(1.0f / float(steps))) {}

  llvm::Value* range(const Row& row) { return b_.ir.CreateFSub(row.most, row.least); }
  /// The least of 0 and −0 has either sign; so it has none here.
  llvm::Value* below(const Row& row) { return b_.ir.CreateFSub(number(0), row.least); }

  /// A constant row has a range of 0.
  llvm::Value* scale(const Row& row) {
    llvm::Value *range = this->range(row), *scale = by_reciprocal(b_, range, steps_, each_);
    return b_.ir.CreateSelect(b_.ir.CreateFCmpOEQ(range, number(0)), number(1), scale);
  }
  /// Whether that scale is right, and reciprocals of it are.
  llvm::Value* usual(const Row& row, llvm::Value* scale) {
    return b_.ir.CreateAnd(usual_divisor(b_, scale), usual_dividend_or_zero(b_, below(row)));
  }
  Results fast(const Row& row, llvm::Value* scale, const Results& x) {
    llvm::Value* r = reciprocal_of(b_, scale);
    Results out{scale, by_reciprocal(b_, below(row), scale, r)};
    for (llvm::Value* v : x) out.push_back(by_reciprocal(b_, v, scale, r));
    return out;
  }

  Results slow(const Row& row, const Results& x) {
    llvm::Value* scale = b_.ir.CreateFDiv(range(row), steps_);
    llvm::Value* none = b_.ir.CreateOr(b_.ir.CreateFCmpOEQ(scale, number(0)), b_.ir.CreateFCmpOEQ(row.least, row.most));
    scale = b_.ir.CreateSelect(none, number(1), scale);
    Results out{scale, b_.ir.CreateFDiv(below(row), scale)};
    for (llvm::Value* v : x) out.push_back(b_.ir.CreateFDiv(v, scale));
    return out;
  }

 private:
  llvm::Value* number(double v) { return llvm::ConstantFP::get(b_.ir.getFloatTy(), v); }

  Kernel::Builder& b_;
  llvm::Value *steps_, *each_;
};

}  // namespace

Stepped in_steps(const Tile& x, const Tile& least, const Tile& most, int steps) {
  Kernel::Builder& b = x.kernel().builder();
  std::map<std::pair<llvm::Value*, llvm::Value*>, std::size_t> seen;
  std::vector<Row> rows;
  std::vector<std::size_t> row_of;
  for (int i = 0; i < x.registers(); ++i) {
    Row row{b.value(least.reg(i), Type::f32), b.value(most.reg(i), Type::f32), {}, {}};
    auto [at, fresh] = seen.try_emplace({row.least, row.most}, rows.size());
    if (fresh) rows.push_back(row);
    rows[at->second].registers.push_back(i);
    row_of.push_back(at->second);
  }
  Stepper stepper(b, steps);
  std::vector<Reg> results(static_cast<std::size_t>(x.registers()));
  for (Row& row : rows) {
    Results own;
    for (int i : row.registers) own.push_back(b.value(x.reg(i), Type::f32));
    llvm::Value* scale = stepper.scale(row);
    auto fast = [&] { return stepper.fast(row, scale, own); };
    row.result = either(b, stepper.usual(row, scale), fast, [&] { return stepper.slow(row, own); });
    for (std::size_t i = 0; i < own.size(); ++i)
      results[static_cast<std::size_t>(row.registers[i])] = plain(row.result[2 + i]);
  }
  auto of_rows = [&](std::size_t which) {
    std::vector<Reg> regs;
    for (std::size_t r : row_of) regs.push_back(plain(rows[r].result[which]));
    return Tile(x.kernel(), Type::f32, least.layout(), std::move(regs));
  };
  return {of_rows(0), of_rows(1), in_vectors(Tile(x.kernel(), Type::f32, x.layout(), std::move(results)))};
}

}  // namespace pagejit
