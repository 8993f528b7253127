/* The index lists as a C program makes them. */
#include "c_api_support.h"

/* Three sequences, the middle one empty, that append 3, 0 and 2 tokens; and two tokens of padding. */
static const int32_t indptr[4] = {0, 3, 3, 5}, lengths[3] = {20, 9, 2};
static const int32_t sequence[7] = {0, 0, 0, 2, 2, -1, -1}, position[7] = {17, 18, 19, 0, 1, 0, 0};

static void check_positions(pj_context* context) {
  pj_batch_positions_args a;
  NEW_ARGS(a);
  a.append_indptr = list(upload(context, indptr, sizeof indptr), PJ_I32, 4);
  a.seq_lens = list(upload(context, lengths, sizeof lengths), PJ_I32, 3);
  a.batch_indices = list(room(context, sizeof sequence), PJ_I32, 7);
  a.positions = list(room(context, sizeof position), PJ_I32, 7);
  CHECK(pj_prepare_batch_positions(context, &a) == PJ_OK);
  CHECK(pj_batch_positions(context, &a, NULL) == PJ_OK);
  CHECK(holds(context, a.batch_indices.data, sequence, sizeof sequence));
  CHECK(holds(context, a.positions.data, position, sizeof position));
  a.positions.shape[0] = 6;
  CHECK_REFUSED(pj_batch_positions(context, &a, NULL), "PJ0001: positions has 6 tokens; expected 7");
}

static void check_seq_lens(pj_context* context) {
  static const int32_t last[3] = {4, 7, 16}, expected[3] = {36, 0, 32};
  pj_seq_lens_args a;
  NEW_ARGS(a);
  a.kv_indptr = list(upload(context, indptr, sizeof indptr), PJ_I32, 4);
  a.kv_last_page_len = list(upload(context, last, sizeof last), PJ_I32, 3);
  a.seq_lens = list(room(context, sizeof expected), PJ_I32, 3);
  a.page = 16;
  CHECK(pj_prepare_seq_lens(context, &a) == PJ_OK);
  CHECK(pj_seq_lens(context, &a, NULL) == PJ_OK);
  CHECK(holds(context, a.seq_lens.data, expected, sizeof expected));
  a.page = 0;
  CHECK_REFUSED(pj_seq_lens(context, &a, NULL), "PJ0001: page is 0; expected 1 to");
}

static void check_slots(pj_context* context) {
  static const int32_t table[6] = {5, 9, 2147480000, 2147480000, 3, 2147480000}, ids[3] = {5, 9, 3};
  static const int32_t pages[4] = {0, 2, 2, 3};
  static const int64_t expected[7] = {9 * 16 + 1, 9 * 16 + 2, 9 * 16 + 3, 3 * 16, 3 * 16 + 1, -1, -1};
  pj_slot_mapping_args a;
  NEW_ARGS(a);
  a.batch_indices = list(upload(context, sequence, sizeof sequence), PJ_I32, 7);
  a.positions = list(upload(context, position, sizeof position), PJ_I32, 7);
  a.block_table = tensor(upload(context, table, sizeof table), PJ_I32, 3, 2, -1, -1);
  a.slots = list(room(context, sizeof expected), PJ_I64, 7);
  a.page = 16;
  CHECK(pj_prepare_slot_mapping(context, &a) == PJ_OK);
  CHECK(pj_slot_mapping(context, &a, NULL) == PJ_OK);
  CHECK(holds(context, a.slots.data, expected, sizeof expected));

  memset(&a.block_table, 0, sizeof a.block_table);
  CHECK_REFUSED(pj_slot_mapping(context, &a, NULL), "PJ0001: kv_indptr is missing");
  a.kv_indptr = list(upload(context, pages, sizeof pages), PJ_I32, 4);
  a.kv_indices = list(upload(context, ids, sizeof ids), PJ_I32, 3);
  CHECK(pj_fill(context, a.slots.data, 0xa5, sizeof expected, NULL) == PJ_OK);
  CHECK(pj_slot_mapping(context, &a, NULL) == PJ_OK);
  CHECK(holds(context, a.slots.data, expected, sizeof expected));
}

static void check_starts(pj_context* context) {
  static const int64_t expected[4] = {0, 20, 29, 31};
  pj_start_offsets_args a;
  NEW_ARGS(a);
  a.lengths = list(upload(context, lengths, sizeof lengths), PJ_I32, 3);
  a.starts = list(room(context, sizeof expected), PJ_I64, 4);
  CHECK(pj_prepare_start_offsets(context, &a) == PJ_OK);
  CHECK(pj_start_offsets(context, &a, NULL) == PJ_OK);
  CHECK(holds(context, a.starts.data, expected, sizeof expected));
  a.starts.elem = PJ_F32;
  CHECK_REFUSED(pj_start_offsets(context, &a, NULL), "PJ0001: starts has the element type f32");
}

int main(void) {
  pj_context* context = emulator();
  if (context == NULL) return 1;
  check_positions(context);
  check_seq_lens(context);
  check_slots(context);
  check_starts(context);
  release_all(context);
  pj_context_destroy(context);
  printf("%d failures\n", failures);
  return failures != 0;
}
