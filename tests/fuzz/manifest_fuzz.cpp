// A manifest: refused with its place in the text, or a list of spec lines that is a manifest again.
#include <algorithm>

#include "kernels/registry.h"
#include "tests/fuzz/fuzz.h"
#include "tools/manifest.h"

namespace pagejit::fuzz {
namespace {
constexpr std::size_t most = 64;  // lines that an input may multiply out to

std::string as_manifest(const Manifest& manifest) {
  std::string text = "pagejit-manifest 1\n";
  for (const std::string& target : manifest.targets) text += "target " + target + "\n";
  for (const std::string& line : manifest.lines) text += line + "\n";
  return text;
}

Manifest parse(std::string_view text) {
  try {
    return parse_manifest(text, "fuzz", {.most_lines = most});
  } catch (const Error& e) {
    expect(e.message().starts_with("fuzz:"), "an error names the place");
    throw;
  }
}
}  // namespace

bool accepts(std::string_view input) {
  return taken(Code::argument, [&] {
    Manifest manifest = parse(input);
    expect(manifest.lines.size() <= most, "no more lines than are allowed");
    expect(std::is_sorted(manifest.lines.begin(), manifest.lines.end()), "lines are sorted");
    for (const std::string& line : manifest.lines)
      expect(family_of(line).canonical(line) == line, "lines are canonical");
    Manifest again = parse_manifest(as_manifest(manifest), "printed", {.most_lines = most});
    expect(again.lines == manifest.lines && again.targets == manifest.targets, "what is printed is read back");
  });
}

std::vector<std::string> seeds() {
  return {"pagejit-manifest 1\n",
          "pagejit-manifest 1\ntarget sm_80,sm_90a\ndefault page=16,64\nflatten dim_k=64,128 tail=zero  # two heads\n"
          "exclude flatten dim_k=64 page=16\n",
          "pagejit-manifest 1\r\ntarget sm_100f\nindices\nrope\nappend page=1\npagejit-manifest 1\ntarget sm_75\n"};
}

}  // namespace pagejit::fuzz
