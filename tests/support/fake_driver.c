/* A libcuda that answers from memory, records launches, and can be told to fail. It knows nothing of pagejit: what it
 * checks (a current context, live handles, an image that it made itself) is what the real one would check. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/fake_cuda.h"

#define API __attribute__((visibility("default")))
enum { invalid_value = 1, no_device = 100, invalid_context = 201, no_binary = 209, invalid_ptx = 218, not_found = 500 };
enum { most_calls = 96, most_devices = 8, kept_launches = 16 };

typedef struct {
  char name[48];
  int calls, code, after;
} Call;
typedef struct {
  int dynamic_shared;
  char symbol[128];
} Loaded;
typedef struct {
  char* ptx;
  char* cubin;
  void** options;
  int log_at, error_at;
} Link;
typedef struct {
  unsigned grid[3], block[3], shared;
  void* stream;
  void* attributes;
  unsigned count;
} Config;
typedef struct {
  int id;
  char pad[4];
  unsigned value[16];
} Attribute;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Call calls[most_calls];
static int quiet = 0, version = 13000, devices = 1, capturing, mode_at_load = -1;
static int chips[most_devices][2];
static unsigned param_bytes, launches;
static struct FakeLaunch kept[kept_launches];
static int quiet;
static long live;
static __thread void* stack[16];
static __thread int depth, capture_mode;

static Call* find(const char* name) {
  for (int i = 0; i < most_calls; ++i) {
    if (strcmp(calls[i].name, name) == 0) return &calls[i];
    if (!calls[i].name[0]) {
      snprintf(calls[i].name, sizeof calls[i].name, "%s", name);
      return &calls[i];
    }
  }
  abort();
}

/* Counts the call; gives the code that it was told to fail with. */
static int enter(const char* name) {
  if (quiet) return 0;
  pthread_mutex_lock(&lock);
  Call* call = find(name);
  ++call->calls;
  int code = call->code && call->after-- <= 0 ? call->code : 0;
  pthread_mutex_unlock(&lock);
  return code;
}
#define ENTER                   \
  do {                          \
    int told = enter(__func__); \
    if (told) return told;      \
  } while (0)
/* For calls that end something: told to fail, they do their work all the same, so that a leak is the caller's. */
#define ENTER_ANYWAY int told = enter(__func__)
#define NEED_CONTEXT \
  if (depth == 0 || !stack[depth - 1]) return invalid_context

static void grow(void) { __atomic_add_fetch(&live, 1, __ATOMIC_RELAXED); }
static int handle(void** out) {
  *out = malloc(1);
  grow();
  return 0;
}
static void drop(void* in) {
  free(in);
  __atomic_sub_fetch(&live, 1, __ATOMIC_RELAXED);
}

API void fake_reset(void) {
  pthread_mutex_lock(&lock);
  memset(calls, 0, sizeof calls);
  quiet = 0, version = 13000, devices = 1, capturing = 0, param_bytes = 0, launches = 0, mode_at_load = -1;
  for (int i = 0; i < most_devices; ++i) chips[i][0] = 9, chips[i][1] = 0;
  pthread_mutex_unlock(&lock);
}
__attribute__((constructor)) static void start(void) {
  fake_reset();
}

API void fake_fail(const char* call, int code, int after) {
  pthread_mutex_lock(&lock);
  find(call)->code = code, find(call)->after = after;
  pthread_mutex_unlock(&lock);
}
API int fake_calls(const char* call) {
  pthread_mutex_lock(&lock);
  int n = find(call)->calls;
  pthread_mutex_unlock(&lock);
  return n;
}
API void fake_quiet(int on) {
  quiet = on;
}
API void fake_version(int v) {
  version = v;
}
API void fake_devices(int count) {
  devices = count;
}
API void fake_chip(int ordinal, int major, int minor) {
  chips[ordinal][0] = major, chips[ordinal][1] = minor;
}
API void fake_param_bytes(unsigned bytes) {
  param_bytes = bytes;
}
API void fake_capturing(int status) {
  capturing = status;
}
API unsigned fake_launches(void) {
  return launches;
}
API void fake_launch(unsigned back, struct FakeLaunch* out) {
  *out = kept[(launches - 1 - back) % kept_launches];
}
API long fake_live_allocations(void) {
  return live;
}
API int fake_capture_mode(void) {
  return capture_mode;
}
API int fake_mode_at_load(void) {
  return mode_at_load;
}

