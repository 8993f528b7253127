#include "runtime/cache/layers.h"

#include <map>

#include "runtime/base/fields.h"

namespace pagejit::cache {

std::optional<Hit> Layers::get(const Wanted& wanted) {
  std::optional<Hit> with_ptx;
  for (bool slow : {false, true})
    for (const auto& layer : layers_) {
      if (layer->slow() != slow || (slow && with_ptx)) continue;
      std::optional<Hit> hit = layer->get(wanted);
      if (hit && (wanted.assembler.empty() || !hit->artifact.cubin.empty())) return hit;
      if (hit && !with_ptx) with_ptx = std::move(hit);
    }
  return with_ptx;
}

std::string_view Layers::kind_of(const std::string& name) const {
  for (const auto& layer : layers_)
    if (layer->name() == name) return layer->kind();
  return "";
}

void Layers::put(const Request& request, const Artifact& artifact, std::string_view history, bool replace) {
  for (const auto& layer : layers_) layer->put(request, artifact, history, replace);
}

void Layers::reject(const Hit& hit, const std::string& reason) {
  for (const auto& layer : layers_)
    if (layer->name() == hit.layer) layer->reject(hit.file, reason);
}

std::vector<std::string> differing_fields(const Request& a, const Request& b) {
  std::map<std::string, std::string> mine, theirs;
  for (auto& [name, value] : parse_words(a.spec_line).values) mine[name] = value;
  for (auto& [name, value] : parse_words(b.spec_line).values) theirs[name] = value;
  std::vector<std::string> differing;
  for (const auto& [name, value] : mine)
    if (auto other = theirs.find(name); other == theirs.end() || other->second != value) differing.push_back(name);
  for (const auto& [name, value] : theirs)
    if (!mine.contains(name)) differing.push_back(name);
  return differing;
}

std::optional<Request> Layers::nearest(const Request& wanted) {
  constexpr int most_looked_at = 4096;  // an error message may take some milliseconds, not seconds
  std::optional<Request> best;
  std::size_t best_distance = 0;
  int looked_at = 0;
  std::string family = parse_words(wanted.spec_line).family;
  for (const auto& layer : layers_)
    layer->each_key([&](const std::string& key_text) {
      Request other = request_of_key(key_text);
      if (other.target == wanted.target && parse_words(other.spec_line).family == family) {
        std::size_t distance = differing_fields(wanted, other).size();
        if (!best || distance < best_distance) best = other, best_distance = distance;
      }
      return ++looked_at < most_looked_at;
    });
  return best;
}

}  // namespace pagejit::cache
