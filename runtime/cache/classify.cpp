#include "runtime/cache/classify.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "runtime/base/error.h"
#include "runtime/base/text.h"
#include "runtime/cache/producer.h"
#include "runtime/cache/root.h"

namespace pagejit::cache {
namespace {
struct Row {
  Cause cause;
  std::string_view name, sentence;
};
constexpr Row rows[] = {
    {Cause::new_spec, "new-spec", "Compiled because no kernel of this Spec was cached."},
    {Cause::new_target, "new-target", "Compiled because this Spec was cached for other targets only."},
    {Cause::options, "options", "Recompiled because options of code generation differ; the Spec is equal."},
    {Cause::generator, "generator", "Recompiled because the generator changed; Spec and options are equal."},
    {Cause::abi, "abi", "Recompiled because the Params struct changed; Spec and options are equal."},
    {Cause::llvm, "llvm", "Recompiled because another LLVM made the cached kernel; its key is equal."},
    {Cause::assembler, "assembler", "Assembled again because another assembler made the cached machine code."},
    {Cause::corrupt, "corrupt", "Recompiled because the cached file was damaged."},
    {Cause::refused, "refused", "Recompiled because the cached kernel's producer is refused; its key is equal."},
};

const Row& row_of(Cause cause) {
  return *std::find_if(std::begin(rows), std::end(rows), [&](const Row& row) { return row.cause == cause; });
}

std::map<std::string, std::string> lines_of(std::string_view text) {
  std::map<std::string, std::string> lines;
  for (std::string_view line : split(text, '\n'))
    if (line.find('=') != std::string_view::npos) lines.insert(split_name_value(line));
  return lines;
}

bool names(const std::vector<FieldChange>& changes, std::string_view name) {
  return std::any_of(changes.begin(), changes.end(), [&](const FieldChange& c) { return c.name == name; });
}

bool only_ptx(const std::vector<FieldChange>& changes) {
  return std::any_of(changes.begin(), changes.end(),
                     [](const FieldChange& c) { return c.name == "assembler" && c.cached == "none"; });
}

/// The sentence for a Spec that was never asked for, where another of its family was: "… differs in page (64 → 32)."
std::string unlike_nearest(const std::vector<FieldChange>& changes) {
  constexpr std::string_view spec = "spec.";
  std::vector<std::string> fields;
  for (const FieldChange& c : changes)
    if (c.name.starts_with(spec))
      fields.push_back(fmt::format("{} ({} → {})", c.name.substr(spec.size()), c.cached, c.wanted));
  if (fields.size() == 1 && fields[0].starts_with("align "))
    return fmt::format("Compiled because this Spec was cached for another alignment class only: {}.", fields[0]);
  return fmt::format("Compiled because no kernel of this Spec was cached; the nearest differs in {}.",
                     fmt::join(fields, ", "));
}

/// Two entries of one spec line have different keys: which difference decides.
Cause cause_of(const std::vector<FieldChange>& changes) {
  if (names(changes, "target")) return Cause::new_target;
  if (names(changes, "abi")) return Cause::abi;
  bool only_generator = changes.size() == 1 && changes[0].name == "generator";
  return only_generator ? Cause::generator : Cause::options;
}

/// The key is equal, and yet the entry did not serve.
Cause cause_of_same_key(const Sibling& sibling, const Wanted& wanted) {
  if (sibling.damaged) return Cause::corrupt;
  if (known_bad(sibling.producer)) return Cause::refused;
  bool same_compiler = !wanted.compiler.empty() && compiler_part(sibling.producer) == compiler_part(wanted.compiler);
  if (wanted.only_exact) return Cause::refused;
  return same_compiler || wanted.compiler.empty() ? Cause::assembler : Cause::llvm;
}

Miss same_key(const Sibling& sibling, const Wanted& wanted) {
  Miss miss;
  miss.cause = cause_of_same_key(sibling, wanted);
  if (sibling.damaged) return miss;
  miss.nearest = wanted.request;
  miss.changes = differences(sibling.producer, full_producer(wanted.compiler, wanted.assembler));
  return miss;
}
}  // namespace

std::string_view name_of(Cause cause) {
  return row_of(cause).name;
}

std::vector<FieldChange> differences(std::string_view cached, std::string_view wanted) {
  std::map<std::string, std::string> theirs = lines_of(cached), ours = lines_of(wanted);
  std::vector<FieldChange> changes;
  for (const auto& [name, value] : ours)
    if (auto other = theirs.find(name); other == theirs.end())
      changes.push_back({name, {}, value});
    else if (other->second != value)
      changes.push_back({name, other->second, value});
  for (const auto& [name, value] : theirs)
    if (!ours.contains(name)) changes.push_back({name, value, {}});
  return changes;
}

Miss classify(const Layers& layers, const Wanted& wanted) {
  std::optional<Miss> best, damaged;
  std::string same_name = entry_prefix(wanted.request);
  for (const auto& layer : layers.all())
    for (const Sibling& sibling : layer->siblings(wanted.request)) {
      if (sibling.file.starts_with(same_name) && sibling.damaged && !damaged) damaged = same_key(sibling, wanted);
      if (sibling.damaged) continue;
      if (sibling.key_text == wanted.request.key_text) return same_key(sibling, wanted);
      std::vector<FieldChange> changes = differences(sibling.key_text, wanted.request.key_text);
      // Entries of our own target say more than others'.
      auto merit = [](const std::vector<FieldChange>& c) { return std::pair(names(c, "target"), c.size()); };
      if (best && merit(best->changes) <= merit(changes)) continue;
      best = Miss{cause_of(changes), request_of_key(sibling.key_text), changes};
    }
  if (damaged) return *damaged;
  return best.value_or(Miss{});
}

std::string Miss::sentence() const {
  if (cause == Cause::assembler && only_ptx(changes)) return "Assembled because only PTX was cached; its key is equal.";
  if (cause == Cause::new_spec && nearest) return unlike_nearest(changes);
  return std::string(row_of(cause).sentence);
}

Explanation explain(Layers& layers, const Wanted& wanted) {
  Explanation explanation;
  bool hit = false, ptx = false;
  for (const auto& layer : layers.all()) {
    std::optional<Hit> found = layer->get(wanted);
    std::string answer = "no entry that will do";
    if (found) answer = fmt::format("{} {}", found->artifact.cubin.empty() ? "PTX in" : "hit", found->file);
    explanation.answers.push_back({layer->name(), std::string(layer->kind()), std::move(answer)});
    bool needs_assembling = found && !wanted.assembler.empty() && found->artifact.cubin.empty();
    hit = hit || (found && !needs_assembling);
    ptx = ptx || needs_assembling;
  }
  if (hit) return explanation;
  Miss miss = classify(layers, wanted);
  if (ptx) miss.cause = Cause::assembler;  // whoever made the PTX, it will do
  if (miss.cause == Cause::new_spec)
    if ((miss.nearest = layers.nearest(wanted.request)))
      miss.changes = differences(miss.nearest->key_text, wanted.request.key_text);
  explanation.miss = std::move(miss);
  return explanation;
}

std::string Explanation::sentence() const {
  return miss ? miss->sentence() : "Nothing is compiled: the kernel is cached.";
}

}  // namespace pagejit::cache
