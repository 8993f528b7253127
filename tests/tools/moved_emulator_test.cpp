// What says nothing of a kernel must not cost one: where cache, program and home lie, who asks, when, and in which
// language. Kernels made before the move are all hits after it.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/support/run_program.h"
#include "tests/support/skip.h"
#include "tools/temporary_folder.h"

namespace pagejit {
namespace {
using Json = nlohmann::json;
namespace fs = std::filesystem;

/// A cache with kernels of every family, and a copy of it and of the program that made it.
struct Moved {
  TemporaryFolder before, after;
  std::string cache = after.path() + "/elsewhere/kernels", program = after.path() + "/bin/pj";

  Moved() {
    Json made = ask("pagejit-precompile", before.path() + "/cache", "");
    REQUIRE(made["variants"].size() == 5);
    for (const Json& v : made["variants"]) REQUIRE(v["from_cache"] == false);
    fs::create_directories(after.path() + "/elsewhere");
    fs::create_directories(after.path() + "/bin");
    fs::copy(before.path() + "/cache", cache, fs::copy_options::recursive);
    for (const auto& folder : fs::recursive_directory_iterator(cache))
      if (folder.is_directory()) chmod(folder.path().c_str(), 0700);
    chmod(cache.c_str(), 0700);
    fs::copy_file(PAGEJIT_BINARY_DIR "/bin/pagejit-precompile", program);
  }
  static Json ask(const std::string& program, const std::string& cache, const std::string& settings) {
    Ran ran = run_program(settings + " PAGEJIT_ASSEMBLER=driver " + program +
                          " --spec flatten --spec append --spec rope --spec indices --spec 'flatten page=16' "
                          "--target sm_90a --json --cache '" +
                          cache + "'");
    REQUIRE_MESSAGE(ran.code == 0, ran.err);
    return Json::parse(ran.out);
  }
  void check_hits(const std::string& settings, const std::string& run) const {
    Json again = ask(run, cache, settings);
    REQUIRE(again["variants"].size() == 5);
    for (const Json& v : again["variants"]) CHECK_MESSAGE(v["from_cache"] == true, v["spec"]);
  }
};

}  // namespace

TEST_CASE("moved: another folder for cache, program and home, another language and time zone: all hits") {
  Moved m;
  m.check_hits(
      "HOME='" + m.after.path() + "' XDG_CACHE_HOME=/nonexistent LC_ALL=tr_TR.UTF-8 LANG=de_DE TZ=Asia/Kathmandu",
      m.program);
  m.check_hits("cd / && HOME= LC_ALL=C TZ=", m.program);
}

TEST_CASE("moved: files that are older or newer than the program, by years: all hits") {
  Moved m;
  for (const char* date : {"2001-02-03", "2035-01-01"}) {
    Ran touched = run_program("find '" + m.cache + "' '" + m.program + "' -exec touch -d " + date + " {} +");
    REQUIRE(touched.code == 0);
    m.check_hits("", m.program);
  }
}

TEST_CASE("moved: another user, whose own the copy is: all hits") {
  if (geteuid() != 0) return skip_test("only root can become another user");
  Moved m;
  constexpr unsigned nobody = 65534;
  for (const std::string& path : {m.after.path(), m.after.path() + "/bin", m.after.path() + "/elsewhere"})
    REQUIRE(chmod(path.c_str(), 0755) == 0);
  for (const auto& file : fs::recursive_directory_iterator(m.after.path() + "/elsewhere"))
    REQUIRE(lchown(file.path().c_str(), nobody, nobody) == 0);
  std::string as_nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups ";
  if (run_program(as_nobody + "true").code != 0) return skip_test("setpriv cannot change the user here");
  m.check_hits("HOME=/nonexistent", "TMPDIR=/tmp " + as_nobody + m.program);
}

}  // namespace pagejit
