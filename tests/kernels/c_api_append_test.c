/* The writers as a C program calls them: every form puts the same three tokens into the same places. */
#include "c_api_support.h"

enum { TOKENS = 3, PAGES = 3, PAGE = 4, HEADS = 2, DIM = 4, N = 4, R = 2 };

/* Tokens 0 and 1 follow three rows of sequence 0, whose pages are 2 and 0; token 2 begins sequence 1 in page 1. */
static const int32_t kv_lengths[2] = {5, 1}, q_lengths[2] = {2, 1}, table[4] = {2, 0, 1, 2147480000};
static const int32_t sequence[TOKENS] = {0, 0, 1}, position[TOKENS] = {3, 4, 0}, indptr[3] = {0, 2, 3},
                     ids[3] = {2, 0, 1};
static const int64_t slots[TOKENS] = {2 * PAGE + 3, 0, PAGE};

static float k_rows[TOKENS][HEADS][DIM], v_rows[TOKENS][HEADS][DIM], ckv[TOKENS][N], kpe[TOKENS][R];
static float k_expected[PAGES * PAGE][HEADS][DIM], v_expected[PAGES * PAGE][HEADS][DIM];
static float joint_expected[PAGES * PAGE][N + R];

static void make_data(void) {
  memset(k_expected, 0xa5, sizeof k_expected);
  memset(v_expected, 0xa5, sizeof v_expected);
  memset(joint_expected, 0xa5, sizeof joint_expected);
  for (int t = 0; t < TOKENS; ++t) {
    for (int h = 0; h < HEADS; ++h)
      for (int i = 0; i < DIM; ++i) {
        k_rows[t][h][i] = (float)(100 * t + 10 * h + i);
        v_rows[t][h][i] = -k_rows[t][h][i];
      }
    for (int i = 0; i < N; ++i) ckv[t][i] = (float)(10 * t + i);
    for (int i = 0; i < R; ++i) kpe[t][i] = (float)(-10 * t - i);
    memcpy(k_expected[slots[t]], k_rows[t], sizeof k_rows[t]);
    memcpy(v_expected[slots[t]], v_rows[t], sizeof v_rows[t]);
    memcpy(joint_expected[slots[t]], ckv[t], sizeof ckv[t]);
    memcpy(joint_expected[slots[t]] + N, kpe[t], sizeof kpe[t]);
  }
}

/* What the three writers of K and V have in common. */
#define TAKE_ROWS(context, a)                                                                \
  do {                                                                                       \
    NEW_ARGS(a);                                                                             \
    (a).k = tensor(upload(context, k_rows, sizeof k_rows), PJ_F32, TOKENS, HEADS, DIM, -1);  \
    (a).v = tensor(upload(context, v_rows, sizeof v_rows), PJ_F32, TOKENS, HEADS, DIM, -1);  \
    (a).k_cache = tensor(room(context, sizeof k_expected), PJ_F32, PAGES, PAGE, HEADS, DIM); \
    (a).v_cache = tensor(room(context, sizeof v_expected), PJ_F32, PAGES, PAGE, HEADS, DIM); \
  } while (0)

#define TAKE_BATCH_POS(context, a)                                                        \
  do {                                                                                    \
    (a).batch_indices = list(upload(context, sequence, sizeof sequence), PJ_I32, TOKENS); \
    (a).positions = list(upload(context, position, sizeof position), PJ_I32, TOKENS);     \
    (a).kv_indptr = list(upload(context, indptr, sizeof indptr), PJ_I32, 3);              \
    (a).kv_indices = list(upload(context, ids, sizeof ids), PJ_I32, 3);                   \
  } while (0)

static int written(pj_context* context, pj_tensor k_cache, pj_tensor v_cache) {
  return holds(context, k_cache.data, k_expected, sizeof k_expected) &&
         holds(context, v_cache.data, v_expected, sizeof v_expected);
}

static void check_fill(pj_context* context) {
  pj_fill_kv_cache_args a;
  TAKE_ROWS(context, a);
  a.block_table = tensor(upload(context, table, sizeof table), PJ_I32, 2, 2, -1, -1);
  a.kv_lengths = list(upload(context, kv_lengths, sizeof kv_lengths), PJ_I32, 2);
  a.q_lengths = list(upload(context, q_lengths, sizeof q_lengths), PJ_I32, 2);
  CHECK(pj_prepare_fill_kv_cache(context, &a) == PJ_OK);
  CHECK(pj_fill_kv_cache(context, &a, NULL) == PJ_OK);
  CHECK(written(context, a.k_cache, a.v_cache));
  a.quant = PJ_QUANT_TURBO + 1;
  CHECK_REFUSED(pj_fill_kv_cache(context, &a, NULL), "args->quant is 6; expected 0 to 5");
  a.quant = PJ_QUANT_NONE, a.scale_rule = 4;
  CHECK_REFUSED(pj_fill_kv_cache(context, &a, NULL), "args->scale_rule is 4; expected 0 to 3");
  a.scale_rule = 0, a.reserved = 1;
  CHECK_REFUSED(pj_fill_kv_cache(context, &a, NULL), "args->reserved is 1; expected 0");
}

static void check_append(pj_context* context) {
  pj_append_args a;
  TAKE_ROWS(context, a);
  TAKE_BATCH_POS(context, a);
  CHECK(pj_prepare_append(context, &a) == PJ_OK);
  CHECK(pj_append(context, &a, NULL) == PJ_OK);
  CHECK(written(context, a.k_cache, a.v_cache));
  a.positions.data = NULL;
  CHECK_REFUSED(pj_append(context, &a, NULL), "PJ0001: positions is a null pointer");
}

