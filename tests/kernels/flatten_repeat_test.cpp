// Calls that repeat the last one of their thread on other memory: planned as if they were the first.
#include <doctest/doctest.h>

#include <cstring>
#include <functional>
#include <thread>

#include "kernels/flatten/host.h"
#include "runtime/base/error.h"
#include "tests/support/seed.h"

namespace pagejit {
namespace {

using flatten::Plan;

void* at(std::uintptr_t address) {
  return reinterpret_cast<void*>(address);
}

FlattenArgs some_call(Quant quant = Quant::none) {
  Elem e = quant == Quant::none ? Elem::bf16 : Elem::u8;
  FlattenArgs a;
  a.quant = quant;
  a.k_cache = Tensor(at(0x100000), e, {10, 16, 4, 64}), a.v_cache = Tensor(at(0x200000), e, {10, 16, 4, 64});
  a.k_out = Tensor(at(0x300000), Elem::bf16, {100, 4, 64}), a.v_out = Tensor(at(0x400000), Elem::bf16, {100, 4, 64});
  if (quant != Quant::none)
    a.k_scales = Tensor(at(0x500000), Elem::f16, {10, 16, 4, 2}),
    a.v_scales = Tensor(at(0x600000), Elem::f16, {10, 16, 4, 2});
  a.block_table = Tensor(at(0x700000), Elem::i32, {3, 4});
  a.lengths = Tensor(at(0x710000), Elem::i32, {3});
  return a;
}

/// What comes of a call: the plan as text and bytes, or what it was refused with.
std::string outcome(const FlattenArgs& a) {
  Plan p;
  std::memset(static_cast<void*>(&p.params), 0, sizeof p.params);  // padding too
  try {
    if (!flatten::plan(a, 132, p)) return "nothing to do";
  } catch (const Error& e) {
    return e.message();
  }
  std::string text = spec_line("flatten", p.spec);
  for_each_field(p.params, [&](std::string_view name, const auto& value, const auto&) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    text += " " + std::string(name) + "=" + std::to_string(bits);
  });
  return text + " grid " + std::to_string(p.grid.x) + " " + std::to_string(p.grid.y) + " " + std::to_string(p.grid.z);
}

/// The same in a thread that has made no call before.
std::string fresh_outcome(const FlattenArgs& a) {
  std::string text;
  std::thread([&] { text = outcome(a); }).join();
  return text;
}

constexpr Tensor FlattenArgs::*tensors[] = {&FlattenArgs::k_cache,     &FlattenArgs::v_cache, &FlattenArgs::k_scales,
                                            &FlattenArgs::v_scales,    &FlattenArgs::k_out,   &FlattenArgs::v_out,
                                            &FlattenArgs::block_table, &FlattenArgs::lengths, &FlattenArgs::start_loc};

void move_pointer(Tensor& t, std::uintptr_t by) {
  if (t.data != nullptr) t.data = static_cast<std::byte*>(t.data) + by;
}

}  // namespace

TEST_CASE("flatten repeated: on other memory a call comes to what it would have come to first") {
  for (Quant quant : {Quant::none, Quant::int8})
    for (Tensor FlattenArgs::*one : tensors)
      for (std::uintptr_t by : {0x10000, 16, 8, 4, 2, 1}) {
        FlattenArgs a = some_call(quant), moved = a;
        move_pointer(moved.*one, by);
        outcome(a);
        CHECK(outcome(moved) == fresh_outcome(moved));
      }
}

TEST_CASE("flatten repeated: a null pointer, another size, stride, element or choice is seen") {
  auto random = random_for("flatten repeated");
  std::vector<std::function<void(FlattenArgs&)>> changes = {
      [](FlattenArgs& a) { a.layout = FlattenArgs::Layout::hnd; },
      [](FlattenArgs& a) { a.out = FlattenArgs::Out::hsd; },
      [](FlattenArgs& a) { a.tail = flatten::Tail::untouched; },
      [](FlattenArgs& a) { a.zero_gaps = true; },
      [](FlattenArgs& a) { a.settled = true; },
      [](FlattenArgs& a) { a.tuning.threads = 512; },
      [](FlattenArgs& a) { a.v_out.data = a.k_out.data; },
      [](FlattenArgs& a) { a.v_out = {}; },
      [](FlattenArgs& a) { a.start_loc = Tensor(at(0x720000), Elem::i32, {3}); },
      [](FlattenArgs& a) { a.k_out.shape[0] = a.v_out.shape[0] = 0; },
      [](FlattenArgs& a) {
        static constexpr std::int64_t too_long[] = {1, 2, 1000};
        a.host_lengths = too_long;
      }};
  for (Tensor FlattenArgs::*one : tensors) {
    changes.push_back([one](FlattenArgs& a) { (a.*one).data = nullptr; });
    changes.push_back([one](FlattenArgs& a) { (a.*one).elem = Elem::i64; });
    changes.push_back([one](FlattenArgs& a) { (a.*one).rank -= 1; });
    for (int d = 0; d < 4; ++d) {
      changes.push_back([one, d](FlattenArgs& a) { (a.*one).shape[d] += 1; });
      changes.push_back([one, d](FlattenArgs& a) { (a.*one).stride[d] *= 2; });
    }
  }
  for (const auto& change : changes) {
    FlattenArgs a = some_call(random() % 2 ? Quant::none : Quant::int8), changed = a;
    change(changed);
    outcome(a);
    CHECK(outcome(changed) == fresh_outcome(changed));
    CHECK(outcome(a) == fresh_outcome(a));
  }
}

TEST_CASE("flatten repeated: another device's number of processors is seen") {
  FlattenArgs a = some_call();
  a.k_out.shape[0] = a.v_out.shape[0] = 5000;
  Plan large, small;
  flatten::plan(a, 132, large);
  flatten::plan(a, 4000, small);
  CHECK(small.grid.x > large.grid.x);
}

}  // namespace pagejit
