/* pagejit's plain C interface: opaque handles, plain structs, status codes. Usable from any language.
 *
 * - Every function that can fail returns a pj_status; pj_last_error() then has the whole text, for the calling thread.
 * - Nothing is launched, and no buffer is touched, by a call that fails on its arguments.
 * - A struct with a `size` field grows at its end only. Zero it and set size = sizeof it: what a newer library knows
 *   beyond your size takes its default, and a newer program meets an older library with a clear error.
 * - Thread-safe; a context may be used by any number of threads at once.
 */
#ifndef PAGEJIT_H
#define PAGEJIT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The numbers are those of the texts: 3 is PJ0003. docs/cache-operations.md says what to do. */
typedef enum pj_status {
  PJ_OK = 0,
  PJ_ERROR_ARGUMENT = 1,
  PJ_ERROR_UNSUPPORTED = 2,
  PJ_ERROR_MISS = 3,
  PJ_ERROR_COMPILE = 4,
  PJ_ERROR_CAPTURE = 5,
  PJ_ERROR_SEALED = 6,
  PJ_ERROR_TOO_NEW = 7,
  PJ_ERROR_DAMAGED = 8,
  PJ_ERROR_UNSAFE_CACHE = 9,
  PJ_ERROR_SIGNATURE = 10,
  PJ_ERROR_DEADLINE = 11,
  PJ_ERROR_ABSENT = 12,
  PJ_ERROR_DRIVER = 13,
  PJ_ERROR_INTERNAL = 100 /* a bug of ours, or no memory */
} pj_status;

typedef enum pj_elem {
  PJ_F32 = 0,
  PJ_F16 = 1,
  PJ_BF16 = 2,
  PJ_E4M3 = 3,
  PJ_E5M2 = 4,
  PJ_I8 = 5,
  PJ_U8 = 6,
  PJ_I32 = 7,
  PJ_I64 = 8
} pj_elem;

enum { PJ_LAYOUT_NHD = 0, PJ_LAYOUT_HND = 1 }; /* [pages, page, heads, dim], [pages, heads, page, dim] */

/* How a cache is quantised; formats and formulas: docs/kernels/formats.md. */
enum {
  PJ_QUANT_NONE = 0,
  PJ_QUANT_FP8 = 1,       /* e4m3 or e5m2, and an f32 scale of the tensor or of each head */
  PJ_QUANT_FP8_GROUP = 2, /* e4m3, and an f32 scale for each 128 neighbours of a row */
  PJ_QUANT_INT8 = 3,      /* bytes, and (scale, zero) for each row and head */
  PJ_QUANT_INT4 = 4,      /* halves of bytes, likewise */
  PJ_QUANT_TURBO = 5      /* rows rotated by a Hadamard matrix: K in 4 bits, V in 2 */
};

typedef struct pj_context pj_context;

/* What happens to kernels on their way to a launch; the numbers never change their meaning. */
typedef enum pj_event_kind {
  PJ_EVENT_HIT = 0,          /* `layer` had it */
  PJ_EVENT_MISS = 1,         /* `cause` says why no layer had it */
  PJ_EVENT_WAIT = 2,         /* another process was making it */
  PJ_EVENT_COMPILE = 3,      /* took `ms`, because of `cause` */
  PJ_EVENT_ASSEMBLE = 4,     /* stored or new PTX became machine code */
  PJ_EVENT_STORE = 5,        /* kept in `layer` */
  PJ_EVENT_FALLBACK = 6,     /* a kernel of weaker alignment serves: `cause` is its spec line */
  PJ_EVENT_QUARANTINE = 7,   /* `layer` had a damaged or useless entry: `cause` */
  PJ_EVENT_EVICT = 8,        /* `count` entries left `layer` */
  PJ_EVENT_REMOTE_ERROR = 9, /* `layer` did not answer: `cause` */
  PJ_EVENT_AUDIT = 10        /* a hit was compiled again; `cause` is "" where the code was the same */
} pj_event_kind;

typedef struct pj_event {
  uint64_t size;     /* of this struct, as the library knows it */
  int32_t kind;      /* a pj_event_kind, or one that a newer library has */
  int32_t reserved;  /* 0 */
  const char* layer; /* texts: never null, perhaps "", and good only during the call */
  const char* cause;
  const char* spec_line;
  const char* target;
  double ms;
  uint64_t count;
} pj_event;

