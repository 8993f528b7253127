// What a benchmark needs beside launches: events, graphs, the driver's own copy.
#pragma once
#include <cstddef>
#include <functional>

#include "runtime/cuda/cuda_backend.h"

namespace pagejit::cuda {

/// A stream of the device, apart from the default stream.
class OwnStream {
 public:
  explicit OwnStream(const DeviceContext& device);
  ~OwnStream();
  OwnStream(const OwnStream&) = delete;
  Stream get() const { return stream_; }

 private:
  const DeviceContext& device_;
  StreamHandle stream_ = nullptr;
};

/// A point in a stream's work.
class Mark {
 public:
  explicit Mark(const DeviceContext& device);
  ~Mark();
  Mark(const Mark&) = delete;
  void record(Stream stream);
  /// Milliseconds of device time from `start` to this one; waits until both have been reached.
  float ms_since(const Mark& start) const;

 private:
  const DeviceContext& device_;
  Event event_ = nullptr;
};

/// The work that `record` puts on `stream`, captured once and replayed as often as wanted. `stream` is not the default
/// stream.
class Replay {
 public:
  Replay(const DeviceContext& device, Stream stream, const std::function<void()>& record);
  ~Replay();
  Replay(const Replay&) = delete;
  void launch(Stream stream);

 private:
  const DeviceContext& device_;
  Graph graph_ = nullptr;
  GraphExec exec_ = nullptr;
};

/// Starts the driver's own copy from device memory to device memory.
void copy_on_device(const DeviceContext& device, void* to, const void* from, std::size_t bytes, Stream stream);
std::size_t free_bytes(const DeviceContext& device);

}  // namespace pagejit::cuda
