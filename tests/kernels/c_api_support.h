/* What the C programs that test the C interface share. */
#ifndef PAGEJIT_TESTS_C_API_SUPPORT_H
#define PAGEJIT_TESTS_C_API_SUPPORT_H

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

/* A call that must be refused, with these words among its error's. */
#define CHECK_REFUSED(call, words)                   \
  do {                                               \
    CHECK((call) == PJ_ERROR_ARGUMENT);              \
    CHECK(strstr(pj_last_error(), (words)) != NULL); \
  } while (0)

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

/* A packed tensor; the shape ends at the first negative number. */
static inline pj_tensor tensor(void* data, pj_elem elem, int64_t a, int64_t b, int64_t c, int64_t d) {
  const int64_t shape[4] = {a, b, c, d};
  pj_tensor t;
  int64_t step = 1;
  memset(&t, 0, sizeof t);
  t.data = data;
  t.elem = elem;
  while (t.rank < 4 && shape[t.rank] >= 0) ++t.rank;
  for (int i = t.rank - 1; i >= 0; --i) {
    t.shape[i] = shape[i];
    t.stride[i] = step;
    step *= shape[i];
  }
  return t;
}
static inline pj_tensor list(void* data, pj_elem elem, int64_t size) {
  return tensor(data, elem, size, -1, -1, -1);
}

/* Device memory: with a host's bytes, or with bytes that no result has. Released together. */
static struct {
  void* at[64];
  int count;
} kept;

static inline void* room(pj_context* context, size_t bytes) {
  void* memory = NULL;
  CHECK(pj_allocate(context, bytes, &memory) == PJ_OK);
  CHECK(pj_fill(context, memory, 0xa5, bytes, NULL) == PJ_OK);
  if (kept.count < COUNT(kept.at)) kept.at[kept.count++] = memory;
  return memory;
}
static inline void* upload(pj_context* context, const void* data, size_t bytes) {
  void* memory = room(context, bytes);
  CHECK(pj_copy_in(context, memory, data, bytes, NULL) == PJ_OK);
  return memory;
}
static inline void release_all(pj_context* context) {
  while (kept.count > 0) CHECK(pj_release(context, kept.at[--kept.count]) == PJ_OK);
}

/* Whether device memory holds just these bytes. */
static inline int holds(pj_context* context, const void* device, const void* expected, size_t bytes) {
  static unsigned char host[1 << 16];
  if (bytes > sizeof host || pj_synchronise(context, NULL) != PJ_OK) return 0;
  return pj_copy_out(context, host, device, bytes, NULL) == PJ_OK && memcmp(host, expected, bytes) == 0;
}

static inline pj_context* emulator(void) {
  pj_options options;
  pj_context* context = NULL;
  memset(&options, 0, sizeof options);
  options.size = sizeof options;
  options.device = "emulator";
  CHECK(pj_context_create(&options, &context) == PJ_OK);
  return context;
}

/* Zeroes an args struct and sets its size. */
#define NEW_ARGS(args)                \
  do {                                \
    memset(&(args), 0, sizeof(args)); \
    (args).size = sizeof(args);       \
  } while (0)

#endif
