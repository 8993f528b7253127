#include "runtime/cache/disk.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/cache/producer.h"
#include "runtime/cache/root.h"
#include "tests/runtime/support.h"
#include "tests/support/seed.h"

namespace pagejit::cache {
namespace {
using namespace pagejit::testing;
using Use = Disk::Use;

constexpr char assembler[] = "assembler=driver 13000\ncubin=9.0";

Wanted want(const Request& r) {
  Wanted w{r, "llvm=22.1.8\n", assembler, "9.0"};
  w.driver = 13000;
  return w;
}

Artifact artifact_for(const Request& r, const std::string& producer = full_producer("llvm=22.1.8\n", assembler)) {
  Artifact a = sample_artifact();
  a.key_text = r.key_text;
  a.producer = producer;
  a.facts.chip = "9.0";
  a.facts.driver = 13000;
  return a;
}

std::string only_entry(const std::string& folder) {
  std::string found;
  for (const std::string& file : files_under(folder + "/v1/objects")) found = folder + "/v1/objects/" + file;
  return found;
}

TEST_CASE(
    "what is put into a folder is found by the next process, in one file, with a tag, a lock and a count beside it") {
  TempFolder folder;
  Request r = sample_request();
  Disk(folder.path(), Use::read_write).put(r, artifact_for(r), "", false);
  Disk later(folder.path(), Use::read_write);
  std::optional<Hit> hit = later.get(want(r));
  REQUIRE(hit);
  CHECK(hit->artifact.cubin == artifact_for(r).cubin);
  CHECK(hit->file == entry_name(r, artifact_for(r).producer));
  CHECK(files_under(folder.path()) == std::vector<std::string>{"v1/CACHEDIR.TAG", "v1/lock",
                                                               "v1/objects/" + hit->file.substr(0, 2) + "/" + hit->file,
                                                               "v1/size"});
}

TEST_CASE("folders are for this user only, and so are files") {
  TempFolder folder;
  std::string root = folder.path() + "/a/b";
  Request r = sample_request();
  Disk(root, Use::read_write).put(r, artifact_for(r), "", false);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path())) {
    struct stat s;
    stat(entry.path().c_str(), &s);
    CAPTURE(entry.path());
    CHECK((s.st_mode & 07777) == (entry.is_directory() ? 0700u : 0600u));
  }
}

TEST_CASE("an entry whose key text differs is a miss, though its name is the wanted one") {
  TempFolder folder;
  Disk disk(folder.path(), Use::read_write);
  Request r = sample_request(64), other = sample_request(61);
  disk.put(r, artifact_for(other), "", false);  // under r's name
  CHECK_FALSE(disk.get(want(r)));
}

TEST_CASE("a second entry of one name is dropped, and replaces the first only when told to") {
  TempFolder folder;
  Disk disk(folder.path(), Use::read_write);
  Request r = sample_request();
  Artifact first = artifact_for(r), second = first;
  second.cubin = "other bytes";
  disk.put(r, first, "", false);
  disk.put(r, second, "", false);
  CHECK(disk.get(want(r))->artifact.cubin == first.cubin);
  disk.put(r, second, "", true);
  CHECK(disk.get(want(r))->artifact.cubin == "other bytes");
  CHECK(files_under(folder.path() + "/v1/tmp").empty());
}

TEST_CASE("a damaged entry is a miss, lies in bad/ afterwards, and is warned about once") {
  TempFolder folder;
  Disk disk(folder.path(), Use::read_write);
  LogCapture log;
  auto random = random_for("damaged entries");
  for (int i = 0; i < 200; ++i) {
    Request r = sample_request(1 + i);
    disk.put(r, artifact_for(r), "", false);
    std::string path = only_entry(folder.path()), bytes = read_file(path);
    Wanted w = want(r);
    w.complete = true;  // all sections are read, so that any byte counts
    switch (i % 4) {
      case 0:
        bytes[random() % bytes.size()] ^= 0x40;
        break;
      case 1:
        bytes.resize(random() % bytes.size());
        break;
      case 2:
        bytes += "tail";
        break;
      case 3:
        for (char& c : bytes) c = static_cast<char>(random());
        break;
    }
    write_file(path, bytes);
    CAPTURE(i);
    std::optional<Hit> hit = disk.get(w);
    REQUIRE_FALSE(hit);
    std::filesystem::remove(path);  // where a newer format number made it "not there"
  }
  CHECK(log.lines.size() == 1);
  CHECK(contains(log.lines[0], "PJ0008"));
  CHECK(contains(log.lines[0], folder.path() + "/v1/bad/"));
  CHECK(files_under(folder.path() + "/v1/bad").size() == 64);  // no more are kept
}

