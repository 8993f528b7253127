// The host's half of flatten without a device: which Spec a call asks for, how it is launched, what a launch costs.
#include <doctest/doctest.h>

#include <chrono>
#include <set>
#include <thread>

#include "kernels/api/pagejit/pagejit.h"
#include "kernels/common/kernel_map.h"
#include "kernels/flatten/host.h"
#include "kernels/registry.h"
#include "tests/kernels/heap_count.h"
#include "tests/kernels/recording_backend.h"
#include "tests/support/seed.h"

namespace pagejit::tests {
namespace {

struct Recorder {
  RecordingBackend* backend = new RecordingBackend;
  Context context{std::unique_ptr<Backend>(backend)};
};

FlattenArgs some_args(std::uintptr_t k_cache = 0x10000, std::int64_t row_pad = 0) {
  auto at = [](std::uintptr_t address) { return reinterpret_cast<void*>(address); };
  std::int64_t k_row = 4 * 64 + row_pad;
  FlattenArgs a;
  a.k_cache = Tensor(at(k_cache), Elem::bf16, {10, 16, 4, 64}, {16 * k_row, k_row, 64, 1});
  a.v_cache = Tensor(at(0x20000), Elem::bf16, {10, 16, 4, 32});
  a.k_out = Tensor(at(0x30000), Elem::bf16, {100, 4, 64});
  a.v_out = Tensor(at(0x40000), Elem::bf16, {100, 4, 32});
  a.block_table = Tensor(at(0x50000), Elem::i32, {3, 4});
  a.lengths = Tensor(at(0x60000), Elem::i32, {3});
  return a;
}

flatten::Spec spec_of(const FlattenArgs& a) {
  flatten::Plan plan;
  flatten::plan(a, 132, plan);
  return plan.spec;
}

}  // namespace

TEST_CASE("flatten host: the alignment class is what the pointers and used strides have in common") {
  CHECK(spec_of(some_args()).align == Align::a16);
  CHECK(spec_of(some_args(0x10008)).align == Align::a8);
  CHECK(spec_of(some_args(0x10004)).align == Align::a4);
  CHECK(spec_of(some_args(0x10002)).align == Align::elem);
  CHECK(spec_of(some_args(0x10000, 8)).align == Align::a16);
  CHECK(spec_of(some_args(0x10000, 4)).align == Align::a8);
  CHECK(spec_of(some_args(0x10000, 2)).align == Align::a4);
  CHECK(spec_of(some_args(0x10000, 1)).align == Align::elem);
}

TEST_CASE("flatten host: every Spec that a call can ask for passes its own check, whatever the dims and alignment") {
  for (int dim : {1, 3, 64, 96, 576, 1000, 4095, 4096})
    for (Elem elem : {Elem::f32, Elem::f16, Elem::bf16})
      for (Align align : {Align::a16, Align::a8, Align::a4, Align::elem})
        for (bool joint : {false, true}) {
          flatten::Spec s;
          s.k = s.v = s.to = elem, s.dim_k = s.dim_v = dim, s.align = align, s.joint = joint;
          flatten::choose_block(s);
          CAPTURE(spec_line("flatten", s));
          CHECK_NOTHROW(check(s));
          CHECK(flatten::items(s) >= 1);
        }
}

TEST_CASE("flatten host: the short way to a block's size gives what the long way gives") {
  for (int dim_k = 1; dim_k <= 1024; ++dim_k)
    for (int dim_v : {dim_k, 64, 128})
      for (Elem elem : {Elem::f32, Elem::bf16})
        for (Align align : {Align::a16, Align::a8, Align::a4, Align::elem})
          for (bool joint : {false, true}) {
            flatten::Spec s;
            s.k = s.v = s.to = elem, s.dim_k = dim_k, s.dim_v = joint ? dim_k : dim_v, s.align = align, s.joint = joint;
            flatten::choose_block(s);
            if (s.threads != flatten::least_threads(s)) continue;  // a head too wide for the short way
            REQUIRE(s.unroll == flatten::unroll_for(s));
          }
}

TEST_CASE("flatten host: a launch covers each row and head exactly once, and no block has more rows than threads") {
  auto random = random_for("launch shapes");
  auto pick = [&](std::int64_t most) { return std::uniform_int_distribution<std::int64_t>(1, most)(random); };
  for (int i = 0; i < 20000; ++i) {
    flatten::Spec s;
    s.dim_k = static_cast<int>(pick(600)), s.dim_v = static_cast<int>(pick(600));
    s.align = static_cast<Align>(pick(4) - 1);
    flatten::choose_block(s);
    std::int64_t heads = pick(i % 2 ? 16 : 65535), rows = pick(i % 3 ? 5000 : flatten::max_rows);
    int multiprocessors = static_cast<int>(pick(200));
    auto shape = flatten::launch_shape(s, heads, rows, pick(2000), pick(2) == 1, multiprocessors);
    REQUIRE(shape.rows >= 1);
    REQUIRE(shape.rows <= s.threads);
    REQUIRE(shape.group >= 1);
    REQUIRE(shape.group <= flatten::items(s));
    REQUIRE(shape.row_blocks == (rows + shape.rows - 1) / shape.rows);
    REQUIRE(shape.head_blocks * shape.group >= heads);
    REQUIRE((shape.head_blocks - 1) * shape.group < heads);
    REQUIRE(shape.head_blocks <= 65535);
    REQUIRE(shape.row_blocks * shape.rows <= INT32_MAX);  // the kernel numbers rows in 31 bits
  }
}

TEST_CASE("flatten host: one multiplication divides every item by the heads of a block") {
  for (std::int64_t group = 1; group <= 1024; group += group < 64 ? 1 : 37) {
    std::int64_t magic = ((std::int64_t{1} << 32) + group - 1) / group;
    for (std::int64_t item = 0; item < 257 * 1024; ++item)
      if (item * magic >> 32 != item / group) FAIL(item << " / " << group);
  }
}

TEST_CASE("flatten host: each field of a Spec makes another entry in the look-up") {
  flatten::Spec base;
  std::set<std::string> lines{spec_line("flatten", base)};
  std::set<std::uint64_t> numbers{mixed(base)};
  std::size_t fields = 0;
  for_each_field(base, [&](std::string_view name, const auto& value, const auto&) {
    flatten::Spec other = base;
    for_each_field(other, [&](std::string_view n, auto& member, const auto&) {
      using T = std::remove_cvref_t<decltype(member)>;
      if (n == name) member = static_cast<T>(static_cast<int>(member) + 1);
    });
    (void)value;
    CHECK_FALSE(other == base);
    lines.insert(spec_line("flatten", other));
    numbers.insert(mixed(other));
    ++fields;
  });
  CHECK(lines.size() == fields + 1);
  CHECK(numbers.size() == fields + 1);
}

TEST_CASE("flatten host: the look-up finds a thousand Specs while it grows under readers") {
  KernelMap<flatten::Spec> map;
  std::vector<RecordingBackend::Kernel> kernels(1000, RecordingBackend::Kernel(Request{}));
  auto spec = [](int i) {
    flatten::Spec s;
    s.page = i + 1;
    return s;
  };
  std::atomic<int> done = 0;
  std::atomic<bool> wrong = false;
  std::thread reader([&] {
    while (done < 1000)
      for (int i = 0, limit = done; i < limit; ++i)
        if (const auto* found = map.find(spec(i)); !found || found->kernel != &kernels[static_cast<std::size_t>(i)])
          wrong = true;
  });
  for (int i = 0; i < 1000; ++i) {
    map.insert(spec(i), kernels[static_cast<std::size_t>(i)]);
    ++done;
  }
  reader.join();
  CHECK_FALSE(wrong);
  CHECK(map.find(spec(1000)) == nullptr);
}

TEST_CASE("flatten host: ten thousand random calls ask for one kernel, mixed alignments for one more a class") {
  Recorder r;
  auto random = random_for("ten thousand calls");
  auto pick = [&](std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(random);
  };
  auto random_call = [&](std::int64_t unit) {  // pointers and strides are multiples of `unit` elements
    auto at = [&] { return reinterpret_cast<void*>(static_cast<std::uintptr_t>(pick(1, 1 << 20) * unit * 2)); };
    std::int64_t batch = pick(0, 600), rows = pick(0, 100000), pages = pick(1, 5000);
    std::int64_t head = 64 + unit * pick(0, 5), row = 4 * head + unit * pick(0, 5),
                 page = 16 * row * pick(1, 40) + unit * pick(0, 9);
    FlattenArgs a;
    a.k_cache = Tensor(at(), Elem::bf16, {pages, 16, 4, 64}, {page, row, head, 1});
    a.v_cache = Tensor(at(), Elem::bf16, {pages, 16, 4, 64}, {page, row, head, 1});
    a.k_out = Tensor(at(), Elem::bf16, {rows, 4, 64}, {row, head, 1});
    a.v_out = Tensor(at(), Elem::bf16, {4, rows, 64}, {rows * head + unit, head, 1});
    std::swap(a.v_out.shape[0], a.v_out.shape[1]), std::swap(a.v_out.stride[0], a.v_out.stride[1]);
    a.block_table = Tensor(reinterpret_cast<void*>(0x1000), Elem::i32, {batch, pick(0, 900)});
    a.lengths = Tensor(reinterpret_cast<void*>(0x1000), Elem::i32, {batch});
    r.context.flatten(a);
  };
  for (int i = 0; i < 10000; ++i) random_call(8);
  CHECK(r.backend->compiles == 1);
  CHECK(r.backend->launches > 9000);
  for (int i = 0; i < 10000; ++i) random_call(std::int64_t{1} << pick(0, 3));
  CHECK(r.backend->compiles == 4);
}

namespace {

/// A model's flatten in one of the ways that a server may ask for it: `way` counts through all of them.
FlattenArgs server_call(const ModelShape& m, Quant quant, unsigned way) {
  auto at = [&](std::uintptr_t offset) { return reinterpret_cast<void*>(0x10000 + offset * 2); };
  Elem code = quant == Quant::none ? m.elem : quant == Quant::fp8 ? m.fp8 : Elem::u8;
  std::int64_t page = way & 2 ? 16 : 64, heads = m.joint ? 1 : 8;
  auto scales = [&](Quant q, int dim) {
    if (q == Quant::none) return Tensor();
    return q == Quant::fp8 ? Tensor(at(0), Elem::f32, {1}) : Tensor(at(0), m.elem, {9, page, heads, metadata(q, dim)});
  };
  Quant quant_v = quant == Quant::turbo4 ? Quant::turbo2 : quant;
  FlattenArgs a;
  a.quant = quant;
  a.k_cache = Tensor(at(0), code, {9, page, heads, codes(quant, m.dim_k)});
  a.k_scales = scales(quant, m.dim_k);
  a.k_out = Tensor(at(way >> 4 & 7), m.elem, {50, heads, m.dim_k});
  if (!m.joint) {
    a.v_cache = Tensor(at(0), code, {9, page, heads, codes(quant_v, m.dim_v)});
    a.v_scales = scales(quant_v, m.dim_v);
    a.v_out = Tensor(at(4096), m.elem, {50, heads, m.dim_v});
  }
  a.block_table = Tensor(at(0), Elem::i32, {2, 2});
  a.lengths = Tensor(at(0), way & 1 ? Elem::i64 : Elem::i32, {2});
  if (way & 4) a.start_loc = a.lengths;
  a.tail = way & 8 ? flatten::Tail::untouched : flatten::Tail::zero;
  return a;
}

GatherArgs server_gather(const FlattenArgs& a, unsigned way) {
  GatherArgs g;
  g.src = a.k_cache, g.dst = a.k_out;
  g.scale = a.k_scales;
  g.block_table = a.block_table;
  g.cu_seq_lens = Tensor(a.lengths.data, Elem::i32, {3});
  if (way & 4) g.seq_starts = Tensor(a.lengths.data, Elem::i32, {2});
  g.tail = a.tail;
  return g;
}

}  // namespace

TEST_CASE("flatten host: all that serving a model asks for is in the list that was made for it") {
  Recorder r;
  for (bool joint : {false, true})
    for (Elem elem : {Elem::bf16, Elem::f16, Elem::f32})
      for (Quant quant : {Quant::none, Quant::fp8, Quant::int8, Quant::int4, Quant::turbo4}) {
        if (joint && quant == Quant::turbo4) continue;
        ModelShape model;
        model.elem = elem, model.joint = joint, model.quants = {quant};
        model.dim_k = joint ? 576 : 256, model.dim_v = joint ? 512 : 128;
        std::vector<std::string> lines = family_of("flatten").specs_for_model(model);
        std::set<std::string> listed(lines.begin(), lines.end()), asked;
        for (unsigned way = 0; way < 128; ++way) {
          if (elem == Elem::f32 && (way >> 4 & 1)) continue;  // no multiple of an element
          FlattenArgs a = server_call(model, quant, way);
          asked.insert(r.context.spec_line(a));
          if (joint && quant <= Quant::fp8) asked.insert(r.context.spec_line(server_gather(a, way)));
        }
        for (const std::string& line : asked) CHECK_MESSAGE(listed.count(line) == 1, line);
        // And nothing is listed in vain, save classes that codes may fall into where an f32 output cannot.
        if (elem != Elem::f32) CHECK(asked == listed);
      }
}

TEST_CASE("flatten host: the layouts of cache and output are strides: all four share a kernel") {
  Recorder r;
  for (auto layout : {FlattenArgs::Layout::nhd, FlattenArgs::Layout::hnd})
    for (auto out : {FlattenArgs::Out::shd, FlattenArgs::Out::hsd}) {
      FlattenArgs a = some_args();
      a.layout = layout, a.out = out;
      if (layout == FlattenArgs::Layout::hnd) {
        a.k_cache = Tensor(a.k_cache.data, Elem::bf16, {10, 4, 16, 64});
        a.v_cache = Tensor(a.v_cache.data, Elem::bf16, {10, 4, 16, 32});
      }
      if (out == FlattenArgs::Out::hsd) {
        a.k_out = Tensor(a.k_out.data, Elem::bf16, {4, 100, 64});
        a.v_out = Tensor(a.v_out.data, Elem::bf16, {4, 100, 32});
      }
      r.context.flatten(a);
      bool nhd = layout == FlattenArgs::Layout::nhd, shd = out == FlattenArgs::Out::shd;
      CHECK(r.backend->last_params.k_row == (nhd ? 4 * 64 : 64));
      CHECK(r.backend->last_params.k_head == (nhd ? 64 : 16 * 64));
      CHECK(r.backend->last_params.v_out_row == (shd ? 4 * 32 : 32));
      CHECK(r.backend->last_params.v_out_head == (shd ? 32 : 100 * 32));
    }
  CHECK(r.backend->compiles == 1);
}

TEST_CASE("flatten host: a kernel that is not loaded is refused while the stream captures, and the remedy named") {
  Recorder r;
  r.backend->is_capturing = true;
  FlattenArgs a = some_args();
  try {
    r.context.flatten(a);
    FAIL("no error");
  } catch (const Error& e) {
    CHECK(e.code() == Code::capture);
    CHECK(std::string(e.what()).find("prepare(\"flatten align=16") != std::string::npos);
  }
  CHECK(r.backend->compiles == 0);
  CHECK(r.backend->launches == 0);
  r.context.prepare(r.context.spec_line(a));
  r.context.flatten(a);
  CHECK(r.backend->launches == 1);
}

TEST_CASE("flatten host: many threads that ask for one kernel get the same one") {
  Recorder r;
  r.backend->remember = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < 200; ++n) r.context.flatten(some_args());
    });
  for (std::thread& t : threads) t.join();
  CHECK(r.backend->compiles == 1);
  CHECK(r.backend->launches == 1600);
}

TEST_CASE("flatten host: a launch of a known kernel allocates nothing, and takes far less than a microsecond") {
  Recorder r;
  FlattenArgs a = some_args();
  r.context.flatten(a);
  std::uint64_t allocations = heap_allocations();
  double best = 1e9;
  for (int round = 0; round < 50; ++round) {
    auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < 1000; ++i) r.context.flatten(a);
    std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count() / 1000);
  }
  CHECK(heap_allocations() == allocations);
  MESSAGE("validation, look-up and a launch that does nothing: " << best << " ns");
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__)
  CHECK(best < 1000);  // loose, for a machine with other things to do; pagejit-bench measures it
#endif
}

}  // namespace pagejit::tests