API int cuInit(unsigned flags) {
  ENTER;
  (void)flags;
  return devices ? 0 : no_device;
}
API int cuDriverGetVersion(int* v) {
  ENTER;
  *v = version;
  return 0;
}
API int cuGetErrorName(int code, const char** text) {
  *text = code == 719         ? "CUDA_ERROR_LAUNCH_FAILED"
          : code == 2         ? "CUDA_ERROR_OUT_OF_MEMORY"
          : code == no_binary ? "CUDA_ERROR_NO_BINARY_FOR_GPU"
                              : NULL;
  return *text ? 0 : invalid_value;
}
API int cuGetErrorString(int code, const char** text) {
  *text = code == 719 ? "unspecified launch failure" : NULL;
  return *text ? 0 : invalid_value;
}

API int cuDeviceGetCount(int* count) {
  ENTER;
  *count = devices;
  return 0;
}
API int cuDeviceGet(int* device, int ordinal) {
  ENTER;
  *device = ordinal;
  return ordinal < devices ? 0 : 101;
}
API int cuDeviceGetName(char* name, int bytes, int device) {
  ENTER;
  snprintf(name, bytes, "fake device %d", device);
  return 0;
}
API int cuDeviceGetAttribute(int* value, int which, int device) {
  ENTER;
  *value = which == 75   ? chips[device][0]
           : which == 76 ? chips[device][1]
           : which == 16 ? 132
           : which == 38 ? 60 << 20
           : which == 97 ? 227 << 10
                         : 1024;
  return 0;
}
API int cuDevicePrimaryCtxRetain(void** context, int device) {
  ENTER;
  *context = (void*)(intptr_t)(0x1000 + device);
  return 0;
}
API int cuDevicePrimaryCtxRelease_v2(int device) {
  ENTER;
  (void)device;
  return 0;
}
API int cuCtxGetCurrent(void** context) {
  ENTER;
  *context = depth ? stack[depth - 1] : NULL;
  return 0;
}
API int cuCtxPushCurrent_v2(void* context) {
  ENTER;
  if (depth == 16) return invalid_value;
  stack[depth++] = context;
  return 0;
}
API int cuCtxPopCurrent_v2(void** context) {
  ENTER;
  if (!depth) return invalid_context;
  *context = stack[--depth];
  return 0;
}

