#include "runtime/cuda/driver.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <mutex>

#include "runtime/base/error.h"

namespace pagejit::cuda {
namespace {
constexpr int oldest = 12000;  // cuLibraryLoadData and cuLaunchKernelEx with its attributes

void* open_library(const std::string& path) {
  if (void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
  const char* reason = dlerror();
  fail(Code::absent, "there is no CUDA driver on this machine",
       {{"looked for", path},
        {"found", reason ? reason : "nothing"},
        {"to do", "install NVIDIA's driver, or run on the emulator"}});
}

void fill(DriverTable& table, void* library, const std::string& path) {
  auto find = [&](auto& entry, const char* symbol, bool optional = false) {
    entry = reinterpret_cast<std::remove_reference_t<decltype(entry)>>(dlsym(library, symbol));
    if (!entry && !optional)
      fail(Code::absent, fmt::format("the CUDA driver is too old: it has no {}", symbol),
           {{"looked in", path}, {"expected", "a driver of CUDA 12.0 or newer"}});
  };
#define PJ_DRIVER(member, symbol, parameters) find(table.member, #symbol);
#define PJ_DRIVER_IF_THERE(member, symbol, parameters) find(table.member, #symbol, true);
#include "runtime/cuda/driver_api.def"
#undef PJ_DRIVER
}
}  // namespace

std::shared_ptr<const Driver> Driver::open(const std::string& path) {
  std::shared_ptr<Driver> driver(new Driver);
  driver->path_ = path;
  fill(*driver, open_library(path), path);
  Result started = driver->init(0);
  if (started == error_no_device)
    fail(Code::absent, "the CUDA driver finds no device", {{"call", "cuInit"}, {"driver", path}});
  driver->check(started, "cuInit", "starting the driver");
  driver->check(driver->driver_version(&driver->version_), "cuDriverGetVersion", "asking for the driver's version");
  if (driver->version_ < oldest)
    fail(Code::absent,
         fmt::format("the CUDA driver is too old: it is of CUDA {}.{}", driver->version_ / 1000,
                     driver->version_ % 1000 / 10),
         {{"expected", "a driver of CUDA 12.0 or newer"}});
  return driver;
}

std::shared_ptr<const Driver> Driver::process() {
  static std::mutex lock;
  static std::shared_ptr<const Driver> driver;
  std::lock_guard hold(lock);
  if (!driver) driver = open();
  return driver;
}

std::string Driver::result_name(Result result) const {
  const char* name = nullptr;
  if (error_name(result, &name) == success && name) return name;
  return fmt::format("result code {}", result);
}

void Driver::fail_call(Result result, std::string_view call, std::string_view doing) const {
  const char* words = nullptr;
  if (error_string(result, &words) != success || !words) words = "unknown";
  fail(Code::driver, fmt::format("{} failed while {}", call, doing),
       {{"result", fmt::format("{} ({})", result_name(result), result)}, {"meaning", words}});
}

}  // namespace pagejit::cuda
