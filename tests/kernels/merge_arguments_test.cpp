// What a caller of merge_attn_states may get wrong, argument by argument: each is named, nothing is launched.
#include <doctest/doctest.h>

#include <set>

#include "kernels/merge/host.h"
#include "kernels/registry.h"
#include "runtime/base/fields.h"
#include "tests/kernels/arguments.h"

namespace pagejit::tests {
namespace {

constexpr std::int64_t tokens = 10, heads = 4, dim = 64;

MergeArgs good() {
  MergeArgs a;
  a.prefix_out = tensor(Elem::bf16, {tokens, heads, dim}), a.suffix_out = tensor(Elem::bf16, {tokens, heads, dim});
  a.prefix_lse = tensor(Elem::f32, {tokens, heads}), a.suffix_lse = tensor(Elem::f32, {tokens, heads});
  a.out = tensor(Elem::e4m3, {tokens, heads, dim}), a.out_lse = tensor(Elem::f32, {tokens, heads});
  a.out_scale = tensor(Elem::f32, {1}), a.context_tokens_device = tensor(Elem::i32, {1});
  return a;
}

const ArgumentTests<MergeArgs> calls{good,
                                     &Context::merge_attn_states,
                                     {{"prefix_out", &MergeArgs::prefix_out},
                                      {"suffix_out", &MergeArgs::suffix_out},
                                      {"prefix_lse", &MergeArgs::prefix_lse},
                                      {"suffix_lse", &MergeArgs::suffix_lse},
                                      {"out", &MergeArgs::out},
                                      {"out_lse", &MergeArgs::out_lse},
                                      {"out_scale", &MergeArgs::out_scale},
                                      {"context_tokens_device", &MergeArgs::context_tokens_device}}};

}  // namespace

TEST_CASE("merge arguments: a right call is launched once, with and without what may be left out") {
  Recorder r;
  MergeArgs a = good();
  r.context.merge_attn_states(a);
  a.out_lse = a.out_scale = a.context_tokens_device = {};
  r.context.merge_attn_states(a);
  CHECK(r.backend->launches == 2);
  CHECK(r.backend->compiles == 1);
}

TEST_CASE("merge arguments: null pointers, ranks, elements and sizes are refused for each tensor") {
  calls.each_argument([](Tensor& t) { return t.data = nullptr, true; }, "null pointer");
  calls.each_argument([](Tensor& t) { return t.rank = 5, true; }, "rank 5");
  calls.each_argument([](Tensor& t) { return t.rank = -1, true; }, "rank -1");
  calls.each_argument([](Tensor& t) { return t.elem = Elem::u8, true; }, "element type");
  calls.each_argument([](Tensor& t) { return t.shape[0] = -1, true; }, "size -1");
  calls.each_argument([](Tensor& t) { return t.elem != Elem::e4m3 && (t.data = static_cast<char*>(t.data) + 1, true); },
                      "multiple of");
}

TEST_CASE("merge arguments: strides that no kernel can walk are refused for each tensor") {
  calls.each_argument([](Tensor& t) { return t.rank == 3 && (t.stride[2] = 2, true); }, "stride 2 along its last axis");
  calls.each_argument([](Tensor& t) { return t.rank > 1 && (t.stride[0] = 0, true); }, "stride 0");
  calls.each_argument([](Tensor& t) { return t.rank == 2 && (t.stride[1] = -1, true); }, "stride -1 along heads");
  calls.each_argument([](Tensor& t) { return t.rank > 1 && (t.stride[0] = std::int64_t{1} << 62, true); },
                      "address space");
}

TEST_CASE("merge arguments: logs may have any strides, and either order of axes") {
  MergeArgs a = good();
  for (Tensor MergeArgs::*t : {&MergeArgs::prefix_lse, &MergeArgs::suffix_lse, &MergeArgs::out_lse})
    (a.*t).stride[0] = 12, (a.*t).stride[1] = 3;
  CHECK(calls.problem_of(a) == "");
  a.lse_axes = LseAxes::heads_tokens;
  CHECK(calls.problem_of(a).find("prefix_lse has 4 tokens; expected 10, as suffix_out has") != std::string::npos);
}

TEST_CASE("merge arguments: sizes and elements that must agree are compared, and both tensors named") {
  calls.each_is_refused({
      {"prefix_out has 9 tokens; expected 10, as suffix_out", [](auto& a) { a.prefix_out.shape[0] = 9; }},
      {"prefix_out has 3 heads; expected 4, as suffix_out", [](auto& a) { a.prefix_out.shape[1] = 3; }},
      {"out has 63 elements a head; expected 64, as suffix_out", [](auto& a) { a.out.shape[2] = 63; }},
      {"prefix_lse has 9 tokens; expected 10, as suffix_out", [](auto& a) { a.prefix_lse.shape[0] = 9; }},
      {"suffix_lse has 5 heads; expected 4, as suffix_out", [](auto& a) { a.suffix_lse.shape[1] = 5; }},
      {"out_lse has 11 tokens; expected 10, as suffix_out", [](auto& a) { a.out_lse.shape[0] = 11; }},
      {"out_scale has 4 elements; expected 1", [](auto& a) { a.out_scale.shape[0] = 4; }},
      {"context_tokens_device has 2 elements; expected 1", [](auto& a) { a.context_tokens_device.shape[0] = 2; }},
      {"prefix_out has another element type than suffix_out", [](auto& a) { a.prefix_out.elem = Elem::f16; }},
      {"out has another element type than suffix_out; expected e4m3, e5m2 or that one",
       [](auto& a) { a.out.elem = Elem::f16, a.out_scale = {}; }},
  });
}

TEST_CASE("merge arguments: what cannot be done is said") {
  calls.each_is_refused({
      {"out_scale is given though out is not quantised", [](auto& a) { a.out.elem = Elem::bf16; }},
      {"context_tokens_device is given beside context_tokens", [](auto& a) { a.context_tokens = 3; }},
      {"context_tokens is -2; expected 0 or more, or -1 for all",
       [](auto& a) { a.context_tokens = -2, a.context_tokens_device = {}; }},
      {"out overlaps itself", [](auto& a) { a.out.stride[1] = 63; }},
      {"out_lse overlaps itself", [](auto& a) { a.out_lse.stride[0] = 3; }},
      {"out_lse is the memory of one of the inputs", [](auto& a) { a.out_lse = a.suffix_lse; }},
      {"suffix_out has 32769 heads; expected 0 to 32768",
       [](auto& a) {
         for (Tensor* t : {&a.prefix_out, &a.suffix_out, &a.out}) *t = tensor(t->elem, {1, 32769, 64});
       }},
      {"suffix_out has 0 elements a head; expected 1 to 4096",
       [](auto& a) {
         for (Tensor* t : {&a.prefix_out, &a.suffix_out, &a.out}) t->shape[2] = 0;
       }},
      {"suffix_out has 3276800000 rows, of all tokens and heads,; expected 0 to",
       [](auto& a) {
         for (Tensor* t : {&a.prefix_out, &a.suffix_out, &a.out}) *t = tensor(t->elem, {100000, 32768, 64});
       }},
  });
}

TEST_CASE("merge arguments: a model's list has what its calls ask for, nothing twice") {
  Recorder r;
  ModelShape m;
  m.elem = Elem::bf16, m.dim_v = dim, m.quants = {Quant::none, Quant::fp8};
  std::set<std::string> lines;
  for (const merge::Spec& s : merge::specs_for_model(m)) {
    merge::check(s);
    CHECK(lines.insert(spec_line("merge", s)).second);
  }
  CHECK(lines.size() == 8);
  for (Elem to : {Elem::bf16, Elem::e4m3})
    for (int shift : {0, 8, 4, 2}) {
      MergeArgs a = good();
      a.out.elem = to, a.suffix_out.data = static_cast<char*>(a.suffix_out.data) + shift;
      if (to == Elem::bf16) a.out_scale = {};
      CHECK(lines.count(r.context.spec_line(a)) == 1);
    }
}

TEST_CASE("merge arguments: a spec line that no kernel has is refused by the field's name") {
  check_line_refused("merge in=u8", "in is u8; expected f16, bf16 or f32");
  check_line_refused("merge in=bf16 to=f16", "to is f16; expected e4m3, e5m2, or bf16 as in");
  check_line_refused("merge dim=4097", "dim is 4097; expected at most 4096");
  check_line_refused("merge dim=4095 threads=256 unroll=4",
                     "threads is 256; expected with unroll 4 at least the 4095 accesses");
}

}  // namespace pagejit::tests
