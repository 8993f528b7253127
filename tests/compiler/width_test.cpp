// The width of an access follows from facts and layout, never from the template.
#include <doctest/doctest.h>

#include "tests/compiler/emit.h"

namespace pagejit::test {
namespace {

std::string copy_of(Elem elem, int aligned, int dim, std::int64_t stride_multiple, int vector = 8) {
  return ptx_of("sm_90a", 64, [&](Kernel& k, const Kernel::Parameters<Params>& p) {
    Pointer in = p.tensor(&Params::in, elem, aligned), out = p.tensor(&Params::out, elem, 16);
    Value stride = p(&Params::stride, {.multiple_of = stride_multiple, .at_least = 0});
    Tile e = k.arange(Layout::linear(64 * vector, vector, k.warps()));
    Tile data = k.load(in + (wide(e / dim) * stride + wide(e % dim)), "data");
    k.store(out + e, data);
  });
}

}  // namespace

TEST_CASE("width: 16-byte pointers and strides of 8 elements load eight 16-bit elements at once") {
  check_ptx(copy_of(Elem::bf16, 16, 128, 8), R"(
    CHECK-NOT: ld.global.b16
    CHECK: ld.global.v4.b32
    CHECK-NOT: ld.global
    CHECK: st.global.v4.b32
  )");
}

TEST_CASE("width: the weaker of pointer and stride decides") {
  CHECK(count(copy_of(Elem::bf16, 8, 128, 8), "ld.global.b64") == 2);
  CHECK(count(copy_of(Elem::bf16, 16, 128, 4), "ld.global.b64") == 2);
  CHECK(count(copy_of(Elem::bf16, 4, 128, 8), "ld.global.b32") == 4);
  CHECK(count(copy_of(Elem::bf16, 2, 128, 8), "ld.global.b16") == 8);
  CHECK(count(copy_of(Elem::bf16, 16, 128, 1), "ld.global.b16") == 8);
}

TEST_CASE("width: a head dim that is no multiple of the vector narrows it to what divides both") {
  CHECK(count(copy_of(Elem::bf16, 16, 80, 8), "ld.global.v4.b32") == 1);
  CHECK(count(copy_of(Elem::bf16, 16, 36, 4), "ld.global.b64") == 2);
  CHECK(count(copy_of(Elem::bf16, 16, 33, 1), "ld.global.b16") == 8);
}

TEST_CASE("width: 4-byte elements go four at a time, 1-byte elements sixteen") {
  CHECK(count(copy_of(Elem::f32, 16, 128, 4), "ld.global.v4.b32") == 2);
  CHECK(count(copy_of(Elem::u8, 16, 128, 16, 16), "ld.global.v4.b32") == 1);
}

TEST_CASE("width: a mask that is constant over a vector does not split it, and costs no branch") {
  std::string ptx = ptx_of("sm_90a", 64, [](Kernel& k, const Kernel::Parameters<Params>& p) {
    Pointer in = p.tensor(&Params::in, Elem::bf16, 16), out = p.tensor(&Params::out, Elem::bf16, 16);
    Tile e = k.arange(Layout::linear(512, 8, k.warps()));
    Tile live = e / 128 < p(&Params::n);
    Tile data = k.load(in + e, live, "data");
    k.store(out + e, data, live);
  });
  check_ptx(ptx, R"(
    CHECK: mov.b32
    CHECK: ld.global.v4.b32
    CHECK: st.global.v4.b32
    CHECK-NOT: bra
  )");
  must_assemble(ptx, "sm_90a");
}

TEST_CASE("width: a mask on single elements splits the vector unless the bound is known to be a multiple") {
  auto ptx = [](std::int64_t multiple) {
    return ptx_of("sm_90a", 64, [&](Kernel& k, const Kernel::Parameters<Params>& p) {
      Pointer in = p.tensor(&Params::in, Elem::bf16, 16), out = p.tensor(&Params::out, Elem::bf16, 16);
      Tile e = k.arange(Layout::linear(512, 8, k.warps()));
      Tile data = k.load(in + e, e < p(&Params::n, {.multiple_of = multiple}), "data");
      k.store(out + e, data);
    });
  };
  CHECK(count(ptx(8), "ld.global.v4.b32") == 1);
  CHECK(count(ptx(2), "ld.global.b32") == 4);
  CHECK(count(ptx(1), "ld.global.b16") == 8);
}

TEST_CASE("width: registers that share an address are loaded once") {
  std::string ptx = ptx_of("sm_90a", 64, [](Kernel& k, const Kernel::Parameters<Params>& p) {
    Pointer in = p.tensor(&Params::in, Elem::i32, 4), out = p.tensor(&Params::out, Elem::i32, 16);
    Tile e = k.arange(Layout::linear(512, 8, k.warps()));
    Tile data = k.load(in + e / 64, "data");
    k.store(out + e, data);
  });
  CHECK(count(ptx, "ld.global") == 1);
}

TEST_CASE("width: a page of 64 rows costs a shift, never a division") {
  std::string ptx = ptx_of("sm_90a", 64, [](Kernel& k, const Kernel::Parameters<Params>& p) {
    Pointer out = p.tensor(&Params::out, Elem::i32, 4);
    Value n = p(&Params::n, {.at_least = 0});
    k.store(out + n / 64, n % 64);
  });
  check_ptx(ptx, "CHECK-NOT: div.\nCHECK-NOT: rem.\nCHECK: st.global.b32");
}

}  // namespace pagejit::test
