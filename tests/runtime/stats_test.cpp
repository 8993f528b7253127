// Counters and the file that keeps them.
#include <doctest/doctest.h>

#include <cmath>

#include "runtime/cache/root.h"
#include "runtime/cache/stats_log.h"
#include "tests/runtime/support.h"
#include "tests/support/seed.h"

namespace pagejit::cache {
namespace {
using namespace pagejit::testing;
using Kind = Event::Kind;

Counters sample_counters() {
  Counters c;
  c.note({.kind = Kind::hit, .layer = "private", .count = 3});
  c.note({.kind = Kind::miss, .cause = "new-spec"});
  c.note({.kind = Kind::compile, .cause = "new-spec", .ms = 12.5});
  c.note({.kind = Kind::evict, .layer = "private", .count = 40});
  return c;
}

TEST_CASE("a line of counters says what was counted, and nothing where one byte of it differs") {
  Counters c = sample_counters();
  std::optional<Counters> again = Counters::parse(c.line());
  REQUIRE(again);
  CHECK((*again)["hits.private"] == 3);
  CHECK((*again)["misses.new-spec"] == 1);
  CHECK((*again)["evicted"] == 40);
  CHECK((*again)["hits.remote"] == 0);
  CHECK(again->from == c.from);
  CHECK(again->line() == c.line());
  for (std::size_t i = 0; i < c.line().size(); ++i) {
    std::string spoilt = c.line();
    spoilt[i] ^= 4;
    CAPTURE(spoilt);
    CHECK_FALSE(Counters::parse(spoilt));
    CHECK_FALSE(Counters::parse(c.line().substr(0, i)));
  }
}

TEST_CASE("quantiles of a histogram, and of a sum of histograms, are true to five percent") {
  auto random = random_for("histogram");
  std::vector<double> all;
  Histogram sum;
  for (int process = 0; process < 10; ++process) {
    Histogram own;
    for (int i = 0; i < 100; ++i) {
      double ms = std::exp2(static_cast<double>(random() % 1000) / 100);
      all.push_back(ms);
      own.add(ms);
    }
    sum.add(*Histogram::parse(own.text()));
  }
  std::sort(all.begin(), all.end());
  CHECK(sum.count() == 1000);
  for (double q : {0.5, 0.99}) {
    double exact = all[static_cast<std::size_t>(q * 1000) - 1];
    CHECK(std::abs(sum.quantile(q) / exact - 1) < 0.05);
  }
  CHECK(Histogram().quantile(0.5) == 0);
}

TEST_CASE("damaged and torn lines of stats.log are skipped, and the lines after them are not") {
  TempFolder folder;
  Fd v1 = open_root(folder.path(), Access::own);
  append_stats(v1.get(), sample_counters());
  std::string path = folder.path() + "/v1/stats.log", text = read_file(path);
  std::string torn = text.substr(0, text.size() / 2);
  write_file(path, text + "nonsense\n" + torn);
  append_stats(v1.get(), sample_counters());
  CHECK(read_stats(v1.get()).size() == 2);
  append_stats(v1.get(), Counters());  // nothing to say
  CHECK(read_stats(v1.get()).size() == 2);
}

TEST_CASE("a stats.log over 1 MiB becomes one line with the same sums; a shorter one stays") {
  TempFolder folder;
  Fd v1 = open_root(folder.path(), Access::own);
  std::string line = sample_counters().line() + "\n", text = line;
  std::string path = folder.path() + "/v1/stats.log";
  write_file(path, text);
  fold_stats(v1.get());
  CHECK(read_file(path) == text);
  std::uint64_t lines = 1;
  for (; text.size() <= (1u << 20); ++lines) text += line;
  write_file(path, text);
  fold_stats(v1.get());
  std::vector<Counters> folded = read_stats(v1.get());
  REQUIRE(folded.size() == 1);
  CHECK(folded[0]["hits.private"] == 3 * lines);
  CHECK(folded[0].compile_ms.count() == lines);
  CHECK(zero_stats(v1.get()));
  CHECK(read_stats(v1.get()).empty());
}

TEST_CASE("a journal passes each event on, and begins anew after it was taken") {
  std::vector<std::string> told;
  Journal journal([&](const Event& e) { told.emplace_back(e.cause); });
  journal.note({.kind = Kind::miss, .cause = "llvm"});
  journal.note({.kind = Kind::miss, .cause = "abi"});
  CHECK(told == std::vector<std::string>{"llvm", "abi"});
  CHECK(journal.take()["misses.llvm"] == 1);
  CHECK(journal.counters().empty());
}
}  // namespace
}  // namespace pagejit::cache