/* Called on the thread that the event happens on, perhaps on several at once; never for a launch of a kernel that is
 * loaded. It must return soon (the thread waits), must not throw or jump out, and may ask for statistics but must not
 * load, prepare or launch. */
typedef void (*pj_event_hook)(const pj_event* event, void* user);

typedef struct pj_options {
  uint64_t size;
  const char* device;     /* null: "auto". "cuda", "cuda:N", "emulator" */
  const char* cache_dir;  /* null: PAGEJIT_CACHE_DIR, else the user's cache folder */
  const char* mode;       /* null: PAGEJIT_MODE, else "auto". "require", "rebuild" */
  const char* cache_ro;   /* colon-separated folders and bundles, only read; null: PAGEJIT_CACHE_RO */
  const char* seal;       /* a compile after pj_seal(): "warn" or "error"; null: PAGEJIT_SEAL, else "warn" */
  pj_event_hook on_event; /* null: nobody is told, and nothing is spent on it */
  void* event_user;       /* passed to on_event; must live as long as the context */
} pj_options;

/* All zeros: left out. Strides are in elements; the last one is 1. */
typedef struct pj_tensor {
  void* data;
  int32_t elem; /* a pj_elem */
  int32_t rank; /* at most 5 */
  int64_t shape[5];
  int64_t stride[5];
} pj_tensor;

typedef struct pj_statistics {
  uint64_t size;
  uint64_t compiles;    /* kernels made by the compiler */
  uint64_t assemblies;  /* PTX made into machine code */
  uint64_t memory_hits; /* loads answered from memory; launches of a loaded kernel are not counted here */
  uint64_t disk_hits;   /* loads answered from a file */
  uint64_t launches;
  double compile_ms;
  double load_ms;
  uint64_t align_fallbacks; /* kernels of weaker alignment that took the place of one that could not be had */
} pj_statistics;

const char* pj_version(void);               /* "0.1.0" */
const char* pj_status_name(pj_status code); /* "argument" */
const char* pj_event_name(int32_t kind);    /* "hit", "remote_error"; "unknown" for one that this library has not */
/* What went wrong in this thread's last call that failed; "" if none did. Valid until its next one. */
const char* pj_last_error(void);

pj_status pj_context_create(const pj_options* options, pj_context** context); /* options may be null */
void pj_context_destroy(pj_context* context);                                 /* null is fine */
const char* pj_target(pj_context* context);      /* "sm_90a", "emulator"; valid as long as the context */
const char* pj_device_name(pj_context* context); /* "NVIDIA H200" */

/* The calls are in c/<family>.h, included below. For each call:
 *   pj_NAME(context, args, stream)   enqueues on `stream` (a CUstream; null is the default one)
 *   pj_prepare_NAME(context, args)   loads the kernel that pj_NAME would launch, compiling it if need be */

/* Loads the kernel of a spec line, as pagejit-precompile prints them. */
pj_status pj_prepare(pj_context* context, const char* spec_line);
/* Warm-up is over: from now on each compile is a warning or, with options->seal "error", PJ_ERROR_SEALED, unless a
 * kernel of weaker alignment is there, which then serves. Hits go on as before. For good. */
pj_status pj_seal(pj_context* context);
/* Fills the first statistics->size bytes. */
pj_status pj_get_statistics(pj_context* context, pj_statistics* statistics);

/* Memory of the device, for programs that have no allocator of their own. */
pj_status pj_allocate(pj_context* context, size_t bytes, void** memory);
pj_status pj_release(pj_context* context, void* memory);
pj_status pj_copy_in(pj_context* context, void* device, const void* host, size_t bytes, void* stream);
pj_status pj_copy_out(pj_context* context, void* host, const void* device, size_t bytes, void* stream);
pj_status pj_fill(pj_context* context, void* device, int byte, size_t bytes, void* stream);
pj_status pj_synchronise(pj_context* context, void* stream);

#ifdef __cplusplus
}
#endif

#include "c/append.h"
#include "c/attend.h"
#include "c/flatten.h"
#include "c/gather.h"
#include "c/indices.h"
#include "c/merge.h"
#include "c/rope.h"

#endif
