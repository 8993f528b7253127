// What the assembler and the reader of the PTX see of the writers, over whole families of Specs.
#include <doctest/doctest.h>

#include <set>

#include "kernels/append/host.h"
#include "kernels/registry.h"
#include "runtime/base/fields.h"
#include "tests/kernels/kernel_ptx.h"
#include "tests/support/check_ptx.h"
#include "tools/model_config.h"

namespace pagejit::test {
namespace {

std::string ptx_of(const append::Spec& s, std::string_view target_name = "sm_90a") {
  return ptx_of_line(spec_line("append", s), target_name);
}

append::Spec quantised(Quant quant, int dim = 128) {
  append::Spec s;
  s.quant_k = quant, s.quant_v = quant == Quant::turbo4 ? Quant::turbo2 : quant;
  s.k = s.v = quant == Quant::fp8 || quant == Quant::fp8_group ? Elem::e4m3 : Elem::u8;
  s.dim_k = s.dim_v = dim, s.where = Where::slots, s.table = Elem::i64;
  append::choose_block(s);
  return s;
}

/// All that the built-in models can ask for in every mode, and head dims and pages that none of them has.
std::vector<std::string> all_lines() {
  std::set<std::string> lines;
  for (const std::string& name : model_names()) {
    ModelShape shape = load_model(name).shape({16, 64});
    shape.quants = {Quant::none, Quant::fp8, Quant::fp8_group, Quant::int8, Quant::int4, Quant::turbo4};
    for (const std::string& line : family_of("append").specs_for_model(shape)) lines.insert(line);
  }
  for (Quant quant : {Quant::fp8, Quant::fp8_group, Quant::int8, Quant::int4})
    for (int dim : {2, 80, 96, 192, 576, 1024}) {
      append::Spec s = quantised(quant, dim);
      s.page = 61, s.in = dim == 96 ? Elem::f32 : Elem::f16;
      append::choose_block(s);
      lines.insert(spec_line("append", s));
    }
  return {lines.begin(), lines.end()};
}

}  // namespace

TEST_CASE("append: the PTX of a Spec is the same, byte for byte, however often it is made") {
  for (Quant quant : {Quant::int4, Quant::turbo4}) CHECK(ptx_of(quantised(quant)) == ptx_of(quantised(quant)));
}

TEST_CASE("append: both tensors are loaded, sixteen bytes at a time, before a slot is looked up or a row stored") {
  for (Quant quant : {Quant::int8, Quant::fp8_group})
    check_ptx(ptx_of(quantised(quant)), R"(
    CHECK-LABEL: .entry append
    CHECK: griddepcontrol.wait
    CHECK: ld.global.v4.b32
    CHECK: ld.global.v4.b32
    CHECK: ld.global.b64
    CHECK-NOT: ld.global.L1
    CHECK-NOT: ld.global.b64
    CHECK: st.global.b64
    CHECK: st.global.b64
  )");
}

TEST_CASE("append: four bits are packed in registers: no more shuffles than for eight") {
  std::string eight = ptx_of(quantised(Quant::int8)), four = ptx_of(quantised(Quant::int4));
  CHECK(count(four, "shfl.") <= count(eight, "shfl."));
  CHECK(count(eight, "shfl.") > 0);
}

TEST_CASE("append: of a row of 576 elements in a tile of 1024 columns, what no row has is never loaded or stored") {
  append::Spec s = quantised(Quant::int8, 576);
  s.dim_v = 0;
  append::choose_block(s);
  std::string ptx = ptx_of(s);
  CHECK(count(ptx, "ld.global.v4") == 3);  // of four stretches of 256 columns
  CHECK(count(ptx, "st.global.b64") == 3);
}

TEST_CASE("append: arithmetic of the quantisers is rounded step by step") {
  for (Quant quant : {Quant::int8, Quant::int4, Quant::fp8, Quant::fp8_group}) {
    std::string ptx = ptx_of(quantised(quant));
    CHECK(count(ptx, "div.full") + count(ptx, "div.approx") == 0);
    CHECK(count(ptx, "\tadd.f32") + count(ptx, "\tmul.f32") == 0);
  }
}

TEST_CASE("append: a row that is nothing unusual is divided by a reciprocal; a thread has one or two rows a side") {
  auto reciprocals = [](Quant quant) { return count(ptx_of(quantised(quant)), "rcp.approx.ftz.f32"); };
  for (Quant quant : {Quant::int8, Quant::int4, Quant::fp8_group}) CHECK(reciprocals(quant) == 2);
  CHECK(reciprocals(Quant::fp8) == 4);
}

TEST_CASE("append: of a ragged batch the first rows are under way before the block waits for its look-up") {
  append::Spec s = quantised(Quant::int8);
  s.where = Where::ragged, s.table = Elem::i32;
  check_ptx(ptx_of(s), R"(
    CHECK: griddepcontrol.wait
    CHECK: ld.global.v4.b32
    CHECK: ld.global.v4.b32
    CHECK: ld.global.v4.b32
    CHECK: ld.global.v4.b32
    CHECK: bar.sync
    CHECK: st.global.b64
  )");
}

// One register of some ragged Specs: the assembler would rather have more threads on a multiprocessor.
TEST_CASE("append: no more than a register spills, on any target, for any Spec") {
  check_no_spills(all_lines(), "append spills", 12, 8);
}

}  // namespace pagejit::test
