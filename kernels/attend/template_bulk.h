// Rows of K and V that the copy engine brings: one thread starts the copies of a turn, an mbarrier tells when they are
// there.
#pragma once
#include <vector>

#include "compiler/bulk.h"
#include "kernels/attend/template_rows.h"
#include "kernels/attend/template_split.h"

namespace pagejit::attend {

class BulkRows {
 public:
  /// `rows`: those of them that are bulk(), one or more. Emits what all threads of the team do before anything else.
  /// `turns`: where groups of warps take turns, which wait for a tile one after the other.
  BulkRows(Kernel& k, const Spec& s, const std::vector<const CacheRows*>& rows, const SplitProducts* turns);

  /// Starts the copies of tile `tile`; `ids` are those that their PageIds looked up.
  void copy(const Value& tile, const Value& stage, const Value& limit, const std::vector<Tile>& ids) const;
  /// Until they are there; once for each copy(). Rows past the limit are zeros then. `phases` has a bit for each stage,
  /// all 0 at first: gives them as they are afterwards. A barrier of the team must follow, unless groups take turns.
  Value wait(const Value& tile, const Value& stage, const Value& limit, const Value& phases) const;

 private:
  void fill_rest(const Value& stage, const Value& left) const;

  Kernel& k_;
  Spec s_;
  std::vector<const CacheRows*> rows_;
  const SplitProducts* turns_;
  StageBarriers arrivals_;
};

}  // namespace pagejit::attend
