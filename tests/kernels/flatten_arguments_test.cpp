// What a caller may get wrong, argument by argument: each is named, nothing is launched.
#include <doctest/doctest.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "tests/kernels/arguments.h"
#include "tests/support/seed.h"

namespace pagejit::tests {
namespace {

/// A right call; addresses are never looked at.
FlattenArgs good() {
  auto at = [](std::uintptr_t address) { return reinterpret_cast<void*>(address); };
  FlattenArgs a;
  a.k_cache = Tensor(at(0x10000), Elem::bf16, {10, 16, 4, 64});
  a.v_cache = Tensor(at(0x20000), Elem::bf16, {10, 16, 4, 32});
  a.k_out = Tensor(at(0x30000), Elem::bf16, {100, 4, 64});
  a.v_out = Tensor(at(0x40000), Elem::bf16, {100, 4, 32});
  a.block_table = Tensor(at(0x50000), Elem::i32, {3, 4});
  a.lengths = Tensor(at(0x60000), Elem::i32, {3});
  a.start_loc = Tensor(at(0x70000), Elem::i32, {3});
  return a;
}

const ArgumentTests<FlattenArgs> calls{good,
                                       &Context::flatten,
                                       {{"k_cache", &FlattenArgs::k_cache},
                                        {"v_cache", &FlattenArgs::v_cache},
                                        {"k_out", &FlattenArgs::k_out},
                                        {"v_out", &FlattenArgs::v_out},
                                        {"block_table", &FlattenArgs::block_table},
                                        {"lengths", &FlattenArgs::lengths},
                                        {"start_loc", &FlattenArgs::start_loc}}};

}  // namespace

TEST_CASE("flatten arguments: a right call is launched once, on the given stream") {
  Recorder r(true);
  r.context.flatten(good(), reinterpret_cast<Stream>(0x77));
  CHECK(r.backend->launches == 1);
  CHECK(r.backend->last_stream == reinterpret_cast<Stream>(0x77));
  CHECK(r.backend->last_params.out_rows == 100);
  CHECK(r.backend->last_params.batch == 3);
}

TEST_CASE("flatten arguments: a null pointer is refused for each tensor") {
  calls.each_argument([](Tensor& t) { return t.data = nullptr, true; }, "null pointer");
}

TEST_CASE("flatten arguments: a wrong rank is refused for each tensor, too low and too high") {
  calls.each_argument([](Tensor& t) { return --t.rank, true; }, "rank");
  calls.each_argument([](Tensor& t) { return ++t.rank, true; }, "rank");
  calls.each_argument([](Tensor& t) { return t.rank = -1, true; }, "rank");
  calls.each_argument([](Tensor& t) { return t.rank = 1 << 30, true; }, "rank");
}

TEST_CASE("flatten arguments: an element type that the tensor cannot have is refused for each tensor") {
  for (Elem wrong : {Elem::e4m3, Elem::u8, static_cast<Elem>(200)})
    calls.each_argument([&](Tensor& t) { return t.elem = wrong, true; }, "element type");
  calls.each_argument([](Tensor& t) { return t.elem = t.rank > 2 ? Elem::i32 : Elem::f32, true; }, "element type");
}

TEST_CASE("flatten arguments: a negative size is refused for each tensor and axis") {
  for (int axis = 0; axis < 4; ++axis)
    calls.each_argument([&](Tensor& t) { return axis < t.rank && (t.shape[axis] = -1, true); }, "size -1");
}

TEST_CASE("flatten arguments: a last stride other than 1 is refused for each tensor") {
  for (std::int64_t wrong : {0, 2, -1})
    calls.each_argument([&](Tensor& t) { return t.stride[t.rank - 1] = wrong, true; },
                        "stride " + std::to_string(wrong));
}

TEST_CASE("flatten arguments: a stride that is zero or negative is refused for each tensor and axis") {
  for (std::int64_t wrong : {std::int64_t{0}, std::int64_t{-64}})
    for (int axis = 0; axis < 3; ++axis)
      calls.each_argument([&](Tensor& t) { return axis < t.rank - 1 && (t.stride[axis] = wrong, true); },
                          "stride " + std::to_string(wrong));
}

TEST_CASE("flatten arguments: an address that cuts an element is refused for each tensor") {
  calls.each_argument([](Tensor& t) { return t.data = static_cast<char*>(t.data) + 1, true; }, "multiple of");
}

TEST_CASE("flatten arguments: sizes and strides beyond the address space are refused for each tensor") {
  calls.each_argument([](Tensor& t) { return t.rank > 1 && (t.stride[0] = std::int64_t{1} << 62, true); },
                      "address space");
}

TEST_CASE("flatten arguments: sizes that must agree are compared, and both tensors named") {
  struct Wrong {
    const char* words;
    std::function<void(FlattenArgs&)> spoil;
  };
  std::vector<Wrong> all = {
      {"v_cache has 9 pages; expected 10, as k_cache", [](FlattenArgs& a) { a.v_cache.shape[0] = 9; }},
      {"v_cache has 8 rows a page; expected 16", [](FlattenArgs& a) { a.v_cache.shape[1] = 8; }},
      {"v_cache has 2 heads; expected 4", [](FlattenArgs& a) { a.v_cache.shape[2] = 2; }},
      {"k_out has 3 heads; expected 4, as k_cache", [](FlattenArgs& a) { a.k_out.shape[1] = 3; }},
      {"v_out has 3 heads; expected 4, as k_cache", [](FlattenArgs& a) { a.v_out.shape[1] = 3; }},
      {"k_out has 63 elements a head; expected 64, as k_cache", [](FlattenArgs& a) { a.k_out.shape[2] = 63; }},
      {"v_out has 31 elements a head; expected 32, as v_cache", [](FlattenArgs& a) { a.v_out.shape[2] = 31; }},
      {"v_out has 99 rows; expected 100, as k_out", [](FlattenArgs& a) { a.v_out.shape[0] = 99; }},
      {"block_table has 2 rows; expected 3, as lengths", [](FlattenArgs& a) { a.block_table.shape[0] = 2; }},
      {"start_loc has 4 elements; expected 3, as lengths", [](FlattenArgs& a) { a.start_loc.shape[0] = 4; }},
      {"v_cache has another element type than k_cache", [](FlattenArgs& a) { a.v_cache.elem = Elem::f16; }},
      {"v_out has another element type than k_out", [](FlattenArgs& a) { a.v_out.elem = Elem::f16; }}};
  for (const Wrong& wrong : all) {
    FlattenArgs a = good();
    wrong.spoil(a);
    std::string text = calls.problem_of(a);
    CAPTURE(text);
    CHECK(text.find(wrong.words) != std::string::npos);
  }
}

TEST_CASE("flatten arguments: page size 0 and head dim 0 are refused") {
  FlattenArgs a = good();
  a.k_cache.shape[1] = a.v_cache.shape[1] = 0;
  CHECK(calls.problem_of(a).find("k_cache has 0 rows a page; expected 1 to") != std::string::npos);
  a = good();
  a.k_cache.shape[3] = a.k_out.shape[2] = 0;
  CHECK(calls.problem_of(a).find("k_cache has 0 elements a head; expected 1 to 4096") != std::string::npos);
  a = good();
  a.v_cache = Tensor(a.v_cache.data, Elem::bf16, {10, 16, 4, 5000});
  a.v_out = Tensor(a.v_out.data, Elem::bf16, {100, 4, 5000});
  CHECK(calls.problem_of(a).find("v_cache has 5000 elements a head; expected 1 to 4096") != std::string::npos);
}

TEST_CASE("flatten arguments: an output whose rows share memory is refused") {
  FlattenArgs a = good();
  a.k_out.stride[0] = 4 * 64 - 1;
  CHECK(calls.problem_of(a).find("k_out overlaps itself") != std::string::npos);
  a = good();
  a.v_out.stride[1] = 31;
  CHECK(calls.problem_of(a).find("v_out overlaps itself") != std::string::npos);
}

TEST_CASE("flatten arguments: more heads than a launch can number are refused") {
  FlattenArgs a = good();
  for (Tensor FlattenArgs::*t : {&FlattenArgs::k_cache, &FlattenArgs::v_cache}) {
    std::int64_t dim = (a.*t).shape[3];
    a.*t = Tensor((a.*t).data, Elem::bf16, {10, 16, 65536, dim});
  }
  CHECK(calls.problem_of(a).find("k_cache has 65536 heads; expected 0 to 65535") != std::string::npos);
}

TEST_CASE("flatten arguments: zero_gaps without a zeroed tail is refused") {
  FlattenArgs a = good();
  a.zero_gaps = true;
  a.tail = flatten::Tail::untouched;
  CHECK(calls.problem_of(a).find("zero_gaps is set but the tail is left untouched") != std::string::npos);
}

TEST_CASE("flatten arguments: lengths that the host knows are checked") {
  FlattenArgs a = good();
  std::vector<std::int64_t> lengths = {1, -1, 3};
  a.host_lengths = lengths;
  CHECK(calls.problem_of(a).find("host_lengths[1] is -1; expected 0 to 64") != std::string::npos);
  lengths[1] = 65;
  CHECK(calls.problem_of(a).find("host_lengths[1] is 65; expected 0 to 64") != std::string::npos);
  lengths[1] = 64;
  CHECK(calls.problem_of(a) == "");
  a.host_lengths = std::span(lengths).subspan(1);
  CHECK(calls.problem_of(a).find("host_lengths has 2 elements; expected 3") != std::string::npos);
}

TEST_CASE("flatten arguments: V's output may be left out only if V is a prefix of K") {
  FlattenArgs a = good();
  a.v_out = {};
  CHECK(calls.problem_of(a).find("v_cache is not a prefix of k_cache") != std::string::npos);
  a.v_cache = a.k_cache;
  a.v_cache.shape[3] = 65;
  CHECK(calls.problem_of(a).find("v_cache is not a prefix of k_cache") != std::string::npos);
  a.v_cache.shape[3] = 32;
  CHECK(calls.problem_of(a) == "");
  a.v_cache.stride[1] += 64;
  CHECK(calls.problem_of(a).find("v_cache is not a prefix of k_cache") != std::string::npos);
  a.v_cache = {};
  CHECK(calls.problem_of(a) == "");
  a.v_cache = good().v_cache;
  a.v_out = a.k_out;
  CHECK(calls.problem_of(a).find("v_cache is not a prefix of k_cache") != std::string::npos);
}

TEST_CASE("flatten arguments: V's output at K's own memory must be a prefix of it") {
  FlattenArgs a = good();
  a.v_cache = a.k_cache;
  a.v_out = a.k_out;
  a.v_cache.shape[3] = a.v_out.shape[2] = 32;
  CHECK(calls.problem_of(a) == "");
  a.v_out.stride[0] *= 2;
  CHECK(calls.problem_of(a).find("v_out is not a prefix of k_out") != std::string::npos);
}

TEST_CASE("flatten arguments: nothing to do launches nothing, and needs no pointers") {
  Recorder r(true);
  auto launches = [&](std::function<void(FlattenArgs&)> change) {
    FlattenArgs a = good();
    change(a);
    std::uint64_t before = r.backend->launches;
    r.context.flatten(a);
    return r.backend->launches - before;
  };
  auto out_rows = [](FlattenArgs& a, std::int64_t rows) {
    a.k_out = Tensor(nullptr, Elem::bf16, {rows, 4, 64});
    a.v_out = Tensor(nullptr, Elem::bf16, {rows, 4, 32});
  };
  auto batch_of_none = [](FlattenArgs& a) {
    a.block_table = Tensor(nullptr, Elem::i32, {0, 0});
    a.lengths = a.start_loc = Tensor(nullptr, Elem::i32, {0});
  };
  CHECK(launches([&](FlattenArgs& a) { out_rows(a, 0); }) == 0);
  CHECK(launches([&](FlattenArgs& a) { batch_of_none(a); }) == 1);  // the whole output is zeroed
  CHECK(launches([&](FlattenArgs& a) { batch_of_none(a), a.tail = flatten::Tail::untouched; }) == 0);
  CHECK(launches([&](FlattenArgs& a) {
          a.k_cache = Tensor(nullptr, Elem::bf16, {10, 16, 0, 64}),
          a.v_cache = Tensor(nullptr, Elem::bf16, {10, 16, 0, 32});
          a.k_out = Tensor(nullptr, Elem::bf16, {100, 0, 64}), a.v_out = Tensor(nullptr, Elem::bf16, {100, 0, 32});
        }) == 0);
}

TEST_CASE("flatten arguments: extreme numbers anywhere are refused or right, never a crash or an overflow") {
  Recorder r(true);
  auto random = random_for("extreme arguments");
  std::int64_t extremes[] = {
      0, 1, -1, 2, 64, 65535, 65536, 1 << 20, INT32_MAX, INT64_MAX, INT64_MIN, INT64_MAX / 2, 1ll << 40};
  auto extreme = [&] { return extremes[random() % std::size(extremes)]; };
  std::size_t refused = 0;
  for (int i = 0; i < 50'000; ++i) {
    FlattenArgs a = good();
    for (auto changes = random() % 4 + 1; changes > 0; --changes) {
      Tensor& t = a.*calls.tensors[random() % calls.tensors.size()].tensor;
      if (random() % 3 == 0) std::swap(a.k_out, a.v_out), std::swap(a.k_cache, a.v_cache);
      auto axis = random() % Tensor::max_rank;
      (random() % 2 ? t.shape : t.stride)[axis] = extreme();
      if (random() % 8 == 0) t.rank = static_cast<int>(random() % 8) - 1;
      if (random() % 8 == 0) t.data = reinterpret_cast<void*>(random());
    }
    std::vector<std::int64_t> lengths(3, extreme());
    if (random() % 4 == 0) a.host_lengths = lengths;
    try {
      r.context.flatten(a);
      const flatten::Params& p = r.backend->last_params;
      REQUIRE((p.k_page >= 0 && p.k_row >= 0 && p.k_head >= 0 && p.v_page >= 0 && p.v_row >= 0 && p.v_head >= 0));
      REQUIRE((p.k_out_row >= 0 && p.k_out_head >= 0 && p.v_out_row >= 0 && p.v_out_head >= 0 && p.table_row >= 0));
    } catch (const Error& e) {
      REQUIRE(e.code() == Code::argument);
      ++refused;
    }
  }
  CHECK(refused > 10'000);
  CHECK(refused < 49'000);
}

TEST_CASE("flatten arguments: the stride of an axis of size 1 is not looked at") {
  FlattenArgs a = good();
  a.k_cache = Tensor(a.k_cache.data, Elem::bf16, {1, 16, 1, 64}, {0, 64, -5, 1});
  a.v_cache = Tensor(a.v_cache.data, Elem::bf16, {1, 16, 1, 32}, {7, 32, 0, 1});
  a.k_out = Tensor(a.k_out.data, Elem::bf16, {100, 1, 64}, {64, 3, 1});
  a.v_out = Tensor(a.v_out.data, Elem::bf16, {100, 1, 32}, {32, 0, 1});
  Recorder r(true);
  r.context.flatten(a);
  CHECK(r.backend->last_params.k_page == 0);
  CHECK(r.backend->last_params.k_head == 0);
  CHECK(r.context.spec_line(a).find("align=16") != std::string::npos);
}

}  // namespace pagejit::tests
