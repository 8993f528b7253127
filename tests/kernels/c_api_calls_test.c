/* Every row of calls.def has its two C functions, and each says what is wrong with what it is given. */
#include "c_api_support.h"

#define PJ_CALL(name, Args, family)                                                              \
  static void check_##name(pj_context* context) {                                                \
    struct {                                                                                     \
      pj_##name##_args known;                                                                    \
      uint64_t newer;                                                                            \
    } future;                                                                                    \
    CHECK_REFUSED(pj_##name(context, NULL, NULL), "args is a null pointer");                     \
    CHECK_REFUSED(pj_prepare_##name(context, NULL), "args is a null pointer");                   \
    memset(&future, 0, sizeof future);                                                           \
    CHECK_REFUSED(pj_##name(NULL, &future.known, NULL), "context is a null pointer");            \
    CHECK_REFUSED(pj_##name(context, &future.known, NULL), "args->size is 0; expected sizeof");  \
    future.known.size = sizeof future;                                                           \
    CHECK_REFUSED(pj_##name(context, &future.known, NULL), "is missing");                        \
    CHECK_REFUSED(pj_prepare_##name(context, &future.known), "is missing");                      \
    future.newer = 1;                                                                            \
    CHECK_REFUSED(pj_##name(context, &future.known, NULL), "args was made for a newer library"); \
  }
#include "kernels/api/calls.def"
#undef PJ_CALL

int main(void) {
  pj_context* context = emulator();
  if (context == NULL) return 1;
#define PJ_CALL(name, Args, family) check_##name(context);
#include "kernels/api/calls.def"
#undef PJ_CALL
  pj_context_destroy(context);
  printf("%d failures\n", failures);
  return failures != 0;
}
