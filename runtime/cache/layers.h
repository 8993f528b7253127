// The places where a kernel may lie, asked one after the other. A folder is one (disk.h); bundles and remote stores are
// others of the same kind.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/artifact.h"
#include "runtime/base/request.h"

namespace pagejit::cache {

/// What is looked for, and which bytes will do.
struct Wanted {
  const Request& request;
  std::string compiler;       // producer lines of this process's compiler; empty: it has none
  std::string assembler;      // of its assembler; empty: PTX is enough
  std::string chip;           // that a cubin must be for
  int driver = 0;             // whose cubins are taken as they are
  bool any_producer = false;  // another compiler's bytes will do, in the private folder too
  bool only_exact = false;    // nobody else's bytes will do, in any layer
  bool complete = false;      // with IR and log, and with PTX even where there is a cubin
};

struct Hit {
  Artifact artifact;  // has a cubin only if it runs as it is on the wanted chip (or no chip is wanted)
  std::string layer;  // its name, for people
  std::string file;   // inside the layer; what reject() takes
};

/// An entry of the same spec line as a request's, whatever else differs.
struct Sibling {
  std::string file, key_text, producer;
  bool damaged = false;  // it was moved aside: only its file's name is known
};

/// No call throws because of what a layer holds or because it cannot be reached: that is a miss, and a warning.
class Layer {
 public:
  virtual ~Layer() = default;
  virtual std::string name() const = 0;
  /// What counters call it: "private", "readonly", "bundle", "remote".
  virtual std::string_view kind() const = 0;
  /// Asked after all others, and only where no PTX was found there either.
  virtual bool slow() const { return false; }
  virtual std::optional<Hit> get(const Wanted& wanted) = 0;
  /// Stores nothing where the layer is read-only. `replace`: over an entry of the same name.
  virtual void put(const Request& request, const Artifact& artifact, std::string_view history, bool replace) = 0;
  /// The file turned out to be useless: it is moved out of the way and never given again.
  virtual void reject(const std::string& file, const std::string& reason) = 0;
  /// Calls visit(key text) for entries until it says false; for "the nearest cached spec is".
  virtual void each_key(const std::function<bool(const std::string& key_text)>& visit) = 0;
  /// For "why was this a miss"; none where a layer cannot list what it has.
  virtual std::vector<Sibling> siblings(const Request&) { return {}; }
};

class Layers {
 public:
  void add(std::unique_ptr<Layer> layer) { layers_.push_back(std::move(layer)); }
  /// The first hit that needs no assembling; else the first that has PTX, before any slow layer is asked.
  std::optional<Hit> get(const Wanted& wanted);
  void put(const Request& request, const Artifact& artifact, std::string_view history, bool replace);
  /// What counters call the layer of this name.
  std::string_view kind_of(const std::string& name) const;
  void reject(const Hit& hit, const std::string& reason);
  /// The request of the same family and target whose fields differ least, if any layer has one.
  std::optional<Request> nearest(const Request& wanted);
  const std::vector<std::unique_ptr<Layer>>& all() const { return layers_; }

 private:
  std::vector<std::unique_ptr<Layer>> layers_;
};

/// The fields in which two requests of a family differ: "page" or "page, tail".
std::vector<std::string> differing_fields(const Request& a, const Request& b);

}  // namespace pagejit::cache
