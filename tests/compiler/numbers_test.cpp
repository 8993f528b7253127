// Number formats on the emulator against plain double precision: every code, and every place where rounding turns.
#include "compiler/numbers.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "tests/compiler/some_layouts.h"
#include "tests/compiler/tile_program.h"
#include "tests/reference/numbers.h"
#include "tests/support/seed.h"

namespace pagejit {
namespace {

using namespace test;
using u8 = std::uint8_t;
using u32 = std::uint32_t;
using Function = std::function<Tile(const Tile&)>;

constexpr auto infinity = std::numeric_limits<float>::infinity();

float of_bits(u32 bits) {
  return std::bit_cast<float>(bits);
}

/// f of every element, by one block of 64 threads in a loop; each thread holds `vec` neighbours at a time.
template <class Out, class In>
std::vector<Out> mapped(std::vector<In> in, Elem from, Elem to, int vec, const Function& f) {
  std::size_t count = in.size(), share = 64 * static_cast<std::size_t>(vec);
  in.resize((count + share - 1) / share * share);
  auto out = run_block<Out>(64, in, in.size(), [&](Kernel& k, const Kernel::Parameters<Params>& p) {
    Pointer source = p.tensor(&Params::in, from, 16), target = p.tensor(&Params::out, to, 16);
    Tile e = k.arange(Layout::linear(static_cast<int>(share), vec, k.warps()));
    Value step = k.constant(Type::i32, static_cast<int>(share));
    k.loop(k.constant(Type::i32, 0), k.constant(Type::i32, static_cast<int>(in.size())), step, [&](Value first) {
      Tile data = k.load(source + (first + e), "data");
      k.store(target + (first + e), f(data));
    });
  });
  out.resize(count);
  return out;
}

std::vector<u8> all_bytes() {
  std::vector<u8> all(256);
  for (std::size_t i = 0; i < 256; ++i) all[i] = static_cast<u8>(i);
  return all;
}

double decoded_by_reference(Elem format, u8 code) {
  auto byte = static_cast<std::byte>(code);
  return reference::decode(format, &byte);
}

void check_from_fp8(Elem format, int vec, const Function& f) {
  CAPTURE(vec);
  auto got = mapped<float>(all_bytes(), format, Elem::f32, vec, f);
  for (std::size_t code = 0; code < 256; ++code) {
    double wanted = decoded_by_reference(format, static_cast<u8>(code));
    if (std::isnan(wanted) ? std::isnan(got[code])
                           : got[code] == wanted && std::signbit(got[code]) == std::signbit(wanted))
      continue;
    FAIL_CHECK("code ", code, " of ", bytes(format), ": got ", got[code], ", wanted ", wanted);
  }
}

/// Where to_fp8 may go wrong: each code's value, each midpoint of neighbours, and the floats beside them, of both
/// signs; what is special; and bit patterns at random.
std::vector<float> rounding_cases(Elem format) {
  std::vector<float> all = {
      0.0f, infinity, of_bits(1), of_bits(0x7fffff), of_bits(0x800000), std::numeric_limits<float>::max()};
  for (u32 nan : {0x7fc00000u, 0x7f800001u, 0x7fffffffu, 0x7fa5a5a5u}) all.push_back(of_bits(nan));
  auto with_neighbours = [&](double v) {
    float x = static_cast<float>(v);
    for (float near : {x, std::nextafter(x, infinity), std::nextafter(x, -infinity)}) all.push_back(near);
  };
  for (u8 code = 0; code < 0x7f; ++code) {
    double low = decoded_by_reference(format, code), high = decoded_by_reference(format, code + 1);
    if (!std::isfinite(low)) break;
    with_neighbours(low);
    // Beyond the largest finite value the next step up is no code, but rounding must not step there either.
    with_neighbours(std::isfinite(high) ? (low + high) / 2 : low + (low - decoded_by_reference(format, code - 1)) / 2);
    with_neighbours(low * 2);
  }
  std::size_t positive = all.size();
  for (std::size_t i = 0; i < positive; ++i) all.push_back(-all[i]);
  auto random = random_for("to_fp8");
  for (int i = 0; i < 1'000'000; ++i) all.push_back(of_bits(static_cast<u32>(random())));
  return all;
}

void check_to_fp8(Elem format, const std::vector<float>& in, int vec, const Function& f) {
  auto got = mapped<u8>(in, Elem::f32, format, vec, f);
  int wrong = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    std::byte wanted;
    reference::encode(format, static_cast<double>(in[i]), &wanted);
    if (got[i] == static_cast<u8>(wanted) || ++wrong > 5) continue;
    FAIL_CHECK("bits ", std::bit_cast<u32>(in[i]), " of ", in[i], ": got ", +got[i], ", wanted ",
               static_cast<int>(wanted));
  }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("numbers: every fp8 code is decoded exactly, however its bytes were loaded, by either path") {
  for (Elem format : {Elem::e4m3, Elem::e5m2})
    for (int vec : {1, 2, 4, 8, 16}) {
      check_from_fp8(format, vec, [&](const Tile& t) { return from_fp8(t, format); });
      check_from_fp8(format, vec, [&](const Tile& t) { return detail::from_fp8_by_integers(t, format); });
    }
}

TEST_CASE("numbers: fp8 is rounded to nearest even and saturates, by either path") {
  for (Elem format : {Elem::e4m3, Elem::e5m2}) {
    CAPTURE(bytes(format));
    auto in = rounding_cases(format);
    check_to_fp8(format, in, 8, [&](const Tile& t) { return to_fp8(t, format); });
    check_to_fp8(format, in, 8, [&](const Tile& t) { return detail::to_fp8_by_integers(t, format); });
    in.resize(4000);
    for (int vec : {1, 2, 4}) {
      check_to_fp8(format, in, vec, [&](const Tile& t) { return to_fp8(t, format); });
      check_to_fp8(format, in, vec, [&](const Tile& t) { return detail::to_fp8_by_integers(t, format); });
    }
  }
}

TEST_CASE("numbers: a NaN is 0x7f, and what is too large is the largest finite value") {
  std::vector<float> in = {of_bits(0xffc00000), of_bits(0x7f800001), infinity, -infinity, 464, -1e30f, 61440, 0x1p-10f};
  auto e4m3 = mapped<u8>(in, Elem::f32, Elem::e4m3, 8, [](const Tile& t) { return to_fp8(t, Elem::e4m3); });
  CHECK(e4m3 == std::vector<u8>{0x7f, 0x7f, 0x7e, 0xfe, 0x7e, 0xfe, 0x7e, 0});
  auto e5m2 = mapped<u8>(in, Elem::f32, Elem::e5m2, 8, [](const Tile& t) { return to_fp8(t, Elem::e5m2); });
  CHECK(e5m2 == std::vector<u8>{0x7f, 0x7f, 0x7b, 0xfb, 0x5f, 0xfb, 0x7b, 0x14});
}

TEST_CASE("numbers: bytes and each field of their bits become floats") {
  for (int vec : {1, 2, 4, 16}) {
    auto got = mapped<float>(all_bytes(), Elem::u8, Elem::f32, vec, from_u8);
    for (std::size_t i = 0; i < 256; ++i) CHECK(got[i] == static_cast<float>(i));
  }
  for (int shift = 0; shift < 8; ++shift)
    for (int width = 1; width + shift <= 8; ++width) {
      CAPTURE(shift);
      CAPTURE(width);
      auto got =
          mapped<float>(all_bytes(), Elem::u8, Elem::f32, 8, [&](const Tile& t) { return from_bits(t, shift, width); });
      int wrong = 0;
      for (u32 i = 0; i < 256; ++i) wrong += got[i] != static_cast<float>((i >> shift) % (1u << width));
      CHECK(wrong == 0);
    }
}

TEST_CASE("numbers: floats become bytes truncated and clamped, and NaN becomes 0") {
  std::vector<float> in = {0,   -0.0f, 0.999f,    1,      254.999f, 255,   255.5f,
                           256, -1,    -infinity, -1e20f, infinity, 1e20f, of_bits(0x7fc00000)};
  auto random = random_for("to_u8");
  for (int i = 0; i < 5000; ++i) in.push_back(static_cast<float>(random() % 300000) / 1000 - 20);
  for (int vec : {1, 4, 16}) {
    auto got = mapped<u8>(in, Elem::f32, Elem::u8, vec, to_u8);
    int wrong = 0;
    for (std::size_t i = 0; i < in.size(); ++i)
      wrong += got[i] != (std::isnan(in[i]) ? 0 : static_cast<int>(std::fmin(255, std::fmax(0, in[i]))));
    CHECK(wrong == 0);
  }
}

namespace {

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

TEST_CASE("numbers: quotients are IEEE's, for usual numbers and for any bits") {
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

TEST_CASE("numbers: quotients of awkward numbers are IEEE's, zeros' signs included") {
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

TEST_CASE("numbers: zeros of both signs, alone in their row, keep their sign") {
  std::vector<float> rows;
  for (int row = 0; row < 64; ++row) {
    for (int i = 0; i < 8; ++i) rows.push_back(i % 2 ? -0.0f : 0.0f);
    rows.push_back(row % 2 ? 3 : -3);
  }
  check_quotients(rows);
}

TEST_CASE("numbers: roots are correctly rounded") {
  auto random = random_for("square root");
  std::vector<float> in = {0, -0.0f, infinity, of_bits(1), -1};
  for (int i = 0; i < 20000; ++i) in.push_back(of_bits(static_cast<u32>(random()) & 0x7fffffff));
  auto got = mapped<float>(in, Elem::f32, Elem::f32, 4, square_root);
  int wrong = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    auto wanted = static_cast<float>(std::sqrt(static_cast<double>(in[i])));
    wrong += std::isnan(wanted) ? !std::isnan(got[i]) : std::bit_cast<u32>(got[i]) != std::bit_cast<u32>(wanted);
  }
  CHECK(wrong == 0);
}

TEST_CASE("numbers: a power of two stays, and anything above it goes to the next") {
  auto random = random_for("power of two");
  std::vector<float> in;
  for (int e = -126; e <= 126; ++e) {
    float power = std::ldexp(1.0f, e);
    for (float v : {power, std::nextafter(power, infinity), std::nextafter(power * 2, 0.0f)}) in.push_back(v);
    in.push_back(power * (1 + static_cast<float>(random() % 0x800000) * 0x1p-23f));
  }
  auto got = mapped<float>(in, Elem::f32, Elem::f32, 4, power_of_two_above);
  for (std::size_t i = 0; i < in.size(); ++i) {
    int e = std::ilogb(in[i]);
    float power = std::ldexp(1.0f, e);
    CHECK(got[i] == (power == in[i] ? power : power * 2));
  }
}

namespace {

template <class T>
void check_flipped(Elem elem, const Layout& l, int dim, int bit) {
  CAPTURE(l.text());
  CAPTURE(dim);
  CAPTURE(bit);
  std::vector<T> in;
  for (int i = 0; i < l.elements(); ++i) in.push_back(static_cast<T>(i * 7 + 1));
  int slots = l.registers() * 32 * l.warps(), wrong = 0;
  auto body = [&](Kernel& k, const Kernel::Parameters<Params>& p) {
    Tile t = bitcast(load_matrix(k, p.tensor(&Params::in, elem), l), elem == Elem::bf16 ? Type::bf16 : type_of(elem));
    store_every_slot(k, p.tensor(&Params::out, elem), flipped(k, t, dim, bit));
  };
  auto out = run_block<T>(32 * l.warps(), in, static_cast<std::size_t>(slots), body);
  for (int i = 0; i < slots; ++i) {
    Coords at = l.apply(i % l.registers(), i / l.registers() % 32, i / l.registers() / 32);
    at[static_cast<std::size_t>(dim)] ^= 1 << bit;
    wrong += out[static_cast<std::size_t>(i)] != in[static_cast<std::size_t>(at[0] * l.shape()[1] + at[1])];
  }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("numbers: a tile is flipped along any bit: between registers, lanes or warps") {
  for (int warps : {1, 4})
    for (const Layout& l : {Layout::blocked({32, 64}, {1, 8}, {4, 8}, {warps, 1}, {1, 0}),
                            Layout::blocked({16, 128}, {1, 2}, {1, 32}, {1, warps}, {1, 0}),
                            Layout::blocked({2, 16}, {1, 1}, {2, 16}, {warps, 1}, {1, 0}),  // copies
                            Layout::blocked({128, 8}, {1, 8}, {32, 1}, {warps, 1}, {1, 0})})
      for (int dim : {0, 1})
        for (int bit = 0; 1 << bit < l.shape()[static_cast<std::size_t>(dim)]; ++bit) {
          check_flipped<float>(Elem::f32, l, dim, bit);
          check_flipped<std::int64_t>(Elem::i64, l, dim, bit);
          check_flipped<std::uint16_t>(Elem::bf16, l, dim, bit);
        }
}

TEST_CASE("numbers: a tile that has no such bit cannot be flipped along it") {
  Layout l = Layout::linear(256, 2, 4);
  CHECK_THROWS(ptx_of("sm_90", 128, [&](Kernel& k, const auto&) { flipped(k, k.arange(l), 0, 8); }));
  CHECK_THROWS(ptx_of("sm_90", 128, [&](Kernel& k, const auto&) { flipped(k, k.arange(l), 1, 0); }));
}

namespace {

/// Eight elements a thread from `from` to `to`, by way of f.
std::string ptx_of_eight(std::string_view target, Elem from, Elem to, const Function& f) {
  std::string ptx = ptx_of(target, 64, [&](Kernel& k, const Kernel::Parameters<Params>& p) {
    Pointer in = p.tensor(&Params::in, from, 16), out = p.tensor(&Params::out, to, 16);
    Tile e = k.arange(Layout::linear(512, 8, k.warps()));
    Tile data = k.load(in + e, "data");
    k.store(out + e, f(data));
  });
  must_assemble(ptx, target);
  return ptx;
}

}  // namespace

TEST_CASE("numbers: stored fp8 is decoded, scaled and written in pairs, without taking vectors apart") {
  auto scaled = [](const Tile& t) { return cast(from_fp8(t, Elem::e4m3) * 0.3, Type::bf16); };
  std::string ptx = ptx_of_eight("sm_90a", Elem::e4m3, Elem::bf16, scaled);
  CHECK(count(ptx, "cvt.rn.f16x2.e4m3x2") == 4);
  CHECK(count(ptx, "mul.rn.f32") == 8);
  CHECK(count(ptx, "cvt.rn.bf16x2.f32") == 4);
  CHECK(count(ptx, "prmt") == 0);
  CHECK(count(ptx, "shl") <= 2);  // addresses
}

TEST_CASE("numbers: bf16 becomes fp8 and bytes by the machine's conversions, four to a word") {
  auto fp8 = [](const Tile& t) { return to_fp8(cast(t, Type::f32), Elem::e5m2); };
  CHECK(count(ptx_of_eight("sm_89", Elem::bf16, Elem::e5m2, fp8), "cvt.rn.satfinite.e5m2x2.f32") == 4);
  auto byte = [](const Tile& t) { return to_u8(cast(t, Type::f32)); };
  CHECK(count(ptx_of_eight("sm_80", Elem::bf16, Elem::u8, byte), "cvt.pack.sat.u8.s32.b32") == 4);
}

TEST_CASE("numbers: chips without fp8 do it in integers") {
  for (Elem format : {Elem::e4m3, Elem::e5m2}) {
    auto there = [&](const Tile& t) { return to_fp8(cast(t, Type::f32), format); };
    auto back = [&](const Tile& t) { return cast(from_fp8(t, format), Type::f16); };
    CHECK(count(ptx_of_eight("sm_80", Elem::bf16, format, there), "satfinite") == 0);
    CHECK(count(ptx_of_eight("sm_86", format, Elem::f16, back), "e4m3") == 0);
  }
}

TEST_CASE("numbers: a quotient divides once on its usual path, and no product is fused with a sum unasked") {
  std::string ptx = ptx_of_eight("sm_90a", Elem::f32, Elem::f32, [](const Tile& t) {
    Value y(bitcast(t.kernel().thread(), Type::f32));
    return quotient(t * 3.0, y) + 1.0;
  });
  CHECK(count(ptx, "rcp.rn.f32") == 1);
  CHECK(count(ptx, "fma.rn.f32") == 16);
  CHECK(count(ptx, "div.rn.f32") == 8);
  CHECK(count(ptx, "mul.rn.f32") == 16);
  CHECK(count(ptx, "add.rn.f32") == 8);
}

}  // namespace pagejit
