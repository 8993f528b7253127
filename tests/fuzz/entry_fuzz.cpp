// The file of one kernel: refused as damaged, or read to its last byte.
#include "runtime/cache/entry.h"
#include "runtime/cache/sections.h"
#include "tests/fuzz/fuzz.h"
#include "tests/runtime/shared.h"

namespace pagejit::fuzz {
namespace {
bool reads(std::string_view bytes) {
  return taken(Code::damaged, [&] {
    std::optional<cache::Entry> entry = cache::Entry::open(bytes);
    if (!entry) fail(Code::damaged, "a newer format");
    cache::verify_entry(*entry);
    expect(cache::join_sections(cache::sections_of(*entry)).size() == bytes.size(), "every byte belongs to a section");
    entry->artifact();
    cache::name_of(*entry);
    KernelFacts facts = entry->facts();
    expect(KernelFacts::parse(facts.text()).text() == facts.text(), "facts that were read print as they were read");
  });
}
}  // namespace

bool accepts(std::string_view input) {
  bool as_it_is = reads(input), made_right = reads(entry_made_right(std::string(input)));
  return as_it_is || made_right;
}

std::vector<std::string> seeds() {
  Artifact only_ptx = testing::sample_artifact_of(1);
  only_ptx.cubin.clear();
  only_ptx.facts.chip.clear();
  only_ptx.ms = {{"emit", 0.25}, {"codegen", 2}};
  Artifact nothing;  // but its name
  nothing.key_text = testing::sample_request().key_text;
  return {testing::sample_entry(64), cache::write_entry(only_ptx, cache::history_text(only_ptx, "new-spec", 1)),
          cache::write_entry(nothing, "")};
}

}  // namespace pagejit::fuzz
