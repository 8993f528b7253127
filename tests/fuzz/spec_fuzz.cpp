// A spec line, read as every family reads it: refused, or printed canonically, keyed, and found again by its key text.
#include "kernels/registry.h"
#include "runtime/base/fields.h"
#include "tests/fuzz/fuzz.h"
#include "tools/model_config.h"

namespace pagejit::fuzz {
namespace {
bool reads(const Family& family, std::string_view line) {
  return taken(Code::argument, [&] {
    std::string canonical = family.canonical(line);
    expect(family.canonical(canonical) == canonical, "a canonical line is its own");
    expect(print_words(parse_words(canonical)) == canonical, "words that were read print as they were read");
    Request request = request_for(canonical, "sm_90a");
    Request again = request_of_key(request.key_text);
    expect(again.spec_line == canonical && again.spec_id == request.spec_id && again.key_id == request.key_id,
           "a key text says which Spec it is of");
  });
}
}  // namespace

bool accepts(std::string_view input) {
  bool any = taken(Code::argument, [&] { request_for(input, "sm_90a"); });
  std::string fields(input.substr(std::min(input.find(' '), input.size())));
  for (const Family& family : families()) any = reads(family, std::string(family.name) + fields) || any;
  return any;
}

std::vector<std::string> seeds() {
  std::vector<std::string> lines;
  for (const Family& family : families()) lines.push_back(family.canonical(family.name));
  for (const char* model : {"llama-3-8b", "deepseek-v3"})
    for (const Family& family : families()) {
      std::vector<std::string> asked =
          family.specs_for_model(load_model(model).shape({16}, {Quant::none, Quant::int8}));
      if (!asked.empty()) lines.push_back(asked.back());
    }
  return lines;
}

}  // namespace pagejit::fuzz
