// What a warp does together: shuffles, votes, reductions, matrix loads and products.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include "compiler/emulator/half.h"
#include "tests/compiler/emulator_support.h"
#include "tests/support/seed.h"

using namespace pagejit;
using namespace pagejit::test;

namespace {

std::vector<int> random_ints(std::mt19937_64& random, std::size_t count) {
  std::vector<int> all(count);
  for (int& v : all) v = static_cast<int>(random());
  return all;
}

/// out[t] = op(in[t], …) for the 64 threads of a block.
std::vector<int> each_lane(const std::vector<int>& in,
                           const std::function<llvm::Value*(HandKernel&, llvm::Value*)>& op) {
  HandEmulator e;
  void *from = e.buffer("input", in), *to = e.room("output", in.size() * 4);
  auto found = e.run(static_cast<int>(in.size()), {from, to, 0}, [&](HandKernel& k) {
    llvm::Value* value = k.load(k.in(Elem::i32), k.thread(), k.ir().getInt32Ty());
    k.store(k.out(Elem::i32), k.thread(), op(k, value));
  });
  CHECK(found.empty());
  return e.contents<int>(to, in.size());
}

}  // namespace

TEST_CASE("emulator: shuffles take the lane that the PTX ISA says") {
  auto random = random_for("emulator shuffles");
  std::vector<int> in = random_ints(random, 64);
  for (int n : {0, 1, 5, 16, 31, 33}) {
    auto by_xor = each_lane(in, [n](HandKernel& k, llvm::Value* v) {
      return k.op(MachineOp::shuffle_xor, {v, k.i32(n)});
    });
    auto by_index = each_lane(in, [n](HandKernel& k, llvm::Value* v) {
      return k.op(MachineOp::shuffle_index, {v, k.i32(n)});
    });
    auto by_up = each_lane(in, [n](HandKernel& k, llvm::Value* v) {
      return k.op(MachineOp::shuffle_up, {v, k.i32(n)});
    });
    for (std::size_t t = 0; t < 64; ++t) {
      std::size_t warp = t / 32 * 32, lane = t % 32, m = static_cast<std::size_t>(n) % 32;
      CHECK(by_xor[t] == in[warp + (lane ^ m)]);
      CHECK(by_index[t] == in[warp + m]);
      CHECK(by_up[t] == in[lane >= m ? t - m : t]);
    }
  }
}

TEST_CASE("emulator: a shuffle by a lane number of each lane's own is a permutation") {
  std::vector<int> in(32);
  std::iota(in.begin(), in.end(), 100);
  auto got = each_lane(in, [](HandKernel& k, llvm::Value* v) {
    return k.op(MachineOp::shuffle_index, {v, k.ir().CreateMul(k.thread(), k.i32(7))});
  });
  for (std::size_t t = 0; t < 32; ++t) CHECK(got[t] == in[t * 7 % 32]);
}

TEST_CASE("emulator: a ballot has a bit for each lane of the warp, and reduce_max the greatest of them, signed") {
  auto random = random_for("emulator ballot");
  std::vector<int> in = random_ints(random, 64);
  auto votes =
      each_lane(in, [](HandKernel& k, llvm::Value* v) { return k.op(MachineOp::ballot, {k.ir().CreateAnd(v, 4)}); });
  auto most = each_lane(in, [](HandKernel& k, llvm::Value* v) { return k.op(MachineOp::reduce_max, {v}); });
  for (std::size_t warp = 0; warp < 64; warp += 32) {
    unsigned expected = 0;
    for (std::size_t lane = 0; lane < 32; ++lane) expected |= (in[warp + lane] & 4 ? 1u : 0u) << lane;
    auto first = in.begin() + static_cast<std::ptrdiff_t>(warp);
    for (std::size_t lane = 0; lane < 32; ++lane) {
      CHECK(static_cast<unsigned>(votes[warp + lane]) == expected);
      CHECK(most[warp + lane] == *std::max_element(first, first + 32));
    }
  }
}

TEST_CASE("emulator: ldmatrix hands each lane two neighbours of each of four 8 x 8 matrices") {
  HandEmulator e;
  void* out = e.room("output", 32 * 16);
  auto found = e.run(32, {nullptr, out, 0}, [](HandKernel& k) {
    int tile = k.tile("tile", Elem::u8, 512), words = k.out(Elem::i32);
    llvm::Value *t = k.thread(), *at = k.ir().CreateMul(t, k.i32(16));
    llvm::Value* row = llvm::PoisonValue::get(llvm::FixedVectorType::get(k.ir().getInt16Ty(), 8));
    for (std::uint64_t i = 0; i < 8; ++i)  // element i of row t is 8 t + i
      row = k.ir().CreateInsertElement(
          row,
          k.ir().CreateTrunc(k.ir().CreateAdd(k.ir().CreateMul(t, k.i32(8)), k.i32(static_cast<int>(i))),
                             k.ir().getInt16Ty()),
          i);
    k.store(tile, at, row);
    k.op(MachineOp::warp_sync);
    llvm::Value* got = k.op(MachineOp::ldmatrix_x4, {k.at(tile, at)});
    for (unsigned i = 0; i < 4; ++i)
      k.store(words, k.ir().CreateAdd(k.ir().CreateMul(t, k.i32(4)), k.i32(static_cast<int>(i))), k.part(got, i));
  });
  CHECK(found.empty());
  auto got = e.contents<std::uint16_t>(out, 256);
  for (int lane = 0; lane < 32; ++lane)
    for (int matrix = 0; matrix < 4; ++matrix)
      for (int j = 0; j < 2; ++j)
        CHECK(got[static_cast<std::size_t>((lane * 4 + matrix) * 2 + j)] ==
              (matrix * 8 + lane / 4) * 8 + lane % 4 * 2 + j);
}

