// Rows of K and V that the copy engine brings: one thread starts the copies of a turn, an mbarrier tells when they are
// there.
#pragma once
#include <optional>
#include <vector>

#include "compiler/bulk.h"
#include "kernels/attend/template_rows.h"
#include "kernels/attend/template_split.h"

namespace pagejit::attend {

class BulkRows {
 public:
  /// `rows`: those of them that are bulk(), one or more. Emits what all threads of the team do before anything else.
  /// `groups`: where groups of warps go on by themselves; each thread then gives stages back.
  BulkRows(Kernel& k, const Spec& s, const std::vector<const CacheRows*>& rows, const SplitProducts* groups);

  /// Starts the copies of tile `tile`; `ids` are those that their PageIds looked up. Of groups, once all threads have
  /// given the stage back.
  void copy(const Value& tile, const Value& stage, const Value& phases, const Value& limit,
            const std::vector<Tile>& ids) const;
  /// Until they are there; once for each copy(). Rows past the limit are zeros then. `phases` has a bit for each stage,
  /// all 0 at first: gives them as they are afterwards. A barrier of the team must follow, unless there are groups.
  Value wait(const Value& tile, const Value& stage, const Value& limit, const Value& phases) const;
  /// Of groups: this thread has read the stage for the last time, once for each wait().
  void give_back(const Value& stage) const;

 private:
  void fill_rest(const Value& stage, const Value& left) const;

  Kernel& k_;
  Spec s_;
  std::vector<const CacheRows*> rows_;
  const SplitProducts* groups_;
  StageBarriers arrivals_;
  std::optional<StageBarriers> given_back_;
};

}  // namespace pagejit::attend
