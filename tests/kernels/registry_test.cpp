// What the families say of themselves.
#include "kernels/registry.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "pagejit_generator.h"
#include "runtime/base/error.h"

namespace pagejit::tests {
namespace {

std::string problem_of(std::string_view line) {
  try {
    request_for(line, "sm_90a");
  } catch (const Error& e) {
    CHECK(e.code() == Code::argument);
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("registry: a line is made canonical: every field, sorted, and the same again") {
  for (const Family& family : families()) {
    std::string line = family.canonical(family.name);
    CHECK(line == family.canonical(line));
    for (const FieldHelp& field : family.fields())
      CHECK(line.find(" " + field.name + "=" + field.fallback) != std::string::npos);
  }
  CHECK(family_of("flatten").canonical("flatten page=16 dim_k=64") ==
        family_of("flatten").canonical("flatten dim_k=64 page=16"));
}

TEST_CASE("registry: every field of every family has a help text and says what it may be") {
  for (const Family& family : families()) {
    CHECK_FALSE(family.summary.empty());
    CHECK_FALSE(family.fields().empty());
    for (const FieldHelp& field : family.fields()) {
      CAPTURE(field.name);
      CHECK_FALSE(field.help.empty());
      CHECK_FALSE(field.expected.empty());
    }
  }
}

TEST_CASE("registry: equal Specs give equal keys, each other field and target another one") {
  Request a = request_for("flatten page=16", "sm_90a");
  CHECK(a.key_id == request_for("flatten k=bf16 page=16", "sm_90a").key_id);
  std::set<std::uint64_t> keys{a.key_id};
  for (const char* line :
       {"flatten page=17", "flatten page=16 k=f16", "flatten page=16 tail=untouched", "flatten page=16 align=elem"})
    keys.insert(request_for(line, "sm_90a").key_id);
  keys.insert(request_for("flatten page=16", "sm_80").key_id);
  CHECK(keys.size() == 6);
  CHECK(a.key_text.find(generator_hash("flatten")) != std::string::npos);
}

TEST_CASE("registry: a line that cannot be right is refused with the field and what it may be") {
  CHECK(problem_of("flattn page=16").find("expected one of flatten") != std::string::npos);
  CHECK(problem_of("").find("expected one of flatten") != std::string::npos);
  CHECK(problem_of("flatten pagee=16").find("page") != std::string::npos);
  CHECK(problem_of("flatten page=0").find("at least 1") != std::string::npos);
  CHECK(problem_of("flatten k=i8").find("f16, bf16 or f32") != std::string::npos);
  CHECK(problem_of("flatten table=bf16").find("i32 or i64") != std::string::npos);
  CHECK(problem_of("flatten joint=1 dim_k=576 dim_v=512").find("576, as dim_k") != std::string::npos);
  CHECK(problem_of("flatten dim_k=4097").find("at most 4096") != std::string::npos);
  CHECK(problem_of("flatten dim_k=4096 align=elem unroll=1").find("at least one head dim") != std::string::npos);
}

TEST_CASE("registry: the Specs of a model are right, different and few") {
  for (bool joint : {false, true})
    for (Elem elem : {Elem::bf16, Elem::f16, Elem::f32}) {
      ModelShape model;
      model.elem = elem;
      model.joint = joint;
      model.dim_k = joint ? 576 : 128;
      model.dim_v = joint ? 512 : 128;
      const Family& family = family_of("flatten");
      for (const auto& [quant, name] : enum_names(Quant{})) {
        if (quant == Quant::turbo2) continue;  // turbo4 stands for both
        model.quants = {quant};
        std::vector<std::string> lines = family.specs_for_model(model);
        CAPTURE(name);
        CHECK(lines.size() <= 96);
        CHECK(lines.empty() == (joint && (quant == Quant::turbo4 || (quant == Quant::fp8_group && elem == Elem::f32))));
        for (const std::string& line : lines) CHECK(family.canonical(line) == line);
        CHECK(std::set<std::string>(lines.begin(), lines.end()).size() == lines.size());
      }
    }
}

}  // namespace pagejit::tests
