#include "runtime/cache/outbox.h"

#include "runtime/cache/entry.h"
#include "runtime/cache/remote_index.h"
#include "runtime/cache/root.h"

namespace pagejit::cache {
namespace {
constexpr std::size_t most_waiting = 64;
constexpr std::uint64_t most_bytes = 64 << 20;

struct Parcel {
  std::string file, index;
  Artifact artifact;
  std::shared_ptr<const SigningKey> key;

  std::string packed() const {
    std::string bytes = write_entry(artifact, "");
    return key ? key->sign(bytes) : bytes;
  }
};

/// Twice: the second time finds whether another writer has overtaken us.
void update_index(Store& store, const Parcel& parcel) {
  for (int i = 0; i < 2; ++i) {
    Transfer transfer;
    std::vector<std::string> producers = parse_index(store.get(parcel.index, transfer).value_or(""));
    if (!add_to_index(producers, parcel.artifact.producer)) return;
    store.put(parcel.index, write_index(producers), transfer);
  }
}

/// The entry first: an index must not lead to what is not there.
void deliver(const Parcel& parcel, const Courier::Open& open, Gate& gate) {
  try {
    std::string bytes = parcel.packed();
    Transfer transfer;
    open().put(parcel.file, bytes, transfer);
    update_index(open(), parcel);
    gate.succeeded();
  } catch (const Error& e) {
    gate.failed(e, Milliseconds(0));
  } catch (const std::exception& e) {
    gate.failed(StoreFailed(e.what()), Milliseconds(0));
  }
}
}  // namespace

Outbox::Outbox(Courier::Connect connect, std::shared_ptr<Gate> gate, std::shared_ptr<const SigningKey> key)
    : gate_(std::move(gate)), key_(std::move(key)), courier_(std::move(connect), most_waiting) {}

void Outbox::send(const Request& request, const Artifact& artifact) {
  if (!gate_->open() && !gate_->probe_due()) return;
  std::uint64_t bytes = artifact.cubin.size() + artifact.ptx.size() + artifact.ir.size() + artifact.log.size();
  auto parcel = std::make_shared<const Parcel>(
      Parcel{entry_name(request, artifact.producer), index_name(request), artifact, key_});
  auto job = [parcel, bytes, gate = gate_, waiting = waiting_bytes_](const Courier::Open& open) {
    deliver(*parcel, open, *gate);
    *waiting -= bytes;
  };
  *waiting_bytes_ += bytes;
  if (*waiting_bytes_ <= most_bytes && courier_.post(std::move(job))) return;
  *waiting_bytes_ -= bytes;
  gate_->failed(StoreFailed("entries are made faster than it takes them"), Milliseconds(0));
}

}  // namespace pagejit::cache
