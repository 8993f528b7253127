// fp8: by the machine's own conversions where it has them, else in integers.
#include <llvm/IR/Intrinsics.h>

#include "compiler/numbers.h"
#include "compiler/numbers_words.h"
#include "runtime/base/error.h"

namespace pagejit {
namespace {

void check_format(Elem format) {
  if (format != Elem::e4m3 && format != Elem::e5m2) fail(Code::internal, "an fp8 format is e4m3 or e5m2");
}

/// Two f16 in a word as two floats.
void widened(Kernel::Builder& b, llvm::Value* halves, Four& out, std::size_t first, std::size_t second) {
  llvm::Value* pair = b.ir.CreateBitCast(halves, llvm::FixedVectorType::get(b.ir.getHalfTy(), 2));
  for (auto [lane, to] : {std::pair{0, first}, {1, second}})
    out[to] = b.ir.CreateFPExt(b.ir.CreateExtractElement(pair, static_cast<std::uint64_t>(lane)), b.ir.getFloatTy());
}

/// e5m2 is the upper byte of an f16.
Four from_e5m2(Kernel::Builder& b, llvm::Value* word) {
  Four out;
  widened(b, chosen_bytes(b, word, b.ir.getInt32(0), 0x1404), out, 0, 1);
  widened(b, chosen_bytes(b, word, b.ir.getInt32(0), 0x3424), out, 2, 3);
  return out;
}

/// The four bits of exponent and three of mantissa, one place lower, are an f16 that is 2^8 times too small: f16 has
/// them subnormal where e4m3 does. Only NaN must be told: 0x7f plus one is 0x80, and that bit completes f16's exponent.
Four from_e4m3(Kernel::Builder& b, llvm::Value* word) {
  auto& ir = b.ir;
  llvm::Value* magnitude = ir.CreateAnd(word, 0x7f7f7f7fu);
  llvm::Value* nan = ir.CreateAnd(ir.CreateAdd(magnitude, ir.getInt32(0x01010101u)), 0x80808080u);
  magnitude = ir.CreateOr(magnitude, nan);
  auto halves = [&](llvm::Value* codes, llvm::Value* signs) {
    llvm::Value* small = ir.CreateOr(ir.CreateAnd(codes, 0x7f807f80u), ir.CreateAnd(signs, 0x80008000u));
    auto* type = llvm::FixedVectorType::get(ir.getHalfTy(), 2);
    return ir.CreateFMul(ir.CreateBitCast(small, type), llvm::ConstantFP::get(type, 256));
  };
  Four out;
  widened(b, halves(ir.CreateShl(magnitude, 7), ir.CreateShl(word, 8)), out, 0, 2);
  widened(b, halves(ir.CreateLShr(magnitude, 1), word), out, 1, 3);
  return out;
}

/// One code, in the low byte; the bits above are zero.
llvm::Value* code_of(Kernel::Builder& b, llvm::Value* value, Elem format) {
  auto& ir = b.ir;
  bool e4m3 = format == Elem::e4m3;
  unsigned drop = e4m3 ? 20 : 21, bias = e4m3 ? 7 : 15, largest = e4m3 ? 0x7e : 0x7b;
  auto number = [&](unsigned n) { return ir.getInt32(n); };
  llvm::Value* bits = ir.CreateBitCast(value, ir.getInt32Ty());
  llvm::Value* magnitude = ir.CreateAnd(bits, 0x7fffffffu);
  // Normal: the mantissa's end rounded off, the exponent's bias changed; what carries over steps into the exponent.
  llvm::Value* odd = ir.CreateAnd(ir.CreateLShr(magnitude, drop), 1);
  unsigned half_less = (1u << (drop - 1)) - 1, rebias = (127 - bias) << 23;
  llvm::Value* rounded = ir.CreateAdd(ir.CreateAdd(magnitude, number(half_less - rebias)), odd);
  llvm::Value* normal = ir.CreateLShr(rounded, drop);
  // Subnormal: added to a float whose last place is the format's smallest step, the sum is the count of steps.
  unsigned steps = (23 - (bias - 1) - (23 - drop) + 127) << 23;
  llvm::Value* shift = ir.CreateBitCast(number(steps), ir.getFloatTy());
  llvm::Value* sum = ir.CreateFAdd(ir.CreateBitCast(magnitude, ir.getFloatTy()), shift);
  llvm::Value* subnormal = ir.CreateSub(ir.CreateBitCast(sum, ir.getInt32Ty()), number(steps));

  llvm::Value* small = ir.CreateICmpULT(magnitude, number((127 - bias + 1) << 23));
  llvm::Value* code = ir.CreateSelect(small, subnormal, normal);
  code = ir.CreateBinaryIntrinsic(llvm::Intrinsic::umin, code, number(largest));
  llvm::Value* sign = ir.CreateAnd(ir.CreateLShr(bits, 24), 0x80);
  llvm::Value* nan = ir.CreateICmpUGT(magnitude, number(0x7f800000u));
  return ir.CreateSelect(nan, number(0x7f), ir.CreateOr(code, sign));
}

}  // namespace

namespace detail {

Tile from_fp8_by_integers(const Tile& codes, Elem format) {
  check_format(format);
  Kernel::Builder& b = codes.kernel().builder();
  return decoded(codes,
                 [&](llvm::Value* word) { return format == Elem::e4m3 ? from_e4m3(b, word) : from_e5m2(b, word); });
}

Tile to_fp8_by_integers(const Tile& values, Elem format) {
  check_format(format);
  Kernel::Builder& b = values.kernel().builder();
  return encoded(values, [&](const Four& v) {
    llvm::Value* low = chosen_bytes(b, code_of(b, v[0], format), code_of(b, v[1], format), 0x7740);
    llvm::Value* high = chosen_bytes(b, code_of(b, v[2], format), code_of(b, v[3], format), 0x7740);
    return chosen_bytes(b, low, high, 0x5410);
  });
}

}  // namespace detail

Tile from_fp8(const Tile& codes, Elem format) {
  // e5m2 needs no conversion but f16's.
  if (format != Elem::e4m3 || !codes.kernel().target().has_fp8_convert())
    return detail::from_fp8_by_integers(codes, format);
  Kernel::Builder& b = codes.kernel().builder();
  return decoded(codes, [&](llvm::Value* word) {
    llvm::Value* all = b.op(MachineOp::from_e4m3x4, {word});
    Four out;
    for (unsigned i = 0; i < 4; ++i) out[i] = b.ir.CreateExtractValue(all, i);
    return out;
  });
}

Tile to_fp8(const Tile& values, Elem format) {
  check_format(format);
  if (!values.kernel().target().has_fp8_convert()) return detail::to_fp8_by_integers(values, format);
  Kernel::Builder& b = values.kernel().builder();
  MachineOp op = format == Elem::e4m3 ? MachineOp::to_e4m3x4 : MachineOp::to_e5m2x4;
  return encoded(values, [&](const Four& v) { return b.op(op, v); });
}

}  // namespace pagejit
