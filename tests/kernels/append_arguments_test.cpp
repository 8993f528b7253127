// What a caller may get wrong, argument by argument: each is named, nothing is launched.
#include <doctest/doctest.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "tests/kernels/arguments.h"

namespace pagejit::tests {
namespace {

void* at(std::uintptr_t address) {
  return reinterpret_cast<void*>(address);
}

void rows(AppendRows& a) {
  a.k = Tensor(at(0x10000), Elem::bf16, {20, 4, 64});
  a.v = Tensor(at(0x20000), Elem::bf16, {20, 4, 32});
  a.k_cache = Tensor(at(0x30000), Elem::u8, {10, 16, 4, 64});
  a.v_cache = Tensor(at(0x40000), Elem::u8, {10, 16, 4, 32});
  a.k_scales = Tensor(at(0x50000), Elem::f16, {10, 16, 4, 2});
  a.v_scales = Tensor(at(0x60000), Elem::f16, {10, 16, 4, 2});
  a.valid_tokens = Tensor(at(0x61000), Elem::i32, {1});
  a.quant = Quant::int8;
}
FillArgs good_fill() {
  FillArgs a;
  rows(a);
  a.block_table = Tensor(at(0x70000), Elem::i32, {3, 4});
  a.kv_lengths = Tensor(at(0x71000), Elem::i32, {3});
  a.q_lengths = Tensor(at(0x72000), Elem::i32, {3});
  a.q_start_loc = Tensor(at(0x73000), Elem::i32, {3});
  return a;
}
AppendArgs good_append() {
  AppendArgs a;
  rows(a);
  a.batch_indices = Tensor(at(0x70000), Elem::i32, {20});
  a.positions = Tensor(at(0x71000), Elem::i32, {20});
  a.kv_indptr = Tensor(at(0x72000), Elem::i32, {4});
  a.kv_indices = Tensor(at(0x73000), Elem::i32, {9});
  return a;
}
ReshapeAndCacheArgs good_reshape() {
  ReshapeAndCacheArgs a;
  rows(a);
  a.slots = Tensor(at(0x70000), Elem::i64, {20});
  return a;
}
AppendMlaArgs good_mla() {
  AppendMlaArgs a;
  a.ckv = Tensor(at(0x10000), Elem::bf16, {20, 512});
  a.kpe = Tensor(at(0x20000), Elem::bf16, {20, 64});
  a.ckv_cache = Tensor(at(0x30000), Elem::bf16, {10, 16, 512});
  a.kpe_cache = Tensor(at(0x40000), Elem::bf16, {10, 16, 64});
  AppendArgs lists = good_append();
  a.batch_indices = lists.batch_indices, a.positions = lists.positions;
  a.kv_indptr = lists.kv_indptr, a.kv_indices = lists.kv_indices;
  return a;
}
ConcatMlaArgs good_concat() {
  ConcatMlaArgs a;
  a.kv_c = Tensor(at(0x10000), Elem::bf16, {20, 512});
  a.k_pe = Tensor(at(0x20000), Elem::bf16, {20, 64});
  a.kv_cache = Tensor(at(0x30000), Elem::e4m3, {10, 16, 576});
  a.scale = Tensor(at(0x40000), Elem::f32, {1});
  a.slots = good_reshape().slots;
  return a;
}
IndexerArgs good_indexer() {
  IndexerArgs a;
  a.k = Tensor(at(0x10000), Elem::bf16, {20, 128});
  a.cache = Tensor(at(0x30000), Elem::u8, {10, 16, 132});
  a.slots = good_reshape().slots;
  return a;
}

void launch(Context& c, const FillArgs& a) {
  c.fill_kv_cache(a);
}
void launch(Context& c, const AppendArgs& a) {
  c.append(a);
}
void launch(Context& c, const ReshapeAndCacheArgs& a) {
  c.reshape_and_cache(a);
}
void launch(Context& c, const AppendMlaArgs& a) {
  c.append_mla(a);
}
void launch(Context& c, const ConcatMlaArgs& a) {
  c.concat_and_cache_mla(a);
}
void launch(Context& c, const IndexerArgs& a) {
  c.indexer_quant_and_cache(a);
}

/// The text of the error that the call gives; "" if it gives none, and then how many launches there were.
template <class Args>
std::string problem_of(const Args& a, std::uint64_t launches = 1) {
  return problem_when([&](Context& c) { launch(c, a); }, launches);
}

/// Spoils each tensor of a right call in turn; the error must begin with its name.
template <class Args>
void each(const Args& good, const std::vector<Named<Args>>& tensors) {
  REQUIRE(problem_of(good) == "");
  std::vector<SpoilTensor> ways = {
      [](Tensor& t) { return t.data = nullptr, true; },
      [](Tensor& t) { return ++t.rank, true; },
      [](Tensor& t) { return --t.rank, true; },
      [](Tensor& t) { return t.elem = t.elem == Elem::f32 ? Elem::u8 : Elem::i8, true; },
      [](Tensor& t) { return t.shape[0] = -1, true; },
      [](Tensor& t) { return t.shape[t.rank - 1] > 1 && (t.stride[t.rank - 1] = 2, true); },
      [](Tensor& t) { return t.rank > 1 && (t.stride[0] = 0, true); },
      [](Tensor& t) { return bytes(t.elem) > 1 && (t.data = static_cast<char*>(t.data) + 1, true); },
      [](Tensor& t) { return t.rank > 1 && (t.stride[0] = std::int64_t{1} << 62, true); }};
  for (const auto& argument : tensors)
    for (const auto& spoil : ways) {
      Args a = good;
      if (!spoil(a.*argument.tensor)) continue;
      std::string text = problem_of(a);
      check_blames(text, argument.name, "expected");
    }
}

template <class Args>
std::vector<Named<Args>> of_rows() {
  return {{"k", &Args::k},
          {"v", &Args::v},
          {"k_cache", &Args::k_cache},
          {"v_cache", &Args::v_cache},
          {"k_scales", &Args::k_scales},
          {"v_scales", &Args::v_scales}};
}

template <class Args>
void refuses(const Args& good, const char* words, const std::function<void(Args&)>& spoil) {
  Args a = good;
  spoil(a);
  std::string text = problem_of(a);
  CAPTURE(text);
  CHECK(text.find(words) != std::string::npos);
}

}  // namespace

TEST_CASE("append arguments: each tensor of each call, spoilt, is refused by its name") {
  auto more = [](auto base, auto rest) {
    base.insert(base.end(), rest.begin(), rest.end());
    return base;
  };
  using F = FillArgs;
  each(good_fill(), more(of_rows<F>(), std::vector<Named<F>>{{"block_table", &F::block_table},
                                                             {"kv_lengths", &F::kv_lengths},
                                                             {"q_lengths", &F::q_lengths},
                                                             {"q_start_loc", &F::q_start_loc},
                                                             {"valid_tokens", &F::valid_tokens}}));
  using A = AppendArgs;
  each(good_append(), more(of_rows<A>(), std::vector<Named<A>>{{"batch_indices", &A::batch_indices},
                                                               {"positions", &A::positions},
                                                               {"kv_indptr", &A::kv_indptr},
                                                               {"kv_indices", &A::kv_indices}}));
  using R = ReshapeAndCacheArgs;
  each(good_reshape(), more(of_rows<R>(), std::vector<Named<R>>{{"slots", &R::slots}}));
  using M = AppendMlaArgs;
  each<M>(good_mla(), {{"ckv", &M::ckv},
                       {"kpe", &M::kpe},
                       {"ckv_cache", &M::ckv_cache},
                       {"kpe_cache", &M::kpe_cache},
                       {"positions", &M::positions}});
  using C = ConcatMlaArgs;
  each<C>(
      good_concat(),
      {{"kv_c", &C::kv_c}, {"k_pe", &C::k_pe}, {"kv_cache", &C::kv_cache}, {"scale", &C::scale}, {"slots", &C::slots}});
  using I = IndexerArgs;
  each<I>(good_indexer(), {{"k", &I::k}, {"cache", &I::cache}, {"slots", &I::slots}});
}

TEST_CASE("append arguments: sizes that must agree are compared, and both tensors named") {
  using F = FillArgs;
  F good = good_fill();
  refuses<F>(good, "v has 19 tokens; expected 20, as k has", [](F& a) { a.v.shape[0] = 19; });
  refuses<F>(good, "v has 3 heads; expected 4, as k has",
             [](F& a) { a.v.shape[1] = a.v_cache.shape[2] = a.v_scales.shape[2] = 3; });
  refuses<F>(good, "k_cache has 3 heads; expected 4, as k has", [](F& a) { a.k_cache.shape[2] = 3; });
  refuses<F>(good, "k_cache has 63 elements a head; expected 64", [](F& a) { a.k_cache.shape[3] = 63; });
  refuses<F>(good, "v_cache has 9 pages; expected 10", [](F& a) { a.v_cache.shape[0] = a.v_scales.shape[0] = 9; });
  refuses<F>(good, "k_scales has 9 pages; expected 10", [](F& a) { a.k_scales.shape[0] = 9; });
  refuses<F>(good, "k_scales has 1 numbers a row; expected 2", [](F& a) { a.k_scales.shape[3] = 1; });
  refuses<F>(good, "q_lengths has 2 elements; expected 3", [](F& a) { a.q_lengths.shape[0] = 2; });
  refuses<F>(good, "block_table has 2 rows; expected 3", [](F& a) { a.block_table.shape[0] = 2; });
  refuses<F>(good, "v_scales has another element type than k_scales", [](F& a) { a.v_scales.elem = Elem::bf16; });
  refuses<F>(good, "v has another element type than k", [](F& a) { a.v.elem = Elem::f16; });
  refuses<F>(good, "q_indptr is given beside", [](F& a) { a.q_indptr = Tensor(at(0x80000), Elem::i32, {4}); });
  refuses<ReshapeAndCacheArgs>(good_reshape(), "slots has 21 elements; expected at most 20, the tokens of k",
                               [](auto& a) { a.slots.shape[0] = 21; });
  refuses<AppendArgs>(good_append(), "positions has 19 elements; expected 20",
                      [](auto& a) { a.positions.shape[0] = 19; });
  refuses<AppendArgs>(good_append(), "kv_indptr has 0 elements", [](auto& a) { a.kv_indptr.shape[0] = 0; });
}

TEST_CASE("append arguments: quantising what cannot be quantised, or into what cannot hold it, is refused") {
  using F = FillArgs;
  F good = good_fill();
  refuses<F>(good, "k_cache cannot hold what is written to it", [](F& a) { a.quant = Quant::fp8; });
  refuses<F>(good, "quant is turbo2", [](F& a) { a.quant = Quant::turbo2; });
  refuses<F>(good, "k_scales is given though nothing is quantised",
             [](F& a) { a.quant = Quant::none, a.k_cache.elem = Elem::bf16; });
  refuses<F>(good, "k has 63 elements a head; expected an even number",
             [](F& a) { a.quant = Quant::int4, a.k.shape[2] = 63; });
  refuses<F>(good, "expected a power of two, at most 512", [](F& a) { a.quant = Quant::turbo4, a.k.shape[2] = 96; });
  refuses<F>(good, "k cannot be quantised", [](F& a) { a.k.elem = Elem::u8; });
  refuses<F>(good, "k_cache overlaps itself", [](F& a) { a.k_cache.stride[0] = 100; });
  refuses<F>(good, "k_scales overlaps itself", [](F& a) { a.k_scales.stride[1] = 3; });
}

TEST_CASE("append arguments: rows of bytes must keep their scales at multiples of 4") {
  ConcatMlaArgs row = good_concat();
  row.scale = {};
  row.kv_cache = Tensor(at(0x30000), Elem::u8, {10, 16, 656}, {16 * 660, 660, 1});
  CHECK(problem_of(row) == "");
  refuses<ConcatMlaArgs>(row, "kv_cache holds f32 numbers at addresses", [](auto& a) { a.kv_cache.stride[1] = 658; });
  refuses<ConcatMlaArgs>(row, "kv_c has 256 elements a row; expected 512", [](auto& a) { a.kv_c.shape[1] = 256; });
  refuses<ConcatMlaArgs>(row, "scale is given though", [](auto& a) { a.scale = good_concat().scale; });
  IndexerArgs indexer = good_indexer();
  refuses<IndexerArgs>(indexer, "cache has f32 scales at addresses", [](auto& a) { a.cache.stride[0] += 2; });
  refuses<IndexerArgs>(indexer, "cache has rows 136 bytes apart; expected 132",
                       [](auto& a) { a.cache.stride[1] = 136, a.cache.stride[0] = 16 * 136; });
  refuses<AppendMlaArgs>(good_mla(), "joint_cache is given beside", [](auto& a) { a.joint_cache = a.ckv_cache; });
}

TEST_CASE("append arguments: rows of 656 bytes take K, its scales and V in one call of fill_kv_cache") {
  FillArgs row = good_fill();
  row.quant = Quant::fp8_group;
  row.k = Tensor(at(0x20000), Elem::bf16, {20, 2, 512}), row.v = Tensor(at(0x200000), Elem::bf16, {20, 2, 64});
  row.k_cache = Tensor(at(0x300000), Elem::u8, {10, 16, 2, 656});
  row.v_cache = row.k_scales = row.v_scales = {};
  CHECK(problem_of(row) == "");
  refuses<FillArgs>(row, "k has 256 elements a head; expected 512", [](auto& a) { a.k.shape[2] = 256; });
  refuses<FillArgs>(row, "v has 32 elements a head; expected 64", [](auto& a) { a.v.shape[2] = 32; });
  refuses<FillArgs>(row, "v has another element type than k", [](auto& a) { a.v.elem = Elem::f16; });
  refuses<FillArgs>(row, "v has 3 heads; expected 2, as k has", [](auto& a) { a.v.shape[1] = 3; });
  refuses<FillArgs>(row, "v is missing", [](auto& a) { a.v = {}; });
  refuses<FillArgs>(row, "k_cache has 1 heads; expected 2", [](auto& a) { a.k_cache.shape[2] = 1; });
  refuses<FillArgs>(row, "k_cache holds f32 numbers at addresses", [](auto& a) { a.k_cache.stride[0] += 2; });
  refuses<FillArgs>(row, "v_cache is given though", [](auto& a) { a.v_cache = a.k_cache; });
  refuses<FillArgs>(row, "k_scales is given though", [](auto& a) { a.k_scales = good_fill().k_scales; });
  refuses<FillArgs>(row, "k_cache overlaps itself", [](auto& a) { a.k_cache.stride[2] = 100; });
}

TEST_CASE("append arguments: nothing to do launches nothing, and needs no pointers") {
  ReshapeAndCacheArgs none = good_reshape();
  none.slots = Tensor(nullptr, Elem::i64, {0});
  CHECK(problem_of(none, 0) == "");
  none.k = Tensor(nullptr, Elem::bf16, {0, 4, 64}), none.v = Tensor(nullptr, Elem::bf16, {0, 4, 32});
  CHECK(problem_of(none, 0) == "");
  FillArgs fill = good_fill();
  fill.block_table = Tensor(nullptr, Elem::i32, {0, 0});
  fill.kv_lengths = fill.q_lengths = fill.q_start_loc = Tensor(nullptr, Elem::i32, {0});
  CHECK(problem_of(fill, 0) == "");
}

}  // namespace pagejit::tests
