// flatten_mla: rows of 656 bytes, their scales and their rotated part. The sampled grid is gather_rules_test.cpp's.
#include <doctest/doctest.h>

#include "kernels/api/pagejit/pagejit.h"
#include "tests/kernels/emulated.h"
#include "tests/kernels/gather_case.h"
#include "tests/kernels/recording_backend.h"
#include "tests/support/seed.h"

namespace pagejit::tests {
namespace {

GatherCase mla(std::vector<std::int64_t> lengths, std::int64_t tail) {
  GatherCase c;
  c.kind = GatherCase::Kind::mla, c.flatten = true, c.tail = flatten::Tail::zero;
  c.heads = 1, c.page = 64;
  c.lengths = std::move(lengths);
  c.rows = tail;
  for (std::int64_t length : c.lengths) c.rows += length;
  c.seed = test_seed();
  return c;
}

std::string run(const GatherCase& c) {
  return run_gather(emulated().context(), c, emulated().poison());
}

}  // namespace

TEST_CASE("flatten_mla: four ragged sequences and a zeroed tail, both output layouts, one head and three") {
  for (auto layout : {FlattenArgs::Out::shd, FlattenArgs::Out::hsd})
    for (int heads : {1, 3}) {
      GatherCase c = mla({2, 24, 47, 48}, 70);
      c.layout = layout, c.heads = heads;
      CHECK(run(c) == "");
    }
}

TEST_CASE("flatten_mla: the rotated part is copied bit for bit, whatever 16-bit type it is of") {
  for (Elem to : {Elem::bf16, Elem::f16}) {
    GatherCase c = mla({70, 3}, 0);
    c.to = to;
    CHECK(run(c) == "");
  }
}

TEST_CASE("flatten_mla: rows 4 bytes apart from their alignment, and one layer of three, give the same rows") {
  for (int layers : {1, 3})
    for (int shift : {0, 2, 4}) {
      GatherCase c = mla({70, 3}, 5);
      c.layers = layers, c.shift = shift;
      CHECK(run(c) == "");
    }
}

TEST_CASE("flatten_mla: what is wrong with an argument is said of that argument, and nothing is launched") {
  auto at = [](std::uintptr_t address) { return reinterpret_cast<void*>(address); };
  FlattenMlaArgs good;
  good.cache = Tensor(at(0x10000), Elem::u8, {10, 64, 1, 656});
  good.out = Tensor(at(0x20000), Elem::bf16, {100, 1, 576});
  good.block_table = Tensor(at(0x30000), Elem::i32, {3, 4});
  good.lengths = Tensor(at(0x40000), Elem::i32, {3});
  auto* backend = new RecordingBackend;
  Context context{std::unique_ptr<Backend>(backend)};
  auto problem = [&](auto spoil) -> std::string {
    FlattenMlaArgs a = good;
    spoil(a);
    try {
      context.flatten_mla(a);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  using Args = FlattenMlaArgs;
  CHECK(problem([](Args&) {}) == "");
  CHECK(problem([](Args& a) { a.cache.shape[3] = 640; }).find("cache has 640 bytes a row; expected 656") !=
        std::string::npos);
  CHECK(problem([](Args& a) { a.cache.elem = Elem::e4m3; }).find("cache has the element type e4m3") !=
        std::string::npos);
  CHECK(problem([](Args& a) { a.cache.stride[0] += 2; }).find("not 4-byte aligned") != std::string::npos);
  CHECK(problem([](Args& a) { a.out.shape[1] = 2; }).find("out overlaps itself") != std::string::npos);
  CHECK(problem([](Args& a) { a.out.elem = Elem::f32; }).find("out has the element type f32") != std::string::npos);
  CHECK(problem([](Args& a) { a.out.shape[2] = 512; }).find("out has 512 elements a head; expected 576") !=
        std::string::npos);
  CHECK(problem([](Args& a) { a.lengths = {}; }).find("lengths is missing") != std::string::npos);
  CHECK(problem([](Args& a) { a.block_table.shape[0] = 2; }).find("block_table has 2 rows; expected 3") !=
        std::string::npos);
  CHECK(backend->launches == 1);
}

}  // namespace pagejit::tests
