/* How a test steers the libcuda of fake_driver.c. All state is the process's; fake_reset() makes it as new. */
#ifndef PAGEJIT_TESTS_FAKE_CUDA_H
#define PAGEJIT_TESTS_FAKE_CUDA_H
#ifdef __cplusplus
extern "C" {
#endif

struct FakeLaunch {
  unsigned grid[3], block[3], shared_bytes;
  void* stream;
  void* function;
  void* context; /* current at the time of the launch */
  unsigned attributes;
  int attribute_id[4];
  unsigned attribute_value[4][3];
  unsigned char params[512]; /* the first fake_param_bytes() of the kernel's parameter */
};

void fake_reset(void);
/* The call with this exported name fails with `code` once it has succeeded `after` times more. */
void fake_fail(const char* call, int code, int after);
int fake_calls(const char* call);
/* Neither counts nor records nor fails: for timing what lies around the calls. */
void fake_quiet(int on);
void fake_version(int version);
void fake_devices(int count);
void fake_chip(int ordinal, int major, int minor);
void fake_param_bytes(unsigned bytes);
void fake_capturing(int status);
unsigned fake_launches(void);
/* The launch `back` launches ago, 0 for the last. At most 16 are kept. */
void fake_launch(unsigned back, struct FakeLaunch* out);
long fake_live_allocations(void);
/* This thread's capture mode: 0 global, 1 thread local, 2 relaxed. */
int fake_capture_mode(void);
/* The capture mode at the last cuLibraryLoadData. */
int fake_mode_at_load(void);

#ifdef __cplusplus
}
#endif
#endif
