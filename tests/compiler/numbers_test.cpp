// Number formats on the emulator against plain double precision: every code, and every place where rounding turns.
#include "compiler/numbers.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>

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

}  // namespace pagejit