static void check_reshape(pj_context* context) {
  pj_reshape_and_cache_args a;
  TAKE_ROWS(context, a);
  a.slots = list(upload(context, slots, sizeof slots), PJ_I64, TOKENS);
  CHECK(pj_prepare_reshape_and_cache(context, &a) == PJ_OK);
  CHECK(pj_reshape_and_cache(context, &a, NULL) == PJ_OK);
  CHECK(written(context, a.k_cache, a.v_cache));
  a.v_cache.shape[2] = HEADS + 1;
  CHECK_REFUSED(pj_reshape_and_cache(context, &a, NULL), "PJ0001: v_cache");
}

static void check_append_mla(pj_context* context) {
  pj_append_mla_args a;
  NEW_ARGS(a);
  a.ckv = tensor(upload(context, ckv, sizeof ckv), PJ_F32, TOKENS, N, -1, -1);
  a.kpe = tensor(upload(context, kpe, sizeof kpe), PJ_F32, TOKENS, R, -1, -1);
  a.joint_cache = tensor(room(context, sizeof joint_expected), PJ_F32, PAGES, PAGE, N + R, -1);
  TAKE_BATCH_POS(context, a);
  CHECK(pj_prepare_append_mla(context, &a) == PJ_OK);
  CHECK(pj_append_mla(context, &a, NULL) == PJ_OK);
  CHECK(holds(context, a.joint_cache.data, joint_expected, sizeof joint_expected));
  a.joint_cache.shape[2] = N;
  CHECK_REFUSED(pj_append_mla(context, &a, NULL), "PJ0001: joint_cache");
}

static void check_concat_mla(pj_context* context) {
  static const float two = 2;
  static unsigned char codes[PAGES * PAGE][N + R];
  pj_concat_and_cache_mla_args a;
  NEW_ARGS(a);
  a.kv_c = tensor(upload(context, ckv, sizeof ckv), PJ_F32, TOKENS, N, -1, -1);
  a.k_pe = tensor(upload(context, kpe, sizeof kpe), PJ_F32, TOKENS, R, -1, -1);
  a.kv_cache = tensor(room(context, sizeof joint_expected), PJ_F32, PAGES, PAGE, N + R, -1);
  a.slots = list(upload(context, slots, sizeof slots), PJ_I64, TOKENS);
  CHECK(pj_prepare_concat_and_cache_mla(context, &a) == PJ_OK);
  CHECK(pj_concat_and_cache_mla(context, &a, NULL) == PJ_OK);
  CHECK(holds(context, a.kv_cache.data, joint_expected, sizeof joint_expected));

  /* All twos over a scale of two are ones: 0x38 in e4m3. */
  float twos[TOKENS * N];
  for (int i = 0; i < TOKENS * N; ++i) twos[i] = 2;
  a.kv_c.data = upload(context, twos, sizeof twos), a.k_pe.data = a.kv_c.data;
  a.kv_cache = tensor(room(context, sizeof codes), PJ_E4M3, PAGES, PAGE, N + R, -1);
  a.scale = list(upload(context, &two, sizeof two), PJ_F32, 1);
  memset(codes, 0xa5, sizeof codes);
  for (int t = 0; t < TOKENS; ++t) memset(codes[slots[t]], 0x38, N + R);
  CHECK(pj_concat_and_cache_mla(context, &a, NULL) == PJ_OK);
  CHECK(holds(context, a.kv_cache.data, codes, sizeof codes));
  a.slots.elem = PJ_F32;
  CHECK_REFUSED(pj_concat_and_cache_mla(context, &a, NULL), "PJ0001: slots has the element type f32");
}

/* 672 / 448 is 1.5, with 448 for its code; rounded up to a power of two it is 2, and 336 goes to 320. */
static void check_indexer(pj_context* context) {
  enum { WIDE = 128, ROW = WIDE + 4 };
  static float rows[TOKENS * WIDE];
  static unsigned char expected[PAGES][PAGE * ROW];
  pj_indexer_quant_and_cache_args a;
  for (int i = 0; i < TOKENS * WIDE; ++i) rows[i] = 672;
  NEW_ARGS(a);
  a.k = tensor(upload(context, rows, sizeof rows), PJ_F32, TOKENS, WIDE, -1, -1);
  a.slots = list(upload(context, slots, sizeof slots), PJ_I64, TOKENS);
  for (int any = 0; any < 2; ++any) {
    float scale = any ? 1.5f : 2.0f;
    memset(expected, 0xa5, sizeof expected);
    for (int t = 0; t < TOKENS; ++t) {
      unsigned char* page = expected[slots[t] / PAGE];
      memset(page + slots[t] % PAGE * WIDE, any ? 0x7e : 0x7a, WIDE);
      memcpy(page + PAGE * WIDE + slots[t] % PAGE * 4, &scale, 4);
    }
    a.any_scale = any;
    a.cache = tensor(room(context, sizeof expected), PJ_U8, PAGES, PAGE, ROW, -1);
    CHECK(pj_prepare_indexer_quant_and_cache(context, &a) == PJ_OK);
    CHECK(pj_indexer_quant_and_cache(context, &a, NULL) == PJ_OK);
    CHECK(holds(context, a.cache.data, expected, sizeof expected));
  }
  a.cache.elem = PJ_F16;
  CHECK_REFUSED(pj_indexer_quant_and_cache(context, &a, NULL), "PJ0001: cache has the element type f16");
}

int main(void) {
  pj_context* context = emulator();
  if (context == NULL) return 1;
  make_data();
  check_fill(context);
  check_append(context);
  check_reshape(context);
  check_append_mla(context);
  check_concat_mla(context);
  check_indexer(context);
  release_all(context);
  pj_context_destroy(context);
  printf("%d failures\n", failures);
  return failures != 0;
}
