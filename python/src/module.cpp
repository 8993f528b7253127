#include "python/src/bind.h"

NB_MODULE(_core, m) {
  using namespace pagejit::python;
  bind_errors(m);
  bind_flatten(m);
  bind_gather(m);
  bind_append(m);
  bind_rope(m);
  bind_indices(m);
  bind_attend(m);
  bind_process(m);
  bind_precompile(m);
}
