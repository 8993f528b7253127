/* seal(), prepare() and the event hook as a C program sees them, on the emulator. Compiled as C. */
#include "c_api_support.h"

#define LINE_OF_PAGE(page) "flatten k=f32 v=f32 to=f32 dim_k=8 dim_v=8 page=" #page

static struct {
  int compiles, fallbacks, others;
  char last_line[512], served[512];
} told;

static void on_event(const pj_event* event, void* user) {
  CHECK(user == &told);
  CHECK(event->size == sizeof *event);
  CHECK(strcmp(event->target, "emulator") == 0);
  snprintf(told.last_line, sizeof told.last_line, "%s", event->spec_line);
  if (event->kind == PJ_EVENT_COMPILE) {
    ++told.compiles;
    CHECK(event->ms > 0 && event->count == 1);
  } else if (event->kind == PJ_EVENT_FALLBACK) {
    ++told.fallbacks;
    snprintf(told.served, sizeof told.served, "%s", event->cause);
  } else {
    ++told.others;
  }
}

static pj_context* open_with(const char* seal) {
  pj_options options;
  pj_context* context = NULL;
  memset(&told, 0, sizeof told);
  NEW_ARGS(options);
  options.device = "emulator";
  options.seal = seal;
  options.on_event = on_event;
  options.event_user = &told;
  CHECK(pj_context_create(&options, &context) == PJ_OK);
  return context;
}

static void sealed_with_an_error(void) {
  pj_statistics statistics;
  pj_context* context = open_with("error");
  CHECK(pj_prepare(context, LINE_OF_PAGE(4)) == PJ_OK);
  CHECK(told.compiles == 1 && strstr(told.last_line, "page=4 ") != NULL);
  CHECK(pj_seal(context) == PJ_OK);
  CHECK(pj_prepare(context, LINE_OF_PAGE(4)) == PJ_OK); /* it is there */
  CHECK(pj_prepare(context, LINE_OF_PAGE(8)) == PJ_ERROR_SEALED);
  CHECK(strncmp(pj_last_error(), "pagejit: error PJ0006: a kernel is compiled after seal()", 55) == 0);
  CHECK(strstr(pj_last_error(), "page=8") != NULL);
  CHECK(told.compiles == 1 && told.fallbacks == 0 && told.others == 0);
  NEW_ARGS(statistics);
  CHECK(pj_get_statistics(context, &statistics) == PJ_OK);
  CHECK(statistics.compiles == 1 && statistics.align_fallbacks == 0);
  pj_context_destroy(context);
}

static void weaker_alignment_serves(void) {
  pj_statistics statistics;
  pj_context* context = open_with("error");
  CHECK(pj_prepare(context, LINE_OF_PAGE(4) " align=elem") == PJ_OK);
  CHECK(pj_seal(context) == PJ_OK);
  CHECK(pj_prepare(context, LINE_OF_PAGE(4)) == PJ_OK);
  CHECK(told.compiles == 1 && told.fallbacks == 1);
  CHECK(strstr(told.last_line, "align=16") != NULL && strstr(told.served, "align=elem") != NULL);
  NEW_ARGS(statistics);
  CHECK(pj_get_statistics(context, &statistics) == PJ_OK);
  CHECK(statistics.align_fallbacks == 1);
  statistics.size = offsetof(pj_statistics, align_fallbacks); /* a program of before the field */
  statistics.align_fallbacks = 77;
  CHECK(pj_get_statistics(context, &statistics) == PJ_OK);
  CHECK(statistics.align_fallbacks == 77);
  pj_context_destroy(context);
}

static void sealed_with_a_warning(void) {
  pj_context* context = open_with("warn");
  CHECK(pj_seal(context) == PJ_OK);
  CHECK(pj_prepare(context, LINE_OF_PAGE(4)) == PJ_OK);
  CHECK(told.compiles == 1);
  pj_context_destroy(context);
}

static void wrong_words(void) {
  pj_options options;
  pj_context* context = NULL;
  NEW_ARGS(options);
  options.seal = "wax";
  CHECK_REFUSED(pj_context_create(&options, &context), "seal is 'wax'; expected warn or error");
  CHECK_REFUSED(pj_seal(NULL), "context is a null pointer");
  CHECK(strcmp(pj_event_name(PJ_EVENT_REMOTE_ERROR), "remote_error") == 0);
  CHECK(strcmp(pj_event_name(PJ_EVENT_HIT), "hit") == 0);
  CHECK(strcmp(pj_event_name(11), "unknown") == 0 && strcmp(pj_event_name(-1), "unknown") == 0);
}

/* A program of before the hook: its options end earlier. */
static void shorter_options(void) {
  pj_options options;
  pj_context* context = NULL;
  NEW_ARGS(options);
  options.size = offsetof(pj_options, cache_ro);
  options.device = "emulator";
  options.seal = (const char*)1; /* beyond its size: not looked at */
  CHECK(pj_context_create(&options, &context) == PJ_OK);
  pj_context_destroy(context);
}

int main(void) {
  sealed_with_an_error();
  weaker_alignment_serves();
  sealed_with_a_warning();
  wrong_words();
  shorter_options();
  printf("%d failures\n", failures);
  return failures != 0;
}
