// One Context for each device that a tensor was met on, made when first needed.
#pragma once
#include <pagejit/context.h>

#include <string>
#include <vector>

#include "python/src/tensor.h"

namespace pagejit::python {

/// The context of a place. Takes no lock once it is made; call it with the GIL held. Throws Error(absent) where the
/// machine has no such device, or this build no emulator.
Context& context_at(Place place);

/// What contexts that are made from now on are told. Throws Error(argument) if there is one already.
void configure(Options options);

/// "cuda:1", "emulator".
std::string name_of(Place place);
/// The places that have a context.
std::vector<Place> places_in_use();
/// "auto", "cuda", "cuda:1", "emulator", "cpu". Throws Error(argument).
Place place_of(const std::string& name);

/// Ends all contexts, so that what they counted is kept. For the end of the process: calls are refused afterwards.
void close();

/// Held by whoever uses a context without the GIL: close() waits for it.
class InUse {
 public:
  InUse();
  ~InUse();
};

}  // namespace pagejit::python
