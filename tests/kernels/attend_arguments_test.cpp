// What a caller of decode_attention may get wrong, argument by argument: each is named, nothing is launched.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/attend/host.h"
#include "tests/kernels/arguments.h"

namespace pagejit::tests {
namespace {

constexpr std::int64_t tokens = 12, batch = 6, heads = 8, kv_heads = 2, pages = 30, page = 16;

/// Everything that can be given is; two queries a sequence.
DecodeArgs good() {
  DecodeArgs a;
  a.q = tensor(Elem::bf16, {tokens, heads, 128}), a.out = tensor(Elem::bf16, {tokens, heads, 96});
  a.k_cache = tensor(Elem::bf16, {pages, page, kv_heads, 128});
  a.v_cache = tensor(Elem::bf16, {pages, page, kv_heads, 96});
  a.block_table = tensor(Elem::i32, {batch, 5}), a.lengths = tensor(Elem::i32, {batch});
  a.query_indptr = tensor(Elem::i32, {batch + 1}), a.max_queries = 3;
  a.lse = tensor(Elem::f32, {tokens, heads});
  a.sinks = tensor(Elem::f32, {heads}), a.alibi_slopes = tensor(Elem::f32, {heads});
  a.workspace = tensor(Elem::u8, {std::int64_t{1} << 27});
  return a;
}

const ArgumentTests<DecodeArgs> calls{good,
                                      &Context::decode_attention,
                                      {{"q", &DecodeArgs::q},
                                       {"k_cache", &DecodeArgs::k_cache},
                                       {"v_cache", &DecodeArgs::v_cache},
                                       {"block_table", &DecodeArgs::block_table},
                                       {"lengths", &DecodeArgs::lengths},
                                       {"query_indptr", &DecodeArgs::query_indptr},
                                       {"out", &DecodeArgs::out},
                                       {"lse", &DecodeArgs::lse},
                                       {"sinks", &DecodeArgs::sinks},
                                       {"alibi_slopes", &DecodeArgs::alibi_slopes},
                                       {"workspace", &DecodeArgs::workspace}}};

}  // namespace

TEST_CASE("attention arguments: a right call is launched, with and without what may be left out") {
  Recorder r;
  DecodeArgs a = good();
  r.context.decode_attention(a);
  CHECK(r.backend->launches == 2);
  a.query_indptr = a.lse = a.sinks = a.alibi_slopes = {}, a.max_queries = 0;
  r.context.decode_attention(a);
  a.v_cache = {};  // V is the first 96 elements of K's rows
  r.context.decode_attention(a);
  CHECK(r.backend->launches == 6);
}

TEST_CASE("attention arguments: null pointers, ranks, elements and sizes are refused for each tensor") {
  calls.each_argument([](Tensor& t) { return t.data = nullptr, true; }, "null pointer");
  calls.each_argument([](Tensor& t) { return t.rank = 5, true; }, "rank 5");
  calls.each_argument([](Tensor& t) { return t.elem = Elem::i8, true; }, "element type");
  calls.each_argument([](Tensor& t) { return t.elem = static_cast<Elem>(99), true; }, "element type");
  calls.each_argument([](Tensor& t) { return t.shape[0] = -1, true; }, "size -1");
  calls.each_argument([](Tensor& t) { return t.elem != Elem::u8 && (t.data = static_cast<char*>(t.data) + 1, true); },
                      "multiple of");
}

TEST_CASE("attention arguments: strides that no kernel can walk are refused for each tensor") {
  auto last = [](std::int64_t stride) {
    return [=](Tensor& t) { return t.elem != Elem::f32 && (t.stride[t.rank - 1] = stride, true); };
  };
  calls.each_argument(last(2), "stride 2");
  calls.each_argument(last(-1), "stride -1");
  calls.each_argument([](Tensor& t) { return t.rank > 1 && (t.stride[0] = 0, true); }, "stride 0");
  calls.each_argument([](Tensor& t) { return t.rank > 1 && (t.stride[0] = -5, true); }, "stride -5");
  calls.each_argument([](Tensor& t) { return t.rank > 1 && (t.stride[0] = std::int64_t{1} << 62, true); },
                      "address space");
}

TEST_CASE("attention arguments: the rows of one head need not be neighbours of the next, and lse has either order") {
  DecodeArgs a = good();
  for (Tensor* t : {&a.q, &a.out, &a.k_cache, &a.v_cache}) t->stride[0] *= 5;
  a.lse.stride[0] = 1, a.lse.stride[1] = tokens;
  CHECK(calls.problem_of(a) == "");
}

TEST_CASE("attention arguments: sizes and elements that must agree are compared, and both tensors named") {
  calls.each_is_refused({
      {"q has 64 elements a head; expected 128, as k_cache has", [](auto& a) { a.q.shape[2] = 64; }},
      {"q has 7 heads; expected a multiple of the cache's 2", [](auto& a) { a.q.shape[1] = 7; }},
      {"out has 11 tokens; expected 12, as q has", [](auto& a) { a.out.shape[0] = 11; }},
      {"out has 4 heads; expected 8, as q has", [](auto& a) { a.out.shape[1] = 4; }},
      {"out has 64 elements a head; expected 96, as v_cache has", [](auto& a) { a.out.shape[2] = 64; }},
      {"out has another element type than q", [](auto& a) { a.out.elem = Elem::f16; }},
      {"k_cache has another element type than q", [](auto& a) { a.k_cache.elem = a.v_cache.elem = Elem::f16; }},
      {"v_cache has another element type than k_cache", [](auto& a) { a.v_cache.elem = Elem::f16; }},
      {"v_cache has 29 pages; expected 30, as k_cache has", [](auto& a) { a.v_cache.shape[0] = 29; }},
      {"v_cache has 8 rows a page; expected 16, as k_cache has", [](auto& a) { a.v_cache.shape[1] = 8; }},
      {"v_cache has 1 heads; expected 2, as k_cache has", [](auto& a) { a.v_cache.shape[2] = 1; }},
      {"lse has 11 tokens; expected 12, as q has", [](auto& a) { a.lse.shape[0] = 11; }},
      {"lse has 9 heads; expected 8, as q has", [](auto& a) { a.lse.shape[1] = 9, a.lse.stride[0] = 9; }},
      {"sinks has 7 heads; expected 8, as q has", [](auto& a) { a.sinks.shape[0] = 7; }},
      {"alibi_slopes has 2 heads; expected 8, as q has", [](auto& a) { a.alibi_slopes.shape[0] = 2; }},
      {"lengths has 5 sequences; expected 6, as block_table has", [](auto& a) { a.lengths.shape[0] = 5; }},
      {"query_indptr has 6 elements; expected 7", [](auto& a) { a.query_indptr.shape[0] = 6; }},
  });
}

TEST_CASE("attention arguments: V as a part of K's rows has a width that there is") {
  auto joint = [](std::int64_t out, std::int64_t v) {
    DecodeArgs a = good();
    a.v_cache = {};
    if (v > 0) a.v_cache = a.k_cache, a.v_cache.shape[3] = v;
    a.out = tensor(Elem::bf16, {tokens, heads, out});
    return calls.problem_of(a);
  };
  CHECK(joint(128, 0) == "");
  CHECK(joint(112, 112) == "");
  for (std::int64_t width : {129, 100, 0})
    CHECK(joint(width, 0).find("out has " + std::to_string(width) +
                               " elements a head; expected a multiple of 16 of at most 128") != std::string::npos);
  CHECK(joint(96, 112).find("out has 96 elements a head; expected 112, as v_cache has") != std::string::npos);
}

TEST_CASE("attention arguments: sizes that no kernel has are refused") {
  calls.each_is_refused({
      {"k_cache has 0 rows a page; expected 1 to", [](auto& a) { a.k_cache.shape[1] = a.v_cache.shape[1] = 0; }},
      {"k_cache has 0 heads; expected 1 to", [](auto& a) { a.k_cache.shape[2] = a.v_cache.shape[2] = 0; }},
      {"k_cache has 0 elements a head; expected 1 to 1024", [](auto& a) { a.k_cache.shape[3] = a.q.shape[2] = 0; }},
      {"k_cache has 1025 elements a head; expected 1 to 1024",
       [](auto& a) {
         a.k_cache = tensor(Elem::bf16, {pages, page, kv_heads, 1025}), a.q = tensor(Elem::bf16, {tokens, heads, 1025});
       }},
      {"q has 0 heads; expected", [](auto& a) { a.q.shape[1] = a.out.shape[1] = 0; }},
      {"q has 2050 heads; expected a multiple of the cache's 2, at most 1024 of each",
       [](auto& a) {
         a.q = tensor(Elem::bf16, {tokens, 2050, 128});
       }},
      {"max_queries is 0; expected 1 to", [](auto& a) { a.max_queries = 0; }},
      {"max_queries is -3; expected 1 to", [](auto& a) { a.max_queries = -3; }},
      {"max_queries is 2000000; expected 1 to", [](auto& a) { a.max_queries = 2000000; }},
      {"max_queries is 5; expected 2 or 0, for 12 tokens of 6 sequences",
       [](auto& a) { a.query_indptr = {}, a.max_queries = 5; }},
      {"q has 12 tokens for 5 sequences; expected equally many for each, or a query_indptr",
       [](auto& a) {
         a.query_indptr = {}, a.max_queries = 0;
         a.lengths.shape[0] = a.block_table.shape[0] = 5;
       }},
  });
}

TEST_CASE("attention arguments: 3-D caches need the rows of a page, and 4-D ones have them") {
  DecodeArgs a = good();
  a.k_cache = tensor(Elem::bf16, {pages * page, kv_heads, 128}), a.v_cache = tensor(Elem::bf16, {480, kv_heads, 96});
  a.page = 16;
  CHECK(calls.problem_of(a) == "");
  for (std::int64_t rows : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1} << 21}) {
    a.page = rows;
    CHECK(calls.problem_of(a).find("page is " + std::to_string(rows) + "; expected 1 to") != std::string::npos);
  }
  a = good(), a.page = 16;
  CHECK(calls.problem_of(a) == "");
  a.page = 32;
  CHECK(calls.problem_of(a).find("k_cache has other pages than of 32 rows") != std::string::npos);
  a = good(), a.v_cache = tensor(Elem::bf16, {480, kv_heads, 96});
  std::string text = calls.problem_of(a);  // of two ranks, one of them without a page
  CHECK(text.find("page is 0; expected 1 to") != std::string::npos);
}

