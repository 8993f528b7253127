#include "tests/compiler/dot_kernel.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "compiler/dot.h"
#include "compiler/emulator/half.h"
#include "compiler/shared_tile.h"
#include "tests/support/seed.h"

namespace pagejit::test {
namespace {

/// One operand: a block's rows of it, all of its depth.
struct Operand {
  Pointer at;
  Value stride, first, rows, depth;
};

/// Starts the copy of columns from … from + s.k into a stage.
void fetch(Kernel& k, const DotSpec& s, const Operand& o, const SharedTile& to, int rows, const Value& from,
           const Value& stage) {
  int vec = std::max(1, s.aligned / bytes(s.elem)), across = std::min(32, s.k / vec);
  Layout l = Layout::blocked({rows, s.k}, {1, vec}, {32 / across, across}, {k.warps(), 1}, {1, 0});
  Tile row = k.arange(l, 0) + o.first, column = k.arange(l, 1) + from;
  Tile live = (row < o.rows) & (column < o.depth);
  Pointer source = o.at + (wide(row) * o.stride + wide(column));
  if (s.aligned >= 4) return to.copy_async(l, stage, source, live);
  Tile data = k.load(source, live, "data");
  to.store(data, stage);
}

}  // namespace

std::string DotSpec::line() const {
  return fmt::format("dot aligned={} elem={} k={} m={} n={} warps={}x{}", aligned, elem == Elem::f16 ? "f16" : "bf16",
                     k, m, n, warps[0], warps[1]);
}

Emitted emit_dot(Lowering& lowering, const DotSpec& s) {
  Kernel k(lowering);
  auto p = k.begin<DotParams>("dot", 32 * s.warps[0] * s.warps[1]);
  std::int64_t step = s.aligned / bytes(s.elem);
  Value m = p(&DotParams::m, {.at_least = 0}), n = p(&DotParams::n, {.at_least = 0});
  Value depth = p(&DotParams::k, {.multiple_of = step, .at_least = 0});
  Value row = k.program(1) * s.m, column = k.program(0) * s.n, zero = k.constant(Type::i32, 0);
  Operand a{p.tensor(&DotParams::a, s.elem, s.aligned), p(&DotParams::a_row, {.multiple_of = step}), row, m, depth};
  Operand b{p.tensor(&DotParams::b, s.elem, s.aligned), p(&DotParams::b_row, {.multiple_of = step}), column, n, depth};
  Pointer c = p.tensor(&DotParams::c, Elem::f32);
  Value c_row = p(&DotParams::c_row);

  DotLayouts layouts = dot_layouts(s.m, s.n, s.k, s.warps);
  SharedTile left(k, "left", s.elem, s.m, s.k, 2), right(k, "right", s.elem, s.n, s.k, 2);
  auto fetch_both = [&](const Value& from, const Value& stage) {
    fetch(k, s, a, left, s.m, from, stage);
    fetch(k, s, b, right, s.n, from, stage);
    k.copy_commit();
  };
  fetch_both(zero, zero);
  Tile nothing = k.full(layouts.c, Value(cast(zero, Type::f32)));
  auto sums = k.loop(zero, depth, k.constant(Type::i32, s.k), {nothing}, [&](Value from, std::vector<Tile>& sum) {
    Value stage = from / s.k % 2;
    fetch_both(from + s.k, 1 - stage);
    k.copy_wait(1);
    k.barrier();
    Tile x = left.load(layouts.a, stage);
    Tile y = right.load_transposed(layouts.b, stage);
    sum[0] = dot(k, x, y, sum[0]);
    k.barrier();
  });
  k.copy_wait(0);
  Tile i = k.arange(layouts.c, 0) + row, j = k.arange(layouts.c, 1) + column;
  k.store(c + (wide(i) * c_row + wide(j)), sums[0], (i < m) & (j < n));
  k.end();
  return k.take();
}

namespace {

std::size_t size(int n) {
  return static_cast<std::size_t>(n);
}

/// A matrix as 16-bit elements, NaNs between its rows, and its values.
struct Matrix {
  std::vector<std::uint16_t> bits;
  std::vector<double> values;  // [rows, columns]
};

Matrix random_matrix(std::mt19937_64& random, Elem elem, int rows, int columns, int stride) {
  Matrix a{std::vector<std::uint16_t>(size(rows * stride), 0x7fff), {}};
  std::uniform_real_distribution<float> range(-1, 1);
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c) {
      std::uint16_t bits = elem == Elem::f16 ? f32_to_f16(range(random)) : f32_to_bf16(range(random));
      a.bits[size(r * stride + c)] = bits;
      a.values.push_back(elem == Elem::f16 ? f16_to_f32(bits) : bf16_to_f32(bits));
    }
  return a;
}

/// Memory of a backend for the length of a run.
class Buffer {
 public:
  template <class T>
  Buffer(Backend& backend, const char* label, const std::vector<T>& contents) : backend_(backend) {
    std::size_t bytes = contents.size() * sizeof(T);
    at_ = backend.allocate(std::max<std::size_t>(bytes, 16), label);
    if (bytes) backend.copy_in(at_, contents.data(), bytes, nullptr);
  }
  Buffer(const Buffer&) = delete;
  ~Buffer() { backend_.release(at_); }
  char* at() const { return static_cast<char*>(at_); }

