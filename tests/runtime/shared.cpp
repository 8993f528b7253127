#include "tests/runtime/shared.h"

#include "runtime/cache/entry.h"
#include "runtime/cache/root.h"

namespace pagejit::testing {

Artifact sample_artifact_of(int page) {
  Artifact a = sample_artifact();
  a.key_text = sample_request(page).key_text;
  a.facts.chip = "9.0";
  a.facts.driver = 13000;
  a.cubin += " page " + std::to_string(page);
  return a;
}

std::string sample_entry(int page) {
  return cache::write_entry(sample_artifact_of(page), "");
}

std::string entry_name_of(int page) {
  return cache::entry_name(sample_request(page), sample_artifact_of(page).producer);
}

cache::Wanted wanted_by_compiler(const Request& request) {
  cache::Wanted wanted{request, "llvm=22.1.8\n", "assembler=driver 13000\ncubin=9.0", "9.0"};
  wanted.driver = 13000;
  return wanted;
}

cache::Wanted wanted_without_compiler(const Request& request) {
  cache::Wanted wanted = wanted_by_compiler(request);
  wanted.compiler.clear();
  wanted.any_producer = true;
  return wanted;
}

}  // namespace pagejit::testing
