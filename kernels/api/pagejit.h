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

/* The numbers are those of the texts: 3 is PJ0003. docs/cache.md says what each one means. */
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

enum { PJ_LAYOUT_NHD = 0, PJ_LAYOUT_HND = 1 };    /* [pages, page, heads, dim], [pages, heads, page, dim] */
enum { PJ_OUT_SHD = 0, PJ_OUT_HSD = 1 };          /* [out_rows, heads, dim], [heads, out_rows, dim] */
enum { PJ_TAIL_ZERO = 0, PJ_TAIL_UNTOUCHED = 1 }; /* output rows after the last sequence */

typedef struct pj_context pj_context;

typedef struct pj_options {
  uint64_t size;
  const char* device;    /* null: "auto". "cuda", "cuda:N", "emulator" */
  const char* cache_dir; /* null: PAGEJIT_CACHE_DIR, else the user's cache folder */
  const char* mode;      /* null: PAGEJIT_MODE, else "auto". "require", "rebuild" */
} pj_options;

/* All zeros: left out. Strides are in elements; the last one is 1. */
typedef struct pj_tensor {
  void* data;
  int32_t elem; /* a pj_elem */
  int32_t rank; /* at most 5 */
  int64_t shape[5];
  int64_t stride[5];
} pj_tensor;

typedef struct pj_flatten_args {
  uint64_t size;
  pj_tensor k_cache;           /* 4-D; f16, bf16, f32 */
  pj_tensor v_cache;           /* as k_cache, save for its head dim and strides */
  pj_tensor k_out;             /* 3-D; f16, bf16, f32 */
  pj_tensor v_out;             /* left out, or k_out's memory: V is a prefix of K and is not copied */
  pj_tensor block_table;       /* [batch, columns]; i32, i64 */
  pj_tensor lengths;           /* [batch]; i32, i64 */
  pj_tensor start_loc;         /* [batch]; i32, i64; left out: the running sum of lengths */
  int32_t layout;              /* PJ_LAYOUT_ */
  int32_t out;                 /* PJ_OUT_ */
  int32_t tail;                /* PJ_TAIL_ */
  int32_t zero_gaps;           /* not 0: rows between sequences are zeroed too */
  const int64_t* host_lengths; /* null, or [batch] lengths that the host knows: checked one by one */
  int32_t settled;             /* not 0: table, lengths and starts are not the work of the kernel just before */
  int32_t reserved;            /* 0 */
} pj_flatten_args;

typedef struct pj_statistics {
  uint64_t size;
  uint64_t compiles;    /* kernels made by the compiler */
  uint64_t assemblies;  /* PTX made into machine code */
  uint64_t memory_hits; /* loads answered from memory; launches of a loaded kernel are not counted here */
  uint64_t disk_hits;   /* loads answered from a file */
  uint64_t launches;
  double compile_ms;
  double load_ms;
} pj_statistics;

const char* pj_version(void);               /* "0.1.0" */
const char* pj_status_name(pj_status code); /* "argument" */
/* What went wrong in this thread's last call that failed; "" if none did. Valid until its next one. */
const char* pj_last_error(void);

pj_status pj_context_create(const pj_options* options, pj_context** context); /* options may be null */
void pj_context_destroy(pj_context* context);                                 /* null is fine */
const char* pj_target(pj_context* context);      /* "sm_90a", "emulator"; valid as long as the context */
const char* pj_device_name(pj_context* context); /* "NVIDIA H200" */

/* Enqueues on `stream` (a CUstream; null is the default one). */
pj_status pj_flatten(pj_context* context, const pj_flatten_args* args, void* stream);
/* Loads the kernel that pj_flatten would launch, compiling it if need be; launches nothing. */
pj_status pj_prepare_flatten(pj_context* context, const pj_flatten_args* args);
/* The same by a spec line, as pagejit-precompile prints them. */
pj_status pj_prepare(pj_context* context, const char* spec_line);
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
#endif
