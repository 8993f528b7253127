// A Context over the fake driver: what seal(), weaker alignment and the event hook come to where there is a cache.
#include <doctest/doctest.h>
#include <pagejit/pagejit.h>

#include <stdexcept>

#include "runtime/cache/stats_log.h"
#include "runtime/cuda/cuda_backend.h"
#include "tests/kernels/heap_count.h"
#include "tests/runtime/support.h"
#include "tests/support/fake.h"

namespace pagejit {
namespace {
using namespace testing;
using Kind = Event::Kind;

/// Contexts with a common folder, as one process after another has them.
struct Setup {
  Context open() { return Context(std::make_unique<CudaBackend>(std::make_shared<Engine>(compiler, options), cuda)); }
  cache::Counters counters() const {
    cache::Counters sum;
    cache::Disk disk(folder.path(), cache::Disk::Use::read_only);
    for (const cache::Counters& c : cache::read_stats(disk.folder())) sum.add(c);
    return sum;
  }

  TempFolder folder;
  CudaOptions cuda{.ordinal = 0, .target = {}, .driver = fresh_fake_driver()};
  std::shared_ptr<CountingCompiler> compiler = std::make_shared<CountingCompiler>();
  EngineOptions options = options_for(folder.path());
};

/// A call whose pointers and strides are all multiples of 16 bytes. The fake driver looks at none of them.
FlattenArgs some_args() {
  auto at = reinterpret_cast<void*>(0x10000);
  FlattenArgs a;
  a.k_cache = Tensor(at, Elem::bf16, {9, 16, 4, 128});
  a.v_cache = Tensor(at, Elem::bf16, {9, 16, 4, 128});
  a.k_out = Tensor(at, Elem::bf16, {50, 4, 128});
  a.v_out = Tensor(reinterpret_cast<void*>(0x80000), Elem::bf16, {50, 4, 128});  // with K's it would be a part of K
  a.block_table = Tensor(at, Elem::i32, {2, 2});
  a.lengths = Tensor(at, Elem::i32, {2});
  return a;
}

/// The spec line of some_args() with an output that many bytes further on.
std::string line_of(Setup& s, std::uintptr_t offset) {
  FlattenArgs a = some_args();
  a.k_out.data = reinterpret_cast<void*>(0x10000 + offset);
  return s.open().spec_line(a);
}

TEST_CASE("in require mode a weaker kernel of the cache serves, is counted in stats.log, and its cause is told") {
  Setup s;
  std::string weaker = line_of(s, 2), wanted = line_of(s, 0);
  s.open().prepare(weaker);
  s.options.mode = Mode::require;
  std::vector<std::string> told;
  s.options.on_event = [&](const Event& e) {
    if (e.kind == Kind::fallback) told.push_back(std::string(e.spec_line) + " ← " + std::string(e.cause));
  };
  {
    Context context = s.open();
    for (int i = 0; i < 3; ++i) context.flatten(some_args());
    CHECK(context.statistics().align_fallbacks == 1);
    CHECK(context.statistics().launches == 3);
    CHECK(context.statistics().compiles == 0);
  }
  CHECK(told == std::vector<std::string>{wanted + " ← " + weaker});
  CHECK(s.compiler->compiles == 1);
  CHECK(s.counters()["align_fallbacks"] == 1);
  CHECK(s.counters()["misses.options"] + s.counters()["misses.new-spec"] == 2);  // of the wanted ones alone
}

TEST_CASE("in require mode the exact kernel is taken where it is there, whatever weaker ones are") {
  Setup s;
  s.open().prepare(line_of(s, 2));
  s.open().prepare(line_of(s, 0));
  s.options.mode = Mode::require;
  Context context = s.open();
  context.flatten(some_args());
  CHECK(context.statistics().align_fallbacks == 0);
  CHECK(context.statistics().disk_hits == 1);
}

TEST_CASE("in require mode a stronger kernel never serves, and PJ0003 names the wanted one") {
  Setup s;
  s.open().prepare(line_of(s, 0));
  s.options.mode = Mode::require;
  Context context = s.open();
  FlattenArgs odd = some_args();
  odd.k_out.data = reinterpret_cast<void*>(0x10002);
  Error e = thrown([&] { context.flatten(odd); });
  CHECK(e.code() == Code::miss);
  CHECK(contains(e.what(), "align=elem"));
  CHECK(PJ_FAKE(fake_launches)() == 0);
}

TEST_CASE("where compiling is allowed a weaker kernel never takes the exact one's place") {
  Setup s;
  s.open().prepare(line_of(s, 2));
  Context context = s.open();
  context.flatten(some_args());
  CHECK(s.compiler->compiles == 2);
  CHECK(context.statistics().align_fallbacks == 0);
}

TEST_CASE("after seal() with seal=error a weaker kernel serves, else the call is PJ0006; hits go on") {
  Setup s;
  s.open().prepare(line_of(s, 2));
  s.options.seal_is_error = true;
  Context context = s.open();
  context.seal();
  context.flatten(some_args());
  CHECK(context.statistics().align_fallbacks == 1);
  FlattenArgs other = some_args();
  other.tail = flatten::Tail::untouched;
  CHECK(thrown([&] { context.flatten(other); }).code() == Code::sealed);
  CHECK(s.compiler->compiles == 1);
}

TEST_CASE("stats.log says how many launches found their kernel in memory, to the last one") {
  Setup s;
  {
    Context context = s.open();
    for (int i = 0; i < 5; ++i) context.flatten(some_args());  // the first one compiles
    FlattenArgs other = some_args();
    other.tail = flatten::Tail::untouched;
    context.prepare(other);
    for (int i = 0; i < 3; ++i) context.flatten(other);
    context.prepare(other);
  }
  CHECK(s.counters()["hits.memory"] == 4 + 3 + 1);
  CHECK(s.counters()["compiles"] == 2);
  { s.open().flatten(some_args()); }
  CHECK(s.counters()["hits.memory"] == 8);  // a launch that read its kernel from a file is none
  CHECK(s.counters()["hits.private"] == 1);
}

TEST_CASE("a hook that throws costs one warning, and the kernel is launched") {
  Setup s;
  forget_warnings();
  LogCapture log;
  s.options.on_event = [](const Event&) { throw std::runtime_error("out of ink"); };
  Context context = s.open();
  CHECK_NOTHROW(context.flatten(some_args()));
  CHECK(context.statistics().launches == 1);
  REQUIRE(log.lines.size() == 1);
  CHECK(contains(log.lines[0], "the event hook threw, and is not to: out of ink"));
}

TEST_CASE("launches of a loaded kernel tell the hook nothing and take no heap, whether there is one or not") {
  for (bool hooked : {false, true}) {
    Setup s;
    int told = 0;
    if (hooked) s.options.on_event = [&](const Event&) { ++told; };
    Context context = s.open();
    context.flatten(some_args());
    int before = told;
    std::uint64_t heap = tests::heap_allocations();
    for (int i = 0; i < 100; ++i) context.flatten(some_args());
    CHECK(tests::heap_allocations() == heap);
    CHECK(told == before);
    CHECK((told > 0) == hooked);
  }
}
}  // namespace
}  // namespace pagejit
