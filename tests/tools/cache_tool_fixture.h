// A cache folder with two kernels, as the tests of pagejit-cache find it.
#pragma once
#include <doctest/doctest.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "kernels/registry.h"
#include "runtime/base/text.h"
#include "runtime/cache/disk.h"
#include "runtime/cache/root.h"
#include "tests/support/run_program.h"
#include "tools/compiler_producer.h"
#include "tools/temporary_folder.h"

namespace pagejit {

inline bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Entries of flatten for page 16 and page 64, 32 and 80 registers, the second with 8 bytes of spills.
class FilledCache {
 public:
  FilledCache() {
    cache::Disk disk(root(), cache::Disk::Use::read_write);
    for (int page : {16, 64}) {
      Artifact a = artifact(request(page), page);
      disk.put(request(page), a, cache::history_text(a, "new-spec", 1'700'000'000), false);
    }
  }

  /// As this build's own compiler would have made them, so that they are hits for it.
  static std::string producer() {
    std::string llvm = compiler_producer();
    return "assembler=none\ncubin=none\n" + (llvm.empty() ? "llvm=22.1\n" : llvm);
  }
  static Request request(int page, const std::string& target = "sm_90a") {
    return request_for("flatten page=" + std::to_string(page), target);
  }
  static Artifact artifact(const Request& request, int page) {
    Artifact a;
    a.key_text = request.key_text;
    a.producer = producer();
    a.facts.symbol = "flatten";
    a.facts.target = request.target;
    a.facts.block = 256;
    a.facts.registers = page == 64 ? 80 : 32;
    a.facts.spill_store = a.facts.spill_load = page == 64 ? 4 : 0;
    a.ptx = ".entry flatten\nmov r1, " + std::to_string(page) + ";\nret;\n";
    a.ms["emit"] = 1.5;
    return a;
  }
  static std::string key(int page) { return hex64(request(page).key_id); }
  static std::string file(int page) { return cache::entry_name(request(page), producer()); }

  std::string root() const { return folder_.path() + "/root"; }
  std::string path(int page) const { return root() + "/v1/" + cache::shard_of(file(page)) + "/" + file(page); }
  /// A file beside the root.
  std::string beside(const std::string& name) const { return folder_.path() + "/" + name; }
  bool there(int page) const { return std::filesystem::exists(path(page)); }
  void age(int page, int hours) const {
    std::filesystem::last_write_time(path(page),
                                     std::filesystem::file_time_type::clock::now() - std::chrono::hours(hours));
  }
  void spoil(int page) const {
    std::fstream entry(path(page), std::ios::in | std::ios::out | std::ios::binary);
    entry.seekp(-20, std::ios::end);
    entry.put('!');
  }

  /// "stats --json" and the like. Settings of whoever runs the tests do not reach the tool.
  Ran run(const std::string& command) const { return run_on(root(), command); }
  Ran run_on(const std::string& cache, const std::string& command) const {
    return run_program("env -u PAGEJIT_CACHE_RO -u PAGEJIT_ARCH HOME='" + folder_.path() + "' pagejit-cache " +
                       command + " --cache '" + cache + "'");
  }
  nlohmann::json json(const std::string& command) const { return nlohmann::json::parse(run(command + " --json").out); }

 private:
  TemporaryFolder folder_;
};

}  // namespace pagejit
