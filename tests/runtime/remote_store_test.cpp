// Stores that work: folders, web servers, Redis.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include "runtime/cache/remote.h"
#include "runtime/cache/remote_index.h"
#include "runtime/cache/remote_layer.h"
#include "tests/runtime/shared.h"
#include "tests/runtime/test_server.h"

namespace pagejit::cache {
namespace {
using namespace pagejit::testing;

RemoteOptions options_to_write() {
  RemoteOptions options;
  options.write = true;
  options.flush = Milliseconds(4000);  // a test waits for what it wants to see
  return options;
}

/// Stores three kernels as one process, and reads them as others.
void check_round_trip(const std::string& address) {
  CAPTURE(address);
  RemoteUrl url = RemoteUrl::parse(address);
  {
    RemoteLayer writer(url, options_to_write());
    for (int page : {1, 2, 3}) writer.put(sample_request(page), sample_artifact_of(page), "cause=x\n", false);
  }
  RemoteLayer reader(url, {});
  for (int page : {1, 2, 3}) {
    Request request = sample_request(page);
    std::optional<Hit> exact = reader.get(wanted_by_compiler(request)),
                       any = reader.get(wanted_without_compiler(request));
    REQUIRE(exact);
    CHECK(exact->artifact.cubin == sample_artifact_of(page).cubin);
    REQUIRE(any);
    CHECK(any->file == entry_name_of(page));
  }
  CHECK_FALSE(reader.get(wanted_by_compiler(sample_request(4))));
}

TEST_CASE("a folder as a remote store gives back what was stored, to processes without a compiler too") {
  TempFolder folder;
  check_round_trip("file:" + folder.path());
}

TEST_CASE("a web server gives back what was stored, to processes without a compiler too") {
  TempFolder folder;
  int port = free_port();
  Daemon nginx = start_nginx(folder.path(), port);
  if (nginx.running()) check_round_trip(local_url("http", port, "/some/prefix"));
}

TEST_CASE("Redis gives back what was stored, to processes without a compiler too") {
  TempFolder folder;
  int port = free_port();
  Daemon redis = start_redis(folder.path(), port);
  if (redis.running()) check_round_trip(local_url("redis", port, "/2"));
}

TEST_CASE("Redis restarted between two requests is no error") {
  TempFolder folder;
  int port = free_port();
  Daemon redis = start_redis(folder.path(), port);
  if (!redis.running()) return;
  RemoteUrl url = RemoteUrl::parse(local_url("redis", port));
  auto journal = std::make_shared<Journal>();
  RemoteOptions options = options_to_write();
  options.journal = journal;
  RemoteLayer layer(url, options);
  CHECK_FALSE(layer.get(wanted_by_compiler(sample_request(1))));
  redis.stop();
  redis = start_redis(folder.path(), port);
  REQUIRE(redis.running());
  RemoteLayer(url, options_to_write()).put(sample_request(1), sample_artifact_of(1), "", false);
  CHECK(layer.get(wanted_by_compiler(sample_request(1))));
  CHECK(journal->counters()["remote_errors"] == 0);
}

TEST_CASE("Redis ended under a running process costs it errors, 300 ms at most, and no kernel") {
  TempFolder folder, own;
  int port = free_port();
  Daemon redis = start_redis(folder.path(), port);
  if (!redis.running()) return;
  EngineOptions options = options_for(own.path());
  options.shared.remote = local_url("redis", port);
  LogCapture log;
  auto compiler = std::make_shared<CountingCompiler>();
  Engine engine(compiler, options);
  engine.artifact(sample_request(1));
  CHECK(engine.counters()["remote_errors"] == 0);
  redis.stop();
  auto start = std::chrono::steady_clock::now();
  for (int page = 2; page <= 9; ++page) CHECK_FALSE(engine.artifact(sample_request(page)).ptx.empty());
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::milliseconds(450));  // 150 for a busy machine
  CHECK(compiler->compiles == 9);
  CHECK(engine.counters()["remote_errors"] >= 1);
  CHECK(log.lines.size() == 1);
}

TEST_CASE("a cluster's redirection is followed") {
  FakeServer holder([](const std::string&) {
    std::string entry = sample_entry(1);
    return FakeServer::Answer{"$" + std::to_string(entry.size()) + "\r\n" + entry + "\r\n"};
  });
  FakeServer asked([&](const std::string&) {
    return FakeServer::Answer{"-MOVED 3999 127.0.0.1:" + std::to_string(holder.port()) + "\r\n"};
  });
  RemoteLayer layer(RemoteUrl::parse(local_url("redis", asked.port())), {});
  CHECK(layer.get(wanted_by_compiler(sample_request(1))));
}

TEST_CASE("redirections that go round, or lead to another machine, are a failure and no more") {
  int port = 0;
  FakeServer round(
      [&](const std::string&) { return FakeServer::Answer{"-MOVED 3999 127.0.0.1:" + std::to_string(port) + "\r\n"}; });
  port = round.port();
  FakeServer away([&](const std::string&) { return FakeServer::Answer{"-MOVED 3999 192.0.2.1:6379\r\n"}; });
  for (const FakeServer* server : {&round, &away}) {
    auto store = open_store(RemoteUrl::parse(local_url("redis", server->port())), {});
    Transfer transfer;
    CHECK(thrown([&] { store->get("x", transfer); }).code() == Code::deadline);
  }
}

TEST_CASE("while another machine says that it makes a kernel, this one waits for it, as long as a compile takes") {
  TempFolder folder;
  int port = free_port();
  Daemon redis = start_redis(folder.path(), port);
  if (!redis.running()) return;
  RemoteUrl url = RemoteUrl::parse(local_url("redis", port));
  RemoteLayer first(url, options_to_write()), second(url, options_to_write());
  Request request = sample_request(1);
  CHECK_FALSE(first.get(wanted_by_compiler(request)));  // claims it
  std::thread compile([&] {
    std::this_thread::sleep_for(Milliseconds(40));
    first.put(request, sample_artifact_of(1), "", false);
  });
  CHECK(second.get(wanted_by_compiler(request)));
  compile.join();

  Request dropped = sample_request(2);
  CHECK_FALSE(first.get(wanted_by_compiler(dropped)));  // claims it, and makes nothing
  auto start = std::chrono::steady_clock::now();
  CHECK_FALSE(second.get(wanted_by_compiler(dropped)));
  CHECK(std::chrono::steady_clock::now() - start < Milliseconds(400));
}

TEST_CASE("a store that is only read is never written") {
  TempFolder folder;
  RemoteLayer(RemoteUrl::parse("file:" + folder.path()), {}).put(sample_request(1), sample_artifact_of(1), "", false);
  CHECK(files_under(folder.path()).empty());
}

TEST_CASE("an index names producers, forgets the oldest of too many, and skips what it does not understand") {
  std::vector<std::string> producers;
  for (int i = 0; i < 70; ++i) CHECK(add_to_index(producers, "llvm=" + std::to_string(i) + "\nassembler=none\n"));
  CHECK_FALSE(add_to_index(producers, producers.back()));
  CHECK(producers.size() == 64);
  std::string text = write_index(producers);
  CHECK(parse_index(text) == producers);
  CHECK(parse_index(text + "0123456789abcdef somebody%20else\nhalf a li") == producers);
  CHECK(parse_index("<html>no such page</html>").empty());
  CHECK(parse_index(text + std::string(1 << 20, 'x')).empty());
}

TEST_CASE("of several producers in an index, the one whose code runs as it is is asked for") {
  std::vector<std::string> producers{
      "assembler=driver 12080\ncubin=9.0\nllvm=21\n", "assembler=driver 13000\ncubin=9.0\nllvm=21\n",
      "assembler=driver 13010\ncubin=9.0\nllvm=21\n", "assembler=driver 13000\ncubin=8.9\nllvm=21\n"};
  Request request = sample_request(1);
  CHECK(best_producer(producers, wanted_without_compiler(request)) == producers[1]);
  Wanted exact = wanted_by_compiler(request);
  exact.only_exact = true;
  CHECK(best_producer(producers, exact).empty());
}

TEST_CASE("an address is shown without user, password and query") {
  RemoteUrl url = RemoteUrl::parse("https://me:secret@host.example:8443/a/b/?token=t");
  CHECK(url.shown() == "https://host.example:8443/a/b");
  CHECK(url.user == "me");
  CHECK(url.password == "secret");
  CHECK(url.query == "?token=t");
  CHECK(RemoteUrl::parse("redis://:pw@[::1]/3").shown() == "redis://[::1]/3");
  CHECK(RemoteUrl::parse("file:///srv/cache").path == "/srv/cache");
  for (const char* bad : {"", "ftp://x", "http://", "redis://h:0", "redis://h:x", "file:relative", "http://[::1"}) {
    CAPTURE(bad);
    CHECK(thrown([&] { RemoteUrl::parse(bad); }).code() == Code::argument);
  }
  CHECK(is_loopback("127.0.0.1"));
  CHECK_FALSE(is_loopback("127.0.0.1.example.org"));
}
}  // namespace
}  // namespace pagejit::cache
