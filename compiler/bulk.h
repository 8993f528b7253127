// What the copy engine brings to shared memory (sm_90 and later), and the barriers that tell when it is there.
#pragma once
#include <array>

#include "compiler/kernel.h"

namespace pagejit {

/// An mbarrier for each stage of a pipeline. Each stage goes through phases: a phase ends when one thread has said how
/// many bytes to expect and these have come; or, where it is of threads alone, when as many as `arrivals` have come.
class StageBarriers {
 public:
  /// Of the team, all of whose threads call this together; ends with the team's barrier.
  StageBarriers(Kernel& k, std::string_view name, int stages, int arrivals = 1);

  /// What one thread of the team does: the copy engine is started in fewer steps where the assembler knows that it is
  /// one. All threads come here.
  void by_one(const std::function<void()>& body) const;
  /// One thread of the team, once a phase, before or after it starts copies: how many bytes they have in all.
  void expect(const Value& stage, const Value& bytes) const;
  /// Starts the copy of a box, whose first element is `at`, to shared memory (i32, a multiple of 128); its rows are
  /// swizzled there as those of SharedTile. Threads may have written there before if async_fence and the team's barrier
  /// have come in between.
  void copy_box(const Value& stage, const Value& to, const Value& map, const std::array<Value, 5>& at) const;
  /// Each of the threads that arrive, in whole warps, once it has done what others wait for.
  void arrive(const Value& stage) const;
  /// Until the stage's phase of this parity has ended, 0 for its first; at once for 1 where none has
  /// ended. Every thread that reads what came waits.
  void wait(const Value& stage, const Value& parity) const;

 private:
  Value at(const Value& stage) const;

  Kernel& kernel_;
  Pointer barriers_;
};

}  // namespace pagejit
