// The CUDA driver, opened at run time: a machine without one can build and run everything else.
#pragma once
#include <memory>
#include <new>
#include <string>
#include <string_view>

#include "runtime/cuda/driver_api.h"

namespace pagejit::cuda {

/// One row of driver_api.def as a member: `driver.mem_alloc(…)` gives the raw result code.
struct DriverTable {
#define PJ_DRIVER(member, symbol, parameters) Result(*member) parameters = nullptr;
#include "runtime/cuda/driver_api.def"
#undef PJ_DRIVER
};

class Driver : public DriverTable {
 public:
  /// Opens the library and calls cuInit. Throws Error(absent) where there is no driver, no device, or one older than
  /// CUDA 12.0.
  static std::shared_ptr<const Driver> open(const std::string& path = "libcuda.so.1");
  /// The process's own, opened at the first call that succeeds.
  static std::shared_ptr<const Driver> process();

  ~Driver() = default;                      // the library stays open: the driver does not survive being closed
  int version() const { return version_; }  // 13000 for CUDA 13.0
  const std::string& path() const { return path_; }

  /// Throws Error(driver) unless `result` is success. `call` is the entry point, `doing` what we were at.
  void check(Result result, std::string_view call, std::string_view doing) const {
    if (result != success) [[unlikely]]
      fail_call(result, call, doing);
  }
  /// "CUDA_ERROR_INVALID_VALUE"; for a code that the driver does not know, its number.
  std::string result_name(Result result) const;

 private:
  Driver() = default;
  [[noreturn]] void fail_call(Result result, std::string_view call, std::string_view doing) const;

  std::string path_;
  int version_ = 0;
};

/// Makes a context current for one scope, where it is not already.
class Current {
 public:
  Current(const Driver& driver, Context context) : driver_(driver) {
    Context now = nullptr;
    driver.check(driver.context_current(&now), "cuCtxGetCurrent", "asking which context is current");
    if (now == context) return;
    driver.check(driver.context_push(context), "cuCtxPushCurrent", "making the device's context current");
    pushed_ = true;
  }
  /// For destructors: at the process's end the driver may be gone already, and that is no error.
  Current(const Driver& driver, Context context, std::nothrow_t) : driver_(driver) {
    Context now = nullptr;
    bool ours = driver.context_current(&now) == success && now == context;
    pushed_ = !ours && driver.context_push(context) == success;
  }
  ~Current() {
    Context popped = nullptr;
    if (pushed_) driver_.context_pop(&popped);
  }
  Current(const Current&) = delete;

 private:
  const Driver& driver_;
  bool pushed_ = false;
};

/// While it lives, this thread's loads and allocations do not spoil a capture that another thread has under way.
class RelaxedCapture {
 public:
  explicit RelaxedCapture(const Driver& driver) : driver_(driver) {
    driver.check(driver.capture_mode(&mode_), "cuThreadExchangeStreamCaptureMode",
                 "relaxing this thread's capture mode");
  }
  ~RelaxedCapture() { driver_.capture_mode(&mode_); }
  RelaxedCapture(const RelaxedCapture&) = delete;

 private:
  const Driver& driver_;
  CaptureMode mode_ = capture_relaxed;
};

}  // namespace pagejit::cuda
