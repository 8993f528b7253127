// Why a kernel was not in the cache: from the names and key texts of the entries beside it, so that hits pay nothing.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "runtime/cache/layers.h"

namespace pagejit::cache {

enum class Cause {
  new_spec,    // nobody asked for this spec line yet
  new_target,  // it is cached for other targets
  options,     // code generation options differ
  generator,   // the sources that emit the kernel changed
  abi,         // the Params struct changed
  llvm,        // another compiler's entry is there
  assembler,   // its PTX is there, but another assembler's machine code
  corrupt,     // it was there, and damaged
  refused,     // it is there, and the producer policy does not take it
};
std::string_view name_of(Cause cause);

struct FieldChange {
  std::string name, cached, wanted;  // empty: absent there
};

struct Miss {
  Cause cause = Cause::new_spec;
  std::optional<Request> nearest;    // the entry that was compared with
  std::vector<FieldChange> changes;  // of its key text or, where that is equal, of its producer
  /// "Recompiled because the generator changed; Spec and options are equal."
  std::string sentence() const;
};

/// For a request that no layer could serve.
Miss classify(const Layers& layers, const Wanted& wanted);

/// What each layer answers, in the order in which it is asked, and why it is a miss if it is one.
struct Explanation {
  struct Answer {
    std::string layer, kind, answer;  // "/home/…", "private", "hit <file>"
  };
  std::vector<Answer> answers;
  std::optional<Miss> miss;
  std::string sentence() const;
};
/// For people: a miss is compared with the nearest entry of any spec line.
Explanation explain(Layers& layers, const Wanted& wanted);

/// The lines "name=value" in which two texts differ, by name.
std::vector<FieldChange> differences(std::string_view cached, std::string_view wanted);

}  // namespace pagejit::cache