namespace {

/// The product of random matrices, by one warp whose fragments are laid out here as the PTX ISA's figures show them.
void check_mma(MachineOp op, std::uint16_t (*narrow)(float), float (*widen)(std::uint16_t)) {
  auto random = random_for("emulator mma");
  auto a = random_floats(random, 16 * 16), b = random_floats(random, 16 * 8), c = random_floats(random, 16 * 8);
  std::vector<std::uint32_t> words(32 * 10);
  auto pair = [&](float low, float high) {
    return static_cast<std::uint32_t>(narrow(low)) | static_cast<std::uint32_t>(narrow(high)) << 16;
  };
  for (std::size_t lane = 0; lane < 32; ++lane) {
    std::size_t g = lane >> 2, t = lane & 3;
    auto A = [&](std::size_t r, std::size_t k) { return pair(a[r * 16 + k], a[r * 16 + k + 1]); };
    auto B = [&](std::size_t k) { return pair(b[k * 8 + g], b[(k + 1) * 8 + g]); };
    std::uint32_t mine[10] = {A(g, 2 * t),         A(g + 8, 2 * t), A(g, 2 * t + 8),
                              A(g + 8, 2 * t + 8), B(2 * t),        B(2 * t + 8)};
    std::memcpy(mine + 6, &c[g * 8 + 2 * t], 8);
    std::memcpy(mine + 8, &c[(g + 8) * 8 + 2 * t], 8);
    std::copy(mine, mine + 10, words.begin() + static_cast<std::ptrdiff_t>(lane * 10));
  }
  HandEmulator e;
  void *in = e.buffer("fragments", words), *out = e.room("product", 16 * 8 * 4);
  auto found = e.run(32, {in, out, 0}, [&](HandKernel& k) {
    int from = k.in(Elem::i32), to = k.out(Elem::f32);
    std::vector<llvm::Value*> operands;
    for (int i = 0; i < 10; ++i) {
      llvm::Type* type = i < 6 ? static_cast<llvm::Type*>(k.ir().getInt32Ty()) : k.ir().getFloatTy();
      operands.push_back(k.load(from, k.ir().CreateAdd(k.ir().CreateMul(k.thread(), k.i32(10)), k.i32(i)), type));
    }
    llvm::Value* d = k.op(op, operands);
    llvm::Value *g = k.ir().CreateLShr(k.thread(), 2), *t = k.ir().CreateAnd(k.thread(), 3);
    for (unsigned i = 0; i < 4; ++i) {
      llvm::Value* row = k.ir().CreateAdd(g, k.i32(i / 2 * 8));
      llvm::Value* column = k.ir().CreateAdd(k.ir().CreateMul(t, k.i32(2)), k.i32(i % 2));
      k.store(to, k.ir().CreateAdd(k.ir().CreateMul(row, k.i32(8)), column), k.part(d, i));
    }
  });
  CHECK(found.empty());
  auto got = e.contents<float>(out, 16 * 8);
  for (std::size_t r = 0; r < 16; ++r)
    for (std::size_t n = 0; n < 8; ++n) {
      double sum = c[r * 8 + n], size = std::fabs(sum);
      for (std::size_t k = 0; k < 16; ++k) {
        double product =
            static_cast<double>(widen(narrow(a[r * 16 + k]))) * static_cast<double>(widen(narrow(b[k * 8 + n])));
        sum += product;
        size += std::fabs(product);
      }
      CHECK(std::fabs(static_cast<double>(got[r * 8 + n]) - sum) <= size * 16 * 0x1p-24);
    }
}

}  // namespace

TEST_CASE("emulator: the tensor-core product of f16 fragments is that of the matrices") {
  check_mma(MachineOp::mma_m16n8k16_f16, f32_to_f16, f16_to_f32);
}

TEST_CASE("emulator: the tensor-core product of bf16 fragments is that of the matrices") {
  check_mma(MachineOp::mma_m16n8k16_bf16, f32_to_bf16, bf16_to_f32);
}

TEST_CASE("emulator: program and thread numbers are those of the launch") {
  HandEmulator e;
  void* out = e.room("output", 2 * 3 * 4 * 64 * 4);
  auto found =
      e.run(64, {nullptr, out, 0},
            [](HandKernel& k) {
              auto& ir = k.ir();
              auto id = [&](MachineOp op) { return k.op(op); };
              llvm::Value* block = ir.CreateAdd(
                  ir.CreateMul(ir.CreateAdd(ir.CreateMul(id(MachineOp::program_id_z), id(MachineOp::programs_y)),
                                            id(MachineOp::program_id_y)),
                               id(MachineOp::programs_x)),
                  id(MachineOp::program_id_x));
              llvm::Value* i = ir.CreateAdd(ir.CreateMul(block, k.i32(64)), k.thread());
              k.store(k.out(Elem::i32), i, ir.CreateMul(i, id(MachineOp::programs_z)));
            },
            {2, 3, 4});
  CHECK(found.empty());
  auto got = e.contents<int>(out, 2 * 3 * 4 * 64);
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == static_cast<int>(i) * 4);
}
