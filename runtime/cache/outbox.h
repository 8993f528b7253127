// Entries on their way to a store: packed, signed and sent by a thread of their own, so that no launch waits for it.
#pragma once
#include <atomic>
#include <memory>

#include "runtime/base/artifact.h"
#include "runtime/cache/courier.h"
#include "runtime/cache/gate.h"
#include "runtime/cache/signature.h"

namespace pagejit::cache {

class Outbox {
 public:
  Outbox(Courier::Connect connect, std::shared_ptr<Gate> gate, std::shared_ptr<const SigningKey> key);

  /// Drops it, and counts an error, where too much is waiting already or the store is left alone.
  void send(const Request& request, const Artifact& artifact);
  /// Waits until all is sent, at most that long.
  bool finish(Milliseconds most) { return courier_.finish(most); }

 private:
  // What a parcel needs when this is gone: closing does not wait for a store that hangs.
  std::shared_ptr<Gate> gate_;
  std::shared_ptr<const SigningKey> key_;
  std::shared_ptr<std::atomic<std::uint64_t>> waiting_bytes_ = std::make_shared<std::atomic<std::uint64_t>>(0);
  Courier courier_;
};

}  // namespace pagejit::cache
