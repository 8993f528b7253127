// Plans from layout to layout, carried out in plain C++: every register of every thread must end with its element.
#include "compiler/conversion.h"

#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <set>

#include "runtime/base/error.h"
#include "tests/compiler/some_layouts.h"
#include "tests/support/seed.h"

namespace pagejit {
namespace {

using Threads = std::vector<std::vector<std::uint64_t>>;  // [thread][register] → the element it holds, as a flat number
constexpr std::uint64_t nothing = ~std::uint64_t{0};

std::size_t at(int i) {
  return static_cast<std::size_t>(i);
}
bool odd(int bits) {
  return std::popcount(static_cast<unsigned>(bits)) % 2 == 1;
}

Threads held_by(const Layout& l) {
  Threads t(at(32 * l.warps()));
  for (int w = 0; w < l.warps(); ++w)
    for (int lane = 0; lane < 32; ++lane)
      for (int r = 0; r < l.registers(); ++r) t[at(32 * w + lane)].push_back(l.flat(l.apply(r, lane, w)));
  return t;
}

void swap_registers(Threads& threads, const std::vector<RegisterSwap>& swaps) {
  for (std::size_t i = 0; i < threads.size(); ++i)
    for (const RegisterSwap& s : swaps) {
      if (!odd(static_cast<int>(i % 32) & s.lanes)) continue;
      auto old = threads[i];
      for (std::size_t r = 0; r < old.size(); ++r) threads[i][r] = old[r ^ at(s.registers)];
    }
}

Threads run(const ShufflePlan& p, Threads threads) {
  Threads result(threads.size(), std::vector<std::uint64_t>(p.copy_of.size(), nothing));
  swap_registers(threads, p.send);
  for (const ShufflePlan::Round& round : p.rounds)
    for (std::size_t i = 0; i < threads.size(); ++i) {
      int lane = round.lane;
      for (std::size_t b = 0; b < 5; ++b)
        if (i >> b & 1) lane ^= p.from[b];
      result[i][at(round.receives)] = threads[i / 32 * 32 + at(lane)][at(round.sends)];
    }
  swap_registers(result, p.receive);
  for (auto& registers : result)
    for (std::size_t r = 0; r < registers.size(); ++r) registers[r] = registers[at(p.copy_of[r])];
  return result;
}

Threads run(const Exchange& x, const Layout& from, const Layout& to, const Threads& threads) {
  std::vector<std::uint64_t> memory(at(x.placement.elements()), nothing);
  Slot free = from.free_bits();
  Layout writes = x.placement.of(from), reads = x.placement.of(to);
  auto offsets = [&](const Layout& placed, std::size_t thread, int r) {
    return at(placed.apply(r, static_cast<int>(thread % 32), static_cast<int>(thread / 32))[0]);
  };
  for (std::size_t i = 0; i < threads.size(); ++i) {
    if ((static_cast<int>(i % 32) & free.lane) || (static_cast<int>(i / 32) & free.warp)) continue;
    for (int r = 0; r < from.registers(); ++r) {
      if (r & free.reg) continue;
      auto& place = memory[offsets(writes, i, r)];
      if (place != nothing) FAIL_CHECK("two threads write one element");
      place = threads[i][at(r)];
    }
  }
  Threads result(threads.size());
  for (std::size_t i = 0; i < threads.size(); ++i)
    for (int r = 0; r < to.registers(); ++r) result[i].push_back(memory[offsets(reads, i, r)]);
  return result;
}

Threads run(const Conversion& c, const Layout& from, const Layout& to) {
  Threads threads = held_by(from), renamed;
  switch (c.kind) {
    case Conversion::Kind::none:
      return threads;
    case Conversion::Kind::shuffles:
      return run(c.shuffles, threads);
    case Conversion::Kind::shared:
      return run(*c.exchange, from, to, threads);
    case Conversion::Kind::registers:
      break;
  }
  for (const auto& registers : threads) {
    renamed.emplace_back();
    for (int r : c.source) renamed.back().push_back(registers[at(r)]);
  }
  return renamed;
}

/// The most words of one bank that one pass of one access touches: 1 is free of conflicts.
int conflicts(const Layout& l, const std::vector<int>& bits, const Exchange& x, int elem_bytes) {
  Layout placed = x.placement.of(l.with_register_bits(bits));
  int bytes = x.vector * elem_bytes, lanes = std::min(32, 128 / std::max(4, bytes)), most = 1;
  for (int w : {0, l.warps() - 1})
    for (int first = 0; first < 32; first += lanes)
      for (int r = 0; r < placed.registers(); r += x.vector) {
        if (placed.apply(r, first, w)[0] % x.vector != 0) FAIL_CHECK("a vector that is not aligned");
        std::array<std::set<int>, 32> words;  // of each bank
        for (int lane = first; lane < first + lanes; ++lane)
          for (int b = 0; b < bytes; b += std::min(4, bytes)) {
            int word = (placed.apply(r, lane, w)[0] * elem_bytes + b) / 4;
            words[at(word % 32)].insert(word);
          }
        for (const auto& different : words) most = std::max(most, static_cast<int>(different.size()));
      }
  return most;
}

void check(const Layout& from, const Layout& to, int elem_bytes) {
  CAPTURE(from.text());
  CAPTURE(to.text());
  Conversion c = plan_conversion(from, to, elem_bytes);
  CHECK(run(c, from, to) == held_by(to));
  if (c.kind != Conversion::Kind::shared) return;
  CHECK(conflicts(from, c.exchange->write_bits, *c.exchange, elem_bytes) == 1);
  CHECK(conflicts(to, c.exchange->read_bits, *c.exchange, elem_bytes) == 1);
}

TEST_CASE("conversion: any layout becomes any other, through shared memory without bank conflicts") {
  for (auto [m, n] : {std::pair{32, 64}, {16, 32}, {64, 1}, {4, 8}, {1, 2}})
    for (int warps : {1, 4})
      for (const Layout& from : layouts_of(m, n, warps))
        for (const Layout& to : layouts_of(m, n, warps))
          check(from, to, (from.registers() + to.registers()) % 3 ? 2 : 4);
}

TEST_CASE("conversion: layouts with bases mixed at random become each other") {
  auto random = random_for("random conversions");
  for (int i = 0; i < 2000; ++i) {
    int m = 1 << random() % 7, n = 1 << random() % 7, warps = 1 << random() % 4, bytes = 1 << random() % 4;
    Layout from = random_layout(random, m, n, warps), to = random_layout(random, m, n, warps);
    check(from, to, bytes);
  }
}

TEST_CASE("conversion: a matrix of scores is the left operand of the next product without a move") {
  Layout scores = Layout::mma_c(64, 128, {4, 1}), left = Layout::mma_a(64, 128, {4, 1});
  CHECK(plan_conversion(scores, left, 2).kind == Conversion::Kind::none);
}

TEST_CASE("conversion: another order of registers is a renaming") {
  Layout a = Layout::blocked({16, 16}, {2, 4}, {8, 4}, {1, 1}, {1, 0}),
         b = Layout::blocked({16, 16}, {2, 4}, {8, 4}, {1, 1}, {0, 1});
  Layout turned = a.with_register_bits(std::vector<int>{2, 1, 0});
  CHECK(plan_conversion(a, turned, 4).kind == Conversion::Kind::registers);
  CHECK(plan_conversion(a, a, 4).kind == Conversion::Kind::none);
  CHECK(plan_conversion(a, b, 4).kind == Conversion::Kind::shuffles);
}

TEST_CASE("conversion: inside a warp one shuffle a register is enough, whoever holds what") {
  Layout rows = Layout::blocked({32, 32}, {1, 1}, {32, 1}, {1, 1}, {1, 0});
  Layout columns = Layout::blocked({32, 32}, {1, 1}, {1, 32}, {1, 1}, {1, 0});
  Conversion c = plan_conversion(rows, columns, 4);  // a transpose of 32 × 32
  REQUIRE(c.kind == Conversion::Kind::shuffles);
  CHECK(c.shuffles.rounds.size() == 32);
  CHECK(c.shuffles.send.size() == 5);
  CHECK(c.shuffles.receive.size() == 5);
}

TEST_CASE("conversion: what crosses warps goes through shared memory in 16-byte vectors where both sides can") {
  Layout from = Layout::blocked({64, 64}, {1, 8}, {4, 8}, {4, 1}, {1, 0}),
         to = Layout::blocked({64, 64}, {1, 8}, {16, 2}, {1, 4}, {1, 0});
  Conversion c = plan_conversion(from, to, 2);
  REQUIRE(c.kind == Conversion::Kind::shared);
  CHECK(c.exchange->vector == 8);
}

TEST_CASE("placement: swizzled rows give copies along rows and eight rows of one piece no bank conflict") {
  for (int columns : {8, 16, 32, 64, 128})
    for (int elem_bytes : {1, 2, 4}) {
      int piece = 16 / elem_bytes;
      if (columns < piece) continue;
      Placement p = Placement::swizzled(64, columns, elem_bytes);
      std::set<int> all;
      for (int r = 0; r < 64; ++r)
        for (int c = 0; c < columns; ++c) {
          all.insert(p.offset({r, c}));
          if (p.offset({r, c}) != p.offset({r, c / piece * piece}) + c % piece) FAIL_CHECK("a piece is torn apart");
        }
      CHECK(static_cast<int>(all.size()) == 64 * columns);
      for (int r = 0; r < 64; r += 8)
        for (int c = 0; c < columns; c += piece) {
          std::set<int> groups;
          for (int i = 0; i < 8; ++i) groups.insert(p.offset({r + i, c}) / piece % 8);
          CHECK(groups.size() == 8);
        }
    }
}

TEST_CASE("conversion: tiles of different shapes, and tiles with elements left out, are refused") {
  CHECK_THROWS_WITH_AS(plan_conversion(Layout::linear(64, 1, 1), Layout::linear(128, 1, 1), 4),
                       doctest::Contains("another shape"), Error);
  CHECK_THROWS_WITH_AS(plan_conversion(Layout::linear(64, 1, 1), Layout::linear(64, 1, 2), 4),
                       doctest::Contains("other warps"), Error);
  Layout half = Layout::of({64}, {}, std::vector<Coords>(5), {});
  CHECK_THROWS_WITH_AS(plan_conversion(half, Layout::linear(64, 1, 1), 4), doctest::Contains("leaves elements out"),
                       Error);
}

}  // namespace
}  // namespace pagejit
