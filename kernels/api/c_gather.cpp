#include "kernels/api/c_support.h"

namespace pagejit::c {
namespace {

/// What the three calls share has the same names in each struct.
template <class Given, class Args>
void take_lists(const Given& a, Args& r) {
  r.block_table = tensor_of(a.block_table);
  r.seq_starts = tensor_of(a.seq_starts);
  r.tail = a.zero_tail != 0 ? flatten::Tail::zero : flatten::Tail::untouched;
  r.settled = a.settled != 0;
}

GatherArgs args_of(const pj_gather_cache_args* given) {
  pj_gather_cache_args a = known_part(given, "args");
  GatherArgs r;
  r.src = tensor_of(a.src);
  r.dst = tensor_of(a.dst);
  r.scale = tensor_of(a.scale);
  r.cu_seq_lens = tensor_of(a.cu_seq_lens);
  take_lists(a, r);
  return r;
}

GatherMlaArgs args_of(const pj_gather_mla_args* given) {
  pj_gather_mla_args a = known_part(given, "args");
  GatherMlaArgs r;
  r.src = tensor_of(a.src);
  r.dst = tensor_of(a.dst);
  r.lengths = tensor_of(a.lengths);
  r.workspace_starts = tensor_of(a.workspace_starts);
  take_lists(a, r);
  return r;
}

GatherIndexerArgs args_of(const pj_gather_indexer_args* given) {
  pj_gather_indexer_args a = known_part(given, "args");
  GatherIndexerArgs r;
  r.src = tensor_of(a.src);
  r.dst_k = tensor_of(a.dst_k);
  r.dst_scale = tensor_of(a.dst_scale);
  r.cu_seq_lens = tensor_of(a.cu_seq_lens);
  take_lists(a, r);
  return r;
}

}  // namespace
}  // namespace pagejit::c

using namespace pagejit::c;

PJ_C_CALL(gather_cache)
PJ_C_CALL(gather_mla)
PJ_C_CALL(gather_indexer)
