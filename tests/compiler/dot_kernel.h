// A product of matrices written in the tile language: that it carries tensor cores, asynchronous copies and stages.
//
//   c[i, j] = Σ_k a[i, k] · b[j, k]      a [m, k], b [n, k] of f16 or bf16; c [m, n] of f32; last strides 1
//
// Program (x, y) makes the block of c at row y · s.m, column x · s.n. While it multiplies one stage of a and b, the
// next one comes in. m, n, k and the strides are known at launch; elements past the edges count as zeros and are not
// read.
#pragma once
#include <array>
#include <functional>
#include <string>

#include "compiler/emitted.h"
#include "runtime/backend.h"

namespace pagejit::test {

struct DotSpec {
  Elem elem = Elem::bf16;
  int m = 64, n = 64, k = 32;  // of a block
  std::array<int, 2> warps{2, 2};
  int aligned = 16;  // bytes: a, b, their rows, and k. Below 4 the copies go through registers

  std::string line() const;
};

struct DotParams {
  DevicePtr a, b, c;
  std::int64_t a_row = 0, b_row = 0, c_row = 0;  // strides, elements
  std::int32_t m = 0, n = 0, k = 0;

  static constexpr auto fields() {
    using P = DotParams;
    return std::tuple{field<&P::a>("a"),         field<&P::b>("b"),         field<&P::c>("c"),
                      field<&P::a_row>("a_row"), field<&P::b_row>("b_row"), field<&P::c_row>("c_row"),
                      field<&P::m>("m"),         field<&P::n>("n"),         field<&P::k>("k")};
  }
};

Emitted emit_dot(Lowering& lowering, const DotSpec& spec);

struct DotCase {
  DotSpec spec;
  int m = 64, n = 64, k = 64;
  int spare = 0;  // elements between the rows of a, b and c
};

/// Runs it on `backend`, whose compiler must make `spec`, between rows of NaNs; `poison` (may be empty) marks what may
/// not be read. Gives "" or what is wrong.
std::string run_dot(Backend& backend, const DotCase& c, const std::function<void(void*, std::size_t)>& poison);

}  // namespace pagejit::test
