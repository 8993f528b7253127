#include "kernels/common/split_plan_early.h"

namespace pagejit {
namespace {

/// Longer sequences are left to confirm(): numbers of tiles of 32 sequences up to here surely do not overflow.
constexpr std::int64_t longest = 1 << 29;

}  // namespace

EarlySplit::EarlySplit(Kernel& k, const SplitBatch& batch, const Value& number, const Value& settled)
    : k_(k), batch_(batch), number_(number), settled_(settled) {
  early_ = (settled != 0) | (batch.batch <= SplitSequences::lanes);
  std::vector<Tile> nothing(batch.ragged ? end_query_ + 1 : length_ + 1, k.constant(Type::i32, 0));
  known_ = k.when(early_, nothing, [&](std::vector<Tile>& now) {
    SplitLists lists = SplitSequences::load_now(k_, batch_, early_);
    lists.length = Value(select(settled_ != 0, lists.length, minimum(lists.length, longest)));
    now = worked_out(lists);
  });
}

std::vector<Tile> EarlySplit::worked_out(const SplitLists& lists) const {
  SplitPart p = SplitPlan(k_, SplitSequences(k_, batch_, lists)).part(number_);
  std::vector<Tile> all{p.from, p.to, p.first, p.last, p.start, lists.length};
  if (batch_.ragged) all.insert(all.end(), {lists.first_query, lists.end_query});
  return all;
}

Value EarlySplit::confirm() {
  SplitLists before = lists(), now = SplitSequences::load_now(k_, batch_, settled_ == 0);
  Value differs = now.length != before.length;
  if (batch_.ragged) differs = differs | (now.first_query != before.first_query) | (now.end_query != before.end_query);
  Value lanes =
      k_.machine(MachineOp::ballot, {Value(cast(differs | (batch_.batch > SplitSequences::lanes), Type::i32))})[0];
  Value anew = (settled_ == 0) & (lanes != 0);
  known_ = k_.when(anew, known_, [&](std::vector<Tile>& known) { known = worked_out(now); });
  return anew;
}

SplitLists EarlySplit::lists() const {
  SplitLists lists{at(length_), {}, {}};
  if (batch_.ragged) lists.first_query = at(first_query_), lists.end_query = at(end_query_);
  return lists;
}

SplitPart EarlySplit::part() const {
  return {at(from_), at(to_), maximum(at(first_), 0), at(last_), maximum(at(start_), 0)};
}

SplitSequence EarlySplit::sequence(const Value& b) const {
  return SplitSequences(k_, batch_, lists()).sequence(b);
}

}  // namespace pagejit
