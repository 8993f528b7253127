#include "python/src/bind.h"
#include "python/src/words.h"

namespace pagejit::python {
namespace {

void gather_cache(const char* function, Given src, Given dst, Given block_table, Given cu_seq_lens, Given seq_starts,
                  const char* dtype, Given scale, const char* tail_, bool settled) {
  Call call(function);
  Quantised q = kv_cache_dtype(call, dtype);
  GatherArgs a;
  a.src = codes_of(call.read(src, "src_cache", "src"), q);
  a.dst = call.write(dst, "dst", "dst");
  a.block_table = call.read(block_table, "block_table", "block_table");
  a.cu_seq_lens = call.read(cu_seq_lens, "cu_seq_lens", "cu_seq_lens");
  a.seq_starts = call.read(seq_starts, "seq_starts", "seq_starts");
  if (q.quant == Quant::fp8) a.scale = call.read(scale, "scale", "scale");
  if (q.quant == Quant::fp8 && scale.is_none()) call.refuse("scale", "None", "one float32, or one for each head");
  a.tail = tail(call, tail_);
  a.settled = settled;
  call.run(a, &Context::gather_cache);
}

void gather_mla(Given src, Given dst, Given block_table, Given seq_lens, Given workspace_starts, Given seq_starts,
                const char* tail_, bool settled) {
  Call call("cp_gather_and_upconvert_fp8_kv_cache");
  GatherMlaArgs a;
  a.src = call.read(src, "src_cache", "src");
  a.dst = call.write(dst, "dst", "dst");
  a.block_table = call.read(block_table, "block_table", "block_table");
  a.lengths = call.read(seq_lens, "seq_lens", "lengths");
  a.workspace_starts = call.read(workspace_starts, "workspace_starts", "workspace_starts");
  a.seq_starts = call.read(seq_starts, "seq_starts", "seq_starts");
  a.tail = tail(call, tail_);
  a.settled = settled;
  call.run(a, &Context::gather_mla);
}

void gather_indexer(Given src, Given dst_k, Given dst_scale, Given block_table, Given cu_seq_lens, Given seq_starts,
                    const char* tail_, bool settled) {
  Call call("cp_gather_indexer_k_quant_cache");
  GatherIndexerArgs a;
  a.src = call.read(src, "kv_cache", "src");
  a.dst_k = call.write(dst_k, "dst_k", "dst_k");
  a.dst_scale = call.write(dst_scale, "dst_scale", "dst_scale");
  a.block_table = call.read(block_table, "block_table", "block_table");
  a.cu_seq_lens = call.read(cu_seq_lens, "cu_seq_lens", "cu_seq_lens");
  a.seq_starts = call.read(seq_starts, "seq_starts", "seq_starts");
  a.tail = tail(call, tail_);
  a.settled = settled;
  call.run(a, &Context::gather_indexer);
}

}  // namespace

void bind_gather(nb::module_& m) {
  m.def("gather_cache", &gather_cache);
  m.def("gather_mla", &gather_mla);
  m.def("gather_indexer", &gather_indexer);
}

}  // namespace pagejit::python
