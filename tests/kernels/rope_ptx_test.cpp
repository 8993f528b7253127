// What rope becomes: its PTX, and what the assembler makes of it.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "kernels/registry.h"
#include "kernels/rope/host.h"
#include "runtime/base/fields.h"
#include "tests/kernels/kernel_ptx.h"
#include "tests/support/check_ptx.h"

namespace pagejit::test {
namespace {

std::string ptx_of(const rope::Spec& s, std::string_view target_name = "sm_90a") {
  return ptx_of_line(spec_line("rope", s), target_name);
}

/// What two kinds of model can ask for, and dims that no model has.
std::vector<std::string> all_lines() {
  std::set<std::string> lines;
  ModelShape gqa, mla;
  gqa.rope_dim = 64, gqa.quants = mla.quants = {Quant::none, Quant::fp8};
  mla.kv_heads = 1, mla.dim_k = 576, mla.dim_v = 512, mla.rope_dim = 64, mla.joint = true;
  for (const ModelShape& m : {gqa, mla})
    for (const rope::Spec& s : rope::specs_for_model(m)) lines.insert(spec_line("rope", s));
  for (int dim : {2, 18, 66, 96, 128, 256, 1024})
    for (Align align : {Align::a16, Align::elem})
      for (Elem out : {Elem::f32, Elem::e5m2})
        for (auto style : {rope::Style::neox, rope::Style::interleaved}) {
          rope::Spec s;
          s.in = Elem::f32, s.q = out, s.kv = Elem::e4m3, s.style = style, s.align = align;
          s.rope_dim = dim, s.nope_dim = dim / 2 + 1, s.dim_v = dim + dim % 5, s.padding = rope::Padding::zero_row;
          s.dim_v = std::min(s.dim_v, rope::max_dim);
          rope::choose_block(s);
          lines.insert(spec_line("rope", s));
        }
  return {lines.begin(), lines.end()};
}

}  // namespace

TEST_CASE("rope: the PTX of a Spec is the same, byte for byte, however often it is made") {
  for (auto style : {rope::Style::neox, rope::Style::interleaved}) {
    rope::Spec s;
    s.style = style;
    CHECK(ptx_of(s) == ptx_of(s));
  }
}

TEST_CASE("rope: sixteen bytes a load, eight codes a store, no barrier and no shared memory") {
  std::string ptx = ptx_of({});
  check_ptx(ptx, R"(
    CHECK-LABEL: .entry rope
    CHECK: griddepcontrol.wait
    CHECK: griddepcontrol.launch_dependents
    CHECK: ld.global.v4.b32
    CHECK: st.global.b64
  )");
  CHECK(count(ptx, "bar.sync") == 0);
  CHECK(count(ptx, ".shared") == 0);
  CHECK(count(ptx, "no_allocate.L2::128B.b") == 0);  // of 2, 4 or 8 bytes
  CHECK(count(ptx, "st.global.b8") + count(ptx, "st.global.b16") + count(ptx, "st.global.b32") == 0);
}

TEST_CASE("rope: what a Spec has not leaves no trace") {
  rope::Spec all, no_v, no_nope, copied;
  no_v.dim_v = 0, no_nope.nope_dim = 0;
  copied.q = copied.kv = copied.in;
  std::size_t size = ptx_of(all).size();
  CHECK(ptx_of(no_v).size() < size);
  CHECK(ptx_of(no_nope).size() < size);
  CHECK(count(ptx_of(all), "e4m3x2") > 0);
  CHECK(count(ptx_of(copied), "e4m3x2") == 0);
}

TEST_CASE("rope: contraction is the template's own: one fused sum a rotated element, and no other") {
  rope::Spec s;
  s.nope_dim = s.dim_v = 0;
  std::string ptx = ptx_of(s);
  // Queries: 16 elements of two heads; K: the same.
  CHECK(count(ptx, "fma.rn.f32") == 2 * 2 * 16);
  CHECK(count(ptx, "mul.f32") == 0);  // without .rn the assembler would be free to fuse
}

TEST_CASE("rope: targets without programmatic launch get a kernel that never waits") {
  CHECK(count(ptx_of({}, "sm_80"), "griddepcontrol") == 0);
  CHECK(count(ptx_of({}, "sm_90"), "griddepcontrol") > 0);
}

TEST_CASE("rope: nothing spills, on any target, for any Spec") {
  check_no_spills(all_lines(), "rope spills", 10);
}

}  // namespace pagejit::test
