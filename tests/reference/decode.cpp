#include "tests/reference/decode.h"

#include <cmath>
#include <cstdint>
#include <stdexcept>

#include "tests/reference/numbers.h"

namespace pagejit::reference {
namespace {

float rounded(double x) {
  return static_cast<float>(x);
}

/// Bits of a code, the `field`-th of `fields` in the byte; element j is field j div n of byte j mod n.
int packed(const QuantisedRow& row, int j, int fields) {
  int in_a_field = row.dim / fields, bits = 8 / fields;
  auto byte = static_cast<unsigned>(row.codes[j % in_a_field]);
  return static_cast<int>(byte >> (j / in_a_field * bits) & ((1u << bits) - 1));
}

float affine(int code, float scale, float zero) {
  return std::fma(static_cast<float>(code), scale, -rounded(static_cast<double>(scale) * zero));
}

float level_of_8(int i, int dim) {
  const double table[] = {0.2450942, 0.7560052, 1.3439093, 2.1519456};
  double unit = i < 4 ? -table[3 - i] : table[i - 4];
  return rounded(unit / std::sqrt(dim));
}

float level_of_4(int i, int dim) {
  const double table[] = {-1.5104176, -0.4527808, 0.4527808, 1.5104176};
  return rounded(table[i] / std::sqrt(dim));
}

/// A product of f32, never −0.
float positive_product(float a, float b) {
  return rounded(static_cast<double>(a) * b) + 0.0f;
}

float element(const QuantisedRow& row, int j) {
  const std::vector<float>& m = row.numbers;
  switch (row.quant) {
    case Quant::fp8:
      return rounded(decode(row.stored, row.codes + j) * m[0]);
    case Quant::fp8_group:
      return rounded(decode(row.stored, row.codes + j) * m[static_cast<std::size_t>(j / 128)]);
    case Quant::int8:
      return affine(packed(row, j, 1), m[0], m[1]);
    case Quant::int4:
      return affine(packed(row, j, 2), m[0], m[1]);
    case Quant::turbo4: {
      int code = packed(row, j, 2);
      double rest = code >= 8 ? m[1] : -m[1];
      return positive_product(m[0], rounded(level_of_8(code % 8, row.dim) + rest));
    }
    case Quant::turbo2:
      return positive_product(m[0], level_of_4(packed(row, j, 4), row.dim));
    case Quant::none:
      break;
  }
  throw std::invalid_argument("a row that is not quantised has nothing to decode");
}

}  // namespace

std::vector<float> decode_row(const QuantisedRow& row) {
  std::vector<float> all;
  for (int j = 0; j < row.dim; ++j) all.push_back(element(row, j));
  return all;
}

}  // namespace pagejit::reference
