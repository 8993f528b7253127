// Division of many by one, bit for bit what IEEE asks.
#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "compiler/numbers.h"
#include "tests/compiler/tile_program.h"
#include "tests/support/seed.h"

namespace pagejit {
namespace {

using namespace test;
using u32 = std::uint32_t;
constexpr auto infinity = std::numeric_limits<float>::infinity();

float of_bits(u32 bits) {
  return std::bit_cast<float>(bits);
}

/// Each row's eight numbers by the row's one, which stands ninth.
std::vector<float> quotients(const std::vector<float>& rows_of_nine) {
  int rows = static_cast<int>(rows_of_nine.size() / 9);
  Layout rows_by_8 = Layout::blocked({64, 8}, {1, 8}, {32, 1}, {2, 1}, {1, 0});
  return run_block<float>(64, rows_of_nine, static_cast<std::size_t>(rows) * 8, [&](Kernel& k, const auto& p) {
    Pointer in = p.tensor(&Params::in, Elem::f32, 4), out = p.tensor(&Params::out, Elem::f32, 16);
    Tile row = k.arange(rows_by_8, 0), column = k.arange(rows_by_8, 1), one = k.arange(rows_by_8.slice(1), 0);
    k.loop(k.constant(Type::i32, 0), k.constant(Type::i32, rows), k.constant(Type::i32, 64), [&](Value first) {
      Tile x = k.load(in + ((first + row) * 9 + column), "x");
      Tile y = k.load(in + ((first + one) * 9 + 8), "y");
      k.store(out + ((first + row) * 8 + column), quotient(x, y));
    });
  });
}

/// Codes of every bf16 x, or those at most 2^60 · y, from a quotient and from a division: fp8, and bytes truncated
/// after `zero` and a half were added, as rows of int8 are made.
struct Codes {
  std::vector<std::uint8_t> quotient, division;
};
Codes codes_of_all(float y, float zero, bool fp8, Tile (*by_quotient)(const Tile&, const Tile&) = code_quotient) {
  std::vector<float> in;
  for (u32 bits = 0; bits < 0x10000; ++bits) {
    float x = of_bits(bits << 16);
    in.push_back(by_quotient == code_quotient_of_any || std::abs(x) <= 0x1p60 * y || std::isnan(x) ? x : 0);
  }
  in.push_back(y);
  auto run = [&](Tile (*divide)(const Tile&, const Tile&)) {
    Layout layout = Layout::linear(4096, 8, 16);
    return run_block<std::uint8_t>(512, in, 0x10000, [&](Kernel& k, const auto& p) {
      Pointer from = p.tensor(&Params::in, Elem::f32, 4);
      Pointer out = p.tensor(&Params::out, fp8 ? Elem::e4m3 : Elem::u8, 16);
      Value divisor(k.load(from + k.constant(Type::i32, 0x10000), "y"));
      k.loop(k.constant(Type::i32, 0), k.constant(Type::i32, 0x10000), k.constant(Type::i32, 4096), [&](Value first) {
        Tile at = first + k.arange(layout);
        Tile q = divide(k.load(from + at, "x"), divisor);
        k.store(out + at, fp8 ? to_fp8(q, Elem::e4m3) : to_u8(q + static_cast<double>(zero) + 0.5));
      });
    });
  };
  return {run(by_quotient), run([](const Tile& a, const Tile& b) { return a / b; })};
}

/// Bit for bit what the division in double, rounded, gives: 53 bits are enough for that to be exact.
void check_quotients(const std::vector<float>& rows_of_nine) {
  auto got = quotients(rows_of_nine);
  int wrong = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    double x = rows_of_nine[i / 8 * 9 + i % 8], y = rows_of_nine[i / 8 * 9 + 8];
    auto wanted = static_cast<float>(x / y);
    if (std::isnan(wanted) ? std::isnan(got[i]) : std::bit_cast<u32>(got[i]) == std::bit_cast<u32>(wanted)) continue;
    if (++wrong <= 5) FAIL_CHECK(x, " / ", y, ": got ", got[i], ", wanted ", wanted);
  }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("quotient: quotients are IEEE's, for usual numbers and for any bits") {
  auto random = random_for("quotient");
  auto any = [&] { return of_bits(static_cast<u32>(random())); };
  auto usual = [&] {
    return std::ldexp(1 + static_cast<float>(random() % 0x800000) * 0x1p-23f, int(random() % 40) - 20);
  };
  std::vector<float> rows;
  for (int row = 0; row < 64 * 150; ++row) {
    int kind = row % 4;  // both usual; any x; any y; any of both
    for (int i = 0; i < 8; ++i) rows.push_back(kind & 1 ? any() : random() % 2 ? usual() : -usual());
    rows.push_back(kind & 2 ? any() : usual());
  }
  check_quotients(rows);
}

TEST_CASE("quotient: quotients of awkward numbers are IEEE's, zeros' signs included") {
  std::vector<float> awkward = {0,
                                1,
                                3,
                                of_bits(1),
                                of_bits(0x7fffff),
                                of_bits(0x800000),
                                infinity,
                                0x1p-63f,
                                0x1p-64f,
                                0x1.fffffep64f,
                                0x1p65f,
                                0x1p-60f,
                                0x1p60f,
                                0x1p-61f,
                                0x1.8p60f,
                                of_bits(0x7f7fffff),
                                of_bits(0x7fc00000),
                                0x1.fffffep0f};
  std::size_t positive = awkward.size();
  for (std::size_t i = 0; i < positive; ++i) awkward.push_back(-awkward[i]);
  std::vector<float> rows;
  // Each x beside usual ones, which must not hide it, and with every y.
  for (float x : awkward)
    for (float y : awkward) {
      for (int i = 0; i < 7; ++i) rows.push_back(static_cast<float>(i + 2) / 7);
      rows.push_back(x);
      rows.push_back(y);
    }
  while (rows.size() % (64 * 9) != 0) rows.push_back(1);
  check_quotients(rows);
}

TEST_CASE("quotient: zeros among usual numbers keep their sign and change nothing beside them") {
  auto random = random_for("quotient with zeros");
  std::vector<float> rows;
  for (int row = 0; row < 64 * 100; ++row) {
    for (int i = 0; i < 8; ++i) {
      float x = std::ldexp(1 + static_cast<float>(random() % 0x800000) * 0x1p-23f, int(random() % 120) - 60);
      rows.push_back(random() % 3 == 0 ? (random() % 2 ? 0.0f : -0.0f) : random() % 2 ? x : -x);
    }
    rows.push_back(std::ldexp(1 + static_cast<float>(random() % 0x800000) * 0x1p-23f, int(random() % 110) - 55));
  }
  check_quotients(rows);
}

TEST_CASE("code_quotient: codes of every bf16 are those of a division, by scales of all sizes") {
  auto random = random_for("code_quotient");
  std::vector<float> scales = {
      1, 3, 0x1p-126f, 0x1p-127f, 0x1.8p-126f, 0x1p-60f, 0x1.fffffep-61f, 0x1.fffffep59f, 0x1p60f, 0x1p100f};
  for (int i = 0; i < 12; ++i)
    scales.push_back(std::ldexp(1 + static_cast<float>(random() % 0x800000) * 0x1p-23f, int(random() % 120) - 60));
  for (float y : scales) {
    INFO("scale ", y);
    Codes fp8 = codes_of_all(y, 0, true);
    CHECK(fp8.quotient == fp8.division);
    float zero = random() % 2 ? 0 : static_cast<float>(random() % 0x800000) * 0x1p-15f;
    Codes bytes = codes_of_all(y, zero, false);
    CHECK(bytes.quotient == bytes.division);
  }
}

TEST_CASE("code_quotient_of_any: any bf16 by any scale, infinities and NaN among them, has the codes of a division") {
  auto random = random_for("code_quotient_of_any");
  std::vector<float> scales = {1,       3,        0x1p-126f, 0x1p-127f, 0x1p-60f, 0x1.fffffep-61f, 0x1.fffffep59f,
                               0x1p60f, 0x1p127f, 0};
  for (int i = 0; i < 12; ++i)
    scales.push_back(std::ldexp(1 + static_cast<float>(random() % 0x800000) * 0x1p-23f, int(random() % 250) - 125));
  for (float y : scales) {
    INFO("scale ", y);
    Codes fp8 = codes_of_all(y, 0, true, code_quotient_of_any);
    CHECK(fp8.quotient == fp8.division);
  }
}

TEST_CASE("code_quotient: it looks at no dividend, and divides by no zero group's scale the slow way") {
  auto compares = [](Tile (*divide)(const Tile&, const Tile&)) {
    std::string ptx = ptx_of("sm_90a", 64, [&](Kernel& k, const Kernel::Parameters<Params>& p) {
      Pointer in = p.tensor(&Params::in, Elem::f32, 16), out = p.tensor(&Params::out, Elem::f32, 16);
      Tile e = k.arange(Layout::linear(512, 8, k.warps()));
      Tile x = k.load(in + e, "x");
      k.store(out + e, divide(x, Value(bitcast(p(&Params::n), Type::f32))));
    });
    must_assemble(ptx, "sm_90a");
    return count(ptx, "setp.");
  };
  CHECK(compares(code_quotient) == 2);
  CHECK(compares(quotient) > 8);
}

TEST_CASE("quotient: zeros of both signs, alone in their row, keep their sign") {
  std::vector<float> rows;
  for (int row = 0; row < 64; ++row) {
    for (int i = 0; i < 8; ++i) rows.push_back(i % 2 ? -0.0f : 0.0f);
    rows.push_back(row % 2 ? 3 : -3);
  }
  check_quotients(rows);
}

TEST_CASE("quotient: it divides once on its usual path, and no product is fused with a sum unasked") {
  std::string ptx = ptx_of("sm_90a", 64, [&](Kernel& k, const Kernel::Parameters<Params>& p) {
    Pointer in = p.tensor(&Params::in, Elem::f32, 16), out = p.tensor(&Params::out, Elem::f32, 16);
    Tile e = k.arange(Layout::linear(512, 8, k.warps()));
    Tile x = k.load(in + e, "x");
    Value y(bitcast(p(&Params::n), Type::f32));
    k.store(out + e, quotient(x * 3.0, y) + 1.0);
  });
  must_assemble(ptx, "sm_90a");
  CHECK(count(ptx, "rcp.approx.ftz.f32") == 1);
  CHECK(count(ptx, "fma.rn.f32") == 18);
  CHECK(count(ptx, "div.rn.f32") == 8);
  CHECK(count(ptx, "mul.rn.f32") == 16);
  CHECK(count(ptx, "add.rn.f32") == 8);
}

}  // namespace pagejit
