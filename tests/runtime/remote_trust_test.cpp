// Whose entries are taken, and where they are kept.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/cache/adopt.h"
#include "runtime/cache/bundle_write.h"
#include "runtime/cache/layer_list.h"
#include "runtime/cache/remote_layer.h"
#include "tests/runtime/shared.h"

namespace pagejit::cache {
namespace {
using namespace pagejit::testing;

struct Site {
  TempFolder folder;
  std::string store = folder.path() + "/store", root = folder.path() + "/root";
  std::shared_ptr<CountingCompiler> compiler = std::make_shared<CountingCompiler>();
  EngineOptions options = options_for(root);

  Site() {
    std::filesystem::create_directory(store);
    options.shared.remote = "file:" + store;
  }
  std::string key_file(char letter) {
    std::string path = folder.path() + "/key-" + letter;
    write_file(path, std::string(32, letter));
    chmod(path.c_str(), 0600);
    return path;
  }
  void fill(std::shared_ptr<const SigningKey> key = nullptr) {
    RemoteOptions remote;
    remote.write = true;
    remote.flush = Milliseconds(4000);
    remote.key = std::move(key);
    RemoteLayer(RemoteUrl::parse(options.shared.remote), remote).put(sample_request(1), stored(), "", false);
  }
  static Artifact stored() {
    Artifact a = sample_artifact_of(1);
    a.cubin.clear();
    a.facts.chip.clear();
    a.producer = "assembler=none\ncubin=none\nllvm=22.1.8\n";
    return a;
  }
  /// Where a new process finds the kernel: a layer's kind, or "" where it compiles.
  std::string served_by() {
    Engine engine(compiler, options);
    engine.artifact(sample_request(1));
    Counters counters = engine.counters();
    for (const char* kind : {"private", "adopted", "readonly", "bundle", "remote"})
      if (counters[std::string("hits.") + kind] > 0) return kind;
    return "";
  }
};

TEST_CASE("a remote kernel is fetched once, and then lies in adopted/") {
  Site s;
  s.fill();
  CHECK(s.served_by() == "remote");
  std::filesystem::remove_all(s.store);
  CHECK(s.served_by() == "adopted");
  CHECK(s.compiler->compiles == 0);
}

TEST_CASE("PAGEJIT_CACHE_PROMOTE decides what is adopted: nothing, the remote store's, or every shared layer's") {
  for (Promote promote : {Promote::off, Promote::remote, Promote::all}) {
    CAPTURE(static_cast<int>(promote));
    auto adopts = [&](const char* from) {
      Site s;
      s.options.shared.promote = promote;
      std::string folder = s.folder.path() + "/shared", bundle = s.folder.path() + "/x.pjpack";
      if (from == std::string("remote")) s.fill();
      if (from == std::string("readonly")) {
        Disk(folder, Disk::Use::read_write).put(sample_request(1), Site::stored(), "", false);
        s.options.cache_ro = folder;
      }
      if (from == std::string("bundle")) {
        BundleWriter writer(bundle);
        writer.add(write_entry(Site::stored(), ""));
        writer.finish();
        s.options.cache_ro = bundle;
      }
      CHECK(s.served_by() == from);
      return s.served_by() == "adopted";
    };
    CHECK(adopts("remote") == (promote != Promote::off));
    CHECK(adopts("readonly") == (promote == Promote::all));
    CHECK(adopts("bundle") == (promote == Promote::all));
  }
}

TEST_CASE("with a key, only entries that it has signed come from the remote store; the others are PJ0010") {
  Site s;
  s.options.shared.hmac_key_file = s.key_file('a');
  LogCapture log;
  s.fill();
  CHECK(s.served_by() == "");
  REQUIRE(log.lines.size() == 1);
  CHECK(contains(log.lines[0], "PJ0010"));
  CHECK(contains(log.lines[0], "has no signature"));

  Site other;
  other.options.shared.hmac_key_file = other.key_file('a');
  other.fill(SigningKey::load(other.key_file('b')));
  CHECK(other.served_by() == "");

  Site good;
  good.options.shared.hmac_key_file = good.key_file('a');
  good.fill(SigningKey::load(good.key_file('a')));
  CHECK(good.served_by() == "remote");
  CHECK(good.served_by() == "adopted");
}

TEST_CASE("what was adopted before there was a key is not used with one") {
  Site s;
  s.fill();
  CHECK(s.served_by() == "remote");
  std::filesystem::remove_all(s.store);
  s.options.shared.hmac_key_file = s.key_file('a');
  LogCapture log;
  CHECK(s.served_by() == "");
  CHECK(contains(log.lines.at(0), "PJ0010"));
}

TEST_CASE("a key that cannot be used leaves bundles and the remote store out, with one PJ0009") {
  Site s;
  s.fill();
  BundleWriter writer(s.folder.path() + "/x.pjpack");
  writer.add(write_entry(Site::stored(), ""));
  writer.finish();
  s.options.cache_ro = s.folder.path() + "/x.pjpack";
  s.options.shared.hmac_key_file = s.key_file('a');
  chmod(s.options.shared.hmac_key_file.c_str(), 0644);
  LogCapture log;
  CHECK(s.served_by() == "");
  REQUIRE(log.lines.size() == 1);
  CHECK(contains(log.lines[0], "PJ0009"));
  CHECK(contains(log.lines[0], "0644"));
}

TEST_CASE("a plain connection to another machine needs a key, or whoever says that it is safe") {
  Site s;
  for (const char* scheme : {"http", "redis"}) {
    auto refused = [&] {
      LogCapture log;
      Layers layers;
      add_shared_layers(layers, "", s.options.shared, nullptr, {});
      CHECK(layers.all().size() + log.lines.size() == 1);
      return !log.lines.empty() && contains(log.lines[0], "PJ0009");
    };
    s.options.shared = {};
    s.options.shared.remote = scheme + std::string("://me:secret@192.0.2.1");
    CHECK(refused());
    s.options.shared.remote_insecure = true;
    CHECK_FALSE(refused());
    s.options.shared.remote_insecure = false;
    s.options.shared.hmac_key_file = s.key_file('a');
    CHECK_FALSE(refused());
    s.options.shared = {};
    s.options.shared.remote = scheme + std::string("://127.0.0.1");
    CHECK_FALSE(refused());
  }
  s.options.shared.remote = "https://192.0.2.1";
  Layers layers;
  add_shared_layers(layers, "", s.options.shared, nullptr, {});
  CHECK(layers.all().size() == 1);
}

TEST_CASE("a folder of another user is no remote store without a key" * doctest::skip(geteuid() != 0)) {
  Site s;
  s.fill(SigningKey::load(s.key_file('a')));
  REQUIRE(chown((s.store + "/v1").c_str(), 12345, 12345) == 0);
  LogCapture log;
  CHECK(s.served_by() == "");
  CHECK(contains(log.lines.at(0), "PJ0009"));
  CHECK(contains(log.lines.at(0), "another user"));
  s.options.shared.hmac_key_file = s.key_file('a');
  std::filesystem::remove_all(s.root);
  CHECK(s.served_by() == "remote");
}

TEST_CASE("an adopted kernel that the driver refuses is moved aside") {
  Site s;
  s.fill();
  CHECK(s.served_by() == "remote");
  Disk root(s.root, Disk::Use::read_write);
  Adopted adopted(s.root, root.folder(), {});
  Request request = sample_request(1);
  std::optional<Hit> hit = adopted.get(wanted_without_compiler(request));
  REQUIRE(hit);
  LogCapture log;
  adopted.reject(hit->file, "the driver refused it");
  CHECK_FALSE(adopted.get(wanted_without_compiler(request)));
  CHECK(files_under(s.root + "/v1/bad").size() == 1);
}
}  // namespace
}  // namespace pagejit::cache