TEST_CASE("attention arguments: numbers out of their range are refused by name") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  calls.each_is_refused({{"scale is -1; expected a positive number", [](auto& a) { a.scale = -1; }},
                         {"scale is nan; expected a positive number", [](auto& a) { a.scale = nan; }},
                         {"scale is inf; expected a positive number", [](auto& a) { a.scale = infinity; }},
                         {"softcap is nan; expected a positive number", [](auto& a) { a.softcap = nan; }},
                         {"softcap is -1; expected a positive number", [](auto& a) { a.softcap = -1; }},
                         {"softcap is inf; expected a positive number", [](auto& a) { a.softcap = infinity; }},
                         {"window_left is -2; expected 0 or more, or -1", [](auto& a) { a.window_left = -2; }},
                         {"window_right is -9; expected 0 or more, or -1", [](auto& a) { a.window_right = -9; }}});
}

TEST_CASE("attention arguments: scales go with quantised caches alone, and modes that nothing reads are refused") {
  calls.each_is_refused({
      {"k_scales is given though nothing is quantised", [](auto& a) { a.k_scales = tensor(Elem::f32, {1}); }},
      {"v_scales is given though nothing is quantised", [](auto& a) { a.v_scales = tensor(Elem::f32, {1}); }},
      {"quant is turbo4; expected", [](auto& a) { a.quant = Quant::turbo4; }},
      {"quant is fp8_group; expected", [](auto& a) { a.quant = Quant::fp8_group; }},
  });
}

