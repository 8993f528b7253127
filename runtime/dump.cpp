#include "runtime/dump.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "runtime/base/log.h"
#include "runtime/base/text.h"

namespace pagejit {
namespace {
void write_file(const std::string& path, std::string_view heading, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary);
  file << heading << bytes;
  if (!file.flush()) warn_once("dump", fmt::format("cannot write {}", path));
}
}  // namespace

void dump_artifact(const Artifact& artifact, const Request& request, std::string_view stages, const std::string& folder,
                   std::string_view command) {
  std::vector<std::string_view> wanted = split(stages, ',');
  if (wanted.empty()) return;
  std::string start = (folder.empty() ? "." : folder) + "/" + hex64(request.key_id);
  auto wants = [&](std::string_view stage) { return std::find(wanted.begin(), wanted.end(), stage) != wanted.end(); };
  if (wants("ir") && !artifact.ir.empty()) write_file(start + ".ir", fmt::format("; {}\n", command), artifact.ir);
  if (wants("ptx") && !artifact.ptx.empty()) write_file(start + ".ptx", fmt::format("// {}\n", command), artifact.ptx);
  if (wants("cubin") && !artifact.cubin.empty()) write_file(start + ".cubin", "", artifact.cubin);
}

}  // namespace pagejit
