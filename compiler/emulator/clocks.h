// Which accesses of a block are known to have happened before which others: a vector clock a warp.
//
// All that orders memory in a block (barriers, barriers of some warps, warp_sync) joins whole warps. So a warp has one
// clock, which moves when the warp synchronises, and knows how far each other warp's clock had come at the last
// joining.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

namespace pagejit::emulator {

class Clocks {
 public:
  static constexpr int most_warps = 32;
  static constexpr std::uint32_t most = (1u << 19) - 1;  // what a race record can hold

  using Known = std::array<std::uint32_t, most_warps>;  // how far each warp's clock is known to have come

  void reset(int warps) {
    warps_ = warps;
    for (auto& row : seen_) row.fill(0);
    for (int w = 0; w < warps; ++w) at(w, w) = 1;
    exhausted_ = false;
  }
  /// These warps have met: what each did before, and what else was `brought`, is before what any of them does from now
  /// on.
  void join(std::uint32_t mask, const Known& brought = {}) {
    Known known = brought;
    for_each(mask, [&](int w) {
      exhausted_ |= ++at(w, w) >= most;
      for (int x = 0; x < warps_; ++x) known[index(x)] = std::max(known[index(x)], at(w, x));
    });
    for_each(mask, [&](int w) { seen_[index(w)] = known; });
  }
  /// What a warp knows, handed over without a meeting: by one thread, while the others of its warp go on. So what the
  /// warp does at its present time is not part of it.
  void tell(int warp, Known& known) const {
    for (int x = 0; x < warps_; ++x) known[index(x)] = std::max(known[index(x)], seen_[index(warp)][index(x)]);
  }
  void learn(int warp, const Known& known) {
    for (int x = 0; x < warps_; ++x) at(warp, x) = std::max(at(warp, x), known[index(x)]);
    exhausted_ |= at(warp, warp) >= most;
  }
  /// Adds what the warp did so far to what is brought to a joining that it does not wait for.
  void bring(int warp, Known& to) {
    exhausted_ |= ++at(warp, warp) >= most;
    for (int x = 0; x < warps_; ++x) to[index(x)] = std::max(to[index(x)], at(warp, x));
  }
  std::uint32_t now(int warp) const { return seen_[index(warp)][index(warp)]; }
  /// Is what `warp` did at its time `clock` before what `observer` does now?
  bool ordered(int warp, std::uint32_t clock, int observer) const {
    return clock < seen_[index(observer)][index(warp)];
  }
  /// More joinings than a record can count: races can no longer be told.
  bool exhausted() const { return exhausted_; }

 private:
  static std::size_t index(int i) { return static_cast<std::size_t>(i); }
  std::uint32_t& at(int warp, int of) { return seen_[index(warp)][index(of)]; }
  template <class F>
  static void for_each(std::uint32_t mask, F f) {
    for (; mask; mask &= mask - 1) f(__builtin_ctz(mask));
  }

  int warps_ = 0;
  bool exhausted_ = false;
  std::array<Known, most_warps> seen_{};
};

}  // namespace pagejit::emulator
