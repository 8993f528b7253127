#include "runtime/cuda/timing.h"

namespace pagejit::cuda {
namespace {
StreamHandle handle(Stream stream) {
  return static_cast<StreamHandle>(stream);
}
}  // namespace

OwnStream::OwnStream(const DeviceContext& device) : device_(device) {
  const Driver& d = device.driver();
  Current current(d, device.context());
  d.check(d.stream_create(&stream_, stream_non_blocking), "cuStreamCreate", "making a stream");
}

OwnStream::~OwnStream() {
  Current current(device_.driver(), device_.context(), std::nothrow);
  device_.driver().stream_destroy(stream_);
}

Mark::Mark(const DeviceContext& device) : device_(device) {
  const Driver& d = device.driver();
  Current current(d, device.context());
  d.check(d.event_create(&event_, event_default), "cuEventCreate", "making an event");
}

Mark::~Mark() {
  Current current(device_.driver(), device_.context(), std::nothrow);
  device_.driver().event_destroy(event_);
}

void Mark::record(Stream stream) {
  const Driver& d = device_.driver();
  Current current(d, device_.context());
  d.check(d.event_record(event_, handle(stream)), "cuEventRecord", "recording an event");
}

float Mark::ms_since(const Mark& start) const {
  const Driver& d = device_.driver();
  Current current(d, device_.context());
  d.check(d.event_synchronise(event_), "cuEventSynchronize", "waiting for an event");
  float ms = 0;
  d.check(d.event_elapsed(&ms, start.event_, event_), "cuEventElapsedTime", "reading the time between two events");
  return ms;
}

Replay::Replay(const DeviceContext& device, Stream stream, const std::function<void()>& record) : device_(device) {
  const Driver& d = device.driver();
  Current current(d, device.context());
  d.check(d.capture_begin(handle(stream), capture_thread_local), "cuStreamBeginCapture", "starting to capture");
  try {
    record();
  } catch (...) {
    d.capture_end(handle(stream), &graph_);  // or the stream would stay unusable
    if (graph_) d.graph_destroy(graph_);
    throw;
  }
  d.check(d.capture_end(handle(stream), &graph_), "cuStreamEndCapture", "ending a capture");
  Result made = d.graph_instantiate(&exec_, graph_, 0);
  if (made != success) d.graph_destroy(graph_);
  d.check(made, "cuGraphInstantiate", "making a captured graph ready");
}

Replay::~Replay() {
  Current current(device_.driver(), device_.context(), std::nothrow);
  device_.driver().graph_exec_destroy(exec_);
  device_.driver().graph_destroy(graph_);
}

void Replay::launch(Stream stream) {
  const Driver& d = device_.driver();
  Current current(d, device_.context());
  d.check(d.graph_launch(exec_, handle(stream)), "cuGraphLaunch", "replaying a graph");
}

void copy_on_device(const DeviceContext& device, void* to, const void* from, std::size_t bytes, Stream stream) {
  const Driver& d = device.driver();
  Current current(d, device.context());
  auto address = [](const void* p) { return static_cast<Address>(reinterpret_cast<std::uintptr_t>(p)); };
  d.check(d.copy_on_device(address(to), address(from), bytes, handle(stream)), "cuMemcpyDtoDAsync",
          "copying on the device");
}

std::size_t free_bytes(const DeviceContext& device) {
  const Driver& d = device.driver();
  Current current(d, device.context());
  std::size_t free = 0, all = 0;
  d.check(d.memory_info(&free, &all), "cuMemGetInfo", "asking for free memory");
  return free;
}

}  // namespace pagejit::cuda
