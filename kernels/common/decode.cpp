#include "kernels/common/decode.h"

#include <cmath>
#include <span>

#include "compiler/numbers.h"

namespace pagejit {
namespace {

// The best levels for numbers of unit variance, as many as 3 and 2 bits can name.
constexpr double levels_of_8[] = {-2.1519456, -1.3439093, -0.7560052, -0.2450942,
                                  0.2450942,  0.7560052,  1.3439093,  2.1519456};
constexpr double levels_of_4[] = {-1.5104176, -0.4527808, 0.4527808, 1.5104176};

/// Lane i of each warp holds level i modulo their number, of a row that is a unit vector of `dim` elements.
Value spread(Kernel& k, std::span<const double> levels, int dim) {
  Value lane = k.thread() % static_cast<int>(levels.size());
  auto scaled = [&](std::size_t i) { return static_cast<float>(levels[i] / std::sqrt(dim)); };
  Tile zero = bitcast(Tile(k.constant(Type::i32, 0)), Type::f32), held = zero;
  for (std::size_t i = 0; i < levels.size(); ++i)
    held = select(lane == static_cast<int>(i), real(zero, scaled(i)), held);
  return Value(held);
}

/// One shuffle a register.
Tile shuffled(Kernel& k, const Value& held, const Tile& from) {
  std::vector<Reg> regs;
  Value bits(bitcast(held, Type::i32));
  for (const Reg& r : from.regs()) {
    Value lane(k, Type::i32, r);
    regs.push_back(k.machine(MachineOp::shuffle_index, {bits, lane})[0].reg(0));
  }
  return bitcast(Tile(k, Type::i32, from.layout(), std::move(regs)), Type::f32);
}

/// a · b, and +0 where a product is −0: rows of nobody are zeros, whatever entry a code of 0 stands for.
Tile positive_zero(const Tile& a, const Tile& b) {
  return fma(a, b, real(b, 0));
}

}  // namespace

Decoder::Decoder(Kernel& k, Quant quant, Elem stored, int dim) : k_(&k), quant_(quant), stored_(stored) {
  if (quant == Quant::turbo4) codebook_ = spread(k, levels_of_8, dim);
  if (quant == Quant::turbo2) codebook_ = spread(k, levels_of_4, dim);
}

Tile Decoder::entry(const Tile& index) const {
  // A shuffle looks at the lowest five bits of a lane's number; all lanes that agree in those of the index hold the
  // same entry, so what lies above the index in its byte does not matter.
  return shuffled(*k_, codebook_, index);
}

std::vector<Tile> Decoder::operator()(const Tile& codes, const std::vector<Tile>& m) const {
  switch (quant_) {
    case Quant::none:
      return {codes};
    case Quant::fp8:
    case Quant::fp8_group:
      return {from_fp8(codes, stored_) * m[0]};
    case Quant::int8: {
      Tile offset = unary(Unary::neg, m[0] * m[1]);
      return {fma(from_u8(codes), m[0], offset)};
    }
    case Quant::int4: {
      Tile offset = unary(Unary::neg, m[0] * m[1]);
      Tile low = fma(from_bits(codes, 0, 4), m[0], offset);
      return {low, fma(from_bits(codes, 4, 4), m[0], offset)};
    }
    case Quant::turbo4: {
      Tile byte = cast(codes, Type::i32), minus = unary(Unary::neg, m[1]);
      std::vector<Tile> all;
      for (int shift : {0, 4}) {
        Tile code = byte >> shift;
        Tile rest = select((code & 8) != 0, m[1], minus);
        all.push_back(positive_zero(m[0], entry(code) + rest));
      }
      return all;
    }
    case Quant::turbo2: {
      Tile byte = cast(codes, Type::i32);
      std::vector<Tile> all;
      for (int shift : {0, 2, 4, 6}) all.push_back(positive_zero(m[0], entry(byte >> shift)));
      return all;
    }
  }
  return {};
}

}  // namespace pagejit
