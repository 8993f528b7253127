/* Index lists made on the device: positions, lengths, slots, running sums. See docs/kernels/indices.md. */
#ifndef PAGEJIT_C_INDICES_H
#define PAGEJIT_C_INDICES_H

#include "../pagejit.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The sequence and position of each token of a ragged batch; tokens that no sequence owns get -1 and 0. */
typedef struct pj_batch_positions_args {
  uint64_t size;
  pj_tensor append_indptr; /* [batch + 1], i32: the first token of each sequence, and the end of the last */
  pj_tensor seq_lens;      /* [batch], i32: lengths after the append */
  pj_tensor batch_indices; /* [tokens], i32, written */
  pj_tensor positions;     /* [tokens], i32, written */
} pj_batch_positions_args;

/* Lengths of sequences whose pages stand behind one another. */
typedef struct pj_seq_lens_args {
  uint64_t size;
  pj_tensor kv_indptr;        /* [batch + 1], i32: the first page of each sequence, and the end of the last */
  pj_tensor kv_last_page_len; /* [batch], i32: rows used of each last page */
  pj_tensor seq_lens;         /* [batch], i32, written */
  int64_t page;               /* rows of a page */
} pj_seq_lens_args;

/* The slot of each token: page * rows a page + row; -1 where its sequence, position or page id is negative. */
typedef struct pj_slot_mapping_args {
  uint64_t size;
  pj_tensor batch_indices; /* [tokens], i32 */
  pj_tensor positions;     /* [tokens], i32 */
  pj_tensor block_table;   /* [batch, columns] page ids; i32, i64. Left out: the next two */
  pj_tensor kv_indptr;     /* [batch + 1], i32: the first page of each sequence in kv_indices */
  pj_tensor kv_indices;    /* [pages]; i32, i64: page ids of all sequences */
  pj_tensor slots;         /* [tokens]; i32, i64, written */
  int64_t page;            /* rows of a page */
} pj_slot_mapping_args;

/* The exclusive running sum of lengths. */
typedef struct pj_start_offsets_args {
  uint64_t size;
  pj_tensor lengths; /* [batch]; i32, i64; a negative one counts as 0 */
  pj_tensor starts;  /* [batch], or [batch + 1] with the sum of all at the end; i32, i64, written */
} pj_start_offsets_args;

pj_status pj_batch_positions(pj_context* context, const pj_batch_positions_args* args, void* stream);
pj_status pj_prepare_batch_positions(pj_context* context, const pj_batch_positions_args* args);
pj_status pj_seq_lens(pj_context* context, const pj_seq_lens_args* args, void* stream);
pj_status pj_prepare_seq_lens(pj_context* context, const pj_seq_lens_args* args);
pj_status pj_slot_mapping(pj_context* context, const pj_slot_mapping_args* args, void* stream);
pj_status pj_prepare_slot_mapping(pj_context* context, const pj_slot_mapping_args* args);
pj_status pj_start_offsets(pj_context* context, const pj_start_offsets_args* args, void* stream);
pj_status pj_prepare_start_offsets(pj_context* context, const pj_start_offsets_args* args);

#ifdef __cplusplus
}
#endif
#endif
