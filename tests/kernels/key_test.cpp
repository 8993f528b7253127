// What a key says of a kernel, all of it and nothing else: one thing changed is another key, equal keys are equal code.
#include <doctest/doctest.h>

#include <map>
#include <set>

#include "compiler/nvptx/compiler.h"
#include "compiler/target.h"
#include "kernels/families.h"
#include "kernels/registry.h"
#include "kernels/templates.h"
#include "pagejit_generator.h"

namespace pagejit::tests {
namespace {

/// The field's other values: all of an enumeration, else the neighbours.
template <class T>
std::vector<T> other_values(T value) {
  std::vector<T> all;
  if constexpr (std::is_enum_v<T>) {
    for (const auto& [known, name] : enum_names(T{}))
      if (known != value) all.push_back(known);
  } else if constexpr (std::is_same_v<T, bool>) {
    all.push_back(!value);
  } else {
    all = {value + 1, value + 2};
  }
  return all;
}

/// `s`, and all Specs that differ from it in one field.
template <class Spec>
std::vector<Spec> neighbours(const Spec& s) {
  std::vector<Spec> all{s};
  for_each_field(s, [&](std::string_view name, const auto& value, const auto&) {
    using T = std::remove_cvref_t<decltype(value)>;
    for (T other : other_values<T>(value)) {
      Spec changed = s;
      for_each_field(changed, [&](std::string_view n, auto& member, const auto&) {
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(member)>, T>)
          if (n == name) member = other;
      });
      all.push_back(changed);
    }
  });
  return all;
}

template <class Spec, class Params>
void check_keys(std::string_view family) {
  CAPTURE(family);
  std::map<std::uint64_t, std::string> keys;
  std::set<std::uint64_t> specs;
  const Spec base{};
  std::vector<Spec> all = neighbours(base);
  std::size_t fields = 0;
  for_each_field(base, [&](auto, const auto&, const auto&) { ++fields; });
  CHECK(all.size() > fields);
  for (const Spec& s : all)
    for (const Target& target : targets()) {
      Request r =
          make_request(spec_line(family, s), std::string(target.name), abi_text<Params>(), generator_hash(family));
      auto [known, is_new] = keys.emplace(r.key_id, r.key_text);
      CHECK_MESSAGE(is_new, r.key_text << "has the key of\n" << known->second);
      specs.insert(r.spec_id);
    }
  CHECK(keys.size() == all.size() * targets().size());
  CHECK(specs.size() == all.size());  // the target is no part of the Spec
}

/// Some Specs of every family, in the text of a caller who knows no order of fields.
std::vector<std::string> some_lines() {
  return {"flatten",
          "flatten page=16 k=f16 v=f16 to=f16",
          "flatten align=elem tail=untouched",
          "append",
          "append where=slots page=16",
          "append quant_k=int8 quant_v=int8 k=u8 v=u8",
          "rope",
          "rope into=slots style=interleaved",
          "rope align=4 q=bf16 kv=bf16",
          "indices what=slots",
          "indices what=starts to=i64"};
}

}  // namespace

TEST_CASE("key: each field of each family's Spec changed by itself, and each target, is another key") {
#define PJ_FAMILY(id) check_keys<id::Spec, id::Params>(#id);
#include "kernels/families.def"
#undef PJ_FAMILY
}

TEST_CASE("key: families have different keys for what they all have, and each its own generator") {
  std::set<std::string> hashes;
  for (const Family& family : families()) hashes.insert(std::string(generator_hash(family.name)));
  CHECK(hashes.size() == families().size());
}

TEST_CASE("key: equal keys are equal IR and PTX, whichever compiler made them, and after whatever else") {
  std::shared_ptr<Compiler> one = make_nvptx_compiler(emit_kernel), two = make_nvptx_compiler(emit_kernel);
  std::vector<std::string> lines = some_lines();
  std::map<std::uint64_t, Artifact> first;
  for (const std::string& line : lines) {
    Request r = request_for(line, "sm_90a");
    first.emplace(r.key_id, one->compile(r));
  }
  CHECK(first.size() == lines.size());
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    CAPTURE(*line);
    Artifact again = two->compile(request_for(family_of(*line).canonical(*line), "sm_90a"));
    const Artifact& before = first.at(request_for(*line, "sm_90a").key_id);
    CHECK_FALSE(again.facts.ir_hash.empty());
    CHECK(again.facts.ir_hash == before.facts.ir_hash);
    CHECK(again.ir == before.ir);
    CHECK(again.ptx == before.ptx);
    CHECK(again.facts.text() == before.facts.text());
  }
}

}  // namespace pagejit::tests
