// Conversions between f32 and the 16-bit formats, as functions and as compiled kernels call them.
#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "compiler/emulator/half.h"
#include "tests/compiler/emulator_support.h"
#include "tests/support/seed.h"

using namespace pagejit;
using namespace pagejit::test;

namespace {

/// What 16 bits with so many of exponent and fraction mean, from the definition.
double meaning(unsigned bits, int exponent_bits, int fraction_bits) {
  int bias = (1 << (exponent_bits - 1)) - 1;
  int exponent = static_cast<int>(bits >> fraction_bits) & ((1 << exponent_bits) - 1);
  double fraction = std::ldexp(static_cast<double>(bits & ((1u << fraction_bits) - 1)), -fraction_bits);
  double sign = bits >> 15 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1)
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : std::nan("");
  return sign * (exponent == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1 + fraction, exponent - bias));
}

struct Format {
  int exponent_bits, fraction_bits;
  float (*widen)(std::uint16_t);
  std::uint16_t (*narrow)(float);
};
constexpr Format f16{5, 10, f16_to_f32, f32_to_f16}, bf16{8, 7, bf16_to_f32, f32_to_bf16};

/// Each number between two neighbours goes to the nearer, and from the middle to the even one.
void check_between(const Format& f, unsigned bits) {
  auto low = static_cast<std::uint16_t>(bits), high = static_cast<std::uint16_t>(bits + 1);
  double a = meaning(low, f.exponent_bits, f.fraction_bits);
  double b = (high & 0x7fffu) >> f.fraction_bits == (1u << f.exponent_bits) - 1
                 ? std::copysign(std::ldexp(1.0, 1 << (f.exponent_bits - 1)),
                                 a)  // infinity stands one step after the greatest
                 : meaning(high, f.exponent_bits, f.fraction_bits);
  auto middle = static_cast<float>((a + b) / 2);
  if (static_cast<double>(middle) != (a + b) / 2) return;  // f32 cannot say it: below its own subnormals
  CHECK(f.narrow(middle) == (low & 1 ? high : low));
  CHECK(f.narrow(std::nextafterf(middle, static_cast<float>(a))) == low);
  CHECK(f.narrow(std::nextafterf(middle, std::copysign(std::numeric_limits<float>::infinity(), middle))) == high);
}

}  // namespace

TEST_CASE("half: all 2^16 patterns of both formats widen to what they mean, and come back") {
  for (const Format& f : {f16, bf16}) {
    for (unsigned bits = 0; bits < 65536; ++bits) {
      double expected = meaning(bits, f.exponent_bits, f.fraction_bits);
      float got = f.widen(static_cast<std::uint16_t>(bits));
      if (std::isnan(expected)) {
        CHECK(std::isnan(got));
        CHECK(f.narrow(got) == 0x7fff);
      } else if (static_cast<double>(got) != expected || std::signbit(got) != std::signbit(expected) ||
                 f.narrow(got) != bits) {
        FAIL_CHECK("pattern " << bits);
      }
    }
  }
}

TEST_CASE("half: between any two neighbours, the nearer one, and the even one from the middle") {
  for (const Format& f : {f16, bf16})
    for (unsigned bits = 0; (bits >> f.fraction_bits) < (1u << f.exponent_bits) - 1; ++bits) {
      check_between(f, bits);
      check_between(f, bits | 0x8000);
    }
}

TEST_CASE("half: beyond the greatest number lies infinity, and below the least one zero of the same sign") {
  CHECK(f32_to_f16(65519.996f) == 0x7bff);
  CHECK(f32_to_f16(65520.0f) == 0x7c00);
  CHECK(f32_to_f16(-1e30f) == 0xfc00);
  CHECK(f32_to_f16(0x1p-25f) == 0);
  CHECK(f32_to_f16(-0x1p-26f) == 0x8000);
  CHECK(f32_to_f16(std::nextafterf(0x1p-25f, 1)) == 1);
  CHECK(f32_to_bf16(std::numeric_limits<float>::max()) == 0x7f80);
}

TEST_CASE("half: compiled kernels convert all 2^16 patterns and random f32 as the functions do") {
  auto random = random_for("emulator half");
  constexpr int count = 65536;
  std::vector<std::uint16_t> patterns(count);
  std::vector<std::uint32_t> singles(count);
  for (std::size_t i = 0; i < count; ++i)
    patterns[i] = static_cast<std::uint16_t>(i), singles[i] = static_cast<std::uint32_t>(random());
  for (bool brain : {false, true}) {
    const Format& f = brain ? bf16 : ::f16;
    HandEmulator e;
    void *halves = e.buffer("halves", patterns), *floats = e.buffer("floats", singles);
    void *wide = e.room("wide", count * 4), *narrow = e.room("narrow", count * 2);
    auto convert = [&](bool widening) {
      return [=](HandKernel& k) {
        auto& ir = k.ir();
        llvm::Type* half = brain ? ir.getBFloatTy() : ir.getHalfTy();
        llvm::Type* from = widening ? half : ir.getFloatTy();
        int in = k.in(widening ? Elem::f16 : Elem::f32), out = k.out(widening ? Elem::f32 : Elem::f16);
        llvm::Value* i =
            ir.CreateAdd(ir.CreateMul(k.op(MachineOp::program_id_x), k.i32(1024)), ir.CreateMul(k.thread(), k.i32(4)));
        llvm::Value* v = k.load(in, i, from, 4);
        auto* type = llvm::FixedVectorType::get(widening ? ir.getFloatTy() : half, 4);
        k.store(out, i, widening ? ir.CreateFPExt(v, type) : ir.CreateFPTrunc(v, type));
      };
    };
    CHECK(e.run(256, {halves, wide, 0}, convert(true), {64}).empty());
    CHECK(e.run(256, {floats, narrow, 0}, convert(false), {64}).empty());
    auto widened = e.contents<std::uint32_t>(wide, count);
    auto narrowed = e.contents<std::uint16_t>(narrow, count);
    for (std::size_t i = 0; i < count; ++i) {
      float expected = f.widen(patterns[i]);
      bool same = std::isnan(expected) ? std::isnan(std::bit_cast<float>(widened[i]))
                                       : widened[i] == std::bit_cast<std::uint32_t>(expected);
      if (!same || narrowed[i] != f.narrow(std::bit_cast<float>(singles[i]))) FAIL_CHECK("pattern " << i);
    }
  }
}
