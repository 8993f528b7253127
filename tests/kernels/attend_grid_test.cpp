// Attention over a sampled grid of Specs, shapes and lengths, on the emulator with its sanitizer on; what is compiled.
#include "tests/kernels/attend_grid.h"

#include <doctest/doctest.h>

#include <set>

#include "kernels/attend/host.h"
#include "runtime/base/fields.h"
#include "tests/kernels/emulated.h"
#include "tests/kernels/grid.h"
#include "tests/kernels/recording_backend.h"
#include "tests/support/seed.h"

namespace pagejit::tests {
namespace {

/// Packed, each other alignment, and one layer of several: results bit for bit.
void check_same_bits(AttendCase c) {
  std::vector<Image> all;
  for (int layers : {1, 3})
    for (int shift : {0, 8, 4, 2, 1}) {
      c.layers = layers, c.shift = shift;
      AttendRun run(emulated().context(), c, emulated().poison());
      std::string problem = run.check();
      CHECK_MESSAGE(problem == "", problem << "\n  case: " << c.text());
      all.push_back(run.results());
    }
  for (const Image& one : all) CHECK((one == all[0]));
}

/// A random call of one model: its tensors are never looked at.
DecodeArgs random_call(Random& random) {
  auto at = [&] { return reinterpret_cast<void*>(16 * (1 + random() % 100000)); };
  std::int64_t batch = pick(random, 0, 700), kv_heads = 8, heads = 32, pages = pick(random, 1, 100000);
  DecodeArgs a;
  a.q = Tensor(at(), Elem::bf16, {batch, heads, 128}, {heads * 128 + 8 * pick(random, 0, 9), 128, 1});
  a.out = Tensor(at(), Elem::bf16, {batch, heads, 128}, {heads * 128 + 8 * pick(random, 0, 9), 128, 1});
  for (Tensor* t : {&a.k_cache, &a.v_cache})
    *t = Tensor(at(), Elem::bf16, {pages, 64, kv_heads, 128},
                {(64 * kv_heads * 128 + 8 * pick(random, 0, 1000)) * pick(random, 1, 80), kv_heads * 128, 128, 1});
  std::int64_t columns = pick(random, 0, 5000);
  a.block_table = Tensor(at(), Elem::i32, {batch, columns}, {columns + pick(random, 1, 9), 1});
  a.lengths = Tensor(at(), Elem::i32, {batch});
  a.scale = static_cast<float>(pick(random, 1, 100)) / 100, a.softcap = static_cast<float>(pick(random, 1, 100));
  a.window_left = pick(random, 0, 10000), a.empty_lse_pos_inf = random() % 2;
  a.workspace = Tensor(at(), Elem::u8, {std::int64_t{1} << 40});
  return a;
}

}  // namespace

TEST_CASE("attention: a sample of all Specs, lengths, strides and variants is right, and reads nothing it may not") {
  AttendGrid grid;
  grid.cases = 60;
  grid.seed = test_seed();
  CAPTURE(grid.seed);
  for (const std::string& problem : run_attend_grid(emulated().context(), grid, emulated().poison()))
    FAIL_CHECK(problem);
}

TEST_CASE("attention: packed, at any alignment and as one layer of several, the results are the same bits") {
  check_same_bits({.lengths = {40, 0, 17}, .tuning = {.parts = 3, .least = 1}});
  check_same_bits({.heads = 6, .kv_heads = 2, .dim_k = 96, .dim_v = 80, .page = 7, .lengths = {33, 50}, .left = 20});
  check_same_bits(
      {.heads = 5, .kv_heads = 1, .dim_k = 288, .dim_v = 256, .joint = true, .lengths = {40}, .queries = {2}});
}

TEST_CASE("attention: groups of warps that split dims are right with each variant of the scores, whatever the parts") {
  AttendCase c{.heads = 48, .kv_heads = 1, .dim_k = 576, .dim_v = 512, .joint = true, .lengths = {0, 150, 1, 33}};
  AttendCase window = c, causal = c, half = c;
  window.left = 40, window.softcap = 20, window.alibi = true, window.tuning.parts = 1;
  causal.heads = 20, causal.queries = {0, 3, 1, 2}, causal.sinks = true, causal.tuning = {.parts = 5, .least = 1};
  half.elem = Elem::f16, half.dim_k = half.dim_v = 512, half.shift = 1;
  for (const AttendCase& one : {c, window, causal, half}) {
    AttendRun run(emulated().context(), one, emulated().poison());
    CHECK(attend::splits_dims(parse_spec<attend::Spec>(emulated().context().spec_line(run.args()))));
    CHECK(run.check() == "");
  }
}

TEST_CASE("attention: parts of fewer tiles than stages hold, and of many, are right") {
  AttendCase few{.dim_k = 128, .dim_v = 128, .page = 64, .lengths = {700, 3, 0, 650, 64}}, many = few;
  auto random = random_for("attention: tiles under way");
  many.lengths.clear();
  for (int i = 0; i < 40; ++i) many.lengths.push_back(pick(random, 0, 100));
  for (AttendCase c : {few, many})
    for (int parts : {1, 2, 5, 30}) {  // of some 50 tiles, and of one or two
      c.tuning.parts = parts, c.tuning.least = 1, c.seed = static_cast<std::uint64_t>(parts);
      AttendRun run(emulated().context(), c, emulated().poison());
      auto spec = parse_spec<attend::Spec>(emulated().context().spec_line(run.args()));
      CHECK((spec.bulk && spec.across == 1 && spec.stages == 3));
      CHECK(run.check() == "");
    }
}

TEST_CASE("attention: ten thousand random calls compile as many kernels as the first one did") {
  auto* backend = new RecordingBackend;
  backend->remember = false;
  Context context{std::unique_ptr<Backend>(backend)};
  auto random = random_for("attention: compiles");
  std::set<std::string> lines;
  for (int i = 0; i < 10'000; ++i) {
    DecodeArgs a = random_call(random);
    lines.insert(context.spec_line(a));
    context.decode_attention(a);
  }
  CHECK(lines.size() == 1);
  CHECK(backend->compiles == 4);  // attention's, and three that put parts together
}

TEST_CASE("attention: where the copy engine cannot walk a cache, threads bring its rows") {
  struct Engine : RecordingBackend {
    bool walks = true;
    bool describe(const BoxedTensor&, TensorMap&) const override { return walks; }
  };
  auto* backend = new Engine;
  Context context{std::unique_ptr<Backend>(backend)};
  auto random = random_for("attention: engine");
  for (bool walks : {true, false}) {
    backend->walks = walks;
    DecodeArgs a = random_call(random);
    while (a.q.shape[0] == 0) a = random_call(random);
    a.tuning.parts = 1;  // one kernel
    context.decode_attention(a);
    bool bulk = backend->last_kernel->request().spec_line.find("bulk=1") != std::string::npos;
    CHECK(bulk == walks);
  }
}

TEST_CASE("attention: of strides that are too large for the copy engine the Spec says that threads bring the rows") {
  Context context{std::make_unique<RecordingBackend>()};
  auto random = random_for("attention: far pages");
  for (bool far : {false, true}) {
    DecodeArgs a = random_call(random);
    if (far) a.k_cache.stride[0] = std::int64_t{1} << 39;  // elements of two bytes
    CHECK((context.spec_line(a).find("bulk=1") == std::string::npos) == far);
  }
}

TEST_CASE("attention: a model's lists have what its calls ask for, nothing twice, and each is right") {
  for (bool joint : {false, true}) {
    ModelShape m;
    m.window = !joint, m.joint = joint, m.pages = {16, 64}, m.chip = chip_of("emulator");
    if (joint) m.query_heads = 16, m.kv_heads = 1, m.dim_k = 576, m.dim_v = 512;
    std::set<std::string> first, then;
    for (const attend::Spec& s : attend::specs_for_model(m)) {
      attend::check(s);
      CHECK(first.insert(spec_line("attend", s)).second);
    }
    for (const combine::Spec& s : combine::specs_for_model(m)) {
      combine::check(s);
      CHECK(then.insert(spec_line("combine", s)).second);
    }
    auto random = random_for("attention: lists");
    void* aligned = reinterpret_cast<void*>(4096);
    for (int i = 0; i < 500; ++i) {
      void* at = reinterpret_cast<void*>(4096 + (16 >> random() % 4) % 16);  // each class
      std::int64_t batch = pick(random, 1, 300), queries = pick(random, 1, 8);
      DecodeArgs a;
      a.q = Tensor(at, m.elem, {batch * queries, m.query_heads, m.dim_k});
      a.out = Tensor(at, m.elem, {batch * queries, m.query_heads, m.dim_v});
      a.k_cache = Tensor(at, m.elem, {9, m.pages[random() % 2], m.kv_heads, m.dim_k});
      if (!joint)
        a.v_cache = Tensor(static_cast<char*>(at) + 4096, m.elem, {9, a.k_cache.shape[1], m.kv_heads, m.dim_v});
      a.block_table = Tensor(aligned, Elem::i32, {batch, 3});
      a.lengths = Tensor(aligned, random() % 2 ? Elem::i32 : Elem::i64, {batch});
      if (random() % 2) a.lse = Tensor(aligned, Elem::f32, {batch * queries, m.query_heads});
      if (random() % 2) a.query_indptr = Tensor(aligned, Elem::i32, {batch + 1}), a.max_queries = queries;
      if (!joint && random() % 2) a.window_left = 100;
      attend::Plan plan;
      attend::plan_without_workspace(a, chip_of("emulator", static_cast<int>(pick(random, 16, 200))), plan);
      CHECK(first.count(spec_line("attend", plan.spec)) == 1);
      CHECK(then.count(spec_line("combine", plan.then.spec)) == 1);
    }
  }
}

}  // namespace pagejit::tests
