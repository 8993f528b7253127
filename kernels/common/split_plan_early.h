// A team's part of a batch, worked out while the kernel before is still at work.
//
// It takes most of a microsecond to load the lists, add them up and find the part, and that kernel seldom writes them.
// So all of it is done before dependency_wait(), and after it the lists are loaded once more: where they still say the
// same, as they nearly always do, the part is right, and otherwise it is worked out anew.
#pragma once
#include <vector>

#include "compiler/kernel.h"
#include "kernels/common/split_plan.h"

namespace pagejit {

class EarlySplit {
 public:
  /// Before dependency_wait(). `settled` (i32) is not 0 where nobody writes the lists. Where somebody may, they are
  /// looked at if they have no more than 32 sequences: whatever they say then makes a plan, and no loop goes by it.
  EarlySplit(Kernel& k, const SplitBatch& batch, const Value& number, const Value& settled);
  /// After dependency_wait(). Gives whether the part was not known, or wrong (i1); now it is right.
  Value confirm();

  /// Whether the lists were looked at before the wait (i1). If not the part has no tiles until confirm().
  const Value& early() const { return early_; }
  SplitPart part() const;
  /// Sequence `b`, the same one in all lanes. Before confirm() one of the part.
  SplitSequence sequence(const Value& b) const;

 private:
  enum { from_, to_, first_, last_, start_, length_, first_query_, end_query_ };
  std::vector<Tile> worked_out(const SplitLists& lists) const;
  SplitLists lists() const;
  Value at(int which) const { return Value(known_[static_cast<std::size_t>(which)]); }

  Kernel& k_;
  SplitBatch batch_;
  Value number_, settled_, early_;
  std::vector<Tile> known_;  // by the names above; the last two where the batch is ragged
};

}  // namespace pagejit
