/* Attention as a C program calls it: equal keys give the mean of what a query sees. */
#include "c_api_support.h"

enum { BATCH = 2, HEADS = 2, DIM = 16, PAGES = 3, PAGE = 2, COLUMNS = 2 };

static const uint16_t one = 0x3c00, values[3] = {0x3c00, 0x4200, 0x4500}; /* 1; 1, 3, 5 in f16 */

/* Sequence 0 has the three rows of pages 2 and 0, sequence 1 has none. */
static const int32_t table[BATCH][COLUMNS] = {{2, 0}, {2147480000, 2147480000}}, lengths[BATCH] = {3, 0};

static void fill_row(uint16_t* row, uint16_t value) {
  for (int d = 0; d < DIM; ++d) row[d] = value;
}

static void give_workspace(pj_context* context, pj_decode_attention_args* a) {
  size_t bytes = 0;
  memset(&a->workspace, 0, sizeof a->workspace);
  CHECK(pj_decode_workspace(context, a, &bytes) == PJ_OK);
  CHECK(bytes > 0);
  a->workspace = list(room(context, bytes), PJ_U8, (int64_t)bytes);
}

/* The rows of sequence 0's heads are `mean`, those of sequence 1 zeros. */
static int means(pj_context* context, const void* out, uint16_t mean) {
  uint16_t expected[BATCH][HEADS][DIM];
  memset(expected, 0, sizeof expected);
  for (int h = 0; h < HEADS; ++h) fill_row(expected[0][h], mean);
  return holds(context, out, expected, sizeof expected);
}

static void check_calls(pj_context* context, pj_decode_attention_args* a) {
  CHECK(pj_prepare_decode_attention(context, a) == PJ_OK);
  CHECK(pj_decode_attention(context, a, NULL) == PJ_OK);
  CHECK(means(context, a->out.data, 0x4200)); /* (1 + 3 + 5) / 3 */
  a->has_window = PJ_WINDOW_LEFT, a->window_left = 1;
  CHECK(pj_decode_attention(context, a, NULL) == PJ_OK);
  CHECK(means(context, a->out.data, 0x4400)); /* (3 + 5) / 2 */
  a->window_left = 0;
  CHECK(pj_decode_attention(context, a, NULL) == PJ_OK);
  CHECK(means(context, a->out.data, 0x4500)); /* itself alone */
  a->has_window = PJ_WINDOW_NONE;
}

static void check_lse(pj_context* context, pj_decode_attention_args* a) {
  static const uint32_t empty[HEADS] = {0x7f800000, 0x7f800000};
  float lse[HEADS];
  a->lse = tensor(room(context, BATCH * sizeof lse), PJ_F32, BATCH, HEADS, -1, -1);
  a->empty_lse_pos_inf = 1;
  CHECK(pj_decode_attention(context, a, NULL) == PJ_OK);
  CHECK(pj_copy_out(context, lse, a->lse.data, sizeof lse, NULL) == PJ_OK);
  /* The score is 16 / 4; ln 3 more for three keys. */
  for (int h = 0; h < HEADS; ++h) CHECK(lse[h] > 5.097f && lse[h] < 5.1f);
  CHECK(holds(context, (char*)a->lse.data + sizeof lse, empty, sizeof empty));
}

static void check_refusals(pj_context* context, pj_decode_attention_args* a) {
  pj_decode_attention_args bad = *a;
  CHECK_REFUSED(pj_decode_workspace(context, a, NULL), "bytes is a null pointer");
  bad.layout = 2;
  CHECK_REFUSED(pj_decode_attention(context, &bad, NULL), "args->layout is 2; expected 0 or 1");
  bad = *a, bad.quant = 9;
  CHECK_REFUSED(pj_decode_attention(context, &bad, NULL), "args->quant is 9; expected 0 to 5");
  bad = *a, bad.has_window = 4;
  CHECK_REFUSED(pj_decode_attention(context, &bad, NULL), "args->has_window is 4; expected 0 to 3");
  bad = *a, bad.scale = -1;
  CHECK_REFUSED(pj_decode_attention(context, &bad, NULL), "scale is -1; expected a positive number");
  bad = *a, bad.workspace.shape[0] = 1;
  CHECK_REFUSED(pj_decode_attention(context, &bad, NULL), "PJ0001: workspace has 1 bytes; expected at least");
  bad = *a, bad.out.data = NULL;
  CHECK_REFUSED(pj_decode_attention(context, &bad, NULL), "PJ0001: out is a null pointer");
  bad = *a, bad.size = 0;
  CHECK_REFUSED(pj_decode_attention(context, &bad, NULL), "args->size is 0; expected sizeof");
  CHECK_REFUSED(pj_decode_attention(context, NULL, NULL), "args is a null pointer");
  CHECK_REFUSED(pj_decode_attention(NULL, a, NULL), "context is a null pointer");
  CHECK_REFUSED(pj_prepare_decode_attention(context, NULL), "args is a null pointer");
}

int main(void) {
  static uint16_t q[BATCH][HEADS][DIM], k[PAGES][PAGE][DIM], v[PAGES][PAGE][DIM];
  pj_decode_attention_args a;
  pj_context* context = emulator();
  if (context == NULL) return 1;
  memset(k, 0xff, sizeof k), memset(v, 0xff, sizeof v); /* NaN wherever no key is */
  for (int b = 0; b < BATCH; ++b)
    for (int h = 0; h < HEADS; ++h) fill_row(q[b][h], one);
  for (int t = 0; t < 3; ++t) {
    fill_row(k[table[0][t / PAGE]][t % PAGE], one);
    fill_row(v[table[0][t / PAGE]][t % PAGE], values[t]);
  }
  NEW_ARGS(a);
  a.q = tensor(upload(context, q, sizeof q), PJ_F16, BATCH, HEADS, DIM, -1);
  a.k_cache = tensor(upload(context, k, sizeof k), PJ_F16, PAGES, PAGE, 1, DIM);
  a.v_cache = tensor(upload(context, v, sizeof v), PJ_F16, PAGES, PAGE, 1, DIM);
  a.block_table = tensor(upload(context, table, sizeof table), PJ_I32, BATCH, COLUMNS, -1, -1);
  a.lengths = list(upload(context, lengths, sizeof lengths), PJ_I32, BATCH);
  a.out = tensor(room(context, sizeof q), PJ_F16, BATCH, HEADS, DIM, -1);
  give_workspace(context, &a);
  check_calls(context, &a);
  check_refusals(context, &a);
  check_lse(context, &a);
  release_all(context);
  pj_context_destroy(context);
  printf("%d failures\n", failures);
  return failures != 0;
}
