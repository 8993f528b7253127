// A layer whose entries have file names: what can be listed and opened can be chosen from, by one set of rules for
// folders, bundles and remote stores.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/error.h"
#include "runtime/cache/counters.h"
#include "runtime/cache/entry.h"
#include "runtime/cache/layers.h"

namespace pagejit::cache {

class Adopted;

/// How well an entry serves: the greater, the better. Fields count in this order.
struct Merit {
  int whose = 0;      // 0: its producer will not do; else the more like our own, the more
  bool fits = false;  // its machine code runs here as it is
  int driver = 0;
  auto operator<=>(const Merit&) const = default;
};
/// `any`: whoever runs this process chose the layer, so that any producer will do.
Merit merit_of(std::string_view producer, std::string_view chip, int driver, const Wanted& wanted, bool any);

class EntryLayer : public Layer {
 public:
  /// `journal` is told of entries that are refused; it may be null.
  EntryLayer(std::string name, std::shared_ptr<Journal> journal)
      : name_(std::move(name)), journal_(std::move(journal)) {}

  std::string name() const override { return name_; }
  std::optional<Hit> get(const Wanted& wanted) override;
  void put(const Request&, const Artifact&, std::string_view, bool) override {}
  void reject(const std::string& file, const std::string& reason) override;
  void each_key(const std::function<bool(const std::string&)>& visit) override;
  std::vector<Sibling> siblings(const Request& request) override;

  /// File names of the entries that begin so, sorted.
  virtual std::vector<std::string> names(const std::string& prefix) const = 0;
  /// Nothing where it is absent or of a newer format. Throws Error(damaged | signature), ReadFailed.
  virtual std::optional<Entry> open(const std::string& file) const = 0;
  /// From now on, entries that serve are copied there. It must be there as long as this layer is used.
  void copy_hits_to(Adopted* adopted) { adopted_ = adopted; }

 protected:
  /// Those of names() that are worth opening.
  virtual std::vector<std::string> candidates(const Wanted& wanted) const;
  virtual bool any_producer() const { return true; }
  /// The entry serves somebody.
  virtual void used(const std::string&) {}
  /// Makes sure that the file is not given again, and says where it is now; empty where it stays.
  virtual std::string put_aside(const std::string&) { return {}; }

  void note(const Event& event) const;
  Adopted* adopted() const { return adopted_; }

 private:
  struct Candidate {
    std::string file;
    Entry entry;
    KernelFacts facts;
    Merit merit;
  };
  std::optional<Hit> find(const Wanted& wanted);
  std::optional<Candidate> consider(const std::string& file, const Wanted& wanted);
  std::optional<Candidate> best_candidate(const Wanted& wanted, const std::string& but_not);
  std::optional<Hit> read(Candidate candidate, const Wanted& wanted);
  void refuse(const std::string& file, Code code, const std::string& reason);

  std::string name_;
  std::shared_ptr<Journal> journal_;
  Adopted* adopted_ = nullptr;
};

}  // namespace pagejit::cache
