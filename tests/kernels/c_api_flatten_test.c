/* flatten of quantised caches as a C program calls it; c_api_test.c has the others. */
#include "c_api_support.h"

enum { PAGES = 2, PAGE = 2, ROWS = 3, ROW = 656, OUT = 576 };

static const int32_t table[2] = {1, 0}, lengths[1] = {3};

static void check_fp8(pj_context* context) {
  enum { DIM = 8 };
  static const float scale = 2, zero[DIM];
  static unsigned char codes[PAGES * PAGE][DIM];
  static float expected[ROWS + 1][DIM];
  pj_flatten_args a;
  for (int r = 0; r < PAGES * PAGE; ++r) memset(codes[r], 0x38 + 8 * r, DIM); /* 1, 2, 4, 8 in e4m3 */
  for (int i = 0; i < DIM; ++i) expected[0][i] = 8, expected[1][i] = 16, expected[2][i] = 2;
  memcpy(expected[ROWS], zero, sizeof zero);
  NEW_ARGS(a);
  a.k_cache = tensor(upload(context, codes, sizeof codes), PJ_E4M3, PAGES, PAGE, 1, DIM);
  a.k_scales = list(upload(context, &scale, sizeof scale), PJ_F32, 1);
  a.k_out = tensor(room(context, sizeof expected), PJ_F32, ROWS + 1, 1, DIM, -1);
  a.block_table = tensor(upload(context, table, sizeof table), PJ_I32, 1, 2, -1, -1);
  a.lengths = list(upload(context, lengths, sizeof lengths), PJ_I32, 1);
  a.quant = PJ_QUANT_FP8;
  CHECK(pj_prepare_flatten(context, &a) == PJ_OK);
  CHECK(pj_flatten(context, &a, NULL) == PJ_OK);
  CHECK(holds(context, a.k_out.data, expected, sizeof expected));
  a.quant = -1;
  CHECK_REFUSED(pj_flatten(context, &a, NULL), "args->quant is -1; expected 0 to 5");
  a.quant = PJ_QUANT_FP8;
  memset(&a.k_scales, 0, sizeof a.k_scales);
  CHECK_REFUSED(pj_flatten(context, &a, NULL), "PJ0001: k_scales is missing");
}

/* Rows of ones under the scales 1, 2, 4 and 8, and 64 elements whose bits pass through. */
static void check_mla(pj_context* context) {
  static const float scales[4] = {1, 2, 4, 8};
  static const uint16_t scaled[4] = {0x3f80, 0x4000, 0x4080, 0x4100};
  static unsigned char rows[PAGES * PAGE][ROW];
  static uint16_t expected[ROWS][OUT];
  pj_flatten_mla_args a;
  for (int r = 0; r < PAGES * PAGE; ++r) {
    memset(rows[r], 0x38, 512);
    memcpy(rows[r] + 512, scales, sizeof scales);
    memset(rows[r] + 528, r + 1, 128);
  }
  for (int r = 0; r < ROWS; ++r) {
    int from = table[r / PAGE] * PAGE + r % PAGE;
    for (int i = 0; i < 512; ++i) expected[r][i] = scaled[i / 128];
    for (int i = 512; i < OUT; ++i) expected[r][i] = (uint16_t)((from + 1) * 0x101);
  }
  NEW_ARGS(a);
  a.cache = tensor(upload(context, rows, sizeof rows), PJ_U8, PAGES, PAGE, 1, ROW);
  a.out = tensor(room(context, sizeof expected), PJ_BF16, ROWS, 1, OUT, -1);
  a.block_table = tensor(upload(context, table, sizeof table), PJ_I32, 1, 2, -1, -1);
  a.lengths = list(upload(context, lengths, sizeof lengths), PJ_I32, 1);
  CHECK(pj_prepare_flatten_mla(context, &a) == PJ_OK);
  CHECK(pj_flatten_mla(context, &a, NULL) == PJ_OK);
  CHECK(holds(context, a.out.data, expected, sizeof expected));
  a.out_layout = 2;
  CHECK_REFUSED(pj_flatten_mla(context, &a, NULL), "args->out_layout is 2; expected 0 or 1");
  a.out_layout = PJ_OUT_SHD, a.out.elem = PJ_F32;
  CHECK_REFUSED(pj_flatten_mla(context, &a, NULL), "PJ0001: out has the element type f32");
}

int main(void) {
  pj_context* context = emulator();
  if (context == NULL) return 1;
  check_fp8(context);
  check_mla(context);
  release_all(context);
  pj_context_destroy(context);
  printf("%d failures\n", failures);
  return failures != 0;
}
