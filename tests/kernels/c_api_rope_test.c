/* Rotation as a C program calls it: token 0 stays as it is, token 1 turns by a quarter. */
#include "c_api_support.h"

enum { TOKENS = 2, R = 2, N = 2, PAGES = 2, PAGE = 2 };

static const float table[2][R] = {{1, 0}, {0, 1}}; /* cosine, sine */
static const int32_t pos_ids[TOKENS] = {0, 1};
static const int64_t slots[TOKENS] = {3, -1};
static const float rope[TOKENS][R] = {{1, 2}, {3, 4}}, turned[TOKENS][R] = {{1, 2}, {-4, 3}};
static const float nope[TOKENS][N] = {{5, 6}, {7, 8}};

#define TAKE_INPUTS(context, a)                                                             \
  do {                                                                                      \
    NEW_ARGS(a);                                                                            \
    (a).q_rope = tensor(upload(context, rope, sizeof rope), PJ_F32, TOKENS, 1, R, -1);      \
    (a).q_nope = tensor(upload(context, nope, sizeof nope), PJ_F32, TOKENS, 1, N, -1);      \
    (a).k_rope = tensor((a).q_rope.data, PJ_F32, TOKENS, R, -1, -1);                        \
    (a).k_nope = tensor((a).q_nope.data, PJ_F32, TOKENS, N, -1, -1);                        \
    (a).q_rope_out = tensor(room(context, sizeof rope), PJ_F32, TOKENS, 1, R, -1);          \
    (a).q_nope_out = tensor(room(context, sizeof nope), PJ_F32, TOKENS, 1, N, -1);          \
    (a).cos_sin_cache = tensor(upload(context, table, sizeof table), PJ_F32, 2, R, -1, -1); \
    (a).pos_ids = list(upload(context, pos_ids, sizeof pos_ids), PJ_I32, TOKENS);           \
  } while (0)

/* Token 0's rows are written and token 1's, which goes nowhere, are as they were. */
static int first_only(pj_context* context, const void* out, const float* row) {
  float expected[TOKENS][2];
  memset(expected, 0xa5, sizeof expected);
  memcpy(expected[0], row, sizeof expected[0]);
  return holds(context, out, expected, sizeof expected);
}

/* Slot 3 of a cache of rows of `width`, and nothing else. */
static int last_slot_only(pj_context* context, const void* cache, const float* row, int width) {
  float expected[PAGES * PAGE * 4];
  memset(expected, 0xa5, sizeof expected);
  memcpy(expected + 3 * width, row, (size_t)width * sizeof *row);
  return holds(context, cache, expected, (size_t)(PAGES * PAGE * width) * sizeof *row);
}

static void check_quantize(pj_context* context) {
  /* Twice the numbers, in e4m3: 2, 4, -8, 6 and 10, 12, 14, 16. */
  static const unsigned char rope_codes[4] = {0x40, 0x48, 0xd0, 0x4c}, nope_codes[4] = {0x52, 0x54, 0x56, 0x58};
  pj_rope_quantize_args a;
  TAKE_INPUTS(context, a);
  a.q_rope_out = tensor(room(context, 4), PJ_E4M3, TOKENS, 1, R, -1);
  a.q_nope_out = tensor(room(context, 4), PJ_E4M3, TOKENS, 1, N, -1);
  a.scale_q = 2; /* scale_kv is left zero: one */
  a.k_rope_out = tensor(room(context, sizeof rope), PJ_F32, TOKENS, R, -1, -1);
  a.k_nope_out = tensor(room(context, sizeof nope), PJ_F32, TOKENS, N, -1, -1);
  CHECK(pj_prepare_rope_quantize(context, &a) == PJ_OK);
  CHECK(pj_rope_quantize(context, &a, NULL) == PJ_OK);
  CHECK(holds(context, a.q_rope_out.data, rope_codes, sizeof rope_codes));
  CHECK(holds(context, a.q_nope_out.data, nope_codes, sizeof nope_codes));
  CHECK(holds(context, a.k_rope_out.data, turned, sizeof turned));
  CHECK(holds(context, a.k_nope_out.data, nope, sizeof nope));
  a.style = 2;
  CHECK_REFUSED(pj_rope_quantize(context, &a, NULL), "args->style is 2; expected 0 or 1");
  a.style = PJ_ROPE_INTERLEAVED, a.pos_ids.rank = 2;
  CHECK_REFUSED(pj_rope_quantize(context, &a, NULL), "PJ0001: pos_ids has rank 2");
}

static void check_append(pj_context* context) {
  static const float k_row[R + N] = {1, 2, 5, 6};
  pj_rope_append_args a;
  TAKE_INPUTS(context, a);
  a.v = tensor(upload(context, nope, sizeof nope), PJ_F32, TOKENS, 1, N, -1);
  a.k_cache = tensor(room(context, PAGES * PAGE * sizeof k_row), PJ_F32, PAGES, PAGE, 1, R + N);
  a.v_cache = tensor(room(context, PAGES * PAGE * sizeof nope[0]), PJ_F32, PAGES, PAGE, 1, N);
  a.slots = list(upload(context, slots, sizeof slots), PJ_I64, TOKENS);
  CHECK(pj_prepare_rope_append(context, &a) == PJ_OK);
  CHECK(pj_rope_append(context, &a, NULL) == PJ_OK);
  CHECK(first_only(context, a.q_rope_out.data, turned[0]));
  CHECK(first_only(context, a.q_nope_out.data, nope[0]));
  CHECK(last_slot_only(context, a.k_cache.data, k_row, R + N));
  CHECK(last_slot_only(context, a.v_cache.data, nope[0], N));
  a.padding = -1;
  CHECK_REFUSED(pj_rope_append(context, &a, NULL), "args->padding is -1; expected 0 or 1");
  a.padding = 0, a.v_cache.data = NULL;
  CHECK_REFUSED(pj_rope_append(context, &a, NULL), "PJ0001: v_cache is a null pointer");
}

static void check_append_mla(pj_context* context) {
  static const float zeros[TOKENS][N] = {{5, 6}, {0, 0}};
  pj_rope_append_mla_args a;
  TAKE_INPUTS(context, a);
  a.ckv_cache = tensor(room(context, PAGES * PAGE * sizeof nope[0]), PJ_F32, PAGES, PAGE, N, -1);
  a.kpe_cache = tensor(room(context, PAGES * PAGE * sizeof rope[0]), PJ_F32, PAGES, PAGE, R, -1);
  a.slots = list(upload(context, slots, sizeof slots), PJ_I64, TOKENS);
  a.padding = PJ_PADDING_ZERO_ROW;
  CHECK(pj_prepare_rope_append_mla(context, &a) == PJ_OK);
  CHECK(pj_rope_append_mla(context, &a, NULL) == PJ_OK);
  CHECK(holds(context, a.q_nope_out.data, zeros, sizeof zeros));
  CHECK(last_slot_only(context, a.ckv_cache.data, nope[0], N));
  CHECK(last_slot_only(context, a.kpe_cache.data, turned[0], R));
  a.reserved = 5;
  CHECK_REFUSED(pj_rope_append_mla(context, &a, NULL), "args->reserved is 5; expected 0");
  a.reserved = 0, a.kpe_cache.shape[2] = 1;
  CHECK_REFUSED(pj_rope_append_mla(context, &a, NULL), "PJ0001: kpe_cache");
}

int main(void) {
  pj_context* context = emulator();
  if (context == NULL) return 1;
  check_quantize(context);
  check_append(context);
  check_append_mla(context);
  release_all(context);
  pj_context_destroy(context);
  printf("%d failures\n", failures);
  return failures != 0;
}
