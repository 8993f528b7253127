#include "python/src/contexts.h"

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <mutex>
#include <thread>

#include "runtime/base/error.h"

namespace pagejit::python {
namespace {

constexpr int most_gpus = 64;
std::array<std::atomic<Context*>, most_gpus + 1> contexts;  // by ordinal + 1; the first is the emulator's
std::mutex making;
Options options;
std::atomic<bool> closed = false;
std::atomic<int> in_use = 0;

std::atomic<Context*>& slot(Place place) {
  return contexts[static_cast<std::size_t>(place.cuda + 1)];
}

Context& make(Place place) {
  if (closed) fail(Code::unsupported, "the process is ending: pagejit launches nothing any more");
  nb::gil_scoped_release others_go_on;  // a driver that is initialised takes its time, and hooks want the GIL
  std::lock_guard lock(making);
  if (Context* made = slot(place).load()) return *made;
  Options wanted = options;
  wanted.device = name_of(place);
  slot(place) = new Context(wanted);
  return *slot(place);
}

}  // namespace

Context& context_at(Place place) {
  if (place.cuda < Place::host || place.cuda >= most_gpus)
    fail(Code::argument, fmt::format("there is no device cuda:{}", place.cuda));
  Context* known = slot(place).load(std::memory_order_acquire);
  return known != nullptr ? *known : make(place);
}

void configure(Options wanted) {
  std::lock_guard lock(making);
  for (Place place : places_in_use())
    fail(Code::argument, fmt::format("configure() comes too late: {} is in use", name_of(place)),
         {{"to do", "call it before the first kernel, or set the environment's PAGEJIT_ variables"}});
  options = std::move(wanted);
}

std::string name_of(Place place) {
  return place.cuda == Place::host ? "emulator" : fmt::format("cuda:{}", place.cuda);
}

std::vector<Place> places_in_use() {
  std::vector<Place> found;
  for (int i = 0; i <= most_gpus; ++i)
    if (contexts[static_cast<std::size_t>(i)] != nullptr) found.push_back({i - 1});
  return found;
}

Place place_of(const std::string& name) {
  if (name == "emulator" || name == "cpu") return {Place::host};
  if (name == "cuda") return {0};
  int ordinal = -1;
  if (name.starts_with("cuda:")) std::from_chars(name.data() + 5, name.data() + name.size(), ordinal);
  if (ordinal >= 0 && ordinal < most_gpus && name == fmt::format("cuda:{}", ordinal)) return {ordinal};
  if (name != "auto")
    fail(Code::argument, fmt::format("the device is '{}'; expected auto, cuda, cuda:N, or emulator", name));
  try {
    context_at({0});
    return {0};
  } catch (const Error& e) {
    if (e.code() != Code::absent) throw;
    return {Place::host};
  }
}

void close() {
  closed = true;
  nb::gil_scoped_release others_end;
  // A thread that waits for a compile is not waited for longer than this: leaving it its context is harmless.
  for (int i = 0; in_use != 0 && i < 1000; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  if (in_use != 0) return;
  for (auto& c : contexts) delete c.exchange(nullptr);
}

InUse::InUse() {
  ++in_use;
  if (closed) {
    --in_use;
    fail(Code::unsupported, "the process is ending: pagejit launches nothing any more");
  }
}
InUse::~InUse() {
  --in_use;
}

}  // namespace pagejit::python
