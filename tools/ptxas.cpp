#include "tools/ptxas.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <tuple>

#include "runtime/base/error.h"
#include "runtime/base/text.h"
#include "runtime/cache/cubin_facts.h"
#include "runtime/cuda/assembler.h"
#include "tools/files.h"
#include "tools/program.h"
#include "tools/temporary_folder.h"

namespace pagejit {
namespace {
constexpr const char* usual_folder = "/usr/local/cuda/bin";

/// The file by what changes when its contents do.
using Identity = std::tuple<dev_t, ino_t, off_t, time_t, long, time_t, long>;

Identity identity_of(const std::string& file) {
  struct stat s;
  if (stat(file.c_str(), &s) != 0)
    fail(Code::absent, fmt::format("there is no program {}", file), {{"reason", std::strerror(errno)}});
  return {s.st_dev, s.st_ino, s.st_size, s.st_mtim.tv_sec, s.st_mtim.tv_nsec, s.st_ctim.tv_sec, s.st_ctim.tv_nsec};
}

std::string ask_version(const std::string& file, const std::string& path) {
  Finished asked = run_command({{file, "--version"}, {}, path, std::chrono::seconds(10), nullptr});
  constexpr std::string_view before = ", V";
  std::size_t at = asked.said.find(before);
  if (asked.code == 0 && at != std::string::npos) {
    std::size_t begin = at + before.size(), end = asked.said.find_first_not_of("0123456789.", begin);
    if (end != begin) return asked.said.substr(begin, end - begin);
  }
  fail(Code::absent, fmt::format("{} is not an assembler that can be used: it does not say its version", file),
       {{"asked", file + " --version"}, {"said", asked.said.substr(0, 400)}});
}

/// Without the lines that differ from run to run.
std::string stable(const std::string& log) {
  std::string text;
  for (std::string_view line : split(log, '\n'))
    if (line.find("Compile time") == std::string_view::npos) text.append(line) += '\n';
  return text;
}

/// The first complaint, and the line of PTX that it points at ("ptxas kernel.ptx, line 7; error …").
void add_complaint(Error::Fields& fields, const std::string& log, const std::string& ptx) {
  for (std::string_view line : split(log, '\n')) {
    if (line.find("error") == std::string_view::npos && line.find("fatal") == std::string_view::npos) continue;
    fields.emplace_back("ptxas", line);
    constexpr std::string_view before = ", line ";
    std::size_t at = line.find(before);
    if (at == std::string_view::npos) return;
    int number = std::atoi(std::string(line.substr(at + before.size(), 9)).c_str());
    std::string_view rest = ptx;
    for (int i = 1; i < number && !rest.empty(); ++i)
      rest.remove_prefix(std::min(rest.find('\n'), rest.size() - 1) + 1);
    fields.emplace_back("PTX line", fmt::format("{}: {}", number, rest.substr(0, rest.find('\n'))));
    return;
  }
}

bool too_new(const std::string& log) {
  return log.find("Unsupported .version") != std::string::npos ||
         log.find("is not defined for option 'gpu-name'") != std::string::npos;
}

}  // namespace

std::string ptxas_version(const std::string& file, const std::string& path) {
  static std::mutex lock;
  static std::map<Identity, std::string> known;
  Identity identity = identity_of(file);
  std::lock_guard guard(lock);
  auto [entry, fresh] = known.try_emplace(identity);
  if (fresh) try {
      entry->second = ask_version(file, path);
    } catch (...) {
      known.erase(entry);
      throw;
    }
  return entry->second;
}

PtxasProgram find_ptxas(const Settings& settings) {
  PtxasProgram program;
  if (settings.assembler == "driver") return program;
  program.path = settings.path;
  program.limit = std::chrono::milliseconds(parse_count(settings.compile_timeout_ms).value());
  program.file = settings.ptxas.empty() ? find_program("ptxas", settings.path, {usual_folder}) : settings.ptxas;
  if (program.file.empty() && settings.assembler != "ptxas") return program;
  if (program.file.empty() || access(program.file.c_str(), X_OK) != 0)
    fail(Code::absent, "the assembler that was asked for is absent",
         {{"looked for", program.file.empty() ? "ptxas" : program.file},
          {"where", settings.ptxas.empty() ? fmt::format("{}:{}", settings.path, usual_folder) : "PAGEJIT_PTXAS"}});
  program.version = ptxas_version(program.file, program.path);
  return program;
}

std::string chip_of(const std::string& target) {
  std::string number = target.substr(std::min<std::size_t>(target.size(), 3));
  number = number.substr(0, number.find_first_not_of("0123456789"));
  if (number.size() < 2) fail(Code::argument, fmt::format("'{}' is not a chip", target));
  return fmt::format("{}.{}", number.substr(0, number.size() - 1), number.back());
}

std::string Ptxas::producer() const {
  return fmt::format("assembler=ptxas {}\ncubin={}", program_.version, chip());
}

int Ptxas::driver() const {
  return ptxas_release(program_.version);
}

int ptxas_release(const std::string& version) {
  std::vector<std::string_view> parts = split(version, '.');
  auto part = [&](std::size_t i) { return i < parts.size() ? std::atoi(std::string(parts[i]).c_str()) : 0; };
  return part(0) * 1000 + part(1) * 10;
}

void Ptxas::assemble(Artifact& artifact) {
  if (artifact.facts.target != target_) fail(Code::internal, "an assembler of another target");
  TemporaryFolder folder;
  // Relative names: none of the folder's shows in messages or in the machine code.
  write_whole_file(folder.path() + "/kernel.ptx", artifact.ptx);
  Finished ran = run_command({{program_.file, "-v", "-arch=" + target_, "kernel.ptx", "-o", "kernel.cubin"},
                              folder.path(),
                              program_.path,
                              program_.limit,
                              stop_});
  if (ran.stopped) fail(Code::internal, "interrupted");
  if (ran.too_late)
    fail(Code::deadline, fmt::format("the assembler took longer than {} ms and was ended", program_.limit.count()),
         {{"stage", "assemble"},
          {"program", program_.file},
          {"variable", "PAGEJIT_COMPILE_TIMEOUT_MS"},
          {"instead", "this kernel is not made"}});
  std::string log = stable(ran.said);
  artifact.cubin = ran.code == 0 ? read_whole_file(folder.path() + "/kernel.cubin") : std::string();
  if (artifact.cubin.empty()) {
    Error::Fields fields{{"stage", "assemble"},
                         {"program", fmt::format("{} {}", program_.file, program_.version)},
                         {"exit code", std::to_string(ran.code)}};
    add_complaint(fields, log, artifact.ptx);
    if (!too_new(log))
      fail(Code::compile, fmt::format("ptxas cannot assemble the PTX of {}", artifact.facts.symbol), std::move(fields));
    fail(Code::too_new, "the PTX is newer than this ptxas understands", std::move(fields));
  }
  artifact.log += log;
  cuda::read_report(log, artifact.facts);
  cache::add_cubin_facts(artifact.facts, artifact.cubin);
}

}  // namespace pagejit
