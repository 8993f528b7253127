/* The gathers as a C program calls them: two sequences, whose first rows are tokens 1 and 0; one row of tail. */
#include "c_api_support.h"

enum { PAGES = 3, PAGE = 2, ROWS = 4 };

/* Sequence 0: two rows from token 1 on, in pages 2 and 0. Sequence 1: one row, in page 1. */
static const int32_t table[4] = {2, 0, 1, 2147480000}, indptr[3] = {0, 2, 3}, starts[2] = {1, 0}, lengths[2] = {2, 1};
static const int cache_rows[ROWS - 1] = {2 * PAGE + 1, 0, PAGE};

#define TAKE_LISTS(context, a)                                                            \
  do {                                                                                    \
    (a).block_table = tensor(upload(context, table, sizeof table), PJ_I32, 2, 2, -1, -1); \
    (a).seq_starts = list(upload(context, starts, sizeof starts), PJ_I32, 2);             \
  } while (0)

static void check_cache(pj_context* context) {
  enum { DIM = 4 };
  static float cache[PAGES * PAGE][DIM], expected[ROWS][DIM];
  pj_gather_cache_args a;
  NEW_ARGS(a);
  for (int r = 0; r < PAGES * PAGE; ++r)
    for (int i = 0; i < DIM; ++i) cache[r][i] = (float)(10 * r + i);
  memset(expected, 0xa5, sizeof expected);
  for (int r = 0; r < ROWS - 1; ++r) memcpy(expected[r], cache[cache_rows[r]], sizeof expected[r]);
  a.src = tensor(upload(context, cache, sizeof cache), PJ_F32, PAGES, PAGE, DIM, -1);
  a.dst = tensor(room(context, sizeof expected), PJ_F32, ROWS, DIM, -1, -1);
  a.cu_seq_lens = list(upload(context, indptr, sizeof indptr), PJ_I32, 3);
  TAKE_LISTS(context, a);
  CHECK(pj_prepare_gather_cache(context, &a) == PJ_OK);
  CHECK(pj_gather_cache(context, &a, NULL) == PJ_OK);
  CHECK(holds(context, a.dst.data, expected, sizeof expected));
  a.zero_tail = 1;
  memset(expected[ROWS - 1], 0, sizeof expected[0]);
  CHECK(pj_gather_cache(context, &a, NULL) == PJ_OK);
  CHECK(holds(context, a.dst.data, expected, sizeof expected));
  a.cu_seq_lens.data = NULL;
  CHECK_REFUSED(pj_gather_cache(context, &a, NULL), "PJ0001: cu_seq_lens is a null pointer");
}

static void check_mla(pj_context* context) {
  enum { ROW = 656, OUT = 576 };
  static const float scales[4] = {1, 2, 4, 8};
  static const uint16_t scaled[4] = {0x3f80, 0x4000, 0x4080, 0x4100};
  static unsigned char cache[PAGES * PAGE][ROW];
  static uint16_t expected[ROWS][OUT];
  pj_gather_mla_args a;
  NEW_ARGS(a);
  for (int r = 0; r < PAGES * PAGE; ++r) {
    memset(cache[r], 0x38, 512);
    memcpy(cache[r] + 512, scales, sizeof scales);
    memset(cache[r] + 528, r + 1, 128);
  }
  memset(expected, 0xa5, sizeof expected);
  for (int r = 0; r < ROWS - 1; ++r)
    for (int i = 0; i < OUT; ++i) expected[r][i] = i < 512 ? scaled[i / 128] : (uint16_t)((cache_rows[r] + 1) * 0x101);
  a.src = tensor(upload(context, cache, sizeof cache), PJ_U8, PAGES, PAGE, ROW, -1);
  a.dst = tensor(room(context, sizeof expected), PJ_BF16, ROWS, OUT, -1, -1);
  a.lengths = list(upload(context, lengths, sizeof lengths), PJ_I32, 2);
  TAKE_LISTS(context, a);
  CHECK(pj_prepare_gather_mla(context, &a) == PJ_OK);
  CHECK(pj_gather_mla(context, &a, NULL) == PJ_OK);
  CHECK(holds(context, a.dst.data, expected, sizeof expected));
  a.src.shape[2] = 655;
  CHECK_REFUSED(pj_gather_mla(context, &a, NULL), "PJ0001: src");
}

static void check_indexer(pj_context* context) {
  enum { DIM = 128, ROW = DIM + 4 };
  static unsigned char cache[PAGES][PAGE * ROW], codes[ROWS][DIM];
  static float scales[ROWS];
  pj_gather_indexer_args a;
  NEW_ARGS(a);
  memset(codes, 0xa5, sizeof codes);
  memset(scales, 0xa5, sizeof scales);
  for (int r = 0; r < PAGES * PAGE; ++r) {
    float scale = (float)(r + 1);
    memset(cache[r / PAGE] + r % PAGE * DIM, r + 1, DIM);
    memcpy(cache[r / PAGE] + PAGE * DIM + r % PAGE * 4, &scale, 4);
  }
  for (int r = 0; r < ROWS - 1; ++r) {
    memset(codes[r], cache_rows[r] + 1, DIM);
    scales[r] = (float)(cache_rows[r] + 1);
  }
  a.src = tensor(upload(context, cache, sizeof cache), PJ_U8, PAGES, PAGE, ROW, -1);
  a.dst_k = tensor(room(context, sizeof codes), PJ_E4M3, ROWS, DIM, -1, -1);
  a.dst_scale = tensor(room(context, sizeof scales), PJ_F32, ROWS, 1, -1, -1);
  a.cu_seq_lens = list(upload(context, indptr, sizeof indptr), PJ_I32, 3);
  TAKE_LISTS(context, a);
  CHECK(pj_prepare_gather_indexer(context, &a) == PJ_OK);
  CHECK(pj_gather_indexer(context, &a, NULL) == PJ_OK);
  CHECK(holds(context, a.dst_k.data, codes, sizeof codes));
  CHECK(holds(context, a.dst_scale.data, scales, sizeof scales));
  a.dst_scale.elem = PJ_F16;
  CHECK_REFUSED(pj_gather_indexer(context, &a, NULL), "PJ0001: dst_scale has the element type f16");
}

int main(void) {
  pj_context* context = emulator();
  if (context == NULL) return 1;
  check_cache(context);
  check_mla(context);
  check_indexer(context);
  release_all(context);
  pj_context_destroy(context);
  printf("%d failures\n", failures);
  return failures != 0;
}
