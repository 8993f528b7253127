// Specs that serve where the wanted one is not there: the same kernel with less known of its pointers and strides.
#pragma once
#include <algorithm>
#include <vector>

#include "kernels/common/align.h"
#include "runtime/base/error.h"

namespace pagejit {

/// The strongest class first; none for a family whose Specs have no alignment. Of each class the Spec with all other
/// fields equal, then the one that a call of that class asks for, whose block may be another.
template <class Spec>
std::vector<Spec> weaker_specs(const Spec& s) {
  std::vector<Spec> all;
  if constexpr (requires { s.align; }) {
    auto add = [&](const Spec& w) {
      if (std::find(all.begin(), all.end(), w) == all.end()) all.push_back(w);
    };
    for (Align align : {Align::a8, Align::a4, Align::elem}) {
      if (align <= s.align) continue;
      Spec w = s;
      w.align = align;
      try {
        check(w);
        add(w);
      } catch (const Error&) {  // such a block is too small for narrower accesses
      }
      choose_block(w);
      add(w);
    }
  }
  return all;
}

}  // namespace pagejit
