#include "python/src/bind.h"
#include "python/src/call.h"

namespace pagejit::python {
namespace {

void batch_positions(Given append_indptr, Given lens, Given batch_indices, Given positions) {
  Call call("batch_positions");
  BatchPositionsArgs a;
  a.append_indptr = call.read(append_indptr, "append_indptr", "append_indptr");
  a.seq_lens = call.read(lens, "seq_lens", "seq_lens");
  a.batch_indices = call.write(batch_indices, "batch_indices", "batch_indices");
  a.positions = call.write(positions, "positions", "positions");
  call.run(a, &Context::batch_positions);
}

void seq_lens(Given kv_indptr, Given kv_last_page_len, std::int64_t page_size, Given out) {
  Call call("seq_lens");
  SeqLensArgs a;
  a.kv_indptr = call.read(kv_indptr, "kv_indptr", "kv_indptr");
  a.kv_last_page_len = call.read(kv_last_page_len, "kv_last_page_len", "kv_last_page_len");
  a.page = page_size;
  a.seq_lens = call.write(out, "out", "seq_lens");
  call.run(a, &Context::seq_lens);
}

void slot_mapping(Given batch_indices, Given positions, std::int64_t page_size, Given block_table, Given kv_indptr,
                  Given kv_indices, Given out) {
  Call call("slot_mapping");
  SlotMappingArgs a;
  a.batch_indices = call.read(batch_indices, "batch_indices", "batch_indices");
  a.positions = call.read(positions, "positions", "positions");
  a.page = page_size;
  a.block_table = call.read(block_table, "block_table", "block_table");
  a.kv_indptr = call.read(kv_indptr, "kv_indptr", "kv_indptr");
  a.kv_indices = call.read(kv_indices, "kv_indices", "kv_indices");
  a.slots = call.write(out, "out", "slots");
  call.run(a, &Context::slot_mapping);
}

void start_offsets(Given lengths, Given out) {
  Call call("start_offsets");
  StartOffsetsArgs a;
  a.lengths = call.read(lengths, "lengths", "lengths");
  a.starts = call.write(out, "out", "starts");
  call.run(a, &Context::start_offsets);
}

}  // namespace

void bind_indices(nb::module_& m) {
  m.def("batch_positions", &batch_positions);
  m.def("seq_lens", &seq_lens);
  m.def("slot_mapping", &slot_mapping);
  m.def("start_offsets", &start_offsets);
}

}  // namespace pagejit::python
