// The Specs that serving a model can ask for: what follows attention's.
#include <algorithm>

#include "kernels/attend/host.h"
#include "kernels/combine/host.h"

namespace pagejit::combine {

std::vector<Spec> specs_for_model(const ModelShape& m) {
  std::vector<Spec> all;
  for (const attend::Spec& first : attend::specs_for_model(m)) {
    Spec s = attend::combine_spec(first);
    if (std::find_if(all.begin(), all.end(), [&](Spec known) {
          known.parts = s.parts, known.rows = s.rows, known.columns = s.columns, known.along = s.along;
          return known == s;
        }) != all.end())
      continue;  // as another one with other pages or another alignment asked for it
    for (Share share : shares) {
      choose_block(s, share);
      all.push_back(s);
    }
  }
  return all;
}

}  // namespace pagejit::combine
