/* The C interface as a C program sees it: flatten on the emulator, versioned structs, errors. Compiled as C. */
#include <pagejit.h>
#include <stdio.h>
#include <string.h>

static int failures = 0;

#define CHECK(condition)                                                                        \
  do {                                                                                          \
    if (!(condition)) {                                                                         \
      printf("%s:%d: %s\n  last error: %s\n", __FILE__, __LINE__, #condition, pj_last_error()); \
      ++failures;                                                                               \
    }                                                                                           \
  } while (0)

enum { PAGES = 4, PAGE = 4, HEADS = 2, DIM = 8, ROWS = 12 };

static pj_tensor tensor(void* data, pj_elem elem, int rank, const int64_t* shape) {
  pj_tensor t;
  int64_t step = 1;
  memset(&t, 0, sizeof t);
  t.data = data;
  t.elem = elem;
  t.rank = rank;
  for (int d = rank - 1; d >= 0; --d) {
    t.shape[d] = shape[d];
    t.stride[d] = step;
    step *= shape[d];
  }
  return t;
}

struct buffers {
  void *k_cache, *v_cache, *k_out, *v_out, *table, *lengths;
};

static void* upload(pj_context* context, const void* data, size_t bytes) {
  void* memory = NULL;
  CHECK(pj_allocate(context, bytes, &memory) == PJ_OK);
  CHECK(pj_copy_in(context, memory, data, bytes, NULL) == PJ_OK);
  return memory;
}

static pj_flatten_args make_args(const struct buffers* b) {
  const int64_t cache[] = {PAGES, PAGE, HEADS, DIM}, out[] = {ROWS, HEADS, DIM}, table[] = {2, 2}, lengths[] = {2};
  pj_flatten_args args;
  memset(&args, 0, sizeof args);
  args.size = sizeof args;
  args.k_cache = tensor(b->k_cache, PJ_F32, 4, cache);
  args.v_cache = tensor(b->v_cache, PJ_F32, 4, cache);
  args.k_out = tensor(b->k_out, PJ_F32, 3, out);
  args.v_out = tensor(b->v_out, PJ_F32, 3, out);
  args.block_table = tensor(b->table, PJ_I32, 2, table);
  args.lengths = tensor(b->lengths, PJ_I32, 1, lengths);
  return args;
}

static const int32_t table_values[4] = {3, 1, 0, 2147480000}, length_values[2] = {6, 3};

/* Each element of the cache is its own number; V's are negative. */
static float expected(int row, int head, int d, float sign) {
  int sequence = row < 6 ? 0 : 1, token = row - 6 * sequence;
  if (row >= 9) return 0;
  int page = table_values[2 * sequence + token / PAGE];
  return sign * (float)(((page * PAGE + token % PAGE) * HEADS + head) * DIM + d + 1);
}

static void check_out(pj_context* context, const void* out, float sign) {
  float host[ROWS * HEADS * DIM];
  CHECK(pj_copy_out(context, host, out, sizeof host, NULL) == PJ_OK);
  for (int i = 0; i < ROWS * HEADS * DIM; ++i)
    if (host[i] != expected(i / (HEADS * DIM), i / DIM % HEADS, i % DIM, sign)) {
      printf("element %d is %g\n", i, host[i]);
      ++failures;
      return;
    }
}

static struct buffers make_buffers(pj_context* context) {
  static float cache[PAGES * PAGE * HEADS * DIM], out[ROWS * HEADS * DIM];
  struct buffers b;
  int count = (int)(sizeof cache / sizeof *cache);
  for (int i = 0; i < count; ++i) cache[i] = (float)(i + 1);
  b.k_cache = upload(context, cache, sizeof cache);
  for (int i = 0; i < count; ++i) cache[i] = -(float)(i + 1);
  b.v_cache = upload(context, cache, sizeof cache);
  memset(out, 0xff, sizeof out);
  b.k_out = upload(context, out, sizeof out);
  b.v_out = upload(context, out, sizeof out);
  b.table = upload(context, table_values, sizeof table_values);
  b.lengths = upload(context, length_values, sizeof length_values);
  return b;
}

static void check_flatten(pj_context* context, const pj_flatten_args* args) {
  pj_statistics statistics;
  CHECK(pj_prepare_flatten(context, args) == PJ_OK);
  CHECK(pj_flatten(context, args, NULL) == PJ_OK);
  CHECK(pj_flatten(context, args, NULL) == PJ_OK);
  CHECK(pj_synchronise(context, NULL) == PJ_OK);
  check_out(context, args->k_out.data, 1);
  check_out(context, args->v_out.data, -1);
  memset(&statistics, 0, sizeof statistics);
  statistics.size = sizeof statistics;
  CHECK(pj_get_statistics(context, &statistics) == PJ_OK);
  CHECK(statistics.compiles == 1 && statistics.launches == 2);
}

/* A program of before a field was added, and one of after. */
static void check_versions(pj_context* context, const pj_flatten_args* args) {
  struct {
    pj_flatten_args known;
    int64_t newer;
  } future;
  pj_flatten_args old = *args;
  old.size = offsetof(pj_flatten_args, host_lengths);
  old.host_lengths = (const int64_t*)1; /* beyond its size: not looked at */
  CHECK(pj_flatten(context, &old, NULL) == PJ_OK);
  memset(&future, 0, sizeof future);
  future.known = *args;
  future.known.size = sizeof future;
  CHECK(pj_flatten(context, &future.known, NULL) == PJ_OK);
  future.newer = 1;
  CHECK(pj_flatten(context, &future.known, NULL) == PJ_ERROR_ARGUMENT);
  CHECK(strstr(pj_last_error(), "newer library") != NULL);
  old.size = 0;
  CHECK(pj_flatten(context, &old, NULL) == PJ_ERROR_ARGUMENT);
  CHECK(strstr(pj_last_error(), "args->size is 0") != NULL);
}

static void check_errors(pj_context* context, const pj_flatten_args* args) {
  pj_flatten_args bad = *args;
  pj_context* none = (pj_context*)1;
  pj_options options;
  bad.k_cache.data = NULL;
  CHECK(pj_flatten(context, &bad, NULL) == PJ_ERROR_ARGUMENT);
  CHECK(strncmp(pj_last_error(), "pagejit: error PJ0001: k_cache is a null pointer", 48) == 0);
  bad = *args;
  bad.tail = 2;
  CHECK(pj_flatten(context, &bad, NULL) == PJ_ERROR_ARGUMENT);
  CHECK(strstr(pj_last_error(), "args->tail is 2; expected 0 or 1") != NULL);
  bad = *args;
  bad.k_out.elem = -7;
  CHECK(pj_flatten(context, &bad, NULL) == PJ_ERROR_ARGUMENT);
  CHECK(pj_flatten(context, NULL, NULL) == PJ_ERROR_ARGUMENT);
  CHECK(pj_flatten(NULL, args, NULL) == PJ_ERROR_ARGUMENT);
  CHECK(pj_prepare(context, "flatten page=none") == PJ_ERROR_ARGUMENT);
  CHECK(pj_prepare(context, NULL) == PJ_ERROR_ARGUMENT);
  memset(&options, 0, sizeof options);
  options.size = sizeof options;
  options.device = "toaster";
  CHECK(pj_context_create(&options, &none) == PJ_ERROR_ARGUMENT);
  CHECK(none == NULL);
  CHECK(strstr(pj_last_error(), "the device is 'toaster'") != NULL);
  CHECK(strcmp(pj_status_name(PJ_ERROR_CAPTURE), "capture") == 0);
}

int main(void) {
  pj_options options;
  pj_context* context = NULL;
  memset(&options, 0, sizeof options);
  options.size = sizeof options;
  options.device = "emulator";
  CHECK(pj_context_create(&options, &context) == PJ_OK);
  if (context == NULL) return 1;
  CHECK(strcmp(pj_target(context), "emulator") == 0);
  struct buffers buffers = make_buffers(context);
  pj_flatten_args args = make_args(&buffers);
  check_flatten(context, &args);
  check_versions(context, &args);
  check_errors(context, &args);
  CHECK(pj_prepare(context, "flatten k=f32 v=f32 to=f32 dim_k=8 dim_v=8 page=4") == PJ_OK);
  void* all[] = {buffers.k_cache, buffers.v_cache, buffers.k_out, buffers.v_out, buffers.table, buffers.lengths};
  for (int i = 0; i < 6; ++i) CHECK(pj_release(context, all[i]) == PJ_OK);
  pj_context_destroy(context);
  pj_context_destroy(NULL);
  printf("%d failures\n", failures);
  return failures != 0;
}
