// flatten of quantised caches: every mode's formula to the bit, its metadata, what a caller may get wrong.
#include <doctest/doctest.h>

#include <cstring>

#include "kernels/api/pagejit/pagejit.h"
#include "kernels/registry.h"
#include "tests/kernels/emulated.h"
#include "tests/kernels/recording_backend.h"
#include "tests/reference/numbers.h"
#include "tests/support/seed.h"

namespace pagejit::tests {
namespace {

constexpr Quant modes[] = {Quant::fp8, Quant::fp8_group, Quant::int8, Quant::int4, Quant::turbo4};

FlattenCase quantised(Quant quant) {
  FlattenCase c;
  c.quant = quant, c.kv = Elem::e4m3, c.dim_k = 128, c.dim_v = 64, c.seed = test_seed();
  return c;
}

}  // namespace

TEST_CASE("flatten: every mode, output type and metadata type, in both layouts of cache and output") {
  for (Quant quant : modes)
    for (Elem to : {Elem::f32, Elem::f16, Elem::bf16})
      for (Elem meta : {Elem::f32, Elem::f16, Elem::bf16}) {
        FlattenCase c = quantised(quant);
        c.to = to, c.meta = meta;
        c.layout = meta == Elem::f16 ? FlattenArgs::Layout::hnd : FlattenArgs::Layout::nhd;
        c.out = to == Elem::f16 ? FlattenArgs::Out::hsd : FlattenArgs::Out::shd;
        CHECK(emulate(c) == "");
      }
}

TEST_CASE("flatten: a quantised tail is zero, plus zero, in every mode, though codes and scales past the end are NaN") {
  for (Quant quant : modes) {
    FlattenCase c = quantised(quant);
    c.lengths = {2, 7}, c.out_rows = 200;
    CHECK(emulate(c) == "");
  }
}

TEST_CASE("flatten: every alignment class and one layer of three give the packed cache's rows, in every mode") {
  for (Quant quant : modes) {
    std::vector<Image> all;
    for (int layers : {1, 3})
      for (int shift : {0, 8, 4, 2, 1}) {
        FlattenCase c = quantised(quant);
        c.layers = layers, c.shift = shift;
        FlattenRun run(emulated().context(), c, emulated().poison());
        REQUIRE(run.check() == "");
        all.push_back(run.rows(false));
      }
    for (const Image& rows : all) CHECK(rows == all[0]);
  }
}

TEST_CASE("flatten: dims that are no power of two, groups that are short, rows of one element") {
  for (int dim : {1, 2, 6, 80, 96, 130, 192, 320, 576})
    for (Quant quant : {Quant::fp8, Quant::fp8_group, Quant::int8, Quant::int4}) {
      if (dim % per_code(quant) != 0) continue;
      FlattenCase c = quantised(quant);
      c.dim_k = dim, c.dim_v = 128;
      CHECK(emulate(c) == "");
    }
}

TEST_CASE("flatten: all 256 codes of both formats of fp8, through every output type") {
  for (Elem format : {Elem::e4m3, Elem::e5m2})
    for (Elem to : {Elem::f32, Elem::f16, Elem::bf16}) {
      FlattenCase c = quantised(Quant::fp8);
      c.kv = format, c.to = to, c.lengths = {200};  // 51,200 random codes
      CHECK(emulate(c) == "");
    }
}

TEST_CASE("flatten: joint K and V of a quantised cache: only K is copied, with K's scales") {
  for (Quant quant : {Quant::fp8, Quant::fp8_group, Quant::int8, Quant::int4}) {
    FlattenCase c = quantised(quant);
    c.joint = true, c.heads = 1, c.dim_k = 576, c.dim_v = 512;
    CHECK(emulate(c) == "");
  }
}

TEST_CASE("flatten: int8 by hand: 200 at scale 0.5 and zero 100 is 50, in the first code and in the last") {
  Context& context = emulated().context();
  Image cache(64, std::byte{200}), meta(4), table(4), lengths(4), out(128);
  reference::encode(Elem::f16, 0.5, meta.data());
  reference::encode(Elem::f16, 100, meta.data() + 2);
  std::int32_t one = 1;
  std::memcpy(lengths.data(), &one, 4);
  DeviceBuffer codes(context, cache, "cache"), scales(context, meta, "scales"), pages(context, table, "table"),
      count(context, lengths, "lengths"), rows(context, out, "out");
  FlattenArgs a;
  a.quant = Quant::int8;
  a.k_cache = Tensor(codes.data(), Elem::u8, {1, 1, 1, 64});
  a.k_scales = Tensor(scales.data(), Elem::f16, {1, 1, 1, 2});
  a.k_out = Tensor(rows.data(), Elem::bf16, {1, 1, 64});
  a.block_table = Tensor(pages.data(), Elem::i32, {1, 1});
  a.lengths = Tensor(count.data(), Elem::i32, {1});
  context.flatten(a);
  out = rows.read();
  CHECK(reference::decode(Elem::bf16, &out[0]) == 50);
  CHECK(reference::decode(Elem::bf16, &out[126]) == 50);
}

namespace {

/// A right call in int8; addresses are never looked at.
FlattenArgs good() {
  auto at = [](std::uintptr_t address) { return reinterpret_cast<void*>(address); };
  FlattenArgs a;
  a.quant = Quant::int8;
  a.k_cache = Tensor(at(0x10000), Elem::u8, {10, 16, 4, 64});
  a.v_cache = Tensor(at(0x20000), Elem::u8, {10, 16, 4, 32});
  a.k_scales = Tensor(at(0x80000), Elem::f16, {10, 16, 4, 2});
  a.v_scales = Tensor(at(0x90000), Elem::f16, {10, 16, 4, 2});
  a.k_out = Tensor(at(0x30000), Elem::bf16, {100, 4, 64});
  a.v_out = Tensor(at(0x40000), Elem::bf16, {100, 4, 32});
  a.block_table = Tensor(at(0x50000), Elem::i32, {3, 4});
  a.lengths = Tensor(at(0x60000), Elem::i32, {3});
  return a;
}

void refused(const char* words, void (*spoil)(FlattenArgs&)) {
  auto* backend = new RecordingBackend;
  Context context{std::unique_ptr<Backend>(backend)};
  FlattenArgs a = good();
  spoil(a);
  std::string text;
  try {
    context.flatten(a);
  } catch (const Error& e) {
    CHECK(e.code() == Code::argument);
    text = e.what();
  }
  CAPTURE(words);
  CAPTURE(text);
  CHECK(text.find(words) != std::string::npos);
  CHECK(backend->launches == 0);
}

}  // namespace

TEST_CASE("flatten: what is wrong with a quantised cache is said of the argument that is wrong") {
  refused("k_cache has the element type bf16; expected one of u8", [](FlattenArgs& a) { a.k_cache.elem = Elem::bf16; });
  refused("k_scales is missing", [](FlattenArgs& a) { a.k_scales = {}; });
  refused("v_scales is missing", [](FlattenArgs& a) { a.v_scales = {}; });
  refused("k_scales has 1 numbers a row; expected 2", [](FlattenArgs& a) {
    a.k_scales = Tensor(a.k_scales.data, Elem::f16, {10, 16, 4, 1});
  });
  refused("k_scales has 9 pages; expected 10, as k_cache", [](FlattenArgs& a) { a.k_scales.shape[0] = 9; });
  refused("v_scales has 8 rows a page; expected 16", [](FlattenArgs& a) { a.v_scales.shape[1] = 8; });
  refused("v_scales has 2 heads; expected 4", [](FlattenArgs& a) { a.v_scales.shape[2] = 2; });
  refused("k_scales has the element type u8", [](FlattenArgs& a) { a.k_scales.elem = Elem::u8; });
  refused("v_scales has another element type than k_scales", [](FlattenArgs& a) { a.v_scales.elem = Elem::bf16; });
  refused("k_scales has the stride 2 along its last axis", [](FlattenArgs& a) { a.k_scales.stride[3] = 2; });
  refused("k_out has 64 elements a head; expected 128, as k_cache", [](FlattenArgs& a) { a.quant = Quant::int4; });
  refused("quant is turbo2; expected turbo4", [](FlattenArgs& a) { a.quant = Quant::turbo2; });
  refused("k_scales is given but the cache is not quantised",
          [](FlattenArgs& a) { a.quant = Quant::none, a.k_cache.elem = a.v_cache.elem = Elem::bf16; });
  refused("k_scales has rank 4; expected rank 1: [1 or heads]",
          [](FlattenArgs& a) { a.quant = Quant::fp8, a.k_cache.elem = a.v_cache.elem = Elem::e4m3; });
  refused("k_cache has 96 elements a head; expected a power of two", [](FlattenArgs& a) {
    a.quant = Quant::turbo4, a.k_cache = Tensor(a.k_cache.data, Elem::u8, {10, 16, 4, 96});
  });
  refused("quant is turbo4 but v_out is left out", [](FlattenArgs& a) { a.quant = Quant::turbo4, a.v_out = {}; });
  refused("v_scales is given but only K is copied", [](FlattenArgs& a) { a.v_out = a.v_cache = {}; });
}

TEST_CASE("flatten: Specs that no cache can be of are refused by the field that is wrong") {
  auto problem = [](const char* line) -> std::string {
    try {
      request_for(line, "sm_90a");
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  std::pair<const char*, const char*> wrong[] = {
      {"flatten k=u8", "to is bf16; expected u8"},
      {"flatten k=i8", "k is i8; expected f16, bf16 or f32, or u8"},
      {"flatten k=u8 v=u8", "to is bf16; expected u8"},
      {"flatten to=u8", "to is u8; expected u8, and so k and v"},
      {"flatten k=bf16 quant_k=int8", "k is bf16; expected u8 where the side is in int8"},
      {"flatten k=e5m2 quant_k=fp8_group", "k is e5m2; expected e4m3"},
      {"flatten k=u8 quant_k=turbo2 meta=f16", "quant_k is turbo2; expected another one: turbo2 is of V"},
      {"flatten v=u8 quant_v=turbo4", "quant_v is turbo4; expected another one: turbo4 is of K"},
      {"flatten k=u8 v=u8 quant_k=turbo4 quant_v=turbo2 dim_k=96", "dim_k is 96; expected a power of two"},
      {"flatten k=u8 v=u8 quant_k=int4 quant_v=int4 dim_k=81", "dim_k is 81; expected a multiple of 2"},
      {"flatten joint=1 k=e4m3 quant_k=fp8", "v is bf16; expected e4m3, as k"},
      {"flatten meta=bf16", "meta is bf16; expected f16: nothing is in int8"},
      {"flatten k=u8 v=u8 quant_k=int8 quant_v=int8 meta=i32", "meta is i32"},
      {"flatten starts=indptr lengths=i64", "lengths is i64; expected i32 where starts is indptr"}};
  for (const auto& [line, words] : wrong) {
    std::string text = problem(line);
    CAPTURE(line);
    CAPTURE(text);
    CHECK(text.find(words) != std::string::npos);
  }
  CHECK(problem("flatten k=e4m3 quant_k=fp8_group dim_k=512 dim_v=64") == "");
  CHECK(problem("flatten k=u8 v=u8 to=u8 dim_v=4 starts=indptr offsets=1") == "");
}

}  // namespace pagejit::tests
