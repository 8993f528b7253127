#include "kernels/api/c_support.h"

namespace pagejit::c {
namespace {

FlattenArgs args_of(const pj_flatten_args* given) {
  pj_flatten_args a = known_part(given, "args");
  FlattenArgs r;
  r.k_cache = tensor_of(a.k_cache);
  r.v_cache = tensor_of(a.v_cache);
  r.k_out = tensor_of(a.k_out);
  r.v_out = tensor_of(a.v_out);
  r.block_table = tensor_of(a.block_table);
  r.lengths = tensor_of(a.lengths);
  r.start_loc = tensor_of(a.start_loc);
  r.layout = choice<FlattenArgs::Layout>(a.layout, "layout");
  r.out = choice<FlattenArgs::Out>(a.out, "out");
  r.tail = choice<flatten::Tail>(a.tail, "tail");
  r.quant = quant_of(a.quant);
  r.k_scales = tensor_of(a.k_scales);
  r.v_scales = tensor_of(a.v_scales);
  r.zero_gaps = a.zero_gaps != 0;
  r.settled = a.settled != 0;
  bool has_lengths = a.host_lengths != nullptr && a.lengths.rank == 1 && a.lengths.shape[0] > 0;
  if (has_lengths) r.host_lengths = {a.host_lengths, static_cast<std::size_t>(a.lengths.shape[0])};
  return r;
}

FlattenMlaArgs args_of(const pj_flatten_mla_args* given) {
  pj_flatten_mla_args a = known_part(given, "args");
  FlattenMlaArgs r;
  r.cache = tensor_of(a.cache);
  r.out = tensor_of(a.out);
  r.block_table = tensor_of(a.block_table);
  r.lengths = tensor_of(a.lengths);
  r.start_loc = tensor_of(a.start_loc);
  r.out_layout = choice<FlattenArgs::Out>(a.out_layout, "out_layout");
  r.tail = choice<flatten::Tail>(a.tail, "tail");
  r.zero_gaps = a.zero_gaps != 0;
  r.settled = a.settled != 0;
  return r;
}

}  // namespace
}  // namespace pagejit::c

using namespace pagejit::c;

PJ_C_CALL(flatten)
PJ_C_CALL(flatten_mla)