TEST_CASE("attention arguments: outputs that overlap themselves are refused") {
  calls.each_is_refused({{"out overlaps itself", [](auto& a) { a.out.stride[1] = 95; }},
                         {"out overlaps itself", [](auto& a) { a.out.stride[0] = 96; }},
                         {"lse overlaps itself", [](auto& a) { a.lse.stride[0] = 3; }}});
}

TEST_CASE("attention arguments: a workspace that is too small or lies askew is refused with what it must be") {
  Recorder r;
  DecodeArgs a = good();
  auto needed = static_cast<std::int64_t>(r.context.decode_workspace(a));
  a.workspace.shape[0] = needed;
  CHECK(calls.problem_of(a) == "");
  a.workspace.shape[0] = needed - 1;
  CHECK(calls.problem_of(a).find("workspace has " + std::to_string(needed - 1) + " bytes; expected at least " +
                                 std::to_string(needed)) != std::string::npos);
  a = good(), a.workspace.data = static_cast<char*>(a.workspace.data) + 8;
  CHECK(calls.problem_of(a).find("16-byte aligned") != std::string::npos);
}

TEST_CASE("attention arguments: the workspace is asked for without one, and does not depend on lengths' pointers") {
  Recorder r;
  DecodeArgs a = good();
  a.workspace = {};
  std::size_t bytes = r.context.decode_workspace(a);
  CHECK(bytes > 0);
  a.lengths = tensor(Elem::i32, {batch}), a.block_table = tensor(Elem::i32, {batch, 500});
  CHECK(r.context.decode_workspace(a) == bytes);
  CHECK(r.backend->launches + r.backend->compiles == 0);
}

