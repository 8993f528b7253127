#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "runtime/base/settings.h"
#include "runtime/base/text.h"
#include "runtime/cache/lock.h"
#include "runtime/cache/root.h"
#include "runtime/cuda/driver.h"
#include "runtime/engine_options.h"
#include "tools/cache/command.h"
#include "tools/cache/print.h"
#include "tools/cli.h"
#include "tools/compiler_producer.h"
#include "tools/ptxas.h"

namespace pagejit::cache_tool {
namespace {

enum class State { ok, warn, fail };

struct Finding {
  std::string_view name;
  State state = State::ok;
  std::string detail, remedy;
  Code code = Code::internal;  // of a failure: it decides the exit code
};
using Findings = std::vector<Finding>;

std::string_view word(State state) {
  return state == State::ok ? "ok" : state == State::warn ? "warn" : "fail";
}

std::string remedy_of(const Error& e, const std::string& otherwise) {
  for (const auto& [name, value] : e.fields())
    if (name == "to do") return value;
  return otherwise;
}

void look_at_owner(const std::string& root, Findings& all) {
  struct stat status {};
  if (stat(root.c_str(), &status) != 0) return;
  all.push_back(
      {"owner", State::ok, fmt::format("{}: user {}, mode {:04o}", root, status.st_uid, status.st_mode & 07777), ""});
}

void look_at_file_system(int folder, Findings& all) {
  struct statfs fs {};
  if (fstatfs(folder, &fs) != 0) return;
  constexpr long nfs = 0x6969;
  bool network = fs.f_type == nfs;
  all.push_back({"file system", network ? State::warn : State::ok,
                 network ? "NFS" : fmt::format("type {:#x}", fs.f_type),
                 network ? "a folder on a local disk is faster; PAGEJIT_CACHE_RO can name the shared one" : ""});
}

void look_at_space(int folder, const cache::Limits& limits, Findings& all) {
  struct statvfs fs {};
  if (fstatvfs(folder, &fs) != 0) return;
  std::uint64_t space = std::uint64_t{fs.f_bavail} * fs.f_frsize;
  constexpr std::uint64_t least = 16u << 20;
  State state = space < least ? State::fail : space < limits.bytes ? State::warn : State::ok;
  all.push_back({"space", state,
                 fmt::format("{} free, the cache may take {}", bytes_text(space), bytes_text(limits.bytes)),
                 state == State::ok ? "" : "make room, or lower PAGEJIT_CACHE_MAX_SIZE", Code::internal});
}

void look_at_locks(int folder, Findings& all) {
  // Beyond every byte that the cache itself locks, so that nobody is kept waiting.
  cache::ByteLock lock(folder, cache::pins_byte + 1);
  bool works = lock.try_take() != cache::ByteLock::Answer::unavailable;
  all.push_back({"locks", works ? State::ok : State::warn, works ? "byte-range locks work" : "there are none here",
                 works ? "" : "processes that start together may compile a kernel more than once"});
}

void look_at_clock(int folder, Findings& all) {
  std::string name = cache::temporary_name();
  cache::Fd file = cache::open_to_write(folder, name, O_WRONLY | O_EXCL);
  struct stat status {};
  bool known = file && fstat(file.get(), &status) == 0;
  unlinkat(folder, name.c_str(), 0);
  std::int64_t off = known ? std::llabs(std::time(nullptr) - status.st_mtime) : 0;
  constexpr std::int64_t most = 60;
  all.push_back({"clock", off > most ? State::warn : State::ok,
                 known ? fmt::format("{} s off the file system's", off) : "the folder is not written",
                 off > most ? "set the clocks: the least recently used entries are told by time" : ""});
}

/// What costs a process one warning when it starts.
void look_at_root(const std::string& root, Findings& all) try {
  if (root.empty()) {
    all.push_back({"root", State::warn, "kernels are kept in memory only", "set PAGEJIT_CACHE_DIR or HOME"});
    return;
  }
  if (!std::filesystem::exists(root + "/v1")) {
    all.push_back({"root", State::ok, root + " is made when the first kernel is", ""});
    return;
  }
  bool group = Settings::process().cache_mode == "group";
  cache::Fd folder = cache::open_root(root, group ? cache::Access::group : cache::Access::own);
  all.push_back({"root", State::ok, root, ""});
  look_at_file_system(folder.get(), all);
  look_at_space(folder.get(), EngineOptions::from(Settings::process()).limits, all);
  look_at_locks(folder.get(), all);
  look_at_clock(folder.get(), all);
  std::size_t bad = cache::names_in(folder.get(), "bad").size();
  all.push_back({"damage", bad ? State::warn : State::ok, fmt::format("{} entries were moved aside", bad),
                 bad ? "pagejit-cache verify; check the disk if it goes on" : ""});
} catch (const Error& e) {
  all.push_back({"root", State::fail, e.message(), "chown and chmod 0700 it, or set PAGEJIT_CACHE_DIR", e.code()});
}

void look_at_shared(Findings& all) {
  const Settings& s = Settings::process();
  for (std::string_view path : split(s.cache_ro, ':')) try {
      Store store{std::string(path)};
      all.push_back({"layer", State::ok, fmt::format("{}: {} entries", path, store.files().size()), ""});
    } catch (const Error& e) {
      all.push_back(
          {"layer", State::fail, fmt::format("{}: {}", path, e.message()), "mend PAGEJIT_CACHE_RO", e.code()});
    }
  if (s.remote.empty()) return;
  auto journal = std::make_shared<cache::Journal>();
  cache::Layers layers;
  EngineOptions options = EngineOptions::from(s);
  cache::add_shared_layers(layers, "", options.shared, nullptr, {options.group, options.limits, journal});
  Request request = make_request("doctor", "none", "", "");
  cache::Wanted wanted{request, {}, {}, {}};
  layers.get(wanted);
  bool used = !layers.all().empty(), answers = used && journal->counters()["remote_errors"] == 0;
  all.push_back({"remote", answers ? State::ok : State::warn,
                 used ? answers ? "answers" : "does not answer" : "is not used",
                 answers ? "" : "see the warnings; kernels are made here instead"});
}

void look_at_tools(Findings& all) {
  std::string lines = compiler_producer();
  if (lines.empty()) lines = "this build has none: what is not cached cannot be made";
  all.push_back({"LLVM", State::ok, join(split(lines, '\n'), ", "), ""});
  try {
    PtxasProgram ptxas = find_ptxas(Settings::process());
    all.push_back(
        {"assembler", State::ok, ptxas ? ptxas.file + " " + ptxas.version : "no ptxas: the driver assembles", ""});
  } catch (const Error& e) {
    all.push_back({"assembler", State::fail, e.message(), remedy_of(e, "mend PAGEJIT_PTXAS"), e.code()});
  }
  try {
    auto driver = cuda::Driver::open();
    int devices = 0;
    driver->device_count(&devices);
    all.push_back(
        {"driver", State::ok,
         fmt::format("CUDA {}.{}, {} devices", driver->version() / 1000, driver->version() % 1000 / 10, devices), ""});
  } catch (const Error& e) {
    all.push_back({"driver", State::warn, e.message(), "needed to launch kernels, and for nothing here"});
  }
}

Findings examine(const std::string& root) {
  Findings all;
  look_at_owner(root, all);
  look_at_root(root, all);
  look_at_shared(all);
  look_at_tools(all);
  for (const std::string& warning : Settings::process().warnings)
    all.push_back({"setting", State::warn, warning, "pagejit-cache config shows them all"});
  return all;
}

int doctor(const Common& common) {
  Findings all = examine(common.cache.empty() ? cache::private_root(Settings::process()) : common.cache);
  Json rows = Json::array();
  int code = 0;
  for (const Finding& f : all) {
    if (f.state == State::fail) code = cli::worse(code, cli::exit_code(f.code));
    rows.push_back({{"name", f.name}, {"state", word(f.state)}, {"detail", f.detail}, {"remedy", f.remedy}});
    if (common.json) continue;
    fmt::print("{:<5} {:<12} {}\n", word(f.state), f.name, f.detail);
    if (!f.remedy.empty()) fmt::print("{:<18} {}\n", "", f.remedy);
  }
  if (common.json) print_json({{"findings", rows}});
  return code;
}

}  // namespace

Body declare_doctor(CLI::App&, const Common& common) {
  return [&common] { return doctor(common); };
}

}  // namespace pagejit::cache_tool
