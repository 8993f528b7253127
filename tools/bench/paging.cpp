#include "tools/bench/paging.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <random>

namespace pagejit::bench {
namespace {

/// The upper half of an f32, or an f16 without subnormals: near enough for numbers that only have to look real.
std::uint16_t short_float(Elem e, float x) {
  auto bits = std::bit_cast<std::uint32_t>(x);
  if (e == Elem::bf16) return static_cast<std::uint16_t>(bits >> 16);
  int exponent = static_cast<int>(bits >> 23 & 0xff) - 127 + 15;
  std::uint32_t sign = bits >> 16 & 0x8000;
  if (exponent <= 0) return static_cast<std::uint16_t>(sign);
  return static_cast<std::uint16_t>(sign | static_cast<std::uint32_t>(exponent) << 10 | (bits >> 13 & 0x3ff));
}

/// A block of numbers, to be repeated.
std::vector<std::byte> some_numbers(Elem e, std::size_t elements, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<std::byte> block(elements * static_cast<std::size_t>(bytes(e)));
  for (std::size_t i = 0; i < elements; ++i) {
    float x = normal(random);
    std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
    if (bytes(e) == 2) bits = short_float(e, x);
    if (bytes(e) == 1) bits = static_cast<std::uint32_t>(random());
    std::memcpy(block.data() + i * static_cast<std::size_t>(bytes(e)), &bits, static_cast<std::size_t>(bytes(e)));
  }
  return block;
}

}  // namespace

Paging::Paging(int b, int l, int p, std::uint64_t seed)
    : batch(b), length(l), page(p), columns((l + p - 1) / p), pages(columns * b) {
  table.resize(static_cast<std::size_t>(pages));
  std::iota(table.begin(), table.end(), 0);
  std::mt19937_64 random(seed);
  std::shuffle(table.begin(), table.end(), random);
}

std::vector<std::int64_t> Paging::slots() const {
  std::vector<std::int64_t> all;
  for (int b = 0; b < batch; ++b)
    for (int t = 0; t < length; ++t)
      all.push_back(std::int64_t{table[static_cast<std::size_t>(b * columns + t / page)]} * page + t % page);
  return all;
}

std::vector<std::int32_t> Paging::starts() const {
  std::vector<std::int32_t> all;
  for (int b = 0; b <= batch; ++b) all.push_back(b * length);
  return all;
}

Tensor Maker::room(Elem e, Sizes sizes, const char* label) const {
  Tensor t(nullptr, e, sizes);
  t.data = memory.room(context, static_cast<std::size_t>(t.shape[0] * t.stride[0] * spread * bytes(e)), label);
  t.stride[0] *= spread;
  return t;
}

Tensor Maker::numbers(Elem e, Sizes sizes, const char* label, std::uint64_t seed) const {
  Tensor t = room(e, sizes, label);
  auto total = static_cast<std::size_t>(t.shape[0] * t.stride[0]), most = std::size_t{1} << 20;
  std::vector<std::byte> block = some_numbers(e, std::min(total, most), seed);
  total *= static_cast<std::size_t>(bytes(e));
  for (std::size_t done = 0; done < total; done += block.size())
    context.copy_in(static_cast<std::byte*>(t.data) + done, block.data(), std::min(block.size(), total - done));
  return t;
}

std::byte* scalar(Context& context, Buffers& memory, float value, const char* label) {
  return memory.list(context, std::vector<float>{value}, label);
}

}  // namespace pagejit::bench
