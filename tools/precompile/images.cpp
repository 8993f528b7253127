#include "tools/precompile/images.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/error.h"
#include "runtime/base/text.h"
#include "tools/files.h"
#include "tools/precompile/elf_writer.h"
#include "tools/program.h"
#include "tools/temporary_folder.h"

namespace pagejit::precompile {
namespace {

std::string image_of(const Artifact& a) {
  return a.cubin.empty() ? a.ptx + '\0' : a.cubin;
}

std::string name_of(const Request& request) {
  return "pagejit_" + hex64(request.key_id);
}

}  // namespace

std::string c_header(const Request& request, const Artifact& artifact) {
  std::string name = name_of(request), image = image_of(artifact);
  const KernelFacts& f = artifact.facts;
  std::string text = fmt::format("#ifndef {0}_h\n#define {0}_h\n\n", name);
  std::pair<const char*, std::string> texts[] = {
      {"spec", request.spec_line}, {"target", request.target}, {"symbol", f.symbol}};
  for (const auto& [what, value] : texts)
    text += fmt::format("static const char {}_{}[] = \"{}\";\n", name, what, value);
  std::pair<const char*, int> numbers[] = {{"is_cubin", !artifact.cubin.empty()},
                                           {"block", f.block},
                                           {"cluster", f.cluster},
                                           {"param_bytes", f.param_bytes},
                                           {"dynamic_shared", f.dynamic_shared},
                                           {"static_shared", f.static_shared},
                                           {"registers", f.registers},
                                           {"pdl", f.pdl}};
  text += "enum {\n";
  for (const auto& [what, value] : numbers) text += fmt::format("  {}_{} = {},\n", name, what, value);
  text += fmt::format("}};\n\nstatic const unsigned char {}_image[{}] = {{", name, image.size());
  for (std::size_t i = 0; i < image.size(); ++i)
    text += fmt::format("{}{},", i % 24 == 0 ? "\n" : "", static_cast<unsigned char>(image[i]));
  return text + "\n};\n\n#endif\n";
}

std::string elf_object(const Request& request, const Artifact& artifact) {
  std::string image = image_of(artifact), bytes(sizeof(std::uint64_t), '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(std::uint64_t{image.size()} >> 8 * i);
  return elf_of_constants({{name_of(request) + "_image", image}, {name_of(request) + "_image_bytes", bytes}});
}

std::string fat_binary(std::vector<Artifact> images, const std::string& fatbinary, const std::string& path) {
  std::sort(images.begin(), images.end(),
            [](const Artifact& a, const Artifact& b) { return a.facts.target < b.facts.target; });
  TemporaryFolder folder;
  std::vector<std::string> words{fatbinary, "--create=all.fatbin", "-64"};
  auto add = [&](const Artifact& a, const char* kind, const std::string& suffix, const std::string& bytes) {
    std::string file = a.facts.target + suffix;
    write_whole_file(folder.path() + "/" + file, bytes);
    words.push_back(fmt::format("--image3=kind={},sm={},file={}", kind, a.facts.target.substr(3), file));
  };
  for (const Artifact& a : images) {
    if (!a.cubin.empty()) add(a, "elf", ".cubin", a.cubin);
    add(a, "ptx", ".ptx", a.ptx);
  }
  Finished ran = run_command({.words = words, .folder = folder.path(), .path = path});
  std::string made = ran.code == 0 ? read_whole_file(folder.path() + "/all.fatbin") : std::string();
  if (made.empty())
    fail(Code::compile, "fatbinary did not make a fat binary",
         {{"exit code", std::to_string(ran.code)}, {"said", ran.said}});
  return made;
}

}  // namespace pagejit::precompile
