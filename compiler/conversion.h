// The way from one layout of a tile to another, as cheap as it can be: no move, a renaming of registers, shuffles
// inside each warp, or shared memory. Only a plan: convert.h emits it. No LLVM in here.
#pragma once
#include <array>
#include <optional>
#include <vector>

#include "compiler/layout.h"
#include "compiler/placement.h"

namespace pagejit {

/// In lanes where an odd number of the bits `lanes` are set, register r and register r ^ registers change places.
struct RegisterSwap {
  int lanes, registers;
};

/// Each lane puts its registers in an order of its own, hands them over round by round, and orders what it got.
struct ShufflePlan {
  struct Round {
    int sends;     // the source register (after the sender's swaps)
    int lane;      // xor-ed with `from` of the own lane: whose
    int receives;  // the destination register (before the receiver's swaps)
  };
  std::vector<RegisterSwap> send, receive;
  std::array<int, 5> from{};  // lane bit → what it adds to the lane that is read
  std::vector<Round> rounds;
  std::vector<int> copy_of;  // for each destination register the one that holds the same; itself if it is received

  bool from_own_lane() const { return from == std::array{1, 2, 4, 8, 16}; }
};

struct Conversion {
  enum class Kind { none, registers, shuffles, shared };
  Kind kind = Kind::none;
  std::vector<int> source;  // registers: which one of `from` each one of `to` is
  ShufflePlan shuffles;
  std::optional<Exchange> exchange;  // shared
};

/// Both are of one shape and one number of warps, and `from` holds every element. Throws Error(internal) otherwise.
Conversion plan_conversion(const Layout& from, const Layout& to, int elem_bytes);

/// None where values would have to leave their warp, or a lane would have to hand over too much at once.
std::optional<ShufflePlan> plan_shuffles(const Layout& from, const Layout& to);

}  // namespace pagejit