TEST_CASE("another compiler's entry is a miss, unless any will do") {
  TempFolder folder;
  Disk disk(folder.path(), Use::read_write);
  Request r = sample_request();
  disk.put(r, artifact_for(r, full_producer("llvm=21.0.0\n", assembler)), "", false);
  Wanted w = want(r);
  CHECK_FALSE(disk.get(w));
  w.any_producer = true;
  CHECK(disk.get(w));
  Wanted without_compiler = want(r);
  without_compiler.compiler.clear();  // takes what there is
  CHECK(disk.get(without_compiler));
}

TEST_CASE("an entry without machine code that fits is read with its PTX") {
  TempFolder folder;
  Disk disk(folder.path(), Use::read_write);
  Request r = sample_request();
  disk.put(r, artifact_for(r), "", false);
  Wanted w = want(r);
  CHECK(disk.get(w)->artifact.ptx.empty());
  w.driver = 12080;
  CHECK_FALSE(disk.get(w)->artifact.ptx.empty());
  Wanted ada = want(r);
  ada.chip = "8.9";
  CHECK_FALSE(disk.get(ada)->artifact.ptx.empty());
}

TEST_CASE("where producers compete, the exact one wins, then the same compiler's") {
  TempFolder folder;
  Disk disk(folder.path(), Use::read_write);
  Request r = sample_request();
  auto put = [&](const char* compiler, const char* by) {
    Artifact a = artifact_for(r, full_producer(compiler, by));
    a.log = a.producer;
    disk.put(r, a, "", false);
  };
  Wanted w = want(r);
  w.any_producer = w.complete = true;
  put("llvm=21.0.0\n", assembler);
  CHECK(contains(disk.get(w)->artifact.producer, "llvm=21"));
  put("llvm=22.1.8\n", "");
  CHECK(disk.get(w)->artifact.producer == full_producer("llvm=22.1.8\n", ""));
  put("llvm=22.1.8\n", assembler);
  CHECK(disk.get(w)->artifact.producer == full_producer("llvm=22.1.8\n", assembler));
}

TEST_CASE("a folder that others may write into is refused, with its owner and mode") {
  TempFolder folder;
  chmod(folder.path().c_str(), 0777);
  Error e = thrown([&] { Disk(folder.path(), Use::read_write); });
  CHECK(e.code() == Code::unsafe_cache);
  CHECK(contains(e.what(), "others may write"));
  CHECK(contains(e.what(), "0777"));
  CHECK(contains(e.what(), "memory"));
}

TEST_CASE("a folder of another user is refused" * doctest::skip(geteuid() != 0)) {
  TempFolder folder;
  REQUIRE(chown(folder.path().c_str(), 12345, 12345) == 0);
  CHECK(contains(thrown([&] { Disk(folder.path(), Use::read_write); }).what(), "belongs to another user"));
}

TEST_CASE("a link in place of an entry or of v1 is not followed") {
  TempFolder folder, elsewhere;
  Request r = sample_request();
  Disk disk(folder.path(), Use::read_write);
  disk.put(r, artifact_for(r), "", false);
  std::string path = only_entry(folder.path());
  std::filesystem::rename(path, elsewhere.path() + "/x");
  std::filesystem::create_symlink(elsewhere.path() + "/x", path);
  CHECK_FALSE(disk.get(want(r)));
  std::filesystem::create_directory_symlink(folder.path() + "/v1", elsewhere.path() + "/v1");
  CHECK(thrown([&] { Disk(elsewhere.path(), Use::read_only); }).code() == Code::unsafe_cache);
}

TEST_CASE("a read-only folder is read and never written, not even to move damage away") {
  TempFolder folder;
  Request r = sample_request();
  Disk(folder.path(), Use::read_write).put(r, artifact_for(r), "", false);
  Disk disk(folder.path(), Use::read_only);
  CHECK(disk.get(want(r)));
  disk.put(sample_request(61), artifact_for(sample_request(61)), "", false);
  CHECK(disk.files().size() == 1);
  LogCapture log;
  write_file(only_entry(folder.path()), "PJKERNEL and nonsense");
  CHECK_FALSE(disk.get(want(r)));
  CHECK(disk.files().size() == 1);
  CHECK(contains(log.lines.at(0), "the layer is only read"));
}

TEST_CASE("a folder that cannot be written costs one warning and no kernel" * doctest::skip(geteuid() == 0)) {
  TempFolder folder;
  Disk disk(folder.path(), Use::read_write);
  chmod((folder.path() + "/v1/tmp").c_str(), 0500);
  LogCapture log;
  Request r = sample_request();
  disk.put(r, artifact_for(r), "", false);
  disk.put(r, artifact_for(r), "", false);
  CHECK(log.lines.size() == 1);
  chmod((folder.path() + "/v1/tmp").c_str(), 0700);
}
}  // namespace
}  // namespace pagejit::cache
