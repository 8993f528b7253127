#include <fmt/format.h>

#include <cstdio>

#include "runtime/base/settings.h"
#include "runtime/base/text.h"
#include "tools/cache/command.h"
#include "tools/cache/print.h"
#include "tools/files.h"
#include "tools/program.h"
#include "tools/temporary_folder.h"

namespace pagejit::cache_tool {
namespace {

constexpr const char* parts[] = {"key", "cubin", "ptx", "ir", "log", "sass"};

std::string disassembled(const std::string& cubin) {
  const std::string& path = Settings::process().path;
  std::string program = find_program("nvdisasm", path, {"/usr/local/cuda/bin"});
  if (program.empty())
    fail(Code::absent, "there is no disassembler here",
         {{"looked for", "nvdisasm"},
          {"where", "PATH, then /usr/local/cuda/bin"},
          {"to do", "install cuda-nvdisasm, or extract --cubin and disassemble it elsewhere"}});
  TemporaryFolder folder;
  write_whole_file(folder.path() + "/cubin", cubin);
  Command command;
  command.words = {program, folder.path() + "/cubin"};
  command.folder = folder.path();
  command.path = path;
  Finished finished = run_command(command);
  if (finished.too_late) fail(Code::deadline, "the disassembler did not end in two minutes", {{"program", program}});
  constexpr std::size_t most_kept = 1 << 20;  // of a child's output
  if (finished.code != 0 || finished.said.size() >= most_kept)
    fail(Code::compile, finished.code ? "the disassembler failed" : "the disassembly is longer than a MiB",
         {{"program", program}, {"said", finished.said.substr(0, 400)}});
  return finished.said;
}

std::string part_of(const Artifact& a, const std::string& name) {
  if (name == "key") return a.key_text;
  if (name == "ptx") return a.ptx;
  if (name == "ir") return a.ir;
  if (name == "log") return a.log;
  return name == "sass" && !a.cubin.empty() ? disassembled(a.cubin) : a.cubin;
}

struct Options {
  std::string key, out;
  std::map<std::string, bool> wanted;
};

std::map<std::string, std::string> extracted(const Artifact& artifact, const Options& options, const Listed& entry) {
  std::map<std::string, std::string> bytes;
  for (const auto& [name, wanted] : options.wanted) {
    if (!wanted) continue;
    bytes[name] = part_of(artifact, name);
    if (bytes[name].empty())
      fail(Code::miss, fmt::format("this entry has no {}", name == "sass" ? "cubin" : name),
           {{"spec", entry.request.spec_line}, {"file", entry.at.name}});
  }
  return bytes;
}

int extract(const Common& common, const Options& options) {
  Store store(common.cache);
  Listed entry = store.find(options.key);
  auto bytes = extracted(store.open(entry.at).value().artifact(), options, entry);
  if (bytes.empty())
    fail(Code::argument, "what to extract?", {{"to do", "add --cubin, --ptx, --ir, --key, --log or --sass"}});
  if (options.out.empty() && (bytes.size() > 1 || common.json))
    fail(Code::argument, "several parts, and JSON, need a folder", {{"to do", "add --out FOLDER"}});
  if (options.out.empty()) {
    const std::string& one = bytes.begin()->second;
    bool done = std::fwrite(one.data(), 1, one.size(), stdout) == one.size() && std::fflush(stdout) == 0;
    return done ? 0 : 1;
  }
  make_folders(options.out);
  Json files = Json::array();
  for (const auto& [name, text] : bytes) {
    std::string path = fmt::format("{}/{}.{}", options.out, hex64(entry.request.key_id), name);
    write_whole_file(path, text);
    files.push_back({{"part", name}, {"bytes", text.size()}, {"path", path}});
    if (!common.json) fmt::print("{}\n", path);
  }
  if (common.json) print_json({{"key", hex64(entry.request.key_id)}, {"files", files}});
  return 0;
}

}  // namespace

Body declare_extract(CLI::App& app, const Common& common) {
  auto options = std::make_shared<Options>();
  app.add_option("entry", options->key, "as for show")->type_name("KEY")->required();
  for (const char* part : parts)
    app.add_flag(fmt::format("--{}", part), options->wanted[part], fmt::format("its {}, byte for byte", part));
  app.get_option("--sass")->description("its machine code as text; needs nvdisasm");
  app.add_option("--out", options->out, "folder for KEY.ptx and so on (default: one part alone goes to stdout)")
      ->type_name("DIR");
  return [options, &common] { return extract(common, *options); };
}

}  // namespace pagejit::cache_tool