/* An image is "FAKECUBIN <chip> <symbol>"; one with REFUSE in it is refused, as by a driver that does not like it. */
API int cuLibraryLoadData(void** library, const void* image, void* a, void* b, unsigned c, void* d, void* e,
                          unsigned f) {
  ENTER;
  (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
  mode_at_load = capture_mode;
  if (strncmp(image, "FAKECUBIN ", 10) != 0 || strstr(image, "REFUSE")) return no_binary;
  Loaded* loaded = calloc(1, sizeof *loaded);
  sscanf(image, "FAKECUBIN %*s %127s", loaded->symbol);
  *library = loaded;
  grow();
  return 0;
}
API int cuLibraryUnload(void* library) {
  ENTER_ANYWAY;
  drop(library);
  return told;
}
API int cuLibraryGetKernel(void** kernel, void* library, const char* name) {
  ENTER;
  *kernel = library;
  return strcmp(((Loaded*)library)->symbol, name) == 0 ? 0 : not_found;
}
API int cuKernelGetFunction(void** function, void* kernel) {
  ENTER;
  NEED_CONTEXT;
  *function = kernel;
  return 0;
}
API int cuFuncLoad(void* function) {
  ENTER;
  (void)function;
  return 0;
}
API int cuFuncGetAttribute(int* value, int which, void* function) {
  ENTER;
  *value = which == 4 ? 24 : which == 0 ? 1024 : which == 8 ? ((Loaded*)function)->dynamic_shared : 0;
  return 0;
}
API int cuFuncSetAttribute(void* function, int which, int value) {
  ENTER;
  if (which == 8) ((Loaded*)function)->dynamic_shared = value;
  return 0;
}

API int cuLinkCreate_v2(unsigned count, int* names, void** values, void** state) {
  ENTER;
  NEED_CONTEXT;
  Link* link = calloc(1, sizeof *link);
  link->options = values;
  for (unsigned i = 0; i < count; ++i) {
    if (names[i] == 3) link->log_at = (int)i;
    if (names[i] == 5) link->error_at = (int)i;
  }
  *state = link;
  grow();
  return 0;
}
API int cuLinkAddData_v2(void* state, int type, void* data, size_t bytes, const char* name, unsigned count, int* o,
                         void** v) {
  ENTER;
  (void)name, (void)count, (void)o, (void)v;
  Link* link = state;
  if (type != 1 || ((char*)data)[bytes - 1] != 0) return invalid_value; /* PTX with its terminating zero */
  if (strstr(data, "SYNTAX")) {
    strcpy(link->options[link->error_at], "ptxas application ptx input, line 7; error : Parsing error near 'SYNTAX'");
    return invalid_ptx;
  }
  link->ptx = strdup(data);
  return 0;
}
API int cuLinkComplete(void* state, void** cubin, size_t* bytes) {
  ENTER;
  Link* link = state;
  char symbol[128] = "none";
  const char* entry = strstr(link->ptx, ".entry ");
  if (entry) sscanf(entry, ".entry %127[^( \n]", symbol);
  link->cubin = malloc(256);
  *bytes =
      (size_t)snprintf(link->cubin, 256, "FAKECUBIN %d.%d %s by %d", chips[0][0], chips[0][1], symbol, version) + 1;
  *cubin = link->cubin;
  strcpy(
      link->options[link->log_at],
      "ptxas info    : Function properties for k\n    16 bytes stack frame, 8 bytes spill stores, 4 bytes spill loads\n"
      "ptxas info    : Used 24 registers, used 0 barriers\n");
  return 0;
}
API int cuLinkDestroy(void* state) {
  ENTER_ANYWAY;
  Link* link = state;
  free(link->ptx), free(link->cubin);
  drop(link);
  return told;
}

// A chip without a copy engine.
API int cuTensorMapEncodeTiled(void* map, int element, unsigned rank, void* data, const void* sizes, const void* strides,
                               const void* box, const void* steps, int interleave, int swizzle, int promotion,
                               int fill) {
  ENTER;
  (void)map, (void)element, (void)rank, (void)data, (void)sizes, (void)strides, (void)box, (void)steps;
  (void)interleave, (void)swizzle, (void)promotion, (void)fill;
  return 801;
}

API int cuLaunchKernelEx(const void* config, void* function, void** parameters, void** extra) {
  ENTER;
  NEED_CONTEXT;
  (void)extra;
  const Config* c = config;
  const Attribute* attributes = c->attributes;
  if (quiet) return 0;
  pthread_mutex_lock(&lock);
  struct FakeLaunch* l = &kept[launches++ % kept_launches];
  memset(l, 0, sizeof *l);
  memcpy(l->grid, c->grid, sizeof l->grid);
  memcpy(l->block, c->block, sizeof l->block);
  l->shared_bytes = c->shared, l->stream = c->stream, l->function = function, l->context = stack[depth - 1];
  l->attributes = c->count;
  for (unsigned i = 0; i < c->count && i < 4; ++i) {
    l->attribute_id[i] = attributes[i].id;
    memcpy(l->attribute_value[i], attributes[i].value, sizeof l->attribute_value[i]);
  }
  memcpy(l->params, parameters[0], param_bytes);
  pthread_mutex_unlock(&lock);
  return 0;
}

API int cuMemAlloc_v2(unsigned long long* address, size_t bytes) {
  ENTER;
  NEED_CONTEXT;
  if (bytes == 0) return invalid_value;
  *address = (uintptr_t)malloc(bytes);
  grow();
  return *address ? 0 : 2;
}
API int cuMemFree_v2(unsigned long long address) {
  ENTER_ANYWAY;
  drop((void*)(uintptr_t)address);
  return told;
}
API int cuMemGetInfo_v2(size_t* free_bytes, size_t* all) {
  ENTER;
  *free_bytes = (size_t)100 << 30;
  *all = (size_t)140 << 30;
  return 0;
}
API int cuMemcpyHtoDAsync_v2(unsigned long long to, const void* from, size_t n, void* s) {
  ENTER;
  NEED_CONTEXT;
  (void)s;
  memcpy((void*)(uintptr_t)to, from, n);
  return 0;
}
API int cuMemcpyDtoHAsync_v2(void* to, unsigned long long from, size_t n, void* s) {
  ENTER;
  NEED_CONTEXT;
  (void)s;
  memcpy(to, (void*)(uintptr_t)from, n);
  return 0;
}
API int cuMemcpyDtoDAsync_v2(unsigned long long to, unsigned long long from, size_t n, void* s) {
  ENTER;
  NEED_CONTEXT;
  (void)s;
  memcpy((void*)(uintptr_t)to, (void*)(uintptr_t)from, n);
  return 0;
}
API int cuMemsetD8Async(unsigned long long to, unsigned char byte, size_t n, void* s) {
  ENTER;
  NEED_CONTEXT;
  (void)s;
  memset((void*)(uintptr_t)to, byte, n);
  return 0;
}

// clang-format off: one call, one line
API int cuStreamCreate(void** stream, unsigned flags) { ENTER; (void)flags; return handle(stream); }
API int cuStreamDestroy_v2(void* stream) { ENTER_ANYWAY; drop(stream); return told; }
API int cuStreamSynchronize(void* stream) { ENTER; (void)stream; return 0; }
API int cuStreamIsCapturing(void* stream, int* status) { ENTER; (void)stream; *status = capturing; return 0; }
API int cuStreamBeginCapture_v2(void* stream, int mode) { ENTER; (void)stream, (void)mode; capturing = 1; return 0; }
API int cuStreamEndCapture(void* stream, void** graph) { ENTER; (void)stream; capturing = 0; return handle(graph); }
API int cuThreadExchangeStreamCaptureMode(int* mode) { ENTER; int was = capture_mode; capture_mode = *mode; *mode = was; return 0; }
API int cuGraphInstantiateWithFlags(void** exec, void* graph, unsigned long long flags) { ENTER; (void)graph, (void)flags; return handle(exec); }
API int cuGraphLaunch(void* exec, void* stream) { ENTER; (void)exec, (void)stream; return 0; }
API int cuGraphExecDestroy(void* exec) { ENTER_ANYWAY; drop(exec); return told; }
API int cuGraphDestroy(void* graph) { ENTER_ANYWAY; drop(graph); return told; }
API int cuEventCreate(void** event, unsigned flags) { ENTER; (void)flags; return handle(event); }
API int cuEventRecord(void* event, void* stream) { ENTER; (void)event, (void)stream; return 0; }
API int cuEventSynchronize(void* event) { ENTER; (void)event; return 0; }
API int cuEventElapsedTime(float* ms, void* from, void* to) { ENTER; (void)from, (void)to; *ms = 1.5f; return 0; }
API int cuEventDestroy_v2(void* event) { ENTER_ANYWAY; drop(event); return told; }
// clang-format on
