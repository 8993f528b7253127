// What the assembler and the reader of the PTX see of flatten, over whole families of Specs.
#include <doctest/doctest.h>

#include <set>

#include "kernels/flatten/host.h"
#include "kernels/registry.h"
#include "runtime/base/fields.h"
#include "tests/kernels/kernel_ptx.h"
#include "tests/support/check_ptx.h"
#include "tools/model_config.h"

namespace pagejit::test {
namespace {

std::string ptx_of(const flatten::Spec& s, std::string_view target_name = "sm_90a") {
  return ptx_of_line(spec_line("flatten", s), target_name);
}

/// All that the built-in models can ask for, and head dims and pages that none of them has.
std::vector<std::string> all_lines() {
  std::set<std::string> lines;
  for (const std::string& name : model_names())
    for (const std::string& line : family_of("flatten").specs_for_model(load_model(name).shape({16, 64})))
      lines.insert(line);
  for (int dim : {1, 32, 64, 80, 96, 192, 256, 512, 576})
    for (Align align : {Align::a16, Align::elem})
      for (Elem to : {Elem::bf16, Elem::f32}) {
        flatten::Spec s;
        s.dim_k = dim, s.dim_v = dim == 192 ? 128 : dim, s.page = 61, s.align = align, s.to = to;
        flatten::choose_block(s);
        lines.insert(spec_line("flatten", s));
      }
  for (Quant quant : {Quant::fp8, Quant::fp8_group, Quant::int8, Quant::int4, Quant::turbo4})
    for (bool joint : {false, true})
      for (int page : {16, 61}) {
        ModelShape m;
        m.joint = joint, m.quants = {quant}, m.pages = {page}, m.lengths = {Elem::i32};
        if (joint) m.dim_k = 576, m.dim_v = 512, m.rope_dim = 64;
        for (const std::string& line : family_of("flatten").specs_for_model(m)) lines.insert(line);
      }
  lines.insert("flatten k=u8 v=u8 to=u8 dim_v=4 starts=indptr offsets=1 tail=untouched");
  return {lines.begin(), lines.end()};
}

flatten::Spec quantised(Quant k, Quant v) {
  flatten::Spec s;
  s.quant_k = k, s.quant_v = v;
  s.k = s.v = k == Quant::fp8 ? Elem::e4m3 : Elem::u8;
  flatten::choose_block(s);
  return s;
}

}  // namespace

TEST_CASE("flatten: the PTX of a Spec is the same, byte for byte, however often it is made") {
  for (Align align : {Align::a16, Align::elem}) {
    flatten::Spec s;
    s.align = align;
    flatten::choose_block(s);
    CHECK(ptx_of(s) == ptx_of(s));
  }
}

TEST_CASE("flatten: moves sixteen bytes at a time, without a branch around a load") {
  check_ptx(ptx_of({}), R"(
    CHECK-LABEL: .entry flatten
    CHECK: bar.sync
    CHECK: griddepcontrol.wait
    CHECK: griddepcontrol.launch_dependents
    CHECK-NOT: ld.global.b16
    CHECK: ld.global.v4.b32
    CHECK: ld.global.v4.b32
    CHECK: st.global.v4.b32
    CHECK: st.global.v4.b32
    CHECK-NOT: ld.global
  )");
}

TEST_CASE("flatten: eight codes a load, one load of scale and zero, sixteen bytes a store, in 48 registers") {
  struct Mode {
    Quant k, v;
    std::size_t stores;
  };
  for (Mode mode : {Mode{Quant::fp8, Quant::fp8, 2}, {Quant::int8, Quant::int8, 2}, {Quant::int4, Quant::int4, 4}}) {
    flatten::Spec s = quantised(mode.k, mode.v);
    s.unroll = 1;
    std::string ptx = ptx_of(s);
    CAPTURE(spec_line("flatten", s));
    CHECK(count(ptx, "ld.global.b64") == 2);
    CHECK(count(ptx, "ld.global.b16") == 0);
    CHECK(count(ptx, "st.global.v4.b32") == mode.stores);
    CHECK(count(ptx, "st.global") == mode.stores);
    CHECK(count(ptx, "cvt.rn.bf16x2.f32") == 4 * mode.stores);
    // All of a block's loads come before its first conversion: of both sides, or of each where they have blocks apart.
    std::size_t converted = 4 * mode.stores / (flatten::apart(s) ? 2 : 1);
    CHECK(count(ptx.substr(ptx.rfind("ld.global")), "cvt.rn.bf16x2.f32") == converted);
    CHECK(count(ptx.substr(0, ptx.find("cvt.rn.bf16x2.f32")), "ld.global.b64") == (flatten::apart(s) ? 1 : 2));
    auto a = assemble(ptx, "sm_90a");
    if (a) CHECK(a->registers <= 48);
  }
}

TEST_CASE("flatten: a tail that is left untouched leaves no trace of clearing in the PTX") {
  flatten::Spec zero, untouched;
  untouched.tail = flatten::Tail::untouched;
  CHECK(ptx_of(untouched).size() < ptx_of(zero).size());
}

TEST_CASE("flatten: joint K and V load one tensor only") {
  flatten::Spec s;
  s.joint = true, s.unroll = 1;
  CHECK(count(ptx_of(s), "ld.global.v4.b32") == 1);
  CHECK(count(ptx_of({}), "ld.global.v4.b32") == 2);
}

TEST_CASE("flatten: targets without programmatic launch get a kernel that never waits") {
  CHECK(count(ptx_of({}, "sm_80"), "griddepcontrol") == 0);
  CHECK(count(ptx_of({}, "sm_90"), "griddepcontrol") > 0);
}

TEST_CASE("flatten: nothing spills, on any target, for any Spec") {
  check_no_spills(all_lines(), "flatten spills", 12);
}

}  // namespace pagejit::test
