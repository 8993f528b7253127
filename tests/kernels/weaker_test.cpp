// Where nothing may be compiled, a kernel of weaker alignment serves a call, and never one of stronger alignment.
#include "kernels/common/weaker.h"

#include <doctest/doctest.h>

#include <map>
#include <set>

#include "kernels/families.h"
#include "tests/kernels/append_grid.h"
#include "tests/kernels/emulated.h"
#include "tests/kernels/flatten_grid.h"
#include "tests/kernels/gather_case.h"
#include "tests/kernels/indices_case.h"
#include "tests/kernels/rope_grid.h"
#include "tests/support/seed.h"

namespace pagejit::tests {
namespace {

/// The emulator, as it were with a cache that holds the kernels of some alignment classes, and without a compiler.
class Precompiled final : public Backend {
 public:
  explicit Precompiled(std::set<std::string> classes) : classes_(std::move(classes)) {}

  const LoadedKernel& load(const Request& request) override {
    if (const LoadedKernel* kernel = load_cached(request)) return *kernel;
    fail(Code::miss, "this kernel is not in the cache, and compiling is not allowed here",
         {{"spec", request.spec_line}});
  }
  const LoadedKernel* load_cached(const Request& request) override {
    for (const auto& [name, value] : parse_words(request.spec_line).values)
      if (name == "align" && !classes_.contains(value)) return nullptr;
    return &inner().load(request);
  }
  void note_fallback(const Request& wanted, const LoadedKernel& served) override {
    fallbacks.emplace(wanted.spec_line, served.request().spec_line);
  }
  void seal() override {}

  void launch(const LoadedKernel& kernel, Grid grid, const void* params, Stream stream) override {
    launched.insert(kernel.request().spec_line);
    inner().launch(kernel, grid, params, stream);
  }
  const std::string& target() const override { return inner().target(); }
  std::string name() const override { return inner().name(); }
  int multiprocessors() const override { return inner().multiprocessors(); }
  bool capturing(Stream) override { return capture; }
  void* allocate(std::size_t bytes, const char* label) override { return inner().allocate(bytes, label); }
  void release(void* memory) override { inner().release(memory); }
  void copy_in(void* d, const void* h, std::size_t n, Stream s) override { inner().copy_in(d, h, n, s); }
  void copy_out(void* h, const void* d, std::size_t n, Stream s) override { inner().copy_out(h, d, n, s); }
  void fill(void* d, unsigned char byte, std::size_t n, Stream s) override { inner().fill(d, byte, n, s); }
  void synchronise(Stream stream) override { inner().synchronise(stream); }
  Statistics statistics() const override { return inner().statistics(); }

  bool capture = false;
  std::map<std::string, std::string> fallbacks;  // wanted → what served
  std::set<std::string> launched;