 private:
  Backend& backend_;
  void* at_ = nullptr;
};

std::string compare(const DotCase& c, const Matrix& a, const Matrix& b, const std::vector<float>& got, int stride) {
  for (int i = 0; i < c.m; ++i)
    for (int j = 0; j < stride; ++j) {
      float value = got[size(i * stride + j)];
      if (j >= c.n) {
        if (value != -7) return fmt::format("something was written between rows {} and {}", i, i + 1);
        continue;
      }
      double wanted = 0;
      for (int k = 0; k < c.k; ++k) wanted += a.values[size(i * c.k + k)] * b.values[size(j * c.k + k)];
      if (!(std::abs(value - wanted) <= 1e-6 * (1 + c.k)))  // as much as sums of f32 may lose, whatever their order
        return fmt::format("c[{}, {}] is {}; expected {}", i, j, value, wanted);
    }
  return {};
}

}  // namespace

std::string run_dot(Backend& backend, const DotCase& c, const std::function<void(void*, std::size_t)>& poison) {
  auto random = random_for(c.spec.line());
  int step = std::max(1, c.spec.aligned / 2), row = c.k + (c.spare + step - 1) / step * step, c_row = c.n + c.spare;
  Matrix a = random_matrix(random, c.spec.elem, c.m, c.k, row), b = random_matrix(random, c.spec.elem, c.n, c.k, row);
  std::vector<float> out(size(c.m * c_row), -7.0f);
  Buffer a_there(backend, "a", a.bits), b_there(backend, "b", b.bits), c_there(backend, "c", out);
  for (auto [at, rows] : {std::pair{a_there.at(), c.m}, {b_there.at(), c.n}})
    for (int r = 0; r < rows && poison && row > c.k; ++r) poison(at + 2 * (r * row + c.k), size(2 * (row - c.k)));

  DotParams params{a_there.at(), b_there.at(), c_there.at(), row, row, c_row, c.m, c.n, c.k};
  Request request = make_request(c.spec.line(), backend.target(), abi_text<DotParams>(), "test");
  Grid grid{static_cast<std::uint32_t>((c.n + c.spec.n - 1) / c.spec.n),
            static_cast<std::uint32_t>((c.m + c.spec.m - 1) / c.spec.m), 1};
  backend.launch(backend.load(request), grid, &params, nullptr);
  backend.synchronise(nullptr);
  backend.copy_out(out.data(), c_there.at(), out.size() * sizeof(float), nullptr);
  std::string wrong = compare(c, a, b, out, c_row);
  return wrong.empty() ? wrong
                       : fmt::format("{} m={} n={} k={} spare={}: {}", c.spec.line(), c.m, c.n, c.k, c.spare, wrong);
}

}  // namespace pagejit::test
