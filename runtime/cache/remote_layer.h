// A remote store as the last layer: found without listing, asked with little patience, written behind everybody's back.
//
// Asked for are, in this order: the entry of this process's own compiler and assembler, where it has both; then the
// index of the spec and key (remote_index.h), and the best entry that it names. A process without a compiler begins
// with the index.
#pragma once
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "runtime/cache/courier.h"
#include "runtime/cache/entry_layer.h"
#include "runtime/cache/gate.h"
#include "runtime/cache/outbox.h"
#include "runtime/cache/signature.h"

namespace pagejit::cache {

struct RemoteOptions {
  bool write = false;
  StoreOptions store;
  Gate::Limits gate;
  Milliseconds flush{500};  // what closing may wait for entries that are still to be stored
  std::shared_ptr<const SigningKey> key;
  std::shared_ptr<Journal> journal;
};

class RemoteLayer : public EntryLayer {
 public:
  RemoteLayer(const RemoteUrl& url, RemoteOptions options);
  ~RemoteLayer() override;

  std::string_view kind() const override { return "remote"; }
  bool slow() const override { return true; }
  std::optional<Hit> get(const Wanted& wanted) override;
  void put(const Request& request, const Artifact& artifact, std::string_view history, bool replace) override;
  std::vector<std::string> names(const std::string&) const override { return {}; }
  std::optional<Entry> open(const std::string& file) const override;

 private:
  using Ask = std::function<std::optional<std::string>(Store&, Transfer&)>;
  struct Question;
  std::vector<std::string> candidates(const Wanted& wanted) const override;
  std::string put_aside(const std::string& file) override;
  std::optional<std::string> ask(Ask ask) const;
  bool await(Question& question) const;
  void probe() const;
  bool others_make_it(const Wanted& wanted);

  RemoteOptions options_;
  std::shared_ptr<Gate> gate_;
  std::shared_ptr<std::atomic<bool>> stuck_;  // the courier is still with a question that nobody waits for
  std::unique_ptr<Courier> questions_;
  std::optional<Outbox> outbox_;
  int pid_;

  std::mutex claims_lock_;
  std::map<std::uint64_t, Gate::Clock::time_point> claims_;  // by key: since when this process makes it
  std::atomic<std::int64_t> compile_ms_;                     // what making a kernel takes here
};

}  // namespace pagejit::cache