 private:
  static EmulatorBackend& inner() { return emulated().backend(); }
  std::set<std::string> classes_;
};

struct WithoutCompiler {
  explicit WithoutCompiler(std::set<std::string> classes)
      : backend(new Precompiled(std::move(classes))), context(std::unique_ptr<Backend>(backend)) {}
  Precompiled* backend;
  Context context;
};

std::string align_of(const std::string& line) {
  for (const auto& [name, value] : parse_words(line).values)
    if (name == "align") return value;
  return "none";
}

/// Runs a grid where only `elem` is there: all must be right, and calls of every stronger class must have been among
/// them.
template <class Run>
void check_grid(const Run& run) {
  WithoutCompiler c({"elem"});
  std::vector<std::string> problems = run(c.context);
  for (const std::string& problem : problems) FAIL_CHECK(problem);
  std::set<std::string> wanted;
  for (const auto& [line, served] : c.backend->fallbacks) {
    wanted.insert(align_of(line));
    CHECK(align_of(served) == "elem");
  }
  CHECK(wanted == std::set<std::string>{"16", "8", "4"});
  for (const std::string& line : c.backend->launched) CHECK(align_of(line) == "elem");
}

}  // namespace

TEST_CASE("weaker: with only the weakest kernels, flatten is right whatever the alignment of its call") {
  check_grid([](Context& c) {
    return run_flatten_grid(c, {.cases = 60, .seed = test_seed(), .elements = 30'000}, emulated().poison());
  });
}

TEST_CASE("weaker: with only the weakest kernels, the gathers are right whatever the alignment of their call") {
  check_grid([](Context& c) { return run_gather_grid(c, 40, test_seed(), emulated().poison()); });
}

TEST_CASE("weaker: with only the weakest kernels, the writers are right whatever the alignment of their call") {
  check_grid([](Context& c) {
    return run_append_grid(c, {.cases = 60, .seed = test_seed(), .elements = 20'000}, emulated().poison());
  });
}

TEST_CASE("weaker: with only the weakest kernels, rope is right whatever the alignment of its call") {
  check_grid([](Context& c) {
    return run_rope_grid(c, {.cases = 60, .seed = test_seed(), .elements = 20'000}, emulated().poison());
  });
}

TEST_CASE("weaker: the index lists know no alignment, and go on as they are") {
  WithoutCompiler c({});
  CHECK(run_case(c.context, StartsCase{{3, 0, 5, 9}, true, Elem::i32, Elem::i64}) == "");
  CHECK(c.backend->fallbacks.empty());
  CHECK(weaker_specs(indices::Spec{}).empty());
}

TEST_CASE("weaker: of several classes that are there the strongest one that the call satisfies serves") {
  WithoutCompiler c({"8", "4", "elem"});
  FlattenCase packed;
  packed.seed = test_seed();
  CHECK(run_flatten(c.context, packed, emulated().poison()) == "");
  REQUIRE(c.backend->fallbacks.size() == 1);
  CHECK(align_of(c.backend->fallbacks.begin()->first) == "16");
  CHECK(align_of(c.backend->fallbacks.begin()->second) == "8");
}

TEST_CASE("weaker: a kernel of stronger alignment never serves, and the error is of the wanted one") {
  WithoutCompiler c({"16", "8"});
  FlattenCase odd;
  odd.seed = test_seed(), odd.shift = 1;
  FlattenRun run(c.context, odd);
  std::string wanted = c.context.spec_line(run.args());
  CHECK(align_of(wanted) == "elem");
  try {
    c.context.flatten(run.args());
    FAIL("no error");
  } catch (const Error& e) {
    CHECK(e.code() == Code::miss);
    CHECK(std::string(e.what()).find(wanted) != std::string::npos);
  }
  CHECK(c.backend->launched.empty());
}

TEST_CASE("weaker: packed and strided give the same rows, to the bit, when one kernel serves both") {
  WithoutCompiler c({"elem"});
  FlattenCase one;
  one.dim_k = 96, one.dim_v = 40, one.seed = test_seed();
  std::vector<Image> rows;
  for (int layers : {1, 3})
    for (int shift : {0, 8, 4, 2, 1}) {
      one.layers = layers, one.shift = shift;
      FlattenRun run(c.context, one, emulated().poison());
      REQUIRE(run.check() == "");
      rows.push_back(run.rows(false));
    }
  for (const Image& image : rows) CHECK(image == rows[0]);
  CHECK(rows[0] == [&] {
    one.layers = 1, one.shift = 0;
    FlattenRun exact(emulated().context(), one, emulated().poison());
    REQUIRE(exact.check() == "");
    return exact.rows(false);
  }());
  CHECK(c.backend->launched.size() == 1);
}

TEST_CASE("weaker: a call is told of its weaker kernel once, and later calls find it in memory") {
  WithoutCompiler c({"elem"});
  FlattenCase one;
  one.seed = test_seed();
  FlattenRun run(c.context, one, emulated().poison());
  for (int i = 0; i < 3; ++i) {
    c.backend->fallbacks.clear();
    CHECK(run.check() == "");
    CHECK(c.backend->fallbacks.size() == (i == 0 ? 1 : 0));
  }
}

TEST_CASE("weaker: a capturing stream takes what is loaded, and afterwards the wanted kernel is had") {
  WithoutCompiler c({"16", "elem"});
  FlattenCase one;
  one.seed = test_seed();
  FlattenRun run(c.context, one, emulated().poison());
  std::string line = c.context.spec_line(run.args()), weak = line;
  weak.replace(weak.find("align=16"), 8, "align=elem");
  flatten::Spec spec = parse_spec<flatten::Spec>(weak);
  flatten::choose_block(spec);
  c.backend->capture = true;
  CHECK_THROWS_AS(c.context.flatten(run.args()), Error);
  c.context.prepare(spec_line("flatten", spec));
  CHECK(run.check() == "");
  CHECK(c.backend->fallbacks.count(line) == 1);
  c.backend->capture = false, c.backend->launched.clear();
  CHECK(run.check() == "");
  CHECK(c.backend->launched == std::set<std::string>{line});
}

TEST_CASE("weaker: every weaker Spec can be compiled, and is of a weaker class") {
  for (int dim : {1, 3, 64, 80, 128, 576, 4096})
    for (Align align : {Align::a16, Align::a8, Align::a4, Align::elem}) {
      flatten::Spec s;
      s.k = s.v = s.to = Elem::bf16, s.dim_k = s.dim_v = dim, s.align = align;
      flatten::choose_block(s);
      for (const flatten::Spec& w : weaker_specs(s)) {
        CHECK_NOTHROW(check(w));
        CHECK(w.align > align);
      }
      CHECK(weaker_specs(s).empty() == (align == Align::elem));
    }
}

}  // namespace pagejit::tests
