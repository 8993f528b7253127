#include "runtime/cuda/device.h"

#include <fmt/format.h>

#include "runtime/base/error.h"

namespace pagejit::cuda {
namespace {
struct ChipRow {
  int chip;                // 10 × major + minor
  std::string_view own;    // for exactly this chip
  std::string_view newer;  // for chips between this and the next row
};
constexpr ChipRow chips[] = {{80, "sm_80", "sm_80"},    {86, "sm_86", "sm_86"},     {89, "sm_89", "sm_89"},
                             {90, "sm_90a", "sm_90"},   {100, "sm_100a", "sm_100"}, {103, "sm_103a", "sm_103"},
                             {120, "sm_120a", "sm_120"}};
}  // namespace

std::string target_for_chip(int major, int minor) {
  int chip = 10 * major + minor;
  std::string_view target;
  for (const ChipRow& row : chips)
    if (row.chip <= chip) target = row.chip == chip ? row.own : row.newer;
  if (target.empty())
    fail(Code::unsupported, fmt::format("a device of compute capability {}.{} is too old", major, minor),
         {{"expected", "8.0 or newer"}});
  return std::string(target);
}

DeviceContext::DeviceContext(std::shared_ptr<const Driver> driver, int ordinal) : driver_(std::move(driver)) {
  const Driver& d = *driver_;
  int count = 0;
  d.check(d.device_count(&count), "cuDeviceGetCount", "counting the devices");
  if (ordinal < 0 || ordinal >= count)
    fail(Code::argument, fmt::format("there is no CUDA device {}", ordinal),
         {{"expected", count == 0 ? "there are none" : fmt::format("0 to {}", count - 1)}});
  d.check(d.device_get(&device_, ordinal), "cuDeviceGet", fmt::format("opening device {}", ordinal));
  char name[256] = "";
  d.check(d.device_name(name, sizeof name, device_), "cuDeviceGetName",
          fmt::format("asking device {} for its name", ordinal));
  name_ = name;
  major_ = attribute(chip_major);
  minor_ = attribute(chip_minor);
  multiprocessors_ = attribute(multiprocessor_count);
  l2_bytes_ = attribute(l2_cache_bytes);
  shared_limit_ = attribute(max_shared_per_block_optin);
  d.check(d.primary_context_retain(&context_, device_), "cuDevicePrimaryCtxRetain",
          fmt::format("taking the primary context of device {}", ordinal));
}

DeviceContext::~DeviceContext() {
  driver_->primary_context_release(device_);
}

std::string DeviceContext::chip() const {
  return fmt::format("{}.{}", major_, minor_);
}

int DeviceContext::attribute(DeviceAttribute which) const {
  int value = 0;
  driver_->check(driver_->device_attribute(&value, which, device_), "cuDeviceGetAttribute",
                 fmt::format("asking for attribute {} of device {}", static_cast<int>(which), device_));
  return value;
}

}  // namespace pagejit::cuda