TEST_CASE("attention arguments: the workspace of one batch is that of any other") {
  Recorder r;
  DecodeArgs a = good();
  a.query_indptr = {}, a.max_queries = 0;
  std::size_t first = 0;
  for (std::int64_t sequences : {1, 7, 32, 33, 64, 65, 128, 1000}) {
    for (Tensor* t : {&a.q, &a.out, &a.lse, &a.block_table, &a.lengths}) t->shape[0] = sequences;
    std::size_t bytes = r.context.decode_workspace(a);
    if (first == 0) first = bytes;
    CHECK(bytes == first);
  }
}

TEST_CASE("attention arguments: equal sequences have equal numbers of parts, which are added up in whole turns") {
  DecodeArgs a = good();
  a.query_indptr = {}, a.max_queries = 0;
  for (std::int64_t sequences : {1, 2, 8, 16, 64, 128}) {
    for (Tensor* t : {&a.q, &a.out, &a.lse, &a.block_table, &a.lengths}) t->shape[0] = sequences;
    attend::Plan plan;
    attend::plan_without_workspace(a, Chip{132}, plan);
    CAPTURE(sequences);
    std::int64_t parts = plan.params.parts, each = parts / sequences;
    CHECK((parts % sequences == 0 || sequences % parts == 0));
    CHECK((each <= plan.then.spec.parts || each % plan.then.spec.parts == 0));
  }
}

TEST_CASE("attention arguments: an empty batch is launched not at all") {
  Recorder r;
  DecodeArgs a = good();
  a.query_indptr = {}, a.max_queries = 0;
  for (Tensor* t : {&a.q, &a.out, &a.lse, &a.block_table, &a.lengths}) t->shape[0] = 0;
  r.context.decode_attention(a);
  CHECK(r.backend->launches == 0);
}

TEST_CASE("attention arguments: batch, lengths, strides and scales share a kernel") {
  Recorder r;
  for (std::int64_t n : {1, 7, 300}) {
    DecodeArgs a = good();
    a.q = tensor(Elem::bf16, {2 * n, heads, 128}), a.out = tensor(Elem::bf16, {2 * n, heads, 96});
    a.lse = tensor(Elem::f32, {2 * n, heads});
    a.block_table = tensor(Elem::i32, {n, n}), a.lengths = tensor(Elem::i32, {n});
    a.query_indptr = tensor(Elem::i32, {n + 1});
    a.k_cache.stride[0] *= n, a.scale = static_cast<float>(n), a.window_left = n, a.softcap = 1 + static_cast<float>(n);
    r.context.prepare(a);
    std::uint64_t first = r.backend->compiles;
    CHECK(first == 4);  // attention's, and three that put few, some or many parts of a sequence together
    a.q.stride[0] *= 2;
    r.context.prepare(a);
    CHECK(r.backend->compiles == first);
  }
}

}  // namespace pagejit::tests
