// Who may include what: the table of README.md, "The folders", as a test.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "pagejit_generator.h"

namespace fs = std::filesystem;

namespace {

struct Rule {
  const char* part;                      // a regular expression for paths
  std::vector<std::string> may_include;  // beginnings of what it may include beside the standard library
};

/// The first rule that matches a path decides.
const std::vector<Rule>& rules() {
  static const std::vector<Rule> table = {
      {R"(runtime/base/.*)", {"runtime/base/", "fmt/", "xxhash.h"}},
      {R"(runtime/.*)", {"runtime/", "fmt/", "xxhash.h", "zstd.h", "dlfcn.h", "curl/", "hiredis/", "openssl/"}},
      {R"(compiler/.*)",
       {"compiler/", "runtime/base/", "runtime/backend.h", "fmt/", "llvm/", "boost/context/", "xxhash.h"}},
      {R"(kernels/api/(pagejit\.h|c/.*))", {"c/", "../pagejit.h"}},  // C, wherever it is copied to
      {R"(kernels/api/.*)", {"kernels/", "compiler/", "runtime/", "pagejit", "fmt/"}},
      {R"(kernels/(.*/template[^/]*|common/(ragged|destination|encode|decode|split_plan).*|templates)\.(h|cpp))",
       {"kernels/", "compiler/", "runtime/base/", "fmt/"}},
      {R"(kernels/.*)", {"kernels/", "runtime/", "pagejit_generator.h", "fmt/"}},
  };
  return table;
}

bool standard(const std::string& name) {
  static const std::set<std::string> system = {"unistd.h", "fcntl.h",  "pthread.h", "dirent.h", "poll.h",
                                               "stdint.h", "stddef.h", "stdlib.h",  "elf.h"};
  return name.find_first_of("./") == std::string::npos || name.starts_with("sys/") || name.starts_with("sanitizer/") ||
         system.count(name) != 0;
}

const Rule* rule_for(const std::string& path) {
  for (const Rule& rule : rules())
    if (std::regex_match(path, std::regex(rule.part))) return &rule;
  return nullptr;
}

bool allowed(const std::string& path, const std::string& name) {
  const Rule* rule = rule_for(path);
  if (rule == nullptr || standard(name)) return true;
  for (const std::string& beginning : rule->may_include)
    if (name.starts_with(beginning)) return true;
  return name.find('/') == std::string::npos &&
         fs::exists(fs::path(PAGEJIT_SOURCE_DIR) / fs::path(path).parent_path() / name);
}

std::vector<std::string> sources_under(const std::string& folder) {
  std::vector<std::string> found;
  fs::path root(PAGEJIT_SOURCE_DIR);
  if (!fs::exists(root / folder)) return found;
  for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
    std::string suffix = entry.path().extension();
    if (suffix == ".h" || suffix == ".cpp" || suffix == ".def" || suffix == ".c")
      found.push_back(fs::relative(entry.path(), root).string());
  }
  return found;
}

std::vector<std::string> includes_of(const std::string& path) {
  static const std::regex line_of(R"(^\s*#\s*include\s*[<"]([^>"]+)[>"].*)");
  std::vector<std::string> found;
  std::ifstream in(fs::path(PAGEJIT_SOURCE_DIR) / path);
  std::smatch match;
  for (std::string line; std::getline(in, line);)
    if (std::regex_match(line, match, line_of)) found.push_back(match[1]);
  return found;
}

}  // namespace

TEST_CASE("layers: no file includes what its part may not know") {
  for (const char* folder : {"runtime", "compiler", "kernels"}) {
    std::vector<std::string> paths = sources_under(folder);
    REQUIRE_MESSAGE(!paths.empty(), folder << " has no sources: is " << PAGEJIT_SOURCE_DIR << " the project's root?");
    for (const std::string& path : paths)
      for (const std::string& name : includes_of(path))
        CHECK_MESSAGE(allowed(path, name), path << " includes " << name);
  }
}

TEST_CASE("layers: the rules refuse what they are there to refuse") {
  CHECK_FALSE(allowed("runtime/base/elem.h", "runtime/backend.h"));
  CHECK_FALSE(allowed("runtime/engine.h", "compiler/kernel.h"));
  CHECK_FALSE(allowed("runtime/engine.h", "llvm/IR/Module.h"));
  CHECK_FALSE(allowed("runtime/cuda/driver.h", "cuda.h"));
  CHECK_FALSE(allowed("compiler/kernel.h", "kernels/flatten/spec.h"));
  CHECK_FALSE(allowed("compiler/kernel.h", "runtime/cuda/driver.h"));
  CHECK_FALSE(allowed("kernels/flatten/template.cpp", "llvm/IR/Module.h"));
  CHECK_FALSE(allowed("kernels/flatten/host.cpp", "compiler/kernel.h"));
  CHECK(allowed("kernels/flatten/template.cpp", "compiler/kernel.h"));
  CHECK(allowed("compiler/nvptx/codegen.cpp", "llvm/IR/Module.h"));
}

TEST_CASE("layers: every file that emits code is in the generator's hash") {
  std::set<std::string> listed(std::begin(pagejit::generator_sources), std::end(pagejit::generator_sources));
  for (const char* folder : {"compiler", "kernels"})
    for (const std::string& path : sources_under(folder)) {
      bool family = std::regex_match(path, std::regex("compiler/.*|kernels/(?!api/)[^/]+/.*"));
      if (family) CHECK_MESSAGE(listed.count(path) == 1, path << " is not hashed: re-run cmake");
    }
}

TEST_CASE("layers: a family's hash differs from another name's") {
  CHECK(pagejit::generator_hash("flatten").size() == 32);
  CHECK(pagejit::generator_hash("flatten") != pagejit::generator_hash("no such family"));
}
