// A manifest: the kernels that a deployment needs, as text. A file that PAGEJIT_RECORD wrote is one.
//
//   pagejit-manifest 1                 the first line
//   target sm_80,sm_90a                several such lines add up
//   default page=16,64                 for every line of a family that has the field and does not name it
//   flatten dim_k=64,128 tail=zero     comma lists multiply out; fields that nobody names keep their family's default
//   exclude flatten dim_k=64 page=16   but not these
//
// The order of the lines does not matter. `#` starts a comment, and odd bytes are %XX as in spec lines.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace pagejit {

struct ManifestRules {
  std::size_t most_lines = 10'000;        // that it may multiply out to, before any is excluded
  std::vector<std::string> targets = {};  // those that there are; none given: any name like "sm_90a" will do
};

struct Manifest {
  std::vector<std::string> targets;  // sorted, each once; may be empty
  std::vector<std::string> lines;    // canonical spec lines, sorted, each once
};

/// `name` is what errors call the text: every Error(argument) begins with "name:line:column: ". Its work is bounded by
/// the text's size and by `most_lines`.
Manifest parse_manifest(std::string_view text, const std::string& name, const ManifestRules& rules = {});

/// The same of a file. Throws Error(argument) where it cannot be read.
Manifest load_manifest(const std::string& path, const ManifestRules& rules = {});

}  // namespace pagejit
