// The Specs that serving a model can ask for.
#include <algorithm>

#include "kernels/attend/host.h"
#include "kernels/common/rules.h"

namespace pagejit::attend {
namespace {

constexpr int most_queries = 8;  // of a sequence: what speculative decoding verifies at once

void set_cache(Spec& s, const ModelShape& m, Quant quant) {
  s.q = m.elem, s.quant = quant;
  s.k = s.v = quant == Quant::none ? m.elem : quant == Quant::fp8 ? m.fp8 : Elem::u8;
  if (model_metadata(quant)) s.meta = m.elem;
  s.dim_k = m.dim_k, s.dim_v = m.dim_v, s.joint = m.joint;
  s.group = m.query_heads / m.kv_heads;
}

/// False where attention does not read such a cache: other families may.
bool is_served(const Spec& s) {
  try {
    check(s);
    return true;
  } catch (const Error&) {
    return false;
  }
}

/// One Spec for each shape of teams that so many queries ask for.
void add_teams(std::vector<Spec>& all, Spec s, const Chip& chip) {
  std::size_t first = all.size();
  for (int queries = 1; queries <= most_queries; ++queries) {
    choose_team(s, std::int64_t{queries} * s.group, chip);
    bool known = std::find(all.begin() + static_cast<std::ptrdiff_t>(first), all.end(), s) != all.end();
    if (!known && is_served(s)) all.push_back(s);
  }
}

void add_options(std::vector<Spec>& all, Spec s, const ModelShape& m) {
  for (Elem lengths : m.lengths)
    for (bool ragged : {false, true})
      for (bool lse : {false, true})
        for (Align align : {Align::a16, Align::a8, Align::a4, Align::elem}) {
          s.lengths = lengths, s.ragged = ragged, s.lse = lse, s.align = align;
          add_teams(all, s, m.chip);
        }
}

}  // namespace

std::vector<Spec> specs_for_model(const ModelShape& m) {
  std::vector<Spec> all;
  for (Quant quant : m.quants) {
    Spec s;
    set_cache(s, m, quant);
    s.softcap = m.softcap, s.sinks = m.sinks, s.alibi = m.alibi;
    for (int page : m.pages)
      for (bool window : {false, true}) {
        if (window && !m.window) continue;  // models with windows have layers without, too
        s.page = page, s.window = window;
        add_options(all, s, m);
      }
  }
  return all;
}

}  // namespace pagejit::attend
