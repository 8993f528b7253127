#include "kernels/api/c_support.h"

namespace pagejit::c {
namespace {

BatchPositionsArgs args_of(const pj_batch_positions_args* given) {
  pj_batch_positions_args a = known_part(given, "args");
  return {tensor_of(a.append_indptr), tensor_of(a.seq_lens), tensor_of(a.batch_indices), tensor_of(a.positions)};
}

SeqLensArgs args_of(const pj_seq_lens_args* given) {
  pj_seq_lens_args a = known_part(given, "args");
  return {tensor_of(a.kv_indptr), tensor_of(a.kv_last_page_len), a.page, tensor_of(a.seq_lens)};
}

SlotMappingArgs args_of(const pj_slot_mapping_args* given) {
  pj_slot_mapping_args a = known_part(given, "args");
  SlotMappingArgs r;
  r.batch_indices = tensor_of(a.batch_indices);
  r.positions = tensor_of(a.positions);
  r.block_table = tensor_of(a.block_table);
  r.kv_indptr = tensor_of(a.kv_indptr);
  r.kv_indices = tensor_of(a.kv_indices);
  r.page = a.page;
  r.slots = tensor_of(a.slots);
  return r;
}

StartOffsetsArgs args_of(const pj_start_offsets_args* given) {
  pj_start_offsets_args a = known_part(given, "args");
  return {tensor_of(a.lengths), tensor_of(a.starts)};
}

}  // namespace
}  // namespace pagejit::c

using namespace pagejit::c;

PJ_C_CALL(batch_positions)
PJ_C_CALL(seq_lens)
PJ_C_CALL(slot_mapping)
PJ_C_CALL(start_offsets)
